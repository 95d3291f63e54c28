/*
 * Which tensors are provably non-negative, so that another ReLU changes
 * nothing. One pass over the graph. A gate never is (lambda may leave [0, 1]
 * in training), nor is anything that training or data can move below zero; raw
 * pixels and probabilities are not asked about, since nothing is inserted
 * there.
 */
#include "surgery.h"

#include "base/memory.h"

static bool all_inputs(const bool *known, const nash_graph *g, int32_t id)
{
    for (int32_t k = 0; k < nash_graph_node(g, id)->n_inputs; k++)
        if (!known[nash_graph_input(g, id, k)])
            return false;
    return true;
}

void ni_nonnegative(bool *out, const nash_graph *g)
{
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        switch (nash_graph_node(g, id)->op) {
        case NASH_OP_RELU:
            out[id] = true;
            break;
        case NASH_OP_CLIP:
            out[id] = nash_graph_node(g, id)->attrs.low >= 0 ||
                      all_inputs(out, g, id);
            break;
        case NASH_OP_MAX_POOL:
        case NASH_OP_AVG_POOL:
        case NASH_OP_GLOBAL_POOL:
        case NASH_OP_FLATTEN:
        case NASH_OP_CONCAT:
        case NASH_OP_ADD:
            out[id] = all_inputs(out, g, id);
            break;
        case NASH_OP_INPUT:
        case NASH_OP_NORMALIZE:
        case NASH_OP_CONV:
        case NASH_OP_BATCH_NORM:
        case NASH_OP_FC:
        case NASH_OP_GATE:
        case NASH_OP_SOFTMAX:
        case NASH_OP_COUNT:
            out[id] = false;
            break;
        }
    }
}

nash_status ni_require_nonnegative(const nash_graph *g, int32_t id)
{
    nash_status status = NASH_OK;
    bool *known = NULL;
    char name[32];
    NEW_ARRAY(known, nash_graph_size(g));
    ni_nonnegative(known, g);
    nash_node_name(name, sizeof name, g, id);
    REQUIRE(known[id], NASH_EREFUSED,
            "%s may be negative, so that a ReLU after it would change the "
            "function",
            name);
done:
    ni_free(known);
    return status;
}
