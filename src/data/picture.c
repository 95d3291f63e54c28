/*
 * Decoding by content, and fitting to a size. Fitting is two passes of linear
 * interpolation whose reach grows with the shrinking, so that every source
 * pixel counts; its bits do not depend on the machine's vector width.
 */
#include "picture.h"

#include <nash/dataset.h>

#include "base/file.h"
#include "base/memory.h"
#include "jpeg.h"
#include "png.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_BYTES = 1 << 16, FILE_LIMIT_BYTES = 1 << 30 };

void ni_picture_deinit(ni_picture *picture)
{
    ni_free(picture->pixels);
    *picture = (ni_picture){0};
}

ni_view ni_view_of_planes(const uint8_t *pixels, nash_shape shape)
{
    return (ni_view){.pixels = pixels,
                     .channels = shape.c,
                     .h = shape.h,
                     .w = shape.w,
                     .channel_step = (ptrdiff_t)shape.h * shape.w,
                     .row_step = shape.w,
                     .column_step = 1};
}

ni_view ni_view_of_rows(const uint8_t *pixels, nash_shape shape)
{
    return (ni_view){.pixels = pixels,
                     .channels = shape.c,
                     .h = shape.h,
                     .w = shape.w,
                     .channel_step = 1,
                     .row_step = (ptrdiff_t)shape.w * shape.c,
                     .column_step = shape.c};
}

nash_status ni_picture_check_size(int64_t h, int64_t w, const char *path)
{
    if (h < 1 || w < 1)
        return ni_fail(NASH_EFORMAT, "%s has no pixels (%lld x %lld)", path,
                       (long long)w, (long long)h);
    if (h > NI_MAX_PIXELS || w > NI_MAX_PIXELS || h * w > NI_MAX_PIXELS)
        return ni_fail(NASH_ELIMIT,
                       "%s is %lld x %lld pixels large, more than the 64 "
                       "megapixels that are accepted",
                       path, (long long)w, (long long)h);
    return NASH_OK;
}

/* What a target position reads: weights of first .. first + count - 1. */
typedef struct taps {
    int32_t *first; /* [n] */
    int32_t *count; /* [n] */
    float *weight;  /* [n, reach] */
    int32_t reach;
} taps;

static void taps_deinit(taps *t)
{
    ni_free(t->first);
    ni_free(t->count);
    ni_free(t->weight);
}

static nash_status taps_init(taps *t, int32_t target, int32_t source)
{
    nash_status status = NASH_OK;
    double scale = (double)source / target;
    double radius = scale > 1.0 ? scale : 1.0;
    t->reach = (int32_t)ceil(2.0 * radius) + 1;
    NEW_ARRAY(t->first, target);
    NEW_ARRAY(t->count, target);
    NEW_ARRAY(t->weight, (int64_t)target * t->reach);
    for (int32_t i = 0; i < target; i++) {
        double centre = (i + 0.5) * scale;
        int32_t from = (int32_t)floor(centre - radius + 0.5);
        int32_t to = (int32_t)floor(centre + radius + 0.5);
        from = from < 0 ? 0 : from;
        to = to > source ? source : to;
        float *weight = t->weight + (int64_t)i * t->reach;
        double sum = 0.0;
        for (int32_t k = from; k < to; k++)
            sum += fmax(0.0, 1.0 - fabs(k + 0.5 - centre) / radius);
        for (int32_t k = from; k < to; k++)
            weight[k - from] =
                (float)(fmax(0.0, 1.0 - fabs(k + 0.5 - centre) / radius) / sum);
        t->first[i] = from;
        t->count[i] = to - from;
    }
done:
    return status;
}

/* One source row of a plane, shrunk or grown to [w]. */
static void resample_row(float *dst, int32_t w, const uint8_t *row,
                         ptrdiff_t step, const taps *t)
{
    for (int32_t x = 0; x < w; x++) {
        const float *weight = t->weight + (int64_t)x * t->reach;
        const uint8_t *at = row + t->first[x] * step;
        float sum = 0.0f;
        for (int32_t k = 0; k < t->count[x]; k++)
            sum += weight[k] * (float)at[k * step];
        dst[x] = sum;
    }
}

