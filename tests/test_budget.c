/* Searches that spend less: halving, pacing, budgets; nothing is trained. */
#include "fake_search.h"

#include <nash/budget.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    static const nash_pace plan[] = {{NASH_STAGE_START, 1, 4, 0.0},
                                     {NASH_STAGE_CLIMB, 3, 2, 1.2},
                                     {NASH_STAGE_CLIMB, 5, 1, 0.0},
                                     {NASH_STAGE_FINAL, 1, 9, 0.0},
                                     {NASH_STAGE_OVER, 0, 0, 0.0}};
    assert_non_null(best);
    assert_int_equal(step, (*(int *)ctx)++);
    *pace = plan[step];
    return NASH_OK;
}

static double macs_of(const nash_model *m)
{
    return (double)nash_graph_macs(nash_model_graph(m));
}

/* No child of a step is more than so many times as large as its parent. */
static void assert_grown(const fake *f, int32_t step, double most)
{
    const nash_model *parent = f->trained[step - 1][f->winners[step - 1]];
    for (int32_t c = 0; c < f->n[step]; c++)
        assert_true(macs_of(f->trained[step][c]) <= most * macs_of(parent));
}

static void a_pacer_decides_what_the_steps_are(void **state)
{
    (void)state;
    fake f = fake_new();
    int asked = 0;
    const nash_pacer pacer = {&asked, by_plan};
    nash_search_opts opts = small_search();
    opts.pacer = &pacer;
    hash_of_run(&f, &opts);
    assert_int_equal(asked, 5);
    assert_int_equal(f.jobs[0][0].train.epochs, 4);
    assert_int_equal(f.n[1], 3);
    assert_int_equal(f.jobs[1][0].train.epochs, 2);
    assert_int_equal(f.n[2], 5);
    assert_grown(&f, 1, 1.2);
    assert_int_equal(f.n[3], 1);
    assert_int_equal(f.jobs[3][0].train.epochs, 9);
    assert_true(f.jobs[3][0].on_all);
    assert_int_equal(f.n[4], 0);
    fake_deinit(&f);
}

/* MACs of what the steps are decided for. */
static nash_status note_size(void *ctx, nash_pace *pace, int32_t step,
                             const nash_model *best)
{
    static const nash_pace plan[] = {{NASH_STAGE_START, 1, 4, 0.0},
                                     {NASH_STAGE_FINAL, 1, 9, 0.0},
                                     {NASH_STAGE_OVER, 0, 0, 0.0}};
    ((double *)ctx)[step] = macs_of(best);
    *pace = plan[step];
    return NASH_OK;
}

static void a_random_network_is_paced_by_its_own_size(void **state)
{
    (void)state;
    fake f = fake_new();
    double macs[3] = {0.0};
    const nash_pacer pacer = {macs, note_size};
    nash_search_opts opts = small_search();
    opts.strategy = NASH_STRATEGY_RANDOM;
    opts.pacer = &pacer;
    hash_of_run(&f, &opts);
    assert_int_equal(f.jobs[1][0].train.epochs, 9);
    assert_true(macs[1] == macs_of(f.trained[1][0]));
    assert_true(macs[1] > macs[0]);
    fake_deinit(&f);
}

