/* The oracle: every gradient by central differences, statistics, ties. */
#include "random_graph.h"

#include "base/rng.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(call)                                                               \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

static nash_plan *plan_of(nash_model *m, nash_mode mode, int32_t batch)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = NASH_ENGINE_REF;
    opts.mode = mode;
    opts.batch = batch;
    nash_plan *plan;
    OK(nash_plan_create(&plan, m, &opts));
    return plan;
}

static int64_t node_values(const nash_graph *g, int32_t id, int32_t batch)
{
    nash_shape s = nash_graph_node(g, id)->shape;
    return (int64_t)batch * s.c * s.h * s.w;
}

/* ---- central differences ---------------------------------------------- */

/* The function under test: L = sum of d_logits * logits. */
typedef struct slope {
    nash_plan *plan;
    const nash_graph *g;
    int64_t n_logits;
    uint64_t seed;
    int32_t checked;
} slope;

static double loss(const slope *s)
{
    OK(nash_plan_forward(s->plan));
    const double *logits = ni_ref_logits(s->plan);
    const float *d = nash_plan_d_logits(s->plan);
    double sum = 0;
    for (int64_t i = 0; i < s->n_logits; i++)
        sum += logits[i] * (double)d[i];
    return sum;
}

static double central_difference(const slope *s, float *at, double step)
{
    float old = *at;
    *at = (float)((double)old + step);
    double above = loss(s), width = (double)*at;
    *at = (float)((double)old - step);
    double below = loss(s);
    width -= (double)*at;
    *at = old;
    return (above - below) / width;
}

/* A kink (ReLU, maximum) within one step is not within all steps. */
static void check_slope(slope *s, float *at, double gradient, double scale,
                        int32_t id, int32_t slot)
{
    double found = 0;
    for (double step = 0x1p-12; step >= 0x1p-22; step /= 32) {
        double unit = fabs((double)*at) > 16 ? 256 : 1;
        found = central_difference(s, at, step * unit);
        if (fabs(found - gradient) <= 2e-6 * (fabs(gradient) + scale))
            return;
    }
    char name[32];
    nash_node_name(name, sizeof name, s->g, id);
    random_graph_print(s->g);
    fail_msg("seed %llu, %s, slot %d: gradient %.12g, slope %.12g",
             (unsigned long long)s->seed, name, slot, gradient, found);
}

static double mean_size(const double *values, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += fabs(values[i]);
    return sum / (double)count;
}

/* Check up to @p most of the derivatives by values[]. */
static void check_slopes(slope *s, float *values, const double *gradient,
                         int64_t count, int32_t most, int32_t id, int32_t slot)
{
    ni_rng rng = ni_rng_make(s->seed, NI_RNG_TEST, (uint32_t)id, 77);
    double scale = mean_size(gradient, count) + 1e-3;
    for (int32_t i = 0; i < most && i < count; i++) {
        int64_t draw = ni_rng_below(&rng, (uint32_t)count);
        int64_t at = count <= most ? i : draw;
        check_slope(s, &values[at], gradient[at], scale, id, slot);
        s->checked++;
    }
}

static void check_tensors(slope *s, const nash_model *m, int32_t most)
{
    for (int32_t id = 0; id < nash_graph_size(s->g); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const double *gradient = ni_ref_gradient(s->plan, id, slot);
            nash_tensor *t = nash_model_tensor(m, id, slot);
            if (!gradient)
                continue;
            check_slopes(s, t->data, gradient, t->count, most, id, slot);
        }
    }
}

/* All gradients of a model in training mode, @p most per tensor. @return how
 * many derivatives were compared */
static int32_t check_gradients(nash_model *m, int32_t batch, int32_t most,
                               uint64_t seed)
{
    slope s = {.plan = plan_of(m, NASH_MODE_TRAIN, batch),
               .g = nash_model_graph(m),
               .seed = seed};
    s.n_logits = (int64_t)batch * nash_graph_classes(s.g);
    int64_t n_pixels = node_values(s.g, 0, batch);
    random_normal(nash_plan_input(s.plan), n_pixels, seed);
    for (int64_t i = 0; i < n_pixels; i++) /* no ties, unlike whole pixels */
        nash_plan_input(s.plan)[i] = 120 + 50 * nash_plan_input(s.plan)[i];
    random_normal(nash_plan_d_logits(s.plan), s.n_logits, seed);
    OK(nash_plan_forward(s.plan));
    OK(nash_plan_backward(s.plan));
    check_tensors(&s, m, most);
    check_slopes(&s, nash_plan_input(s.plan), ni_ref_d_output(s.plan, 0),
                 n_pixels, most, 0, -1);
    nash_plan_free(s.plan);
    return s.checked;
}

