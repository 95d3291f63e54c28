/* What all engines share: options, sizes, order of calls, running out of
 * memory, threads, the profile, and softmax. */
#include "engine_fixture.h"

#include "base/memory.h"
#include "base/crew.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const nash_mode modes[] = {NASH_MODE_INFER, NASH_MODE_TRAIN,
                                  NASH_MODE_STATS};

/* ---- options and order ------------------------------------------------ */

static void refuse(nash_model *m, const nash_plan_opts *opts, const char *word)
{
    nash_plan *plan = NULL;
    size_t bytes;
    assert_int_equal(nash_plan_create(&plan, m, opts), NASH_EINVAL);
    assert_null(plan);
    assert_non_null(strstr(nash_error_message(), word));
    assert_int_equal(nash_plan_estimate(&bytes, nash_model_graph(m), opts),
                     NASH_EINVAL);
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    nash_model *m = random_model(1, NULL);
    int32_t size = nash_graph_size(nash_model_graph(m));
    const nash_plan_opts good = opts_of(NASH_ENGINE_REF, NASH_MODE_INFER, 1);
    nash_plan_opts opts = good;
    opts.batch = 0;
    refuse(m, &opts, "batch is 0");
    opts.batch = (1 << 20) + 1;
    refuse(m, &opts, "batch is 1048577");
    opts = good;
    opts.threads = 0;
    refuse(m, &opts, "threads is 0");
    opts = good;
    opts.watch = size;
    refuse(m, &opts, "watch is");
    opts.watch = -2;
    refuse(m, &opts, "watch is -2");
    opts = good;
    opts.engine = (nash_engine)7;
    refuse(m, &opts, "engine 7");
    opts = good;
    opts.mode = (nash_mode)9;
    refuse(m, &opts, "mode 9");
    opts = good;
    opts.precision = (nash_precision)5;
    refuse(m, &opts, "precision 5");
    nash_model_free(m);
}

static void incomplete_graphs_are_refused(void **state)
{
    (void)state;
    nash_graph *g;
    nash_attrs a = nash_attrs_default();
    a.out_channels = a.size[0] = a.size[1] = 3;
    OK(nash_graph_create(&g));
    OK(nash_graph_append(NULL, g, NASH_OP_INPUT, &a, NULL, 0));
    for (int i = 0; i < 2; i++) {
        size_t bytes;
        nash_plan_opts opts = opts_of(engines[i], NASH_MODE_INFER, 1);
        assert_int_equal(nash_plan_estimate(&bytes, g, &opts), NASH_EINVAL);
    }
    nash_graph_free(g);
}

static void calls_out_of_order_are_refused(void **state)
{
    (void)state;
    nash_model *m = random_model(2, NULL);
    for (int i = 0; i < 2; i++) {
        nash_plan *plan;
        float value[1];
        nash_plan_opts opts = opts_of(engines[i], NASH_MODE_INFER, 2);
        OK(nash_plan_create(&plan, m, &opts));
        assert_null(nash_plan_d_logits(plan));
        assert_null(nash_plan_gradient(plan, 2, NASH_SLOT_WEIGHT));
        assert_int_equal(nash_plan_backward(plan), NASH_EINVAL);
        assert_int_equal(nash_plan_read(plan, value), NASH_EINVAL);
        nash_plan_free(plan);
        opts.mode = NASH_MODE_TRAIN;
        opts.watch = 1;
        assert_int_equal(nash_plan_create_reader(&plan, m, &opts), NASH_EINVAL);
        assert_null(plan);
        OK(nash_plan_create(&plan, m, &opts));
        assert_int_equal(nash_plan_backward(plan), NASH_EINVAL);
        assert_int_equal(nash_plan_read(plan, value), NASH_EINVAL);
        OK(nash_plan_forward(plan));
        OK(nash_plan_backward(plan));
        assert_int_equal(nash_plan_backward(plan), NASH_EINVAL);
        assert_non_null(strstr(nash_error_message(), "second time"));
        nash_plan_free(plan);
    }
    nash_plan_free(NULL);
    nash_model_free(m);
}

static void engines_describe_themselves(void **state)
{
    (void)state;
    assert_string_equal(nash_engine_describe(NASH_ENGINE_REF),
                        "ref (plain loops in double)");
    assert_non_null(strstr(nash_engine_describe(NASH_ENGINE_ONEDNN), "oneDNN"));
    assert_string_equal(nash_engine_describe((nash_engine)9), "none");
}

/* ---- sizes ------------------------------------------------------------ */

