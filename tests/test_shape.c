/* Attributes and shapes: what each operation accepts and gives. */
#include "made_graph.h"

#include "base/rng.h"
#include "graph/edit.h"

#include <math.h>
#include <string.h>

/* Output sizes that PyTorch 1.13 gives for max_pool2d. */
static void pooled_sizes_are_those_of_pytorch(void **state)
{
    static const struct {
        int32_t size, kernel, stride, pad, dilation;
        bool ceil_mode;
        int32_t expected;
    } cases[] = {
        {8, 3, 1, 1, 2, false, 6},
        {3, 1, 1, 0, 3, true, 3},
        {2, 2, 5, 1, 2, false, 1},
        {9, 2, 2, 1, 2, true, 5},
        {6, 2, 3, 1, 1, false, 3},
        {11, 2, 2, 0, 2, false, 5},
        {15, 3, 2, 1, 2, true, 7},
        {7, 3, 1, 0, 3, false, 1},
        {14, 4, 5, 1, 2, true, 3},
        {9, 5, 5, 0, 1, true, 2},
        {6, 3, 4, 0, 1, true, 2},
        {3, 3, 3, 0, 2, true, 1},
        {8, 5, 2, 0, 2, true, 1},
        {11, 4, 5, 0, 3, true, 2},
        {6, 4, 5, 1, 3, true, 1},
        {6, 2, 2, 1, 2, true, 4},
        /* the last window would start in the padding, and is dropped */
        {6, 2, 4, 1, 1, true, 2},
        {12, 1, 5, 0, 2, true, 3},
        {3, 1, 5, 0, 3, true, 1},
        {10, 1, 5, 0, 2, true, 2},
        {17, 1, 5, 0, 2, true, 4},
        {3, 1, 4, 0, 2, true, 1},
        {16, 2, 3, 1, 1, true, 6},
        {10, 4, 4, 2, 1, true, 3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int axis = 0; axis < 2; axis++) {
            nash_attrs attrs = nash_attrs_default();
            attrs.kernel[axis] = cases[i].kernel;
            attrs.stride[axis] = cases[i].stride;
            attrs.dilation[axis] = cases[i].dilation;
            attrs.pads[axis] = attrs.pads[axis + 2] = cases[i].pad;
            attrs.ceil_mode = cases[i].ceil_mode;
            int32_t size = cases[i].size, expected = cases[i].expected;
            nash_graph *g = made_input(2, axis ? 1 : size, axis ? size : 1);
            int32_t id = made_node(g, NASH_OP_MAX_POOL, &attrs, 0);
            assert_shape(g, id, 2, axis ? 1 : expected, axis ? expected : 1);
            id = made_node(g, NASH_OP_AVG_POOL, &attrs, 0);
            assert_shape(g, id, 2, axis ? 1 : expected, axis ? expected : 1);
            nash_graph_free(g);
        }
    }
}

static void convolutions_take_four_pads_strides_and_dilations(void **state)
{
    (void)state;
    nash_graph *g = made_input(6, 20, 31);
    nash_attrs attrs = {.out_channels = 8,
                        .kernel = {3, 5},
                        .stride = {2, 3},
                        .dilation = {2, 1},
                        .pads = {1, 0, 2, 4},
                        .groups = 2,
                        .bias = true};
    int32_t id = made_node(g, NASH_OP_CONV, &attrs, 0);
    /* (20 + 3 - 5) / 2 + 1 and (31 + 4 - 5) / 3 + 1 */
    assert_shape(g, id, 8, 10, 11);
    assert_int_equal(nash_node_params(g, id), 8 * 3 * 15 + 8);
    assert_int_equal(nash_node_macs(g, id), 8 * 3 * 15 * 110);
    nash_graph_free(g);
}

static void same_windows_keep_the_size(void **state)
{
    (void)state;
    nash_graph *g = made_input(3, 13, 9);
    for (int32_t kernel = 1; kernel <= 7; kernel += 2)
        assert_shape(g, made_conv(g, 5, kernel, 1, 0), 5, 13, 9);
    assert_shape(g, made_conv(g, 5, 3, 2, 0), 5, 7, 5);
    nash_graph_free(g);
}

