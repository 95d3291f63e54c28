/* Data sets: every format read back exactly, sizes, saving. */
#include "made_data.h"

#include "base/memory.h"
#include "data/png.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const pets[] = {"cat", "dog", "owl", NULL};
static const nash_shape small = {3, 8, 12};

static void assert_refused(const char *dir, const nash_dataset_opts *opts,
                           nash_status expected, const char *text)
{
    nash_dataset *ds = NULL;
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = nash_dataset_open(&ds, dir, opts);
    if (status != expected || !strstr(nash_error_message(), text))
        fail_msg("%s, %s: expected %s, ...%s...", nash_status_name(status),
                 nash_error_message(), nash_status_name(expected), text);
    assert_null(ds);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

/* Image i of a part must be the made image number. */
static void assert_made(const nash_images *images, int32_t i, int32_t number)
{
    nash_shape s = images->shape;
    const uint8_t *at = images->pixels + (int64_t)i * s.c * s.h * s.w;
    for (int32_t c = 0; c < s.c; c++)
        for (int32_t y = 0; y < s.h; y++)
            for (int32_t x = 0; x < s.w; x++)
                assert_int_equal(*at++, made_pixel(number, c, y, x));
}

static void assert_shape(const nash_images *images, nash_shape expected)
{
    assert_int_equal(images->shape.c, expected.c);
    assert_int_equal(images->shape.h, expected.h);
    assert_int_equal(images->shape.w, expected.w);
}

static void assert_all_made(const nash_images *images, int32_t first,
                            int32_t classes)
{
    for (int32_t i = 0; i < images->n; i++) {
        assert_made(images, i, first + i);
        assert_int_equal(images->labels[i], (first + i) % classes);
    }
}

/* ---- formats ----------------------------------------------------------- */

static const char *make_cifar10(const char *name)
{
    made_cifar(made_path("%s/bin/data_batch_1.bin", name), 0, 30, 1, 10);
    made_cifar(made_path("%s/bin/data_batch_2.bin", name), 30, 20, 1, 10);
    made_cifar(made_path("%s/bin/test_batch.bin", name), 100, 10, 1, 10);
    return made_path("%s", name);
}

static void cifar10_reads_back(void **state)
{
    (void)state;
    const char *dir = make_cifar10("cifar10");
    static const char names[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\n"
                                "frog\nhorse\nship\ntruck\n\n";
    made_file(made_path("cifar10/bin/batches.meta.txt"), names,
              sizeof names - 1);
    nash_dataset *ds = made_open(dir, NULL);
    assert_string_equal(nash_dataset_format(ds), "cifar10");
    assert_false(nash_dataset_is_holdout(ds));
    assert_string_equal(nash_dataset_class(ds, 0), "airplane");
    assert_string_equal(nash_dataset_class(ds, 9), "truck");
    const nash_images *train = made_part(ds, NASH_PART_TRAIN);
    const nash_images *test = made_part(ds, NASH_PART_TEST);
    assert_int_equal(train->n, 50);
    assert_int_equal(test->n, 10);
    assert_int_equal(train->classes, 10);
    assert_shape(train, (nash_shape){3, 32, 32});
    assert_all_made(train, 0, 10);
    assert_all_made(test, 100, 10);
    nash_dataset_close(ds);
}

/* Also where own batches begin with 0, or are many; gaps are told. */
static void cifar10_reads_every_number(void **state)
{
    (void)state;
    static const int numbers[] = {0, 1, 2, 100, 1000};
    nash_data_problem problems[4];
    int32_t n;
    for (int i = 0; i < 5; i++)
        made_cifar(made_path("numbers/data_batch_%d.bin", numbers[i]), 30 * i,
                   30, 1, 10);
    made_file(made_path("numbers/data_batch_7.bin.md5"), "x", 1);
    made_cifar(made_path("numbers/test_batch.bin"), 0, 10, 1, 10);
    nash_dataset *ds = made_open(made_path("numbers"), NULL);
    assert_all_made(made_part(ds, NASH_PART_TRAIN), 0, 10);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 150);
    assert_int_equal(nash_dataset_examine(problems, 4, &n, ds), NASH_OK);
    assert_in_range(n, 2, 4);
    assert_non_null(strstr(problems[n - 2].text, "data_batch_99.bin is not"));
    assert_non_null(strstr(problems[n - 1].text, "data_batch_999.bin is not"));
    nash_dataset_close(ds);
}

static void cifar100_reads_fine_labels(void **state)
{
    (void)state;
    const char *dir = made_path("cifar100");
    made_cifar(made_path("cifar100/train.bin"), 0, 200, 2, 100);
    made_cifar(made_path("cifar100/test.bin"), 200, 100, 2, 100);
    nash_dataset *ds = made_open(dir, NULL);
    assert_string_equal(nash_dataset_format(ds), "cifar100");
    assert_string_equal(nash_dataset_class(ds, 99), "99");
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->classes, 100);
    assert_all_made(made_part(ds, NASH_PART_TRAIN), 0, 100);
    assert_all_made(made_part(ds, NASH_PART_TEST), 200, 100);
    nash_dataset_close(ds);
}

