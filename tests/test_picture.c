/* Pictures: what each kind of PNG and JPEG file shows, sizes, and damage. */
#include "made_data.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/jpeg.h"
#include "data/picture.h"
#include "data/png.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static const nash_shape png_shape = {3, 5, 7};
static const nash_shape jpeg_shape = {3, 24, 32};

static const char *picture(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "tests/pictures/%s", name);
    return path;
}

static nash_status read_as(uint8_t *pixels, const char *name, nash_shape shape)
{
    return nash_image_read(pixels, shape, picture(name));
}

/* What the PNG files show: see pictures/make.py. */
static int png_value(int c, int y, int x)
{
    return c == 0 ? 36 * x : c == 1 ? 60 * y : 20 * (x + y);
}

static int grey_value(int c, int y, int x)
{
    (void)c;
    return 20 * (x + y);
}

static int on_white(int value, int y, int x)
{
    return (x + y) % 2 == 0 ? value : (value * 51 + 255 * 204 + 127) / 255;
}

static int png_value_on_white(int c, int y, int x)
{
    return on_white(png_value(c, y, x), y, x);
}

static int grey_value_on_white(int c, int y, int x)
{
    return on_white(grey_value(c, y, x), y, x);
}

static int png_value_without_black(int c, int y, int x)
{
    return x == 0 && y == 0 ? 255 : png_value(c, y, x);
}

static int one_bit(int c, int y, int x)
{
    (void)c;
    return (x + y) % 2 == 0 ? 255 : 0;
}

static void assert_shows(const char *name, int (*value)(int, int, int))
{
    uint8_t pixels[3 * 5 * 7];
    assert_int_equal(read_as(pixels, name, png_shape), NASH_OK);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 7; x++)
                assert_int_equal(pixels[(c * 5 + y) * 7 + x], value(c, y, x));
}

static void every_kind_of_png_shows_its_pixels(void **state)
{
    (void)state;
    assert_shows("rgb8.png", png_value);
    assert_shows("rgb16.png", png_value);
    assert_shows("interlaced.png", png_value);
    assert_shows("palette8.png", png_value);
    assert_shows("grey8.png", grey_value);
    assert_shows("grey16.png", grey_value);
    assert_shows("grey1.png", one_bit);
    assert_shows("palette_grey.png", grey_value);
}

static void transparent_pixels_lie_on_white(void **state)
{
    (void)state;
    assert_shows("rgba8.png", png_value_on_white);
    assert_shows("grey_alpha8.png", grey_value_on_white);
    assert_shows("transparent_black.png", png_value_without_black);
}

static void colour_becomes_grey_by_luma(void **state)
{
    (void)state;
    uint8_t pixels[5 * 7];
    assert_int_equal(read_as(pixels, "rgb8.png", (nash_shape){1, 5, 7}),
                     NASH_OK);
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 7; x++)
            assert_int_equal(pixels[y * 7 + x],
                             (299 * png_value(0, y, x) +
                              587 * png_value(1, y, x) +
                              114 * png_value(2, y, x) + 500) /
                                 1000);
}

static int jpeg_value(int c, int y, int x)
{
    return c == 0 ? 8 * x : c == 1 ? 10 * y : 255 - 4 * x - 5 * y;
}

static void assert_close_to_gradient(const char *name, int tolerance)
{
    uint8_t pixels[3 * 24 * 32];
    assert_int_equal(read_as(pixels, name, jpeg_shape), NASH_OK);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 24; y++)
            for (int x = 0; x < 32; x++)
                assert_in_range(pixels[(c * 24 + y) * 32 + x] + tolerance -
                                    jpeg_value(c, y, x),
                                0, 2 * tolerance);
}

static void every_kind_of_jpeg_shows_its_gradient(void **state)
{
    (void)state;
    assert_close_to_gradient("upright.jpg", 8);
    assert_close_to_gradient("progressive.jpg", 8);
    assert_close_to_gradient("cmyk.jpg", 12);
    assert_close_to_gradient("sampled_4x2.jpg", 32);
}

