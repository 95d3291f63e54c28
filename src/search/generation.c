/*
 * The candidates of one step: copies of the best model so far, morphed or not,
 * and the jobs that train them. Costs a copy of the model per candidate, and
 * what its morphisms ask the probe for. All draws are named by seed, step and
 * child, so that a step can be made again at any time. A child of
 * which no morphism is possible becomes an outcome here; nothing else about it
 * fails.
 */
#include "internal.h"

#include <nash/budget.h>

#include "base/hash.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Injective for up to 65,536 children a step. */
static uint32_t stream_of(int32_t step, int32_t child)
{
    return (uint32_t)step << 16 | (uint32_t)child;
}

static nash_status draw_weights_anew(nash_model *m,
                                     const nash_search_opts *opts, int32_t step,
                                     int32_t child)
{
    const uint32_t name = stream_of(step, child);
    uint64_t seed = ni_hash(&name, sizeof name, opts->seed);
    if (opts->redraw)
        return opts->redraw(opts->redraw_ctx, m, seed);
    nash_model_init(m, seed);
    return NASH_OK;
}

static nash_status write_texts(ni_generation *g, int32_t k,
                               const nash_morph *morphs, int32_t n)
{
    nash_status status = NASH_OK;
    NEW_ARRAY(g->lineages[k], n);
    g->jobs[k].morphs = (const char *const *)g->lineages[k];
    for (int32_t i = 0; i < n; i++) {
        char text[NASH_MORPH_TEXT_BYTES];
        nash_morph_format(text, sizeof text, &morphs[i], g->models[k]);
        NEW_FROM(g->lineages[k][i], ni_strdup(text));
        g->jobs[k].n_morphs = i + 1;
    }
done:
    return status;
}

static void refuse(nash_outcome *outcome, nash_status status)
{
    outcome->status = status;
    outcome->val = (nash_score){(double)NAN, (double)NAN, (double)NAN, 0};
    snprintf(outcome->message, sizeof outcome->message, "%s",
             nash_error_message());
}

/* Let a child be at most so many times as large as its parent. */
static void limit_growth(nash_morph_opts *opts, const nash_model *parent,
                         double growth)
{
    double most = growth * (double)nash_graph_macs(nash_model_graph(parent));
    if (growth > 0.0 && most < 0x1p62 &&
        (opts->max_macs == 0 || most < (double)opts->max_macs))
        opts->max_macs = most < 1.0 ? 1 : (int64_t)most; /* 0: no limit */
}

/* ApplyNetMorph on candidate k, with fewer morphisms than n where no more are
 * possible. */
static nash_status morph(ni_generation *g, int32_t k, int32_t n,
                         const ni_search *s)
{
    nash_status status = NASH_OK;
    nash_morph *applied = NULL;
    int32_t n_applied = 0;
    nash_morph_opts opts = s->opts->morph;
    opts.seed = s->opts->seed;
    opts.child = stream_of(g->step, k);
    opts.n = n;
    limit_growth(&opts, g->models[k], s->pace.growth);
    NEW_ARRAY(applied, n);
    status = nash_morph_random(g->models[k], &opts, s->probe, applied,
                               &n_applied, g->refused);
    /* or what the parent gives on the probe's images is not finite */
    if (status == NASH_EREFUSED || status == NASH_EDIVERGED) {
        refuse(&g->outcomes[k], status);
        status = NASH_OK;
        goto done;
    }
    if (status == NASH_OK)
        status = write_texts(g, k, applied, n_applied);
    for (int32_t i = 0; i < n_applied && status == NASH_OK; i++)
        status = nash_morph_record(g->models[k], &applied[i]);
done:
    ni_free(applied);
    return status;
}

bool nash_is_short(int32_t epochs, int64_t params, int32_t enough)
{
    static const double usual = 1.5e6; /* parameters */
    return epochs * sqrt((double)params / usual) < enough;
}

/* With them the cutout of the final training. */
static void set_epochs(nash_job *job, int32_t epochs,
                       const nash_search_opts *opts)
{
    int64_t params = nash_graph_params(nash_model_graph(job->model));
    bool is_short = nash_is_short(epochs, params, opts->cutout_epochs);
    job->train.epochs = epochs;
    if (job->kind == NASH_CANDIDATE_FINAL)
        job->train.augment.cutout =
            (is_short ? &opts->train : &opts->final_train)->augment.cutout;
}