static void make_idx(const char *name, int32_t channels, const char *dot)
{
    int rank = channels ? 4 : 3;
    made_idx_images(made_path("%s/train-images%sidx%d-ubyte", name, dot, rank),
                    30, 8, 12, channels);
    made_idx_labels(made_path("%s/train-labels%sidx1-ubyte", name, dot), 30, 3);
    made_idx_images(made_path("%s/t10k-images%sidx%d-ubyte", name, dot, rank),
                    6, 8, 12, channels);
    made_idx_labels(made_path("%s/t10k-labels%sidx1-ubyte", name, dot), 6, 3);
}

static void assert_idx(const char *dir, int32_t channels)
{
    nash_dataset *ds = made_open(dir, NULL);
    assert_string_equal(nash_dataset_format(ds), "idx");
    const nash_images *train = made_part(ds, NASH_PART_TRAIN);
    const nash_images *test = made_part(ds, NASH_PART_TEST);
    assert_int_equal(train->n, 30);
    assert_int_equal(test->n, 6);
    assert_shape(train, (nash_shape){channels, 8, 12});
    assert_int_equal(train->classes, 3);
    assert_all_made(train, 0, 3);
    assert_all_made(test, 0, 3);
    nash_dataset_close(ds);
}

static void idx_reads_grey_and_colour(void **state)
{
    (void)state;
    make_idx("idx", 0, "-");
    assert_idx(made_path("idx"), 1);
    make_idx("idx-dot", 0, ".");
    assert_idx(made_path("idx-dot"), 1);
    make_idx("idx-colour", 3, "-");
    assert_idx(made_path("idx-colour"), 3);
    nash_dataset *ds = made_open(made_path("idx"), NULL);
    assert_string_equal(nash_dataset_class(ds, 2), "2");
    nash_dataset_close(ds);
    made_file(made_path("idx/classes.txt"), "a\nb\nc\n", 6);
    ds = made_open(made_path("idx"), NULL);
    assert_string_equal(nash_dataset_class(ds, 2), "c");
    nash_dataset_close(ds);
}

static void gzip_makes_no_difference(void **state)
{
    (void)state;
    char command[600];
    make_idx("idx-gz", 0, "-");
    snprintf(command, sizeof command, "gzip %s/*-ubyte", made_path("idx-gz"));
    assert_int_equal(system(command), 0);
    assert_idx(made_path("idx-gz"), 1);
    const char *path = made_path("idx-gz/train-images-idx3-ubyte.gz");
    made_shorter(path, 300);
    assert_refused(made_path("idx-gz"), NULL, NASH_EFORMAT, path);
}

static void make_folders(const char *name)
{
    char dir[64];
    snprintf(dir, sizeof dir, "%s/train", name);
    made_classes(dir, pets, 12, small);
    snprintf(dir, sizeof dir, "%s/test", name);
    made_classes(dir, pets, 4, small);
}

