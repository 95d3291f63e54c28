/*
 * Probabilities of trained models over images, each looked at as its model
 * does and otherwise as it is. A plan per model lives only while it is used;
 * the last batch is filled up with copies of the last image.
 */
#include "predict.h"

#include "base/memory.h"

#include <string.h>

struct ni_predictor {
    nash_plan *plan;
    int32_t batch, classes;
    nash_looks looks; /* of its model */
    int32_t *index;   /* [batch] of the images in the plan's input */
    int32_t *labels;  /* [batch] */
    float *rows;      /* [batch,K] probabilities */
};

nash_status ni_predictor_open(ni_predictor **out, const nash_model *m,
                              const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_predictor *p = NULL;
    nash_plan_opts infer = *opts;
    infer.mode = NASH_MODE_INFER;
    NEW(p);
    p->batch = opts->batch;
    p->looks = nash_model_looks(m);
    p->classes = nash_graph_classes(nash_model_graph(m));
    TRY(nash_plan_create_reader(&p->plan, m, &infer));
    NEW_ARRAY(p->index, p->batch);
    NEW_ARRAY(p->labels, p->batch);
    NEW_ARRAY(p->rows, (int64_t)p->batch * p->classes);
    *out = p;
    p = NULL;
done:
    ni_predictor_close(p);
    return status;
}

void ni_predictor_close(ni_predictor *p)
{
    if (!p)
        return;
    ni_free(p->rows);
    ni_free(p->labels);
    ni_free(p->index);
    nash_plan_free(p->plan);
    ni_free(p);
}

nash_status ni_predictor_refresh(ni_predictor *p)
{
    return nash_plan_refresh(p->plan);
}

nash_status ni_predictor_bytes(size_t *bytes, const nash_graph *g,
                               const nash_plan_opts *opts)
{
    nash_plan_opts infer = *opts;
    infer.mode = NASH_MODE_INFER;
    infer.max_bytes = 0;
    nash_status status = nash_plan_estimate(bytes, g, &infer);
    if (status != NASH_OK)
        return status;
    size_t classes = (size_t)nash_graph_classes(g);
    *bytes +=
        (size_t)opts->batch * (2 * sizeof(int32_t) + classes * sizeof(float));
    return NASH_OK;
}

/* ---- looks --------------------------------------------------------------- */

static void mirror(float *pixels, int64_t rows, int32_t width)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = pixels + r * width;
        for (int32_t a = 0, b = width - 1; a < b; a++, b--) {
            float pixel = row[a];
            row[a] = row[b];
            row[b] = pixel;
        }
    }
}

/* Let every pixel of a channel show the one that is @p by, 1 or -1, below and
 * to the right of it, or the nearest there is. */
static void shift_channel(float *pixels, int32_t height, int32_t width, int by)
{
    size_t moved = (size_t)(width - 1) * sizeof *pixels;
    for (int32_t i = 0; i < height; i++) {
        int32_t y = by > 0 ? i : height - 1 - i;
        int32_t from = y + by < 0 || y + by >= height ? y : y + by;
        float *row = pixels + (int64_t)y * width;
        const float *source = pixels + (int64_t)from * width;
        int32_t border = by > 0 ? width - 1 : 0;
        float last = source[border];
        memmove(by > 0 ? row : row + 1, by > 0 ? source + 1 : source, moved);
        row[border] = last;
    }
}

static void shift(float *pixels, int64_t channels, nash_shape shape, int by)
{
    for (int64_t c = 0; c < channels && by != 0; c++)
        shift_channel(pixels + c * shape.h * shape.w, shape.h, shape.w, by);
}

static void load(ni_predictor *p, const ni_views *views, int32_t first)
{
    for (int32_t i = 0; i < p->batch; i++) {
        int32_t at = first + i < views->n ? first + i : views->n - 1;
        p->index[i] = views->index ? views->index[at] : at;
    }
    nash_batch_fill(nash_plan_input(p->plan), p->labels, views->images,
                    p->index, p->batch, NULL, NULL, NULL);
}

static nash_status add_batch(float *sum, ni_predictor *p, int32_t n,
                             float share)
{
    nash_status status = nash_plan_forward(p->plan);
    if (status != NASH_OK)
        return status;
    nash_softmax(p->rows, nash_plan_logits(p->plan), n, p->classes);
    for (int64_t i = 0; i < (int64_t)n * p->classes; i++)
        sum[i] += share * p->rows[i];
    return NASH_OK;
}

