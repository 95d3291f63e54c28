/* The base layer: memory, random streams, files, JSON, the error sentence. */
#include <nash/text.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void every_status_has_a_name_and_a_text(void **state)
{
    (void)state;
    assert_string_equal(nash_status_name(NASH_OK), "NASH_OK");
    assert_string_equal(nash_status_name(NASH_EENGINE), "NASH_EENGINE");
    assert_string_equal(nash_status_text(NASH_ENOMEM), "out of memory");
}

static void the_version_is_the_projects(void **state)
{
    (void)state;
    assert_string_equal(nash_version(), PROJECT_VERSION);
}

static void the_error_sentence_may_quote_itself(void **state)
{
    (void)state;
    assert_int_equal(ni_fail(NASH_EIO, "disk %d is full", 3), NASH_EIO);
    ni_fail(NASH_EIO, "%s, twice", nash_error_message());
    assert_string_equal(nash_error_message(), "disk 3 is full, twice");
}

static void blocks_are_zeroed_aligned_and_counted(void **state)
{
    (void)state;
    int64_t blocks = ni_memory_live_blocks(), bytes = ni_memory_live_bytes();
    int32_t *items = ni_alloc(1000, sizeof *items);
    assert_non_null(items);
    assert_int_equal((uintptr_t)items % 64, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i], 0);
    items[999] = 7;
    items = ni_realloc(items, 2000, sizeof *items);
    assert_int_equal(items[999], 7);
    assert_int_equal(items[1999], 0);
    assert_int_equal(ni_memory_live_blocks(), blocks + 1);
    assert_int_equal(ni_memory_live_bytes(), bytes + 8000);
    ni_free(items);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

static void sizes_that_overflow_are_out_of_memory(void **state)
{
    (void)state;
    assert_null(ni_alloc(INT64_MAX, 16));
    assert_null(ni_alloc(-1, 16));
    assert_null(ni_alloc(1, SIZE_MAX));
}

static void allocations_fail_when_told_to(void **state)
{
    (void)state;
    ni_memory_fail_after(1);
    char *first = ni_strdup("a"), *second = ni_strdup("b");
    ni_memory_fail_after(-1);
    assert_non_null(first);
    assert_null(second);
    ni_free(first);
}