static void folders_read_back_in_the_order_of_their_names(void **state)
{
    (void)state;
    make_folders("pets");
    nash_dataset *ds = made_open(made_path("pets"), NULL);
    assert_string_equal(nash_dataset_format(ds), "folder");
    const nash_images *train = made_part(ds, NASH_PART_TRAIN);
    const nash_images *test = made_part(ds, NASH_PART_TEST);
    assert_int_equal(train->n, 36);
    assert_int_equal(test->n, 12);
    assert_shape(train, small);
    for (int32_t i = 0; i < 36; i++) {
        assert_int_equal(train->labels[i], i / 12);
        assert_made(train, i, i);
    }
    for (int32_t k = 0; k < 3; k++)
        assert_string_equal(nash_dataset_class(ds, k), pets[k]);
    nash_dataset_close(ds);
}

static void folders_need_no_train_directory(void **state)
{
    (void)state;
    made_classes("flat", pets, 20, (nash_shape){1, 5, 5});
    nash_dataset *ds = made_open(made_path("flat"), NULL);
    assert_shape(made_part(ds, NASH_PART_TRAIN), (nash_shape){1, 5, 5});
    assert_true(nash_dataset_is_holdout(ds));
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 51);
    assert_int_equal(made_part(ds, NASH_PART_TEST)->n, 9);
    nash_dataset_close(ds);
}

static void any_case_of_an_ending_is_a_picture(void **state)
{
    (void)state;
    static const char *const names[] = {"a.PNG", "b.JpG", "c.jpeg", "d.Png"};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 4; i++)
            made_png(made_path("endings/train/%s/%s", pets[k], names[i]), i,
                     small);
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.holdout = 0.0;
    nash_dataset *ds = made_open(made_path("endings"), &opts);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 8);
    nash_dataset_close(ds);
}

/* ---- size and channels ------------------------------------------------- */

static void the_common_size_is_the_median_up_to_a_limit(void **state)
{
    (void)state;
    static const nash_shape shapes[] = {
        {3, 300, 600}, {1, 200, 400}, {3, 10, 400}, {3, 400, 100}, {3, 40, 80}};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 5; i++)
            made_png(made_path("sizes/train/%s/%d.png", pets[k], i), i,
                     shapes[i]);
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.holdout = 0.0;
    nash_dataset *ds = made_open(made_path("sizes"), &opts);
    assert_shape(made_part(ds, NASH_PART_TRAIN), (nash_shape){3, 64, 128});
    nash_dataset_close(ds);
    opts.max_side = 1000;
    ds = made_open(made_path("sizes"), &opts);
    assert_shape(made_part(ds, NASH_PART_TRAIN), (nash_shape){3, 200, 400});
    nash_dataset_close(ds);
}

static void wide_and_tall_pictures_meet_in_a_square(void **state)
{
    (void)state;
    static const nash_shape wide = {1, 30, 40}, tall = {1, 40, 30};
    for (int n = 2; n <= 3; n++) {
        for (int i = 0; i < 10; i++)
            for (int k = 0; k < 2; k++)
                made_png(made_path("mixed%d/%s/%d.png", n, pets[k], i), i,
                         i < n ? wide : tall);
        nash_dataset_opts opts = nash_dataset_opts_default();
        opts.holdout = 0.0;
        nash_dataset *ds = made_open(made_path("mixed%d", n), &opts);
        assert_shape(made_part(ds, NASH_PART_TRAIN),
                     n == 2 ? tall : (nash_shape){1, 40, 40});
        nash_dataset_close(ds);
    }
}

static void little_that_is_left_of_long_pictures_is_told(void **state)
{
    (void)state;
    static const nash_shape shapes[] = {{1, 20, 400}, {1, 10, 100}};
    for (int n = 0; n < 2; n++) {
        nash_data_problem problems[8];
        int32_t count, told = 0;
        for (int i = 0; i < 24; i++)
            made_png(made_path("long%d/%s/%d.png", n, pets[i % 2], i), i,
                     shapes[n]);
        nash_dataset *ds = made_open(made_path("long%d", n), NULL);
        assert_int_equal(nash_dataset_examine(problems, 8, &count, ds),
                         NASH_OK);
        for (int32_t i = 0; i < count && i < 8; i++)
            told += strstr(problems[i].text, "at 6 x 128 pixels") != NULL;
        assert_int_equal(told, n == 0);
        nash_dataset_close(ds);
    }
}

