#ifndef NI_ONNX_READER_H
#define NI_ONNX_READER_H

#include "attribute.h"
#include "constant.h"
#include "names.h"
#include "proto.h"

#include <nash/onnx.h>

/*
 * What the reading files share. Operators are read in the file's order, each
 * by a function of the table in operators.c that says what its output is:
 *
 *   a tensor    the output of a node of the graph being built
 *   a constant  computed on the spot from other constants or shapes
 *   an affine   per-channel arithmetic on a tensor, kept open: it may turn out
 *               to be half a gate or a normalisation; else it becomes a
 *               depthwise convolution as soon as somebody needs it as a tensor
 *   padded      a padded tensor, for a convolution or pool to take up
 *   margin      the image with its border repeated, for slices to take up
 *   look        the image shifted or mirrored, for a concatenation to take up
 *   by look     probabilities by look and image, for a mean to take up
 *
 * A node of ours ends with the operator that bears its name, so for our own
 * files nothing stays open longer than that, and order and tags come back.
 */

typedef enum ni_value_kind {
    NI_VALUE_UNSET,
    NI_VALUE_ALIAS,
    NI_VALUE_TENSOR,
    NI_VALUE_CONSTANT,
    NI_VALUE_AFFINE,
    NI_VALUE_PADDED,
    NI_VALUE_MARGIN,
    NI_VALUE_LOOK,
    NI_VALUE_BY_LOOK
} ni_value_kind;

/* How the image is looked at. */
typedef struct ni_look {
    bool mirrored;
    int shift; /* shows the pixel so many below and to the right; -1, 0 or 1 */
} ni_look;

typedef enum ni_arith {
    NI_ARITH_ADD,  /* x + k */
    NI_ARITH_SUB,  /* x - k */
    NI_ARITH_RSUB, /* k - x */
    NI_ARITH_MUL,  /* x k */
    NI_ARITH_DIV   /* x / k */
} ni_arith;

typedef struct ni_value ni_value;
struct ni_value {
    ni_value_kind kind;
    bool needed;       /* for the graph's output */
    int32_t readers;   /* operators that need it, and the graph's output */
    int32_t id;        /* tensor: its node; affine, padded: the node below */
    int32_t rank;      /* 4; of 1 x 1 also 2 or 3; of tensors, affine and
                          padded ones */
    ni_value *target;  /* alias: the value meant */
    ni_value *inner;   /* affine: x */
    ni_value *operand; /* affine: k */
    ni_arith arith;
    int32_t depth;   /* affine: how many lie on top of each other */
    int32_t pads[4]; /* padded: top, left, bottom, right */
    float fill;      /* padded: with this */
    ni_look look;    /* look: which */
    ni_constant constant;
    const ni_value *complement; /* constant: 1 - that one */
};

/* A name of the file and its value. */
typedef struct ni_named {
    const char *name;
    ni_value *value;
} ni_named;

/* Where a tensor of a node comes from: a constant, or values computed here. */
typedef struct ni_source {
    const ni_constant *constant; /* borrowed */
    float *values;               /* owned */
    int64_t count;
} ni_source;

/* What is known of a node of the graph being built beside the graph. */
typedef struct ni_built {
    int32_t tag; /* as the file says; -1: any */
    ni_source sources[NASH_SLOT_COUNT];
} ni_built;

typedef struct ni_reader {
    const char *name; /* of the file */
    const ni_pb_model *file;
    const ni_pb_graph *proto;
    int64_t opset;
    int64_t batch;     /* the file's fixed batch size; 0: open */
    int64_t allowance; /* float values that may still be allocated */
    bool ours;         /* names are of our making */
    nash_looks looks;  /* that operators see */
    bool averaged;     /* and the mean over them has been taken */
    int64_t n_values;
    ni_value *values;  /* owned, [n_values] */
    ni_named *names;   /* owned, [n_values], sorted */
    bool *needed;      /* owned, [operators] */
    nash_graph *graph; /* owned */
    ni_built *built;   /* owned, [cap_built] */
    int32_t cap_built;
} ni_reader;

/* ---- names and values (reader.c) ---------------------------------------- */

/** Collect the names of a file, find its input, mark what its output needs.
 * @return NASH_OK, NASH_EFORMAT, NASH_EUNSUPPORTED or NASH_ENOMEM */
nash_status ni_reader_open(ni_reader *r);
void ni_reader_deinit(ni_reader *r);
void ni_built_deinit(ni_built *built);

/** Say where in the file something is wrong: the sentence so far was about
 * "it". The graph's own codes become NASH_EUNSUPPORTED.
 * @return the status to go on with */
nash_status ni_reader_blame(const ni_reader *r, const char *what,
                            nash_status status);

/** What a name stands for, aliases followed; NULL for an unknown one. */
ni_value *ni_reader_find(const ni_reader *r, const char *name);

/** What an operator reads; NULL for a left-out input. */
ni_value *ni_reader_input(const ni_reader *r, const ni_pb_node *node, size_t k);

/** The value of an operator's first output, to be set. */
ni_value *ni_reader_output(const ni_reader *r, const ni_pb_node *node);

/** Let the output be the output of node @p id. */
void ni_reader_set_tensor(const ni_reader *r, const ni_pb_node *node,
                          int32_t id, int32_t rank);

/** Let the output be another name of a value. */
void ni_reader_set_alias(const ni_reader *r, const ni_pb_node *node,
                         ni_value *value);

/** Let the output be a tensor seen in another rank. */
void ni_reader_set_view(const ni_reader *r, const ni_pb_node *node,
                        const ni_value *tensor, int32_t rank);

