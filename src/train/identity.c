/*
 * The name of a training, which its states carry. Reads all images once. What
 * does not decide a training's bits is left out: stop_epoch and max_bytes.
 */
#include "checkpoint.h"
#include "options.h"

#include "base/hash.h"

#include <string.h>

static uint64_t hash_views(const ni_views *views, uint64_t seed)
{
    return ni_hash(views->index, (size_t)views->n * sizeof *views->index, seed);
}

static uint64_t hash_opts(const nash_train_opts *o, uint64_t seed)
{
    const double numbers[] = {
        o->epochs,
        o->batch,
        o->schedule,
        o->lr_start,
        o->lr_end,
        o->cycle,
        o->cycle_growth,
        o->warmup,
        o->momentum,
        o->nesterov,
        o->weight_decay,
        o->decay_all,
        o->label_smoothing,
        o->bias_rate,
        o->gate_rate,
        o->clip_norm,
        o->lookahead,
        o->augment.pad,
        o->augment.flip,
        o->augment.alternate,
        o->augment.cutout,
        o->step,
        o->engine,
        o->precision,
        o->threads,
        o->snapshots,
        o->muon,
        o->focus,
    };
    const char *engine = nash_engine_describe(o->engine);
    seed = ni_hash(numbers, sizeof numbers, seed);
    seed = ni_hash(&o->seed, sizeof o->seed, seed);
    return ni_hash(engine, strlen(engine), seed);
}

uint64_t ni_training_identity(const nash_model *m, const ni_views *train,
                              const ni_views *val, const nash_train_opts *opts)
{
    const nash_images *images = train->images;
    size_t values = (size_t)images->n * (size_t)images->shape.c *
                    (size_t)images->shape.h * (size_t)images->shape.w;
    int32_t batches[2];
    ni_train_batches(&batches[0], &batches[1], opts, train->n);
    uint64_t hash = hash_opts(opts, nash_model_hash(m));
    hash = ni_hash(batches, sizeof batches, hash);
    hash = ni_hash(&images->shape, sizeof images->shape, hash);
    hash = ni_hash(images->pixels, values, hash);
    hash = ni_hash(images->labels, (size_t)images->n * sizeof(int32_t), hash);
    return hash_views(val, hash_views(train, hash));
}