static void gradients_of_random_networks_are_slopes(void **state)
{
    (void)state;
    int32_t checked = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        random_graph_opts opts = {.nodes = 4 + (int32_t)(seed % 14),
                                  .max_channels = 6,
                                  .max_side = 8,
                                  .exotic = seed % 3 != 0};
        nash_model *m = random_model(seed, &opts);
        checked += check_gradients(m, 3, 6, seed);
        nash_model_free(m);
    }
    assert_true(checked > 10000);
}

/* ---- one operation at a time ------------------------------------------ */

/* Under construction: input, normalize, what is tested, flatten, fc, softmax.
 */
typedef struct small_net {
    nash_graph *g;
    int32_t last;
} small_net;

static int32_t put(small_net *net, nash_op op, const nash_attrs *attrs,
                   const int32_t *inputs, int32_t n)
{
    OK(nash_graph_append(&net->last, net->g, op, attrs, inputs, n));
    return net->last;
}

static int32_t put_after(small_net *net, nash_op op, const nash_attrs *attrs)
{
    int32_t input = net->last;
    return put(net, op, attrs, &input, 1);
}

static small_net net_start(int32_t c, int32_t h, int32_t w)
{
    small_net net = {0};
    nash_attrs a = nash_attrs_default();
    a.out_channels = c;
    a.size[0] = h;
    a.size[1] = w;
    OK(nash_graph_create(&net.g));
    put(&net, NASH_OP_INPUT, &a, NULL, 0);
    put_after(&net, NASH_OP_NORMALIZE, NULL);
    return net;
}

static nash_model *net_finish(small_net *net, uint64_t seed)
{
    nash_model *m;
    nash_attrs a = nash_attrs_default();
    a.out_channels = 3;
    put_after(net, NASH_OP_FLATTEN, NULL);
    put_after(net, NASH_OP_FC, &a);
    put_after(net, NASH_OP_SOFTMAX, NULL);
    OK(nash_model_create(&m, &net->g));
    random_tensors(m, seed);
    return m;
}

static void check_small(small_net *net, uint64_t seed)
{
    nash_model *m = net_finish(net, seed);
    assert_true(check_gradients(m, 3, 40, seed) > 0);
    nash_model_free(m);
}

static nash_attrs window_of(const int32_t w[10])
{
    nash_attrs a = nash_attrs_default();
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = w[i];
        a.stride[i] = w[2 + i];
        a.dilation[i] = w[4 + i];
    }
    memcpy(a.pads, w + 6, sizeof a.pads);
    return a;
}

static void convolution_gradients_are_slopes_for_all_attributes(void **state)
{
    (void)state;
    /* kernel, stride, dilation, pads; output channels, groups, bias */
    static const int32_t cases[][13] = {
        {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 0},
        {2, 3, 2, 1, 1, 2, 0, 2, 1, 0, 4, 2, 1},
        {3, 1, 1, 3, 2, 1, 3, 0, 0, 1, 8, 4, 1},
        {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 1, 1},
        {5, 5, 3, 2, 1, 1, 4, 1, 2, 3, 2, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        small_net net = net_start(4, 7, 6);
        nash_attrs a = window_of(cases[i]);
        a.out_channels = cases[i][10];
        a.groups = cases[i][11];
        a.bias = cases[i][12];
        put_after(&net, NASH_OP_CONV, &a);
        check_small(&net, 100 + i);
    }
}

static void pooling_gradients_are_slopes_for_all_attributes(void **state)
{
    (void)state;
    static const nash_op ops[] = {NASH_OP_MAX_POOL, NASH_OP_AVG_POOL};
    /* kernel, stride, dilation, pads; ceil_mode, count_include_pad */
    static const int32_t cases[][12] = {
        {2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0},
        {3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0},
        {3, 2, 2, 3, 1, 1, 2, 0, 1, 1, 1, 0},
        {2, 3, 1, 2, 2, 1, 1, 2, 0, 1, 1, 1},
        {3, 3, 3, 3, 1, 1, 0, 1, 2, 0, 0, 1},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        small_net net = net_start(2, 7, 8);
        nash_attrs a = window_of(cases[i / 2]);
        a.ceil_mode = cases[i / 2][10];
        a.count_include_pad = cases[i / 2][11];
        put_after(&net, ops[i % 2], &a);
        check_small(&net, 200 + i);
    }
}

static void gradients_of_the_other_operations_are_slopes(void **state)
{
    (void)state;
    static const nash_op single[] = {NASH_OP_BATCH_NORM, NASH_OP_RELU,
                                     NASH_OP_CLIP, NASH_OP_GLOBAL_POOL,
                                     NASH_OP_FLATTEN};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        small_net net = net_start(3, 4, 5);
        put_after(&net, single[i], NULL);
        check_small(&net, 300 + i);
    }
    static const nash_op joins[] = {NASH_OP_CONCAT, NASH_OP_ADD, NASH_OP_GATE};
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        small_net net = net_start(3, 4, 5);
        int32_t trunk = net.last;
        int32_t branch = put_after(&net, NASH_OP_BATCH_NORM, NULL);
        const int32_t inputs[2] = {branch, trunk};
        put(&net, joins[i], NULL, inputs, 2);
        check_small(&net, 310 + i);
        net = net_start(3, 4, 5);
        const int32_t twice[2] = {net.last, net.last};
        put(&net, joins[i], NULL, twice, 2);
        check_small(&net, 320 + i);
    }
}

