/* ONNX files that are refused, and by what sentence. */
#include "onnx_made.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    made_end(&m, "z");
    snprintf(expected, sizeof expected, "node \"bad\" (%s): %s", type, words);
    made_refuse(&m, NASH_EUNSUPPORTED, expected);
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
    assert_bad(13, "Conv", "x w b k", NULL, NULL,
               "it has 4 inputs, expected at most 3");
    assert_bad(13, "Concat", "", "axis", "=1",
               "it has 0 inputs, expected at least 1");
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
    made_end(&max, "z");
    made_end(&average, "z");
    made_end(&relu, "z");
    made_refuse(&max, NASH_EUNSUPPORTED,
                "node giving \"z\" (MaxPool): the Pad in front of it fills "
                "with 0, which can be the largest value");
    made_refuse(&average, NASH_EUNSUPPORTED, "its own padding cannot be one");
    made_refuse(&relu, NASH_EUNSUPPORTED, "input \"p\" is padded");
    made up = with_pool_behind_pad("MaxPool", -INFINITY);
    made_int(&up, "ceil_mode", 1);
    made_end(&up, "z");
    made_refuse(&up, NASH_EUNSUPPORTED, "its ceil_mode cannot be one");
}

/* onnxruntime then crops both sides, others the end. */
static void automatic_padding_below_nothing_is_refused(void **state)
{
    (void)state;
    static const char *const modes[] = {"SAME_UPPER", "SAME_LOWER"};
    for (int i = 0; i < 4; i++) {
        made m = made_new(13, 3, 6, 6);
        made_floats(&m, "w", "4 3 1 1", 1, 1);
        made_node(&m, "Conv", "x w", "z");
        made_text(&m, "auto_pad", modes[i % 2]);
        made_ints(&m, "strides", i < 2 ? "2 2" : "1 3");
        made_end(&m, "z");
        if (i < 2)
            nash_model_free(made_finish(&m));
        else
            made_refuse(&m, NASH_EUNSUPPORTED,
                        "auto_pad leaves out 2 pixels, and runtimes differ in "
                        "which");
    }
}

static void one_score_is_no_class(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_floats(&m, "w", "1 3 6 6", 1, 1);
    made_node(&m, "Conv", "x w", "z");
    made_end(&m, "z");
    made_refuse(&m, NASH_EUNSUPPORTED, "expected one per class, at least 2");
}

static void an_average_pool_with_dilation_is_refused(void **state)
{
    (void)state;
    made m = made_new(19, 3, 6, 6);
    made_node(&m, "AveragePool", "x", "z");
    made_ints(&m, "kernel_shape", "2 2");
    made_ints(&m, "dilations", "2 1");
    made_end(&m, "z");
    made_refuse(&m, NASH_EUNSUPPORTED, "it has dilation 2 x 1");
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
    made_end(&m, "sum");
    made_refuse(&m, NASH_EUNSUPPORTED, "its output \"where\" is used");
}

/* Before opset 14 nothing but its outputs says that it is one of training. */
static void a_batch_normalisation_of_training_is_refused(void **state)
{
    (void)state;
    static const char *const outputs[] = {"n mean", "n - - - saved"};
    for (int64_t opset = 7; opset <= 14; opset++) {
        made m = made_new(opset, 3, 6, 6);
        nash_model *out;
        made_floats(&m, "k", "3", 1, 1);
        made_node(&m, "BatchNormalization", "x k k k k", outputs[opset % 2]);
        made_end(&m, "n");
        if (opset < 14) {
            made_refuse(&m, NASH_EUNSUPPORTED,
                        "it gives the batch's statistics (training mode), "
                        "expected an inference graph");
            continue;
        }
        out = made_finish(&m);
        assert_ops(out, MADE_HEAD "batch_norm" MADE_TAIL);
        nash_model_free(out);
    }
}

static void a_softmax_inside_is_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 1, 1);
    made_node(&m, "Flatten", "x", "f");
    made_node(&m, "Softmax", "f", "s");
    made_node(&m, "Relu", "s", "y");
    made_refuse(&m, NASH_EUNSUPPORTED,
                "(Relu): it reads the softmax, which is expected to come "
                "last");
}