static void exif_orientation_turns_the_picture_upright(void **state)
{
    (void)state;
    for (int n = 1; n <= 8; n++) {
        char name[32];
        ni_picture_info info;
        snprintf(name, sizeof name, "orient_%d.jpg", n);
        assert_int_equal(ni_picture_probe(&info, picture(name)), NASH_OK);
        assert_int_equal(info.h, 24);
        assert_int_equal(info.w, 32);
        assert_close_to_gradient(name, 8);
    }
}

static void a_png_is_turned_likewise(void **state)
{
    (void)state;
    ni_picture_info info;
    assert_int_equal(ni_picture_probe(&info, picture("orient_6.png")), NASH_OK);
    assert_int_equal(info.h, png_shape.h);
    assert_int_equal(info.w, png_shape.w);
    assert_shows("orient_6.png", png_value);
}

static void odd_exif_data_mean_upright(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    assert_int_equal(
        ni_file_read(&bytes, &size, picture("orient_6.jpg"), 1 << 20), NASH_OK);
    assert_int_equal(ni_jpeg_orientation((uint8_t *)bytes, size), 6);
    /* cut anywhere, and with any byte of the header replaced, it must neither
     * read beyond the end nor invent an orientation */
    for (size_t n = 0; n < 80; n++) {
        uint8_t *part = malloc(n + 1);
        memcpy(part, bytes, n);
        int orientation = ni_jpeg_orientation(part, n);
        assert_true(orientation == 1 || orientation == 6);
        for (int value = 0; n > 2 && value < 256; value += 5) {
            part[n - 1] = (uint8_t)value;
            assert_in_range(ni_jpeg_orientation(part, n), 1, 8);
        }
        free(part);
    }
    ni_free(bytes);
}

static void headers_tell_size_and_grey(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool grey;
    } files[] = {{"rgb8.png", false},     {"rgb16.png", false},
                 {"grey8.png", true},     {"grey1.png", true},
                 {"grey16.png", true},    {"grey_alpha8.png", true},
                 {"palette8.png", false}, {"palette_grey.png", true},
                 {"upright.jpg", false},  {"grey.jpg", true}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ni_picture_info info;
        bool jpeg = strstr(files[i].name, ".jpg") != NULL;
        assert_int_equal(ni_picture_probe(&info, picture(files[i].name)),
                         NASH_OK);
        assert_int_equal(info.grey, files[i].grey);
        assert_int_equal(info.h, jpeg ? 24 : 5);
        assert_int_equal(info.w, jpeg ? 32 : 7);
    }
}

static void a_size_too_large_is_refused_before_decoding(void **state)
{
    (void)state;
    uint8_t pixels[3 * 5 * 7];
    ni_picture_info info;
    int64_t before = ni_memory_live_bytes();
    assert_int_equal(read_as(pixels, "bomb.png", png_shape), NASH_ELIMIT);
    assert_non_null(
        strstr(nash_error_message(), "bomb.png is 100000 x 100000"));
    assert_int_equal(ni_picture_probe(&info, picture("bomb.png")), NASH_ELIMIT);
    assert_int_equal(read_as(pixels, "no_pixels.png", png_shape), NASH_EFORMAT);
    assert_int_equal(ni_memory_live_bytes(), before);
}

/* A copy cut to a share of its size. */
static const char *cut(const char *name, double share)
{
    char *bytes;
    size_t size;
    const char *path = made_path("cut-%s", name);
    assert_int_equal(ni_file_read(&bytes, &size, picture(name), 1 << 20),
                     NASH_OK);
    made_file(path, bytes, (size_t)((double)size * share));
    ni_free(bytes);
    return path;
}

/* A PNG file whose pixels are all there may lack its end. */
static void files_that_are_cut_off_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double most;
    } files[] = {{"rgb8.png", 0.85},
                 {"palette8.png", 0.85},
                 {"upright.jpg", 1.0},
                 {"progressive.jpg", 1.0}};
    uint8_t pixels[3 * 24 * 32];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (double share = 0.02; share < files[i].most; share += 0.01) {
            const char *path = cut(files[i].name, share);
            assert_int_equal(nash_image_read(pixels, jpeg_shape, path),
                             NASH_EFORMAT);
            assert_non_null(strstr(nash_error_message(), path));
        }
}

