/*
 * The search on a fake evaluator with known scores: nothing is trained.
 */
#include "fake_search.h"

#include <nash/budget.h>

#include "base/json.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static nash_search_opts small_search(void)
{
    nash_search_opts opts = nash_search_opts_default();
    opts.steps = 3;
    opts.neighbours = 4;
    opts.morphs = 2;
    opts.start_epochs = 2;
    opts.epochs = 3;
    opts.final_epochs = 5;
    opts.seed = 7;
    return opts;
}

/* Run a search that must succeed; its result's hash. */
static uint64_t hash_of_run(fake *f, const nash_search_opts *opts)
{
    nash_model *start = small_start(), *result = NULL;
    assert_int_equal(run(&result, f, start, opts, false), NASH_OK);
    uint64_t hash = nash_model_hash(result);
    nash_model_free(result);
    nash_model_free(start);
    return hash;
}

static void the_climb_is_monotone_and_has_all_steps(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    hash_of_run(&f, &opts);
    assert_int_equal(f.n[0], 1);
    assert_int_equal(f.n[4], 1);
    double last = f.val[0][0].loss;
    for (int s = 1; s <= opts.steps; s++) {
        assert_int_equal(f.n[s], opts.neighbours);
        double won = f.val[s][f.winners[s]].loss;
        assert_true(won <= last);
        for (int c = 0; c < opts.neighbours; c++)
            assert_true(won <= f.val[s][c].loss);
        last = won;
    }
    fake_deinit(&f);
}

static void the_unmorphed_parent_is_the_last_child(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    hash_of_run(&f, &opts);
    for (int s = 1; s <= opts.steps; s++) {
        const nash_job *parent = &f.jobs[s][opts.neighbours - 1];
        uint64_t trained = nash_model_hash(f.trained[s - 1][f.winners[s - 1]]);
        assert_int_equal(parent->kind, NASH_CANDIDATE_PARENT);
        assert_int_equal(parent->n_morphs, 0);
        assert_int_equal(f.before[s][opts.neighbours - 1], trained);
        for (int c = 0; c < opts.neighbours - 1; c++) {
            assert_int_equal(f.jobs[s][c].kind, NASH_CANDIDATE_CHILD);
            assert_int_equal(f.jobs[s][c].n_morphs, opts.morphs);
            assert_int_not_equal(f.before[s][c], trained);
            assert_int_equal(f.jobs[s][c].parent_step, s - 1);
            assert_int_equal(f.jobs[s][c].parent_child, f.winners[s - 1]);
        }
    }
    fake_deinit(&f);
}

static void every_step_trains_as_the_algorithm_says(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    opts.final_train.snapshots = 3;
    opts.train.lr_start = 0.025;
    hash_of_run(&f, &opts);
    assert_int_equal(f.jobs[0][0].kind, NASH_CANDIDATE_START);
    assert_int_equal(f.jobs[0][0].parent_step, -1);
    assert_int_equal(f.jobs[0][0].train.epochs, 2);
    for (int s = 0; s <= 4; s++)
        for (int c = 0; c < f.n[s]; c++) {
            const nash_job *job = &f.jobs[s][c];
            assert_int_equal(job->train.seed, opts.seed);
            assert_int_equal(job->train.step, s);
            assert_int_equal(job->on_all, s == 4);
            assert_int_equal(job->train.snapshots, s == 4 ? 3 : 0);
            if (s >= 1 && s <= 3) {
                assert_int_equal(job->train.epochs, 3);
                assert_true(job->train.lr_start == 0.025);
            }
        }
    assert_int_equal(f.jobs[4][0].kind, NASH_CANDIDATE_FINAL);
    assert_int_equal(f.jobs[4][0].train.epochs, 5);
    assert_int_equal(f.before[4][0],
                     nash_model_hash(f.trained[3][f.winners[3]]));
    fake_deinit(&f);
}

static void equal_seeds_give_equal_bits_in_any_order(void **state)
{
    (void)state;
    fake a = fake_new(), b = fake_new(), c = fake_new();
    nash_search_opts opts = small_search();
    b.backwards = true;
    uint64_t first = hash_of_run(&a, &opts);
    assert_int_equal(first, hash_of_run(&b, &opts));
    assert_memory_equal(a.before, b.before, sizeof a.before);
    opts.seed = 8;
    assert_int_not_equal(first, hash_of_run(&c, &opts));
    fake_deinit(&a);
    fake_deinit(&b);
    fake_deinit(&c);
}

static double all_alike(const nash_job *job)
{
    (void)job;
    return 1.0;
}

