/*
 * Pacing. What is spent stands in the run's record, so that decisions do not
 * depend on what a process remembers; only seconds, and the speeds behind their
 * costs, are measured, for a second or two each.
 */
#include "pace.h"

#include "cli.h"
#include "progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const stages[] = {"start", "climb", "final", "over"};

/* What is kept back of a budget of seconds, for judging and the report; what a
 * training takes beside its steps; and the seconds an epoch takes to record. */
static const double reserve = 0.015, overhead = 1.06, record_epoch = 0.02;

/* ---- costs -------------------------------------------------------------- */

static nash_status images_per_second(double *rate, const nash_model *m,
                                     const nash_train_opts *train)
{
    nash_model *copy = NULL;
    nash_speed speed;
    nash_train_opts opts = *train;
    nash_status status = nash_model_dup(&copy, m);
    opts.max_bytes = 0;
    if (status == NASH_OK)
        status = nash_train_speed(&speed, NULL, copy, &opts, 1.0);
    if (status == NASH_OK)
        *rate = speed.images_per_second;
    nash_model_free(copy);
    return status;
}

/* Seconds of an epoch, for each of as many trainings as run side by side. */
static nash_status epoch_seconds(double *seconds, const nash_model *m,
                                 const nash_train_opts *train, double images,
                                 int32_t jobs)
{
    double rate = 1.0;
    nash_status status = images_per_second(&rate, m, train);
    *seconds = (overhead * images / rate + record_epoch) / jobs;
    return status;
}

static double macs_of(const nash_model *m)
{
    return (double)nash_graph_macs(nash_model_graph(m));
}

static nash_status costs_in_seconds(nash_costs *c, const run *r,
                                    const nash_model *best)
{
    const nash_search_opts *o = &r->s->search;
    nash_status status = epoch_seconds(&c->start_epoch, best, &o->start_train,
                                       r->follow.n_train, 1);
    if (status == NASH_OK)
        status = epoch_seconds(&c->child_epoch, best, &o->train,
                               r->follow.n_train, r->s->jobs);
    if (status == NASH_OK)
        status = epoch_seconds(&c->final_epoch, best, &o->final_train,
                               r->follow.n_all, 1);
    c->spent = run_seconds(r) + reserve * r->s->budget.total;
    return status;
}

static void add_spent(nash_costs *c, const run *r, const nash_history *h)
{
    for (int32_t i = 0; i < h->n_records; i++)
        c->spent += r->s->budget.unit == BUDGET_PFLOP
                        ? h->records[i].pflop
                        : (double)h->records[i].n_epochs;
}

static nash_status find_costs(nash_costs *c, const run *r,
                              const nash_history *h, const nash_model *best)
{
    nash_status status = NASH_OK;
    double macs = fmax(macs_of(best), 1.0), pass = 6e-15 * macs;
    int64_t most = r->s->search.morph.max_macs;
    *c = (nash_costs){0};
    switch (r->s->budget.unit) {
    case BUDGET_SECONDS:
        status = costs_in_seconds(c, r, best);
        break;
    case BUDGET_PFLOP:
        c->start_epoch = c->child_epoch = pass * r->follow.n_train;
        c->final_epoch = pass * r->follow.n_all;
        add_spent(c, r, h);
        break;
    case BUDGET_EPOCHS:
        c->start_epoch = c->child_epoch = c->final_epoch = 1.0;
        add_spent(c, r, h);
        break;
    }
    c->largest = r->s->budget.unit == BUDGET_EPOCHS ? 0.0
                 : most > 0                         ? (double)most / macs
                                                    : (double)INFINITY;
    return status;
}

/* ---- the pacer ---------------------------------------------------------- */

static void key_of(char key[32], int32_t step)
{
    snprintf(key, 32, "pace_%04d", step);
}

/* What is recorded about a step. @return whether there is anything */
static bool recall(nash_pace *pace, const nash_history *h, int32_t step)
{
    char key[32], stage[16];
    key_of(key, step);
    const char *text = step < 0 ? NULL : nash_history_get(h, key);
    /* runs of before growth was limited have three parts */
    if (!text || sscanf(text, "%15s %d %d %lf", stage, &pace->neighbours,
                        &pace->epochs, &pace->growth) < 3)
        return false;
    for (int i = 0; i < 3; i++)
        if (strcmp(stage, stages[i]) == 0)
            pace->stage = (nash_stage)i;
    return true;
}

static nash_status record(const run *r, const nash_pace *pace, int32_t step)
{
    char key[32], text[64];
    key_of(key, step);
    snprintf(text, sizeof text, "%s %d %d %.17g", stages[pace->stage],
             pace->neighbours, pace->epochs, pace->growth);
    return nash_store_set(r->store, key, text);
}

