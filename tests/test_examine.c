/* What is wrong with data sets that can be used: every problem is found. */
#include "made_data.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const pets[] = {"cat", "dog", NULL};
static const char *const three[] = {"cat", "dog", "owl", NULL};
static const nash_shape small = {3, 4, 5};

static void a_sound_data_set_has_no_problems(void **state)
{
    (void)state;
    nash_data_problem problems[4];
    int32_t n = -1;
    made_classes("sound/train", three, 20, small);
    for (int32_t i = 0; i < 6; i++)
        made_png(made_path("sound/test/%s/%d.png", three[i % 3], i), 70 + i,
                 small);
    nash_dataset *ds = made_open(made_path("sound"), NULL);
    assert_int_equal(nash_dataset_examine(problems, 4, &n, ds), NASH_OK);
    assert_int_equal(n, 0);
    nash_dataset_close(ds);
}

/* Make a set with every problem that can be worked around. */
static void make_sick(void)
{
    made_classes("sick/train", three, 40, small);
    for (int32_t i = 0; i < 3; i++)
        made_png(made_path("sick/train/yak/%d.png", i), 200 + i, small);
    made_png(made_path("sick/train/cat/again.png"), 0, small);
    made_png(made_path("sick/train/dog/astray.png"), 1, small);
    made_png(made_path("sick/test/cat/00.png"), 0, small);
    made_png(made_path("sick/test/dog/one.png"), 210, small);
    made_png(made_path("sick/test/owl/one.png"), 211, small);
    made_png(made_path("sick/test/emu/one.png"), 92, small);
    made_png(made_path("sick/val/cat/one.png"), 93, small);
    made_png(made_path("sick/train/cat/sub/one.png"), 94, small);
    made_file(made_path("sick/train/cat/notes.txt"), "x", 1);
    made_file(made_path("sick/train/owl/99.png"), "x", 1);
    made_file(made_path("sick/train/empty/readme"), "x", 1);
    made_file(made_path("sick/newt/1.png"), "x", 1); /* beside train */
    made_file(made_path("sick/loose.png"), "x", 1);
    made_file(made_path("sick/test/dog/page.jpg"), "<html>", 6);
    char *path = strdup(made_path("sick/train/dog/05.png"));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    made_shorter(path, (size_t)info.st_size / 2);
    free(path);
}

static void what_a_search_would_refuse_is_a_problem(void **state)
{
    (void)state;
    for (int many = 0; many < 2; many++) {
        const char *dir = many ? "many-bad" : "few-bad";
        nash_data_problem problems[8];
        int32_t n;
        made_classes(dir, pets, 10, small);
        for (int i = 0; i < (many ? 6 : 2); i++)
            made_file(made_path("%s/%s/x%d.png", dir, pets[0], i), "x", 1);
        nash_dataset_opts opts = nash_dataset_opts_default();
        opts.max_skipped = 1.0;
        nash_dataset *ds = made_open(made_path("%s", dir), &opts);
        assert_int_equal(nash_dataset_examine(problems, 8, &n, ds), NASH_OK);
        assert_int_equal(made_finds(problems, n < 8 ? n : 8,
                                    "6 of 26 images cannot be read: search and "
                                    "train refuse more than a tenth"),
                         many);
        assert_int_equal(made_finds(problems, n < 8 ? n : 8, "refuse"), many);
        nash_dataset_close(ds);
    }
}

static void every_problem_is_found(void **state)
{
    (void)state;
    static nash_data_problem problems[40];
    int32_t n = 0, fewer = 0;
    make_sick();
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.max_skipped = 1.0;
    nash_dataset *ds = made_open(made_path("sick"), &opts);
    assert_int_equal(nash_dataset_examine(problems, 40, &n, ds), NASH_OK);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 124);
    assert_true(made_finds(problems, n, "05.png is cut off"));
    assert_true(made_finds(problems, n, "99.png is neither a PNG nor a JPEG"));
    assert_true(
        made_finds(problems, n, "page.jpg is neither a PNG nor a JPEG"));
    assert_true(made_finds(problems, n, "the first: notes.txt"));
    assert_true(made_finds(problems, n, "the first: sub"));
    assert_true(made_finds(problems, n, "train/empty has no PNG or JPEG"));
    assert_true(made_finds(problems, n, "test/emu is no class"));
    assert_true(made_finds(problems, n, "val is not used"));
    assert_true(made_finds(problems, n, "newt is not used"));
    assert_true(
        made_finds(problems, n, "sick: 1 picture is in no class folder"));
    assert_true(made_finds(problems, n, "class yak has no test images"));
    assert_true(
        made_finds(problems, n, "class yak has only 3 training images"));
    assert_true(
        made_finds(problems, n, "unbalanced: 41 training images of cat"));
    assert_true(made_finds(problems, n, "2 training images stand there again"));
    assert_true(
        made_finds(problems, n, "1 test image stands in the training set"));
    assert_true(made_finds(problems, n, "2 images equal one of another class"));
    assert_int_equal(nash_dataset_examine(problems, 2, &fewer, ds), NASH_OK);
    assert_int_equal(fewer, n);
    nash_dataset_close(ds);
}