/* ---- values ----------------------------------------------------------- */

/* input [1,h,w], the operation (node 1), flatten, fc with all weights 1. */
static nash_model *pool_model(nash_op op, const nash_attrs *attrs, int32_t h,
                              int32_t w)
{
    nash_attrs a = nash_attrs_default();
    small_net net = {0};
    a.out_channels = 1;
    a.size[0] = h;
    a.size[1] = w;
    OK(nash_graph_create(&net.g));
    put(&net, NASH_OP_INPUT, &a, NULL, 0);
    put_after(&net, op, attrs);
    nash_model *m = net_finish(&net, 1);
    nash_tensor *weight = nash_model_tensor(m, 3, NASH_SLOT_WEIGHT);
    for (int64_t i = 0; i < weight->count; i++)
        weight->data[i] = 1;
    return m;
}

static void check_pool(nash_op op, const nash_attrs *attrs, int32_t h,
                       int32_t w, const float *x, const double *y,
                       const double *dx)
{
    nash_model *m = pool_model(op, attrs, h, w);
    nash_plan *plan = plan_of(m, NASH_MODE_TRAIN, 1);
    memcpy(nash_plan_input(plan), x, (size_t)(h * w) * sizeof *x);
    OK(nash_plan_forward(plan));
    nash_plan_d_logits(plan)[0] = 1;
    OK(nash_plan_backward(plan));
    for (int64_t i = 0; i < node_values(nash_model_graph(m), 1, 1); i++)
        assert_true(fabs(ni_ref_output(plan, 1)[i] - y[i]) < 1e-14);
    for (int32_t i = 0; i < h * w; i++)
        assert_true(fabs(ni_ref_d_output(plan, 0)[i] - dx[i]) < 1e-14);
    nash_plan_free(plan);
    nash_model_free(m);
}

static void ties_of_the_maximum_go_to_the_first(void **state)
{
    (void)state;
    nash_attrs a = nash_attrs_window(2, 2);
    const float x[] = {5, 5, 1, 2, 5, 5, 2, 0};
    const double y[] = {5, 2}, dx[] = {1, 0, 0, 1, 0, 0, 0, 0};
    check_pool(NASH_OP_MAX_POOL, &a, 2, 4, x, y, dx);
}

static void padding_never_wins_the_maximum(void **state)
{
    (void)state;
    nash_attrs a = nash_attrs_window(3, 2);
    const float x[] = {-5, -7, -9};
    const double y[] = {-5, -7}, dx[] = {1, 1, 0};
    check_pool(NASH_OP_MAX_POOL, &a, 1, 3, x, y, dx);
}

static void padding_counts_in_the_mean_only_on_demand(void **state)
{
    (void)state;
    nash_attrs a = nash_attrs_default();
    const float x[] = {1, 2, 3, 4};
    a.kernel[1] = 3;
    a.stride[1] = 2;
    a.pads[1] = 1;
    a.ceil_mode = true;
    const double in[] = {1.5, 3}, d_in[] = {.5, .5 + 1. / 3, 1. / 3, 1. / 3};
    check_pool(NASH_OP_AVG_POOL, &a, 1, 4, x, in, d_in);
    a.count_include_pad = true;
    const double with[] = {1, 3}, d_with[] = {1. / 3, 2. / 3, 1. / 3, 1. / 3};
    check_pool(NASH_OP_AVG_POOL, &a, 1, 4, x, with, d_with);
    /* The last window hangs over the end: its third tap is no padding. */
    a.pads[1] = 0;
    const double over[] = {2, 3.5};
    const double d_over[] = {1. / 3, 1. / 3, 1. / 3 + .5, .5};
    check_pool(NASH_OP_AVG_POOL, &a, 1, 4, x, over, d_over);
}

