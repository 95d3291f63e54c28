/* ONNX files of other software: what they become, and what is refused. That
 * the function is the same is tested in other software (onnx_foreign.py). */
#include "base/memory.h"
#include "onnx_made.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- looking at what was read ------------------------------------------- */

static void assert_ops(const nash_model *m, const char *expected)
{
    const nash_graph *g = nash_model_graph(m);
    char ops[512] = "";
    size_t n = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        n += (size_t)snprintf(ops + n, sizeof ops - n, "%s%s", id ? " " : "",
                              nash_op_name(nash_graph_node(g, id)->op));
    assert_string_equal(ops, expected);
}

static const nash_attrs *attrs_of(const nash_model *m, int32_t id)
{
    return &nash_graph_node(nash_model_graph(m), id)->attrs;
}

static void assert_pads(const nash_model *m, int32_t id, int32_t top,
                        int32_t left, int32_t bottom, int32_t right)
{
    const int32_t pads[4] = {top, left, bottom, right};
    assert_memory_equal(attrs_of(m, id)->pads, pads, sizeof pads);
}

/* A tensor's values: base, base + step, ... */
static void assert_values(const nash_model *m, int32_t id, int32_t slot,
                          int64_t count, float base, float step)
{
    const nash_tensor *t = nash_model_tensor(m, id, slot);
    assert_non_null(t);
    assert_int_equal(t->count, count);
    for (int64_t i = 0; i < count; i++)
        if (fabsf(t->data[i] - (base + step * (float)i)) > 1e-6F)
            fail_msg("value %d is %g, expected %g", (int)i, (double)t->data[i],
                     (double)(base + step * (float)i));
}

/* From a tensor to the output "y" in the usual way. */
static void end(made *m, const char *input)
{
    char pooled[64];
    snprintf(pooled, sizeof pooled, "%s_pooled", input);
    made_node(m, "GlobalAveragePool", input, pooled);
    made_node(m, "Flatten", pooled, "y");
}

#define HEAD "input "
#define TAIL " global_pool softmax"

/* ---- convolutions and their padding ------------------------------------- */

static void a_convolution_needs_no_kernel_shape(void **state)
{
    (void)state;
    made m = made_new(9, 4, 6, 5);
    made_floats(&m, "w", "6 2 3 2", 1, 1);
    made_floats(&m, "b", "6", -1, 2);
    made_node(&m, "Conv", "x w b", "c");
    made_int(&m, "group", 2);
    made_ints(&m, "dilations", "1 2");
    made_ints(&m, "strides", "2 1");
    made_ints(&m, "pads", "1 0 2 3");
    end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "conv" TAIL);
    const nash_attrs *a = attrs_of(out, 1);
    assert_true(a->bias && a->groups == 2 && a->out_channels == 6);
    assert_true(a->kernel[0] == 3 && a->kernel[1] == 2);
    assert_true(a->dilation[0] == 1 && a->dilation[1] == 2);
    assert_true(a->stride[0] == 2 && a->stride[1] == 1);
    assert_pads(out, 1, 1, 0, 2, 3);
    assert_values(out, 1, NASH_SLOT_WEIGHT, 72, 1, 1);
    assert_values(out, 1, NASH_SLOT_BIAS, 6, -1, 2);
    nash_model_free(out);
}

static nash_model *auto_padded(const char *mode)
{
    made m = made_new(11, 1, 7, 6);
    made_floats(&m, "w", "2 1 4 3", 1, 1);
    made_node(&m, "Conv", "x w", "c");
    made_text(&m, "auto_pad", mode);
    made_ints(&m, "strides", "2 3");
    end(&m, "c");
    return made_finish(&m);
}

static void automatic_padding_is_computed(void **state)
{
    (void)state;
    /* height: 4 outputs of stride 2 reach 10, so 3 more than 7; width: 2 of
     * stride 3 reach 6 */
    nash_model *upper = auto_padded("SAME_UPPER");
    nash_model *lower = auto_padded("SAME_LOWER");
    nash_model *valid = auto_padded("VALID");
    nash_model *notset = auto_padded("NOTSET");
    assert_pads(upper, 1, 1, 0, 2, 0);
    assert_pads(lower, 1, 2, 0, 1, 0);
    assert_pads(valid, 1, 0, 0, 0, 0);
    assert_pads(notset, 1, 0, 0, 0, 0);
    nash_model_free(upper);
    nash_model_free(lower);
    nash_model_free(valid);
    nash_model_free(notset);
}

static void zero_padding_goes_into_the_convolution(void **state)
{
    (void)state;
    made m = made_new(13, 1, 7, 6);
    made_floats(&m, "w", "2 1 3 3", 1, 1);
    made_ints64(&m, "pads", "0 0 1 2 0 0 3 4");
    made_node(&m, "Pad", "x pads", "p");
    made_node(&m, "Conv", "p w", "c");
    made_ints(&m, "pads", "1 1 1 1");
    made_node(&m, "Pad", "c", "d"); /* opset 10 and before */
    made_ints(&m, "pads", "0 0 0 1 0 0 0 0");
    made_text(&m, "mode", "constant");
    made_float(&m, "value", 0);
    made_floats(&m, "v", "1 2 1 1", 1, 1);
    made_node(&m, "Conv", "d v", "e");
    end(&m, "e");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "conv conv" TAIL);
    assert_pads(out, 1, 2, 3, 4, 5);
    assert_pads(out, 2, 0, 1, 0, 0);
    nash_model_free(out);
}

/* ---- pools -------------------------------------------------------------- */

static void pools_keep_their_attributes(void **state)
{
    (void)state;
    made m = made_new(17, 2, 9, 9);
    made_node(&m, "MaxPool", "x", "a");
    made_ints(&m, "kernel_shape", "2 3");
    made_ints(&m, "dilations", "2 1");
    made_ints(&m, "pads", "1 0 1 2");
    made_int(&m, "ceil_mode", 1);
    made_int(&m, "storage_order", 0);
    made_node(&m, "AveragePool", "a", "b");
    made_ints(&m, "kernel_shape", "2 2");
    made_ints(&m, "strides", "2 1");
    made_int(&m, "count_include_pad", 1);
    made_node(&m, "GlobalMaxPool", "b", "c");
    end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "max_pool avg_pool max_pool" TAIL);
    const nash_attrs *a = attrs_of(out, 1), *b = attrs_of(out, 2);
    assert_true(a->kernel[0] == 2 && a->kernel[1] == 3 && a->ceil_mode);
    assert_true(a->dilation[0] == 2 && a->dilation[1] == 1);
    assert_true(b->stride[0] == 2 && b->stride[1] == 1 &&
                b->count_include_pad && !b->ceil_mode);
    nash_shape in = nash_graph_node(nash_model_graph(out), 2)->shape;
    assert_true(attrs_of(out, 3)->kernel[0] == in.h &&
                attrs_of(out, 3)->kernel[1] == in.w);
    nash_model_free(out);
}

