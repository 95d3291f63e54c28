/*
 * Graphs: nodes and edges in one block that doubles when it is full, so that a
 * copy is one memcpy and building n nodes costs O(n). Ids only, no pointers.
 * Refuses nodes that read what does not come before them.
 */
#include "internal.h"

#include "base/error.h"
#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t least, most;
} ops[] = {
#define X(op, name, least, most, slots) {name, least, most},
#include <nash/ops.def>
#undef X
};

const char *nash_op_name(nash_op op)
{
    return (unsigned)op < NASH_OP_COUNT ? ops[op].name : "?";
}

/* ---- the block ---------------------------------------------------------- */

static size_t block_bytes(int32_t cap_nodes, int32_t cap_edges)
{
    return (size_t)cap_nodes * sizeof(nash_node) +
           (size_t)cap_edges * sizeof(int32_t);
}

static nash_status block_create(nash_graph *g, int32_t cap_nodes,
                                int32_t cap_edges)
{
    nash_node *nodes = ni_alloc(1, block_bytes(cap_nodes, cap_edges));
    if (!nodes)
        return NASH_ENOMEM;
    g->nodes = nodes;
    g->edges = (int32_t *)(nodes + cap_nodes);
    g->cap_nodes = cap_nodes;
    g->cap_edges = cap_edges;
    return NASH_OK;
}

static int32_t grown(int32_t capacity, int32_t needed)
{
    while (capacity < needed)
        capacity *= 2;
    return capacity;
}

/* Make room for so many more nodes and edges; unchanged on failure. */
static nash_status reserve(nash_graph *g, int32_t nodes, int32_t edges)
{
    if (g->n_nodes + nodes > NASH_MAX_NODES)
        return ni_fail(NASH_ELIMIT, "the graph has more than %d nodes",
                       NASH_MAX_NODES);
    if (g->n_nodes + nodes <= g->cap_nodes &&
        g->n_edges + edges <= g->cap_edges)
        return NASH_OK;
    nash_graph old = *g;
    nash_status status =
        block_create(g, grown(g->cap_nodes, g->n_nodes + nodes),
                     grown(g->cap_edges, g->n_edges + edges));
    if (status != NASH_OK)
        return status;
    memcpy(g->nodes, old.nodes, (size_t)g->n_nodes * sizeof *g->nodes);
    memcpy(g->edges, old.edges, (size_t)g->n_edges * sizeof *g->edges);
    ni_free(old.nodes);
    return NASH_OK;
}

static nash_status create(nash_graph **out, int32_t cap_nodes,
                          int32_t cap_edges)
{
    nash_status status = NASH_OK;
    nash_graph *g = NULL;
    NEW(g);
    TRY(block_create(g, cap_nodes, cap_edges));
    g->top_tag = -1;
    *out = g;
    g = NULL;
done:
    nash_graph_free(g);
    return status;
}

nash_status nash_graph_create(nash_graph **out)
{
    *out = NULL;
    return create(out, 32, 32);
}

nash_status nash_graph_dup(nash_graph **out, const nash_graph *g)
{
    *out = NULL;
    nash_status status = create(out, g->cap_nodes, g->cap_edges);
    if (status != NASH_OK)
        return status;
    memcpy((*out)->nodes, g->nodes, block_bytes(g->cap_nodes, g->cap_edges));
    (*out)->n_nodes = g->n_nodes;
    (*out)->n_edges = g->n_edges;
    (*out)->top_tag = g->top_tag;
    return NASH_OK;
}

void nash_graph_free(nash_graph *g)
{
    if (g)
        ni_free(g->nodes);
    ni_free(g);
}

/* ---- looking ------------------------------------------------------------ */

int32_t nash_graph_size(const nash_graph *g)
{
    return g->n_nodes;
}

const nash_node *nash_graph_node(const nash_graph *g, int32_t id)
{
    assert(id >= 0 && id < g->n_nodes);
    return &g->nodes[id];
}