static nash_status decide(nash_pace *pace, const run *r, const nash_history *h,
                          int32_t step, const nash_model *best)
{
    nash_costs costs;
    nash_budget shares = nash_budget_default(r->s->budget.total);
    nash_status status = find_costs(&costs, r, h, best);
    if (status != NASH_OK)
        return status;
    shares.climb_share = r->s->climb_share;
    nash_budget_pace(pace, &shares, &costs, &r->s->search, step);
    return record(r, pace, step);
}

static nash_status pace(void *ctx, nash_pace *out, int32_t step,
                        const nash_model *best)
{
    const run *r = ctx;
    nash_history *h = NULL;
    nash_pace before = {.stage = NASH_STAGE_START};
    nash_status status = nash_history_load(&h, r->dir);
    if (status != NASH_OK)
        return status;
    *out = (nash_pace){.stage = NASH_STAGE_OVER};
    bool over =
        recall(&before, h, step - 1) && before.stage == NASH_STAGE_FINAL;
    if (!over && !recall(out, h, step))
        status = decide(out, r, h, step, best);
    nash_history_free(h);
    return status;
}

/* ---- the end of the final training -------------------------------------- */

/* Seconds that its epochs have taken, the slowest left out: the first ones of
 * a process are made slower by its start. */
static double seconds_an_epoch(const nash_outcome *done)
{
    double sum = 0.0, slowest = 0.0;
    for (int32_t i = 0; i < done->n_epochs; i++) {
        sum += done->epochs[i].seconds;
        slowest = fmax(slowest, done->epochs[i].seconds);
    }
    return done->n_epochs > 1 ? (sum - slowest) / (done->n_epochs - 1) : sum;
}

static nash_status decide_rest(int32_t *rest, const run *r, const char *key,
                               const nash_outcome *done)
{
    char text[32];
    double left = (1.0 - reserve) * r->s->budget.total - run_seconds(r);
    double epochs = left / seconds_an_epoch(done);
    if (epochs < *rest) {
        int32_t given_up = *rest;
        *rest = epochs < 1.0 ? 1 : (int32_t)epochs;
        given_up -= *rest;
        progress_line("slower than planned: the final training gives up %d "
                      "epoch%s",
                      given_up, given_up == 1 ? "" : "s");
    }
    snprintf(text, sizeof text, "%d", *rest);
    return nash_store_set(r->store, key, text);
}

static nash_status bend(void *ctx, int32_t *rest, int32_t step,
                        const nash_outcome *done)
{
    const run *r = ctx;
    nash_history *h = NULL;
    char key[32];
    snprintf(key, sizeof key, "rest_%04d", step);
    nash_status status = nash_history_load(&h, r->dir);
    if (status != NASH_OK)
        return status;
    const char *text = nash_history_get(h, key);
    if (text)
        *rest = (int32_t)strtol(text, NULL, 10);
    else
        status = decide_rest(rest, r, key, done);
    nash_history_free(h);
    return status;
}

nash_pacer pace_of(run *r)
{
    bool by_clock = r->s->budget.unit == BUDGET_SECONDS;
    return (nash_pacer){r, pace, by_clock ? bend : NULL};
}

/* ---- beginning ---------------------------------------------------------- */

/* The budget in PFLOP, at the speed of the starting network. */
static double in_pflop(const run *r, const nash_costs *costs)
{
    if (r->s->budget.unit == BUDGET_PFLOP)
        return r->s->budget.total;
    double epochs = r->s->budget.total / costs->final_epoch;
    return epochs * 6e-15 * macs_of(r->start) * r->follow.n_all;
}

static nash_status choose_size(run *r, const nash_costs *costs)
{
    char text[32];
    int64_t *most = &r->s->search.morph.max_macs;
    int64_t by_budget = nash_budget_macs(in_pflop(r, costs));
    int64_t by_start = 2 * nash_graph_macs(nash_model_graph(r->start));
    *most = by_budget > by_start ? by_budget : by_start;
    snprintf(text, sizeof text, "%" PRId64, *most);
    return nash_store_set(r->store, "max_macs", text);
}

static int begin(run *r, const nash_history *h)
{
    nash_costs costs;
    if (find_costs(&costs, r, h, r->start) != NASH_OK)
        return cli_fail(NULL);
    double least = costs.spent + nash_budget_least(&costs);
    if (least > r->s->budget.total) {
        run_take_back(r);
        return cli_error("--budget %s is too small: an epoch of the starting "
                         "network for itself and one for the result take %.3g "
                         "%s",
                         r->s->budget.text, least, budget_unit_name(r->s));
    }
    if (r->s->search.morph.max_macs == 0 &&
        r->s->budget.unit != BUDGET_EPOCHS && choose_size(r, &costs) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

int pace_begin(run *r)
{
    nash_history *h = NULL;
    nash_pace start;
    if (nash_history_load(&h, r->dir) != NASH_OK)
        return cli_fail(NULL);
    int result = recall(&start, h, 0) ? EXIT_OK : begin(r, h);
    nash_history_free(h);
    return result;
}
