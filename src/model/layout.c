/* Which tensors a node has: sizes, roles, neutral values. */
#include "internal.h"

static bool lay(nash_tensor *layout, nash_role role, int32_t n_dims,
                const int32_t *dims)
{
    *layout = (nash_tensor){.role = role, .n_dims = n_dims, .count = 1};
    for (int32_t i = 0; i < n_dims; i++) {
        layout->dims[i] = dims[i];
        layout->count *= dims[i];
    }
    return true;
}

static bool lay_linear(nash_tensor *layout, const nash_node *node, int32_t in,
                       int32_t slot)
{
    const nash_attrs *a = &node->attrs;
    bool conv = node->op == NASH_OP_CONV;
    if (slot == NASH_SLOT_BIAS)
        return a->bias && lay(layout, NASH_ROLE_BIAS, 1, &a->out_channels);
    if (slot != NASH_SLOT_WEIGHT)
        return false;
    const int32_t dims[4] = {a->out_channels, conv ? in / a->groups : in,
                             a->kernel[0], a->kernel[1]};
    return lay(layout, NASH_ROLE_WEIGHT, conv ? 4 : 2, dims);
}

static bool lay_batch_norm(nash_tensor *layout, float *neutral, int32_t c,
                           int32_t slot)
{
    static const nash_role roles[NASH_SLOT_COUNT] = {
        [NASH_SLOT_GAMMA] = NASH_ROLE_SCALE,
        [NASH_SLOT_BETA] = NASH_ROLE_BIAS,
        [NASH_SLOT_MEAN] = NASH_ROLE_STATISTIC,
        [NASH_SLOT_VAR] = NASH_ROLE_STATISTIC,
    };
    *neutral = slot == NASH_SLOT_GAMMA || slot == NASH_SLOT_VAR ? 1.0F : 0.0F;
    return lay(layout, roles[slot], 1, &c);
}

bool ni_tensor_layout(nash_tensor *layout, float *neutral, const nash_graph *g,
                      int32_t id, int32_t slot)
{
    static const int32_t scalar = 1;
    const nash_node *node = nash_graph_node(g, id);
    int32_t c = node->shape.c;
    *neutral = 0;
    switch (node->op) {
    case NASH_OP_CONV:
    case NASH_OP_FC:
        return lay_linear(
            layout, node,
            nash_graph_node(g, nash_graph_input(g, id, 0))->shape.c, slot);
    case NASH_OP_BATCH_NORM:
        return lay_batch_norm(layout, neutral, c, slot);
    case NASH_OP_GATE:
        *neutral = 1;
        return slot == NASH_SLOT_LAMBDA &&
               lay(layout, NASH_ROLE_GATE, 1, &scalar);
    case NASH_OP_NORMALIZE:
        *neutral = slot == NASH_SLOT_SCALE ? 1.0F : 0.0F;
        return slot <= NASH_SLOT_SCALE &&
               lay(layout, NASH_ROLE_CONSTANT, 1, &c);
    case NASH_OP_INPUT:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
    case NASH_OP_GLOBAL_POOL:
    case NASH_OP_FLATTEN:
    case NASH_OP_CONCAT:
    case NASH_OP_ADD:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        return false;
    }
    return false;
}