static void ties_go_to_the_lower_child(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    f.score = all_alike;
    hash_of_run(&f, &opts);
    for (int s = 1; s <= opts.steps; s++)
        assert_int_equal(f.winners[s], 0);
    fake_deinit(&f);
}

static double best_is_two(const nash_job *job)
{
    return job->child == 1 ? nan("") : job->child == 2 ? 0.1 : 0.5;
}

static void candidates_that_fail_or_give_nan_lose(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    f.score = best_is_two;
    hash_of_run(&f, &opts);
    assert_int_equal(f.winners[1], 2);
    fake_deinit(&f);
    f = fake_new();
    f.score = best_is_two;
    f.failing[2] = NASH_ECHILD;
    hash_of_run(&f, &opts);
    for (int s = 1; s <= opts.steps; s++)
        assert_int_equal(f.winners[s], 0);
    fake_deinit(&f);
}

static double not_a_number(const nash_job *job)
{
    (void)job;
    return nan("");
}

static void a_step_without_a_usable_candidate_ends_the_search(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    nash_model *start = small_start(), *result = NULL;
    f.failing[0] = NASH_EDIVERGED;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EDIVERGED);
    assert_non_null(strstr(nash_error_message(), "made to fail"));
    assert_non_null(strstr(nash_error_message(), "step 0"));
    f.failing[0] = NASH_OK;
    f.score = not_a_number;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EDIVERGED);
    assert_non_null(strstr(nash_error_message(), "not finite"));
    assert_null(result);
    nash_model_free(start);
    fake_deinit(&f);
}

static double losses_and_errors_disagree(const nash_job *job)
{
    return job->child;
}

static nash_status disagree(void *ctx, const nash_job *jobs, int32_t n,
                            nash_outcome *outcomes)
{
    nash_status status = fake_evaluate(ctx, jobs, n, outcomes);
    for (int32_t i = 0; i < n; i++) {
        outcomes[i].val.error = 1.0 - 0.1 * i;
        outcomes[i].val.balanced_error = fabs(i - 1.0);
    }
    return status;
}

static void the_criterion_decides(void **state)
{
    (void)state;
    static const int32_t expected[] = {0, 3, 1};
    for (int k = 0; k < 3; k++) {
        fake f = fake_new();
        nash_search_opts opts = small_search();
        const nash_evaluator evaluator = {&f, disagree, fake_load};
        const nash_observer observer = {&f, NULL, NULL, fake_chosen};
        nash_model *start = small_start(), *result = NULL;
        f.score = losses_and_errors_disagree;
        opts.criterion = (nash_criterion)k;
        opts.steps = 1;
        assert_int_equal(nash_search(&result, start, &opts, &fake_probe,
                                     &evaluator, &observer, NULL),
                         NASH_OK);
        assert_int_equal(f.winners[1], expected[k]);
        nash_model_free(result);
        nash_model_free(start);
        fake_deinit(&f);
    }
}

static void caps_hold_for_every_candidate(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    nash_model *start = small_start();
    opts.morph.max_params = 3 * nash_graph_params(nash_model_graph(start)) / 2;
    opts.morph.max_macs = 2 * nash_graph_macs(nash_model_graph(start));
    hash_of_run(&f, &opts);
    for (int s = 0; s <= 4; s++)
        for (int c = 0; c < opts.neighbours; c++) {
            if (!f.trained[s][c])
                continue;
            const nash_graph *g = nash_model_graph(f.trained[s][c]);
            assert_true(nash_graph_params(g) <= opts.morph.max_params);
            assert_true(nash_graph_macs(g) <= opts.morph.max_macs);
        }
    assert_true(f.refused > 0);
    assert_int_equal(f.n[1], opts.neighbours);
    nash_model_free(start);
    fake_deinit(&f);
}

static void children_that_cannot_be_made_are_refused_outcomes(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    nash_model *start = small_start();
    opts.morph.max_params = nash_graph_params(nash_model_graph(start)) - 1;
    opts.morph.max_draws = 20;
    hash_of_run(&f, &opts);
    for (int s = 1; s <= opts.steps; s++) {
        assert_int_equal(f.n[s], 1); /* only the parent was trained */
        assert_int_equal(f.winners[s], opts.neighbours - 1);
    }
    nash_model_free(start);
    fake_deinit(&f);
}

