/*
 * Running out of memory at every allocation, for the public calls that no other
 * test does that with: each is repeated with 0, 1, 2, ... allocations allowed
 * until it succeeds; nothing may be left allocated. cJSON is given the same
 * allocator; SQLite is in test_store, protobuf-c in test_onnx.
 */
#include "process_fixture.h"

#include "base/json.h"
#include "base/memory.h"

#include <nash/onnx.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void *give(size_t bytes)
{
    return ni_alloc((int64_t)bytes, 1);
}

/* Repeat a call until its memory suffices. */
static void endure(nash_status (*call)(void *ctx), void *ctx)
{
    nash_status status = NASH_ENOMEM;
    int64_t live = ni_memory_live_blocks(), n = 0;
    for (; status == NASH_ENOMEM && n < 100000; n++) {
        ni_memory_fail_after(n);
        status = call(ctx);
        ni_memory_fail_after(-1);
        assert_int_equal(ni_memory_live_blocks(), live);
        if (status != NASH_OK && status != NASH_ENOMEM)
            print_error("at allocation %lld: %s\n", (long long)n,
                        nash_error_message());
    }
    assert_int_equal(status, NASH_OK);
    assert_true(n > 1);
}

/* What most calls need; made once per test. */
typedef struct world {
    nash_model *m;
    nash_dataset *ds;
    const nash_images *images;
    nash_train_opts opts;
} world;

static void world_init(world *w)
{
    *w = (world){.m = small_model(), .opts = nash_train_opts_default()};
    w->opts.engine = NASH_ENGINE_REF;
    w->opts.precision = NASH_PRECISION_F32;
    w->opts.epochs = 2;
    w->opts.batch = 16;
    w->opts.muon = 0.1;
    assert_int_equal(nash_dataset_open(&w->ds, data, NULL), NASH_OK);
    assert_int_equal(nash_dataset_images(&w->images, w->ds, NASH_PART_TRAIN),
                     NASH_OK);
}

static void world_deinit(world *w)
{
    nash_dataset_close(w->ds);
    nash_model_free(w->m);
}

static nash_status predict(void *ctx)
{
    world *w = ctx;
    float p[20 * N_CLASSES];
    nash_plan_opts plan = nash_plan_opts_default();
    nash_model *both[2] = {w->m, w->m};
    plan.engine = NASH_ENGINE_REF;
    plan.precision = NASH_PRECISION_F32;
    plan.batch = 8;
    return nash_predict(p, both, 2, w->images, NULL, 20, &plan);
}

static nash_status measure(void *ctx)
{
    world *w = ctx;
    nash_speed speed;
    nash_model *copy = NULL;
    nash_status status = nash_model_dup(&copy, w->m);
    if (status == NASH_OK)
        status = nash_train_speed(&speed, NULL, copy, &w->opts, 0.0, NULL);
    nash_model_free(copy);
    return status;
}

static nash_status make_net(void *ctx)
{
    world *w = ctx;
    nash_model *m = NULL;
    nash_net_opts net = nash_net_opts_default();
    net.widths[0] = net.widths[1] = net.widths[2] = 4;
    nash_status status = nash_net_for_data(&m, "start", w->ds, &net);
    nash_model_free(m);
    return status;
}

static nash_status describe(void *ctx)
{
    world *w = ctx;
    nash_model *copy = NULL;
    const nash_score val = {0.5, 0.25, 0.125, 12};
    nash_status status = nash_model_dup(&copy, w->m);
    if (status == NASH_OK)
        status = nash_describe_data(copy, w->ds);
    if (status == NASH_OK)
        status = nash_describe_training(copy, &w->opts, 48, 1.5, &val);
    nash_model_free(copy);
    return status;
}

static nash_status split(void *ctx)
{
    world *w = ctx;
    int32_t *train = NULL, *val = NULL, n_train, n_val;
    nash_status status =
        nash_run_split(&train, &n_train, &val, &n_val, w->images, 0.2, 0, 1);
    nash_split_free(train);
    nash_split_free(val);
    return status;
}

