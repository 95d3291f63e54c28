/* Networks, the oracle's outputs and comparisons for the tests of morphisms. */
#include "morph_fixture.h"

#include "base/memory.h"
#include "engine/ref/ref.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- networks ---------------------------------------------------------- */

static int32_t append(nash_graph *g, nash_op op, const nash_attrs *attrs,
                      const int32_t *inputs, int32_t n)
{
    int32_t id;
    assert_ok(nash_graph_append(&id, g, op, attrs, inputs, n));
    return id;
}

nash_graph *net_new(int32_t channels, int32_t height, int32_t width)
{
    nash_graph *g;
    nash_attrs attrs = nash_attrs_default();
    attrs.out_channels = channels;
    attrs.size[0] = height;
    attrs.size[1] = width;
    assert_ok(nash_graph_create(&g));
    int32_t input = append(g, NASH_OP_INPUT, &attrs, NULL, 0);
    append(g, NASH_OP_NORMALIZE, NULL, &input, 1);
    return g;
}

int32_t net_conv(nash_graph *g, int32_t input, int32_t channels, int32_t kernel,
                 int32_t stride)
{
    nash_attrs attrs = nash_attrs_window(kernel, stride);
    attrs.out_channels = channels;
    attrs.bias = true;
    return append(g, NASH_OP_CONV, &attrs, &input, 1);
}

int32_t net_fc(nash_graph *g, int32_t input, int32_t channels)
{
    nash_attrs attrs = nash_attrs_default();
    attrs.out_channels = channels;
    attrs.bias = true;
    return append(g, NASH_OP_FC, &attrs, &input, 1);
}

int32_t net_op(nash_graph *g, nash_op op, int32_t input)
{
    return append(g, op, NULL, &input, 1);
}

int32_t net_pool(nash_graph *g, nash_op op, int32_t input)
{
    nash_attrs attrs = nash_attrs_default();
    attrs.kernel[0] = attrs.kernel[1] = 2;
    attrs.stride[0] = attrs.stride[1] = 2;
    return append(g, op, &attrs, &input, 1);
}

int32_t net_join(nash_graph *g, nash_op op, int32_t a, int32_t b)
{
    int32_t inputs[2] = {a, b};
    return append(g, op, NULL, inputs, 2);
}

int32_t net_block(nash_graph *g, int32_t input, int32_t channels,
                  int32_t kernel, int32_t stride)
{
    int32_t id = net_conv(g, input, channels, kernel, stride);
    id = net_op(g, NASH_OP_BATCH_NORM, id);
    return net_op(g, NASH_OP_RELU, id);
}

nash_model *net_finish(nash_graph *g, int32_t input, int32_t classes,
                       uint64_t seed)
{
    nash_model *m;
    net_op(g, NASH_OP_SOFTMAX, net_fc(g, input, classes));
    assert_ok(nash_graph_check(g));
    assert_ok(nash_model_create(&m, &g));
    random_tensors(m, seed);
    return m;
}

int32_t tag_of(const nash_model *m, int32_t id)
{
    return nash_graph_node(nash_model_graph(m), id)->tag;
}

int32_t id_of(const nash_model *m, int32_t tag)
{
    int32_t id = nash_graph_find(nash_model_graph(m), tag);
    assert_true(id >= 0);
    return id;
}

int32_t nth(const nash_model *m, nash_op op, int32_t i)
{
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->op == op && i-- == 0)
            return id;
    fail_msg("the network has too few of %s", nash_op_name(op));
    return -1;
}

int32_t count_op(const nash_model *m, nash_op op)
{
    const nash_graph *g = nash_model_graph(m);
    int32_t n = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        n += nash_graph_node(g, id)->op == op;
    return n;
}

nash_model *dup_model(const nash_model *m)
{
    nash_model *copy;
    assert_ok(nash_model_dup(&copy, m));
    return copy;
}

nash_model *make_stages(int stages, uint64_t seed)
{
    nash_net_opts opts = nash_net_opts_default();
    nash_model *m;
    opts.input = (nash_shape){3, 8, 8};
    for (int i = 0; i < NASH_MAX_STAGES; i++)
        opts.widths[i] = i < stages ? 4 + 2 * i : 0;
    opts.seed = seed;
    assert_ok(nash_net_start(&m, &opts));
    random_tensors(m, seed);
    return m;
}

nash_model *make_start(uint64_t seed)
{
    return make_stages(3, seed);
}

/* ---- comparison -------------------------------------------------------- */

static float *make_images(const nash_model *m, uint64_t seed)
{
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    int64_t count = (int64_t)IMAGES * in.c * in.h * in.w;
    float *pixels = ni_alloc(count, sizeof *pixels);
    assert_non_null(pixels);
    random_pixels(pixels, count, seed);
    return pixels;
}