static void padding_goes_into_a_pool_where_it_means_the_same(void **state)
{
    (void)state;
    made m = made_new(13, 2, 8, 8);
    made_ints64(&m, "pads", "0 0 1 1 0 0 1 1");
    made_floats(&m, "low", "", -INFINITY, 0);
    made_node(&m, "Pad", "x pads low", "a");
    made_node(&m, "MaxPool", "a", "b");
    made_ints(&m, "kernel_shape", "3 3");
    made_node(&m, "Pad", "b pads", "c");
    made_node(&m, "AveragePool", "c", "d");
    made_ints(&m, "kernel_shape", "2 2");
    made_node(&m, "Relu", "d", "e");
    made_node(&m, "Pad", "e pads", "f");
    made_node(&m, "MaxPool", "f", "g");
    made_ints(&m, "kernel_shape", "3 3");
    made_ints(&m, "pads", "1 0 0 0");
    end(&m, "g");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "max_pool avg_pool relu max_pool" TAIL);
    assert_pads(out, 1, 1, 1, 1, 1);
    assert_pads(out, 2, 1, 1, 1, 1);
    assert_true(attrs_of(out, 2)->count_include_pad);
    assert_pads(out, 4, 2, 1, 1, 1);
    nash_model_free(out);
}

static void a_mean_over_height_and_width_is_a_global_pool(void **state)
{
    (void)state;
    static const char *const axes[] = {"2 3", "-1 -2", "3 2"};
    for (int i = 0; i < 6; i++) {
        made m = made_new(i % 2 ? 18 : 13, 3, 5, 4);
        made_ints64(&m, "axes", axes[i / 2]);
        made_node(&m, "ReduceMean", i % 2 ? "x axes" : "x",
                  i < 3 ? "y" : "mean");
        if (i % 2 == 0)
            made_ints(&m, "axes", axes[i / 2]);
        if (i < 3)
            made_int(&m, "keepdims", 0);
        else
            made_node(&m, "Flatten", "mean", "y");
        nash_model *out = made_finish(&m);
        assert_ops(out, "input global_pool softmax");
        nash_model_free(out);
    }
}

/* ---- activations, normalisation, things that do nothing ----------------- */

static void a_clip_at_zero_is_a_relu(void **state)
{
    (void)state;
    made m = made_new(11, 3, 5, 4);
    made_floats(&m, "zero", "", 0, 0);
    made_floats(&m, "top", "", 3.4028235e38F, 0);
    made_node(&m, "Clip", "x zero", "a");
    made_node(&m, "Clip", "a zero top", "b");
    made_node(&m, "Clip", "b", "c");
    made_node(&m, "Clip", "c", "d"); /* opset 10 and before */
    made_float(&m, "min", 0);
    end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "relu relu relu" TAIL);
    nash_model_free(out);
}

static void a_clip_keeps_its_limits(void **state)
{
    (void)state;
    made m = made_new(12, 3, 5, 4);
    made_floats(&m, "zero", "", 0, 0);
    made_floats(&m, "six", "1", 6, 0);
    made_floats(&m, "low", "", -0.25F, 0);
    made_floats(&m, "down", "", -INFINITY, 0);
    made_node(&m, "Clip", "x zero six", "a");
    made_node(&m, "Clip", "a low", "b");
    made_node(&m, "Clip", "b down six", "c");
    made_node(&m, "Clip", "c", "d"); /* opset 10 and before */
    made_float(&m, "min", -1);
    made_float(&m, "max", 1);
    end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "clip clip clip clip" TAIL);
    static const float limits[4][2] = {
        {0, 6}, {-0.25F, FLT_MAX}, {-FLT_MAX, 6}, {-1, 1}};
    for (int i = 0; i < 4; i++) {
        assert_true(attrs_of(out, i + 1)->low == limits[i][0]);
        assert_true(attrs_of(out, i + 1)->high == limits[i][1]);
    }
    nash_model_free(out);
}

static void a_batch_normalisation_keeps_its_attributes(void **state)
{
    (void)state;
    made m = made_new(7, 3, 5, 4);
    made_floats(&m, "g", "3", 1, 1);
    made_floats(&m, "b", "3", 2, 1);
    made_floats(&m, "m", "3", 3, 1);
    made_floats(&m, "v", "3", 4, 1);
    made_node(&m, "BatchNormalization", "x g b m v", "n u1 u2 u3 u4");
    made_float(&m, "epsilon", 1e-3F);
    made_float(&m, "momentum", 0.99F);
    made_int(&m, "spatial", 1);
    end(&m, "n");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "batch_norm" TAIL);
    assert_true(attrs_of(out, 1)->eps == 1e-3F);
    assert_true(attrs_of(out, 1)->momentum == 0.99F);
    for (int32_t slot = 0; slot < 4; slot++)
        assert_values(out, 1, slot, 3, 1 + (float)slot, 1);
    nash_model_free(out);
}

static void operators_that_do_nothing_leave_no_node(void **state)
{
    (void)state;
    made m = made_new(13, 3, 5, 4);
    made_floats(&m, "ratio", "", 0.5F, 0);
    made_ints64(&m, "none", "0 0 0 0 0 0 0 0");
    made_node(&m, "Identity", "x", "a");
    made_node(&m, "Dropout", "a ratio", "b mask");
    made_node(&m, "Cast", "b", "c");
    made_int(&m, "to", NI_DATA_FLOAT16);
    made_node(&m, "Transpose", "c", "d");
    made_ints(&m, "perm", "0 1 2 3");
    made_node(&m, "Pad", "d none", "e");
    made_node(&m, "Relu", "e", "f");
    end(&m, "f");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "relu" TAIL);
    nash_model_free(out);
}

static void a_softmax_is_appended_only_where_there_is_none(void **state)
{
    (void)state;
    static const char *const last[] = {"Identity", "Softmax", "LogSoftmax"};
    for (int i = 0; i < 6; i++) {
        made m = made_new(i < 3 ? 11 : 13, 3, 1, 1);
        made_node(&m, "Flatten", "x", "a");
        made_node(&m, last[i % 3], "a", "b");
        made_node(&m, "Identity", "b", "y");
        nash_model *out = made_finish(&m);
        assert_ops(out, "input softmax");
        nash_model_free(out);
    }
}

/* ---- shapes ------------------------------------------------------------- */

static void assert_flattened(made *m)
{
    nash_model *out = made_finish(m);
    assert_ops(out, "input flatten softmax");
    nash_model_free(out);
}

static void reshapes_to_two_dimensions_flatten(void **state)
{
    (void)state;
    static const char *const shapes[] = {"0 -1", "-1 60", "0 60", "1 -1"};
    for (size_t i = 0; i < 4; i++) {
        made m = made_new(13, 3, 5, 4);
        m.graph->input[0]->type->tensor_type->shape->dim[0]->value_case =
            ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        m.graph->input[0]->type->tensor_type->shape->dim[0]->dim_value = 1;
        made_ints64(&m, "s", shapes[i]);
        made_node(&m, "Reshape", "x s", "y");
        assert_flattened(&m);
    }
}

