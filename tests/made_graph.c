/* Small graphs for tests. */
#include "made_graph.h"

nash_graph *made_input(int32_t c, int32_t h, int32_t w)
{
    nash_graph *g;
    nash_attrs attrs = {.out_channels = c, .size = {h, w}};
    assert_int_equal(nash_graph_create(&g), NASH_OK);
    assert_int_equal(nash_graph_append(NULL, g, NASH_OP_INPUT, &attrs, NULL, 0),
                     NASH_OK);
    return g;
}

int32_t made_node(nash_graph *g, nash_op op, const nash_attrs *attrs,
                  int32_t input)
{
    int32_t id = -1;
    assert_int_equal(nash_graph_append(&id, g, op, attrs, &input, 1), NASH_OK);
    return id;
}

int32_t made_conv(nash_graph *g, int32_t channels, int32_t kernel,
                  int32_t stride, int32_t input)
{
    nash_attrs attrs = nash_attrs_window(kernel, stride);
    attrs.out_channels = channels;
    return made_node(g, NASH_OP_CONV, &attrs, input);
}

int32_t made_pair(nash_graph *g, nash_op op, int32_t a, int32_t b)
{
    int32_t id = -1, inputs[2] = {a, b};
    assert_int_equal(nash_graph_append(&id, g, op, NULL, inputs, 2), NASH_OK);
    return id;
}

void assert_shape(const nash_graph *g, int32_t id, int32_t c, int32_t h,
                  int32_t w)
{
    nash_shape shape = nash_graph_node(g, id)->shape;
    assert_int_equal(shape.c, c);
    assert_int_equal(shape.h, h);
    assert_int_equal(shape.w, w);
}

nash_graph *made_small(void)
{
    nash_graph *g = made_input(3, 8, 8);
    int32_t relu = made_node(g, NASH_OP_RELU, NULL, made_conv(g, 4, 3, 1, 0));
    int32_t gate =
        made_pair(g, NASH_OP_GATE, made_conv(g, 4, 3, 1, relu), relu);
    nash_attrs fc = nash_attrs_default();
    fc.out_channels = 10;
    fc.bias = true;
    int32_t pool = made_node(g, NASH_OP_GLOBAL_POOL, NULL, gate);
    made_node(g, NASH_OP_SOFTMAX, NULL, made_node(g, NASH_OP_FC, &fc, pool));
    assert_int_equal(nash_graph_check(g), NASH_OK);
    return g;
}

void assert_refused(nash_graph *g, nash_status expected, nash_op op,
                    const nash_attrs *attrs, const int32_t *inputs, int32_t n)
{
    int32_t size = nash_graph_size(g), id = 77;
    uint64_t hash = nash_graph_hash(g);
    assert_int_equal(nash_graph_append(&id, g, op, attrs, inputs, n), expected);
    assert_int_equal(id, 77);
    assert_int_equal(nash_graph_size(g), size);
    assert_true(nash_graph_hash(g) == hash);
}
