/*
 * Broken data sets: what is refused, with a sentence that names the file, and
 * what is worked around and reported.
 */
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

static void assert_refused(const char *dir, nash_status expected,
                           const char *text)
{
    nash_dataset *ds = NULL;
    const nash_images *images;
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = nash_dataset_open(&ds, dir, NULL);
    if (status == NASH_OK)
        status = nash_dataset_images(&images, ds, NASH_PART_TEST);
    if (status != expected || !strstr(nash_error_message(), text))
        fail_msg("%s: %s, %s; expected %s, ...%s...", dir,
                 nash_status_name(status), nash_error_message(),
                 nash_status_name(expected), text);
    nash_dataset_close(ds);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

/* Before any image is asked for. */
static void assert_not_opened(const char *dir, const char *text)
{
    nash_dataset *ds = NULL;
    assert_int_equal(nash_dataset_open(&ds, dir, NULL), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), text));
    assert_null(ds);
}

/* Replace one byte of a file. */
static void poke(const char *path, long offset, int value)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(value, file), value);
    assert_int_equal(fclose(file), 0);
}

/* ---- nothing there ----------------------------------------------------- */

static void what_is_no_data_set_is_refused(void **state)
{
    (void)state;
    assert_refused(made_path("missing"), NASH_ENOTFOUND, "is not a directory");
    made_file(made_path("file"), "x", 1);
    assert_refused(made_path("file"), NASH_ENOTFOUND, "is not a directory");
    made_file(made_path("empty/readme.txt"), "x", 1);
    assert_refused(made_path("empty"), NASH_ENOTFOUND,
                   "looked for data_batch_1.bin");
}

static void what_is_there_instead_of_a_data_set_is_said(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", NULL};
    const nash_shape shape = {1, 4, 4};
    made_png(made_path("flat/1.png"), 1, shape);
    assert_refused(made_path("flat"), NASH_ENOTFOUND,
                   "its pictures lie in it without a folder for each class");
    made_classes("deep/one", names, 2, shape);
    made_classes("deep/other", names, 2, shape);
    assert_refused(made_path("deep"), NASH_ENOTFOUND,
                   "pictures lie a level too deep, in folders of ");
    assert_non_null(strstr(nash_error_message(), "/deep/one)"));
    made_file(made_path("webp/a/1.webp"), "x", 1);
    assert_refused(made_path("webp"), NASH_ENOTFOUND,
                   "webp/a/1.webp is no PNG or JPEG file by its name");
    mkdir(made_path("nothing"), 0777);
    assert_refused(made_path("nothing"), NASH_ENOTFOUND,
                   "neither it nor its folders hold a file");
}

static void class_names_that_are_not_utf_8_are_shown_escaped(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "caf\xe9", NULL};
    made_classes("latin", names, 2, (nash_shape){1, 4, 4});
    assert_refused(made_path("latin"), NASH_EFORMAT,
                   "/latin, 'caf\\xe9', is not printable UTF-8");
}

static void among_several_data_sets_there_is_no_guessing(void **state)
{
    (void)state;
    made_cifar(made_path("several/a/data_batch_1.bin"), 0, 10, 1, 10);
    made_file(made_path("several/__MACOSX/x"), "x", 1);
    nash_dataset *ds = NULL;
    assert_int_equal(nash_dataset_open(&ds, made_path("several"), NULL),
                     NASH_OK);
    nash_dataset_close(ds);
    made_cifar(made_path("several/b/data_batch_1.bin"), 0, 10, 1, 10);
    assert_refused(made_path("several"), NASH_ENOTFOUND,
                   "holds 2 directories, name the one with the data set");
}

/* ---- CIFAR ------------------------------------------------------------- */

static void cifar_files_that_are_not_whole_records_are_refused(void **state)
{
    (void)state;
    const char *path = made_path("cut/data_batch_1.bin");
    made_cifar(path, 0, 10, 1, 10);
    made_shorter(path, 10 * 3073 - 1);
    assert_refused(made_path("cut"), NASH_EFORMAT,
                   "data_batch_1.bin has 30729 bytes, expected a multiple of "
                   "3073");
    made_shorter(path, 0);
    assert_refused(made_path("cut"), NASH_EFORMAT, "has 0 bytes");
    made_cifar(path, 0, 10, 1, 10);
    made_cifar(made_path("cut/test_batch.bin"), 0, 10, 2, 100);
    assert_refused(made_path("cut"), NASH_EFORMAT, "test_batch.bin has 30740");
}