static void a_nan_passes_activations_and_the_maximum(void **state)
{
    (void)state;
    static const nash_op ops[] = {NASH_OP_RELU, NASH_OP_CLIP, NASH_OP_MAX_POOL};
    nash_attrs a = nash_attrs_window(2, 2);
    for (int i = 0; i < 3; i++) {
        nash_model *m = pool_model(ops[i], i < 2 ? NULL : &a, 2, 2);
        nash_plan *plan = plan_of(m, NASH_MODE_INFER, 1);
        const float x[] = {1, NAN, 2, 3};
        memcpy(nash_plan_input(plan), x, sizeof x);
        OK(nash_plan_forward(plan));
        assert_true(isnan(nash_plan_logits(plan)[0]));
        nash_plan_free(plan);
        nash_model_free(m);
    }
}

/* ---- batch normalisation ---------------------------------------------- */

enum { BN = 2, CHANNELS = 2, BATCH = 4, PLANE = 6 };

static nash_model *norm_model(void)
{
    small_net net = net_start(CHANNELS, 2, 3);
    nash_attrs a = nash_attrs_default();
    a.momentum = 0.75F;
    put_after(&net, NASH_OP_BATCH_NORM, &a);
    return net_finish(&net, 7);
}

/* Mean and biased variance of the normalised pixels of channel c. */
static void channel_moments(const nash_plan *plan, int32_t c, double *mean,
                            double *var)
{
    const double *x = ni_ref_output(plan, BN - 1);
    double sum = 0, squares = 0;
    for (int32_t i = 0; i < BATCH * PLANE; i++) {
        double value = x[(i / PLANE * CHANNELS + c) * PLANE + i % PLANE];
        sum += value;
        squares += value * value;
    }
    *mean = sum / (BATCH * PLANE);
    *var = squares / (BATCH * PLANE) - *mean * *mean;
}

static void training_moves_the_running_statistics(void **state)
{
    (void)state;
    nash_model *m = norm_model();
    nash_plan *plan = plan_of(m, NASH_MODE_TRAIN, BATCH);
    float *running_mean = nash_model_tensor(m, BN, NASH_SLOT_MEAN)->data;
    float *running_var = nash_model_tensor(m, BN, NASH_SLOT_VAR)->data;
    random_pixels(nash_plan_input(plan), BATCH * CHANNELS * PLANE, 3);
    for (int step = 0; step < 2; step++) {
        double old_mean[CHANNELS], old_var[CHANNELS];
        for (int c = 0; c < CHANNELS; c++) {
            old_mean[c] = (double)running_mean[c];
            old_var[c] = (double)running_var[c];
        }
        OK(nash_plan_forward(plan));
        for (int c = 0; c < CHANNELS; c++) {
            double mean, var;
            channel_moments(plan, c, &mean, &var);
            mean = 0.75 * old_mean[c] + 0.25 * mean;
            var = 0.75 * old_var[c] + 0.25 * var;
            assert_true(fabs((double)running_mean[c] - mean) < 1e-6);
            assert_true(fabs((double)running_var[c] - var) < 1e-6);
        }
    }
    nash_plan_free(plan);
    nash_model_free(m);
}

/* gamma (x - mean) / sqrt(var + eps) + beta of channel c */
static double normalised(const nash_model *m, int32_t c, double x, double mean,
                         double var)
{
    double gamma = (double)nash_model_tensor(m, BN, NASH_SLOT_GAMMA)->data[c];
    double beta = (double)nash_model_tensor(m, BN, NASH_SLOT_BETA)->data[c];
    return gamma * (x - mean) / sqrt(var + (double)1e-5F) + beta;
}

static void training_mode_normalises_by_the_batch(void **state)
{
    (void)state;
    static const nash_mode modes[] = {NASH_MODE_TRAIN, NASH_MODE_STATS};
    for (int i = 0; i < 2; i++) {
        nash_model *m = norm_model();
        nash_plan *plan = plan_of(m, modes[i], BATCH);
        random_pixels(nash_plan_input(plan), BATCH * CHANNELS * PLANE, 3);
        OK(nash_plan_forward(plan));
        double mean, var;
        channel_moments(plan, 1, &mean, &var);
        double x = ni_ref_output(plan, BN - 1)[PLANE];
        double y = ni_ref_output(plan, BN)[PLANE];
        assert_true(fabs(y - normalised(m, 1, x, mean, var)) < 1e-12);
        nash_plan_free(plan);
        nash_model_free(m);
    }
}

