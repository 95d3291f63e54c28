/*
 * Batches. A draw is named by seed, step, epoch and image, never by its place
 * in a batch. Filling allocates nothing, shares nothing, and costs well under
 * two microseconds for an image of CIFAR's size.
 */
#include <nash/batch.h>

#include "base/rng.h"

#include <string.h>

/* What happens to one image. */
typedef struct draw {
    int32_t dy, dx; /* the crop's offset, -pad .. pad */
    bool flip;
    int32_t top, bottom, left, right; /* the cutout: rows, columns [from, to) */
} draw;

void nash_batch_order(int32_t *order, const int32_t *index, int32_t n,
                      const nash_batch_key *key)
{
    ni_rng rng = ni_rng_make(key->seed, NI_RNG_ORDER, key->step, key->epoch);
    if (order != index)
        memcpy(order, index, (size_t)n * sizeof *order);
    ni_rng_shuffle(&rng, order, n);
}

/* A seed for the images of one epoch. */
static uint64_t epoch_seed(const nash_batch_key *key, uint32_t epoch)
{
    ni_rng rng = ni_rng_make(key->seed, NI_RNG_AUGMENT, key->step, epoch);
    return ni_rng_u64(&rng);
}

typedef enum use { USE_CROP, USE_FLIP, USE_CUTOUT } use;

static ni_rng stream(uint64_t seed, int32_t image, use what)
{
    return ni_rng_make(seed, NI_RNG_AUGMENT, (uint32_t)image, what);
}

static int32_t clamp(int32_t value, int32_t most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

/* Each use has a stream of its own: switching one on moves no other. */
static draw draw_for(int32_t image, nash_shape shape, const nash_augment *a,
                     const nash_batch_key *key, const uint64_t seeds[2])
{
    draw d = {0};
    if (a->pad > 0) {
        ni_rng rng = stream(seeds[0], image, USE_CROP);
        uint32_t places = 2 * (uint32_t)a->pad + 1;
        d.dy = (int32_t)ni_rng_below(&rng, places) - a->pad;
        d.dx = (int32_t)ni_rng_below(&rng, places) - a->pad;
    }
    if (a->flip) {
        ni_rng rng = stream(seeds[a->alternate ? 1 : 0], image, USE_FLIP);
        d.flip = ni_rng_u32(&rng) >> 31;
        if (a->alternate)
            d.flip ^= key->epoch & 1;
    }
    if (a->cutout > 0) {
        ni_rng rng = stream(seeds[0], image, USE_CUTOUT);
        int32_t y = (int32_t)ni_rng_below(&rng, (uint32_t)shape.h);
        int32_t x = (int32_t)ni_rng_below(&rng, (uint32_t)shape.w);
        int32_t before = a->cutout / 2, after = a->cutout - before;
        d.top = clamp(y - before, shape.h);
        d.bottom = clamp(y + after, shape.h);
        d.left = clamp(x - before, shape.w);
        d.right = clamp(x + after, shape.w);
    }
    return d;
}

static void fill_value(float *dst, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = value;
}

static void convert(float *restrict dst, const uint8_t *restrict src, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (float)src[i];
}

static void convert_mirrored(float *restrict dst, const uint8_t *restrict src,
                             int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        dst[i] = (float)src[n - 1 - i];
}

/* The crop, then its mirror image: target column x shows source column x + dx,
 * or w - 1 - x + dx when flipped. */
static void fill_plane(float *dst, const uint8_t *src, nash_shape shape,
                       const draw *d, float mean)
{
    int32_t w = shape.w;
    int32_t before = d->flip ? d->dx : -d->dx; /* columns of padding, left */
    int32_t from = clamp(before, w), to = clamp(w + before, w);
    int32_t source = clamp(d->dx, w);
    for (int32_t y = 0; y < shape.h; y++) {
        float *row = dst + (int64_t)y * w;
        int32_t sy = y + d->dy;
        if (sy < 0 || sy >= shape.h) {
            fill_value(row, w, mean);
            continue;
        }
        const uint8_t *pixels = src + (int64_t)sy * w + source;
        fill_value(row, from, mean);
        if (d->flip)
            convert_mirrored(row + from, pixels, to - from);
        else
            convert(row + from, pixels, to - from);
        fill_value(row + to, w - to, mean);
    }
    for (int32_t y = d->top; y < d->bottom; y++)
        fill_value(dst + (int64_t)y * w + d->left, d->right - d->left, mean);
}

void nash_batch_fill(float *dst, int32_t *labels, const nash_images *images,
                     const int32_t *index, int32_t n,
                     const nash_augment *augment, const float *mean,
                     const nash_batch_key *key)
{
    nash_shape shape = images->shape;
    int64_t plane = (int64_t)shape.h * shape.w;
    uint64_t seeds[2] = {0};
    if (augment) {
        seeds[0] = epoch_seed(key, key->epoch);
        seeds[1] = epoch_seed(key, 0);
    }
    for (int32_t i = 0; i < n; i++) {
        int64_t image = index[i];
        const uint8_t *src = images->pixels + image * shape.c * plane;
        labels[i] = images->labels[image];
        if (!augment) {
            convert(dst, src, shape.c * plane);
            dst += shape.c * plane;
            continue;
        }
        draw d = draw_for(index[i], shape, augment, key, seeds);
        for (int32_t c = 0; c < shape.c; c++, dst += plane)
            fill_plane(dst, src + c * plane, shape, &d, mean ? mean[c] : 0.0f);
    }
}
