/*
 * The search on a fake evaluator with known scores: nothing is trained.
 */
#include "fake_search.h"

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

/* Search one step; f has its winner and candidates. */
static void run_step(fake *f, nash_search_opts opts,
                     nash_status (*evaluate)(void *ctx, const nash_job *jobs,
                                             int32_t n, nash_outcome *outcomes))
{
    const nash_evaluator evaluator = {f, evaluate, fake_load};
    const nash_observer observer = {f, NULL, NULL, fake_chosen};
    nash_model *start = small_start(), *result = NULL;
    opts.steps = 1;
    assert_int_equal(nash_search(&result, start, &opts, &fake_probe, &evaluator,
                                 &observer, NULL),
                     NASH_OK);
    nash_model_free(result);
    nash_model_free(start);
}

static void the_criterion_decides(void **state)
{
    (void)state;
    static const int32_t expected[] = {0, 3, 1};
    for (int k = 0; k < 3; k++) {
        fake f = fake_new();
        nash_search_opts opts = small_search();
        f.score = losses_and_errors_disagree;
        opts.criterion = (nash_criterion)k;
        run_step(&f, opts, disagree);
        assert_int_equal(f.winners[1], expected[k]);
        fake_deinit(&f);
    }
}

/* Losses 1.00, 1.01, 1.02 and so on, to the parent's. */
static nash_status nearly_alike(void *ctx, const nash_job *jobs, int32_t n,
                                nash_outcome *outcomes)
{
    nash_status status = fake_evaluate(ctx, jobs, n, outcomes);
    for (int32_t i = 0; i < n; i++)
        outcomes[i].val.loss = 1.0 + 0.01 * i;
    return status;
}

static int32_t largest_of(const nash_job *jobs, int32_t n)
{
    int32_t largest = 0;
    for (int32_t k = 1; k < n; k++)
        if (nash_graph_macs(nash_model_graph(jobs[k].model)) >
            nash_graph_macs(nash_model_graph(jobs[largest].model)))
            largest = k;
    return largest;
}

/* Losses 1.00, but 1.02 for the largest. */
static nash_status largest_is_worst(void *ctx, const nash_job *jobs, int32_t n,
                                    nash_outcome *outcomes)
{
    nash_status status = fake_evaluate(ctx, jobs, n, outcomes);
    for (int32_t i = 0; i < n; i++)
        outcomes[i].val.loss = 1.0;
    outcomes[largest_of(jobs, n)].val.loss = 1.02;
    return status;
}

static int32_t winner_with_tie(double tie, int64_t *macs,
                               nash_status (*evaluate)(void *, const nash_job *,
                                                       int32_t, nash_outcome *))
{
    fake f = fake_new();
    nash_search_opts opts = small_search();
    opts.tie = tie;
    opts.criterion = NASH_CRITERION_LOSS;
    run_step(&f, opts, evaluate);
    int32_t winner = f.winners[1];
    for (int32_t k = 0; k < f.n[1]; k++)
        macs[k] = nash_graph_macs(nash_model_graph(f.trained[1][k]));
    fake_deinit(&f);
    return winner;
}