static void size_and_channels_can_be_asked_for(void **state)
{
    (void)state;
    static const char *const names[] = {"pets", "cifar10", "idx"};
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.height = 6;
    opts.width = 9;
    for (int i = 0; i < 3; i++)
        for (opts.channels = 1; opts.channels <= 3; opts.channels += 2) {
            nash_dataset *ds = made_open(made_path("%s", names[i]), &opts);
            nash_shape expected = {opts.channels, 6, 9};
            assert_shape(made_part(ds, NASH_PART_TRAIN), expected);
            assert_shape(made_part(ds, NASH_PART_TEST), expected);
            nash_dataset_close(ds);
        }
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    const char *dir = made_path("idx");
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.height = 5;
    assert_refused(dir, &opts, NASH_EINVAL, "image size 5 x 0");
    opts = nash_dataset_opts_default();
    opts.channels = 2;
    assert_refused(dir, &opts, NASH_EINVAL, "2 channels");
    opts = nash_dataset_opts_default();
    opts.holdout = 1.0;
    assert_refused(dir, &opts, NASH_EINVAL, "hold-out share 1");
    opts = nash_dataset_opts_default();
    opts.max_bytes = 1000;
    assert_refused(dir, &opts, NASH_ELIMIT, "30 images of 1 x 8 x 12 bytes");
}

static void folders_of_parts_may_be_written_in_any_case(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", NULL};
    const nash_shape shape = {1, 4, 4};
    made_classes("capital/Train", names, 8, shape);
    made_classes("capital/TEST", names, 2, shape);
    made_classes("capital/__MACOSX", names, 3, shape);
    made_classes("capital/lost+found", names, 3, shape);
    nash_dataset *ds = made_open(made_path("capital"), NULL);
    nash_data_problem problems[8];
    int32_t n;
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 16);
    assert_int_equal(made_part(ds, NASH_PART_TEST)->n, 4);
    assert_false(nash_dataset_is_holdout(ds));
    assert_int_equal(nash_dataset_examine(problems, 8, &n, ds), NASH_OK);
    for (int32_t i = 0; i < n && i < 8; i++)
        assert_null(strstr(problems[i].text, "is not used"));
    nash_dataset_close(ds);
}

/* A folder of pictures named as a part may be a class, but hardly is. */
static void folders_named_as_parts_are_doubted(void **state)
{
    (void)state;
    static const char *const flat[] = {"cat", "dog", "Test", NULL};
    static const char *const names[] = {"cat", "dog", NULL};
    nash_data_problem problems[8];
    int32_t n;
    made_classes("parts/flat", flat, 12, small);
    nash_dataset *ds = made_open(made_path("parts/flat"), NULL);
    assert_int_equal(nash_dataset_classes(ds), 3);
    assert_int_equal(nash_dataset_examine(problems, 8, &n, ds), NASH_OK);
    assert_non_null(strstr(problems[n - 1].text, "Test is taken for a class"));
    nash_dataset_close(ds);
    made_classes("parts/beside", names, 12, small);
    made_classes("parts/beside/test", names, 12, small);
    ds = made_open(made_path("parts/beside"), NULL);
    assert_int_equal(nash_dataset_classes(ds), 2);
    assert_true(nash_dataset_is_holdout(ds));
    assert_int_equal(nash_dataset_examine(problems, 8, &n, ds), NASH_OK);
    assert_non_null(strstr(problems[n - 1].text, "test is not used"));
    nash_dataset_close(ds);
}