/* x.view(x.size(0), -1) in PyTorch. */
static void shapes_computed_in_the_graph_are_followed(void **state)
{
    (void)state;
    made m = made_new(11, 3, 5, 4);
    made_ints64(&m, "zero", "=0");
    made_ints64(&m, "open", "-1");
    made_node(&m, "Shape", "x", "shape");
    made_node(&m, "Gather", "shape zero", "n");
    made_node(&m, "Unsqueeze", "n", "n1");
    made_ints(&m, "axes", "0");
    made_node(&m, "Concat", "n1 open", "target");
    made_int(&m, "axis", 0);
    made_node(&m, "Reshape", "x target", "y");
    assert_flattened(&m);
}

/* x.view(x.size(0), x.size(1) * x.size(2) * x.size(3)) */
static void sizes_are_multiplied(void **state)
{
    (void)state;
    made m = made_new(13, 3, 5, 4);
    made_ints64(&m, "from", "1");
    made_ints64(&m, "to", "4");
    made_ints64(&m, "i0", "=0");
    made_ints64(&m, "i1", "=1");
    made_ints64(&m, "i2", "=2");
    made_ints64(&m, "axes", "0");
    made_node(&m, "Shape", "x", "shape");
    made_node(&m, "Slice", "shape from to", "chw");
    made_node(&m, "Gather", "chw i0", "c");
    made_node(&m, "Gather", "chw i1", "h");
    made_node(&m, "Gather", "chw i2", "w");
    made_node(&m, "Mul", "c h", "ch");
    made_node(&m, "Mul", "ch w", "all");
    made_node(&m, "Unsqueeze", "all axes", "all1");
    made_node(&m, "Shape", "x", "first");
    made_int(&m, "end", 1);
    made_node(&m, "Concat", "first all1", "target");
    made_int(&m, "axis", 0);
    made_node(&m, "Reshape", "x target", "y");
    assert_flattened(&m);
}

/* The way PyTorch writes F.pad(x, (1, 2, 3, 4)). */
static void pads_computed_in_the_graph_are_followed(void **state)
{
    (void)state;
    made m = made_new(13, 1, 7, 6);
    made_ints64(&m, "given", "1 2 3 4");
    made_ints64(&m, "four", "4");
    made_ints64(&m, "pairs", "-1 2");
    made_ints64(&m, "flat", "-1");
    made_ints64(&m, "zero", "0");
    made_ints64(&m, "minus", "-1");
    made_ints64(&m, "begin", "-9223372036854775807");
    made_floats(&m, "w", "2 1 3 3", 1, 1);
    made_node(&m, "ConstantOfShape", "four", "rest");
    ni_pb_tensor *value = made_dims(&m, NI_DATA_INT64, "1");
    int64_t none = 0;
    value->int64_data = &none;
    value->n_int64_data = 1;
    made_tensor(&m, "value", value);
    made_node(&m, "Concat", "given rest", "eight");
    made_int(&m, "axis", 0);
    made_node(&m, "Reshape", "eight pairs", "rows");
    made_node(&m, "Slice", "rows minus begin zero minus", "turned");
    made_node(&m, "Transpose", "turned", "columns");
    made_ints(&m, "perm", "1 0");
    made_node(&m, "Reshape", "columns flat", "pads");
    made_node(&m, "Cast", "pads", "pads64");
    made_int(&m, "to", NI_DATA_INT64);
    made_node(&m, "Pad", "x pads64", "p");
    made_node(&m, "Conv", "p w", "c");
    end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "conv" TAIL);
    assert_pads(out, 1, 3, 1, 4, 2);
    nash_model_free(out);
}

static void changes_of_rank_leave_no_node(void **state)
{
    (void)state;
    made m = made_new(13, 3, 1, 1);
    made_ints64(&m, "axes", "2 3");
    made_ints64(&m, "four", "0 0 1 1");
    made_node(&m, "Squeeze", "x axes", "a");
    made_node(&m, "Unsqueeze", "a axes", "b");
    made_node(&m, "Flatten", "b", "c");
    made_node(&m, "Reshape", "c four", "d");
    made_node(&m, "Squeeze", "d axes", "y");
    nash_model *out = made_finish(&m);
    assert_ops(out, "input softmax");
    nash_model_free(out);
}

/* ---- fully connected ---------------------------------------------------- */

static void gemm_is_read_in_all_its_forms(void **state)
{
    (void)state;
    made m = made_new(13, 3, 1, 1);
    made_floats(&m, "w", "3 2", 1, 1);
    made_floats(&m, "v", "2 2", 1, 1);
    made_floats(&m, "b", "", 3, 0);
    made_floats(&m, "row", "1 2", 1, 1);
    made_node(&m, "Flatten", "x", "f");
    made_node(&m, "Gemm", "f w b", "a");
    made_float(&m, "alpha", 0.5F);
    made_float(&m, "beta", 2);
    made_node(&m, "Gemm", "a v row", "c");
    made_int(&m, "transB", 1);
    made_node(&m, "Gemm", "c v row", "d");
    made_float(&m, "beta", 0);
    made_int(&m, "transB", 1);
    made_node(&m, "Gemm", "d v", "y");
    made_int(&m, "transB", 1);
    nash_model *out = made_finish(&m);
    assert_ops(out, "input fc fc fc fc softmax");
    /* w is [in, out]: 1 3 5 | 2 4 6, halved */
    const float *w = nash_model_tensor(out, 1, NASH_SLOT_WEIGHT)->data;
    assert_true(w[0] == 0.5F && w[1] == 1.5F && w[3] == 1 && w[5] == 3);
    assert_values(out, 1, NASH_SLOT_BIAS, 2, 6, 0);
    assert_values(out, 2, NASH_SLOT_WEIGHT, 4, 1, 1);
    assert_values(out, 2, NASH_SLOT_BIAS, 2, 1, 1);
    assert_null(nash_model_tensor(out, 3, NASH_SLOT_BIAS));
    assert_null(nash_model_tensor(out, 4, NASH_SLOT_BIAS));
    nash_model_free(out);
}

static void a_product_and_a_sum_are_fully_connected(void **state)
{
    (void)state;
    made m = made_new(13, 2, 1, 1);
    made_floats(&m, "turned", "2 2", 1, 1);
    made_floats(&m, "b", "2", 5, 1);
    made_node(&m, "Flatten", "x", "f");
    made_node(&m, "Transpose", "turned", "w");
    made_node(&m, "MatMul", "f w", "p");
    made_node(&m, "Add", "b p", "y");
    nash_model *out = made_finish(&m);
    assert_ops(out, "input fc softmax");
    assert_values(out, 1, NASH_SLOT_WEIGHT, 4, 1, 1);
    assert_values(out, 1, NASH_SLOT_BIAS, 2, 5, 1);
    nash_model_free(out);
}