int32_t ni_predictor_batch(const ni_predictor *p)
{
    return p->batch;
}

/* All looks at the images from @p first on. */
static nash_status add_looks(float *sum, ni_predictor *p, const ni_views *views,
                             int32_t first, float share)
{
    static const int shifts[] = {0, -1, 1};
    nash_status status = NASH_OK;
    nash_shape shape = views->images->shape;
    int64_t channels = (int64_t)p->batch * shape.c;
    int32_t left = views->n - first, n = left < p->batch ? left : p->batch;
    float *pixels = nash_plan_input(p->plan);
    for (int s = 0; s < (p->looks.shifted ? 3 : 1); s++) {
        load(p, views, first);
        shift(pixels, channels, shape, shifts[s]);
        TRY(add_batch(sum, p, n, share));
        if (!p->looks.mirrored)
            continue;
        mirror(pixels, channels * shape.h, shape.w);
        TRY(add_batch(sum, p, n, share));
    }
done:
    return status;
}

nash_status ni_predictor_add(float *sum, ni_predictor *p, const ni_views *views,
                             float share)
{
    nash_status status = NASH_OK;
    share /= (float)nash_looks_count(p->looks);
    for (int32_t first = 0; first < views->n; first += p->batch)
        TRY(add_looks(sum + (int64_t)first * p->classes, p, views, first,
                      share));
done:
    return status;
}

nash_status ni_check_input(const nash_model *m, const nash_images *images)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    nash_shape have = images->shape;
    if (want.c == have.c && want.h == have.h && want.w == have.w)
        return NASH_OK;
    return ni_fail(NASH_ESHAPE,
                   "the model takes images of %d x %d pixels with %d channels, "
                   "the data set's have %d x %d with %d",
                   want.h, want.w, want.c, have.h, have.w, have.c);
}

nash_status ni_check_index(const nash_images *images, const int32_t *index,
                           int32_t n)
{
    if (n < 0 || (!index && n > images->n))
        return ni_fail(NASH_EINVAL, "%d images were asked for, there are %d", n,
                       images->n);
    for (int32_t i = 0; index && i < n; i++)
        if (index[i] < 0 || index[i] >= images->n)
            return ni_fail(NASH_EINVAL, "image number %d is outside 0 to %d",
                           index[i], images->n - 1);
    return NASH_OK;
}

static nash_status check_ensemble(nash_model *const *models, int32_t n_models,
                                  const nash_images *images)
{
    nash_status status = NASH_OK;
    REQUIRE(n_models >= 1, NASH_EINVAL, "there is no model to predict with");
    int32_t classes = nash_graph_classes(nash_model_graph(models[0]));
    for (int32_t i = 0; i < n_models; i++) {
        int32_t own = nash_graph_classes(nash_model_graph(models[i]));
        TRY(ni_check_input(models[i], images));
        REQUIRE(own == classes, NASH_ESHAPE,
                "model %d of the ensemble tells %d classes apart, the first %d",
                i + 1, own, classes);
    }
done:
    return status;
}

static nash_plan_opts default_opts(void)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.precision = NASH_PRECISION_F32;
    return opts;
}

nash_status nash_predict(float *probabilities, nash_model *const *models,
                         int32_t n_models, const nash_images *images,
                         const int32_t *index, int32_t n,
                         const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_predictor *p = NULL;
    const ni_views views = {images, index, n};
    nash_plan_opts own = opts ? *opts : default_opts();
    TRY(check_ensemble(models, n_models, images));
    TRY(ni_check_index(images, index, n));
    if (own.batch > n)
        own.batch = n > 0 ? n : 1;
    size_t classes = (size_t)nash_graph_classes(nash_model_graph(models[0]));
    memset(probabilities, 0, (size_t)n * classes * sizeof(float));
    for (int32_t i = 0; i < n_models; i++) {
        TRY(ni_predictor_open(&p, models[i], &own));
        TRY(ni_predictor_add(probabilities, p, &views, 1.0F / (float)n_models));
        ni_predictor_close(p);
        p = NULL;
    }
done:
    ni_predictor_close(p);
    return status;
}