static void bytes_behind_the_end_of_a_jpeg_do_not_matter(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    const char *path = made_path("longer.jpg");
    uint8_t pixels[3 * 24 * 32];
    assert_int_equal(
        ni_file_read(&bytes, &size, picture("upright.jpg"), 1 << 20), NASH_OK);
    bytes[size] = 'x'; /* where the reader leaves a zero byte */
    made_file(path, bytes, size + 1);
    assert_int_equal(nash_image_read(pixels, jpeg_shape, path), NASH_OK);
    ni_free(bytes);
}

static void damaged_png_data_are_refused(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    uint8_t pixels[3 * 5 * 7];
    const char *path = made_path("damaged.png");
    assert_int_equal(ni_file_read(&bytes, &size, picture("rgb8.png"), 1 << 20),
                     NASH_OK);
    bytes[size / 2] ^= 0x10;
    made_file(path, bytes, size);
    assert_int_equal(nash_image_read(pixels, png_shape, path), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "damaged"));
    ni_free(bytes);
}

static void other_files_are_told_apart(void **state)
{
    (void)state;
    uint8_t pixels[3 * 5 * 7];
    const char *path = made_path("page.png");
    made_file(path, "<html>", 6);
    assert_int_equal(nash_image_read(pixels, png_shape, path), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "neither a PNG nor a JPEG"));
    made_file(path, "", 0);
    assert_int_equal(nash_image_read(pixels, png_shape, path), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "empty"));
    assert_int_equal(
        nash_image_read(pixels, png_shape, made_path("missing.png")),
        NASH_ENOTFOUND);
    assert_int_equal(nash_image_read(pixels, png_shape, made_dir()), NASH_EIO);
    assert_int_equal(nash_image_read(pixels, (nash_shape){2, 5, 7}, path),
                     NASH_EINVAL);
}

/* A linear ramp stays one under linear interpolation, away from the edges. */
static void resizing_keeps_a_ramp(void **state)
{
    (void)state;
    enum { SIDE = 60 };
    static uint8_t source[SIDE * SIDE], target[3 * SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++)
        source[i] = (uint8_t)(4 * (i % SIDE));
    ni_view view = ni_view_of_planes(source, (nash_shape){1, SIDE, SIDE});
    static const int sides[] = {10, 12, 20, 30, 59};
    for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
        int n = sides[k];
        double scale = (double)SIDE / n;
        assert_int_equal(ni_view_fit(target, (nash_shape){1, n, n}, &view),
                         NASH_OK);
        for (int y = 0; y < n; y++)
            for (int x = 1; x < n - 1; x++)
                assert_true(fabs(target[y * n + x] -
                                 4.0 * ((x + 0.5) * scale - 0.5)) < 0.51);
    }
}

static void resizing_keeps_a_constant_and_the_range(void **state)
{
    (void)state;
    static uint8_t source[3 * 17 * 23], target[3 * 64 * 64];
    static const uint8_t values[] = {0, 1, 128, 254, 255};
    for (size_t v = 0; v < sizeof values; v++) {
        memset(source, values[v], sizeof source);
        ni_view view = ni_view_of_planes(source, (nash_shape){3, 17, 23});
        for (int n = 1; n <= 64; n += 9) {
            assert_int_equal(
                ni_view_fit(target, (nash_shape){3, n, 65 - n}, &view),
                NASH_OK);
            for (int i = 0; i < 3 * n * (65 - n); i++)
                assert_int_equal(target[i], values[v]);
        }
    }
}

static void shrinking_averages_every_pixel(void **state)
{
    (void)state;
    uint8_t source[64 * 64], target[1];
    for (int i = 0; i < 64 * 64; i++)
        source[i] = (i + i / 64) % 2 ? 255 : 0;
    ni_view view = ni_view_of_planes(source, (nash_shape){1, 64, 64});
    assert_int_equal(ni_view_fit(target, (nash_shape){1, 1, 1}, &view),
                     NASH_OK);
    assert_in_range(target[0], 127, 128);
}