static void check_size(nash_model *m, const nash_plan_opts *base, uint64_t seed)
{
    nash_plan_opts opts = *base;
    nash_plan *plan;
    size_t bytes;
    OK(nash_plan_estimate(&bytes, nash_model_graph(m), &opts));
    OK(nash_plan_create(&plan, m, &opts));
    if (nash_plan_bytes(plan) != bytes)
        fail_msg("seed %llu, engine %d, mode %d: %zu bytes, estimated %zu",
                 (unsigned long long)seed, (int)opts.engine, (int)opts.mode,
                 nash_plan_bytes(plan), bytes);
    nash_plan_free(plan);
    opts.max_bytes = bytes;
    OK(nash_plan_create(&plan, m, &opts));
    nash_plan_free(plan);
    opts.max_bytes = bytes - 1;
    assert_int_equal(nash_plan_create(&plan, m, &opts), NASH_ELIMIT);
    assert_null(plan);
}

static void plans_hold_what_was_estimated_and_not_more(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        nash_model *m = random_model(seed, NULL);
        for (int i = 0; i < 6; i++) {
            nash_plan_opts opts = opts_of(engines[i / 3], modes[i % 3], 3);
            opts.threads = 1 + (int32_t)seed % 4;
            check_size(m, &opts, seed);
        }
        nash_model_free(m);
    }
}

static void the_oracle_allocates_its_estimate(void **state)
{
    (void)state;
    nash_model *m = random_model(5, NULL);
    nash_plan_opts opts = opts_of(NASH_ENGINE_REF, NASH_MODE_TRAIN, 4);
    nash_plan *plan;
    int64_t before = ni_memory_live_bytes();
    OK(nash_plan_create(&plan, m, &opts));
    int64_t held = ni_memory_live_bytes() - before;
    int64_t said = (int64_t)nash_plan_bytes(plan);
    assert_true(held >= said && held < said + 4096);
    nash_plan_free(plan);
    assert_int_equal(ni_memory_live_bytes(), before);
    nash_model_free(m);
}

/* A chain whose sizes add up to more than 64 bits hold. */
static nash_model *make_vast_model(void)
{
    nash_graph *g;
    nash_model *m;
    int32_t id = 0;
    nash_attrs a = nash_attrs_default();
    a.out_channels = 3;
    a.size[0] = a.size[1] = 1 << 14;
    OK(nash_graph_create(&g));
    OK(nash_graph_append(&id, g, NASH_OP_INPUT, &a, NULL, 0));
    for (int i = 0; i < 3000; i++)
        OK(nash_graph_append(&id, g, NASH_OP_RELU, NULL, &id, 1));
    OK(nash_graph_append(&id, g, NASH_OP_GLOBAL_POOL, NULL, &id, 1));
    OK(nash_graph_append(&id, g, NASH_OP_SOFTMAX, NULL, &id, 1));
    OK(nash_model_create(&m, &g));
    return m;
}

static void plans_larger_than_any_memory_are_refused(void **state)
{
    (void)state;
    nash_model *m = make_vast_model();
    nash_plan *plan;
    size_t bytes;
    nash_plan_opts opts = opts_of(NASH_ENGINE_REF, NASH_MODE_TRAIN, 1 << 20);
    OK(nash_plan_estimate(&bytes, nash_model_graph(m), &opts));
    assert_true(bytes > (size_t)1 << 63);
    opts.max_bytes = (size_t)1 << 40;
    assert_int_equal(nash_plan_create(&plan, m, &opts), NASH_ELIMIT);
    opts.max_bytes = 0;
    assert_int_equal(nash_plan_create(&plan, m, &opts), NASH_ENOMEM);
    nash_model_free(m);
}

/* ---- out of memory ---------------------------------------------------- */

static void creating_plans_survives_any_failed_allocation(void **state)
{
    (void)state;
    nash_model *m = random_model(8, NULL);
    for (int i = 0; i < 6; i++) {
        nash_plan_opts opts = opts_of(engines[i / 3], modes[i % 3], 2);
        opts.threads = 2;
        nash_status status = NASH_ENOMEM;
        int64_t allowed = 0;
        for (; status != NASH_OK; allowed++) {
            nash_plan *plan = NULL;
            int64_t blocks = ni_memory_live_blocks();
            ni_memory_fail_after(allowed);
            status = nash_plan_create(&plan, m, &opts);
            ni_memory_fail_after(-1);
            assert_true(status == NASH_OK || status == NASH_ENOMEM);
            assert_true((status == NASH_OK) == (plan != NULL));
            nash_plan_free(plan);
            assert_int_equal(ni_memory_live_blocks(), blocks);
        }
        assert_true(allowed > 3);
    }
    nash_model_free(m);
}

