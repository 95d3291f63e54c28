/* The promises of the oneDNN engine's plans: equal bits, any number of threads,
 * watching, refreshing, NaNs, and memory. */
#include "onednn_fixture.h"

#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- promises about bits ---------------------------------------------- */

static float *read_node(nash_model *m, nash_plan_opts opts, int32_t id,
                        uint64_t seed)
{
    nash_shape s = nash_graph_node(nash_model_graph(m), id)->shape;
    float *values =
        calloc((size_t)opts.batch * (size_t)s.c * (size_t)s.h * (size_t)s.w,
               sizeof *values);
    opts.watch = id;
    nash_plan *plan = plan_for(m, opts, seed);
    assert_non_null(values);
    OK(nash_plan_read(plan, values));
    nash_plan_free(plan);
    return values;
}

static void assert_same_output(nash_model *m, nash_plan_opts opts, int32_t a,
                               int32_t b)
{
    nash_shape s = nash_graph_node(nash_model_graph(m), a)->shape;
    int64_t n = (int64_t)opts.batch * s.c * s.h * s.w;
    float *x = read_node(m, opts, a, 3), *y = read_node(m, opts, b, 3);
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)x[i]));
        if (x[i] != y[i])
            fail_msg("value %lld: %.9g became %.9g, mode %d, precision %d",
                     (long long)i, (double)x[i], (double)y[i], (int)opts.mode,
                     (int)opts.precision);
    }
    assert_true(largest > 0);
    free(x);
    free(y);
}

/* @param inexact  whether training may round */
static void assert_same_output_in_all_modes(nash_model *m, int32_t a, int32_t b,
                                            bool inexact)
{
    for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++) {
        nash_plan_opts opts =
            opts_of((nash_mode)mode, NASH_PRECISION_F32, 2, 1);
        opts.exact = true;
        if (inexact && mode == NASH_MODE_TRAIN)
            continue;
        assert_same_output(m, opts, a, b);
        opts.precision = NASH_PRECISION_BF16;
        if (has_bf16())
            assert_same_output(m, opts, a, b);
    }
    nash_model_free(m);
}

static void identity_convolutions_change_no_bit(void **state)
{
    (void)state;
    static const int32_t channels[] = {3, 16, 24, 33, 64};
    for (int i = 0; i < 10; i++) {
        nash_graph *g;
        int32_t c = channels[i / 2], kernel = i % 2 ? 5 : 3;
        int32_t top = net_begin(&g, 3, 9, 8);
        top = put_block(g, top, c);
        int32_t id = put_conv(g, top, c, kernel);
        nash_model *m = net_end(g, put_block(g, id, 8), 5);
        nash_tensor *w = nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
        memset(w->data, 0, (size_t)w->count * sizeof(float));
        for (int32_t o = 0; o < c; o++)
            w->data[((o * c + o) * kernel + kernel / 2) * kernel + kernel / 2] =
                1;
        /* what Winograd's algorithm takes over */
        bool inexact = (c == 16 || c == 64) && kernel == 3;
        assert_same_output_in_all_modes(m, top, id, inexact);
    }
}

static void an_open_gate_changes_no_bit(void **state)
{
    (void)state;
    nash_graph *g;
    int32_t top = net_begin(&g, 3, 9, 8);
    top = put_block(g, top, 24);
    int32_t f = put_conv(g, top, 24, 3);
    int32_t id = put_two(g, NASH_OP_GATE, f, top);
    nash_model *m = net_end(g, put_block(g, id, 8), 5);
    nash_model_tensor(m, id, NASH_SLOT_LAMBDA)->data[0] = 1;
    assert_same_output_in_all_modes(m, f, id, false);
}