/* Known answers of Philox4x32-10, from Random123's kat_vectors. */
static void philox_gives_its_published_numbers(void **state)
{
    (void)state;
    ni_rng zero = {.key = {0, 0}};
    assert_int_equal(ni_rng_u32(&zero), 0x6627e8d5);
    assert_int_equal(ni_rng_u32(&zero), 0xe169c58d);
    assert_int_equal(ni_rng_u32(&zero), 0xbc57ac4c);
    assert_int_equal(ni_rng_u32(&zero), 0x9b00dbd8);
    ni_rng pi = {.key = {0xa4093822, 0x299f31d0},
                 .counter = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    assert_int_equal(ni_rng_u32(&pi), 0xd16cfe09);
}

static void streams_are_named_not_ordered(void **state)
{
    (void)state;
    ni_rng a = ni_rng_make(1, NI_RNG_ORDER, 2, 3);
    ni_rng other = ni_rng_make(1, NI_RNG_ORDER, 3, 2);
    ni_rng again = ni_rng_make(1, NI_RNG_ORDER, 2, 3);
    uint64_t word = ni_rng_u64(&a);
    assert_true(word != ni_rng_u64(&other));
    assert_true(word == ni_rng_u64(&again));
}

static void draws_have_their_distributions(void **state)
{
    (void)state;
    enum { N = 200000, SIDES = 7, LEVELS = 6 };
    static const double levels[LEVELS] = {-3, -1.44, -0.5, 0, 1.44, 3};
    int below[LEVELS] = {0};
    ni_rng rng = ni_rng_make(5, NI_RNG_TEST, 0, 0);
    double sum = 0.0, squares = 0.0, uniform = 0.0;
    int count[SIDES] = {0};
    for (int i = 0; i < N; i++) {
        double x = ni_rng_normal(&rng);
        sum += x;
        squares += x * x;
        for (int k = 0; k < LEVELS; k++)
            below[k] += x < levels[k];
        uniform += ni_rng_uniform(&rng);
        count[ni_rng_below(&rng, SIDES)]++;
    }
    assert_true(fabs(sum / N) < 0.01);
    assert_true(fabs(squares / N - 1.0) < 0.02);
    assert_true(fabs(uniform / N - 0.5) < 0.005);
    for (int k = 0; k < LEVELS; k++) {
        double share = 0.5 * erfc(-levels[k] / sqrt(2.0));
        assert_true(fabs(below[k] - N * share) <
                    4.0 * sqrt(N * share * (1.0 - share)));
    }
    for (int i = 0; i < SIDES; i++)
        assert_true(abs(count[i] - N / SIDES) < 800);
}

static void many_normals_are_as_many_single_ones(void **state)
{
    (void)state;
    enum { MOST = 700 };
    float many[MOST];
    ni_rng a = ni_rng_make(7, NI_RNG_TEST, 0, 0), b = a;
    for (int n = 0; n < MOST; n += 3) {
        ni_rng_normals(&a, 1.5, many, n);
        for (int i = 0; i < n; i++)
            assert_true(many[i] == (float)(1.5 * ni_rng_normal(&b)));
        assert_int_equal(ni_rng_u32(&a), ni_rng_u32(&b));
    }
}

static void a_shuffle_is_a_permutation(void **state)
{
    (void)state;
    int32_t items[100], seen[100] = {0};
    for (int i = 0; i < 100; i++)
        items[i] = i;
    ni_rng rng = ni_rng_make(6, NI_RNG_TEST, 0, 0);
    ni_rng_shuffle(&rng, items, 100);
    int moved = 0;
    for (int i = 0; i < 100; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 80);
}

static void the_hash_is_xxh3(void **state)
{
    (void)state;
    assert_true(ni_hash("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(ni_hash("a", 1, 0) != ni_hash("a", 1, 1));
}

static char *scratch_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "/tmp/nash_test_base.%d/%s", (int)getpid(),
             name);
    return path;
}

static void files_are_replaced_whole(void **state)
{
    (void)state;
    char *data;
    size_t size;
    assert_int_equal(ni_make_directories(scratch_path("a/b")), NASH_OK);
    const char *path = scratch_path("a/b/file");
    assert_int_equal(ni_file_write_atomic(path, "old", 3), NASH_OK);
    assert_int_equal(ni_file_write_atomic(path, "newer", 5), NASH_OK);
    assert_int_equal(ni_file_read(&data, &size, path, 5), NASH_OK);
    assert_int_equal(size, 5);
    assert_string_equal(data, "newer");
    ni_free(data);
    assert_int_equal(ni_file_read(&data, &size, path, 4), NASH_ELIMIT);
    unlink(path);
    assert_int_equal(ni_file_read(&data, &size, path, 5), NASH_ENOTFOUND);
    assert_non_null(strstr(nash_error_message(), path));
    assert_int_equal(ni_file_read(&data, &size, "/tmp", 5), NASH_EIO);
    assert_int_equal(ni_file_write_atomic("/nowhere/x", "", 0), NASH_EIO);
    assert_int_equal(ni_file_write_atomic("/tmp", "", 0), NASH_EIO);
    rmdir(scratch_path("a/b"));
    rmdir(scratch_path("a"));
    rmdir(scratch_path(""));
}

static void a_file_that_cannot_be_replaced_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(ni_make_directories(scratch_path("taken")), NASH_OK);
    assert_int_equal(ni_file_write_atomic(scratch_path("taken"), "new", 3),
                     NASH_EIO);
    assert_int_equal(rmdir(scratch_path("taken")), 0);
    assert_int_equal(rmdir(scratch_path("")), 0);
}

enum { CONTENT_BYTES = 1 << 20, WRITES = 30 };

typedef struct writer {
    const char *path;
    char letter;
    int failures;
} writer;

/* A file of one letter, time and again. */
static void *write_letters(void *arg)
{
    writer *w = arg;
    char *content = malloc(CONTENT_BYTES);
    memset(content, w->letter, CONTENT_BYTES);
    for (int i = 0; i < WRITES; i++)
        w->failures +=
            ni_file_write_atomic(w->path, content, CONTENT_BYTES) != NASH_OK;
    free(content);
    return NULL;
}

