/*
 * The training images of a data set as a data set of its own, in IDX: what
 * took decoding and resizing opens again at the speed of the disk. Writes image
 * by image, so that no second copy is in memory.
 */
#include "reader.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of IDX's types of elements. */
enum { TYPE_UBYTE = 8, TYPE_INT = 12, BYTE_CLASSES = 256 };

static uint8_t *put_int(uint8_t *at, int32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(value >> shift);
    return at;
}

/* The beginning of an IDX file; returns where it ends. */
static size_t put_header(uint8_t *header, int type, const int32_t *sizes,
                         int rank)
{
    uint8_t *at = header;
    *at++ = 0;
    *at++ = 0;
    *at++ = (uint8_t)type;
    *at++ = (uint8_t)rank;
    for (int k = 0; k < rank; k++)
        at = put_int(at, sizes[k]);
    return (size_t)(at - header);
}

/* One image, its channels together: [H,W,C]. */
static void interleave(uint8_t *dst, const uint8_t *src, nash_shape shape)
{
    int64_t plane = (int64_t)shape.h * shape.w;
    for (int64_t i = 0; i < plane; i++)
        for (int32_t c = 0; c < shape.c; c++)
            *dst++ = src[c * plane + i];
}

static nash_status write_images(FILE *file, const nash_images *images,
                                const char *path)
{
    nash_status status = NASH_OK;
    nash_shape s = images->shape;
    size_t size_bytes = (size_t)s.c * (size_t)s.h * (size_t)s.w;
    uint8_t header[20], *rows = NULL;
    size_t length = put_header(header, TYPE_UBYTE,
                               (const int32_t[]){images->n, s.h, s.w, s.c},
                               s.c == 1 ? 3 : 4);
    bool written = fwrite(header, 1, length, file) == length;
    NEW_ARRAY(rows, size_bytes);
    for (int64_t i = 0; i < images->n && written; i++) {
        interleave(rows, images->pixels + i * (int64_t)size_bytes, s);
        written = fwrite(rows, 1, size_bytes, file) == size_bytes;
    }
    if (!written || fflush(file) != 0 || fsync(fileno(file)) != 0)
        status = ni_fail_errno(NASH_EIO, "%s cannot be written", path);
done:
    ni_free(rows);
    return status;
}

/* Into a temporary file first, renamed when it is whole. What a killed process
 * left of one is overwritten: it may be large. */
static nash_status save_images(const nash_images *images, const char *dir)
{
    nash_status status = NASH_OK;
    char *path = NULL, *temporary = NULL;
    FILE *file = NULL;
    NEW_FROM(path, ni_format("%s/train-images-idx%d-ubyte", dir,
                             images->shape.c == 1 ? 3 : 4));
    NEW_FROM(temporary, ni_format("%s.tmp", path));
    file = fopen(temporary, "wbe");
    if (!file) {
        status = ni_fail_errno(NASH_EIO, "%s cannot be written", path);
        goto done;
    }
    TRY(write_images(file, images, path));
    if (rename(temporary, path) != 0)
        status = ni_fail_errno(NASH_EIO, "%s cannot be replaced", path);
done:
    if (file)
        fclose(file);
    if (file && status != NASH_OK)
        unlink(temporary);
    ni_free(path);
    ni_free(temporary);
    return status;
}

static nash_status save_labels(const nash_images *images, const char *dir)
{
    nash_status status = NASH_OK;
    bool ints = images->classes > BYTE_CLASSES;
    char *path = NULL;
    uint8_t *bytes = NULL, *at;
    NEW_FROM(path,
             ni_format("%s/train-labels-idx1-%s", dir, ints ? "int" : "ubyte"));
    NEW_ARRAY(bytes, (ints ? 4 : 1) * (int64_t)images->n + 8);
    at = bytes + put_header(bytes, ints ? TYPE_INT : TYPE_UBYTE, &images->n, 1);
    for (int32_t i = 0; i < images->n; i++)
        if (ints)
            at = put_int(at, images->labels[i]);
        else
            *at++ = (uint8_t)images->labels[i];
    TRY(ni_file_write_atomic(path, bytes, (size_t)(at - bytes)));
done:
    ni_free(path);
    ni_free(bytes);
    return status;
}

static nash_status save_names(const nash_dataset *ds, const char *dir)
{
    nash_status status = NASH_OK;
    char *path = NULL, *text = NULL;
    size_t length = 0;
    NEW_FROM(path, ni_path_join(dir, "classes.txt"));
    for (int32_t k = 0; k < ds->names.n; k++)
        length += strlen(ds->names.items[k]) + 1;
    NEW_ARRAY(text, length + 1);
    for (int32_t k = 0, at = 0; k < ds->names.n; k++)
        at += snprintf(text + at, length + 1 - (size_t)at, "%s\n",
                       ds->names.items[k]);
    TRY(ni_file_write_atomic(path, text, length));
done:
    ni_free(path);
    ni_free(text);
    return status;
}

nash_status nash_dataset_save(const nash_dataset *ds, const char *dir)
{
    nash_status status = NASH_OK;
    const nash_images *images = &ds->images[NASH_PART_TRAIN];
    REQUIRE(ds->loaded[NASH_PART_TRAIN], NASH_EINVAL,
            "the training images of %s have not been read", ds->dir);
    TRY(ni_make_directories(dir));
    TRY(save_names(ds, dir));
    TRY(save_labels(images, dir));
    TRY(save_images(images, dir)); /* last: makes it a data set */
done:
    return status;
}