static void assert_same_results(const nash_plan *a, const nash_plan *b,
                                const nash_model *m, int32_t batch)
{
    const nash_graph *g = nash_model_graph(m);
    assert_memory_equal(nash_plan_logits(a), nash_plan_logits(b),
                        (size_t)batch * (size_t)nash_graph_classes(g) *
                            sizeof(float));
    for (int32_t i = 0; i < nash_graph_size(g) * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const float *x = nash_plan_gradient(a, id, slot);
        if (x)
            assert_memory_equal(x, nash_plan_gradient(b, id, slot),
                                (size_t)nash_model_tensor(m, id, slot)->count *
                                    sizeof *x);
    }
}

static void equal_plans_give_equal_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        nash_model *a = random_model(seed, NULL), *b = random_model(seed, NULL);
        nash_plan_opts opts =
            opts_of(NASH_MODE_TRAIN, NASH_PRECISION_AUTO, 6, 2);
        nash_plan *x = plan_for(a, opts, seed), *y = plan_for(b, opts, seed);
        assert_same_results(x, y, a, opts.batch);
        assert_true(nash_model_hash(a) == nash_model_hash(b));
        nash_plan_free(x);
        nash_plan_free(y);
        nash_model_free(a);
        nash_model_free(b);
    }
}

/* Statistics, sums and batches are cut at other places, but the function is the
 * same: one thread's, to rounding; and the bits repeat. */
static void check_threads(uint64_t seed, nash_mode mode, int32_t threads)
{
    enum { IMAGES = 7 };
    nash_model *models[3];
    nash_plan *plans[3];
    compared c = {0};
    for (int i = 0; i < 3; i++) {
        models[i] = random_model(seed, NULL);
        plans[i] = plan_for(
            models[i],
            opts_of(mode, NASH_PRECISION_F32, IMAGES, i == 0 ? 1 : threads),
            seed);
    }
    compare_tensors(&c, plans[1], models[1], plans[0], models[0]);
    int32_t classes = nash_graph_classes(nash_model_graph(models[0]));
    c.logits = deviation(nash_plan_logits(plans[1]), nash_plan_logits(plans[0]),
                         (int64_t)IMAGES * classes, 1e-6);
    if (c.logits > 2e-6 || c.statistic > 2e-6 || c.gradient > 1e-3 ||
        c.whole > 2e-5)
        fail_msg("network %llu, mode %d, %d threads: logits %.2g, statistics "
                 "%.2g, gradient of %s %.2g, whole %.2g",
                 (unsigned long long)seed, (int)mode, (int)threads, c.logits,
                 c.statistic, c.where, c.gradient, c.whole);
    assert_same_results(plans[1], plans[2], models[0], IMAGES);
    assert_true(nash_model_hash(models[1]) == nash_model_hash(models[2]));
    for (int i = 0; i < 3; i++) {
        nash_plan_free(plans[i]);
        nash_model_free(models[i]);
    }
}

static void any_number_of_threads_computes_the_same_function(void **state)
{
    (void)state;
    static const int32_t threads[] = {2, 3, 9}; /* more than images */
    for (uint64_t seed = 1; seed <= 12; seed++)
        for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++)
            for (int i = 0; i < 3; i++)
                check_threads(seed, (nash_mode)mode, threads[i]);
}

/* A step leaves nothing behind that the next one sees, and d_logits stay. */
static void steps_repeat_to_the_bit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        nash_model *a = random_model(seed, NULL), *b = random_model(seed, NULL);
        nash_plan_opts opts =
            opts_of(NASH_MODE_TRAIN, NASH_PRECISION_AUTO, 4, 2);
        nash_plan *x = plan_for(a, opts, seed), *y = plan_for(b, opts, seed);
        OK(nash_plan_forward(y));
        OK(nash_plan_forward(y));
        OK(nash_plan_backward(y));
        assert_same_results(x, y, a, opts.batch);
        nash_plan_free(x);
        nash_plan_free(y);
        nash_model_free(a);
        nash_model_free(b);
    }
}

/* ---- other promises --------------------------------------------------- */

