/*
 * Whether a graph is complete. Costs O(nodes log nodes + edges) and one array
 * of nodes.
 */
#include "internal.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

static nash_status check_shapes(const nash_graph *g)
{
    nash_status status = NASH_OK;
    char name[32];
    for (int32_t id = 0; id < g->n_nodes; id++) {
        nash_shape fresh, shape = g->nodes[id].shape;
        TRY(ni_node_infer(&fresh, g, &g->nodes[id], id));
        nash_node_name(name, sizeof name, g, id);
        REQUIRE(fresh.c == shape.c && fresh.h == shape.h && fresh.w == shape.w,
                NASH_EINVAL,
                "%s is recorded with output %d x %d x %d, but gives %d x %d x "
                "%d",
                name, shape.c, shape.h, shape.w, fresh.c, fresh.h, fresh.w);
    }
done:
    return status;
}

static nash_status check_readers(const nash_graph *g, int32_t *readers)
{
    nash_status status = NASH_OK;
    char name[32];
    for (int32_t id = 0; id < g->n_nodes; id++) {
        readers[id] = 0;
        for (int32_t k = 0; k < g->nodes[id].n_inputs; k++)
            readers[nash_graph_input(g, id, k)]++;
    }
    for (int32_t id = 0; id < g->n_nodes; id++) {
        bool last = id == g->n_nodes - 1;
        nash_node_name(name, sizeof name, g, id);
        REQUIRE((g->nodes[id].op == NASH_OP_SOFTMAX) == last, NASH_EINVAL,
                "%s is %s node, expected exactly one softmax, at the end", name,
                last ? "the last" : "an inner");
        REQUIRE(last || readers[id] > 0, NASH_EINVAL,
                "%s is read by no other node", name);
    }
done:
    return status;
}

static int compare(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static nash_status check_tags(const nash_graph *g, int32_t *tags)
{
    for (int32_t id = 0; id < g->n_nodes; id++)
        tags[id] = g->nodes[id].tag;
    qsort(tags, (size_t)g->n_nodes, sizeof *tags, compare);
    for (int32_t i = 1; i < g->n_nodes; i++)
        if (tags[i] == tags[i - 1])
            return ni_fail(NASH_EINVAL,
                           "tag %d is on two nodes, expected tags to differ",
                           tags[i]);
    return NASH_OK;
}

nash_status nash_graph_check(const nash_graph *g)
{
    nash_status status = NASH_OK;
    int32_t *scratch = NULL;
    REQUIRE(g->n_nodes > 0, NASH_EINVAL, "the graph has no nodes");
    NEW_ARRAY(scratch, g->n_nodes);
    TRY(check_shapes(g));
    TRY(check_readers(g, scratch));
    TRY(check_tags(g, scratch));
done:
    ni_free(scratch);
    return status;
}
