/*
 * Parameters and multiply-accumulates. Shape inference bounds each node's
 * numbers; sums over a graph stop at INT64_MAX instead of wrapping.
 */
#include <nash/graph.h>

static int64_t fan_in(const nash_graph *g, int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    int64_t channels = nash_graph_node(g, nash_graph_input(g, id, 0))->shape.c;
    if (node->op == NASH_OP_FC)
        return channels;
    return channels / node->attrs.groups * node->attrs.kernel[0] *
           node->attrs.kernel[1];
}

int64_t nash_node_params(const nash_graph *g, int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    switch (node->op) {
    case NASH_OP_CONV:
    case NASH_OP_FC:
        return node->attrs.out_channels *
               (fan_in(g, id) + (node->attrs.bias ? 1 : 0));
    case NASH_OP_BATCH_NORM:
        return 2 * (int64_t)node->shape.c;
    case NASH_OP_GATE:
        return 1;
    case NASH_OP_INPUT:
    case NASH_OP_NORMALIZE:
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
        return 0;
    }
    return 0;
}

int64_t nash_node_macs(const nash_graph *g, int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    switch (node->op) {
    case NASH_OP_CONV:
    case NASH_OP_FC:
        return (int64_t)node->shape.c * node->shape.h * node->shape.w *
               fan_in(g, id);
    case NASH_OP_INPUT:
    case NASH_OP_NORMALIZE:
    case NASH_OP_BATCH_NORM:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
    case NASH_OP_GLOBAL_POOL:
    case NASH_OP_FLATTEN:
    case NASH_OP_CONCAT:
    case NASH_OP_ADD:
    case NASH_OP_GATE:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        return 0;
    }
    return 0;
}

static int64_t sum(const nash_graph *g,
                   int64_t (*of)(const nash_graph *g, int32_t id))
{
    int64_t total = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (__builtin_add_overflow(total, of(g, id), &total))
            return INT64_MAX;
    return total;
}

int64_t nash_graph_params(const nash_graph *g)
{
    return sum(g, nash_node_params);
}

int64_t nash_graph_macs(const nash_graph *g)
{
    return sum(g, nash_node_macs);
}