static void estimating_survives_any_failed_allocation(void **state)
{
    (void)state;
    nash_model *m = random_model(8, NULL);
    for (int i = 0; i < 6; i++) {
        nash_plan_opts opts = opts_of(engines[i / 3], modes[i % 3], 2);
        opts.threads = 2;
        nash_status status = NASH_ENOMEM;
        for (int64_t allowed = 0; status != NASH_OK; allowed++) {
            size_t bytes;
            int64_t blocks = ni_memory_live_blocks();
            ni_memory_fail_after(allowed);
            status = nash_plan_estimate(&bytes, nash_model_graph(m), &opts);
            ni_memory_fail_after(-1);
            assert_true(status == NASH_OK || status == NASH_ENOMEM);
            assert_int_equal(ni_memory_live_blocks(), blocks);
        }
    }
    nash_model_free(m);
}

static void training_steps_allocate_nothing(void **state)
{
    (void)state;
    nash_model *m = random_model(9, NULL);
    for (int i = 0; i < 2; i++) {
        nash_plan_opts opts = opts_of(engines[i], NASH_MODE_TRAIN, 2);
        nash_plan *plan;
        opts.threads = 2;
        OK(nash_plan_create(&plan, m, &opts));
        ni_memory_fail_after(0);
        nash_status forward = nash_plan_forward(plan);
        nash_status backward = nash_plan_backward(plan);
        ni_memory_fail_after(-1);
        assert_int_equal(forward, NASH_OK);
        assert_int_equal(backward, NASH_OK);
        nash_plan_free(plan);
    }
    nash_model_free(m);
}

/* A plan that ran before its model's tensors changed gives what a new one does.
 * Inference must be told of it. */
static void forwards_take_up_new_weights(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        nash_model *m = random_model(4, NULL);
        nash_plan_opts opts = opts_of(engines[i / 3], modes[i % 3], 2);
        opts.threads = 1 + i % 2;
        int64_t logits = 2 * nash_graph_classes(nash_model_graph(m));
        nash_plan *plan, *fresh;
        OK(nash_plan_create(&plan, m, &opts));
        random_pixels(nash_plan_input(plan), node_values(m, 0, 2), 4);
        OK(nash_plan_forward(plan));
        random_tensors(m, 5);
        OK(nash_plan_create(&fresh, m, &opts));
        random_pixels(nash_plan_input(fresh), node_values(m, 0, 2), 4);
        if (opts.mode == NASH_MODE_INFER)
            OK(nash_plan_refresh(plan));
        OK(nash_plan_forward(plan));
        OK(nash_plan_forward(fresh));
        assert_memory_equal(nash_plan_logits(plan), nash_plan_logits(fresh),
                            (size_t)logits * sizeof(float));
        nash_plan_free(plan);
        nash_plan_free(fresh);
        nash_model_free(m);
    }
}

/* ---- threads ---------------------------------------------------------- */

enum { CREW = 5, MEETINGS = 200 };

typedef struct relay {
    ni_crew *crew;
    int32_t at[CREW]; /* meetings that each has left behind */
    bool apart;       /* somebody was not where all had to be */
} relay;

/* After an odd meeting everybody looks at everybody. */
static void run_relay(void *ctx, int32_t who)
{
    relay *r = ctx;
    bool apart = false;
    for (int32_t i = 0; i < MEETINGS; i++) {
        r->at[who]++;
        ni_crew_meet(r->crew);
        for (int32_t k = 0; k < CREW; k++)
            apart |= r->at[k] != r->at[who];
        ni_crew_meet(r->crew);
    }
    if (apart)
        r->apart = true;
}

static void crews_work_in_step_round_after_round(void **state)
{
    (void)state;
    relay r = {0};
    OK(ni_crew_open(&r.crew, CREW));
    assert_int_equal(ni_crew_size(r.crew), CREW);
    for (int32_t round = 1; round <= 20; round++) {
        ni_crew_run(r.crew, run_relay, &r);
        for (int32_t k = 0; k < CREW; k++)
            assert_int_equal(r.at[k], round * MEETINGS);
    }
    assert_false(r.apart);
    ni_crew_close(r.crew);
    ni_crew_close(NULL);
}

static void opening_crews_survives_any_failed_allocation(void **state)
{
    (void)state;
    nash_status status = NASH_ENOMEM;
    int64_t blocks = ni_memory_live_blocks(), allowed = 0;
    for (; status != NASH_OK; allowed++) {
        ni_crew *crew = NULL;
        ni_memory_fail_after(allowed);
        status = ni_crew_open(&crew, 3);
        ni_memory_fail_after(-1);
        assert_true((status == NASH_OK) == (crew != NULL));
        ni_crew_close(crew);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_int_equal(allowed, 3);
}

/* ---- profile ---------------------------------------------------------- */

static double total_seconds(const nash_plan *plan, const nash_model *m,
                            bool backward)
{
    double sum = 0;
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(m)); id++)
        sum += nash_plan_seconds(plan, id, backward);
    return sum;
}