/* One target row: the weighted sum of [count, w] rows, rounded to bytes. */
static void mix_rows(uint8_t *dst, float *sum, const float *rows, int32_t w,
                     const float *weight, int32_t count)
{
    memset(sum, 0, (size_t)w * sizeof *sum);
    for (int32_t k = 0; k < count; k++)
        for (int32_t x = 0; x < w; x++)
            sum[x] += weight[k] * rows[(int64_t)k * w + x];
    for (int32_t x = 0; x < w; x++)
        dst[x] = (uint8_t)fminf(fmaxf(sum[x] + 0.5f, 0.0f), 255.0f);
}

typedef struct resampler {
    taps across, down;
    float *rows; /* [reach of down, w]: the source rows that are needed now */
    float *sum;  /* [w] */
} resampler;

static void resample_plane(uint8_t *dst, int32_t h, int32_t w,
                           const ni_view *src, const uint8_t *plane,
                           resampler *r)
{
    const taps *down = &r->down;
    int32_t from = 0, to = 0; /* rows that are there */
    for (int32_t y = 0; y < h; y++) {
        int32_t first = down->first[y], end = first + down->count[y];
        if (first < to)
            memmove(r->rows, r->rows + (int64_t)(first - from) * w,
                    (size_t)(to - first) * (size_t)w * sizeof(float));
        from = first;
        for (to = first < to ? to : first; to < end; to++)
            resample_row(r->rows + (int64_t)(to - from) * w, w,
                         plane + to * src->row_step, src->column_step,
                         &r->across);
        mix_rows(dst + (int64_t)y * w, r->sum, r->rows, w,
                 down->weight + (int64_t)y * down->reach, down->count[y]);
    }
}

/* To [channels of src, h, w]. */
static nash_status resize(uint8_t *dst, int32_t h, int32_t w,
                          const ni_view *src)
{
    nash_status status = NASH_OK;
    resampler r = {0};
    TRY(taps_init(&r.across, w, src->w));
    TRY(taps_init(&r.down, h, src->h));
    NEW_ARRAY(r.rows, (int64_t)r.down.reach * w);
    NEW_ARRAY(r.sum, w);
    for (int32_t c = 0; c < src->channels; c++)
        resample_plane(dst + (int64_t)c * h * w, h, w, src,
                       src->pixels + c * src->channel_step, &r);
done:
    taps_deinit(&r.across);
    taps_deinit(&r.down);
    ni_free(r.rows);
    ni_free(r.sum);
    return status;
}

static void copy_planes(uint8_t *dst, const ni_view *src)
{
    for (int32_t c = 0; c < src->channels; c++)
        for (int32_t y = 0; y < src->h; y++) {
            const uint8_t *row =
                src->pixels + c * src->channel_step + y * src->row_step;
            if (src->column_step == 1)
                memcpy(dst, row, (size_t)src->w);
            else
                for (int32_t x = 0; x < src->w; x++)
                    dst[x] = row[x * src->column_step];
            dst += src->w;
        }
}

static nash_status to_size(uint8_t *dst, int32_t h, int32_t w,
                           const ni_view *src)
{
    if (src->h != h || src->w != w)
        return resize(dst, h, w, src);
    copy_planes(dst, src);
    return NASH_OK;
}

static void luma(uint8_t *dst, const uint8_t *rgb, int64_t plane)
{
    for (int64_t i = 0; i < plane; i++)
        dst[i] = (uint8_t)((299 * rgb[i] + 587 * rgb[plane + i] +
                            114 * rgb[2 * plane + i] + 500) /
                           1000);
}