static void images_as_output_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "x", "y");
    made_refuse(&m, NASH_EUNSUPPORTED,
                "the output: it is 3 x 6 x 6 for an image");
    m = made_new(13, 3, 6, 6);
    made_floats(&m, "y", "1 3", 0, 0);
    made_refuse(&m, NASH_EUNSUPPORTED, "it is not computed from the image");
}

static void files_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "nothing", "y");
    made_refuse(&m, NASH_EFORMAT,
                "node giving \"y\" (Relu): nothing gives its input "
                "\"nothing\"");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "later", "y");
    made_node(&m, "Relu", "x", "later");
    made_refuse(&m, NASH_EFORMAT,
                "nothing before it gives its input \"later\"");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "y", "y");
    made_refuse(&m, NASH_EFORMAT, "nothing before it gives");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "MaxPool", "x", "p");
    made_end(&m, "p");
    made_refuse(&m, NASH_EFORMAT, "(MaxPool): it has no kernel_shape");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "x", "y");
    made_node(&m, "Relu", "x", "y");
    made_refuse(&m, NASH_EFORMAT, "the value \"y\" is given twice");
    m = made_new(13, 3, 6, 6);
    made_node(&m, "Relu", "x", "z");
    made_refuse(&m, NASH_EFORMAT, "no operator gives the output \"y\"");
    m = made_new(13, 3, 6, 6);
    made_floats(&m, "w", "2 3 2 2", 0, 0);
    made_node(&m, "Conv", "x w", "c");
    made_ints(&m, "kernel_shape", "3 3");
    made_end(&m, "c");
    made_refuse(&m, NASH_EFORMAT, "kernel_shape is 3 x 3, its weight 2 x 2");
    m = made_new(13, 3, 6, 6);
    made_floats(&m, "two", "2", 0, 0);
    made_node(&m, "BatchNormalization", "x two two two two", "n");
    made_end(&m, "n");
    made_refuse(&m, NASH_EFORMAT, "input 2 has 2 values, its channels are 3");
}

static void headers_that_are_not_read_are_refused(void **state)
{
    (void)state;
    made m = made_new(6, 3, 6, 6);
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "has ONNX opset 6, expected 7 to 20");
    m = made_new(21, 3, 6, 6);
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "opset 21");
    m = made_new(13, 3, 6, 6);
    m.file.n_opset_import = 0;
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "opset 0");
    m = made_new(13, 3, 6, 6);
    m.file.graph = NULL;
    made_refuse(&m, NASH_EFORMAT, "holds no ONNX graph");
    m = made_new(13, 3, 6, 6);
    char domain[] = "com.example";
    made_node(&m, "Relu", "x", "z")->domain = domain;
    made_end(&m, "z");
    made_refuse(&m, NASH_EUNSUPPORTED, "of domain com.example");
}

static void inputs_that_are_no_image_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    m.graph->input[0]->type->tensor_type->shape->dim[2]->value_case =
        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET;
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "the input's height is left open");
    m = made_new(13, 3, 0, 6);
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "the input's height is 0");
    m = made_new(13, 3, 6, 6);
    m.graph->input[0]->type->tensor_type->shape->n_dim = 2;
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "has 2 dimensions");
    m = made_new(13, 3, 6, 6);
    m.graph->input[0]->type->tensor_type->elem_type = NI_DATA_INT64;
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "has data type 7");
    m = made_new(13, 3, 6, 6);
    m.graph->n_input = 0;
    made_end(&m, "x");
    made_refuse(&m, NASH_EFORMAT, "it has no input");
    m = made_new(13, 3, 6, 6);
    m.graph->n_output = 0;
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "it has 0 outputs");
    m = made_new(13, 3, 6, 6);
    char name[] = "u";
    ni_pb_value_info second = ONNX__VALUE_INFO_PROTO__INIT;
    second.name = name;
    m.graph->input[m.graph->n_input++] = &second;
    made_end(&m, "x");
    made_refuse(&m, NASH_EUNSUPPORTED, "it has inputs \"x\" and \"u\"");
}