static nash_status add(ni_generation *g, int32_t k, nash_candidate_kind kind,
                       int32_t morphs, const ni_search *s)
{
    const nash_search_opts *opts = s->opts;
    nash_job *job = &g->jobs[k];
    nash_status status =
        nash_model_dup(&g->models[k], s->best ? s->best : s->start);
    if (status != NASH_OK)
        return status;
    *job = (nash_job){.step = g->step,
                      .child = k,
                      .kind = kind,
                      .parent_step = s->at.step,
                      .parent_child = s->at.child,
                      .model = g->models[k],
                      .on_all = kind == NASH_CANDIDATE_FINAL};
    job->train = kind == NASH_CANDIDATE_START   ? opts->start_train
                 : kind == NASH_CANDIDATE_FINAL ? opts->final_train
                                                : opts->train;
    job->train.seed = opts->seed;
    job->train.step = (uint32_t)g->step;
    if (morphs > 0)
        status = morph(g, k, morphs, s);
    set_epochs(job, s->pace.epochs, opts);
    if (status == NASH_OK && !opts->inherit &&
        (morphs > 0 || kind == NASH_CANDIDATE_PARENT))
        status = draw_weights_anew(g->models[k], opts, g->step, k);
    return status;
}

static bool draws_anew(const nash_search_opts *opts, int32_t final_epochs)
{
    switch (opts->final_inherit) {
    case NASH_INHERIT_NO:
        return true;
    case NASH_INHERIT_YES:
        return false;
    case NASH_INHERIT_AUTO:
        return final_epochs > opts->start_epochs ||
               final_epochs >= NASH_MOST_EPOCHS;
    }
    return false;
}

/* The result; the random baseline makes it now, by as many morphisms in a row
 * as Algorithm 1 makes in all, and is paced by what an epoch of it costs. */
static nash_status add_result(ni_generation *g, const ni_search *s)
{
    nash_status status = NASH_OK;
    const nash_search_opts *opts = s->opts;
    const nash_pacer *pacer = opts->pacer;
    bool random = opts->strategy == NASH_STRATEGY_RANDOM;
    nash_pace pace;
    TRY(add(g, 0, NASH_CANDIDATE_FINAL, random ? opts->steps * opts->morphs : 0,
            s));
    if (random && pacer) {
        TRY(pacer->pace(pacer->ctx, &pace, g->step, g->models[0]));
        REQUIRE(pace.stage == NASH_STAGE_FINAL && pace.epochs >= 0, NASH_EINVAL,
                "the random network was paced as stage %d with %d epochs, "
                "which cannot be",
                (int)pace.stage, pace.epochs);
        set_epochs(&g->jobs[0], pace.epochs, opts);
    }
    if (g->jobs[0].train.epochs > 0 &&
        draws_anew(opts, g->jobs[0].train.epochs))
        TRY(draw_weights_anew(g->models[0], opts, g->step, 0));
done:
    return status;
}

static nash_status add_neighbours(ni_generation *g, const ni_search *s)
{
    nash_status status = NASH_OK;
    for (int32_t k = 0; k < g->n - 1; k++)
        TRY(add(g, k, NASH_CANDIDATE_CHILD, s->opts->morphs, s));
    TRY(add(g, g->n - 1, NASH_CANDIDATE_PARENT, 0, s));
done:
    return status;
}

nash_status ni_generation_init(ni_generation *g, const ni_search *s)
{
    nash_status status = NASH_OK;
    bool climbs = s->pace.stage == NASH_STAGE_CLIMB;
    int32_t n = climbs ? s->pace.neighbours : 1;
    memset(g, 0, sizeof *g);
    g->step = s->at.step + 1;
    NEW_ARRAY(g->jobs, n);
    NEW_ARRAY(g->outcomes, n);
    NEW_FROM(g->models, ni_alloc(n, sizeof(nash_model *)));
    NEW_ARRAY(g->lineages, n);
    g->n = n;
    if (s->pace.stage == NASH_STAGE_START)
        TRY(add(g, 0, NASH_CANDIDATE_START, 0, s));
    else if (climbs)
        TRY(add_neighbours(g, s));
    else
        TRY(add_result(g, s));
done:
    return status;
}

void ni_generation_deinit(ni_generation *g)
{
    for (int32_t k = 0; k < g->n; k++) {
        for (int32_t i = 0; g->lineages[k] && i < g->jobs[k].n_morphs; i++)
            ni_free(g->lineages[k][i]);
        ni_free(g->lineages[k]);
        nash_model_free(g->models[k]);
        nash_outcome_deinit(&g->outcomes[k]);
    }
    ni_free(g->lineages);
    ni_free(g->models);
    ni_free(g->outcomes);
    ni_free(g->jobs);
    memset(g, 0, sizeof *g);
}
