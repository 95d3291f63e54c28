#ifndef NASH_GRAPH_H
#define NASH_GRAPH_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A graph is an architecture: operations, their sizes and who reads whom. It
 * holds no weights. Nodes are numbered 0 .. size-1 in topological order: a
 * node only reads lower ids. A complete graph starts with the one input node
 * (id 0) and ends with the one softmax, its last node, which nobody reads.
 *
 * Everything is logical: [N,C,H,W] with N left open and no padded channels.
 */

typedef enum nash_op {
#define X(op, name, least, most, slots) NASH_OP_##op,
#include "ops.def"
#undef X
    NASH_OP_COUNT
} nash_op;

/** Largest channels, height, width, kernel, stride or dilation accepted. */
enum { NASH_MAX_DIM = 1 << 20 };
/** Most nodes in one graph, and most inputs of one node. */
enum { NASH_MAX_NODES = 1 << 16, NASH_MAX_INPUTS = 64 };
/** Most values in one image's output of a node, or in one weight tensor. */
#define NASH_MAX_VALUES ((int64_t)1 << 31)
/** Most parameters that a morphism lets a network have: about what an ONNX file
 * can hold. */
#define NASH_MAX_PARAMS ((int64_t)500000000)

typedef struct nash_shape {
    int32_t c, h, w;
} nash_shape;

/* Attributes of a node; those that its operation does not use are 0. Pairs are
 * (vertical, horizontal). */
typedef struct nash_attrs {
    int32_t out_channels; /* conv, fc; input: channels */
    int32_t size[2];      /* input: height, width */
    int32_t kernel[2];    /* conv, max_pool, avg_pool */
    int32_t stride[2];    /* conv, pools */
    int32_t dilation[2];  /* conv, pools */
    int32_t pads[4];      /* conv, pools: top, left, bottom, right */
    int32_t groups;       /* conv */
    bool bias;            /* conv, fc */
    bool ceil_mode; /* pools: round the output size up; windows may hang over
                       the end, but none starts beyond the input */
    bool count_include_pad; /* avg_pool: padding counts in the divisor */
    float eps;              /* batch_norm */
    float momentum;         /* batch_norm: share of the old running statistics
                               that a training step keeps, e.g. 0.9 (as ONNX) */
    float low, high;        /* clip: finite, low <= 0 <= high, not equal */
} nash_attrs;

typedef struct nash_node {
    nash_op op;
    /* Stable number: survives surgery, while ids shift. Node names are
     * "<op>_<tag>", e.g. "conv_3". */
    int32_t tag;
    nash_attrs attrs;
    int32_t n_inputs;
    int32_t first_input; /* position of its inputs in the edge array */
    nash_shape shape;    /* of its output */
} nash_node;

typedef struct nash_graph nash_graph;

/** An operation's name in ops.def, "batch_norm"; "?" for a value outside the
 * list. Borrowed. */
NASH_API const char *nash_op_name(nash_op op);

/** An empty graph. @return NASH_OK or NASH_ENOMEM */
NASH_API nash_status nash_graph_create(nash_graph **out);

/** Deep copy: one block, one memcpy. @return NASH_OK or NASH_ENOMEM */
NASH_API nash_status nash_graph_dup(nash_graph **out, const nash_graph *g);

/** Release; NULL is fine. */
NASH_API void nash_graph_free(nash_graph *g);

/** Number of nodes. */
NASH_API int32_t nash_graph_size(const nash_graph *g);

/** A node. @param id  0 .. size-1. @return borrowed until the graph changes */
NASH_API const nash_node *nash_graph_node(const nash_graph *g, int32_t id);

/** The id that node @p id reads as its @p k th input. */
NASH_API int32_t nash_graph_input(const nash_graph *g, int32_t id, int32_t k);

/** The id of the node with that tag, or -1. */
NASH_API int32_t nash_graph_find(const nash_graph *g, int32_t tag);

/** The shape of the network's input, {0,0,0} while the graph is empty. */
NASH_API nash_shape nash_graph_input_shape(const nash_graph *g);

/** Number of classes: channels of the last node. */
NASH_API int32_t nash_graph_classes(const nash_graph *g);

/** Attributes for an operation: kernel 1, stride 1, dilation 1, groups 1,
 * no padding, eps 1e-5, momentum 0.9, low 0, high 6. */
NASH_API nash_attrs nash_attrs_default(void);

/** Attributes of a square window; "same" padding at stride 1 for odd kernels,
 * i.e. pads of (kernel - 1) / 2 on every side. */
NASH_API nash_attrs nash_attrs_window(int32_t kernel, int32_t stride);

/**
 * Append a node; its tag is one more than the largest so far.
 *
 * @param id       receives the new node's id; may be NULL
 * @param g        graph to extend; unchanged on failure
 * @param attrs    sizes; copied, also from a node of @p g; NULL for
 *                 nash_attrs_default()
 * @param inputs   [n_inputs] ids, each lower than the new one; copied
 * @return NASH_OK, NASH_EINVAL (bad id, count or attribute), NASH_ESHAPE (the
 *         inputs do not fit the operation), NASH_ELIMIT (NASH_MAX_*) or
 *         NASH_ENOMEM
 */
NASH_API nash_status nash_graph_append(int32_t *id, nash_graph *g, nash_op op,
                                       const nash_attrs *attrs,
                                       const int32_t *inputs, int32_t n_inputs);

/**
 * Whether the graph is complete: one input, one softmax at the end, every
 * other node read by somebody, shapes consistent.
 *
 * @return NASH_OK, NASH_EINVAL, NASH_ESHAPE or NASH_ELIMIT with the first
 *         offending node in the sentence, or NASH_ENOMEM
 */
NASH_API nash_status nash_graph_check(const nash_graph *g);

/** Trained parameters (no running statistics, no constants) of a node / all. */
NASH_API int64_t nash_node_params(const nash_graph *g, int32_t id);
NASH_API int64_t nash_graph_params(const nash_graph *g);

/** Multiply-accumulates of one image's forward pass (convolutions and fc). */
NASH_API int64_t nash_node_macs(const nash_graph *g, int32_t id);
NASH_API int64_t nash_graph_macs(const nash_graph *g);

/** Hash of the architecture: operations, attributes, edges; not the tags. */
NASH_API uint64_t nash_graph_hash(const nash_graph *g);

/**
 * Write a node's name, "conv_3", into @p name.
 *
 * @param size_bytes  of @p name; 32 is always enough
 */
NASH_API void nash_node_name(char *name, size_t size_bytes, const nash_graph *g,
                             int32_t id);

#ifdef __cplusplus
}
#endif

#endif