static void a_resumed_search_gives_the_same_bits(void **state)
{
    (void)state;
    nash_search_opts opts = small_search();
    fake whole = fake_new();
    uint64_t expected = hash_of_run(&whole, &opts);
    for (int stop = 0; stop <= 4; stop++) {
        fake f = fake_new();
        nash_model *start = small_start(), *result = NULL;
        f.stop_at = stop;
        assert_int_equal(run(&result, &f, start, &opts, false), NASH_ESTOP);
        assert_int_equal(f.state.step, stop - 1);
        f.stop_at = -1;
        assert_int_equal(run(&result, &f, start, &opts, true), NASH_OK);
        assert_int_equal(nash_model_hash(result), expected);
        assert_memory_equal(f.before, whole.before, sizeof f.before);
        nash_model_free(result);
        nash_model_free(start);
        fake_deinit(&f);
    }
    fake_deinit(&whole);
}

static void resuming_a_finished_search_only_loads_its_result(void **state)
{
    (void)state;
    nash_search_opts opts = small_search();
    fake f = fake_new();
    nash_model *start = small_start(), *result = NULL;
    uint64_t expected = hash_of_run(&f, &opts);
    memset(f.n, 0, sizeof f.n);
    assert_int_equal(run(&result, &f, start, &opts, true), NASH_OK);
    assert_int_equal(nash_model_hash(result), expected);
    for (int s = 0; s < MOST_STEPS; s++)
        assert_int_equal(f.n[s], 0);
    nash_model_free(result);
    nash_model_free(start);
    fake_deinit(&f);
}

static void the_random_network_has_all_morphisms_and_epochs(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    opts.strategy = NASH_STRATEGY_RANDOM;
    hash_of_run(&f, &opts);
    const nash_job *job = &f.jobs[1][0];
    assert_int_equal(f.n[1], 1);
    assert_int_equal(job->n_morphs, opts.steps * opts.morphs);
    assert_int_equal(job->train.epochs, 3 * opts.steps + 5);
    assert_true(job->on_all);
    assert_int_equal(f.n[2], 0);
    fake_deinit(&f);
}

static const nash_tensor *first_weight(const nash_model *m)
{
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->op == NASH_OP_CONV)
            return nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
    return NULL;
}

static nash_status check_fresh(void *ctx, const nash_job *jobs, int32_t n,
                               nash_outcome *outcomes)
{
    fake *f = ctx;
    for (int32_t i = 0; i < n && jobs[0].step == 1; i++) {
        float value = first_weight(jobs[i].model)->data[0];
        float parent = first_weight(f->trained[0][0])->data[0];
        assert_true(value != parent);
        for (int32_t k = 0; k < i; k++)
            assert_true(value != first_weight(jobs[k].model)->data[0]);
    }
    return fake_evaluate(ctx, jobs, n, outcomes);
}

static void without_inheritance_all_weights_are_drawn_anew(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    const nash_evaluator evaluator = {&f, check_fresh, fake_load};
    nash_model *start = small_start(), *result = NULL;
    nash_model_init(start, 3);
    opts.inherit = false;
    assert_int_equal(
        nash_search(&result, start, &opts, &fake_probe, &evaluator, NULL, NULL),
        NASH_OK);
    /* the result's final training goes on where its child ended */
    assert_int_equal(f.n[4], 1);
    nash_model_free(result);
    nash_model_free(start);
    fake_deinit(&f);
}

/* ---- halving ------------------------------------------------------------ */

/* The calls of one step. */
typedef struct rounds {
    fake f;
    int32_t n[8], stop[8], calls;
    bool has_parent[8];
} rounds;

static nash_status note_round(void *ctx, const nash_job *jobs, int32_t n,
                              nash_outcome *outcomes)
{
    rounds *r = ctx;
    if (jobs[0].step == 1) {
        r->n[r->calls] = n;
        r->stop[r->calls] = jobs[0].train.stop_epoch;
        r->has_parent[r->calls++] = jobs[n - 1].kind == NASH_CANDIDATE_PARENT;
    }
    return fake_evaluate(&r->f, jobs, n, outcomes);
}

static nash_status load_round(void *ctx, nash_model **out, int32_t step,
                              int32_t child)
{
    return fake_load(&((rounds *)ctx)->f, out, step, child);
}

static nash_status choose_round(void *ctx, int32_t step, int32_t child,
                                const nash_model *m)
{
    return fake_chosen(&((rounds *)ctx)->f, step, child, m);
}

static nash_search_opts halving_search(void)
{
    nash_search_opts opts = small_search();
    opts.steps = 1;
    opts.neighbours = 8;
    opts.halve = true;
    opts.epochs = 7;
    opts.train.cycle = 1;
    opts.train.cycle_growth = 2;
    return opts;
}

