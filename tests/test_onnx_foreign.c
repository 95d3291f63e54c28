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

static void assert_pads(const nash_model *m, int32_t id, int32_t top,
                        int32_t left, int32_t bottom, int32_t right)
{
    const int32_t pads[4] = {top, left, bottom, right};
    assert_memory_equal(attrs_of(m, id)->pads, pads, sizeof pads);
}

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
    made_end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv" MADE_TAIL);
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
    made_end(&m, "c");
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
    made_floats(&m, "v", "3 2 1 1", 1, 1);
    made_node(&m, "Conv", "d v", "e");
    made_end(&m, "e");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv conv" MADE_TAIL);
    assert_pads(out, 1, 2, 3, 4, 5);
    assert_pads(out, 2, 0, 1, 0, 0);
    nash_model_free(out);
}

static void padding_may_name_its_axes(void **state)
{
    (void)state;
    made m = made_new(18, 1, 7, 6);
    made_floats(&m, "w", "2 1 3 3", 1, 1);
    made_ints64(&m, "pads", "2 1 4 3");
    made_ints64(&m, "axes", "-1 2");
    made_node(&m, "Pad", "x pads - axes", "p");
    made_node(&m, "Conv", "p w", "c");
    made_end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_pads(out, 1, 1, 2, 3, 4);
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
    made_end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "max_pool avg_pool max_pool" MADE_TAIL);
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
    made_end(&m, "g");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "max_pool avg_pool relu max_pool" MADE_TAIL);
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
    made_end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "relu relu relu" MADE_TAIL);
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
    made_end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "clip clip clip clip" MADE_TAIL);
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
    made_node(&m, "BatchNormalization", "x g b m v", "n - - - -");
    made_float(&m, "epsilon", 1e-3F);
    made_float(&m, "momentum", 0.99F);
    made_int(&m, "spatial", 1);
    made_end(&m, "n");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "batch_norm" MADE_TAIL);
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
    made_end(&m, "f");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "relu" MADE_TAIL);
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
    made_end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv" MADE_TAIL);
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

/* Whatever was read for the shape alone is left out, and the tensors of what
 * comes behind it stay with their nodes. */
static void
a_tensor_of_which_only_the_shape_is_read_leaves_no_node(void **state)
{
    (void)state;
    made m = made_new(13, 3, 5, 4);
    made_floats(&m, "w", "2 3 1 1", 1, 1);
    made_floats(&m, "v", "4 2 1 1", 2, 1);
    made_floats(&m, "k", "2 1 1", 3, 1);
    made_floats(&m, "l", "4 1 1", 4, 1);
    made_node(&m, "Conv", "x w", "a");
    made_node(&m, "Conv", "a v", "b");
    made_node(&m, "Mul", "a k", "c");
    made_node(&m, "Relu", "c", "d");
    made_node(&m, "Shape", "d", "shape");
    made_node(&m, "Reshape", "a shape", "e");
    made_node(&m, "Conv", "e v", "f");
    made_node(&m, "Mul", "f l", "g");
    made_node(&m, "Relu", "g", "h");
    made_end(&m, "h");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv conv conv relu" MADE_TAIL);
    assert_values(out, 1, NASH_SLOT_WEIGHT, 6, 1, 1);
    assert_values(out, 2, NASH_SLOT_WEIGHT, 8, 2, 1);
    assert_values(out, 3, NASH_SLOT_WEIGHT, 4, 4, 1);
    nash_model_free(out);
}

/* ---- what does not matter ----------------------------------------------- */

static void what_the_output_does_not_need_is_not_read(void **state)
{
    (void)state;
    made m = made_new(13, 3, 2, 2);
    made_node(&m, "Sigmoid", "x", "unused");
    made_node(&m, "Relu", "x", "a");
    made_end(&m, "a");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "relu" MADE_TAIL);
    nash_model_free(out);
}

/* A file of 1 MiB, and 40 of its weight. */
static void weights_may_be_shared_by_many_layers(void **state)
{
    (void)state;
    char from[16] = "x", to[16];
    made m = made_new(13, 512, 1, 1);
    made_floats(&m, "w", "512 512 1 1", 0, 0);
    for (int i = 0; i < 40; i++) {
        snprintf(to, sizeof to, "c%d", i);
        made_node(&m, "Conv", strcat(from, " w"), to);
        snprintf(from, sizeof from, "%s", to);
    }
    made_end(&m, to);
    nash_model_free(made_finish(&m));
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
    made_end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv" MADE_TAIL);
    nash_model_free(out);
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
    made_node(&m, "MaxPool", "g", "p"); /* read by nothing but a Shape */
    made_ints(&m, "kernel_shape", "1 1");
    made_node(&m, "Shape", "p", "shape");
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
        cmocka_unit_test(padding_may_name_its_axes),
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
        cmocka_unit_test(
            a_tensor_of_which_only_the_shape_is_read_leaves_no_node),
        cmocka_unit_test(what_the_output_does_not_need_is_not_read),
        cmocka_unit_test(weights_may_be_shared_by_many_layers),
        cmocka_unit_test(names_like_ours_mean_nothing_in_foreign_files),
        cmocka_unit_test(initializers_may_stand_among_the_inputs),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