static void cifar_labels_out_of_range_are_refused(void **state)
{
    (void)state;
    const char *path = made_path("labels/data_batch_1.bin");
    made_cifar(path, 0, 10, 1, 10);
    poke(path, 3 * 3073, 10);
    assert_refused(made_path("labels"), NASH_EFORMAT,
                   "data_batch_1.bin: image 3 has label 10, expected 0 .. 9");
    poke(path, 3 * 3073, 0);
    path = made_path("labels/test_batch.bin");
    made_cifar(path, 0, 10, 1, 10);
    poke(path, 0, 255);
    assert_refused(made_path("labels"), NASH_EFORMAT,
                   "test_batch.bin: image 0 has label 255");
}

static void cifar_names_must_be_as_many_as_classes(void **state)
{
    (void)state;
    made_cifar(made_path("names/train.bin"), 0, 10, 2, 100);
    made_file(made_path("names/fine_label_names.txt"), "apple\nbear\n", 11);
    assert_refused(made_path("names"), NASH_EFORMAT,
                   "fine_label_names.txt has 2 class names, expected 100");
}

/* ---- IDX --------------------------------------------------------------- */

static const char *make_idx(const char *name, const char **images,
                            const char **labels)
{
    *images = made_path("%s/train-images-idx3-ubyte", name);
    *labels = made_path("%s/train-labels-idx1-ubyte", name);
    made_idx_images(*images, 20, 4, 5, 0);
    made_idx_labels(*labels, 20, 4);
    return made_path("%s", name);
}

static void idx_headers_are_checked(void **state)
{
    (void)state;
    const char *images, *labels;
    const char *dir = make_idx("idx-header", &images, &labels);
    poke(images, 0, 1);
    assert_refused(dir, NASH_EFORMAT, "idx3-ubyte is not an IDX file");
    poke(images, 0, 0);
    poke(images, 2, 0x0d);
    assert_refused(dir, NASH_EFORMAT, "elements of IDX type 13, expected");
    poke(images, 2, 8);
    poke(images, 3, 9);
    assert_refused(dir, NASH_EFORMAT, "has 9 dimensions, expected 1 .. 4");
    poke(images, 3, 2);
    assert_refused(dir, NASH_EFORMAT, "has 2 dimensions, expected 3");
    poke(images, 3, 3);
    poke(images, 11, 0);
    assert_refused(dir, NASH_EFORMAT, "has a dimension of size 0");
    poke(images, 11, 4);
    poke(images, 12, 0x7f);
    assert_refused(dir, NASH_EFORMAT, "has a dimension of size 213");
    poke(images, 12, 0);
    made_shorter(images, 10);
    assert_refused(dir, NASH_EFORMAT, "is cut off within its header");
}

static void idx_files_must_be_as_long_as_they_say(void **state)
{
    (void)state;
    const char *images, *labels;
    const char *dir = make_idx("idx-length", &images, &labels);
    made_shorter(images, 16 + 20 * 20 - 1);
    assert_refused(dir, NASH_EFORMAT, "is cut off: 415 bytes, expected 416");
    made_shorter(images, 16 + 20 * 20 + 1); /* grows by a zero byte */
    assert_refused(dir, NASH_EFORMAT, "is longer than the 416 bytes");
    make_idx("idx-length", &images, &labels);
    poke(images, 4, 0x70); /* claims 1.9 billion images */
    poke(labels, 4, 0x70);
    assert_refused(dir, NASH_ELIMIT, "more than the 1073741824");
}