/* Spend a budget as it is decided. @return what was spent */
static double spend(int32_t *climbs, int32_t *final_epochs,
                    const nash_budget *budget, nash_costs costs,
                    const nash_search_opts *opts)
{
    nash_pace pace = {NASH_STAGE_START, 0, 0, 0.0};
    *climbs = 0;
    for (int32_t step = 0; pace.stage != NASH_STAGE_FINAL; step++) {
        nash_budget_pace(&pace, budget, &costs, opts, step);
        if (pace.stage == NASH_STAGE_CLIMB) {
            assert_in_range(pace.neighbours, 2, opts->neighbours);
            costs.spent += pace.neighbours * pace.epochs * costs.child_epoch;
            costs.child_epoch *= 1.5;
            costs.final_epoch *= 1.5;
            costs.largest /= 1.5;
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
        assert_true(spent > 0.6 * total || final_epochs == 1000);
        assert_true(climbs <= 4 && (total < 5000.0 || climbs == 4));
        assert_true(final_epochs >= 1);
    }
}

static void steps_grow_evenly_towards_the_limit(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    nash_budget budget = nash_budget_default(1e6);
    nash_costs costs = {0.0, 2.0, 2.0, 2.5, 10.0};
    nash_pace pace;
    opts.steps = 4;
    for (int32_t step = 1; step <= 4; step++) {
        nash_budget_pace(&pace, &budget, &costs, &opts, step);
        assert_true(fabs(pace.growth - pow(10.0, 0.25)) < 1e-12);
        costs.largest /= pace.growth;
    }
    costs.largest = (double)INFINITY; /* nothing is limited */
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_true(pace.growth == budget.growth);
}

/* A step of four candidates costs 8, whatever they grow to, and four of them
 * 32. */
static void
where_size_costs_nothing_networks_are_limited_all_the_same(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    nash_budget budget = {1.0, 0.0, 33.0, 1.6};
    nash_costs costs = {0.0, 2.0, 2.0, 2.5, (double)INFINITY, .flat = true};
    nash_pace pace;
    opts.steps = 4;
    opts.epochs = 1;
    opts.neighbours = 4;
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_int_equal(pace.stage, NASH_STAGE_CLIMB);
    assert_true(pace.growth == budget.growth);
    costs.largest = 16.0;
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_true(fabs(pace.growth - 2.0) < 1e-12);
    budget.climb_share = 31.0;
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_true(pace.growth == 2.5); /* not the third root of 16 */
}

static void little_money_means_fewer_cosines_then_fewer_steps(void **state)
{
    (void)state;
    /* least cost of four steps of four, all children twice their parents':
     * (1 + 2 * 3) / 4 * (1 + 2 + 4 + 8) * 2 s = 52.5 s an epoch; candidates
     * have 4, 4 + 2 * 3 or 4 + 2 * 3 + 4 * 2 of them in 1, 3 or 7 */
    static const struct {
        double climb;
        int32_t epochs, neighbours;
    } cases[] = {{0.99 * 52.5 * 18, 3, 0},
                 {1.01 * 52.5 * 18, 7, 4},
                 {0.99 * 52.5 * 10, 1, 0},
                 {1.01 * 52.5 * 10, 3, 4},
                 {1.01 * 52.5 * 4, 1, 4},
                 {0.99 * 52.5 * 4, 1, 4},
                 {1e6, 7, 8}};
    nash_search_opts opts = halving_search();
    opts.steps = 4;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nash_pace pace;
        nash_budget budget = {1.0, 0.0, cases[i].climb, 1.6};
        const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 16.0};
        nash_budget_pace(&pace, &budget, &costs, &opts, 1);
        assert_int_equal(pace.stage, NASH_STAGE_CLIMB);
        assert_int_equal(pace.epochs, cases[i].epochs);
        assert_true(pace.neighbours >= 4);
        if (cases[i].neighbours > 0)
            assert_int_equal(pace.neighbours, cases[i].neighbours);
        bool all = cases[i].climb >= 52.5 * 4;
        assert_true(all == (fabs(pace.growth - 2.0) < 1e-9));
    }
}

static void a_start_without_epochs_stays_as_it_is(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    nash_budget budget = nash_budget_default(1e6);
    const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 10.0};
    nash_pace pace;
    opts.start_epochs = 0;
    nash_budget_pace(&pace, &budget, &costs, &opts, 0);
    assert_int_equal(pace.stage, NASH_STAGE_START);
    assert_int_equal(pace.epochs, 0);
}

/* Candidates of 7 epochs: four for 1, three for 2 and two for 4 of them. By
 * two side by side that is two rounds of 1, two of 2 and one of 4. */