static void a_sum_behind_a_convolution_is_its_bias(void **state)
{
    (void)state;
    made m = made_new(13, 2, 3, 3);
    made_floats(&m, "w", "2 2 1 1", 1, 1);
    made_floats(&m, "b", "1 2 1 1", 5, 1);
    made_node(&m, "Conv", "x w", "c");
    made_node(&m, "Identity", "c", "i");
    made_node(&m, "Add", "i b", "d");
    end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "conv" TAIL);
    assert_values(out, 1, NASH_SLOT_BIAS, 2, 5, 1);
    nash_model_free(out);
}

static void a_layer_that_others_read_takes_no_bias(void **state)
{
    (void)state;
    made m = made_new(13, 2, 3, 3);
    made_floats(&m, "w", "2 2 1 1", 1, 1);
    made_floats(&m, "b", "2 1 1", 5, 1);
    made_node(&m, "Conv", "x w", "c");
    made_node(&m, "Identity", "c", "i");
    made_node(&m, "Add", "i b", "d");
    made_node(&m, "Add", "d c", "e");
    end(&m, "e");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "conv conv add" TAIL);
    assert_null(nash_model_tensor(out, 1, NASH_SLOT_BIAS));
    assert_int_equal(attrs_of(out, 2)->groups, 2);
    assert_values(out, 2, NASH_SLOT_WEIGHT, 2, 1, 0);
    assert_values(out, 2, NASH_SLOT_BIAS, 2, 5, 1);
    nash_model_free(out);
}

/* ---- constants ---------------------------------------------------------- */

static void bias_of(made *m, ni_pb_tensor *bias)
{
    made_floats(m, "w", "3 3 1 1", 0, 0);
    made_initializer(m, "b", bias);
    made_node(m, "Conv", "x w b", "c");
    end(m, "c");
}

static void assert_bias(made *m)
{
    nash_model *out = made_finish(m);
    assert_values(out, 1, NASH_SLOT_BIAS, 3, -1.5F, 1);
    nash_model_free(out);
}

static void every_float_type_is_read(void **state)
{
    (void)state;
    float singles[3] = {-1.5F, -0.5F, 0.5F};
    double doubles[3] = {-1.5, -0.5, 0.5};
    uint16_t halves[3] = {0xBE00, 0xB800, 0x3800};
    uint16_t brains[3] = {0xBFC0, 0xBF00, 0x3F00};
    const struct {
        int32_t type;
        void *data;
        size_t size_bytes;
    } raw[4] = {{NI_DATA_FLOAT, singles, sizeof singles},
                {NI_DATA_DOUBLE, doubles, sizeof doubles},
                {NI_DATA_FLOAT16, halves, sizeof halves},
                {NI_DATA_BFLOAT16, brains, sizeof brains}};
    for (int i = 0; i < 4; i++) {
        made m = made_new(13, 3, 2, 2);
        ni_pb_tensor *t = made_dims(&m, raw[i].type, "3");
        t->has_raw_data = 1;
        t->raw_data.data = raw[i].data;
        t->raw_data.len = raw[i].size_bytes;
        bias_of(&m, t);
        assert_bias(&m);
    }
    for (int i = 0; i < 4; i++) {
        made m = made_new(13, 3, 2, 2);
        ni_pb_tensor *t = made_dims(&m, raw[i].type, "3");
        int32_t wide[3];
        for (int k = 0; k < 3; k++)
            wide[k] = i == 2 ? halves[k] : brains[k];
        t->float_data = singles;
        t->double_data = doubles;
        t->int32_data = wide;
        t->n_float_data = i == 0 ? 3 : 0;
        t->n_double_data = i == 1 ? 3 : 0;
        t->n_int32_data = i >= 2 ? 3 : 0;
        bias_of(&m, t);
        assert_bias(&m);
    }
}

static void halves_are_exact(void **state)
{
    (void)state;
    uint16_t halves[6] = {0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFC00, 0x8000};
    const float expected[6] = {0x1p-24F, -1023 * 0x1p-24F, 0x1p-14F,
                               65504.0F, -INFINITY,        -0.0F};
    made m = made_new(13, 6, 2, 2);
    ni_pb_tensor *t = made_dims(&m, NI_DATA_FLOAT16, "6");
    t->has_raw_data = 1;
    t->raw_data.data = (uint8_t *)halves;
    t->raw_data.len = sizeof halves;
    made_floats(&m, "w", "6 6 1 1", 0, 0);
    made_initializer(&m, "b", t);
    made_node(&m, "Conv", "x w b", "c");
    end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_memory_equal(nash_model_tensor(out, 1, NASH_SLOT_BIAS)->data,
                        expected, sizeof expected);
    nash_model_free(out);
}

static void constants_may_be_operators(void **state)
{
    (void)state;
    float values[3] = {-1.5F, -0.5F, 0.5F};
    made m = made_new(13, 3, 2, 2);
    made_floats(&m, "w", "3 3 1 1", 0, 0);
    made_node(&m, "Constant", "", "b");
    ni_pb_tensor *t = made_dims(&m, NI_DATA_FLOAT, "3");
    t->float_data = values;
    t->n_float_data = 3;
    made_tensor(&m, "value", t);
    made_node(&m, "Identity", "b", "b2");
    made_node(&m, "Conv", "x w b2", "c");
    end(&m, "c");
    assert_bias(&m);
}

/* ---- arithmetic --------------------------------------------------------- */

static void joins_are_read(void **state)
{
    (void)state;
    made m = made_new(13, 3, 2, 2);
    made_node(&m, "Concat", "x x", "a");
    made_int(&m, "axis", -3);
    made_node(&m, "Sum", "a a a", "b");
    made_node(&m, "Add", "b a", "c");
    made_node(&m, "Sum", "c", "d");
    end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "concat add add add" TAIL);
    nash_model_free(out);
}

static void a_gate_is_recognised_in_any_order(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        made m = made_new(13, 3, 2, 2);
        made_floats(&m, "one", "1", 1, 0);
        made_floats(&m, "k", "1", 0.3F, 0);
        made_node(&m, "Relu", "x", "f");
        made_node(&m, "Sub", "one k", "rest");
        made_node(&m, "Mul", i & 1 ? "f k" : "k f", "kf");
        made_node(&m, "Mul", i & 2 ? "x rest" : "rest x", "kh");
        made_node(&m, "Add", i & 4 ? "kh kf" : "kf kh", "s");
        end(&m, "s");
        nash_model *out = made_finish(&m);
        assert_ops(out, HEAD "relu gate" TAIL);
        assert_values(out, 2, NASH_SLOT_LAMBDA, 1, 0.3F, 0);
        assert_int_equal(nash_graph_input(nash_model_graph(out), 2, 0), 1);
        assert_int_equal(nash_graph_input(nash_model_graph(out), 2, 1), 0);
        nash_model_free(out);
    }
}