static void classes_may_lie_in_the_only_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", NULL};
    made_classes("unpacked/photos", names, 8, (nash_shape){1, 4, 4});
    made_classes("unpacked/__MACOSX", names, 3, (nash_shape){1, 4, 4});
    nash_dataset *ds = made_open(made_path("unpacked"), NULL);
    assert_int_equal(nash_dataset_classes(ds), 2);
    nash_dataset_close(ds);
}

/* A grey picture that is stored in colour. */
static void write_grey_in_colour(const char *path, int32_t i, nash_shape shape)
{
    uint8_t rows[3 * 6 * 5], *at = rows;
    assert_true(3 * shape.h * shape.w == (int32_t)sizeof rows);
    for (int32_t pixel = 0; pixel < shape.h * shape.w; pixel++)
        for (int32_t c = 0; c < 3; c++)
            *at++ = made_pixel(i, 0, pixel / shape.w, pixel % shape.w);
    shape.c = 3;
    assert_int_equal(ni_png_write(path, rows, shape), NASH_OK);
}

static void grey_pictures_are_grey_however_they_are_stored(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", NULL};
    const nash_shape shape = {1, 6, 5};
    nash_dataset_opts opts = nash_dataset_opts_default();
    made_classes("ink", names, 10, shape);
    for (int32_t i = 0; i < 20; i++)
        write_grey_in_colour(
            made_path("rgb/%s/%02d.png", names[i / 10], i % 10), i, shape);
    nash_dataset *grey = made_open(made_path("ink"), NULL);
    nash_dataset *rgb = made_open(made_path("rgb"), NULL);
    assert_int_equal(made_part(rgb, NASH_PART_TRAIN)->shape.c, 1);
    assert_int_equal(made_part(rgb, NASH_PART_TEST)->shape.c, 1);
    assert_int_equal(nash_dataset_hash(rgb), nash_dataset_hash(grey));
    nash_dataset_close(rgb);
    /* likewise if the test images are asked for first */
    opts.lazy = true;
    rgb = made_open(made_path("rgb"), &opts);
    assert_int_equal(nash_dataset_hash(rgb), 0);
    assert_int_equal(made_part(rgb, NASH_PART_TEST)->shape.c, 1);
    assert_int_equal(nash_dataset_hash(rgb), nash_dataset_hash(grey));
    nash_dataset_close(rgb);
    opts.channels = 3;
    rgb = made_open(made_path("rgb"), &opts);
    assert_int_equal(made_part(rgb, NASH_PART_TRAIN)->shape.c, 3);
    nash_dataset_close(rgb);
    /* a class in colour: all are */
    for (int32_t i = 0; i < 10; i++)
        made_png(made_path("rgb/a/%02d.png", i), i, (nash_shape){3, 6, 5});
    rgb = made_open(made_path("rgb"), NULL);
    assert_int_equal(made_part(rgb, NASH_PART_TRAIN)->shape.c, 3);
    nash_dataset_close(rgb);
    nash_dataset_close(grey);
}

static void test_images_are_not_read_before_they_are_asked_for(void **state)
{
    (void)state;
    const nash_images *images;
    nash_dataset *ds = NULL;
    make_folders("untouched");
    for (int32_t i = 0; i < 4; i++) /* the header stays */
        made_shorter(made_path("untouched/test/cat/%02d.png", i), 40);
    ds = made_open(made_path("untouched"), NULL);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 36);
    assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TEST),
                     NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "test/cat/"));
    nash_dataset_close(ds);
}

static void test_files_that_are_no_pictures_are_found_at_once(void **state)
{
    (void)state;
    nash_dataset *ds = NULL;
    make_folders("no-pictures");
    for (int32_t i = 0; i < 4; i++)
        made_file(made_path("no-pictures/test/cat/%02d.png", i), "x", 1);
    assert_int_equal(nash_dataset_open(&ds, made_path("no-pictures"), NULL),
                     NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "test/cat/"));
    assert_null(ds);
}