/** The input k as a tensor (an affine becomes one), in a rank (0: any).
 * @return NASH_OK, NASH_EUNSUPPORTED, NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_reader_tensor(ni_value **out, ni_reader *r,
                             const ni_pb_node *node, size_t k, int32_t rank);

/** The input k as a constant of the kind and with @p n_dims dimensions (-1:
 * any). @return NASH_OK, NASH_EFORMAT or NASH_EUNSUPPORTED */
nash_status ni_reader_constant(const ni_constant **out, const ni_reader *r,
                               const ni_pb_node *node, size_t k, bool integral,
                               int32_t n_dims);

/** An integer list that older opsets have as an attribute, newer ones as an
 * input.
 * @param values  receives up to @p most
 * @param n       receives how many; -1 if it is left out */
nash_status ni_reader_list(int64_t *values, int32_t *n, int32_t most,
                           const ni_reader *r, const ni_pb_node *node,
                           const char *attribute, size_t k);

/** The shape of a node's output. */
nash_shape ni_reader_shape(const ni_reader *r, int32_t id);

/* ---- building ----------------------------------------------------------- */

/** Append a node for an operator. @return as nash_graph_append() */
nash_status ni_reader_append(int32_t *id, ni_reader *r, const ni_pb_node *node,
                             nash_op op, const nash_attrs *attrs,
                             const int32_t *inputs, int32_t n_inputs);

/** The same with one input, whose output becomes the operator's. */
nash_status ni_reader_append_one(ni_reader *r, const ni_pb_node *node,
                                 nash_op op, const nash_attrs *attrs,
                                 const ni_value *input, int32_t rank);

/** Say where a tensor comes from. @param constant  borrowed
 * @return NASH_OK or NASH_ELIMIT */
nash_status ni_reader_source(ni_reader *r, int32_t id, int32_t slot,
                             const ni_constant *constant);

/** The same with values to be filled in; @p values is the reader's.
 * @return NASH_OK, NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_reader_computed(float **values, ni_reader *r, int32_t id,
                               int32_t slot, int64_t count);

/** Count values against what a file of this size may make us allocate. */
nash_status ni_reader_spend(ni_reader *r, int64_t count);

/** Whether an operator ends a node of ours of that kind. */
bool ni_reader_is_own(const ni_reader *r, const ni_pb_node *node, nash_op op);

/** Turn an affine into a tensor. */
nash_status ni_reader_settle(ni_reader *r, const ni_pb_node *node,
                             ni_value *value);

/* ---- models of several looks (read_looks.c) ----------------------------- */

/** Whether a padding that repeats the border is that of the image by a pixel;
 * if so, it is read. */
bool ni_read_margin(ni_reader *r, const ni_pb_node *node, const ni_value *input,
                    const int64_t pads[8]);

/** A concatenation along the batch: of the image and other looks at it.
 * @return NASH_OK or NASH_EUNSUPPORTED, likewise below */
nash_status ni_read_looks(ni_reader *r, const ni_pb_node *node);

/** Whether a reshape gives [looks,N,K] out of such a model's softmax; if so,
 * that is read. */
bool ni_read_by_look(ni_reader *r, const ni_pb_node *node,
                     const ni_value *input, const ni_constant *target);

/** The mean over the looks. */
nash_status ni_read_mean_of_looks(ni_reader *r, const ni_pb_node *node);

/* ---- operators ---------------------------------------------------------- */

typedef struct ni_operator {
    const char *type;
    /* for a tensor among the inputs; NULL: not possible */
    nash_status (*read)(ni_reader *r, const ni_pb_node *node);
    /* for constants only; NULL: not possible */
    nash_status (*fold)(ni_reader *r, const ni_pb_node *node);
    size_t least, most; /* inputs */
    const char *attributes;
} ni_operator;

/** The row of an operator; NULL for one that is not read. */
const ni_operator *ni_operator_find(const char *type);

/** A size or count of the file as int32, within [least, NASH_MAX_DIM]. */
nash_status ni_read_size(int32_t *out, int64_t value, int32_t least,
                         const char *what);

/** One value per channel from a constant that broadcasts to a tensor so.
 * @param dst  receives [channels]; NULL only asks
 * @return whether it does */
bool ni_read_channels(float *dst, const ni_constant *c, int32_t channels,
                      int32_t rank);

#define NI_READ(name)                                                          \
    nash_status ni_read_##name(ni_reader *r, const ni_pb_node *node)
#define NI_FOLD(name)                                                          \
    nash_status ni_fold_##name(ni_reader *r, const ni_pb_node *node)

NI_READ(add);
NI_READ(average_pool);
NI_READ(batch_norm);
NI_READ(cast);
NI_READ(clip);
NI_READ(concat);
NI_READ(conv);
NI_READ(div);
NI_READ(dropout);
NI_READ(flatten);
NI_READ(gemm);
NI_READ(global_average_pool);
NI_READ(global_max_pool);
NI_READ(identity);
NI_READ(matmul);
NI_READ(max_pool);
NI_READ(mul);
NI_READ(pad);
NI_READ(reduce_mean);
NI_READ(relu);
NI_READ(reshape);
NI_READ(shape);
NI_READ(slice);
NI_READ(softmax);
NI_READ(squeeze);
NI_READ(sub);
NI_READ(sum);
NI_READ(transpose);
NI_READ(unsqueeze);

NI_FOLD(add);
NI_FOLD(cast);
NI_FOLD(concat);
NI_FOLD(constant);
NI_FOLD(constant_of_shape);
NI_FOLD(div);
NI_FOLD(gather);
NI_FOLD(mul);
NI_FOLD(reshape);
NI_FOLD(shape);
NI_FOLD(slice);
NI_FOLD(squeeze);
NI_FOLD(sub);
NI_FOLD(transpose);
NI_FOLD(unsqueeze);

#endif