static void every_operation_has_its_shape(void **state)
{
    (void)state;
    nash_graph *g = made_input(3, 4, 6);
    int32_t conv = made_conv(g, 5, 1, 1, 0);
    assert_shape(g, made_node(g, NASH_OP_NORMALIZE, NULL, 0), 3, 4, 6);
    assert_shape(g, made_node(g, NASH_OP_BATCH_NORM, NULL, conv), 5, 4, 6);
    assert_shape(g, made_node(g, NASH_OP_RELU, NULL, conv), 5, 4, 6);
    assert_shape(g, made_node(g, NASH_OP_GLOBAL_POOL, NULL, conv), 5, 1, 1);
    assert_shape(g, made_node(g, NASH_OP_FLATTEN, NULL, conv), 120, 1, 1);
    assert_shape(g, made_pair(g, NASH_OP_CONCAT, conv, 0), 8, 4, 6);
    assert_shape(g, made_pair(g, NASH_OP_ADD, conv, conv), 5, 4, 6);
    assert_shape(g, made_pair(g, NASH_OP_GATE, conv, conv), 5, 4, 6);
    int32_t flat = made_node(g, NASH_OP_FLATTEN, NULL, 0);
    nash_attrs fc = nash_attrs_default();
    fc.out_channels = 7;
    assert_shape(g, made_node(g, NASH_OP_FC, &fc, flat), 7, 1, 1);
    assert_shape(g, made_node(g, NASH_OP_SOFTMAX, NULL, flat), 72, 1, 1);
    assert_int_equal(nash_graph_input_shape(g).w, 6);
    nash_graph_free(g);
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    nash_graph *g = made_input(6, 4, 4);
    nash_attrs conv = nash_attrs_window(3, 1);
    int32_t pair[2] = {0, made_conv(g, 6, 1, 2, 0)};
    assert_refused(g, NASH_ESHAPE, NASH_OP_ADD, NULL, pair, 2);
    assert_says("add_2 adds 6 x 4 x 4 and 6 x 2 x 2");
    assert_refused(g, NASH_ESHAPE, NASH_OP_GATE, NULL, pair, 2);
    assert_refused(g, NASH_ESHAPE, NASH_OP_CONCAT, NULL, pair, 2);
    assert_refused(g, NASH_ESHAPE, NASH_OP_SOFTMAX, NULL, pair, 1);
    conv.out_channels = 10;
    assert_refused(g, NASH_ESHAPE, NASH_OP_FC, &conv, pair, 1);
    conv.groups = 4;
    assert_refused(g, NASH_ESHAPE, NASH_OP_CONV, &conv, pair, 1);
    assert_says("4 groups");
    conv = nash_attrs_window(7, 1);
    conv.out_channels = 1;
    conv.pads[0] = conv.pads[2] = 1;
    assert_refused(g, NASH_ESHAPE, NASH_OP_CONV, &conv, pair, 1);
    assert_says("window of 7 on an axis of 6");
    nash_graph_free(g);
}

static void bad_attributes_are_refused(void **state)
{
    (void)state;
    nash_graph *g = made_input(3, 4, 4);
    int32_t zero = 0;
    nash_attrs good = nash_attrs_window(3, 1), bad = good;
    assert_refused(g, NASH_EINVAL, NASH_OP_CONV, &bad, &zero, 1);
    assert_says("output channels 0");
    good.out_channels = 4;
    bad = good, bad.kernel[1] = 0;
    assert_refused(g, NASH_EINVAL, NASH_OP_CONV, &bad, &zero, 1);
    bad = good, bad.stride[0] = -1;
    assert_refused(g, NASH_EINVAL, NASH_OP_CONV, &bad, &zero, 1);
    bad = good, bad.dilation[0] = 0;
    assert_refused(g, NASH_EINVAL, NASH_OP_MAX_POOL, &bad, &zero, 1);
    bad = good, bad.pads[3] = -1;
    assert_refused(g, NASH_EINVAL, NASH_OP_CONV, &bad, &zero, 1);
    bad = good, bad.pads[3] = 3;
    assert_refused(g, NASH_EINVAL, NASH_OP_AVG_POOL, &bad, &zero, 1);
    assert_says("padding 3");
    bad = good, bad.groups = 0;
    assert_refused(g, NASH_EINVAL, NASH_OP_CONV, &bad, &zero, 1);
    bad = good, bad.eps = NAN;
    assert_refused(g, NASH_EINVAL, NASH_OP_BATCH_NORM, &bad, &zero, 1);
    bad = good, bad.momentum = NAN;
    assert_refused(g, NASH_EINVAL, NASH_OP_BATCH_NORM, &bad, &zero, 1);
    nash_graph_free(g);
}

