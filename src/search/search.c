/*
 * Algorithm 1 of arXiv 1711.04528 and its baseline. A step is: make the
 * candidates, have them trained, keep the best. What a step costs is the
 * evaluator's; here live the models of one step and the best one. Nothing
 * depends on the order or the place in which candidates are trained.
 */
#include "internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "morph/options.h"
#include "train/options.h"

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
                             .final_inherit = NASH_INHERIT_YES,
                             .start_train = nash_train_opts_default(),
                             .train = nash_train_opts_default(),
                             .final_train = nash_train_opts_default(),
                             .criterion = NASH_CRITERION_ERROR,
                             .morph = nash_morph_opts_default()};
    return opts;
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

/* The array doubles whenever their number is a power of two. */
nash_status nash_outcome_add_epoch(nash_outcome *outcome,
                                   const nash_epoch *epoch)
{
    nash_status status = NASH_OK;
    nash_epoch *grown;
    int32_t n = outcome->n_epochs;
    if ((n & (n - 1)) == 0) {
        NEW_FROM(grown, ni_realloc(outcome->epochs, n ? 2 * (int64_t)n : 1,
                                   sizeof *grown));
        outcome->epochs = grown;
    }
    outcome->epochs[n] = *epoch;
    outcome->n_epochs = n + 1;
done:
    return status;
}

void nash_outcome_deinit(nash_outcome *outcome)
{
    ni_free(outcome->epochs);
    *outcome = (nash_outcome){0};
}

/* How a step trains. @param name  the member of nash_search_opts */
static nash_status check_train(const char *name, nash_train_opts train)
{
    train.epochs = train.stop_epoch = 0; /* a step's own count */
    if (ni_train_opts_check(&train) == NASH_OK)
        return NASH_OK;
    return ni_fail(NASH_EINVAL, "in %s, %s", name, nash_error_message());
}

/* What is handed on to morphisms and trainings. */
static nash_status check_parts(const nash_search_opts *opts)
{
    nash_status status = NASH_OK;
    nash_morph_opts morph = opts->morph;
    morph.n = opts->morphs;
    TRY(ni_morph_opts_check(&morph));
    TRY(check_train("start_train", opts->start_train));
    TRY(check_train("train", opts->train));
    TRY(check_train("final_train", opts->final_train));
done:
    return status;
}

static nash_status check(const nash_search_opts *opts)
{
    nash_status status = NASH_OK;
    REQUIRE((unsigned)opts->strategy <= NASH_STRATEGY_RANDOM, NASH_EINVAL,
            "strategy %d is none of nash_strategy", (int)opts->strategy);
    REQUIRE((unsigned)opts->criterion <= NASH_CRITERION_BALANCED_ERROR,
            NASH_EINVAL, "criterion %d is none of nash_criterion",
            (int)opts->criterion);
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
    REQUIRE(opts->tie >= 0.0 && opts->tie <= 1.0, NASH_EINVAL,
            "tie is %g, expected 0 to 1", opts->tie);
    REQUIRE(opts->strategy == NASH_STRATEGY_HILLCLIMB || opts->steps >= 1,
            NASH_EINVAL, "a random network needs at least 1 step, got 0");
    TRY(check_parts(opts));
done:
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
    int32_t winner;
    if (observer && observer->proposed)
        TRY(observer->proposed(observer->ctx, g->jobs, g->n, g->refused));
    TRY(ni_contest(&winner, g, s));
    if (observer && observer->evaluated)
        TRY(observer->evaluated(observer->ctx, g->jobs, g->n, g->outcomes));
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

/* ---- steps -------------------------------------------------------------- */

/* The numbers of Algorithm 1. */
static nash_pace pace_by_numbers(const nash_search_opts *opts, int32_t step)
{
    bool random = opts->strategy == NASH_STRATEGY_RANDOM;
    int32_t climbs = random ? 0 : opts->steps;
    if (step == 0)
        return (nash_pace){NASH_STAGE_START, 1, opts->start_epochs};
    if (step <= climbs)
        return (nash_pace){NASH_STAGE_CLIMB, opts->neighbours, opts->epochs};
    if (step > climbs + 1 || (!random && opts->final_epochs == 0))
        return (nash_pace){NASH_STAGE_OVER, 0, 0};
    return (nash_pace){NASH_STAGE_FINAL, 1,
                       opts->final_epochs +
                           (random ? opts->epochs * opts->steps : 0)};
}

/* Decide what the next step is. */
static nash_status set_pace(ni_search *s)
{
    nash_status status = NASH_OK;
    const nash_pacer *pacer = s->opts->pacer;
    int32_t step = s->at.step + 1;
    nash_pace *pace = &s->pace;
    if (!pacer) {
        *pace = pace_by_numbers(s->opts, step);
        goto done;
    }
    if (s->opts->strategy == NASH_STRATEGY_RANDOM && step == 1) {
        *pace = (nash_pace){.stage = NASH_STAGE_FINAL, .neighbours = 1};
        goto done; /* for how long is asked once the network is drawn */
    }
    TRY(pacer->pace(pacer->ctx, pace, step, s->best ? s->best : s->start));
    REQUIRE(
        (step == 0) == (pace->stage == NASH_STAGE_START) &&
            (pace->stage != NASH_STAGE_CLIMB ||
             (pace->neighbours >= 2 && pace->neighbours <= 10000)) &&
            pace->epochs >= 0 && isfinite(pace->growth) && pace->growth >= 0.0,
        NASH_EINVAL,
        "step %d was paced as stage %d with %d neighbours, %d epochs and a "
        "growth of %g, which cannot be",
        step, (int)pace->stage, pace->neighbours, pace->epochs, pace->growth);
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
    TRY(set_pace(&s));
    while (s.pace.stage != NASH_STAGE_OVER) {
        TRY(next_step(&s));
        TRY(set_pace(&s));
    }
    *out = s.best;
    s.best = NULL;
done:
    nash_model_free(s.best);
    return status;
}
