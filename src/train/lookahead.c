/*
 * Slow weights: one pass over them each time, shared by the plan's threads; an
 * element's bits do not depend on how.
 */
#include "lookahead.h"

#include "shadow.h"

#include "base/memory.h"
#include "engine/engine.h"

#include <math.h>
#include <string.h>

/* What the slow weights keep of themselves per step, late in a cosine. */
static const double keep_per_step = 0.95;

struct ni_lookahead {
    ni_shadow slow;
};

static bool is_changed(nash_role role)
{
    return role != NASH_ROLE_CONSTANT;
}

nash_status ni_lookahead_create(ni_lookahead **out, nash_model *m)
{
    nash_status status = NASH_OK;
    ni_lookahead *l = NULL;
    NEW(l);
    TRY(ni_shadow_init(&l->slow, m, is_changed));
    *out = l;
    l = NULL;
done:
    ni_lookahead_free(l);
    return status;
}

void ni_lookahead_free(ni_lookahead *l)
{
    if (!l)
        return;
    ni_shadow_deinit(&l->slow);
    ni_free(l);
}

float *ni_lookahead_slow(const ni_lookahead *l, int32_t id, int32_t slot)
{
    return ni_shadow_of(&l->slow, id, slot);
}

size_t ni_lookahead_bytes(const nash_graph *g)
{
    int64_t values = nash_graph_params(g);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        const nash_node *node = nash_graph_node(g, id);
        if (node->op == NASH_OP_BATCH_NORM)
            values += 2 * (int64_t)node->shape.c; /* statistics */
    }
    return (size_t)values * sizeof(float);
}

void ni_lookahead_restart(ni_lookahead *l)
{
    for (int32_t i = 0; i < l->slow.n; i++) {
        const ni_shadowed *t = &l->slow.at[i];
        memcpy(t->shadow, t->own, (size_t)t->count * sizeof(float));
    }
}

typedef struct pull_job {
    const ni_lookahead *l;
    int32_t threads;
    float part; /* of the way that the slow values go */
} pull_job;

static void pull_share(void *ctx, int32_t who)
{
    const pull_job *job = ctx;
    for (int32_t i = 0; i < job->l->slow.n; i++) {
        const ni_shadowed *t = &job->l->slow.at[i];
        int64_t end = t->count * (who + 1) / job->threads;
        for (int64_t k = t->count * who / job->threads; k < end; k++) {
            t->shadow[k] += job->part * (t->own[k] - t->shadow[k]);
            t->own[k] = t->shadow[k];
        }
    }
}

void ni_lookahead_pull(ni_lookahead *l, const nash_plan *plan, int32_t every,
                       double place)
{
    double keep =
        place < 1.0 ? pow(keep_per_step, every) * place * place * place : 1.0;
    pull_job job = {l, ni_plan_threads(plan), (float)(1.0 - keep)};
    ni_plan_work(plan, pull_share, &job);
}
