#include "made_data.h"

#include "base/file.h"
#include "data/png.h"
#include "data/strings.h"

#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static bool made;

const char *made_dir(void)
{
    if (!made) {
        /* in memory where that is possible: hundreds of files are synced */
        bool memory = access("/dev/shm", R_OK | W_OK | X_OK) == 0;
        snprintf(dir, sizeof dir, "%s/nash-test-XXXXXX",
                 memory ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(dir));
    }
    made = true;
    return dir;
}

void made_remove(void)
{
    if (made)
        ni_tree_remove(dir);
    made = false;
}

int made_teardown(void **state)
{
    (void)state;
    made_remove();
    return 0;
}

const char *made_path(const char *format, ...)
{
    static char buffers[32][512];
    static int next;
    char *path = buffers[next++ % 32];
    char parents[512];
    int length = snprintf(path, 512, "%s/", made_dir());
    va_list args;
    va_start(args, format);
    vsnprintf(path + length, 512 - (size_t)length, format, args);
    va_end(args);
    strcpy(parents, path);
    assert_int_equal(ni_make_directories(dirname(parents)), NASH_OK);
    return path;
}

void made_file(const char *path, const void *bytes, size_t size_bytes)
{
    assert_int_equal(ni_file_write_atomic(path, bytes, size_bytes), NASH_OK);
}

void made_shorter(const char *path, size_t size_bytes)
{
    assert_int_equal(truncate(path, (off_t)size_bytes), 0);
}

uint8_t made_pixel(int32_t i, int32_t c, int32_t y, int32_t x)
{
    return (uint8_t)(31 * i + 85 * c + 7 * y + 3 * x);
}

void made_cifar(const char *path, int32_t first, int32_t n, int32_t label_bytes,
                int32_t classes)
{
    size_t record = (size_t)label_bytes + 3072;
    uint8_t *bytes = calloc((size_t)n, record), *at = bytes;
    assert_non_null(bytes);
    for (int32_t i = first; i < first + n; i++) {
        if (label_bytes == 2)
            *at++ = (uint8_t)(i % 20);
        *at++ = (uint8_t)(i % classes);
        for (int32_t k = 0; k < 3072; k++)
            *at++ = made_pixel(i, k / 1024, k % 1024 / 32, k % 32);
    }
    made_file(path, bytes, (size_t)n * record);
    free(bytes);
}

static uint8_t *put_size(uint8_t *at, int32_t size)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(size >> shift);
    return at;
}

void made_idx_images(const char *path, int32_t n, int32_t h, int32_t w,
                     int32_t c)
{
    int32_t channels = c ? c : 1;
    size_t size = (c ? 20 : 16) + (size_t)n * (size_t)(h * w * channels);
    uint8_t *bytes = calloc(1, size), *at = bytes;
    assert_non_null(bytes);
    bytes[2] = 8;
    bytes[3] = c ? 4 : 3;
    at = put_size(put_size(put_size(bytes + 4, n), h), w);
    if (c)
        at = put_size(at, c);
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < h * w * channels; k++)
            *at++ =
                made_pixel(i, k % channels, k / channels / w, k / channels % w);
    made_file(path, bytes, size);
    free(bytes);
}

void made_idx_labels(const char *path, int32_t n, int32_t classes)
{
    uint8_t *bytes = calloc(1, 8 + (size_t)n);
    assert_non_null(bytes);
    bytes[2] = 8;
    bytes[3] = 1;
    put_size(bytes + 4, n);
    for (int32_t i = 0; i < n; i++)
        bytes[8 + i] = (uint8_t)(i % classes);
    made_file(path, bytes, 8 + (size_t)n);
    free(bytes);
}

void made_png(const char *path, int32_t i, nash_shape shape)
{
    uint8_t *rows = malloc((size_t)(shape.c * shape.h * shape.w)), *at = rows;
    assert_non_null(rows);
    for (int32_t y = 0; y < shape.h; y++)
        for (int32_t x = 0; x < shape.w; x++)
            for (int32_t c = 0; c < shape.c; c++)
                *at++ = made_pixel(i, c, y, x);
    assert_int_equal(ni_png_write(path, rows, shape), NASH_OK);
    free(rows);
}

void made_classes(const char *at, const char *const *classes, int32_t n,
                  nash_shape shape)
{
    for (int32_t k = 0, i = 0; classes[k]; k++)
        for (int32_t j = 0; j < n; j++, i++)
            made_png(made_path("%s/%s/%02d.png", at, classes[k], j), i, shape);
}

nash_dataset *made_open(const char *path, const nash_dataset_opts *opts)
{
    nash_dataset *ds = NULL;
    if (nash_dataset_open(&ds, path, opts) != NASH_OK)
        fail_msg("%s", nash_error_message());
    return ds;
}

const nash_images *made_part(nash_dataset *ds, nash_part part)
{
    const nash_images *images = NULL;
    if (nash_dataset_images(&images, ds, part) != NASH_OK)
        fail_msg("%s", nash_error_message());
    return images;
}

bool made_finds(const nash_data_problem *problems, int32_t n, const char *text)
{
    for (int32_t i = 0; i < n; i++)
        if (strstr(problems[i].text, text))
            return true;
    print_message("not found: %s\n", text);
    return false;
}