static void idx_labels_must_fit_the_images(void **state)
{
    (void)state;
    const char *images, *labels;
    const char *dir = make_idx("idx-labels", &images, &labels);
    made_idx_labels(labels, 19, 4);
    assert_refused(dir, NASH_EFORMAT, "has 19 labels, but");
    unlink(labels);
    assert_refused(dir, NASH_EFORMAT, "has no file of labels beside it");
    make_idx("idx-labels", &images, &labels);
    made_file(made_path("idx-labels/classes.txt"), "a\nb\nc\n", 6);
    assert_refused(dir, NASH_EFORMAT, "has 3 names, but there are labels up");
    unlink(made_path("idx-labels/classes.txt"));
    uint8_t ints[8 + 4 * 20] = {0, 0, 12, 1, 0, 0, 0, 20};
    unlink(labels);
    labels = made_path("idx-labels/train-labels-idx1-int");
    ints[8 + 4 * 3] = 0xff;
    made_file(labels, ints, sizeof ints);
    assert_refused(dir, NASH_EFORMAT,
                   "image 3 has label -16777216, expected 0 .. 1048575");
    made_file(labels, ints, sizeof ints - 1);
    assert_refused(dir, NASH_EFORMAT, "is cut off: 87 bytes, expected 88");
    unlink(labels);
    make_idx("idx-labels", &images, &labels);
    made_idx_images(made_path("idx-labels/t10k-images-idx3-ubyte"), 5, 4, 5, 0);
    made_idx_labels(made_path("idx-labels/t10k-labels-idx1-ubyte"), 5, 5);
    assert_refused(dir, NASH_EFORMAT, "image 4 has label 4, expected 0 .. 3");
    made_idx_images(made_path("idx-labels/t10k-images-idx3-ubyte"), 5, 5, 4, 0);
    assert_refused(dir, NASH_EFORMAT,
                   "has images of 1 x 5 x 4, the training set of 1 x 4 x 5");
    /* without a look at a test image */
    made_idx_images(made_path("idx-labels/t10k-images-idx3-ubyte"), 5, 4, 5, 0);
    made_idx_labels(made_path("idx-labels/t10k-labels-idx1-ubyte"), 4, 4);
    assert_not_opened(dir, "has 4 labels, but");
    made_idx_labels(made_path("idx-labels/t10k-labels-idx1-ubyte"), 5, 5);
    assert_not_opened(dir, "image 4 has label 4, expected 0 .. 3");
    made_idx_labels(made_path("idx-labels/t10k-labels-idx1-ubyte"), 5, 4);
    made_shorter(made_path("idx-labels/t10k-images-idx3-ubyte"), 16 + 99);
    assert_not_opened(dir, "is cut off: 115 bytes, expected 116");
    unlink(made_path("idx-labels/t10k-images-idx3-ubyte"));
    assert_refused(dir, NASH_EFORMAT, "has no file of images beside it");
}

static void two_idx_files_for_one_role_are_refused(void **state)
{
    (void)state;
    const char *images, *labels;
    const char *dir = make_idx("idx-two", &images, &labels);
    made_idx_images(made_path("idx-two/digits-train-images-idx3-ubyte"), 20, 4,
                    5, 0);
    assert_refused(dir, NASH_EINVAL,
                   "digits-train-images-idx3-ubyte and "
                   "train-images-idx3-ubyte");
}

static void idx_colour_needs_one_or_three_channels(void **state)
{
    (void)state;
    made_idx_images(made_path("idx-four/train-images-idx4-ubyte"), 20, 6, 5, 4);
    made_idx_labels(made_path("idx-four/train-labels-idx1-ubyte"), 20, 4);
    assert_refused(made_path("idx-four"), NASH_EFORMAT,
                   "images of 6 x 5 x 4, expected 1 or 3 channels");
}

/* ---- folders ----------------------------------------------------------- */

static void a_single_class_is_refused(void **state)
{
    (void)state;
    static const char *const one[] = {"cat", NULL};
    made_classes("single/train", one, 12, small);
    assert_refused(made_path("single"), NASH_EFORMAT,
                   "has images of 1 class, expected 2 or more");
    made_file(made_path("single/train/dog/readme"), "x", 1);
    assert_refused(made_path("single"), NASH_EFORMAT, "1 class");
}

static void pictures_without_class_folders_are_refused(void **state)
{
    (void)state;
    static const char *const parts[] = {"test", "train", NULL};
    made_classes("loose", parts, 3, small);
    assert_refused(made_path("loose"), NASH_EFORMAT,
                   "loose/test holds pictures itself, expected a folder for "
                   "each class");
}

static void a_set_of_unreadable_files_is_refused(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 10; i++)
            made_file(made_path("pages/train/%s/%d.jpg", pets[k], i), "<html>",
                      6);
    assert_refused(made_path("pages"), NASH_EFORMAT,
                   "3 of 20 images cannot be read");
    nash_dataset_opts opts = nash_dataset_opts_default();
    nash_dataset *ds = NULL;
    opts.max_skipped = 1.0;
    assert_int_equal(nash_dataset_open(&ds, made_path("pages"), &opts),
                     NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "no training images"));
}