static void
a_sum_of_scaled_tensors_is_a_gate_only_if_the_scales_add_to_one(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        made m = made_new(13, 3, 2, 2);
        made_floats(&m, "a", "", 0.25F, 0);
        made_floats(&m, "b", "", i ? 0.75F : 0.5F, 0);
        made_node(&m, "Relu", "x", "f");
        made_node(&m, "Mul", "f a", "fa");
        made_node(&m, "Mul", "x b", "xb");
        made_node(&m, "Add", "fa xb", "s");
        end(&m, "s");
        nash_model *out = made_finish(&m);
        assert_ops(out, i ? HEAD "relu gate" TAIL
                          : HEAD "relu conv normalize add" TAIL);
        nash_model_free(out);
    }
}

static void scaling_the_image_is_its_normalisation(void **state)
{
    (void)state;
    made m = made_new(13, 3, 2, 2);
    made_floats(&m, "byte", "", 255, 0);
    made_floats(&m, "mean", "3 1 1", 0.4F, 0.1F);
    made_floats(&m, "std", "1 3 1 1", 0.2F, 0.1F);
    made_node(&m, "Div", "x byte", "a");
    made_node(&m, "Sub", "a mean", "b");
    made_node(&m, "Div", "b std", "c");
    end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "normalize" TAIL);
    const float *mean = nash_model_tensor(out, 1, NASH_SLOT_CENTER)->data;
    const float *std = nash_model_tensor(out, 1, NASH_SLOT_SCALE)->data;
    for (int c = 0; c < 3; c++) {
        assert_true(fabsf(mean[c] - 255 * (0.4F + 0.1F * (float)c)) < 1e-4F);
        assert_true(fabsf(std[c] - 255 * (0.2F + 0.1F * (float)c)) < 1e-4F);
    }
    nash_model_free(out);
}

static void networks_without_normalisation_get_none(void **state)
{
    (void)state;
    made m = made_new(13, 3, 2, 2);
    end(&m, "x");
    nash_model *out = made_finish(&m);
    assert_ops(out, "input global_pool softmax");
    nash_model_free(out);
}

static void arithmetic_within_a_network_is_a_depthwise_convolution(void **state)
{
    (void)state;
    made m = made_new(13, 2, 2, 2);
    made_floats(&m, "k", "1 2 1 1", 2, 2);
    made_floats(&m, "one", "", 1, 0);
    made_node(&m, "Relu", "x", "a");
    made_node(&m, "Mul", "a k", "b");   /* 2a, 4a */
    made_node(&m, "Sub", "one b", "c"); /* 1 - 2a, 1 - 4a */
    made_node(&m, "Add", "c k", "d");   /* 3 - 2a, 5 - 4a */
    made_node(&m, "Relu", "d", "e");
    end(&m, "e");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "relu conv relu" TAIL);
    assert_values(out, 2, NASH_SLOT_WEIGHT, 2, -2, -2);
    assert_values(out, 2, NASH_SLOT_BIAS, 2, 3, 2);
    nash_model_free(out);
}

static void a_long_chain_of_arithmetic_is_read(void **state)
{
    (void)state;
    made m = made_new(13, 2, 2, 2);
    made_floats(&m, "one", "", 1, 0);
    char from[16] = "x", to[16];
    for (int i = 0; i < 50; i++) {
        snprintf(to, sizeof to, "v%d", i);
        char inputs[40];
        snprintf(inputs, sizeof inputs, "%s one", from);
        made_node(&m, "Sub", inputs, to);
        strcpy(from, to);
    }
    end(&m, from);
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "normalize conv" TAIL);
    assert_values(out, 1, NASH_SLOT_CENTER, 2, 32, 0);
    assert_values(out, 2, NASH_SLOT_BIAS, 2, -18, 0);
    nash_model_free(out);
}

/* ---- what does not matter ----------------------------------------------- */

static void what_the_output_does_not_need_is_not_read(void **state)
{
    (void)state;
    made m = made_new(13, 3, 2, 2);
    made_node(&m, "Sigmoid", "x", "unused");
    made_node(&m, "Relu", "x", "a");
    end(&m, "a");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "relu" TAIL);
    nash_model_free(out);
}

static void names_like_ours_mean_nothing_in_foreign_files(void **state)
{
    (void)state;
    made m = made_new(13, 3, 1, 1);
    char name[] = "relu_77", flat[] = "flatten_9";
    made_node(&m, "Relu", "x", "a")->name = name;
    made_node(&m, "Flatten", "a", "y")->name = flat;
    nash_model *out = made_finish(&m);
    assert_ops(out, "input relu softmax");
    assert_int_equal(nash_graph_find(nash_model_graph(out), 77), -1);
    nash_model_free(out);
}

static void initializers_may_stand_among_the_inputs(void **state)
{
    (void)state;
    made m = made_new(8, 3, 2, 2);
    char name[] = "w";
    ni_pb_value_info also = ONNX__VALUE_INFO_PROTO__INIT;
    also.name = name;
    m.graph->input[m.graph->n_input++] = &also;
    made_floats(&m, "w", "2 3 1 1", 1, 1);
    made_node(&m, "Conv", "x w", "c");
    end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, HEAD "conv" TAIL);
    nash_model_free(out);
}

/* ---- refusals ----------------------------------------------------------- */

static void assert_refused(made *m, nash_status expected, const char *words)
{
    nash_model *out = NULL;
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = made_read(&out, m);
    const char *said = nash_error_message();
    assert_null(out);
    assert_int_equal(ni_memory_live_blocks(), blocks);
    if (status != expected || strncmp(said, "made.onnx", 9) != 0 ||
        !strstr(said, words))
        fail_msg("status %d: %s; expected %d: ...%s...", (int)status, said,
                 (int)expected, words);
    made_free(m);
}

/* A network with one operator over x (and "w", "b", "k", "i") that is refused
 * by its name "bad" and the words. */
static void assert_bad(int64_t opset, const char *type, const char *inputs,
                       const char *attribute, const char *value,
                       const char *words)
{
    char name[] = "bad", expected[256];
    made m = made_new(opset, 3, 6, 6);
    made_floats(&m, "w", "4 3 3 3", 1, 1);
    made_floats(&m, "b", "4", 1, 1);
    made_floats(&m, "k", "3 1 1", 1, 1);
    made_floats(&m, "plane", "6 6", 1, 1);
    made_floats(&m, "six", "", 6, 0);
    made_floats(&m, "zero", "", 0, 0);
    made_floats(&m, "nan", "", NAN, 0);
    made_ints64(&m, "i", "0 0 1 1 0 0 1 1");
    made_ints64(&m, "shape", "0 3 36");
    made_ints64(&m, "mix", "0 6 3 6");
    made_ints64(&m, "few", "0 -1 7");
    made_node(&m, "Sigmoid", "x", "unused");
    made_node(&m, type, inputs, "z")->name = name;
    if (attribute && strchr("0123456789-", *value))
        made_ints(&m, attribute, value);
    else if (attribute && *value == '=')
        made_int(&m, attribute, strtoll(value + 1, NULL, 10));
    else if (attribute)
        made_text(&m, attribute, value);
    end(&m, "z");
    snprintf(expected, sizeof expected, "node \"bad\" (%s): %s", type, words);
    assert_refused(&m, NASH_EUNSUPPORTED, expected);
}