static nash_plan_opts oracle_opts(nash_mode mode)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = NASH_ENGINE_REF;
    opts.mode = mode;
    opts.batch = IMAGES;
    return opts;
}

nash_probe open_probe(const nash_model *m, uint64_t seed)
{
    nash_probe probe;
    nash_plan_opts opts = oracle_opts(NASH_MODE_STATS);
    float *pixels = make_images(m, seed);
    assert_ok(nash_probe_open(&probe, pixels, IMAGES,
                              nash_graph_input_shape(nash_model_graph(m)),
                              &opts));
    ni_free(pixels);
    return probe;
}

double *outputs(const nash_model *m, nash_mode mode, int32_t id, uint64_t seed,
                int64_t *count)
{
    const nash_graph *g = nash_model_graph(m);
    nash_plan_opts opts = oracle_opts(mode);
    nash_plan *plan;
    int32_t last = nash_graph_size(g) - 1;
    nash_shape in = nash_graph_input_shape(g);
    nash_shape out = nash_graph_node(g, id < 0 ? last : id)->shape;
    int64_t n = (int64_t)IMAGES * out.c * out.h * out.w;
    float *pixels = make_images(m, seed);
    double *values = ni_alloc(n, sizeof *values);
    assert_non_null(values);
    assert_ok(nash_plan_create_reader(&plan, m, &opts));
    memcpy(nash_plan_input(plan), pixels,
           sizeof(float) * IMAGES * (size_t)(in.c * in.h * in.w));
    assert_ok(nash_plan_forward(plan));
    memcpy(values, id < 0 ? ni_ref_logits(plan) : ni_ref_output(plan, id),
           (size_t)n * sizeof *values);
    nash_plan_free(plan);
    ni_free(pixels);
    if (count)
        *count = n;
    return values;
}

/* Largest value, and largest difference if there is another array. */
static double largest(const double *values, const double *others, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        assert_true(isfinite(values[i]) && (!others || isfinite(others[i])));
        most = fmax(most, fabs(values[i] - (others ? others[i] : 0)));
    }
    return most;
}

double distance(const nash_model *parent, int32_t a, const nash_model *child,
                int32_t b, nash_mode mode, uint64_t seed)
{
    int64_t n, n_child;
    double *before = outputs(parent, mode, a, seed, &n);
    double *after = outputs(child, mode, b, seed, &n_child);
    assert_int_equal(n, n_child);
    double worst = largest(after, before, n), scale = largest(before, NULL, n);
    ni_free(before);
    ni_free(after);
    return worst == 0 ? 0 : worst / scale;
}

double local_distance(const nash_model *parent, int32_t a,
                      const nash_model *child, int32_t b, uint64_t seed)
{
    int64_t n;
    double *infer = outputs(parent, NASH_MODE_INFER, a, seed, &n);
    double *train = outputs(parent, NASH_MODE_STATS, a, seed, NULL);
    double *after = outputs(child, NASH_MODE_INFER, b, seed, NULL);
    double worst = largest(after, infer, n);
    double scale = fmax(largest(infer, NULL, n), largest(train, NULL, n));
    ni_free(infer);
    ni_free(train);
    ni_free(after);
    return worst == 0 ? 0 : worst / scale;
}

void assert_same_function(const nash_model *parent, const nash_model *child,
                          uint64_t seed)
{
    assert_ok(nash_graph_check(nash_model_graph(child)));
    assert_true(nash_model_is_finite(child));
    double infer = distance(parent, -1, child, -1, NASH_MODE_INFER, seed);
    double train = distance(parent, -1, child, -1, NASH_MODE_STATS, seed);
    if (infer != 0 || train != 0) {
        random_graph_print(nash_model_graph(child));
        fail_msg("seed %llu: deviation %g at inference, %g in training",
                 (unsigned long long)seed, infer, train);
    }
}

nash_model *morphed(const nash_model *parent, const char *text)
{
    nash_model *child;
    nash_morph morph;
    nash_probe probe = open_probe(parent, 5);
    assert_ok(nash_model_dup(&child, parent));
    assert_ok(nash_morph_parse(&morph, text, child));
    assert_ok(nash_morph_apply(child, &morph, &probe));
    assert_int_not_equal(nash_model_hash(child), nash_model_hash(parent));
    assert_same_function(parent, child, 6);
    nash_probe_close(&probe);
    return child;
}

nash_status try_morph(const nash_model *m, const char *text)
{
    nash_model *child;
    nash_morph morph;
    uint64_t hash = nash_model_hash(m);
    nash_probe probe = open_probe(m, 5);
    assert_ok(nash_model_dup(&child, m));
    nash_status status = nash_morph_parse(&morph, text, child);
    if (status == NASH_OK)
        status = nash_morph_apply(child, &morph, &probe);
    if (status != NASH_OK)
        assert_int_equal(nash_model_hash(child), hash);
    nash_model_free(child);
    nash_probe_close(&probe);
    return status;
}
