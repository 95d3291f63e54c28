/*
 * Probabilities of trained models over images. A plan per model lives only
 * while it is used. Images are taken as they are: no augmentation but the
 * mirror; the last batch is filled up with copies of the last image.
 */
#include "predict.h"

#include "base/memory.h"

#include <string.h>

struct ni_predictor {
    nash_plan *plan;
    int32_t batch, classes;
    bool mirrored;   /* as its model is */
    int32_t *index;  /* [batch] of the images in the plan's input */
    int32_t *labels; /* [batch] */
    float *rows;     /* [batch,K] probabilities */
};

nash_status ni_predictor_open(ni_predictor **out, nash_model *m,
                              const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_predictor *p = NULL;
    nash_plan_opts infer = *opts;
    infer.mode = NASH_MODE_INFER;
    NEW(p);
    p->batch = opts->batch;
    p->mirrored = nash_model_is_mirrored(m);
    p->classes = nash_graph_classes(nash_model_graph(m));
    TRY(nash_plan_create(&p->plan, m, &infer));
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

nash_status ni_predictor_add(float *sum, ni_predictor *p, const ni_views *views,
                             float share)
{
    nash_status status = NASH_OK;
    nash_shape shape = views->images->shape;
    bool mirrored = views->mirrored || p->mirrored;
    if (mirrored)
        share *= 0.5F;
    for (int32_t first = 0; first < views->n; first += p->batch) {
        int32_t left = views->n - first;
        int32_t n = left < p->batch ? left : p->batch;
        float *rows = sum + (int64_t)first * p->classes;
        load(p, views, first);
        TRY(add_batch(rows, p, n, share));
        if (!mirrored)
            continue;
        mirror(nash_plan_input(p->plan), (int64_t)p->batch * shape.c * shape.h,
               shape.w);
        TRY(add_batch(rows, p, n, share));
    }
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

static nash_status predict(float *probabilities, nash_model *const *models,
                           int32_t n_models, const ni_views *views,
                           const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_predictor *p = NULL;
    nash_plan_opts own = opts ? *opts : default_opts();
    TRY(check_ensemble(models, n_models, views->images));
    TRY(ni_check_index(views->images, views->index, views->n));
    if (own.batch > views->n)
        own.batch = views->n > 0 ? views->n : 1;
    size_t classes = (size_t)nash_graph_classes(nash_model_graph(models[0]));
    memset(probabilities, 0, (size_t)views->n * classes * sizeof(float));
    for (int32_t i = 0; i < n_models; i++) {
        TRY(ni_predictor_open(&p, models[i], &own));
        TRY(ni_predictor_add(probabilities, p, views, 1.0F / (float)n_models));
        ni_predictor_close(p);
        p = NULL;
    }
done:
    ni_predictor_close(p);
    return status;
}

nash_status nash_predict(float *probabilities, nash_model *const *models,
                         int32_t n_models, const nash_images *images,
                         const int32_t *index, int32_t n,
                         const nash_plan_opts *opts)
{
    ni_views views = {.images = images, .index = index, .n = n};
    return predict(probabilities, models, n_models, &views, opts);
}

nash_status nash_predict_mirrored(float *probabilities,
                                  nash_model *const *models, int32_t n_models,
                                  const nash_images *images,
                                  const int32_t *index, int32_t n,
                                  const nash_plan_opts *opts)
{
    ni_views views = {
        .images = images, .index = index, .n = n, .mirrored = true};
    return predict(probabilities, models, n_models, &views, opts);
}
