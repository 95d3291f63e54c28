/* Images of a data set by name, and sheets of them. */
#include "made_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const pets[] = {"cat", "dog", "owl", NULL};

static nash_dataset *open_plain(const char *dir)
{
    nash_dataset *ds = NULL;
    if (nash_dataset_open(&ds, dir, NULL) != NASH_OK)
        fail_msg("%s", nash_error_message());
    return ds;
}

static const nash_images *part_of(nash_dataset *ds, nash_part part)
{
    const nash_images *images = NULL;
    if (nash_dataset_images(&images, ds, part) != NASH_OK)
        fail_msg("%s", nash_error_message());
    return images;
}

static int make_pets(void **state)
{
    (void)state;
    made_classes("pets/train", pets, 12, (nash_shape){3, 8, 12});
    made_classes("pets/test", pets, 4, (nash_shape){3, 8, 12});
    return 0;
}

/* ---- images by name ---------------------------------------------------- */

static void assert_called(const nash_dataset *ds, nash_part part, int32_t i,
                          const char *expected)
{
    char name[512];
    nash_dataset_image_name(name, sizeof name, ds, part, i);
    assert_string_equal(name, expected);
}

static void images_of_folders_are_called_by_their_files(void **state)
{
    (void)state;
    const char *broken = made_path("pets/train/cat/04.png");
    made_file(broken, "x", 1);
    nash_dataset *ds = open_plain(made_path("pets"));
    part_of(ds, NASH_PART_TEST);
    assert_called(ds, NASH_PART_TRAIN, 3, made_path("pets/train/cat/03.png"));
    assert_called(ds, NASH_PART_TRAIN, 4, made_path("pets/train/cat/05.png"));
    assert_called(ds, NASH_PART_TEST, 11, made_path("pets/test/owl/03.png"));
    char cut[8];
    nash_dataset_image_name(cut, sizeof cut, ds, NASH_PART_TEST, 0);
    assert_memory_equal(cut, made_path("pets"), sizeof cut - 1);
    assert_int_equal(cut[7], '\0');
    nash_dataset_close(ds);
    made_png(broken, 4, (nash_shape){3, 8, 12});
}

static void other_images_are_called_by_their_number_in_the_set(void **state)
{
    (void)state;
    made_cifar(made_path("cifar10/data_batch_1.bin"), 0, 30, 1, 10);
    made_cifar(made_path("cifar10/data_batch_2.bin"), 30, 20, 1, 10);
    made_cifar(made_path("cifar10/test_batch.bin"), 100, 10, 1, 10);
    nash_dataset *ds = open_plain(made_path("cifar10"));
    part_of(ds, NASH_PART_TEST);
    assert_called(ds, NASH_PART_TRAIN, 49, "training image 49");
    assert_called(ds, NASH_PART_TEST, 3, "test image 3");
    nash_dataset_close(ds);
}

/* A made image's first pixel tells its number, up to 255 of them. */
static void held_out_images_are_called_as_the_files_have_them(void **state)
{
    (void)state;
    made_cifar(made_path("called-held/data_batch_1.bin"), 0, 40, 1, 10);
    nash_dataset *ds = open_plain(made_path("called-held"));
    for (int part = 0; part < 2; part++) {
        const nash_images *images = part_of(ds, (nash_part)part);
        for (int32_t i = 0; i < images->n; i++) {
            char name[64];
            int32_t number = 0;
            while (made_pixel(number, 0, 0, 0) != images->pixels[i * 3072])
                number++;
            snprintf(name, sizeof name, "training image %d", number);
            assert_called(ds, (nash_part)part, i, name);
        }
    }
    nash_dataset_close(ds);
}

/* ---- sheets ------------------------------------------------------------ */

/* Row and column of a sheet show made image i: tiles of 8 x 12 pixels are
 * enlarged 5 times, 2 pixels apart. */
static void assert_tile(const uint8_t *sheet, nash_shape shape, int32_t row,
                        int32_t column, int32_t i)
{
    for (int32_t y = 0; y < 40; y++)
        for (int32_t x = 0; x < 60; x++)
            assert_int_equal(
                sheet[(2 + row * 42 + y) * shape.w + 2 + column * 62 + x],
                made_pixel(i, 0, y / 5, x / 5));
}

