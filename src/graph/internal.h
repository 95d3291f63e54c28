#ifndef NI_GRAPH_INTERNAL_H
#define NI_GRAPH_INTERNAL_H

#include <nash/graph.h>

#include "edit.h"

/* What the files of this folder share. */

struct nash_graph {
    int32_t n_nodes, n_edges;
    int32_t cap_nodes, cap_edges;
    int32_t top_tag;  /* largest so far, -1 while empty */
    nash_node *nodes; /* owned: one block, the edges behind the nodes */
    int32_t *edges;   /* in that block */
};

/** Build a node in the free place behind the last one, its inputs in the free
 * edges, without counting either yet.
 * @return NASH_OK, NASH_EINVAL, NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_graph_stage(nash_graph *g, nash_op op, const nash_attrs *attrs,
                           const int32_t *inputs, int32_t n_inputs, int32_t id);

/** Check a node's attributes, and zero those that its operation ignores. */
nash_status ni_node_normalize(nash_node *node);

/** The output shape of a node of g (or staged in it) that will be number
 * @p id. @return NASH_OK, NASH_EINVAL, NASH_ESHAPE or NASH_ELIMIT */
nash_status ni_node_infer(nash_shape *out, const nash_graph *g,
                          const nash_node *node, int32_t id);

#endif
