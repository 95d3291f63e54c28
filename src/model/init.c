/*
 * Fresh weights. Each node draws from its own stream, named by seed and tag;
 * costs one normal deviate per weight.
 */
#include "edit.h"
#include "internal.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

static void draw(nash_tensor *t, double gain, uint64_t seed, int32_t tag)
{
    ni_rng rng = ni_rng_make(seed, NI_RNG_WEIGHTS, (uint32_t)tag, 0);
    int64_t fan_in = t->count / t->dims[0];
    double std = sqrt(gain / (double)fan_in);
    ni_rng_normals(&rng, std, t->data, t->count);
}

/* Filter o passes channel o on, for as long as there are both. */
static void set_identity(nash_tensor *t)
{
    int64_t taps = (int64_t)t->dims[2] * t->dims[3];
    int64_t filter = t->dims[1] * taps;
    for (int32_t o = 0; o < t->dims[0] && o < t->dims[1]; o++) {
        float *weights = t->data + o * filter;
        memset(weights, 0, (size_t)filter * sizeof *weights);
        weights[o * taps + taps / 2] = 1.0F;
    }
}

static void init_slot(nash_model *m, int32_t id, int32_t slot, uint64_t seed,
                      double conv_gain)
{
    const nash_node *node = nash_graph_node(m->graph, id);
    nash_tensor layout, *t = nash_model_tensor(m, id, slot);
    float neutral;
    if (!t || t->role == NASH_ROLE_CONSTANT)
        return;
    if (t->role == NASH_ROLE_WEIGHT) {
        draw(t, node->op == NASH_OP_CONV ? conv_gain : 1.0, seed, node->tag);
        return;
    }
    ni_tensor_layout(&layout, &neutral, m->graph, id, slot);
    ni_tensor_fill(t, neutral);
}

void ni_model_init_slot(nash_model *m, int32_t id, int32_t slot, uint64_t seed)
{
    init_slot(m, id, slot, seed, 2.0);
}

static void init_all(nash_model *m, uint64_t seed, double conv_gain)
{
    for (int32_t id = 0; id < nash_graph_size(m->graph); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
            init_slot(m, id, slot, seed, conv_gain);
}

void nash_model_init(nash_model *m, uint64_t seed)
{
    init_all(m, seed, 2.0);
}

void nash_model_init_identity(nash_model *m, uint64_t seed)
{
    init_all(m, seed, 2.0 / 6.0);
    for (int32_t id = 0; id < nash_graph_size(m->graph); id++) {
        const nash_node *node = nash_graph_node(m->graph, id);
        if (node->op == NASH_OP_CONV && node->attrs.groups == 1)
            set_identity(nash_model_tensor(m, id, NASH_SLOT_WEIGHT));
    }
}

void ni_tensor_set_pairs(nash_tensor *weight, const float *filters, int32_t n)
{
    int64_t values = n * (weight->count / weight->dims[0]);
    for (int64_t i = 0; i < values; i++) {
        weight->data[i] = filters[i];
        weight->data[values + i] = -filters[i];
    }
}
