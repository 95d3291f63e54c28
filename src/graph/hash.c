/*
 * The hash of an architecture: each node as a row of 32-bit integers, free of
 * padding and of the order in which edges happen to be stored.
 */
#include <nash/graph.h>

#include "base/hash.h"

#include <string.h>

static uint32_t bits(float value)
{
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static uint64_t hash_node(const nash_graph *g, int32_t id, uint64_t seed)
{
    const nash_node *node = nash_graph_node(g, id);
    const nash_attrs *a = &node->attrs;
    const uint32_t row[] = {
        (uint32_t)node->op,
        (uint32_t)node->n_inputs,
        (uint32_t)a->out_channels,
        (uint32_t)a->size[0],
        (uint32_t)a->size[1],
        (uint32_t)a->kernel[0],
        (uint32_t)a->kernel[1],
        (uint32_t)a->stride[0],
        (uint32_t)a->stride[1],
        (uint32_t)a->dilation[0],
        (uint32_t)a->dilation[1],
        (uint32_t)a->pads[0],
        (uint32_t)a->pads[1],
        (uint32_t)a->pads[2],
        (uint32_t)a->pads[3],
        (uint32_t)a->groups,
        a->bias,
        a->ceil_mode,
        a->count_include_pad,
        bits(a->eps),
        bits(a->momentum),
        bits(a->low),
        bits(a->high),
    };
    uint64_t hash = ni_hash(row, sizeof row, seed);
    for (int32_t k = 0; k < node->n_inputs; k++) {
        int32_t source = nash_graph_input(g, id, k);
        hash = ni_hash(&source, sizeof source, hash);
    }
    return hash;
}

uint64_t nash_graph_hash(const nash_graph *g)
{
    uint64_t hash = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        hash = hash_node(g, id, hash);
    return hash;
}