static void operators_that_do_not_fit_are_refused_by_name(void **state)
{
    (void)state;
    assert_bad(13, "Sigmoid", "x", NULL, NULL, "no operation of ours");
    assert_bad(13, "HardSwish", "x", NULL, NULL, "no operation of ours");
    assert_bad(13, "Clip", "x six", NULL, NULL,
               "clip_1 has limits 6 .. 3.40282e+38, expected finite ones with "
               "0 between them");
    assert_bad(13, "Clip", "x zero zero", NULL, NULL, "clip_1 has limits 0");
    assert_bad(13, "Clip", "x zero nan", NULL, NULL, "clip_1 has limits 0");
    assert_bad(13, "Conv", "x w", "strides", "2", "strides has 1 sizes");
    assert_bad(13, "Conv", "x w", "pads", "-1 0 0 0",
               "pads is -1, expected 0 to");
    assert_bad(13, "Conv", "x w", "group", "=2",
               "its weight reads 3 channels in 2 groups, its input has 3");
    assert_bad(13, "Conv", "x w", "group", "=0", "group is 0");
    assert_bad(13, "Conv", "x w", "dilations", "4 4", "conv_1 has a window");
    assert_bad(13, "Conv", "x x", NULL, NULL, "input \"x\" is computed");
    assert_bad(13, "Conv", "x k", NULL, NULL,
               "input \"k\" has 3 dimensions, expected 4");
    assert_bad(13, "Conv", "x i", NULL, NULL, "input \"i\" is of another type");
    assert_bad(13, "Conv", "x w b k", NULL, NULL, "it has 4 inputs");
    assert_bad(13, "Conv", "x w", "activation", "=1",
               "attribute \"activation\" is none of those known");
    assert_bad(9, "BatchNormalization", "x b b b b", "spatial", "=0",
               "spatial is 0");
    assert_bad(14, "BatchNormalization", "x b b b b", "training_mode", "=1",
               "training_mode is on");
    assert_bad(13, "Mul", "x x", NULL, NULL, "it combines two tensors");
    assert_bad(13, "Mul", "x plane", NULL, NULL,
               "its constant of 36 values is not one per channel");
    assert_bad(13, "Div", "k x", NULL, NULL, "it divides a constant");
    assert_bad(13, "Add", "x i", NULL, NULL, "its constant of 8 values");
    assert_bad(13, "Concat", "x x", "axis", "=2", "its axis is 2");
    assert_bad(13, "Concat", "x k", "axis", "=1", "input \"k\" is a constant");
    assert_bad(13, "Reshape", "x shape", NULL, NULL,
               "it gives a tensor of 3 dimensions");
    assert_bad(13, "Reshape", "x mix", NULL, NULL,
               "it gives 6 x 3 x 6 instead of 3 x 6 x 6");
    assert_bad(13, "Transpose", "x", "perm", "0 2 3 1", "it exchanges axes");
    assert_bad(13, "Pad", "x i", "mode", "reflect", "its mode is another");
    assert_bad(13, "ReduceMean", "x", "axes", "1 2",
               "it takes the mean over other axes");
    assert_bad(13, "Squeeze", "x", "axes", "2 3", "it removes other axes");
    assert_bad(13, "MatMul", "x plane", NULL, NULL,
               "input \"x\" has 4 dimensions, expected 2");
    assert_bad(13, "Softmax", "x", "axis", "=-1", "its axis is -1");
    assert_bad(13, "Cast", "x", "to", "=7", "it casts to type 7");
    assert_bad(13, "Relu", "k", NULL, NULL, "it reads only constants");
    assert_bad(13, "Gather", "x i", NULL, NULL,
               "it reads what the network computes");
}

static made with_pool_behind_pad(const char *pool, float fill)
{
    made m = made_new(13, 3, 6, 6);
    made_ints64(&m, "pads", "0 0 1 1 0 0 1 1");
    made_floats(&m, "fill", "", fill, 0);
    made_node(&m, "Pad", "x pads fill", "p");
    made_node(&m, pool, "p", "z");
    if (strcmp(pool, "Relu") == 0)
        return m;
    made_ints(&m, "kernel_shape", "3 3");
    made_ints(&m, "pads", "0 0 1 1");
    return m;
}

static void padding_that_means_something_else_is_refused(void **state)
{
    (void)state;
    made max = with_pool_behind_pad("MaxPool", 0);
    made average = with_pool_behind_pad("AveragePool", 0);
    made relu = with_pool_behind_pad("Relu", 0);
    end(&max, "z");
    end(&average, "z");
    end(&relu, "z");
    assert_refused(&max, NASH_EUNSUPPORTED,
                   "node giving \"z\" (MaxPool): the Pad in front of it fills "
                   "with 0, which can be the largest value");
    assert_refused(&average, NASH_EUNSUPPORTED,
                   "its own padding cannot be one");
    assert_refused(&relu, NASH_EUNSUPPORTED, "input \"p\" is padded");
}

static void an_average_pool_with_dilation_is_refused(void **state)
{
    (void)state;
    made m = made_new(19, 3, 6, 6);
    made_node(&m, "AveragePool", "x", "z");
    made_ints(&m, "kernel_shape", "2 2");
    made_ints(&m, "dilations", "2 1");
    end(&m, "z");
    assert_refused(&m, NASH_EUNSUPPORTED, "it has dilation 2 x 1");
}

static void outputs_beside_the_first_are_refused_if_used(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_node(&m, "MaxPool", "x", "z where");
    made_ints(&m, "kernel_shape", "2 2");
    made_node(&m, "Cast", "where", "v");
    made_int(&m, "to", NI_DATA_FLOAT);
    made_node(&m, "Add", "z v", "sum");
    end(&m, "sum");
    assert_refused(&m, NASH_EUNSUPPORTED, "its output \"where\" is used");
}

static void a_softmax_inside_is_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 1, 1);
    made_node(&m, "Flatten", "x", "f");
    made_node(&m, "Softmax", "f", "s");
    made_node(&m, "Relu", "s", "y");
    assert_refused(&m, NASH_EUNSUPPORTED,
                   "(Relu): it reads the softmax, which is expected to come "
                   "last");
}

static void images_as_output_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "x", "y");
    assert_refused(&m, NASH_EUNSUPPORTED,
                   "the output: it is 3 x 6 x 6 for an image");
    m = made_new(13, 3, 6, 6);
    made_floats(&m, "y", "1 3", 0, 0);
    assert_refused(&m, NASH_EUNSUPPORTED, "it is not computed from the image");
}

