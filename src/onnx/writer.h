#ifndef NI_ONNX_WRITER_H
#define NI_ONNX_WRITER_H

#include "pool.h"
#include "proto.h"

#include <nash/onnx.h>

/*
 * What the writing files share: a graph of protobuf messages being filled.
 * Values are named after the nodes that give them. A node that needs more than
 * one ONNX operator gives the last one its own name, the others "NAME/part":
 * by that the reader knows where a node of ours ends.
 */
typedef struct ni_writer {
    ni_pool pool; /* owns all that hangs on @p out */
    const nash_model *model;
    const nash_graph *graph;
    ni_pb_graph *out;
    char **names;                /* [nodes] of the values */
    char *image, *probabilities; /* the file's input and output */
    int32_t *rank;          /* [nodes] as ONNX sees them: 4, or 2 for [N,C] */
    bool has_one, has_axes; /* the shared constants are written */
} ni_writer;

/** Write all nodes with their tensors. @return NASH_OK, NASH_EUNSUPPORTED or
 * NASH_ENOMEM */
nash_status ni_write_nodes(ni_writer *w);

/** Write what a model of several looks does before and behind its nodes.
 * @return NASH_OK or NASH_ENOMEM */
nash_status ni_write_looks(ni_writer *w);
nash_status ni_write_mean_of_looks(ni_writer *w);

/** Write a max_pool or avg_pool. */
nash_status ni_write_pool(ni_writer *w, int32_t id);

/**
 * Append an operator with one output, named as the operator itself.
 *
 * @param name    borrowed from the pool
 * @param inputs  room for so many ni_writer_input() calls
 */
nash_status ni_writer_node(ni_pb_node **out, ni_writer *w, const char *type,
                           char *name, int32_t inputs);

/** Let an operator read a value. @param name  borrowed from the pool */
void ni_writer_input(ni_pb_node *node, char *name);

nash_status ni_writer_int(ni_writer *w, ni_pb_node *node, const char *name,
                          int64_t value);
nash_status ni_writer_ints(ni_writer *w, ni_pb_node *node, const char *name,
                           const int32_t *values, size_t n);
nash_status ni_writer_text(ni_writer *w, ni_pb_node *node, const char *name,
                           const char *value);
nash_status ni_writer_float(ni_writer *w, ni_pb_node *node, const char *name,
                            float value);

/** Append a float32 initializer. @param data  borrowed */
nash_status ni_writer_floats(ni_writer *w, char *name, const int32_t *dims,
                             int32_t n_dims, float *data, int64_t count);

/** Append an int64 initializer with one dimension. @param values  copied */
nash_status ni_writer_int64s(ni_writer *w, char *name, const int32_t *values,
                             size_t n);

/** The name of what node @p id reads as its k-th input, in the rank that it
 * needs (0: any): a Flatten or Unsqueeze is put between where it must. */
nash_status ni_writer_source(char **name, ni_writer *w, int32_t id, int32_t k,
                             int32_t rank);

#endif
