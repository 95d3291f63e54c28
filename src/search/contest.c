/*
 * Who wins a step. All candidates are trained to the end and compared there,
 * or, by successive halving, at the end of every cosine: its learning rate is
 * at the bottom, so that all stand equally well, and the worse half of the
 * children end there. What is saved is the rest of their epochs. The unmorphed
 * parent stays to the end, since nothing may win without having been compared
 * with it.
 */
#include "internal.h"

#include "base/memory.h"

#include <math.h>

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

/* What a candidate is ranked by; infinite if it is not usable. */
static double rank_of(const ni_generation *g, int32_t k,
                      nash_criterion criterion)
{
    if (g->outcomes[k].status != NASH_OK)
        return (double)INFINITY;
    double value =
        g->jobs[k].on_all ? 0.0 : judged(&g->outcomes[k].val, criterion);
    return isfinite(value) ? value : (double)INFINITY;
}

/* The best of the candidates that are in (NULL: all), the first of equals; -1:
 * none is usable. */
static int32_t best_of(const ni_generation *g, const bool *in,
                       nash_criterion criterion)
{
    int32_t best = -1;
    double least = (double)INFINITY;
    for (int32_t k = 0; k < g->n; k++) {
        double value = rank_of(g, k, criterion);
        if ((!in || in[k]) && value < least) {
            best = k;
            least = value;
        }
    }
    return best;
}

static int64_t macs_of(const ni_generation *g, int32_t k)
{
    return nash_graph_macs(nash_model_graph(g->models[k]));
}

/* Likewise, but the largest of those that are hardly worse than the best: what
 * a short training cannot tell apart, a long one may. */
static int32_t choose(const ni_generation *g, const bool *in,
                      const nash_search_opts *opts)
{
    int32_t best = best_of(g, in, opts->criterion), chosen = best;
    if (best < 0 || opts->tie == 0.0)
        return best;
    double most = (1.0 + opts->tie) * rank_of(g, best, opts->criterion);
    for (int32_t k = 0; k < g->n; k++)
        if ((!in || in[k]) && rank_of(g, k, opts->criterion) <= most &&
            macs_of(g, k) > macs_of(g, chosen))
            chosen = k;
    return chosen;
}

/* Have the candidates that are in trained up to an epoch, 0: the last. */
static nash_status evaluate(ni_generation *g, const bool *in,
                            int32_t stop_epoch, const nash_evaluator *evaluator)
{
    nash_status status = NASH_OK;
    nash_job *jobs = NULL;
    nash_outcome *outcomes = NULL;
    int32_t n = 0;
    NEW_ARRAY(jobs, g->n);
    NEW_ARRAY(outcomes, g->n);
    for (int32_t k = 0; k < g->n; k++) {
        g->jobs[k].train.stop_epoch = stop_epoch;
        if (in[k])
            jobs[n++] = g->jobs[k];
    }
    if (n > 0)
        status = evaluator->evaluate(evaluator->ctx, jobs, n, outcomes);
    for (int32_t i = 0; i < n; i++) {
        nash_outcome_deinit(&g->outcomes[jobs[i].child]);
        g->outcomes[jobs[i].child] = outcomes[i];
    }
done:
    ni_free(outcomes);
    ni_free(jobs);
    return status;
}

/* Leave the better half of the children in, those that failed not. */
static void halve(bool *in, const ni_generation *g, nash_criterion criterion)
{
    int32_t children = 0;
    for (int32_t k = 0; k < g->n; k++)
        children += in[k] && g->jobs[k].kind == NASH_CANDIDATE_CHILD;
    for (int32_t left = children / 2; left > 0; left--) {
        int32_t worst = -1;
        for (int32_t k = 0; k < g->n; k++)
            if (in[k] && g->jobs[k].kind == NASH_CANDIDATE_CHILD &&
                (worst < 0 ||
                 rank_of(g, k, criterion) >= rank_of(g, worst, criterion)))
                worst = k;
        in[worst] = false;
    }
    for (int32_t k = 0; k < g->n; k++)
        in[k] = in[k] && g->outcomes[k].status == NASH_OK;
}

/* The end of the cosine after that many epochs; 0 if it is the last one. */
static int32_t next_stop(const nash_train_opts *train, int32_t done)
{
    int32_t stop = done < train->epochs ? nash_cycle_end(train, done) : 0;
    return stop < train->epochs ? stop : 0;
}

static nash_status eliminate(bool *in, ni_generation *g, const ni_search *s)
{
    nash_status status = NASH_OK;
    const nash_train_opts *train = &g->jobs[0].train;
    for (int32_t stop = next_stop(train, 0); stop != 0;
         stop = next_stop(train, stop)) {
        TRY(evaluate(g, in, stop, s->evaluator));
        halve(in, g, s->opts->criterion);
    }
done:
    return status;
}

nash_status ni_contest(int32_t *winner, ni_generation *g, const ni_search *s)
{
    nash_status status = NASH_OK;
    bool *in = NULL;
    *winner = -1;
    NEW_ARRAY(in, g->n);
    for (int32_t k = 0; k < g->n; k++)
        in[k] = g->outcomes[k].status == NASH_OK; /* not refused */
    if (s->opts->halve && s->pace.stage == NASH_STAGE_CLIMB)
        TRY(eliminate(in, g, s));
    TRY(evaluate(g, in, 0, s->evaluator));
    *winner = choose(g, in, s->opts);
    if (*winner < 0) /* whoever failed late is outdone by who ended early */
        *winner = choose(g, NULL, s->opts);
done:
    ni_free(in);
    return status;
}
