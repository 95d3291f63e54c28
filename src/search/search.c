/*
 * Algorithm 1 of arXiv 1711.04528 and its baseline. A step is: make the
 * candidates, have them trained, keep the best. What a step costs is the
 * evaluator's; here live the models of one step and the best one. Nothing
 * depends on the order or the place in which candidates are trained.
 */
#include "internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <math.h>

nash_search_opts nash_search_opts_default(void)
{
    nash_search_opts opts = {.strategy = NASH_STRATEGY_HILLCLIMB,
                             .steps = 5,
                             .neighbours = 8,
                             .morphs = 5,
                             .start_epochs = 20,
                             .epochs = 17,
                             .final_epochs = 100,
                             .inherit = true,
                             .start_train = nash_train_opts_default(),
                             .train = nash_train_opts_default(),
                             .final_train = nash_train_opts_default(),
                             .criterion = NASH_CRITERION_LOSS,
                             .morph = nash_morph_opts_default()};
    return opts;
}

int32_t nash_search_last_step(const nash_search_opts *opts)
{
    if (opts->strategy == NASH_STRATEGY_RANDOM)
        return 1;
    return opts->steps + (opts->final_epochs > 0);
}

const char *nash_candidate_kind_name(nash_candidate_kind kind)
{
    switch (kind) {
    case NASH_CANDIDATE_START:
        return "start";
    case NASH_CANDIDATE_CHILD:
        return "child";
    case NASH_CANDIDATE_PARENT:
        return "parent";
    case NASH_CANDIDATE_FINAL:
        return "final";
    }
    return "?";
}

void nash_outcome_deinit(nash_outcome *outcome)
{
    ni_free(outcome->epochs);
    *outcome = (nash_outcome){0};
}

static nash_status check(const nash_search_opts *opts)
{
    nash_status status = NASH_OK;
    REQUIRE(opts->steps >= 0 && opts->steps <= 10000, NASH_EINVAL,
            "a search of %d steps was asked for, expected 0 to 10000",
            opts->steps);
    REQUIRE(opts->neighbours >= 2 && opts->neighbours <= 10000, NASH_EINVAL,
            "%d neighbours a step were asked for, expected 2 to 10000",
            opts->neighbours);
    REQUIRE(opts->morphs >= 1 && opts->morphs <= 1000, NASH_EINVAL,
            "%d morphisms a child were asked for, expected 1 to 1000",
            opts->morphs);
    REQUIRE(opts->epochs >= 0 && opts->epochs <= 10000 &&
                opts->start_epochs >= 0 && opts->start_epochs <= 100000 &&
                opts->final_epochs >= 0 && opts->final_epochs <= 100000,
            NASH_EINVAL,
            "%d epochs for children, %d for the start and %d for the result "
            "were asked for, expected 0 to 10000, 100000 and 100000",
            opts->epochs, opts->start_epochs, opts->final_epochs);
    REQUIRE(opts->strategy == NASH_STRATEGY_HILLCLIMB || opts->steps >= 1,
            NASH_EINVAL, "a random network needs at least 1 step, got 0");
done:
    return status;
}

static double judged(const nash_score *score, nash_criterion criterion)
{
    switch (criterion) {
    case NASH_CRITERION_LOSS:
        return score->loss;
    case NASH_CRITERION_ERROR:
        return score->error;
    case NASH_CRITERION_BALANCED_ERROR:
        return score->balanced_error;
    }
    return (double)NAN;
}

/* The best usable candidate, the first of equals; -1: none is usable. */
static int32_t choose(const ni_generation *g, nash_criterion criterion)
{
    int32_t best = -1;
    double least = (double)INFINITY;
    for (int32_t k = 0; k < g->n; k++) {
        double value =
            g->jobs[k].on_all ? 0.0 : judged(&g->outcomes[k].val, criterion);
        if (g->outcomes[k].status == NASH_OK && value < least) {
            best = k;
            least = value;
        }
    }
    return best;
}

/* Have all candidates evaluated that have no outcome yet. */
static nash_status evaluate(ni_generation *g, const nash_evaluator *evaluator)
{
    nash_status status = NASH_OK;
    nash_job *jobs = NULL;
    nash_outcome *outcomes = NULL;
    int32_t n = 0;
    NEW_ARRAY(jobs, g->n);
    NEW_ARRAY(outcomes, g->n);
    for (int32_t k = 0; k < g->n; k++)
        if (g->outcomes[k].status == NASH_OK)
            jobs[n++] = g->jobs[k];
    if (n > 0)
        status = evaluator->evaluate(evaluator->ctx, jobs, n, outcomes);
    for (int32_t i = 0; i < n; i++)
        g->outcomes[jobs[i].child] = outcomes[i];
done:
    ni_free(outcomes);
    ni_free(jobs);
    return status;
}

/* Why a step has no winner: what the first candidate to fail says. */
static nash_status no_winner(const ni_generation *g)
{
    for (int32_t k = 0; k < g->n; k++)
        if (g->outcomes[k].status != NASH_OK)
            return ni_fail(g->outcomes[k].status,
                           "no candidate of step %d is usable; the first to "
                           "fail says: %s",
                           g->step, g->outcomes[k].message);
    return ni_fail(NASH_EDIVERGED,
                   "no candidate of step %d is usable: their validation scores "
                   "are not finite",
                   g->step);
}

/* The winner of a step becomes the best. */
static nash_status crown(ni_search *s, int32_t step, int32_t child)
{
    nash_status status = NASH_OK;
    nash_model *trained = NULL;
    const nash_evaluator *evaluator = s->evaluator;
    TRY(evaluator->load(evaluator->ctx, &trained, step, child));
    nash_model_free(s->best);
    s->best = trained;
    s->at = (nash_search_state){step, child};
done:
    return status;
}

static nash_status settle(ni_search *s, ni_generation *g)
{
    nash_status status = NASH_OK;
    const nash_observer *observer = s->observer;
    if (observer && observer->proposed)
        TRY(observer->proposed(observer->ctx, g->jobs, g->n, g->refused));
    TRY(evaluate(g, s->evaluator));
    if (observer && observer->evaluated)
        TRY(observer->evaluated(observer->ctx, g->jobs, g->n, g->outcomes));
    int32_t winner = choose(g, s->opts->criterion);
    if (winner < 0) {
        status = no_winner(g);
        goto done;
    }
    TRY(crown(s, g->step, winner));
    if (observer && observer->chosen)
        TRY(observer->chosen(observer->ctx, g->step, winner, s->best));
done:
    return status;
}

static nash_status next_step(ni_search *s)
{
    ni_generation g;
    nash_status status = ni_generation_init(&g, s);
    if (status == NASH_OK)
        status = settle(s, &g);
    ni_generation_deinit(&g);
    return status;
}

nash_status nash_search(nash_model **out, const nash_model *start,
                        const nash_search_opts *opts, const nash_probe *probe,
                        const nash_evaluator *evaluator,
                        const nash_observer *observer,
                        const nash_search_state *state)
{
    nash_status status = NASH_OK;
    ni_search s = {.opts = opts,
                   .start = start,
                   .probe = probe,
                   .evaluator = evaluator,
                   .observer = observer,
                   .at = {-1, -1}};
    TRY(check(opts));
    if (state && state->step >= 0) {
        TRY(crown(&s, state->step, state->child));
        ni_log(NASH_LOG_DEBUG, "resuming after step %d", state->step);
    }
    while (s.at.step < nash_search_last_step(opts))
        TRY(next_step(&s));
    *out = s.best;
    s.best = NULL;
done:
    nash_model_free(s.best);
    return status;
}