static void the_hash_tells_pixels_and_labels(void **state)
{
    (void)state;
    made_cifar(made_path("hash/a/data_batch_1.bin"), 0, 20, 1, 10);
    made_cifar(made_path("hash/b/data_batch_1.bin"), 1, 20, 1, 10);
    made_cifar(made_path("hash/c/data_batch_1.bin"), 0, 20, 1, 5);
    nash_dataset *a = made_open(made_path("hash/a"), NULL);
    nash_dataset *b = made_open(made_path("hash/b"), NULL);
    nash_dataset *c = made_open(made_path("hash/c"), NULL);
    assert_int_not_equal(nash_dataset_hash(a), nash_dataset_hash(b));
    assert_int_not_equal(nash_dataset_hash(a), nash_dataset_hash(c));
    nash_dataset_close(a);
    nash_dataset_close(b);
    nash_dataset_close(c);
}

/* ---- saving ------------------------------------------------------------ */

static void a_saved_data_set_opens_as_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"pets", "flat", "cifar10"};
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.holdout = 0.0;
    for (int i = 0; i < 3; i++) {
        const char *to = made_path("saved/%s", names[i]);
        nash_dataset *ds = made_open(made_path("%s", names[i]), NULL);
        assert_int_equal(nash_dataset_save(ds, to), NASH_OK);
        nash_dataset *again = made_open(to, &opts);
        assert_string_equal(nash_dataset_format(again), "idx");
        assert_int_equal(nash_dataset_hash(again), nash_dataset_hash(ds));
        for (int32_t k = 0; k < made_part(ds, NASH_PART_TRAIN)->classes; k++)
            assert_string_equal(nash_dataset_class(again, k),
                                nash_dataset_class(ds, k));
        nash_dataset_close(again);
        nash_dataset_close(ds);
    }
}

/* More than is read at once, of either format. */
static void large_files_are_read_piece_by_piece(void **state)
{
    (void)state;
    enum { IMAGES = 2500 };
    nash_dataset_opts opts = nash_dataset_opts_default();
    uint64_t hash[2];
    made_cifar(made_path("large/data_batch_1.bin"), 0, IMAGES, 1, 10);
    opts.holdout = 0.0;
    nash_dataset *ds = made_open(made_path("large"), &opts);
    assert_int_equal(nash_dataset_save(ds, made_path("saved/large")), NASH_OK);
    nash_dataset_close(ds);
    for (int i = 0; i < 2; i++) {
        const char *dir = made_path(i ? "saved/large" : "large");
        opts.holdout = 0.0;
        ds = made_open(dir, &opts);
        assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, IMAGES);
        assert_all_made(made_part(ds, NASH_PART_TRAIN), 0, 10);
        nash_dataset_close(ds);
        opts.holdout = 0.25;
        ds = made_open(dir, &opts);
        hash[i] = nash_dataset_hash(ds);
        nash_dataset_close(ds);
    }
    assert_int_equal(hash[0], hash[1]);
}

static void what_was_not_read_is_not_saved(void **state)
{
    (void)state;
    const char *to = made_path("saved/nothing");
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.lazy = true;
    nash_dataset *ds = made_open(made_path("pets"), &opts);
    assert_int_equal(nash_dataset_save(ds, to), NASH_EINVAL);
    assert_int_not_equal(access(to, F_OK), 0);
    nash_dataset_close(ds);
}

/* Whose labels are no bytes. */
static void a_saved_data_set_may_have_many_classes(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static char text[MANY][8];
    const char *names[MANY + 1] = {NULL};
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.holdout = 0.0;
    for (int k = 0; k < MANY; k++) {
        snprintf(text[k], sizeof text[k], "c%03d", k);
        names[k] = text[k];
    }
    made_classes("many", names, 1, (nash_shape){1, 4, 5});
    nash_dataset *ds = made_open(made_path("many"), &opts);
    const char *to = made_path("saved/many");
    assert_int_equal(nash_dataset_save(ds, to), NASH_OK);
    nash_dataset *again = made_open(to, &opts);
    const nash_images *images = made_part(again, NASH_PART_TRAIN);
    assert_int_equal(images->classes, MANY);
    assert_int_equal(images->n, MANY);
    for (int32_t k = 0; k < MANY; k++)
        assert_int_equal(images->labels[k], k);
    assert_int_equal(nash_dataset_hash(again), nash_dataset_hash(ds));
    nash_dataset_close(again);
    nash_dataset_close(ds);
}