/* One class of three has pages instead of pictures: the others are numbered
 * without it. If only one is left, there is nothing to tell apart. */
static void a_class_without_a_readable_picture_is_none(void **state)
{
    (void)state;
    const nash_images *images;
    made_classes("gap", three, 20, small);
    for (int i = 0; i < 20; i++)
        made_shorter(made_path("gap/dog/%02d.png", i), 6);
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.max_skipped = 0.5;
    nash_dataset *ds = made_open(made_path("gap"), &opts);
    assert_string_equal(nash_dataset_class(ds, 0), "cat");
    assert_string_equal(nash_dataset_class(ds, 1), "owl");
    assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TRAIN),
                     NASH_OK);
    assert_int_equal(images->classes, 2);
    for (int32_t i = 0; i < images->n; i++)
        assert_int_equal(images->labels[i], i >= images->n / 2);
    nash_dataset_close(ds);
    made_classes("lone", pets, 20, small);
    for (int i = 0; i < 20; i++)
        made_shorter(made_path("lone/%s/%02d.png", pets[1], i), 6);
    ds = NULL;
    assert_int_equal(nash_dataset_open(&ds, made_path("lone"), &opts),
                     NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "has images of 1 class"));
}

/* A tenth of nine pictures is less than one. */
static void one_bad_picture_is_left_out_of_a_small_set(void **state)
{
    (void)state;
    made_classes("few/train", pets, 10, small);
    made_classes("few/test", pets, 4, small);
    made_shorter(made_path("few/test/%s/02.png", pets[0]), 60);
    nash_dataset *ds = made_open(made_path("few"), NULL);
    assert_int_equal(made_part(ds, NASH_PART_TEST)->n, 7);
    nash_dataset_close(ds);
    made_shorter(made_path("few/test/%s/02.png", pets[1]), 60);
    assert_refused(made_path("few"), NASH_EFORMAT,
                   "2 of 8 images cannot be read");
}

static void what_could_not_be_read_is_refused_again(void **state)
{
    (void)state;
    const nash_images *images;
    made_classes("twice/train", pets, 10, small);
    made_classes("twice/test", pets, 10, small);
    for (int i = 1; i <= 5; i += 2)
        made_shorter(made_path("twice/test/%s/%02d.png", pets[0], i), 60);
    nash_dataset *ds = made_open(made_path("twice"), NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TEST),
                         NASH_EFORMAT);
    nash_dataset_close(ds);
}

static void threads_change_nothing_but_the_time(void **state)
{
    (void)state;
    nash_data_problem problems[2][8];
    nash_dataset_opts opts = nash_dataset_opts_default();
    uint64_t hash[2];
    int32_t n[2];
    made_classes("crew/train", pets, 30, small);
    made_classes("crew/test", pets, 5, small);
    for (int i = 3; i <= 20; i += 6)
        made_shorter(made_path("crew/train/%s/%02d.png", pets[i % 2], i), 60);
    for (int i = 0; i < 2; i++) {
        opts.threads = i ? 7 : 0;
        nash_dataset *ds = made_open(made_path("crew"), &opts);
        hash[i] = nash_dataset_hash(ds);
        assert_int_equal(nash_dataset_examine(problems[i], 8, &n[i], ds),
                         NASH_OK);
        nash_dataset_close(ds);
    }
    assert_int_equal(hash[0], hash[1]);
    assert_int_equal(n[0], n[1]);
    for (int32_t k = 0; k < n[0] && k < 8; k++)
        assert_string_equal(problems[0][k].text, problems[1][k].text);
    assert_true(made_finds(problems[1], n[1], "03.png"));
    assert_true(made_finds(problems[1], n[1], "15.png"));
    opts.threads = 1025;
    nash_dataset *ds = NULL;
    assert_int_equal(nash_dataset_open(&ds, made_path("crew"), &opts),
                     NASH_EINVAL);
}

/* As git-annex leaves them, or a disk that is not mounted. */
static void links_that_lead_nowhere_are_unreadable_files(void **state)
{
    (void)state;
    made_classes("links/train", pets, 10, small);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            symlink("nowhere.png", made_path("links/train/cat/link%d.png", i)),
            0);
    }
    assert_refused(made_path("links"), NASH_EFORMAT,
                   "3 of 23 images cannot be read");
}