nash_status ni_view_fit(uint8_t *dst, nash_shape shape, const ni_view *src)
{
    nash_status status = NASH_OK;
    uint8_t *colour = NULL;
    int64_t plane = (int64_t)shape.h * shape.w;
    if (shape.c == src->channels) {
        TRY(to_size(dst, shape.h, shape.w, src));
    } else if (shape.c == 1) {
        NEW_ARRAY(colour, 3 * plane);
        TRY(to_size(colour, shape.h, shape.w, src));
        luma(dst, colour, plane);
    } else {
        TRY(to_size(dst, shape.h, shape.w, src));
        memcpy(dst + plane, dst, (size_t)plane);
        memcpy(dst + 2 * plane, dst, (size_t)plane);
    }
done:
    ni_free(colour);
    return status;
}

nash_status ni_picture_decode(ni_picture *picture, const uint8_t *bytes,
                              size_t size_bytes, int32_t h, int32_t w,
                              const char *path)
{
    if (ni_png_is(bytes, size_bytes))
        return ni_png_decode(picture, bytes, size_bytes, path);
    if (ni_jpeg_is(bytes, size_bytes))
        return ni_jpeg_decode(picture, bytes, size_bytes, h, w, path);
    *picture = (ni_picture){0};
    return size_bytes == 0
               ? ni_fail(NASH_EFORMAT, "%s is an empty file", path)
               : ni_fail(NASH_EFORMAT, "%s is neither a PNG nor a JPEG file",
                         path);
}

nash_status ni_picture_probe_bytes(ni_picture_info *info, const uint8_t *bytes,
                                   size_t size_bytes, const char *path)
{
    ni_picture none;
    if (ni_png_is(bytes, size_bytes))
        return ni_png_probe(info, bytes, size_bytes, path);
    if (ni_jpeg_is(bytes, size_bytes))
        return ni_jpeg_probe(info, bytes, size_bytes, path);
    return ni_picture_decode(&none, bytes, size_bytes, 0, 0, path);
}

static nash_status read_head(uint8_t *head, size_t *size_bytes,
                             const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ni_fail_errno(NASH_EIO, "%s cannot be opened", path);
    nash_status status = NASH_OK;
    ssize_t n = pread(fd, head, HEAD_BYTES, 0);
    if (n < 0)
        status = ni_fail_errno(NASH_EIO, "%s cannot be read", path);
    *size_bytes = n > 0 ? (size_t)n : 0;
    close(fd);
    return status;
}

nash_status ni_picture_probe(ni_picture_info *info, const char *path)
{
    nash_status status = NASH_OK;
    uint8_t *head = NULL;
    char *whole = NULL;
    size_t size_bytes = 0;
    NEW_ARRAY(head, HEAD_BYTES);
    TRY(read_head(head, &size_bytes, path));
    status = ni_picture_probe_bytes(info, head, size_bytes, path);
    if (status == NASH_EFORMAT && size_bytes == HEAD_BYTES) {
        /* large profiles or previews may stand before what was looked for */
        TRY(ni_file_read(&whole, &size_bytes, path, FILE_LIMIT_BYTES));
        TRY(ni_picture_probe_bytes(info, (const uint8_t *)whole, size_bytes,
                                   path));
    }
done:
    ni_free(head);
    ni_free(whole);
    return status;
}

nash_status nash_image_read(uint8_t *pixels, nash_shape shape, const char *path)
{
    nash_status status = NASH_OK;
    char *bytes = NULL;
    size_t size_bytes;
    ni_picture picture = {0};
    REQUIRE((shape.c == 1 || shape.c == 3) && shape.h >= 1 && shape.w >= 1,
            NASH_EINVAL,
            "an image of shape %d x %d x %d was asked for, expected 1 or 3 "
            "channels and sides of at least 1",
            shape.c, shape.h, shape.w);
    TRY(ni_file_read(&bytes, &size_bytes, path, FILE_LIMIT_BYTES));
    TRY(ni_picture_decode(&picture, (const uint8_t *)bytes, size_bytes, shape.h,
                          shape.w, path));
    TRY(ni_view_fit(pixels, shape, &picture.view));
done:
    ni_picture_deinit(&picture);
    ni_free(bytes);
    return status;
}