static void the_largest_of_equals_wins(void **state)
{
    (void)state;
    int64_t macs[64];
    assert_int_equal(winner_with_tie(0.0, macs, nearly_alike), 0);
    assert_int_equal(winner_with_tie(0.005, macs, nearly_alike), 0);
    int32_t chosen = winner_with_tie(0.025, macs, nearly_alike), largest = 0;
    for (int32_t k = 1; k <= 2; k++)
        largest = macs[k] > macs[largest] ? k : largest;
    assert_int_equal(chosen, largest);
    assert_int_not_equal(largest, 0);
    for (int32_t k = 0; k < 4; k++)
        largest = macs[k] > macs[largest] ? k : largest;
    assert_int_equal(winner_with_tie(0.021, macs, largest_is_worst), largest);
    assert_int_not_equal(winner_with_tie(0.019, macs, largest_is_worst),
                         largest);
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

static int lineage_length(const nash_model *m)
{
    cJSON *list = cJSON_Parse(nash_model_meta(m, NASH_META_LINEAGE));
    int length = cJSON_GetArraySize(list);
    cJSON_Delete(list);
    return length;
}

static void children_near_a_cap_have_the_morphisms_that_fit(void **state)
{
    (void)state;
    nash_model *start = small_start();
    nash_search_opts opts = small_search();
    int64_t params = nash_graph_params(nash_model_graph(start));
    opts.steps = 1;
    opts.morphs = 30;
    opts.final_epochs = 0;
    opts.morph.kinds = 1u << NASH_MORPH_DEEPEN;
    opts.morph.max_draws = 20;
    opts.morph.max_params = 3 * params;
    for (int s = 0; s < 2; s++) {
        fake f = fake_new();
        opts.strategy = s ? NASH_STRATEGY_RANDOM : NASH_STRATEGY_HILLCLIMB;
        hash_of_run(&f, &opts);
        for (int c = 0; c < (s ? 1 : opts.neighbours - 1); c++) {
            int32_t n = f.jobs[1][c].n_morphs;
            assert_in_range(n, 1, 29);
            assert_int_equal(lineage_length(f.trained[1][c]), n);
        }
        fake_deinit(&f);
    }
    nash_model_free(start);
}

static void a_stop_is_heard_while_children_are_made(void **state)
{
    (void)state;
    static const volatile int stop = 1;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    nash_model *start = small_start(), *result = NULL;
    opts.morph.stop = &stop;
    assert_int_equal(run(&result, &f, start, &opts, false), NASH_ESTOP);
    assert_int_equal(f.state.step, 0);
    assert_int_equal(f.n[1], 0);
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

static nash_status redraw_with_sevens(void *ctx, nash_model *m, uint64_t seed)
{
    ++*(int *)ctx;
    nash_model_init(m, seed);
    first_weight(m)->data[0] = 7.0F;
    return NASH_OK;
}

static nash_status check_sevens(void *ctx, const nash_job *jobs, int32_t n,
                                nash_outcome *outcomes)
{
    for (int32_t i = 0; i < n && jobs[0].step == 1; i++)
        assert_true(first_weight(jobs[i].model)->data[0] == 7.0F);
    return fake_evaluate(ctx, jobs, n, outcomes);
}

static nash_status only_the_result_has_sevens(void *ctx, const nash_job *jobs,
                                              int32_t n, nash_outcome *outcomes)
{
    for (int32_t i = 0; i < n; i++)
        assert_true((first_weight(jobs[i].model)->data[0] == 7.0F) ==
                    (jobs[i].kind == NASH_CANDIDATE_FINAL));
    return fake_evaluate(ctx, jobs, n, outcomes);
}

static void the_result_can_be_trained_from_scratch(void **state)
{
    (void)state;
    fake f = fake_new();
    int redrawn = 0;
    nash_search_opts opts = small_search();
    const nash_evaluator evaluator = {&f, only_the_result_has_sevens,
                                      fake_load};
    nash_model *start = small_start(), *result = NULL;
    opts.final_inherit = NASH_INHERIT_NO;
    opts.redraw = redraw_with_sevens;
    opts.redraw_ctx = &redrawn;
    assert_int_equal(
        nash_search(&result, start, &opts, &fake_probe, &evaluator, NULL, NULL),
        NASH_OK);
    assert_int_equal(redrawn, 1);
    nash_model_free(result);
    nash_model_free(start);
    fake_deinit(&f);
}

/* Four epochs where a starting network has five go on; six begin anew. So does
 * the longest training there is, whatever the starting network may have. */
static void a_short_final_training_goes_on_from_the_weights(void **state)
{
    (void)state;
    static const struct {
        int32_t start, final;
        bool anew;
    } cases[] = {{5, 4, false},
                 {5, 5, false},
                 {5, 6, true},
                 {1200, 999, false},
                 {1200, 1000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake f = fake_new();
        int redrawn = 0;
        nash_search_opts opts = small_search();
        const nash_evaluator evaluator = {&f, fake_evaluate, fake_load};
        nash_model *start = small_start(), *result = NULL;
        opts.final_inherit = NASH_INHERIT_AUTO;
        opts.start_epochs = cases[i].start;
        opts.final_epochs = cases[i].final;
        opts.redraw = redraw_with_sevens;
        opts.redraw_ctx = &redrawn;
        assert_int_equal(nash_search(&result, start, &opts, &fake_probe,
                                     &evaluator, NULL, NULL),
                         NASH_OK);
        assert_int_equal(redrawn, cases[i].anew);
        nash_model_free(result);
        nash_model_free(start);
        fake_deinit(&f);
    }
}

static void how_weights_are_drawn_anew_can_be_told(void **state)
{
    (void)state;
    fake f = fake_new();
    int redrawn = 0;
    nash_search_opts opts = small_search();
    const nash_evaluator evaluator = {&f, check_sevens, fake_load};
    nash_model *start = small_start(), *result = NULL;
    opts.inherit = false;
    opts.redraw = redraw_with_sevens;
    opts.redraw_ctx = &redrawn;
    assert_int_equal(
        nash_search(&result, start, &opts, &fake_probe, &evaluator, NULL, NULL),
        NASH_OK);
    assert_int_equal(redrawn, opts.steps * opts.neighbours);
    nash_model_free(result);
    nash_model_free(start);
    fake_deinit(&f);
}

static void only_long_final_trainings_take_their_own_cutout(void **state)
{
    (void)state;
    for (int is_long = 0; is_long <= 1; is_long++) {
        fake f = fake_new();
        nash_search_opts opts = small_search();
        hash_of_run(&f, &opts);
        int32_t winner = f.winners[opts.steps];
        const nash_graph *best =
            nash_model_graph(f.trained[opts.steps][winner]);
        double worth = sqrt((double)nash_graph_params(best) / 1.5e6);
        fake_deinit(&f);
        f = fake_new();
        opts.train.augment.cutout = 1;
        opts.start_train.augment.cutout = 2;
        opts.final_train.augment.cutout = 3;
        opts.final_epochs = 1000;
        opts.cutout_epochs = (int32_t)(1000.0 * worth) + !is_long;
        assert_in_range(opts.cutout_epochs, 2, 900);
        hash_of_run(&f, &opts);
        assert_int_equal(f.jobs[0][0].train.augment.cutout, 2);
        assert_int_equal(f.jobs[1][0].train.augment.cutout, 1);
        assert_int_equal(f.jobs[opts.steps + 1][0].train.augment.cutout,
                         is_long ? 3 : 1);
        fake_deinit(&f);
    }
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

/* Before anybody is asked for anything. */
static void assert_refused(const nash_search_opts *opts, const char *sentence)
{
    fake f = fake_new();
    nash_model *start = small_start(), *result = NULL;
    assert_int_equal(run(&result, &f, start, opts, false), NASH_EINVAL);
    assert_null(result);
    assert_int_equal(f.n[0], 0);
    assert_string_equal(nash_error_message(), sentence);
    nash_model_free(start);
    fake_deinit(&f);
}

static void options_outside_their_lists_are_refused(void **state)
{
    (void)state;
    nash_search_opts opts = small_search();
    opts.strategy = (nash_strategy)9;
    assert_refused(&opts, "strategy 9 is none of nash_strategy");
    opts = small_search();
    opts.criterion = (nash_criterion)9;
    assert_refused(&opts, "criterion 9 is none of nash_criterion");
    opts = small_search();
    opts.morph.widen_mode = (nash_widen_mode)9;
    assert_refused(&opts, "widen_mode is 9, which is no nash_widen_mode");
    opts = small_search();
    opts.train.engine = (nash_engine)9;
    assert_refused(&opts, "in train, engine 9 is none of nash_engine");
    opts = small_search();
    opts.train.precision = (nash_precision)9;
    assert_refused(&opts, "in train, precision 9 is none of nash_precision");
}

static void
options_of_the_parts_are_refused_before_anything_is_done(void **state)
{
    (void)state;
    nash_search_opts opts = small_search();
    opts.morph.kinds = 0;
    assert_refused(&opts, "kinds is 0x0, expected bits of nash_morph_kind, at "
                          "least one");
    opts = small_search();
    opts.morph.max_draws = 0;
    assert_refused(&opts, "max_draws is 0, expected at least 1");
    opts = small_search();
    opts.start_train.cycle_growth = 0;
    assert_refused(&opts,
                   "in start_train, cycle_growth is 0, expected at least 1");
    opts = small_search();
    opts.train.batch = 0;
    assert_refused(&opts, "in train, batch is 0, expected at least 1");
    opts = small_search();
    opts.final_train.lr_start = -1.0;
    assert_refused(&opts,
                   "in final_train, lr_start is -1, expected at least 0");
}

/* Those that a search sets itself. */
static void options_that_are_ignored_may_be_anything(void **state)
{
    (void)state;
    fake f = fake_new();
    nash_search_opts opts = small_search();
    opts.morph.n = -1;
    opts.train.epochs = opts.start_train.epochs = opts.final_train.epochs = -1;
    opts.train.stop_epoch = 9;
    hash_of_run(&f, &opts);
    fake_deinit(&f);
}

static void an_outcome_takes_any_number_of_epochs(void **state)
{
    (void)state;
    int64_t live = ni_memory_live_blocks(), bytes = ni_memory_live_bytes();
    nash_outcome outcome = {0};
    for (int32_t i = 0; i < 100; i++) {
        const nash_epoch epoch = {.epoch = i, .lr = 1.0 / (i + 1)};
        ni_memory_fail_after(0);
        nash_status status = nash_outcome_add_epoch(&outcome, &epoch);
        ni_memory_fail_after(-1);
        if (status != NASH_OK) {
            assert_int_equal(status, NASH_ENOMEM);
            assert_int_equal(outcome.n_epochs, i);
            status = nash_outcome_add_epoch(&outcome, &epoch);
        }
        assert_int_equal(status, NASH_OK);
        assert_true(ni_memory_live_bytes() - bytes >=
                    outcome.n_epochs * (int64_t)sizeof epoch);
    }
    assert_int_equal(outcome.n_epochs, 100);
    for (int32_t i = 0; i < 100; i++) {
        assert_int_equal(outcome.epochs[i].epoch, i);
        assert_true(outcome.epochs[i].lr == 1.0 / (i + 1));
    }
    nash_outcome_deinit(&outcome);
    assert_int_equal(outcome.n_epochs, 0);
    assert_int_equal(ni_memory_live_blocks(), live);
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
        cmocka_unit_test(the_largest_of_equals_wins),
        cmocka_unit_test(caps_hold_for_every_candidate),
        cmocka_unit_test(children_that_cannot_be_made_are_refused_outcomes),
        cmocka_unit_test(children_near_a_cap_have_the_morphisms_that_fit),
        cmocka_unit_test(a_stop_is_heard_while_children_are_made),
        cmocka_unit_test(a_resumed_search_gives_the_same_bits),
        cmocka_unit_test(resuming_a_finished_search_only_loads_its_result),
        cmocka_unit_test(the_random_network_has_all_morphisms_and_epochs),
        cmocka_unit_test(without_inheritance_all_weights_are_drawn_anew),
        cmocka_unit_test(the_result_can_be_trained_from_scratch),
        cmocka_unit_test(a_short_final_training_goes_on_from_the_weights),
        cmocka_unit_test(how_weights_are_drawn_anew_can_be_told),
        cmocka_unit_test(only_long_final_trainings_take_their_own_cutout),
        cmocka_unit_test(the_result_knows_its_lineage),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(options_outside_their_lists_are_refused),
        cmocka_unit_test(
            options_of_the_parts_are_refused_before_anything_is_done),
        cmocka_unit_test(options_that_are_ignored_may_be_anything),
        cmocka_unit_test(an_outcome_takes_any_number_of_epochs),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