static void files_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "nothing", "y");
    assert_refused(&m, NASH_EFORMAT,
                   "node giving \"y\" (Relu): nothing gives its input "
                   "\"nothing\"");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "later", "y");
    made_node(&m, "Relu", "x", "later");
    assert_refused(&m, NASH_EFORMAT,
                   "nothing before it gives its input \"later\"");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "y", "y");
    assert_refused(&m, NASH_EFORMAT, "nothing before it gives");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "MaxPool", "x", "p");
    end(&m, "p");
    assert_refused(&m, NASH_EFORMAT, "(MaxPool): it has no kernel_shape");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "x", "y");
    made_node(&m, "Relu", "x", "y");
    assert_refused(&m, NASH_EFORMAT, "the value \"y\" is given twice");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "x", "z");
    assert_refused(&m, NASH_EFORMAT, "no operator gives the output \"y\"");
    m = made_new(13, 3, 6, 6);
    made_floats(&m, "w", "2 3 2 2", 0, 0);
    made_node(&m, "Conv", "x w", "c");
    made_ints(&m, "kernel_shape", "3 3");
    end(&m, "c");
    assert_refused(&m, NASH_EFORMAT, "kernel_shape is 3 x 3, its weight 2 x 2");
    m = made_new(13, 3, 6, 6);
    made_floats(&m, "two", "2", 0, 0);
    made_node(&m, "BatchNormalization", "x two two two two", "n");
    end(&m, "n");
    assert_refused(&m, NASH_EFORMAT,
                   "input 2 has 2 values, its channels are 3");
}

static void headers_that_are_not_read_are_refused(void **state)
{
    (void)state;
    made m = made_new(6, 3, 6, 6);
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "has ONNX opset 6, expected 7 to 20");
    m = made_new(21, 3, 6, 6);
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "opset 21");
    m = made_new(13, 3, 6, 6);
    m.file.n_opset_import = 0;
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "opset 0");
    m = made_new(13, 3, 6, 6);
    m.file.graph = NULL;
    assert_refused(&m, NASH_EFORMAT, "holds no ONNX graph");
    m = made_new(13, 3, 6, 6);
    char domain[] = "com.example";
    made_node(&m, "Relu", "x", "z")->domain = domain;
    end(&m, "z");
    assert_refused(&m, NASH_EUNSUPPORTED, "of domain com.example");
}

static void inputs_that_are_no_image_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    m.graph->input[0]->type->tensor_type->shape->dim[2]->value_case =
        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET;
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "the input's height is left open");
    m = made_new(13, 3, 0, 6);
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "the input's height is 0");
    m = made_new(13, 3, 6, 6);
    m.graph->input[0]->type->tensor_type->shape->n_dim = 2;
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "has 2 dimensions");
    m = made_new(13, 3, 6, 6);
    m.graph->input[0]->type->tensor_type->elem_type = NI_DATA_INT64;
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "has data type 7");
    m = made_new(13, 3, 6, 6);
    m.graph->n_input = 0;
    end(&m, "x");
    assert_refused(&m, NASH_EFORMAT, "it has no input");
    m = made_new(13, 3, 6, 6);
    m.graph->n_output = 0;
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "it has 0 outputs");
    m = made_new(13, 3, 6, 6);
    char name[] = "u";
    ni_pb_value_info second = ONNX__VALUE_INFO_PROTO__INIT;
    second.name = name;
    m.graph->input[m.graph->n_input++] = &second;
    end(&m, "x");
    assert_refused(&m, NASH_EUNSUPPORTED, "it has inputs \"x\" and \"u\"");
}

/* A convolution whose weight is changed by hand. */
static made with_weight(ni_pb_tensor **weight)
{
    made m = made_new(13, 3, 6, 6);
    *weight = made_floats(&m, "w", "2 3 1 1", 1, 1);
    made_node(&m, "Conv", "x w", "c");
    end(&m, "c");
    return m;
}

static void tensors_that_do_not_hold_what_they_say_are_refused(void **state)
{
    (void)state;
    ni_pb_tensor *w;
    made m = with_weight(&w);
    w->has_data_location = 1;
    w->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    assert_refused(&m, NASH_EUNSUPPORTED,
                   "node giving \"c\" (Conv): the tensor's data lie in another "
                   "file");
    m = with_weight(&w);
    w->raw_data.len -= 4;
    assert_refused(&m, NASH_EFORMAT,
                   "the tensor has 5 values, its dimensions say 6");
    m = with_weight(&w);
    w->raw_data.len -= 1;
    assert_refused(&m, NASH_EFORMAT, "its dimensions say 6");
    m = with_weight(&w);
    w->dims[0] = INT64_MAX;
    w->dims[1] = INT64_MAX;
    assert_refused(&m, NASH_EFORMAT, "the tensor's dimensions overflow");
    m = with_weight(&w);
    w->dims[0] = -2;
    assert_refused(&m, NASH_EFORMAT, "a dimension of -2");
    m = with_weight(&w);
    w->dims[0] = 0;
    assert_refused(&m, NASH_EFORMAT, "its dimensions say 0");
    m = with_weight(&w);
    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
    assert_refused(&m, NASH_EUNSUPPORTED, "the tensor has data type 8");
    m = with_weight(&w);
    w->n_dims = 9;
    assert_refused(&m, NASH_EUNSUPPORTED, "the tensor has 9 dimensions");
}

/* Empty, but with an inner size that no integer holds. */
static void empty_constants_of_vast_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const readers[] = {"Gather", "Transpose", "Concat"};
    for (size_t i = 0; i < 3; i++) {
        made m = made_new(13, 3, 6, 6);
        made_ints64(&m, "vast", "0 1099511627776 1099511627776");
        made_ints64(&m, "i", "0");
        made_node(&m, "ConstantOfShape", "vast", "v");
        made_node(&m, readers[i], i ? "v" : "v i", "w");
        if (i == 2)
            made_int(&m, "axis", 0);
        made_node(&m, "Conv", "x w", "c");
        end(&m, "c");
        assert_refused(&m, NASH_EUNSUPPORTED,
                       "(ConstantOfShape): it gives a constant with a size of");
    }
}

static void vast_images_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 1 << 20, 1 << 20, 1 << 20);
    end(&m, "x");
    assert_refused(&m, NASH_ELIMIT, "the input: input_0 has an output of");
}

static void a_bias_of_another_size_is_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_floats(&m, "w", "2 3 1 1", 1, 1);
    made_floats(&m, "b", "3", 1, 1);
    made_node(&m, "Conv", "x w b", "c");
    end(&m, "c");
    assert_refused(&m, NASH_EFORMAT,
                   "its bias has 3 values, its weight gives 2 channels");
}

static void computing_with_the_batch_size_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        made m = made_new(13, 3, 6, 6);
        made_ints64(&m, "two", "2");
        made_node(&m, "Shape", "x", "s");
        made_node(&m, i ? "Cast" : "Mul", i ? "s" : "s two", "t");
        if (i)
            made_int(&m, "to", NI_DATA_FLOAT);
        made_node(&m, "Reshape", "x t", "y");
        assert_refused(&m, NASH_EUNSUPPORTED,
                       "it computes with the batch size");
    }
}

