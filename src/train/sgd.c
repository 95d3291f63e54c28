/*
 * The optimiser: one pass over every parameter per step, reading weight,
 * velocity and gradient once and writing two of them. The velocities of all
 * tensors are one block. Single-threaded: the pass is bound by memory and small
 * beside the convolutions that made the gradients.
 */
#include "sgd.h"

#include "base/memory.h"

#include <assert.h>
#include <math.h>

typedef struct trained {
    int32_t id, slot;
    int64_t count;
    float *weight;   /* borrowed from the model */
    float *velocity; /* within the block */
    float decay;
    float rate; /* share of the learning rate */
} trained;

struct ni_sgd {
    float momentum;
    bool nesterov;
    double clip_norm;
    int32_t n;
    trained *tensors; /* [n], owned */
    float *block;     /* owned */
};

static bool is_trained(const nash_tensor *t)
{
    if (!t)
        return false;
    switch (t->role) {
    case NASH_ROLE_WEIGHT:
    case NASH_ROLE_BIAS:
    case NASH_ROLE_SCALE:
    case NASH_ROLE_GATE:
        return true;
    case NASH_ROLE_STATISTIC:
    case NASH_ROLE_CONSTANT:
        return false;
    }
    return false;
}

static double decay_of(nash_role role, const nash_train_opts *opts)
{
    if (role == NASH_ROLE_WEIGHT)
        return opts->weight_decay;
    return opts->decay_all && role != NASH_ROLE_GATE ? opts->weight_decay : 0.0;
}

static double rate_of(nash_role role, const nash_train_opts *opts)
{
    return role == NASH_ROLE_GATE   ? opts->gate_rate
           : role == NASH_ROLE_BIAS ? opts->bias_rate
                                    : 1.0;
}

/* Gather the trained tensors; only count them where `dst` is NULL. */
static int32_t gather(trained *dst, int64_t *values, const nash_model *m,
                      const nash_train_opts *opts)
{
    int32_t n = 0, nodes = nash_graph_size(nash_model_graph(m));
    *values = 0;
    for (int32_t i = 0; i < nodes * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const nash_tensor *t = nash_model_tensor(m, id, slot);
        if (!is_trained(t))
            continue;
        if (dst)
            dst[n] = (trained){.id = id,
                               .slot = slot,
                               .count = t->count,
                               .weight = t->data,
                               .rate = (float)rate_of(t->role, opts),
                               .decay = (float)decay_of(t->role, opts)};
        *values += t->count;
        n++;
    }
    return n;
}

nash_status ni_sgd_create(ni_sgd **out, nash_model *m,
                          const nash_train_opts *opts)
{
    nash_status status = NASH_OK;
    int64_t values;
    ni_sgd *sgd = NULL;
    NEW(sgd);
    sgd->momentum = (float)opts->momentum;
    sgd->nesterov = opts->nesterov;
    sgd->clip_norm = opts->clip_norm;
    sgd->n = gather(NULL, &values, m, opts);
    NEW_ARRAY(sgd->tensors, sgd->n);
    NEW_ARRAY(sgd->block, values);
    gather(sgd->tensors, &values, m, opts);
    float *next = sgd->block;
    for (int32_t i = 0; i < sgd->n; i++) {
        sgd->tensors[i].velocity = next;
        next += sgd->tensors[i].count;
    }
    *out = sgd;
    sgd = NULL;
done:
    ni_sgd_free(sgd);
    return status;
}

void ni_sgd_free(ni_sgd *sgd)
{
    if (!sgd)
        return;
    ni_free(sgd->block);
    ni_free(sgd->tensors);
    ni_free(sgd);
}

float *ni_sgd_velocity(const ni_sgd *sgd, int32_t id, int32_t slot)
{
    for (int32_t i = 0; i < sgd->n; i++)
        if (sgd->tensors[i].id == id && sgd->tensors[i].slot == slot)
            return sgd->tensors[i].velocity;
    return NULL;
}

size_t ni_sgd_bytes(const nash_graph *g)
{
    return (size_t)nash_graph_params(g) * sizeof(float);
}

/* How one tensor moves in one step. */
typedef struct pace {
    float lr, momentum, decay;
    float shorten; /* what its gradient is multiplied by */
} pace;

static void step_plain(float *restrict w, float *restrict v,
                       const float *restrict gradient, int64_t n, pace by)
{
    for (int64_t i = 0; i < n; i++) {
        float g = by.shorten * gradient[i] + by.decay * w[i];
        v[i] = by.momentum * v[i] + g;
        w[i] -= by.lr * v[i];
    }
}

static void step_nesterov(float *restrict w, float *restrict v,
                          const float *restrict gradient, int64_t n, pace by)
{
    for (int64_t i = 0; i < n; i++) {
        float g = by.shorten * gradient[i] + by.decay * w[i];
        v[i] = by.momentum * v[i] + g;
        w[i] -= by.lr * (g + by.momentum * v[i]);
    }
}

/* What all gradients are multiplied by, so that none is too long. */
static float shortening(const ni_sgd *sgd, const nash_plan *plan)
{
    double squares = 0.0;
    if (sgd->clip_norm <= 0.0)
        return 1.0F;
    for (int32_t i = 0; i < sgd->n; i++) {
        const trained *t = &sgd->tensors[i];
        const float *gradient = nash_plan_gradient(plan, t->id, t->slot);
        for (int64_t k = 0; k < t->count; k++)
            squares += (double)gradient[k] * (double)gradient[k];
    }
    double norm = sqrt(squares);
    return norm > sgd->clip_norm ? (float)(sgd->clip_norm / norm) : 1.0F;
}

void ni_sgd_step(ni_sgd *sgd, const nash_plan *plan, double lr)
{
    float shorten = shortening(sgd, plan);
    for (int32_t i = 0; i < sgd->n; i++) {
        trained *t = &sgd->tensors[i];
        const float *gradient = nash_plan_gradient(plan, t->id, t->slot);
        assert(gradient);
        pace by = {.lr = (float)lr * t->rate,
                   .momentum = sgd->momentum,
                   .decay = t->decay,
                   .shorten = shorten};
        if (sgd->nesterov)
            step_nesterov(t->weight, t->velocity, gradient, t->count, by);
        else
            step_plain(t->weight, t->velocity, gradient, t->count, by);
    }
}
