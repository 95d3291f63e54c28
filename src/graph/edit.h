#ifndef NI_GRAPH_EDIT_H
#define NI_GRAPH_EDIT_H

#include <nash/graph.h>

/*
 * Surgery on graphs, for the model layer (which keeps the weights in step) and
 * the ONNX reader. After a series of edits call ni_graph_infer().
 */

/**
 * Insert a node at position @p id; nodes from there on, and the edges to them,
 * move up by one. Its tag is one more than the largest so far. Shapes are not
 * recomputed. Nobody reads the new node yet.
 *
 * @return NASH_OK, NASH_EINVAL, NASH_ELIMIT or NASH_ENOMEM; unchanged on
 * failure
 */
nash_status ni_graph_insert(nash_graph *g, int32_t id, nash_op op,
                            const nash_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs);

/** Let node @p id read @p source as its @p k th input. */
void ni_graph_set_input(nash_graph *g, int32_t id, int32_t k, int32_t source);

/** Let all readers of @p from, except node @p except (or -1), read @p to. */
void ni_graph_redirect(nash_graph *g, int32_t from, int32_t to, int32_t except);

/** A node's attributes, to change. */
nash_attrs *ni_graph_attrs(nash_graph *g, int32_t id);

/** Set a node's tag (the ONNX reader restores them). */
void ni_graph_set_tag(nash_graph *g, int32_t id, int32_t tag);

/** Recompute every shape. @return as nash_graph_append() */
nash_status ni_graph_infer(nash_graph *g);

/** Number of (reader, input) pairs that read node @p id. */
int32_t ni_graph_reader_count(const nash_graph *g, int32_t id);

#endif