static void assert_of_one_letter(const char *path)
{
    char *data;
    size_t size;
    assert_int_equal(ni_file_read(&data, &size, path, CONTENT_BYTES), NASH_OK);
    assert_int_equal(size, CONTENT_BYTES);
    assert_memory_equal(data, data + 1, size - 1);
    ni_free(data);
}

static void threads_may_write_one_path_at_once(void **state)
{
    (void)state;
    pthread_t threads[2];
    assert_int_equal(ni_make_directories(scratch_path("")), NASH_OK);
    const char *path = scratch_path("file");
    writer writers[] = {{path, 'a', 0}, {path, 'b', 0}};
    write_letters(&writers[0]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_letters, &writers[i]), 0);
    for (int i = 0; i < WRITES; i++)
        assert_of_one_letter(path);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].failures, 0);
    }
    assert_of_one_letter(path);
    unlink(path);
    assert_int_equal(rmdir(scratch_path("")), 0);
}

/* Nor is what somebody put under such a name followed. */
static void temporary_files_that_were_left_are_not_written_to(void **state)
{
    (void)state;
    char *data, name[64];
    size_t size;
    assert_int_equal(ni_make_directories(scratch_path("")), NASH_OK);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "file.%d.%d.tmp", (int)getpid(), i);
        assert_int_equal(symlink("other", scratch_path(name)), 0);
    }
    assert_int_equal(ni_file_write_atomic(scratch_path("file"), "new", 3),
                     NASH_OK);
    assert_int_equal(access(scratch_path("other"), F_OK), -1);
    assert_int_equal(ni_file_read(&data, &size, scratch_path("file"), 3),
                     NASH_OK);
    ni_free(data);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "file.%d.%d.tmp", (int)getpid(), i);
        assert_int_equal(unlink(scratch_path(name)), 0);
    }
    unlink(scratch_path("file"));
    assert_int_equal(rmdir(scratch_path("")), 0);
}

static void links_are_followed_and_devices_written_to(void **state)
{
    (void)state;
    struct stat info;
    char *data, *file = strdup(scratch_path("file"));
    char *link = strdup(scratch_path("link"));
    size_t size;
    assert_int_equal(ni_make_directories(scratch_path("")), NASH_OK);
    assert_int_equal(ni_file_write_atomic(file, "old", 3), NASH_OK);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(ni_file_write_atomic(link, "new", 3), NASH_OK);
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(ni_file_read(&data, &size, file, 9), NASH_OK);
    assert_string_equal(data, "new");
    ni_free(data);
    unlink(link);
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_int_equal(ni_file_write_atomic(link, "lost", 4), NASH_OK);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    unlink(link);
    unlink(file);
    free(link);
    free(file);
    rmdir(scratch_path(""));
}

static void utf8_is_told_from_other_bytes(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "\x80",
                                       "\xc3",
                                       "\xc0\x80",
                                       "\xe0\x80\x80",
                                       "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xf0\x80\x80\x80",
                                       "\xff"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(nash_utf8_length(none[i]), 0);
    for (size_t i = 1; i < sizeof none / sizeof *none; i++)
        assert_false(ni_utf8_is_valid(none[i]));
    assert_true(ni_utf8_is_valid(""));
    assert_true(ni_utf8_is_valid("na\u00efve\n\u4e2d"));
    assert_false(ni_utf8_is_valid("caf\xe9 noir"));
    assert_int_equal(nash_utf8_length("a"), 1);
    assert_int_equal(nash_utf8_length("\u00e9"), 2);
    assert_int_equal(nash_utf8_length("\u20ac"), 3);
    assert_int_equal(nash_utf8_length("\U0001f600"), 4);
    assert_true(ni_utf8_is_printable("na\u00efve \u4e2d"));
    assert_false(ni_utf8_is_printable("a\nb"));
    assert_false(ni_utf8_is_printable("caf\xe9"));
}