static void run_rounds(rounds *r, const nash_search_opts *opts)
{
    const nash_evaluator evaluator = {r, note_round, load_round};
    const nash_observer observer = {.ctx = r, .chosen = choose_round};
    nash_model *start = small_start(), *result = NULL;
    assert_int_equal(nash_search(&result, start, opts, &fake_probe, &evaluator,
                                 &observer, NULL),
                     NASH_OK);
    nash_model_free(result);
    nash_model_free(start);
}

static void halving_ends_the_worse_children_at_every_cosine(void **state)
{
    (void)state;
    static const int32_t n[3] = {8, 5, 3}, stop[3] = {1, 3, 0};
    rounds r = {.f = fake_new()};
    nash_search_opts opts = halving_search();
    run_rounds(&r, &opts);
    assert_int_equal(r.calls, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r.n[i], n[i]);
        assert_int_equal(r.stop[i], stop[i]);
        assert_true(r.has_parent[i]);
    }
    for (int c = 0; c < 8; c++)
        assert_true(r.f.val[1][r.f.winners[1]].loss <= r.f.val[1][c].loss);
    fake_deinit(&r.f);
}

static void halving_drops_who_fails_first(void **state)
{
    (void)state;
    rounds r = {.f = fake_new()};
    nash_search_opts opts = halving_search();
    for (int c = 0; c < 5; c++)
        r.f.failing[c + 1] = NASH_EDIVERGED;
    run_rounds(&r, &opts);
    /* children 0 and 6 are left, then the better of them; and the parent */
    assert_int_equal(r.n[1], 3);
    assert_int_equal(r.n[2], 2);
    fake_deinit(&r.f);
}

/* ---- pacing ------------------------------------------------------------- */

static nash_status by_plan(void *ctx, nash_pace *pace, int32_t step,
                           const nash_model *best)
{
    static const nash_pace plan[] = {{NASH_STAGE_START, 1, 4},
                                     {NASH_STAGE_CLIMB, 3, 2},
                                     {NASH_STAGE_CLIMB, 5, 1},
                                     {NASH_STAGE_FINAL, 1, 9},
                                     {NASH_STAGE_OVER, 0, 0}};
    assert_non_null(best);
    assert_int_equal(step, (*(int *)ctx)++);
    *pace = plan[step];
    return NASH_OK;
}

static void a_pacer_decides_what_the_steps_are(void **state)
{
    (void)state;
    fake f = fake_new();
    int asked = 0;
    const nash_pacer pacer = {&asked, by_plan, NULL};
    nash_search_opts opts = small_search();
    opts.pacer = &pacer;
    hash_of_run(&f, &opts);
    assert_int_equal(asked, 5);
    assert_int_equal(f.jobs[0][0].train.epochs, 4);
    assert_int_equal(f.n[1], 3);
    assert_int_equal(f.jobs[1][0].train.epochs, 2);
    assert_int_equal(f.n[2], 5);
    assert_int_equal(f.n[3], 1);
    assert_int_equal(f.jobs[3][0].train.epochs, 9);
    assert_true(f.jobs[3][0].on_all);
    assert_int_equal(f.n[4], 0);
    fake_deinit(&f);
}

static nash_status bend_to_one(void *ctx, int32_t *rest, int32_t step,
                               const nash_outcome *done)
{
    (void)ctx;
    assert_int_equal(step, 3);
    assert_int_equal(done->status, NASH_OK);
    assert_int_equal(*rest, 3); /* of 9 */
    *rest = 1;
    return NASH_OK;
}

static void a_pacer_may_bend_the_final_training(void **state)
{
    (void)state;
    fake f = fake_new();
    int asked = 0;
    const nash_pacer pacer = {&asked, by_plan, bend_to_one};
    nash_search_opts opts = small_search();
    opts.pacer = &pacer;
    hash_of_run(&f, &opts);
    const nash_train_opts *train = &f.jobs[3][0].train;
    assert_int_equal(train->epochs, 9);
    assert_int_equal(train->stop_epoch, 0);
    assert_int_equal(train->bend_epoch, 6);
    assert_int_equal(nash_total_epochs(train), 7);
    fake_deinit(&f);
}