static void jobs_beyond_the_candidates_save_nothing(void **state)
{
    (void)state;
    static const struct {
        int32_t jobs;
        double epochs; /* of the clock */
    } cases[] = {{0, 18.0}, {1, 18.0}, {2, 10.0},
                 {3, 8.0},  {4, 7.0},  {16, 7.0}};
    nash_search_opts opts = halving_search();
    opts.steps = 4;
    opts.neighbours = 4;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        nash_pace pace;
        bool enough = i % 2;
        double climb = (enough ? 1.01 : 0.99) * 52.5 * cases[i / 2].epochs;
        nash_budget budget = {1.0, 0.0, climb, 1.6};
        const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 16.0, cases[i / 2].jobs};
        nash_budget_pace(&pace, &budget, &costs, &opts, 1);
        assert_int_equal(pace.epochs, enough ? 7 : 3);
    }
}

/* Twice as large in all: in six steps by 1.12 each, in three by 1.26. That
 * leaves candidates all of their epochs. Where size costs nothing, or for the
 * first two steps, it does not count. */
static void steps_that_could_not_grow_are_left_out(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    nash_budget budget = nash_budget_default(1e6);
    nash_pace pace;
    opts.steps = 6;
    nash_costs costs = {0.0, 2.0, 2.0, 2.5, 2.0, 1};
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_int_equal(pace.stage, NASH_STAGE_CLIMB);
    assert_int_equal(pace.epochs, 7);
    assert_true(fabs(pace.growth - cbrt(2.0)) < 1e-9);
    costs.largest = 1.0;
    nash_budget_pace(&pace, &budget, &costs, &opts, 2);
    assert_int_equal(pace.stage, NASH_STAGE_CLIMB);
    nash_budget_pace(&pace, &budget, &costs, &opts, 3);
    assert_int_equal(pace.stage, NASH_STAGE_FINAL);
    costs.flat = true;
    nash_budget_pace(&pace, &budget, &costs, &opts, 3);
    assert_int_equal(pace.stage, NASH_STAGE_CLIMB);
}

static void a_short_climb_grows_less_before_it_loses_a_step(void **state)
{
    (void)state;
    /* 8 s a step of unmorphed networks; steps that grow by g take (1 + 3 g) / 4
     * of that, and the second one g times as much: 59.5 s for both at 2.5, 25 s
     * at 1.4; a single one 17 s at 2.5, 10.4 s at 1.4 */
    static const struct {
        double climb, least, most;
        nash_stage stage;
    } cases[] = {{60.0, 2.5, 2.5, NASH_STAGE_CLIMB},
                 {50.0, 2.1, 2.25, NASH_STAGE_CLIMB},
                 {26.0, 1.36, 1.45, NASH_STAGE_CLIMB},
                 {20.0, 2.5, 2.5, NASH_STAGE_CLIMB},
                 {10.0, 0.0, 0.0, NASH_STAGE_FINAL}};
    nash_search_opts opts = halving_search();
    opts.steps = 2;
    opts.epochs = 1;
    opts.neighbours = 4;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nash_pace pace;
        nash_budget budget = {1.0, 0.0, cases[i].climb, 1.6};
        const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 16.0};
        nash_budget_pace(&pace, &budget, &costs, &opts, 1);
        assert_int_equal(pace.stage, cases[i].stage);
        assert_true(pace.growth >= cases[i].least - 1e-9);
        assert_true(pace.growth <= cases[i].most + 1e-9);
    }
}

/* One step of four candidates of 100 epochs costs 800 s if nothing grows. */
static void a_long_cosine_is_shortened_before_a_step_is_lost(void **state)
{
    (void)state;
    static const struct {
        double climb;
        nash_stage stage;
        int32_t epochs;
    } cases[] = {{1700.0, NASH_STAGE_CLIMB, 100},
                 {900.0, NASH_STAGE_CLIMB, 56},
                 {410.0, NASH_STAGE_CLIMB, 25},
                 {150.0, NASH_STAGE_FINAL, 0}};
    nash_search_opts opts = halving_search();
    opts.steps = 2;
    opts.epochs = opts.train.cycle = 100;
    opts.neighbours = 4;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nash_pace pace;
        nash_budget budget = {1.0, 0.0, cases[i].climb, 1.6};
        const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 1.0};
        nash_budget_pace(&pace, &budget, &costs, &opts, 1);
        assert_int_equal(pace.stage, cases[i].stage);
        if (cases[i].epochs > 0)
            assert_int_equal(pace.epochs, cases[i].epochs);
    }
}

