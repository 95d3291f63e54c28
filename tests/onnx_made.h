#ifndef NASH_TEST_ONNX_MADE_H
#define NASH_TEST_ONNX_MADE_H

#include "onnx/pool.h"
#include "onnx/proto.h"

#include <nash/onnx.h>

/*
 * ONNX files as other software writes them, made line by line. Everything
 * asserts instead of failing; what is made lives until made_free().
 */
typedef struct made {
    ni_pool pool;
    ni_pb_model file;
    ni_pb_graph *graph;
    ni_pb_node *node; /* the last one */
} made;

/** An empty file: opset, producer "test", an input "x" [N,c,h,w] and an output
 * "y". */
made made_new(int64_t opset, int32_t c, int32_t h, int32_t w);
void made_free(made *m);

/** Append a node. @param inputs, outputs  names between blanks; "-" is a
 * left-out one */
ni_pb_node *made_node(made *m, const char *type, const char *inputs,
                      const char *outputs);

/* Attributes of the last node. */
void made_int(made *m, const char *name, int64_t value);
void made_float(made *m, const char *name, float value);
void made_text(made *m, const char *name, const char *value);
void made_ints(made *m, const char *name, const char *values);
void made_tensor(made *m, const char *name, ni_pb_tensor *tensor);

/** A tensor of the given dimensions ("2 3", "" for a scalar), without data. */
ni_pb_tensor *made_dims(made *m, int32_t type, const char *dims);

/** An initializer with raw float32 data: base, base + step, ... */
ni_pb_tensor *made_floats(made *m, const char *name, const char *dims,
                          float base, float step);

/** An initializer of int64 values, "1 -1"; [n], or a scalar for "=5". */
ni_pb_tensor *made_ints64(made *m, const char *name, const char *values);

/** Add a tensor to the initializers. */
void made_initializer(made *m, const char *name, ni_pb_tensor *tensor);

/** Go from a tensor to the output "y" in the usual way: what made_ops() calls
 * MADE_TAIL. */
void made_end(made *m, const char *input);

/** Read it. @return as nash_onnx_parse() */
nash_status made_read(nash_model **out, const made *m);

/** Read it, and free it; a failure is the test's. */
nash_model *made_finish(made *m);

/** Read it, and free it; that it is refused so, in a sentence with these words
 * that begins with its name, and leaks nothing, is asserted. */
void made_refuse(made *m, nash_status expected, const char *words);

/* ---- looking at what was read ------------------------------------------- */

/** That a model has these operations, with blanks between them. */
void assert_ops(const nash_model *m, const char *expected);
#define MADE_HEAD "input "
#define MADE_TAIL " global_pool softmax"

const nash_attrs *attrs_of(const nash_model *m, int32_t id);

/** That a tensor's values are base, base + step, ... */
void assert_values(const nash_model *m, int32_t id, int32_t slot, int64_t count,
                   float base, float step);

#endif