static void windows_that_could_see_only_padding_are_refused(void **state)
{
    (void)state;
    nash_graph *g = made_input(1, 1, 1);
    nash_attrs attrs = nash_attrs_default();
    int32_t zero = 0;
    attrs.kernel[0] = 2;
    attrs.dilation[0] = 2;
    attrs.pads[0] = attrs.pads[2] = 1;
    assert_refused(g, NASH_ESHAPE, NASH_OP_MAX_POOL, &attrs, &zero, 1);
    assert_says("dilation 2");
    nash_graph_free(g);
}

static void bad_inputs_are_refused(void **state)
{
    (void)state;
    nash_graph *g = made_input(3, 4, 4);
    nash_attrs attrs = {.out_channels = 3, .size = {4, 4}};
    const int32_t late[1] = {1}, negative[1] = {-1}, two[2] = {0, 0};
    assert_refused(g, NASH_EINVAL, NASH_OP_RELU, NULL, late, 1);
    assert_refused(g, NASH_EINVAL, NASH_OP_RELU, NULL, negative, 1);
    assert_refused(g, NASH_EINVAL, NASH_OP_RELU, NULL, two, 2);
    assert_refused(g, NASH_EINVAL, NASH_OP_GATE, NULL, two, 1);
    assert_refused(g, NASH_EINVAL, NASH_OP_CONCAT, NULL, NULL, 0);
    assert_refused(g, NASH_EINVAL, NASH_OP_INPUT, &attrs, NULL, 0);
    assert_refused(g, NASH_EINVAL, NASH_OP_COUNT, NULL, two, 1);
    nash_graph_free(g);
}

static void absurd_sizes_are_refused_before_they_overflow(void **state)
{
    (void)state;
    nash_graph *g = made_input(NASH_MAX_DIM, 32, 64);
    nash_attrs attrs = nash_attrs_window(1, 1);
    int32_t zero = 0, twice[2] = {0, 0};
    assert_refused(g, NASH_ELIMIT, NASH_OP_FLATTEN, NULL, &zero, 1);
    assert_refused(g, NASH_ELIMIT, NASH_OP_CONCAT, NULL, twice, 2);
    attrs.out_channels = NASH_MAX_DIM;
    assert_refused(g, NASH_ELIMIT, NASH_OP_CONV, &attrs, &zero, 1);
    assert_says("1048576 x 1048576 weights");
    attrs.out_channels = 1;
    for (int i = 0; i < 2; i++) {
        attrs.kernel[i] = NASH_MAX_DIM;
        attrs.pads[i] = attrs.pads[i + 2] = NASH_MAX_DIM;
    }
    assert_refused(g, NASH_ELIMIT, NASH_OP_CONV, &attrs, &zero, 1);
    attrs.kernel[0] = INT32_MAX;
    assert_refused(g, NASH_ELIMIT, NASH_OP_CONV, &attrs, &zero, 1);
    attrs.kernel[0] = 1;
    attrs.kernel[1] = 1;
    assert_refused(g, NASH_ELIMIT, NASH_OP_CONV, &attrs, &zero, 1);
    assert_says("output of 1 x");
    nash_graph_free(g);
}

static void sums_of_costs_stop_at_the_largest_number(void **state)
{
    (void)state;
    nash_graph *g = made_input(1, 32768, 65536);
    for (int i = 0; i < 5; i++) {
        nash_attrs attrs = nash_attrs_window(32767, 1);
        attrs.out_channels = 1;
        int32_t id = made_node(g, NASH_OP_CONV, &attrs, 0);
        assert_true(nash_node_macs(g, id) > INT64_MAX / 5);
    }
    assert_true(nash_graph_macs(g) == INT64_MAX);
    nash_graph_free(g);
}