/* Spend a budget as it is decided. @return what was spent */
static double spend(int32_t *climbs, int32_t *final_epochs,
                    const nash_budget *budget, nash_costs costs,
                    const nash_search_opts *opts)
{
    nash_pace pace = {NASH_STAGE_START, 0, 0};
    *climbs = 0;
    for (int32_t step = 0; pace.stage != NASH_STAGE_FINAL; step++) {
        nash_budget_pace(&pace, budget, &costs, opts, step);
        if (pace.stage == NASH_STAGE_CLIMB) {
            assert_in_range(pace.neighbours, 2, opts->neighbours);
            costs.spent += pace.neighbours * pace.epochs * costs.child_epoch;
            costs.child_epoch *= 1.5;
            costs.final_epoch *= 1.5;
            ++*climbs;
        } else if (pace.stage == NASH_STAGE_START) {
            costs.spent += pace.epochs * costs.start_epoch;
        }
    }
    *final_epochs = pace.epochs;
    return costs.spent + pace.epochs * costs.final_epoch;
}

static void a_budget_is_kept_and_mostly_spent(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 10.0};
    opts.steps = 4;
    for (double total = 10.0; total < 1e6; total *= 1.7) {
        int32_t climbs, final_epochs;
        nash_budget budget = nash_budget_default(total);
        double spent = spend(&climbs, &final_epochs, &budget, costs, &opts);
        assert_true(spent <= total);
        assert_true(spent > 0.6 * total || final_epochs == 100000);
        assert_true(climbs <= 4 && (total < 5000.0 || climbs == 4));
        assert_true(final_epochs >= 1);
    }
}

static void a_larger_budget_is_for_larger_networks(void **state)
{
    (void)state;
    assert_true(nash_budget_macs(4.0) == 2 * nash_budget_macs(1.0));
    assert_int_equal(nash_budget_macs(0.0), 0);
}

static void the_result_knows_its_lineage(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    nash_model *start = small_start(), *result = NULL;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_OK);
    const char *text = nash_model_meta(result, NASH_META_LINEAGE);
    assert_non_null(text);
    cJSON *list = cJSON_Parse(text);
    assert_int_equal(cJSON_GetArraySize(list), opts.steps * opts.morphs);
    cJSON_Delete(list);
    nash_model_free(result);
    nash_model_free(start);
    fake_deinit(&f);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_model *start = small_start(), *result = NULL;
    nash_search_opts opts = small_search();
    opts.neighbours = 1;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EINVAL);
    opts = small_search();
    opts.morphs = 0;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EINVAL);
    opts = small_search();
    opts.steps = -1;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EINVAL);
    opts = small_search();
    opts.final_epochs = -1;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EINVAL);
    opts = small_search();
    opts.strategy = NASH_STRATEGY_RANDOM;
    opts.steps = 0;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_EINVAL);
    assert_null(result);
    nash_model_free(start);
    fake_deinit(&f);
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    nash_search_opts opts = small_search();
    nash_model *start = small_start();
    opts.steps = 1;
    opts.neighbours = 2;
    int64_t live = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    for (int64_t n = 0; status == NASH_ENOMEM; n++) {
        fake f = fake_new();
        nash_model *result = NULL;
        ni_memory_fail_after(n);
        status = run(&result, &f, start, &opts, false);
        ni_memory_fail_after(-1);
        nash_model_free(result);
        fake_deinit(&f);
        assert_int_equal(ni_memory_live_blocks(), live);
    }
    assert_int_equal(status, NASH_OK);
    nash_model_free(start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_climb_is_monotone_and_has_all_steps),
        cmocka_unit_test(the_unmorphed_parent_is_the_last_child),
        cmocka_unit_test(every_step_trains_as_the_algorithm_says),
        cmocka_unit_test(equal_seeds_give_equal_bits_in_any_order),
        cmocka_unit_test(ties_go_to_the_lower_child),
        cmocka_unit_test(candidates_that_fail_or_give_nan_lose),
        cmocka_unit_test(a_step_without_a_usable_candidate_ends_the_search),
        cmocka_unit_test(the_criterion_decides),
        cmocka_unit_test(caps_hold_for_every_candidate),
        cmocka_unit_test(children_that_cannot_be_made_are_refused_outcomes),
        cmocka_unit_test(a_resumed_search_gives_the_same_bits),
        cmocka_unit_test(resuming_a_finished_search_only_loads_its_result),
        cmocka_unit_test(the_random_network_has_all_morphisms_and_epochs),
        cmocka_unit_test(without_inheritance_all_weights_are_drawn_anew),
        cmocka_unit_test(halving_ends_the_worse_children_at_every_cosine),
        cmocka_unit_test(halving_drops_who_fails_first),
        cmocka_unit_test(a_pacer_decides_what_the_steps_are),
        cmocka_unit_test(a_pacer_may_bend_the_final_training),
        cmocka_unit_test(a_budget_is_kept_and_mostly_spent),
        cmocka_unit_test(a_larger_budget_is_for_larger_networks),
        cmocka_unit_test(the_result_knows_its_lineage),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
