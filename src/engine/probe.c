/*
 * What morphisms ask of an engine: statistics of a node's output, and logits,
 * over a fixed set of images. Every question compiles a plan for the model it
 * is about, and a second one for the remainder if the images do not divide
 * into whole batches. Costs a copy of the images, one plan at a time, and for
 * moments a float copy of one batch of the node's output.
 */
#include <nash/plan.h>

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

typedef struct probe_images {
    float *pixels; /* owned, [n,C,H,W] */
    int32_t n;
    nash_shape shape;
    nash_plan_opts opts;
} probe_images;

/* Told of every batch after its forward; first is the batch's first image. */
typedef nash_status (*batch_taker)(void *ctx, nash_plan *plan, int32_t first,
                                   int32_t n);

static size_t image_values(nash_shape shape)
{
    return (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
}

/* Forward images first .. end-1, whole batches of opts->batch. */
static nash_status forward_range(const probe_images *images,
                                 const nash_model *m,
                                 const nash_plan_opts *opts, int32_t first,
                                 int32_t end, batch_taker take, void *ctx)
{
    nash_status status = NASH_OK;
    nash_plan *plan = NULL;
    size_t values = image_values(images->shape);
    if (first == end)
        return NASH_OK;
    TRY(nash_plan_create_reader(&plan, m, opts));
    for (int32_t at = first; at < end; at += opts->batch) {
        memcpy(nash_plan_input(plan), images->pixels + (size_t)at * values,
               (size_t)opts->batch * values * sizeof(float));
        TRY(nash_plan_forward(plan));
        TRY(take(ctx, plan, at, opts->batch));
    }
done:
    nash_plan_free(plan);
    return status;
}

static nash_status forward_all(const probe_images *images, const nash_model *m,
                               nash_mode mode, int32_t watch, batch_taker take,
                               void *ctx)
{
    nash_status status = NASH_OK;
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    nash_plan_opts opts = images->opts;
    int32_t whole = images->n - images->n % opts.batch;
    REQUIRE(in.c == images->shape.c && in.h == images->shape.h &&
                in.w == images->shape.w,
            NASH_ESHAPE,
            "the probe's images are %d x %d x %d, the model reads %d x %d x "
            "%d",
            images->shape.c, images->shape.h, images->shape.w, in.c, in.h,
            in.w);
    opts.mode = mode;
    opts.watch = watch;
    TRY(forward_range(images, m, &opts, 0, whole, take, ctx));
    opts.batch = images->n - whole;
    TRY(forward_range(images, m, &opts, whole, images->n, take, ctx));
done:
    return status;
}

/* ---- moments ---------------------------------------------------------- */

typedef struct moments {
    int32_t id;
    nash_shape shape;
    float *values;      /* owned, [batch,C,H,W] */
    double *mean, *var; /* [C]; var holds sums of squares until the end */
    double count;       /* values per channel so far */
} moments;

/* Mean of channel c's values in a batch of n, and the sum of their squared
 * distances from it. */
static void channel_moments(double *mean, double *squares, const moments *s,
                            int32_t c, int32_t n)
{
    int64_t plane = (int64_t)s->shape.h * s->shape.w;
    double sum = 0;
    for (int32_t i = 0; i < n; i++) {
        const float *x = s->values + ((int64_t)i * s->shape.c + c) * plane;
        for (int64_t e = 0; e < plane; e++)
            sum += (double)x[e];
    }
    *mean = sum / ((double)n * (double)plane);
    *squares = 0;
    for (int32_t i = 0; i < n; i++) {
        const float *x = s->values + ((int64_t)i * s->shape.c + c) * plane;
        for (int64_t e = 0; e < plane; e++)
            *squares += ((double)x[e] - *mean) * ((double)x[e] - *mean);
    }
}

/* Chan, Golub, LeVeque: join the moments of two disjoint sets. */
static nash_status add_batch(void *ctx, nash_plan *plan, int32_t first,
                             int32_t n)
{
    (void)first;
    moments *s = ctx;
    nash_status status = nash_plan_read(plan, s->values);
    if (status != NASH_OK)
        return status;
    double fresh = (double)n * s->shape.h * s->shape.w;
    double total = s->count + fresh;
    for (int32_t c = 0; c < s->shape.c; c++) {
        double mean, squares;
        channel_moments(&mean, &squares, s, c, n);
        double apart = mean - s->mean[c];
        s->mean[c] += apart * fresh / total;
        s->var[c] += squares + apart * apart * s->count * fresh / total;
    }
    s->count = total;
    return NASH_OK;
}

static nash_status probe_moments(void *ctx, const nash_model *m, int32_t id,
                                 double *mean, double *var)
{
    nash_status status = NASH_OK;
    const probe_images *images = ctx;
    const nash_graph *g = nash_model_graph(m);
    moments s = {.id = id, .mean = mean, .var = var};
    REQUIRE(id >= 0 && id < nash_graph_size(g), NASH_EINVAL,
            "node %d was asked for its moments, expected 0 .. %d", (int)id,
            (int)nash_graph_size(g) - 1);
    s.shape = nash_graph_node(g, id)->shape;
    NEW_ARRAY(s.values, images->opts.batch * (int64_t)image_values(s.shape));
    for (int32_t c = 0; c < s.shape.c; c++)
        mean[c] = var[c] = 0;
    TRY(forward_all(images, m, NASH_MODE_STATS, id, add_batch, &s));
    for (int32_t c = 0; c < s.shape.c; c++)
        var[c] /= s.count;
done:
    ni_free(s.values);
    return status;
}

/* ---- logits ----------------------------------------------------------- */

typedef struct logits_sink {
    float *dst;
    int32_t classes;
} logits_sink;

static nash_status copy_logits(void *ctx, nash_plan *plan, int32_t first,
                               int32_t n)
{
    const logits_sink *sink = ctx;
    memcpy(sink->dst + (int64_t)first * sink->classes, nash_plan_logits(plan),
           (size_t)n * (size_t)sink->classes * sizeof(float));
    return NASH_OK;
}

static nash_status probe_logits(void *ctx, const nash_model *m, bool training,
                                float *dst)
{
    logits_sink sink = {dst, nash_graph_classes(nash_model_graph(m))};
    return forward_all(ctx, m, training ? NASH_MODE_STATS : NASH_MODE_INFER, -1,
                       copy_logits, &sink);
}

/* ---- open and close --------------------------------------------------- */

nash_status nash_probe_open(nash_probe *probe, const float *pixels,
                            int32_t images, nash_shape shape,
                            const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    probe_images *copy = NULL;
    size_t values = image_values(shape);
    *probe = (nash_probe){0};
    REQUIRE(images >= 1, NASH_EINVAL,
            "a probe over %d images was asked for, expected at least 1",
            (int)images);
    REQUIRE(opts->batch >= 1, NASH_EINVAL, "batch is %d, expected at least 1",
            (int)opts->batch);
    REQUIRE(shape.c >= 1 && shape.h >= 1 && shape.w >= 1, NASH_EINVAL,
            "a probe's images are %d x %d x %d, expected at least 1 x 1 x 1",
            (int)shape.c, (int)shape.h, (int)shape.w);
    NEW(copy);
    NEW_ARRAY(copy->pixels, images * (int64_t)values);
    memcpy(copy->pixels, pixels, (size_t)images * values * sizeof(float));
    copy->n = images;
    copy->shape = shape;
    copy->opts = *opts;
    copy->opts.exact = true;
    if (copy->opts.batch > images)
        copy->opts.batch = images;
    *probe = (nash_probe){.ctx = copy,
                          .moments = probe_moments,
                          .logits = probe_logits,
                          .images = images};
    copy = NULL;
done:
    if (copy)
        ni_free(copy->pixels);
    ni_free(copy);
    return status;
}

void nash_probe_close(nash_probe *probe)
{
    probe_images *images = probe->ctx;
    if (images)
        ni_free(images->pixels);
    ni_free(images);
    *probe = (nash_probe){0};
}