/* Fails unless its size is just that; yours to free. */
static uint8_t *read_sheet(nash_shape shape, const char *path)
{
    uint8_t header[24], *pixels;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(header, 1, sizeof header, file), sizeof header);
    fclose(file);
    assert_int_equal(header[18] << 8 | header[19], shape.w);
    assert_int_equal(header[22] << 8 | header[23], shape.h);
    pixels = malloc((size_t)(shape.c * shape.h * shape.w));
    assert_int_equal(nash_image_read(pixels, shape, path), NASH_OK);
    return pixels;
}

static void a_contact_sheet_shows_a_row_per_class(void **state)
{
    (void)state;
    nash_dataset *ds = open_plain(made_path("pets"));
    const nash_images *train = part_of(ds, NASH_PART_TRAIN);
    const char *path = made_path("sheet.png");
    nash_shape shape = {3, 2 + 3 * 42, 2 + 4 * 62};
    assert_int_equal(nash_images_contact_sheet(train, 4, path), NASH_OK);
    uint8_t *pixels = read_sheet(shape, path);
    for (int32_t k = 0; k < 3; k++)
        for (int32_t j = 0; j < 4; j++)
            assert_tile(pixels, shape, k, j, 12 * k + j);
    free(pixels);
    nash_dataset_close(ds);
}

static void a_sheet_of_given_images_keeps_their_order(void **state)
{
    (void)state;
    static const int32_t index[] = {35, 0, 7, 7, 20};
    nash_dataset *ds = open_plain(made_path("pets"));
    const nash_images *train = part_of(ds, NASH_PART_TRAIN);
    const char *path = made_path("given.png");
    nash_shape shape = {3, 2 + 3 * 42, 2 + 2 * 62};
    assert_int_equal(nash_images_draw(train, index, 5, 2, path), NASH_OK);
    uint8_t *pixels = read_sheet(shape, path);
    for (int32_t k = 0; k < 5; k++)
        assert_tile(pixels, shape, k / 2, k % 2, index[k]);
    free(pixels);
    /* fewer than a row */
    shape = (nash_shape){3, 2 + 42, 2 + 5 * 62};
    assert_int_equal(nash_images_draw(train, index, 5, 10, path), NASH_OK);
    free(read_sheet(shape, path));
    /* of so many that each is shrunk, to 6 x 9 pixels */
    static int32_t many[2000];
    shape = (nash_shape){3, 2 + 2000 * 8, 2 + 11};
    assert_int_equal(nash_images_draw(train, many, 2000, 1, path), NASH_OK);
    free(read_sheet(shape, path));
    nash_dataset_close(ds);
}

static void sheets_that_cannot_be_are_refused(void **state)
{
    (void)state;
    enum { MANY = 6000 };
    static int32_t index[MANY];
    nash_dataset *ds = open_plain(made_path("pets"));
    const nash_images *train = part_of(ds, NASH_PART_TRAIN);
    const char *path = made_path("none.png");
    assert_int_equal(nash_images_draw(train, index, 0, 2, path), NASH_EINVAL);
    assert_int_equal(nash_images_draw(train, index, 2, 0, path), NASH_EINVAL);
    assert_int_equal(nash_images_draw(train, index, MANY, 1, path),
                     NASH_ELIMIT);
    assert_non_null(strstr(nash_error_message(), "6000 x 1 images"));
    assert_int_not_equal(access(path, F_OK), 0);
    nash_dataset_close(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_of_folders_are_called_by_their_files),
        cmocka_unit_test(other_images_are_called_by_their_number_in_the_set),
        cmocka_unit_test(held_out_images_are_called_as_the_files_have_them),
        cmocka_unit_test(a_contact_sheet_shows_a_row_per_class),
        cmocka_unit_test(a_sheet_of_given_images_keeps_their_order),
        cmocka_unit_test(sheets_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, make_pets, made_teardown);
}