/* A convolution whose weight is changed by hand. */
static made with_weight(ni_pb_tensor **weight)
{
    made m = made_new(13, 3, 6, 6);
    *weight = made_floats(&m, "w", "2 3 1 1", 1, 1);
    made_node(&m, "Conv", "x w", "c");
    made_end(&m, "c");
    return m;
}

static void tensors_that_do_not_hold_what_they_say_are_refused(void **state)
{
    (void)state;
    ni_pb_tensor *w;
    made m = with_weight(&w);
    w->has_data_location = 1;
    w->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    made_refuse(&m, NASH_EUNSUPPORTED,
                "node giving \"c\" (Conv): the tensor's data lie in another "
                "file");
    m = with_weight(&w);
    w->raw_data.len -= 4;
    made_refuse(&m, NASH_EFORMAT,
                "the tensor has 5 values, its dimensions say 6");
    m = with_weight(&w);
    w->raw_data.len -= 1;
    made_refuse(&m, NASH_EFORMAT, "its dimensions say 6");
    m = with_weight(&w);
    w->dims[0] = INT64_MAX;
    w->dims[1] = INT64_MAX;
    made_refuse(&m, NASH_EFORMAT, "the tensor's dimensions overflow");
    m = with_weight(&w);
    w->dims[0] = -2;
    made_refuse(&m, NASH_EFORMAT, "a dimension of -2");
    m = with_weight(&w);
    w->dims[0] = 0;
    made_refuse(&m, NASH_EFORMAT, "its dimensions say 0");
    m = with_weight(&w);
    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
    made_refuse(&m, NASH_EUNSUPPORTED, "the tensor has data type 8");
    m = with_weight(&w);
    w->n_dims = 9;
    made_refuse(&m, NASH_EUNSUPPORTED, "the tensor has 9 dimensions");
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
        made_end(&m, "c");
        made_refuse(&m, NASH_EUNSUPPORTED,
                    "(ConstantOfShape): it gives a constant with a size of");
    }
}

static void vast_images_are_refused(void **state)
{
    (void)state;
    made m = made_new(13, 1 << 20, 1 << 20, 1 << 20);
    made_end(&m, "x");
    made_refuse(&m, NASH_ELIMIT, "the input: input_0 has an output of");
}

static void a_bias_of_another_size_is_refused(void **state)
{
    (void)state;
    made m = made_new(13, 3, 6, 6);
    made_floats(&m, "w", "2 3 1 1", 1, 1);
    made_floats(&m, "b", "3", 1, 1);
    made_node(&m, "Conv", "x w b", "c");
    made_end(&m, "c");
    made_refuse(&m, NASH_EFORMAT,
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
        made_refuse(&m, NASH_EUNSUPPORTED, "it computes with the batch size");
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
    made_end(&m, "c");
    made_refuse(&m, NASH_ELIMIT, "many times larger than its file");
    m = made_new(13, 3, 6, 6);
    made_ints64(&m, "huge", "100000 1000");
    made_node(&m, "ConstantOfShape", "huge", "w");
    made_node(&m, "Conv", "x w", "c");
    made_end(&m, "c");
    made_refuse(&m, NASH_ELIMIT, "many times larger than its file");
    m = made_new(13, 3, 6, 6);
    made_ints64(&m, "huge", "8000000000000 8000000000000");
    made_node(&m, "ConstantOfShape", "huge", "w");
    made_node(&m, "Conv", "x w", "c");
    made_end(&m, "c");
    made_refuse(&m, NASH_EUNSUPPORTED, "a constant with a size of");
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
    made_end(&m, "z");
    made_refuse(&m, NASH_EUNSUPPORTED, "node \"n?nnnn");
    assert_null(strchr(nash_error_message(), '\033'));
    assert_true(strlen(nash_error_message()) < 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_that_do_not_fit_are_refused_by_name),
        cmocka_unit_test(padding_that_means_something_else_is_refused),
        cmocka_unit_test(automatic_padding_below_nothing_is_refused),
        cmocka_unit_test(one_score_is_no_class),
        cmocka_unit_test(an_average_pool_with_dilation_is_refused),
        cmocka_unit_test(outputs_beside_the_first_are_refused_if_used),
        cmocka_unit_test(a_batch_normalisation_of_training_is_refused),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