int32_t nash_graph_input(const nash_graph *g, int32_t id, int32_t k)
{
    const nash_node *node = nash_graph_node(g, id);
    assert(k >= 0 && k < node->n_inputs);
    return g->edges[node->first_input + k];
}

int32_t nash_graph_find(const nash_graph *g, int32_t tag)
{
    for (int32_t id = 0; id < g->n_nodes; id++)
        if (g->nodes[id].tag == tag)
            return id;
    return -1;
}

nash_shape nash_graph_input_shape(const nash_graph *g)
{
    return g->n_nodes ? g->nodes[0].shape : (nash_shape){0, 0, 0};
}

int32_t nash_graph_classes(const nash_graph *g)
{
    return g->n_nodes ? g->nodes[g->n_nodes - 1].shape.c : 0;
}

void nash_node_name(char *name, size_t size_bytes, const nash_graph *g,
                    int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    snprintf(name, size_bytes, "%s_%d", nash_op_name(node->op), node->tag);
}

/* ---- growing ------------------------------------------------------------ */

nash_attrs nash_attrs_default(void)
{
    return (nash_attrs){.kernel = {1, 1},
                        .stride = {1, 1},
                        .dilation = {1, 1},
                        .groups = 1,
                        .eps = 1e-5F,
                        .momentum = 0.9F,
                        .high = 6};
}

nash_attrs nash_attrs_window(int32_t kernel, int32_t stride)
{
    nash_attrs attrs = nash_attrs_default();
    for (int i = 0; i < 2; i++) {
        attrs.kernel[i] = kernel;
        attrs.stride[i] = stride;
    }
    for (int i = 0; i < 4; i++)
        attrs.pads[i] = (kernel - 1) / 2;
    return attrs;
}

nash_status ni_graph_stage(nash_graph *g, nash_op op, const nash_attrs *attrs,
                           const int32_t *inputs, int32_t n_inputs, int32_t id)
{
    nash_status status = NASH_OK;
    /* before the block moves: they may be those of one of its nodes */
    nash_attrs own = attrs ? *attrs : nash_attrs_default();
    REQUIRE(op >= 0 && op < NASH_OP_COUNT, NASH_EINVAL,
            "operation %d is none of the %d known", (int)op, NASH_OP_COUNT);
    REQUIRE(n_inputs >= ops[op].least && n_inputs <= ops[op].most, NASH_EINVAL,
            "%s was given %d inputs, expected %d to %d", ops[op].name, n_inputs,
            ops[op].least, ops[op].most);
    REQUIRE(g->top_tag < INT32_MAX, NASH_ELIMIT,
            "the graph's largest tag is %d, which leaves no tag for a new node",
            g->top_tag);
    for (int32_t k = 0; k < n_inputs; k++)
        REQUIRE(inputs[k] >= 0 && inputs[k] < id, NASH_EINVAL,
                "%s is to be node %d and to read node %d, expected 0 to %d",
                ops[op].name, id, inputs[k], id - 1);
    TRY(reserve(g, 1, n_inputs));
    nash_node *node = &g->nodes[g->n_nodes];
    *node = (nash_node){.op = op,
                        .tag = g->top_tag + 1,
                        .attrs = own,
                        .n_inputs = n_inputs,
                        .first_input = g->n_edges};
    for (int32_t k = 0; k < n_inputs; k++)
        g->edges[g->n_edges + k] = inputs[k];
    TRY(ni_node_normalize(node));
done:
    return status;
}

nash_status nash_graph_append(int32_t *id, nash_graph *g, nash_op op,
                              const nash_attrs *attrs, const int32_t *inputs,
                              int32_t n_inputs)
{
    nash_status status = NASH_OK;
    int32_t fresh = g->n_nodes;
    TRY(ni_graph_stage(g, op, attrs, inputs, n_inputs, fresh));
    nash_node *node = &g->nodes[fresh];
    TRY(ni_node_infer(&node->shape, g, node, fresh));
    g->n_nodes++;
    g->n_edges += n_inputs;
    g->top_tag = node->tag;
    if (id)
        *id = fresh;
done:
    return status;
}