static void names_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"caf\xe9", "a\tb", "\x1b[31m", NULL};
    for (int i = 0; bad[i]; i++) {
        const char *names[] = {"a", bad[i], NULL};
        char dir[32];
        snprintf(dir, sizeof dir, "odd-%d/train", i);
        made_classes(dir, names, 10, small);
        assert_refused(made_path("odd-%d", i), NASH_EFORMAT,
                       "is not printable UTF-8");
    }
}

static void a_bomb_among_pictures_is_left_out(void **state)
{
    (void)state;
    made_classes("bomb/train", pets, 10, small);
    const char *bomb = made_path("bomb/train/cat/03.png");
    char command[600];
    snprintf(command, sizeof command, "cp tests/pictures/bomb.png %s", bomb);
    assert_int_equal(system(command), 0);
    nash_dataset *ds = NULL;
    nash_data_problem problems[8];
    int32_t n = 0;
    bool found = false;
    assert_int_equal(nash_dataset_open(&ds, made_path("bomb"), NULL), NASH_OK);
    assert_int_equal(nash_dataset_examine(problems, 8, &n, ds), NASH_OK);
    for (int32_t i = 0; i < n && i < 8; i++)
        found |=
            strstr(problems[i].text, "cat/03.png is 100000 x 100000") != NULL;
    assert_true(found);
    nash_dataset_close(ds);
}

static void a_holdout_must_leave_training_images(void **state)
{
    (void)state;
    nash_dataset_opts opts = nash_dataset_opts_default();
    nash_dataset *ds = NULL;
    made_cifar(made_path("two/data_batch_1.bin"), 0, 2, 1, 10);
    opts.holdout = 0.9;
    assert_int_equal(nash_dataset_open(&ds, made_path("two"), &opts),
                     NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), "leaves none to train on"));
}

static void
a_few_unreadable_files_are_left_out_and_many_are_refused(void **state)
{
    (void)state;
    made_classes("torn/train", three, 10, small);
    for (int32_t i = 0; i < 3; i++)
        made_file(made_path("torn/train/owl/%02d.png", i), "x", 1);
    nash_dataset *ds = made_open(made_path("torn"), NULL);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n +
                         made_part(ds, NASH_PART_TEST)->n,
                     27);
    nash_dataset_close(ds);
    made_file(made_path("torn/train/owl/03.png"), "x", 1);
    assert_refused(made_path("torn"), NASH_EFORMAT,
                   "4 of 30 images cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_data_set_is_refused),
        cmocka_unit_test(what_is_there_instead_of_a_data_set_is_said),
        cmocka_unit_test(class_names_that_are_not_utf_8_are_shown_escaped),
        cmocka_unit_test(among_several_data_sets_there_is_no_guessing),
        cmocka_unit_test(cifar_files_that_are_not_whole_records_are_refused),
        cmocka_unit_test(cifar_labels_out_of_range_are_refused),
        cmocka_unit_test(cifar_names_must_be_as_many_as_classes),
        cmocka_unit_test(idx_headers_are_checked),
        cmocka_unit_test(idx_files_must_be_as_long_as_they_say),
        cmocka_unit_test(idx_labels_must_fit_the_images),
        cmocka_unit_test(two_idx_files_for_one_role_are_refused),
        cmocka_unit_test(idx_colour_needs_one_or_three_channels),
        cmocka_unit_test(a_single_class_is_refused),
        cmocka_unit_test(pictures_without_class_folders_are_refused),
        cmocka_unit_test(a_set_of_unreadable_files_is_refused),
        cmocka_unit_test(a_class_without_a_readable_picture_is_none),
        cmocka_unit_test(what_could_not_be_read_is_refused_again),
        cmocka_unit_test(one_bad_picture_is_left_out_of_a_small_set),
        cmocka_unit_test(threads_change_nothing_but_the_time),
        cmocka_unit_test(links_that_lead_nowhere_are_unreadable_files),
        cmocka_unit_test(names_that_are_not_utf8_are_refused),
        cmocka_unit_test(a_bomb_among_pictures_is_left_out),
        cmocka_unit_test(a_holdout_must_leave_training_images),
        cmocka_unit_test(
            a_few_unreadable_files_are_left_out_and_many_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
