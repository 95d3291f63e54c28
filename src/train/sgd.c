/*
 * The optimiser: one pass over every parameter per step, reading weight,
 * velocity and gradient once and writing two of them. The velocities of all
 * tensors are one block. The plan's threads share every tensor among them; an
 * element's bits do not depend on how. Only the length of the gradient, where
 * it is limited, is summed by one.
 */
#include "sgd.h"

#include "length.h"
#include "muon.h"
#include "shadow.h"

#include "base/memory.h"
#include "engine/engine.h"

#include <assert.h>
#include <math.h>

struct ni_sgd {
    nash_train_opts opts; /* momentum, decay and rates */
    ni_shadow velocities;
    int32_t *rows;   /* [velocities.n], owned: of filter banks that Muon moves,
                        else 0 */
    int32_t *owner;  /* [velocities.n], owned: the thread that does so */
    int64_t scratch; /* values that a thread needs for them */
    float *space;    /* [threads * scratch], owned */
    nash_status *of; /* [threads], owned: what became of each one's share */
};

static bool is_trained(nash_role role)
{
    switch (role) {
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

/* Values of scratch that a thread needs for Muon's banks; 0 without. */
static int64_t scratch_of(const nash_graph *g, const nash_train_opts *opts)
{
    int64_t most = 0;
    for (int32_t id = 0; opts->muon > 0.0 && id < nash_graph_size(g); id++) {
        int64_t rows = ni_muon_rows(g, id, NASH_SLOT_WEIGHT);
        const nash_attrs *a = &nash_graph_node(g, id)->attrs;
        if (rows == 0)
            continue;
        int32_t source = nash_graph_input(g, id, 0);
        int64_t n =
            ni_muon_scratch(rows, (int64_t)nash_graph_node(g, source)->shape.c *
                                      a->kernel[0] * a->kernel[1]);
        most = n > most ? n : most;
    }
    return most;
}

static double work_of(const ni_sgd *sgd, int32_t i)
{
    int64_t rows = sgd->rows[i];
    return ni_muon_work(rows, sgd->velocities.at[i].count / rows);
}

/* Give each bank, the longest work first, to the thread with least to do.
 * [load] is one per thread and begins at 0. */
static void share_banks(ni_sgd *sgd, double *load)
{
    for (int32_t i = 0; i < sgd->velocities.n; i++)
        sgd->owner[i] = -1;
    for (;;) {
        int32_t next = -1, who = 0;
        for (int32_t i = 0; i < sgd->velocities.n; i++)
            if (sgd->rows[i] > 0 && sgd->owner[i] < 0 &&
                (next < 0 || work_of(sgd, i) > work_of(sgd, next)))
                next = i;
        if (next < 0)
            return;
        for (int32_t t = 1; t < sgd->opts.threads; t++)
            who = load[t] < load[who] ? t : who;
        sgd->owner[next] = who;
        load[who] += work_of(sgd, next);
    }
}

nash_status ni_sgd_create(ni_sgd **out, nash_model *m,
                          const nash_train_opts *opts)
{
    nash_status status = NASH_OK;
    ni_sgd *sgd = NULL;
    double *load = NULL;
    NEW(sgd);
    sgd->opts = *opts;
    TRY(ni_shadow_init(&sgd->velocities, m, is_trained));
    NEW_ARRAY(sgd->rows, sgd->velocities.n);
    NEW_ARRAY(sgd->owner, sgd->velocities.n);
    NEW_ARRAY(sgd->of, opts->threads);
    NEW_ARRAY(load, opts->threads);
    for (int32_t i = 0; opts->muon > 0.0 && i < sgd->velocities.n; i++)
        sgd->rows[i] =
            ni_muon_rows(nash_model_graph(m), sgd->velocities.at[i].id,
                         sgd->velocities.at[i].slot);
    share_banks(sgd, load);
    sgd->scratch = scratch_of(nash_model_graph(m), opts);
    if (sgd->scratch > 0)
        NEW_ARRAY(sgd->space, opts->threads * sgd->scratch);
    *out = sgd;
    sgd = NULL;
done:
    ni_free(load);
    ni_sgd_free(sgd);
    return status;
}

void ni_sgd_free(ni_sgd *sgd)
{
    if (!sgd)
        return;
    ni_shadow_deinit(&sgd->velocities);
    ni_free(sgd->rows);
    ni_free(sgd->owner);
    ni_free(sgd->space);
    ni_free(sgd->of);
    ni_free(sgd);
}

float *ni_sgd_velocity(const ni_sgd *sgd, int32_t id, int32_t slot)
{
    return ni_shadow_of(&sgd->velocities, id, slot);
}

size_t ni_sgd_bytes(const nash_graph *g, const nash_train_opts *opts)
{
    return (size_t)(nash_graph_params(g) +
                    opts->threads * scratch_of(g, opts)) *
           sizeof(float);
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
    double squares = 0.0, most = sgd->opts.clip_norm;
    if (most <= 0.0)
        return 1.0F;
    for (int32_t i = 0; i < sgd->velocities.n; i++) {
        const ni_shadowed *t = &sgd->velocities.at[i];
        const float *gradient = nash_plan_gradient(plan, t->id, t->slot);
        squares += ni_squares(gradient, t->count);
    }
    double norm = sqrt(squares);
    return norm > most ? (float)(most / norm) : 1.0F;
}

typedef struct sgd_job {
    const ni_sgd *sgd; /* but for its space and what became of shares */
    const nash_plan *plan;
    float lr, shorten;
} sgd_job;

/* The first element of a thread's share, at a line's beginning. */
static int64_t share(int64_t count, int32_t who, int32_t threads)
{
    enum { LINE = 16 };
    int64_t lines = (count + LINE - 1) / LINE * who / threads;
    return who < threads ? lines * LINE : count;
}

/* The filter banks that are this thread's, whole ones. A plan for fewer images
 * than threads has fewer of these, which then share all of the banks. */
static nash_status step_banks(const sgd_job *job, int32_t who)
{
    nash_status status = NASH_OK;
    const ni_sgd *sgd = job->sgd;
    int32_t threads = ni_plan_threads(job->plan);
    for (int32_t i = 0; i < sgd->velocities.n; i++) {
        const ni_shadowed *t = &sgd->velocities.at[i];
        if (sgd->rows[i] == 0 || sgd->owner[i] % threads != who)
            continue;
        TRY(ni_muon_step(
            t->own, t->shadow, nash_plan_gradient(job->plan, t->id, t->slot),
            sgd->rows[i], t->count / sgd->rows[i], job->shorten,
            (float)sgd->opts.muon * job->lr, (float)sgd->opts.momentum,
            sgd->space + who * sgd->scratch));
    }
done:
    return status;
}

static void step_share(void *ctx, int32_t who)
{
    const sgd_job *job = ctx;
    const ni_sgd *sgd = job->sgd;
    int32_t threads = ni_plan_threads(job->plan);
    for (int32_t i = 0; i < sgd->velocities.n; i++) {
        const ni_shadowed *t = &sgd->velocities.at[i];
        const float *gradient = nash_plan_gradient(job->plan, t->id, t->slot);
        int64_t at = share(t->count, who, threads);
        int64_t n = share(t->count, who + 1, threads) - at;
        pace by = {.lr = job->lr * (float)rate_of(t->role, &sgd->opts),
                   .momentum = (float)sgd->opts.momentum,
                   .decay = (float)decay_of(t->role, &sgd->opts),
                   .shorten = job->shorten};
        assert(gradient);
        if (sgd->rows[i] > 0)
            continue;
        if (sgd->opts.nesterov)
            step_nesterov(t->own + at, t->shadow + at, gradient + at, n, by);
        else
            step_plain(t->own + at, t->shadow + at, gradient + at, n, by);
    }
    sgd->of[who] = step_banks(job, who);
}

nash_status ni_sgd_step(ni_sgd *sgd, const nash_plan *plan, double lr)
{
    sgd_job job = {sgd, plan, (float)lr, shortening(sgd, plan)};
    ni_plan_work(plan, step_share, &job);
    /* What a thread said is in its own error slot. */
    for (int32_t i = 0; i < ni_plan_threads(plan); i++)
        if (sgd->of[i] != NASH_OK)
            return ni_fail(sgd->of[i], "a product of Muon's was not computed");
    return NASH_OK;
}
