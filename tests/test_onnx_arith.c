/* ONNX files whose layers are spelled in arithmetic: products and sums that are
 * layers, constants of all kinds, gates, normalisations. */
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
    made_end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv" MADE_TAIL);
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
    made_end(&m, "e");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "conv conv add" MADE_TAIL);
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
    made_end(m, "c");
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
    made_end(&m, "c");
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
    made_end(&m, "c");
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
    made_end(&m, "d");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "concat add add add" MADE_TAIL);
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
        made_end(&m, "s");
        nash_model *out = made_finish(&m);
        assert_ops(out, MADE_HEAD "relu gate" MADE_TAIL);
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
        made_end(&m, "s");
        nash_model *out = made_finish(&m);
        assert_ops(out, i ? MADE_HEAD "relu gate" MADE_TAIL
                          : MADE_HEAD "relu conv normalize add" MADE_TAIL);
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
    made_end(&m, "c");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "normalize" MADE_TAIL);
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
    made_end(&m, "x");
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
    made_end(&m, "e");
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "relu conv relu" MADE_TAIL);
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
    made_end(&m, from);
    nash_model *out = made_finish(&m);
    assert_ops(out, MADE_HEAD "normalize conv" MADE_TAIL);
    assert_values(out, 1, NASH_SLOT_CENTER, 2, 32, 0);
    assert_values(out, 2, NASH_SLOT_BIAS, 2, -18, 0);
    nash_model_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