/* What saves a search's first two steps, cosines that are cut short, saves no
 * later ones. */
static void only_the_first_two_steps_are_saved(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    nash_budget budget = {1.0, 0.0, 500.0, 1.6};
    const nash_costs costs = {0.0, 2.0, 2.0, 2.5, 1.0};
    opts.steps = 6;
    opts.epochs = opts.train.cycle = 100; /* 800 s a step */
    opts.neighbours = 4;
    for (int32_t step = 1; step <= 4; step++) {
        nash_pace pace;
        nash_budget_pace(&pace, &budget, &costs, &opts, step);
        assert_int_equal(pace.stage,
                         step <= 2 ? NASH_STAGE_CLIMB : NASH_STAGE_FINAL);
        if (step <= 2)
            assert_int_equal(pace.epochs, step == 1 ? 31 : 62);
    }
}

/* 1,000 epochs of a network twice as large cost 5,000 s of 100,000. */
static void what_the_longest_training_leaves_goes_to_the_climb(void **state)
{
    (void)state;
    nash_search_opts opts = halving_search();
    nash_budget budget = {1e5, 0.0, 0.01, 1.6};
    nash_costs costs = {0.0, 2.0, 2.0, 2.5, 2.0};
    nash_pace pace;
    opts.steps = 1;
    opts.epochs = opts.train.cycle = 1000;
    opts.neighbours = 4; /* 14,000 s, 10,400 s if they grow by 1.4 */
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_int_equal(pace.stage, NASH_STAGE_CLIMB);
    assert_int_equal(pace.epochs, 1000);
    costs.spent = 95000.0 - 9000.0;
    nash_budget_pace(&pace, &budget, &costs, &opts, 1);
    assert_in_range(pace.epochs, 860, 880); /* 865 at 1.4 */
}

static void a_larger_budget_is_for_larger_networks(void **state)
{
    (void)state;
    int64_t one = nash_budget_macs(1.0), four = nash_budget_macs(4.0);
    assert_in_range(four, 2 * one, 3 * one);
    assert_int_equal(nash_budget_macs(0.0), 0);
    assert_true(nash_budget_macs((double)INFINITY) == INT64_MAX);
    assert_true(nash_budget_macs(1e300) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halving_ends_the_worse_children_at_every_cosine),
        cmocka_unit_test(halving_drops_who_fails_first),
        cmocka_unit_test(a_pacer_decides_what_the_steps_are),
        cmocka_unit_test(a_random_network_is_paced_by_its_own_size),
        cmocka_unit_test(a_budget_is_kept_and_mostly_spent),
        cmocka_unit_test(steps_grow_evenly_towards_the_limit),
        cmocka_unit_test(
            where_size_costs_nothing_networks_are_limited_all_the_same),
        cmocka_unit_test(little_money_means_fewer_cosines_then_fewer_steps),
        cmocka_unit_test(a_start_without_epochs_stays_as_it_is),
        cmocka_unit_test(jobs_beyond_the_candidates_save_nothing),
        cmocka_unit_test(steps_that_could_not_grow_are_left_out),
        cmocka_unit_test(a_short_climb_grows_less_before_it_loses_a_step),
        cmocka_unit_test(a_long_cosine_is_shortened_before_a_step_is_lost),
        cmocka_unit_test(only_the_first_two_steps_are_saved),
        cmocka_unit_test(what_the_longest_training_leaves_goes_to_the_climb),
        cmocka_unit_test(a_larger_budget_is_for_larger_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