static void time_is_kept_only_while_profiling(void **state)
{
    (void)state;
    nash_model *m = random_model(3, NULL);
    for (int i = 0; i < 2; i++) {
        nash_plan_opts opts = opts_of(engines[i], NASH_MODE_TRAIN, 2);
        nash_plan *plan;
        OK(nash_plan_create(&plan, m, &opts));
        OK(nash_plan_forward(plan));
        OK(nash_plan_backward(plan));
        assert_true(total_seconds(plan, m, false) == 0);
        nash_plan_profile(plan, true);
        OK(nash_plan_forward(plan));
        assert_true(total_seconds(plan, m, false) > 0);
        assert_true(total_seconds(plan, m, true) == 0);
        OK(nash_plan_backward(plan));
        double forward = total_seconds(plan, m, false);
        double backward = total_seconds(plan, m, true);
        assert_true(backward > 0);
        nash_plan_profile(plan, false);
        OK(nash_plan_forward(plan));
        OK(nash_plan_backward(plan));
        assert_true(total_seconds(plan, m, false) == forward);
        assert_true(total_seconds(plan, m, true) == backward);
        nash_plan_free(plan);
    }
    nash_model_free(m);
}

static void what_a_plan_has_not_is_nothing(void **state)
{
    (void)state;
    nash_model *m = random_model(3, NULL);
    int32_t size = nash_graph_size(nash_model_graph(m));
    for (int i = 0; i < 2; i++) {
        nash_plan_opts opts = opts_of(engines[i], NASH_MODE_TRAIN, 2);
        nash_plan *plan;
        OK(nash_plan_create(&plan, m, &opts));
        assert_null(nash_plan_gradient(plan, INT32_MIN, 0));
        assert_null(nash_plan_gradient(plan, size, 0));
        for (int32_t id = 1; id < size - 1; id++) { /* not a neighbour's */
            assert_null(nash_plan_gradient(plan, id, -NASH_SLOT_COUNT));
            assert_null(nash_plan_gradient(plan, id, NASH_SLOT_COUNT));
        }
        assert_true(nash_plan_seconds(plan, INT32_MIN, false) == 0);
        assert_true(nash_plan_seconds(plan, size, true) == 0);
        nash_plan_free(plan);
    }
    nash_model_free(m);
}

/* ---- softmax ---------------------------------------------------------- */

static void softmax_is_stable_and_works_in_place(void **state)
{
    (void)state;
    float rows[3][3] = {{1000, 1001, 999}, {-2000, -2000, -2000}, {0, 3, -90}};
    nash_softmax(rows[0], rows[0], 3, 3);
    double e = exp(1), sum = 1 + e + 1 / e;
    assert_true(fabs((double)rows[0][0] - 1 / sum) < 1e-7);
    assert_true(fabs((double)rows[0][1] - e / sum) < 1e-7);
    assert_true(fabs((double)rows[1][2] - 1. / 3) < 1e-7);
    double small = exp(-93.) / (1 + exp(-3.));
    assert_true(fabs((double)rows[2][2] / small - 1) < 1e-5);
}

static void softmax_of_a_nan_is_nan(void **state)
{
    (void)state;
    for (int at = 0; at < 3; at++) {
        float row[3] = {1, 2, 3};
        row[at] = NAN;
        nash_softmax(row, row, 1, 3);
        for (int k = 0; k < 3; k++)
            assert_true(isnan(row[k]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(incomplete_graphs_are_refused),
        cmocka_unit_test(calls_out_of_order_are_refused),
        cmocka_unit_test(engines_describe_themselves),
        cmocka_unit_test(plans_hold_what_was_estimated_and_not_more),
        cmocka_unit_test(the_oracle_allocates_its_estimate),
        cmocka_unit_test(plans_larger_than_any_memory_are_refused),
        cmocka_unit_test(creating_plans_survives_any_failed_allocation),
        cmocka_unit_test(estimating_survives_any_failed_allocation),
        cmocka_unit_test(training_steps_allocate_nothing),
        cmocka_unit_test(forwards_take_up_new_weights),
        cmocka_unit_test(crews_work_in_step_round_after_round),
        cmocka_unit_test(opening_crews_survives_any_failed_allocation),
        cmocka_unit_test(time_is_kept_only_while_profiling),
        cmocka_unit_test(what_a_plan_has_not_is_nothing),
        cmocka_unit_test(softmax_is_stable_and_works_in_place),
        cmocka_unit_test(softmax_of_a_nan_is_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
