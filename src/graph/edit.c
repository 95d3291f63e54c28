/*
 * Surgery: a node goes in, edges are led elsewhere. Inserting costs O(nodes +
 * edges). Shapes are stale until ni_graph_infer(), which also refuses edges
 * that no longer point backwards.
 */
#include "edit.h"

#include "base/error.h"
#include "internal.h"

#include <assert.h>
#include <string.h>

nash_status ni_graph_insert(nash_graph *g, int32_t id, nash_op op,
                            const nash_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs)
{
    nash_status status = NASH_OK;
    REQUIRE(id >= 0 && id <= g->n_nodes, NASH_EINVAL,
            "position %d is outside the graph, expected 0 to %d", id,
            g->n_nodes);
    TRY(ni_graph_stage(g, op, attrs, inputs, n_inputs, id));
    nash_node node = g->nodes[g->n_nodes];
    for (int32_t e = 0; e < g->n_edges; e++)
        g->edges[e] += g->edges[e] >= id;
    memmove(&g->nodes[id + 1], &g->nodes[id],
            (size_t)(g->n_nodes - id) * sizeof node);
    g->nodes[id] = node;
    g->n_nodes++;
    g->n_edges += n_inputs;
    g->top_tag = node.tag;
done:
    return status;
}

void ni_graph_set_input(nash_graph *g, int32_t id, int32_t k, int32_t source)
{
    const nash_node *node = nash_graph_node(g, id);
    assert(k >= 0 && k < node->n_inputs);
    g->edges[node->first_input + k] = source;
}

void ni_graph_redirect(nash_graph *g, int32_t from, int32_t to, int32_t except)
{
    for (int32_t id = 0; id < g->n_nodes; id++) {
        int32_t *input = &g->edges[g->nodes[id].first_input];
        for (int32_t k = 0; k < g->nodes[id].n_inputs && id != except; k++)
            if (input[k] == from)
                input[k] = to;
    }
}

nash_attrs *ni_graph_attrs(nash_graph *g, int32_t id)
{
    assert(id >= 0 && id < g->n_nodes);
    return &g->nodes[id].attrs;
}

void ni_graph_set_tag(nash_graph *g, int32_t id, int32_t tag)
{
    assert(id >= 0 && id < g->n_nodes && tag >= 0);
    g->nodes[id].tag = tag;
    if (tag > g->top_tag)
        g->top_tag = tag;
}

nash_status ni_graph_infer(nash_graph *g)
{
    nash_status status = NASH_OK;
    for (int32_t id = 0; id < g->n_nodes; id++) {
        nash_node *node = &g->nodes[id];
        TRY(ni_node_normalize(node));
        TRY(ni_node_infer(&node->shape, g, node, id));
    }
done:
    return status;
}

int32_t ni_graph_reader_count(const nash_graph *g, int32_t id)
{
    int32_t count = 0;
    for (int32_t e = 0; e < g->n_edges; e++)
        count += g->edges[e] == id;
    return count;
}