static void a_thin_picture_takes_little_memory(void **state)
{
    (void)state;
    enum { LENGTH = 4000000 };
    static uint8_t source[LENGTH];
    uint8_t target[32 * 32];
    memset(source, 7, sizeof source);
    for (int tall = 0; tall <= 1; tall++) {
        nash_shape shape = {1, tall ? LENGTH : 1, tall ? 1 : LENGTH};
        ni_view view = ni_view_of_planes(source, shape);
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        assert_int_equal(ni_view_fit(target, (nash_shape){1, 32, 32}, &view),
                         NASH_OK);
        getrusage(RUSAGE_SELF, &after);
        assert_int_equal(target[500], 7);
        assert_true(after.ru_maxrss - before.ru_maxrss < 100 * 1024); /* KiB */
    }
}

static void a_large_jpeg_shows_the_same_at_a_smaller_scale(void **state)
{
    (void)state;
    uint8_t small[3 * 3 * 4], full[3 * 24 * 32], expected[3 * 3 * 4];
    assert_int_equal(read_as(small, "upright.jpg", (nash_shape){3, 3, 4}),
                     NASH_OK);
    assert_int_equal(read_as(full, "upright.jpg", jpeg_shape), NASH_OK);
    ni_view view = ni_view_of_planes(full, jpeg_shape);
    assert_int_equal(ni_view_fit(expected, (nash_shape){3, 3, 4}, &view),
                     NASH_OK);
    for (size_t i = 0; i < sizeof small; i++)
        assert_in_range(small[i] + 6 - expected[i], 0, 12);
}

static void a_written_png_reads_back(void **state)
{
    (void)state;
    uint8_t pixels[3 * 9 * 4];
    const char *path = made_path("written.png");
    made_png(path, 5, (nash_shape){3, 9, 4});
    assert_int_equal(nash_image_read(pixels, (nash_shape){3, 9, 4}, path),
                     NASH_OK);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 9; y++)
            for (int x = 0; x < 4; x++)
                assert_int_equal(pixels[(c * 9 + y) * 4 + x],
                                 made_pixel(5, c, y, x));
}

static void reading_survives_running_out_of_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"rgba8.png", "palette8.png",
                                        "orient_6.jpg", "cmyk.jpg"};
    uint8_t pixels[1 * 11 * 13];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t blocks = ni_memory_live_blocks();
        nash_status status = NASH_ENOMEM;
        for (int64_t n = 0; status != NASH_OK; n++) {
            ni_memory_fail_after(n);
            status = read_as(pixels, names[i], (nash_shape){1, 11, 13});
            ni_memory_fail_after(-1);
            assert_true(status == NASH_OK || status == NASH_ENOMEM);
            assert_int_equal(ni_memory_live_blocks(), blocks);
            assert_true(n < 1000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_png_shows_its_pixels),
        cmocka_unit_test(transparent_pixels_lie_on_white),
        cmocka_unit_test(colour_becomes_grey_by_luma),
        cmocka_unit_test(every_kind_of_jpeg_shows_its_gradient),
        cmocka_unit_test(exif_orientation_turns_the_picture_upright),
        cmocka_unit_test(a_png_is_turned_likewise),
        cmocka_unit_test(odd_exif_data_mean_upright),
        cmocka_unit_test(headers_tell_size_and_grey),
        cmocka_unit_test(a_size_too_large_is_refused_before_decoding),
        cmocka_unit_test(files_that_are_cut_off_are_named),
        cmocka_unit_test(bytes_behind_the_end_of_a_jpeg_do_not_matter),
        cmocka_unit_test(damaged_png_data_are_refused),
        cmocka_unit_test(other_files_are_told_apart),
        cmocka_unit_test(resizing_keeps_a_ramp),
        cmocka_unit_test(resizing_keeps_a_constant_and_the_range),
        cmocka_unit_test(shrinking_averages_every_pixel),
        cmocka_unit_test(a_thin_picture_takes_little_memory),
        cmocka_unit_test(a_large_jpeg_shows_the_same_at_a_smaller_scale),
        cmocka_unit_test(a_written_png_reads_back),
        cmocka_unit_test(reading_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