static void check_watched(uint64_t seed, nash_mode mode)
{
    nash_model *m = random_model(seed, NULL);
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_plan_opts opts = opts_of(mode, NASH_PRECISION_F32, 2, 1 + id % 2);
        nash_shape s = nash_graph_node(g, id)->shape;
        float *got = read_node(m, opts, id, seed);
        opts.engine = NASH_ENGINE_REF;
        float *want = read_node(m, opts, id, seed);
        double d = deviation(got, want, (int64_t)2 * s.c * s.h * s.w, 1e-6);
        if (d > 2e-5) {
            random_graph_print(g);
            fail_msg("seed %llu, mode %d, node %d: %.2g",
                     (unsigned long long)seed, (int)mode, (int)id, d);
        }
        free(got);
        free(want);
    }
    nash_model_free(m);
}

static void any_node_can_be_watched(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++)
            check_watched(seed, (nash_mode)mode);
}

static void refreshing_takes_up_new_weights(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        nash_model *m = random_model(seed, NULL);
        nash_plan_opts opts =
            opts_of(NASH_MODE_INFER, NASH_PRECISION_AUTO, 3, 2);
        nash_plan *old = plan_for(m, opts, seed);
        random_tensors(m, seed + 100);
        nash_plan *fresh = plan_for(m, opts, seed);
        OK(nash_plan_refresh(old));
        OK(nash_plan_forward(old));
        assert_same_results(old, fresh, m, opts.batch);
        nash_plan_free(old);
        nash_plan_free(fresh);
        nash_model_free(m);
    }
}

/* Not in inference, where oneDNN's fused ReLU makes it zero. */
static void a_nan_reaches_the_logits_in_training(void **state)
{
    (void)state;
    nash_graph *g;
    nash_attrs pool = nash_attrs_window(2, 2);
    int32_t id = net_begin(&g, 3, 8, 8);
    id = put_conv(g, id, 16, 3);
    int32_t first = id;
    id = put(g, NASH_OP_MAX_POOL, &pool, put(g, NASH_OP_RELU, NULL, id));
    id = put_two(g, NASH_OP_GATE, put_block(g, id, 16), id);
    nash_model *m = net_end(g, id, 1);
    nash_model_tensor(m, first, NASH_SLOT_WEIGHT)->data[0] = NAN;
    for (int mode = NASH_MODE_TRAIN; mode <= NASH_MODE_STATS; mode++) {
        nash_plan *plan =
            plan_for(m, opts_of((nash_mode)mode, NASH_PRECISION_AUTO, 2, 2), 1);
        assert_true(isnan(nash_plan_logits(plan)[0]));
        nash_plan_free(plan);
    }
    nash_model_free(m);
}

/* Activations do not all live at once: training needs less than the sum. */
static void memory_is_reused(void **state)
{
    (void)state;
    nash_graph *g;
    int32_t id = net_begin(&g, 3, 16, 16);
    id = put_block(g, id, 32);
    for (int i = 0; i < 8; i++)
        id = put_block(g, id, 32);
    nash_model *m = net_end(g, id, 1);
    size_t bytes, activation = (size_t)64 * 16 * 16 * 32 * sizeof(float);
    nash_plan_opts opts = opts_of(NASH_MODE_INFER, NASH_PRECISION_F32, 64, 1);
    OK(nash_plan_estimate(&bytes, nash_model_graph(m), &opts));
    assert_true(bytes < 4 * activation);
    opts.mode = NASH_MODE_TRAIN;
    OK(nash_plan_estimate(&bytes, nash_model_graph(m), &opts));
    assert_true(bytes > 18 * activation && bytes < 23 * activation);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_convolutions_change_no_bit),
        cmocka_unit_test(an_open_gate_changes_no_bit),
        cmocka_unit_test(equal_plans_give_equal_bits),
        cmocka_unit_test(any_number_of_threads_computes_the_same_function),
        cmocka_unit_test(steps_repeat_to_the_bit),
        cmocka_unit_test(any_node_can_be_watched),
        cmocka_unit_test(refreshing_takes_up_new_weights),
        cmocka_unit_test(a_nan_reaches_the_logits_in_training),
        cmocka_unit_test(memory_is_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