/* ---- anything ----------------------------------------------------------- */

static nash_attrs random_attrs(ni_rng *rng)
{
    nash_attrs attrs = nash_attrs_default();
    for (int i = 0; i < 2; i++) {
        attrs.kernel[i] = 1 + (int32_t)ni_rng_below(rng, 4);
        attrs.stride[i] = 1 + (int32_t)ni_rng_below(rng, 3);
        attrs.dilation[i] = 1 + (int32_t)ni_rng_below(rng, 3);
    }
    for (int i = 0; i < 4; i++)
        attrs.pads[i] = (int32_t)ni_rng_below(rng, 4);
    attrs.out_channels = 1 + (int32_t)ni_rng_below(rng, 8);
    attrs.groups = 1 + (int32_t)ni_rng_below(rng, 3);
    attrs.ceil_mode = ni_rng_below(rng, 2) == 0;
    return attrs;
}

/* Every pooling window that shape inference lets through sees the input. */
static void assert_windows_see(const nash_graph *g, int32_t id, int axis)
{
    const nash_node *node = nash_graph_node(g, id);
    const nash_attrs *a = &node->attrs;
    nash_shape in = nash_graph_node(g, nash_graph_input(g, id, 0))->shape;
    int32_t size = axis ? in.w : in.h;
    int32_t n = axis ? node->shape.w : node->shape.h;
    for (int32_t i = 0; i < n; i++) {
        int32_t seen = 0;
        for (int32_t k = 0; k < a->kernel[axis]; k++) {
            int32_t at =
                i * a->stride[axis] - a->pads[axis] + k * a->dilation[axis];
            seen += at >= 0 && at < size;
        }
        assert_true(seen > 0);
    }
}

static void random_appends_never_break_a_graph(void **state)
{
    (void)state;
    int32_t accepted = 0;
    for (uint32_t trial = 0; trial < 200; trial++) {
        ni_rng rng = ni_rng_make(1, NI_RNG_TEST, trial, 0);
        nash_graph *g = made_input(1 + (int32_t)ni_rng_below(&rng, 4),
                                   1 + (int32_t)ni_rng_below(&rng, 12),
                                   1 + (int32_t)ni_rng_below(&rng, 12));
        for (int i = 0; i < 60; i++) {
            nash_op op = (nash_op)ni_rng_below(&rng, NASH_OP_COUNT);
            nash_attrs attrs = random_attrs(&rng);
            uint32_t size = (uint32_t)nash_graph_size(g);
            int32_t id, inputs[2] = {(int32_t)ni_rng_below(&rng, size),
                                     (int32_t)ni_rng_below(&rng, size)};
            int32_t n =
                op == NASH_OP_GATE || op == NASH_OP_ADD || op == NASH_OP_CONCAT
                    ? 2
                    : 1;
            if (nash_graph_append(&id, g, op, &attrs, inputs, n) != NASH_OK)
                continue;
            accepted++;
            for (int axis = 0; axis < 2; axis++)
                if (op == NASH_OP_MAX_POOL || op == NASH_OP_AVG_POOL)
                    assert_windows_see(g, id, axis);
        }
        uint64_t hash = nash_graph_hash(g);
        assert_int_equal(ni_graph_infer(g), NASH_OK);
        assert_true(nash_graph_hash(g) == hash);
        nash_graph_free(g);
    }
    assert_true(accepted > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooled_sizes_are_those_of_pytorch),
        cmocka_unit_test(convolutions_take_four_pads_strides_and_dilations),
        cmocka_unit_test(same_windows_keep_the_size),
        cmocka_unit_test(every_operation_has_its_shape),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(bad_attributes_are_refused),
        cmocka_unit_test(windows_that_could_see_only_padding_are_refused),
        cmocka_unit_test(bad_inputs_are_refused),
        cmocka_unit_test(absurd_sizes_are_refused_before_they_overflow),
        cmocka_unit_test(sums_of_costs_stop_at_the_largest_number),
        cmocka_unit_test(random_appends_never_break_a_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