/* ---- running out of memory --------------------------------------------- */

static void assert_survives(const char *dir)
{
    nash_status status = NASH_ENOMEM;
    const char *sheet = made_path("sheet.png");
    const char *saved = made_path("saved/again");
    int64_t blocks = ni_memory_live_blocks(), n = 0;
    for (; status != NASH_OK; n++) {
        nash_dataset *ds = NULL;
        const nash_images *images;
        static nash_data_problem problems[20];
        int32_t found;
        ni_memory_fail_after(n);
        status = nash_dataset_open(&ds, dir, NULL);
        if (status == NASH_OK)
            status = nash_dataset_images(&images, ds, NASH_PART_TEST);
        if (status == NASH_OK)
            status = nash_dataset_examine(problems, 20, &found, ds);
        if (status == NASH_OK)
            status = nash_images_contact_sheet(images, 2, sheet);
        if (status == NASH_OK)
            status = nash_images_draw(images, &(int32_t){0}, 1, 1, sheet);
        if (status == NASH_OK)
            status = nash_dataset_save(ds, saved);
        ni_memory_fail_after(-1);
        nash_dataset_close(ds);
        if (status != NASH_OK && status != NASH_ENOMEM)
            fail_msg("%s after %lld allocations: %s", dir, (long long)n,
                     nash_error_message());
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_true(n > 10);
}

static void every_format_survives_running_out_of_memory(void **state)
{
    (void)state;
    assert_survives(made_path("cifar10"));
    assert_survives(made_path("cifar100"));
    assert_survives(made_path("idx-colour"));
    assert_survives(made_path("little"));
}

static int make_little(void **state)
{
    (void)state;
    static const char *const two[] = {"ape", "bee", NULL};
    made_classes("little/train", two, 10, (nash_shape){3, 4, 4});
    made_classes("little/test", two, 2, (nash_shape){3, 6, 4});
    made_file(made_path("little/train/ape/00.png"), "x", 1);
    made_file(made_path("little/train/ape/notes"), "x", 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar10_reads_back),
        cmocka_unit_test(cifar10_reads_every_number),
        cmocka_unit_test(cifar100_reads_fine_labels),
        cmocka_unit_test(idx_reads_grey_and_colour),
        cmocka_unit_test(gzip_makes_no_difference),
        cmocka_unit_test(folders_read_back_in_the_order_of_their_names),
        cmocka_unit_test(folders_need_no_train_directory),
        cmocka_unit_test(any_case_of_an_ending_is_a_picture),
        cmocka_unit_test(the_common_size_is_the_median_up_to_a_limit),
        cmocka_unit_test(wide_and_tall_pictures_meet_in_a_square),
        cmocka_unit_test(little_that_is_left_of_long_pictures_is_told),
        cmocka_unit_test(size_and_channels_can_be_asked_for),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(folders_of_parts_may_be_written_in_any_case),
        cmocka_unit_test(folders_named_as_parts_are_doubted),
        cmocka_unit_test(classes_may_lie_in_the_only_folder),
        cmocka_unit_test(grey_pictures_are_grey_however_they_are_stored),
        cmocka_unit_test(test_images_are_not_read_before_they_are_asked_for),
        cmocka_unit_test(test_files_that_are_no_pictures_are_found_at_once),
        cmocka_unit_test(the_hash_tells_pixels_and_labels),
        cmocka_unit_test(a_saved_data_set_opens_as_the_same),
        cmocka_unit_test(large_files_are_read_piece_by_piece),
        cmocka_unit_test(what_was_not_read_is_not_saved),
        cmocka_unit_test(a_saved_data_set_may_have_many_classes),
        cmocka_unit_test_setup(every_format_survives_running_out_of_memory,
                               make_little),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
