/* What morphisms measure their statistics on: augmented training images. */
#include "probe.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>

enum {
    MOST_IMAGES = 1024,
    MANY_BYTES = 1 << 28, /* of images, as floats */
    FEW_IMAGES = 64,      /* but so many, if they fit into MOST_BYTES */
    MOST_BYTES = 1 << 30,
    LEAST_IMAGES = 4
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Large images have more pixels to measure, and take more memory. */
static int32_t images_of(nash_shape shape)
{
    int64_t bytes =
        (int64_t)shape.c * shape.h * shape.w * (int64_t)sizeof(float);
    int64_t n = least(MANY_BYTES / bytes, MOST_IMAGES);
    if (n < FEW_IMAGES)
        n = least(MOST_BYTES / bytes, FEW_IMAGES);
    return (int32_t)(n < LEAST_IMAGES ? LEAST_IMAGES : n);
}

int probe_check(const run *r)
{
    const nash_search_opts *o = &r->s->search;
    const nash_graph *g = nash_model_graph(r->start);
    const int32_t n = r->images->n;
    size_t bytes;
    if (o->train.max_bytes == 0 || (o->start_epochs == 0 && o->steps == 0))
        return EXIT_OK;
    if (nash_train_bytes(&bytes, g, &o->start_train,
                         n - (int32_t)lround(r->s->val_share * n)) != NASH_OK)
        return cli_fail(NULL);
    if (bytes <= o->train.max_bytes)
        return EXIT_OK;
    return cli_error("training the starting network in batches of %d takes "
                     "%.1f MiB, more than the %.1f MiB it may have: smaller "
                     "images (--size), smaller batches (--batch) or a larger "
                     "--max-memory are what helps",
                     o->train.batch, (double)bytes / 0x1p20,
                     (double)o->train.max_bytes / 0x1p20);
}

/* Augmented training images, those of as many epochs as it takes. */
static void fill_probe(float *pixels, int32_t *labels, int32_t *order,
                       const run *r, const int32_t *train, int32_t n)
{
    const nash_images *images = r->images;
    const nash_shape shape = images->shape;
    const int32_t all = images_of(shape);
    const int64_t values = (int64_t)shape.c * shape.h * shape.w;
    float mean[4], std[4];
    nash_augment augment = r->s->search.train.augment;
    augment.flip = augment.flip && !r->s->auto_flip; /* not decided yet */
    nash_batch_key key = {r->s->search.seed, UINT32_MAX, 0};
    nash_images_moments(images, NULL, images->n, mean, std);
    for (int32_t at = 0; at < all; at += n, key.epoch++) {
        int32_t take = n < all - at ? n : all - at;
        nash_batch_order(order, train, n, &key);
        nash_batch_fill(pixels + at * values, labels, images, order, take,
                        &augment, mean, &key);
    }
}

int probe_open(run *r, const int32_t *train, int32_t n)
{
    const nash_shape shape = r->images->shape;
    const size_t values = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    const int32_t all = images_of(shape);
    nash_plan_opts plan = nash_plan_opts_default();
    plan.precision = NASH_PRECISION_F32;
    plan.threads = 1;
    if (r->s->search.train.batch < all)
        plan.batch = r->s->search.train.batch;
    float *pixels = calloc((size_t)all * values, sizeof *pixels);
    int32_t *labels = calloc((size_t)all, sizeof *labels);
    int32_t *order = calloc((size_t)n, sizeof *order);
    int result = EXIT_OK;
    if (!pixels || !labels || !order) {
        result = cli_error("out of memory");
    } else {
        fill_probe(pixels, labels, order, r, train, n);
        if (nash_probe_open(&r->probe, pixels, all, shape, &plan) != NASH_OK)
            result = cli_fail(NULL);
    }
    free(order);
    free(labels);
    free(pixels);
    return result;
}