/* A kilobyte of file may not ask for gigabytes. */
static void tensors_many_times_larger_than_the_file_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 1 << 20, 1, 1);
    made_floats(&m, "k", "", 2, 0);
    made_node(&m, "Relu", "x", "r");
    made_node(&m, "Mul", "r k", "a");
    made_node(&m, "Relu", "a", "b");
    made_node(&m, "Mul", "b k", "c");
    end(&m, "c");
    assert_refused(&m, NASH_ELIMIT, "many times larger than its file");
    m = made_new(13, 3, 6, 6);
    made_ints64(&m, "huge", "100000 1000");
    made_node(&m, "ConstantOfShape", "huge", "w");
    made_node(&m, "Conv", "x w", "c");
    end(&m, "c");
    assert_refused(&m, NASH_ELIMIT, "many times larger than its file");
    m = made_new(13, 3, 6, 6);
    made_ints64(&m, "huge", "8000000000000 8000000000000");
    made_node(&m, "ConstantOfShape", "huge", "w");
    made_node(&m, "Conv", "x w", "c");
    end(&m, "c");
    assert_refused(&m, NASH_EUNSUPPORTED, "a constant with a size of");
}

static void names_are_cut_and_made_printable(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    name[1] = '\033';
    made m = made_new(13, 3, 6, 6);
    made_node(&m, "Sigmoid", "x", "z")->name = name;
    end(&m, "z");
    assert_refused(&m, NASH_EUNSUPPORTED, "node \"n?nnnn");
    assert_null(strchr(nash_error_message(), '\033'));
    assert_true(strlen(nash_error_message()) < 200);
}

/* ---- memory ------------------------------------------------------------- */

static made everything(void)
{
    made m = made_new(13, 3, 6, 6);
    made_floats(&m, "k", "3 1 1", 1, 1);
    made_floats(&m, "w", "3 3 1 1", 1, 1);
    made_floats(&m, "v", "108 2", 1, 1);
    made_floats(&m, "b", "", 1, 0);
    made_ints64(&m, "zero", "=0");
    made_ints64(&m, "axes", "0");
    made_ints64(&m, "open", "-1");
    made_node(&m, "Mul", "x k", "a");
    made_node(&m, "Conv", "a w", "c");
    made_node(&m, "Add", "c k", "d");
    made_node(&m, "Relu", "d", "e");
    made_node(&m, "Mul", "e k", "f");
    made_node(&m, "Add", "f d", "g");
    made_node(&m, "Shape", "g", "shape");
    made_node(&m, "Gather", "shape zero", "n");
    made_node(&m, "Unsqueeze", "n axes", "n1");
    made_node(&m, "Concat", "n1 open", "target");
    made_int(&m, "axis", 0);
    made_node(&m, "Reshape", "g target", "h");
    made_node(&m, "Gemm", "h v b", "y");
    made_float(&m, "alpha", 0.5F);
    return m;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    made m = everything();
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    int64_t allowed = 0;
    for (; status != NASH_OK; allowed++) {
        nash_model *out = NULL;
        ni_memory_fail_after(allowed);
        status = made_read(&out, &m);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        nash_model_free(out);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_true(allowed > 100);
    nash_model *out = made_finish(&m);
    assert_ops(out, "input normalize conv relu conv add flatten fc softmax");
    nash_model_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_needs_no_kernel_shape),
        cmocka_unit_test(automatic_padding_is_computed),
        cmocka_unit_test(zero_padding_goes_into_the_convolution),
        cmocka_unit_test(pools_keep_their_attributes),
        cmocka_unit_test(padding_goes_into_a_pool_where_it_means_the_same),
        cmocka_unit_test(a_mean_over_height_and_width_is_a_global_pool),
        cmocka_unit_test(a_clip_at_zero_is_a_relu),
        cmocka_unit_test(a_clip_keeps_its_limits),
        cmocka_unit_test(a_batch_normalisation_keeps_its_attributes),
        cmocka_unit_test(operators_that_do_nothing_leave_no_node),
        cmocka_unit_test(a_softmax_is_appended_only_where_there_is_none),
        cmocka_unit_test(reshapes_to_two_dimensions_flatten),
        cmocka_unit_test(shapes_computed_in_the_graph_are_followed),
        cmocka_unit_test(sizes_are_multiplied),
        cmocka_unit_test(pads_computed_in_the_graph_are_followed),
        cmocka_unit_test(changes_of_rank_leave_no_node),
        cmocka_unit_test(gemm_is_read_in_all_its_forms),
        cmocka_unit_test(a_product_and_a_sum_are_fully_connected),
        cmocka_unit_test(a_sum_behind_a_convolution_is_its_bias),
        cmocka_unit_test(a_layer_that_others_read_takes_no_bias),
        cmocka_unit_test(every_float_type_is_read),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(constants_may_be_operators),
        cmocka_unit_test(joins_are_read),
        cmocka_unit_test(a_gate_is_recognised_in_any_order),
        cmocka_unit_test(
            a_sum_of_scaled_tensors_is_a_gate_only_if_the_scales_add_to_one),
        cmocka_unit_test(scaling_the_image_is_its_normalisation),
        cmocka_unit_test(networks_without_normalisation_get_none),
        cmocka_unit_test(
            arithmetic_within_a_network_is_a_depthwise_convolution),
        cmocka_unit_test(a_long_chain_of_arithmetic_is_read),
        cmocka_unit_test(what_the_output_does_not_need_is_not_read),
        cmocka_unit_test(names_like_ours_mean_nothing_in_foreign_files),
        cmocka_unit_test(initializers_may_stand_among_the_inputs),
        cmocka_unit_test(operators_that_do_not_fit_are_refused_by_name),
        cmocka_unit_test(padding_that_means_something_else_is_refused),
        cmocka_unit_test(an_average_pool_with_dilation_is_refused),
        cmocka_unit_test(outputs_beside_the_first_are_refused_if_used),
        cmocka_unit_test(a_softmax_inside_is_refused),
        cmocka_unit_test(images_as_output_are_refused),
        cmocka_unit_test(files_that_contradict_themselves_are_refused),
        cmocka_unit_test(headers_that_are_not_read_are_refused),
        cmocka_unit_test(inputs_that_are_no_image_are_refused),
        cmocka_unit_test(tensors_that_do_not_hold_what_they_say_are_refused),
        cmocka_unit_test(empty_constants_of_vast_sizes_are_refused),
        cmocka_unit_test(vast_images_are_refused),
        cmocka_unit_test(a_bias_of_another_size_is_refused),
        cmocka_unit_test(computing_with_the_batch_size_is_refused),
        cmocka_unit_test(tensors_many_times_larger_than_the_file_are_refused),
        cmocka_unit_test(names_are_cut_and_made_printable),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