static void json_members_are_checked(void **state)
{
    (void)state;
    static const char text[] = "{\"n\": 3, \"x\": 0.5, \"s\": \"t\", "
                               "\"b\": true, \"exact\": -9007199254740992, "
                               "\"rounded\": 9007199254740994, "
                               "\"huge\": 1e300}";
    cJSON *tree;
    int64_t n;
    double x;
    const char *s;
    bool b;
    assert_int_equal(ni_json_parse(&tree, text, strlen(text), "text"), NASH_OK);
    assert_int_equal(ni_json_int(&n, tree, "n"), NASH_OK);
    assert_int_equal(n, 3);
    assert_int_equal(ni_json_number(&x, tree, "x"), NASH_OK);
    assert_int_equal(ni_json_string(&s, tree, "s"), NASH_OK);
    assert_int_equal(ni_json_bool(&b, tree, "b"), NASH_OK);
    assert_int_equal(ni_json_int(&n, tree, "x"), NASH_EFORMAT);
    assert_int_equal(ni_json_int(&n, tree, "exact"), NASH_OK);
    assert_true(n == -(INT64_C(1) << 53));
    assert_int_equal(ni_json_int(&n, tree, "rounded"), NASH_EFORMAT);
    assert_int_equal(ni_json_int(&n, tree, "huge"), NASH_EFORMAT);
    assert_int_equal(ni_json_int(&n, tree, "missing"), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "\"missing\""));
    cJSON_Delete(tree);
    assert_int_equal(ni_json_parse(&tree, "{\"n\": ", 6, "part.json"),
                     NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "part.json"));
    assert_int_equal(ni_json_parse(&tree, "3", 1, "three"), NASH_EFORMAT);
}

/* Take the lock in a process that ends at once, leaving it to one that it has
 * started but that has not got to its own program yet. */
static void lock_and_die(const char *path, useconds_t child_lives_us)
{
    pid_t holder = fork();
    if (holder == 0) {
        int fd;
        if (ni_lock_take(&fd, path, "it", 0) != NASH_OK)
            _exit(1);
        if (fork() == 0)
            usleep(child_lives_us);
        _exit(0);
    }
    int status = 1;
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(status, 0);
}

static void a_dead_holder_is_waited_for_and_a_living_one_is_not(void **state)
{
    (void)state;
    char path[] = "/tmp/nash-lock-XXXXXX";
    int made = mkstemp(path), fd, other;
    assert_true(made >= 0);
    lock_and_die(path, 500000);
    assert_int_equal(ni_lock_take(&fd, path, "it", 0), NASH_OK);
    assert_int_equal(ni_lock_take(&other, path, "it", 0), NASH_EBUSY);
    assert_non_null(strstr(nash_error_message(), "it is in use by process"));
    ni_lock_release(fd);
    assert_int_equal(ni_lock_take(&fd, path, "it", 0), NASH_OK);
    ni_lock_release(fd);
    close(made);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_and_a_text),
        cmocka_unit_test(the_version_is_the_projects),
        cmocka_unit_test(the_error_sentence_may_quote_itself),
        cmocka_unit_test(blocks_are_zeroed_aligned_and_counted),
        cmocka_unit_test(sizes_that_overflow_are_out_of_memory),
        cmocka_unit_test(allocations_fail_when_told_to),
        cmocka_unit_test(philox_gives_its_published_numbers),
        cmocka_unit_test(streams_are_named_not_ordered),
        cmocka_unit_test(draws_have_their_distributions),
        cmocka_unit_test(many_normals_are_as_many_single_ones),
        cmocka_unit_test(a_shuffle_is_a_permutation),
        cmocka_unit_test(the_hash_is_xxh3),
        cmocka_unit_test(files_are_replaced_whole),
        cmocka_unit_test(a_file_that_cannot_be_replaced_leaves_nothing),
        cmocka_unit_test(threads_may_write_one_path_at_once),
        cmocka_unit_test(temporary_files_that_were_left_are_not_written_to),
        cmocka_unit_test(links_are_followed_and_devices_written_to),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
        cmocka_unit_test(json_members_are_checked),
        cmocka_unit_test(a_dead_holder_is_waited_for_and_a_living_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
