/*
 * Slow weights: one block, one pass over it each time, shared by the plan's
 * threads; an element's bits do not depend on how.
 */
#include "lookahead.h"

#include "base/memory.h"
#include "engine/engine.h"

#include <math.h>
#include <string.h>

/* What the slow weights keep of themselves per step, late in a cosine. */
static const double keep_per_step = 0.95;

typedef struct follower {
    int32_t id, slot;
    int64_t count;
    float *fast; /* borrowed from the model */
    float *slow; /* within the block */
} follower;

struct ni_lookahead {
    int32_t n;
    follower *tensors; /* [n], owned */
    float *block;      /* owned */
};

/* Gather what training changes; only count it where `dst` is NULL. */
static int32_t gather(follower *dst, int64_t *values, const nash_model *m)
{
    int32_t n = 0, nodes = nash_graph_size(nash_model_graph(m));
    *values = 0;
    for (int32_t i = 0; i < nodes * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const nash_tensor *t = nash_model_tensor(m, id, slot);
        if (!t || t->role == NASH_ROLE_CONSTANT)
            continue;
        if (dst)
            dst[n] = (follower){
                .id = id, .slot = slot, .count = t->count, .fast = t->data};
        *values += t->count;
        n++;
    }
    return n;
}

nash_status ni_lookahead_create(ni_lookahead **out, nash_model *m)
{
    nash_status status = NASH_OK;
    int64_t values;
    ni_lookahead *l = NULL;
    NEW(l);
    l->n = gather(NULL, &values, m);
    NEW_ARRAY(l->tensors, l->n);
    NEW_ARRAY(l->block, values);
    gather(l->tensors, &values, m);
    float *next = l->block;
    for (int32_t i = 0; i < l->n; i++) {
        l->tensors[i].slow = next;
        next += l->tensors[i].count;
    }
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
    ni_free(l->block);
    ni_free(l->tensors);
    ni_free(l);
}

float *ni_lookahead_slow(const ni_lookahead *l, int32_t id, int32_t slot)
{
    for (int32_t i = 0; i < l->n; i++)
        if (l->tensors[i].id == id && l->tensors[i].slot == slot)
            return l->tensors[i].slow;
    return NULL;
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
    for (int32_t i = 0; i < l->n; i++)
        memcpy(l->tensors[i].slow, l->tensors[i].fast,
               (size_t)l->tensors[i].count * sizeof(float));
}

typedef struct pull_job {
    const ni_lookahead *l;
    int32_t threads;
    float part; /* of the way that the slow values go */
} pull_job;

static void pull_share(void *ctx, int32_t who)
{
    const pull_job *job = ctx;
    for (int32_t i = 0; i < job->l->n; i++) {
        const follower *t = &job->l->tensors[i];
        int64_t end = t->count * (who + 1) / job->threads;
        for (int64_t k = t->count * who / job->threads; k < end; k++) {
            t->slow[k] += job->part * (t->fast[k] - t->slow[k]);
            t->fast[k] = t->slow[k];
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