static nash_status probe(void *ctx)
{
    world *w = ctx;
    static const float pixels[16 * SIDE * SIDE];
    nash_probe p = {0};
    nash_plan_opts plan = nash_plan_opts_default();
    double mean[4], var[4];
    plan.engine = NASH_ENGINE_REF;
    plan.precision = NASH_PRECISION_F32;
    plan.batch = 8;
    nash_status status =
        nash_probe_open(&p, pixels, 16, (nash_shape){1, SIDE, SIDE}, &plan);
    if (status == NASH_OK)
        status = p.moments(p.ctx, w->m, 2, mean, var);
    if (p.ctx)
        nash_probe_close(&p);
    return status;
}

/* A state is written, and then gone on from. */
static nash_status cut_and_go_on(void *ctx)
{
    world *w = ctx;
    char path[128];
    int32_t index[24];
    nash_model *m = NULL;
    snprintf(path, sizeof path, "%s/state", work);
    nash_train_hooks hooks = {.state_path = path};
    nash_status status = NASH_OK;
    for (int32_t i = 0; i < 24; i++)
        index[i] = i;
    for (int32_t stop = 1; stop <= 2 && status == NASH_OK; stop++) {
        w->opts.stop_epoch = stop;
        status = nash_model_dup(&m, w->m);
        if (status == NASH_OK)
            status =
                nash_train(m, w->images, index, 24, NULL, 0, &w->opts, &hooks);
        nash_model_free(m);
        m = NULL;
    }
    return status;
}

static nash_status candidate(void *ctx)
{
    (void)ctx;
    nash_model *m = NULL;
    nash_status status = nash_candidate_model(&m, run_dir, 1, 0, -1);
    nash_model_free(m);
    if (status == NASH_OK)
        status = nash_candidates_prune(run_dir, 1, 0, false);
    return status;
}

/* Of which a result is there, so that no process is needed. */
static nash_status ask_again(void *ctx)
{
    world *w = ctx;
    nash_evaluator e = {0};
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    nash_job job = a_job(w->m, 0);
    nash_status status = nash_process_evaluator_open(&e, &opts);
    if (status == NASH_OK)
        status = e.evaluate(e.ctx, &job, 1, &outcome);
    nash_outcome_deinit(&outcome);
    nash_process_evaluator_close(&e);
    return status;
}

#define ENDURES(name, call)                                                    \
    static void name(void **state)                                             \
    {                                                                          \
        world w;                                                               \
        (void)state;                                                           \
        world_init(&w);                                                        \
        endure(call, &w);                                                      \
        world_deinit(&w);                                                      \
    }

ENDURES(predicting_endures_it, predict)
ENDURES(measuring_endures_it, measure)
ENDURES(making_a_network_endures_it, make_net)
ENDURES(describing_endures_it, describe)
ENDURES(splitting_endures_it, split)
ENDURES(probing_endures_it, probe)
ENDURES(states_endure_it, cut_and_go_on)

static void candidates_endure_it(void **state)
{
    (void)state;
    world w;
    nash_process_opts opts = some_opts();
    nash_outcome outcome = {0};
    world_init(&w);
    nash_job job = a_job(w.m, 0);
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    nash_outcome_deinit(&outcome);
    endure(ask_again, &w);
    endure(candidate, &w);
    world_deinit(&w);
}

static int share_our_memory(void **state)
{
    (void)state;
    cJSON_Hooks hooks = {give, ni_free};
    cJSON_InitHooks(&hooks);
    return 0;
}

int main(int argc, char **argv)
{
    be_candidate_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        DIST_TEST(predicting_endures_it),
        DIST_TEST(measuring_endures_it),
        DIST_TEST(making_a_network_endures_it),
        DIST_TEST(describing_endures_it),
        DIST_TEST(splitting_endures_it),
        DIST_TEST(probing_endures_it),
        DIST_TEST(states_endure_it),
        DIST_TEST(candidates_endure_it),
    };
    return cmocka_run_group_tests(tests, share_our_memory, NULL);
}