static void only_training_changes_the_model(void **state)
{
    (void)state;
    static const nash_mode modes[] = {NASH_MODE_INFER, NASH_MODE_STATS,
                                      NASH_MODE_TRAIN};
    for (int i = 0; i < 3; i++) {
        nash_model *m = norm_model();
        uint64_t before = nash_model_hash(m);
        nash_plan *plan = plan_of(m, modes[i], BATCH);
        random_pixels(nash_plan_input(plan), BATCH * CHANNELS * PLANE, 3);
        OK(nash_plan_forward(plan));
        bool same = nash_model_hash(m) == before;
        assert_int_equal(same, modes[i] != NASH_MODE_TRAIN);
        nash_plan_free(plan);
        nash_model_free(m);
    }
}

static void inference_normalises_by_the_running_statistics(void **state)
{
    (void)state;
    nash_model *m = norm_model();
    nash_plan *plan = plan_of(m, NASH_MODE_INFER, BATCH);
    random_pixels(nash_plan_input(plan), BATCH * CHANNELS * PLANE, 3);
    OK(nash_plan_forward(plan));
    double mean = (double)nash_model_tensor(m, BN, NASH_SLOT_MEAN)->data[0];
    double var = (double)nash_model_tensor(m, BN, NASH_SLOT_VAR)->data[0];
    double x = ni_ref_output(plan, BN - 1)[0], y = ni_ref_output(plan, BN)[0];
    assert_true(fabs(y - normalised(m, 0, x, mean, var)) < 1e-12);
    nash_plan_free(plan);
    nash_model_free(m);
}

/* ---- the whole -------------------------------------------------------- */

static void every_node_can_be_watched(void **state)
{
    (void)state;
    nash_model *m = random_model(11, NULL);
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_plan_opts opts = nash_plan_opts_default();
        opts.engine = NASH_ENGINE_REF;
        opts.batch = 2;
        opts.watch = id;
        nash_plan *plan;
        OK(nash_plan_create(&plan, m, &opts));
        random_pixels(nash_plan_input(plan), node_values(g, 0, 2), 5);
        OK(nash_plan_forward(plan));
        int64_t count = node_values(g, id, 2);
        float *values = malloc((size_t)count * sizeof *values);
        OK(nash_plan_read(plan, values));
        for (int64_t i = 0; i < count; i++)
            assert_true(values[i] == (float)ni_ref_output(plan, id)[i]);
        free(values);
        nash_plan_free(plan);
    }
    nash_model_free(m);
}

static void floats_are_the_rounded_doubles(void **state)
{
    (void)state;
    nash_model *m = random_model(12, NULL);
    const nash_graph *g = nash_model_graph(m);
    nash_plan *plan = plan_of(m, NASH_MODE_TRAIN, 2);
    random_pixels(nash_plan_input(plan), node_values(g, 0, 2), 6);
    random_normal(nash_plan_d_logits(plan), 2 * nash_graph_classes(g), 6);
    OK(nash_plan_forward(plan));
    OK(nash_plan_backward(plan));
    for (int32_t i = 0; i < 2 * nash_graph_classes(g); i++)
        assert_true(nash_plan_logits(plan)[i] == (float)ni_ref_logits(plan)[i]);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(m, id, slot);
            const double *exact = ni_ref_gradient(plan, id, slot);
            const float *rounded = nash_plan_gradient(plan, id, slot);
            bool trained = t && t->role != NASH_ROLE_CONSTANT &&
                           t->role != NASH_ROLE_STATISTIC;
            assert_int_equal(trained, rounded != NULL);
            for (int64_t i = 0; trained && i < t->count; i++)
                assert_true(rounded[i] == (float)exact[i]);
        }
    }
    nash_plan_free(plan);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_random_networks_are_slopes),
        cmocka_unit_test(convolution_gradients_are_slopes_for_all_attributes),
        cmocka_unit_test(pooling_gradients_are_slopes_for_all_attributes),
        cmocka_unit_test(gradients_of_the_other_operations_are_slopes),
        cmocka_unit_test(ties_of_the_maximum_go_to_the_first),
        cmocka_unit_test(padding_never_wins_the_maximum),
        cmocka_unit_test(padding_counts_in_the_mean_only_on_demand),
        cmocka_unit_test(a_nan_passes_activations_and_the_maximum),
        cmocka_unit_test(training_moves_the_running_statistics),
        cmocka_unit_test(training_mode_normalises_by_the_batch),
        cmocka_unit_test(only_training_changes_the_model),
        cmocka_unit_test(inference_normalises_by_the_running_statistics),
        cmocka_unit_test(every_node_can_be_watched),
        cmocka_unit_test(floats_are_the_rounded_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
