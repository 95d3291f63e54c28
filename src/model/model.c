/*
 * Models: a graph, one block per tensor, and metadata. A copy costs as many
 * allocations as there are tensors. Not safe to change from two threads.
 */
#include "internal.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* A slot of a model, also an empty one. */
static nash_tensor *slot_of(const nash_model *m, int32_t id, int32_t slot)
{
    assert(id >= 0 && id < nash_graph_size(m->graph));
    assert(slot >= 0 && slot < NASH_SLOT_COUNT);
    return &m->tensors[(int64_t)id * NASH_SLOT_COUNT + slot];
}

void ni_tensor_fill(nash_tensor *t, float value)
{
    for (int64_t i = 0; i < t->count; i++)
        t->data[i] = value;
}

static bool same_layout(const nash_tensor *a, const nash_tensor *b)
{
    return a->role == b->role && a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, sizeof a->dims) == 0;
}

nash_status ni_model_fit(nash_model *m, int32_t id, int32_t slot)
{
    nash_status status = NASH_OK;
    nash_tensor fresh = {0}, *t = slot_of(m, id, slot);
    float neutral;
    bool wanted = ni_tensor_layout(&fresh, &neutral, m->graph, id, slot);
    if (wanted && t->data && same_layout(t, &fresh))
        goto done;
    if (wanted) {
        NEW_ARRAY(fresh.data, fresh.count);
        ni_tensor_fill(&fresh, neutral);
    }
    ni_free(t->data);
    *t = wanted ? fresh : (nash_tensor){0};
done:
    return status;
}

nash_status nash_model_create(nash_model **out, nash_graph **graph)
{
    nash_status status = NASH_OK;
    nash_graph *g = *graph;
    nash_model *m = NULL;
    *graph = NULL;
    *out = NULL;
    NEW(m);
    NEW_ARRAY(m->tensors, (int64_t)nash_graph_size(g) * NASH_SLOT_COUNT);
    m->graph = g;
    g = NULL;
    for (int32_t id = 0; id < nash_graph_size(m->graph); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
            TRY(ni_model_fit(m, id, slot));
    *out = m;
    m = NULL;
done:
    nash_graph_free(g);
    nash_model_free(m);
    return status;
}

static nash_status copy_tensors(nash_model *dst, const nash_model *src)
{
    nash_status status = NASH_OK;
    int64_t n = (int64_t)nash_graph_size(src->graph) * NASH_SLOT_COUNT;
    for (int64_t i = 0; i < n; i++) {
        const nash_tensor *t = &src->tensors[i];
        float *data = NULL;
        if (!t->data)
            continue;
        NEW_ARRAY(data, t->count);
        memcpy(data, t->data, (size_t)t->count * sizeof *data);
        dst->tensors[i] = *t;
        dst->tensors[i].data = data;
    }
done:
    return status;
}

nash_status nash_model_dup(nash_model **out, const nash_model *m)
{
    nash_status status = NASH_OK;
    nash_model *copy = NULL;
    *out = NULL;
    NEW(copy);
    NEW_ARRAY(copy->tensors,
              (int64_t)nash_graph_size(m->graph) * NASH_SLOT_COUNT);
    TRY(nash_graph_dup(&copy->graph, m->graph));
    TRY(copy_tensors(copy, m));
    TRY(ni_meta_copy(copy, m));
    copy->looks = m->looks;
    *out = copy;
    copy = NULL;
done:
    nash_model_free(copy);
    return status;
}

void nash_model_free(nash_model *m)
{
    if (!m)
        return;
    int64_t n =
        m->graph ? (int64_t)nash_graph_size(m->graph) * NASH_SLOT_COUNT : 0;
    for (int64_t i = 0; i < n; i++)
        ni_free(m->tensors[i].data);
    ni_free(m->tensors);
    nash_graph_free(m->graph);
    ni_meta_free(m);
    ni_free(m);
}

const nash_graph *nash_model_graph(const nash_model *m)
{
    return m->graph;
}

nash_tensor *nash_model_tensor(const nash_model *m, int32_t id, int32_t slot)
{
    if (id < 0 || id >= nash_graph_size(m->graph) || slot < 0 ||
        slot >= NASH_SLOT_COUNT)
        return NULL;
    nash_tensor *t = slot_of(m, id, slot);
    return t->data ? t : NULL;
}

int32_t nash_looks_count(nash_looks looks)
{
    return (looks.mirrored ? 2 : 1) * (looks.shifted ? 3 : 1);
}

void nash_model_set_looks(nash_model *m, nash_looks looks)
{
    m->looks = looks;
}

nash_looks nash_model_looks(const nash_model *m)
{
    return m->looks;
}

bool nash_model_is_finite(const nash_model *m)
{
    int64_t n = (int64_t)nash_graph_size(m->graph) * NASH_SLOT_COUNT;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < m->tensors[i].count; k++)
            if (!isfinite(m->tensors[i].data[k]))
                return false;
    return true;
}

uint64_t nash_model_hash(const nash_model *m)
{
    uint64_t hash = nash_graph_hash(m->graph);
    for (int32_t id = 0; id < nash_graph_size(m->graph); id++) {
        const nash_node *node = nash_graph_node(m->graph, id);
        hash = ni_hash(&node->tag, sizeof node->tag, hash);
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(m, id, slot);
            if (t)
                hash =
                    ni_hash(t->data, (size_t)t->count * sizeof *t->data, hash);
        }
    }
    return hash;
}