static void many_small_classes_are_one_problem(void **state)
{
    (void)state;
    enum { MANY = 60 };
    static char text[MANY][8];
    const char *names[MANY + 1] = {NULL};
    nash_data_problem problems[8];
    int32_t n;
    for (int k = 0; k < MANY; k++) {
        snprintf(text[k], sizeof text[k], "c%03d", k);
        names[k] = text[k];
    }
    made_classes("meagre/train", names, 2, small);
    made_classes("meagre/test", names + 25, 2, small);
    nash_dataset *ds = made_open(made_path("meagre"), NULL);
    assert_int_equal(nash_dataset_examine(problems, 8, &n, ds), NASH_OK);
    assert_in_range(n, 2, 8);
    assert_true(made_finds(problems, n,
                           "60 classes have fewer than 10 training images (the "
                           "first: c000)"));
    assert_true(made_finds(problems, n,
                           "25 classes have no test images (the first: c000)"));
    nash_dataset_close(ds);
}

static void a_missing_cifar_batch_is_found(void **state)
{
    (void)state;
    static nash_data_problem problems[40];
    int32_t n = 0;
    made_cifar(made_path("gap/data_batch_1.bin"), 0, 20, 1, 10);
    made_cifar(made_path("gap/data_batch_2.bin"), 20, 20, 1, 10);
    made_cifar(made_path("gap/data_batch_4.bin"), 40, 20, 1, 10);
    nash_dataset *ds = made_open(made_path("gap"), NULL);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n +
                         made_part(ds, NASH_PART_TEST)->n,
                     60);
    assert_int_equal(nash_dataset_examine(problems, 40, &n, ds), NASH_OK);
    assert_true(made_finds(problems, n, "data_batch_3.bin is not"));
    nash_dataset_close(ds);
}

static void images_of_a_single_colour_are_found(void **state)
{
    (void)state;
    static uint8_t record[3073];
    static nash_data_problem problems[40];
    int32_t n = 0;
    made_cifar(made_path("plain/data_batch_1.bin"), 0, 20, 1, 10);
    made_file(made_path("plain/test_batch.bin"), record, sizeof record);
    nash_dataset *ds = made_open(made_path("plain"), NULL);
    assert_int_equal(nash_dataset_examine(problems, 40, &n, ds), NASH_OK);
    assert_true(made_finds(problems, n, "1 test image shows a single"));
    nash_dataset_close(ds);
}

/* What is left of files of sixteen bits that use so many. */
static void images_that_are_nearly_black_are_found(void **state)
{
    (void)state;
    enum { IMAGES = 20, RECORD = 3073 };
    static uint8_t records[IMAGES * RECORD];
    static nash_data_problem problems[40];
    for (int bits = 10; bits <= 16; bits += 2) {
        char said[64];
        int32_t n = 0;
        int levels = 1 << (bits - 8);
        for (int32_t i = 0; i < IMAGES * RECORD; i++)
            records[i] =
                (uint8_t)(i % RECORD == 0 ? i / RECORD % 10 : i % levels);
        made_file(made_path("dark-%d/data_batch_1.bin", bits), records,
                  sizeof records);
        nash_dataset *ds = made_open(made_path("dark-%d", bits), NULL);
        assert_int_equal(nash_dataset_examine(problems, 40, &n, ds), NASH_OK);
        snprintf(said, sizeof said, "nearly black: no sample is above %d of",
                 levels - 1);
        assert_int_equal(made_finds(problems, n, said), bits < 16);
        nash_dataset_close(ds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_data_set_has_no_problems),
        cmocka_unit_test(what_a_search_would_refuse_is_a_problem),
        cmocka_unit_test(every_problem_is_found),
        cmocka_unit_test(many_small_classes_are_one_problem),
        cmocka_unit_test(a_missing_cifar_batch_is_found),
        cmocka_unit_test(images_of_a_single_colour_are_found),
        cmocka_unit_test(images_that_are_nearly_black_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
