/*
 * Pacing. What is spent stands in the run's record, so that decisions do not
 * depend on what a process remembers; only seconds, and the speeds behind their
 * costs, are measured, for a second or two each.
 */
#include "pace.h"

#include "cli.h"
#include "limits.h"
#include "progress.h"
#include "scale.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const stages[] = {"start", "climb", "final", "over"};

/* What a training takes beside its steps; the seconds an epoch takes to record;
 * and what looking at an image takes of training on it. */
static const double overhead = 1.06, record_epoch = 0.02, look = 0.6;

/* What is kept back of a budget of seconds, for files, processes and report. */
static const double kept_back = 0.01;

static double reserve_of(const run *r)
{
    return 0.5 + kept_back * r->s->budget.total + r->test_seconds;
}

/* ---- costs -------------------------------------------------------------- */

/* Seconds of an epoch: mean, as a machine gives that has other things to do,
 * too, and at best, when nothing disturbs. */
typedef struct pair {
    double mean, best;
} pair;

static nash_status measure(pair *seconds, const run *r, const nash_model *m,
                           const nash_train_opts *train, double images)
{
    nash_model *copy = NULL;
    nash_speed speed = {.mean_ms = 1.0, .step_ms = 1.0};
    nash_train_opts opts = *train;
    double time = fmin(fmax(r->s->budget.total / 120.0, 0.2), 1.0);
    nash_status status = nash_model_dup(&copy, m);
    opts.max_bytes = 0;
    progress_busy("measuring how fast this machine trains");
    if (status == NASH_OK)
        status = nash_train_speed(&speed, NULL, copy, &opts, time,
                                  r->s->search.morph.stop);
    double steps = 1e-3 * overhead * images / opts.batch;
    *seconds = (pair){steps * speed.mean_ms + record_epoch,
                      steps * speed.step_ms + record_epoch};
    nash_model_free(copy);
    return status;
}

static double macs_of(const nash_model *m)
{
    return (double)nash_graph_macs(nash_model_graph(m));
}

/* Epochs of the final training that take as long as judging start, result and
 * its snapshots on the test images. */
static double judging(const run *r)
{
    double test_share =
        (double)nash_dataset_count(r->data, NASH_PART_TEST) / r->follow.n_all;
    int32_t n = nash_looks_count(settings_looks(r->s));
    int32_t start_and_once = n > 1 ? 2 : 1;
    int32_t models = 1 + r->s->search.final_train.snapshots;
    return (start_and_once + n * models) * look * test_share;
}

/* Whether a training can be cut short at any step, where time is what counts.
 */
static bool can_bend(const run *r, const nash_train_opts *train)
{
    return budget_is_time(r->s) && train->cycle == 0 && train->snapshots == 0;
}

/* Trainings that can be cut short: the starting network's gets no more than
 * this share of the budget, and so much of an epoch is enough for the result.
 */
static const double most_of_start = 0.1, least_of_final = 0.25;

/* Seconds of an epoch of the result, if its operations take what those of the
 * starting network's training took: a longer measurement than ours. */
static double final_by_start(const run *r, const nash_history *h,
                             const nash_model *best)
{
    const nash_record *start = h->n_records > 0 ? &h->records[0] : NULL;
    if (!start || start->kind != NASH_CANDIDATE_START || !start->done ||
        !(start->pflop > 0.0) || !(start->seconds > 0.0))
        return (double)INFINITY;
    double pflop = nash_pflop(macs_of(best), r->follow.n_all);
    return pflop * start->seconds / start->pflop;
}

/* Seconds of an epoch of a candidate, if its operations take what those of the
 * last step's candidates took, side by side as they were; 0: unknown. */
static double child_by_last_step(const run *r, const nash_history *h,
                                 const nash_model *best)
{
    double seconds = 0.0, pflop = 0.0;
    const nash_record *last =
        h->n_records > 0 ? &h->records[h->n_records - 1] : NULL;
    for (int32_t i = 0; i < h->n_records && last->step > 0; i++)
        if (h->records[i].step == last->step && h->records[i].done &&
            h->records[i].status == NASH_OK) {
            seconds += h->records[i].seconds;
            pflop += h->records[i].pflop;
        }
    return pflop > 0.0
               ? nash_pflop(macs_of(best), r->follow.n_train) * seconds / pflop
               : 0.0;
}

/* How many threads of so many candidates share a processor, at least one. */
static double crowding(const settings *s, int32_t jobs)
{
    double threads = (double)jobs * s->search.train.threads;
    return s->launcher ? 1.0 : fmax(1.0, threads / limits_cpus());
}

/* Candidates that fit into memory together. */
static nash_status jobs_of(int32_t *jobs, const run *r, const nash_model *best)
{
    size_t bytes;
    *jobs = r->s->jobs;
    if (r->s->launcher) /* whose machines are not known */
        return NASH_OK;
    nash_status status =
        run_process_bytes(&bytes, r, nash_model_graph(best),
                          &r->s->search.train, (int32_t)r->follow.n_train);
    if (status == NASH_OK)
        *jobs = (int32_t)fmax(
            1.0, fmin(*jobs, (double)run_memory(r) / (double)bytes));
    return status;
}

/* Whether a step of one takes what a step of the other does. */
static bool are_as_fast(const nash_train_opts *a, const nash_train_opts *b)
{
    return a->threads == b->threads && a->batch == b->batch &&
           (a->muon > 0.0) == (b->muon > 0.0) && a->lookahead == b->lookahead;
}

static pair times(pair seconds, double factor)
{
    return (pair){seconds.mean * factor, seconds.best * factor};
}

/* Of start and result at best where they can be cut short as they go on. A
 * candidate is measured alone, but where all of the machine is at work, none
 * gets more than its part of what it gives to one training. */
static nash_status costs_in_seconds(nash_costs *c, const run *r,
                                    const nash_history *h,
                                    const nash_model *best)
{
    static const double side_by_side = 0.95;
    const nash_search_opts *o = &r->s->search;
    pair start, child, final;
    nash_status status =
        measure(&start, r, best, &o->start_train, r->follow.n_train);
    child = start;
    if (status == NASH_OK && !are_as_fast(&o->train, &o->start_train))
        status = measure(&child, r, best, &o->train, r->follow.n_train);
    final = times(start, (double)r->follow.n_all / r->follow.n_train);
    if (status == NASH_OK && !are_as_fast(&o->final_train, &o->start_train))
        status = measure(&final, r, best, &o->final_train, r->follow.n_all);
    if (status != NASH_OK)
        return status;
    c->start_epoch = can_bend(r, &o->start_train) ? start.best : start.mean;
    status = jobs_of(&c->jobs, r, best);
    c->child_epoch = fmax(child.mean * crowding(r->s, c->jobs),
                          child_by_last_step(r, h, best));
    if (!r->s->launcher && c->jobs * o->train.threads >= o->start_train.threads)
        c->child_epoch =
            fmax(c->child_epoch, side_by_side * c->jobs * start.mean);
    c->final_epoch = can_bend(r, &o->final_train)
                         ? fmin(final.best, final_by_start(r, h, best))
                         : final.mean;
    c->spent = run_seconds(r) + reserve_of(r) + judging(r) * c->final_epoch;
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
    double macs = fmax(macs_of(best), 1.0);
    int64_t most = r->s->search.morph.max_macs;
    *c = (nash_costs){0};
    switch (r->s->budget.unit) {
    case BUDGET_SECONDS:
        status = costs_in_seconds(c, r, h, best);
        break;
    case BUDGET_PFLOP:
        c->start_epoch = c->child_epoch = nash_pflop(macs, r->follow.n_train);
        c->final_epoch = nash_pflop(macs, r->follow.n_all);
        add_spent(c, r, h);
        break;
    case BUDGET_EPOCHS:
        c->start_epoch = c->child_epoch = c->final_epoch = 1.0;
        add_spent(c, r, h);
        break;
    }
    c->largest = most > 0 ? (double)most / macs : (double)INFINITY;
    c->flat = r->s->budget.unit == BUDGET_EPOCHS;
    return status;
}

/* ---- the pacer ---------------------------------------------------------- */

static void key_of(char key[32], int32_t step)
{
    snprintf(key, 32, "pace_%04d", step);
}

/* @return whether the text is one of record()'s */
static bool parse(nash_pace *pace, const char *text)
{
    char stage[16];
    int i = 0;
    *pace = (nash_pace){0};
    if (sscanf(text, "%15s %d %d %lf", stage, &pace->neighbours, &pace->epochs,
               &pace->growth) != 4)
        return false;
    while (i < NASH_STAGE_OVER && strcmp(stage, stages[i]) != 0)
        i++;
    pace->stage = (nash_stage)i;
    return i < NASH_STAGE_OVER;
}

/* Whether a search with these settings can have decided that. */
static bool is_possible(const nash_pace *pace, const settings *s)
{
    static const int32_t most_epochs = 100000;
    static const double most_growth = 1e9;
    bool climbs = pace->stage == NASH_STAGE_CLIMB;
    return pace->neighbours >= (climbs ? 2 : 0) &&
           pace->neighbours <= s->search.neighbours && pace->epochs >= 0 &&
           pace->epochs <= most_epochs && pace->growth >= 0.0 &&
           pace->growth <= most_growth;
}

/* Whether all that is recorded about steps can be kept to: a record may be
 * damaged. */
static int check_recorded(const nash_history *h, const settings *s)
{
    nash_pace pace;
    for (int32_t i = 0; i < h->n_settings; i++)
        if (strncmp(h->keys[i], "pace_", strlen("pace_")) == 0 &&
            (!parse(&pace, h->values[i]) || !is_possible(&pace, s)))
            return cli_error("the run's setting '%s' is not usable",
                             h->keys[i]);
    return EXIT_OK;
}

/* What is recorded about a step. @return whether there is anything */
static bool recall(nash_pace *pace, const nash_history *h, int32_t step)
{
    char key[32];
    key_of(key, step);
    const char *text = step < 0 ? NULL : nash_history_get(h, key);
    return text && parse(pace, text);
}

/* And what deciding it took. */
static nash_status record(const run *r, const nash_pace *pace, int32_t step)
{
    char key[32], text[64];
    key_of(key, step);
    snprintf(text, sizeof text, "%s %d %d %.17g", stages[pace->stage],
             pace->neighbours, pace->epochs, pace->growth);
    nash_status status = nash_store_set(r->store, key, text);
    return status == NASH_OK ? run_note_time(r) : status;
}

static void share_out(nash_pace *pace, const run *r, double total,
                      const nash_costs *costs, int32_t step)
{
    nash_budget shares = nash_budget_default(total);
    shares.climb_share = r->s->climb_share;
    nash_budget_pace(pace, &shares, costs, &r->s->search, step);
}

/* What the starting network's training took of the budget. */
static double start_of(const run *r, const nash_history *h)
{
    const nash_record *start = h->n_records > 0 ? &h->records[0] : NULL;
    if (!start)
        return 0.0;
    switch (r->s->budget.unit) {
    case BUDGET_SECONDS:
        return start->seconds;
    case BUDGET_PFLOP:
        return start->pflop;
    case BUDGET_EPOCHS:
        return (double)start->n_epochs;
    }
    return 0.0;
}

/* How much would pay for a first step, if the starting network's training took
 * the same share of it; infinity: nothing does. Where that network begins
 * narrower than it would with a large budget, candidates cost more then. */
static double total_for_step(const run *r, const nash_costs *costs,
                             double start)
{
    static const double finer = 1.05, most = 1000.0;
    double widest = 1.0 / scale_narrowed(r->s);
    for (double times = finer; times < most; times *= finer) {
        nash_costs then = *costs;
        nash_pace pace;
        then.spent += start * (times - 1.0);
        then.child_epoch *= fmin(nash_budget_size(times), widest);
        then.final_epoch *= fmin(nash_budget_size(times), widest);
        share_out(&pace, r, r->s->budget.total * times, &then, 1);
        if (pace.stage == NASH_STAGE_CLIMB)
            return r->s->budget.total * times;
    }
    return (double)INFINITY;
}

static void say_no_step(const run *r, const nash_costs *costs, double start)
{
    char enough[64], time[32];
    double total = total_for_step(r, costs, start);
    if (!isfinite(total))
        snprintf(enough, sizeof enough, "a larger --climb-share");
    else if (budget_is_time(r->s))
        snprintf(enough, sizeof enough, "about %s", cli_time(time, total));
    else
        snprintf(enough, sizeof enough,
                 total < 99.5 ? "about %.2g %s" : "about %.0f %s", total,
                 budget_unit_name(r->s));
    progress_line(
        "the budget pays for no step of the climb: %s would%s", enough,
        r->s->budget.unit == BUDGET_EPOCHS ? ""
                                           : ", or smaller images (--size)");
}

static nash_status decide_by(nash_pace *pace, const run *r,
                             const nash_costs *costs, double start,
                             int32_t step)
{
    share_out(pace, r, r->s->budget.total, costs, step);
    if (step == 1 && pace->stage == NASH_STAGE_FINAL &&
        r->s->search.strategy == NASH_STRATEGY_HILLCLIMB &&
        r->s->search.steps > 0)
        say_no_step(r, costs, start);
    bool whole = r->s->budget.total - costs->spent >= costs->final_epoch;
    if (pace->stage == NASH_STAGE_FINAL && pace->epochs < NASH_MOST_EPOCHS &&
        whole && can_bend(r, &r->s->search.final_train))
        pace->epochs++; /* the one that is there in part, cut short */
    return record(r, pace, step);
}

static nash_status decide(nash_pace *pace, const run *r, const nash_history *h,
                          int32_t step, const nash_model *best)
{
    nash_costs costs;
    nash_status status = find_costs(&costs, r, h, best);
    return status == NASH_OK ? decide_by(pace, r, &costs, start_of(r, h), step)
                             : status;
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

/* ---- ending in time ------------------------------------------------------ */

/* When the starting network's training was begun, by this process or one that
 * was killed, in seconds of the run. */
static double start_began(const run *r)
{
    static const char key[] = "start_began_seconds";
    nash_history *h = NULL;
    double now = run_seconds(r), began = now;
    const char *text = nash_history_load(&h, r->dir) == NASH_OK
                           ? nash_history_get(h, key)
                           : NULL;
    if (text)
        began = strtod(text, NULL);
    else
        run_set_number(r, key, now);
    nash_history_free(h);
    return began < now ? began : now;
}

double pace_time_left(void *ctx, const nash_job *job, double *epochs_after)
{
    run *r = ctx;
    static const double least = 1e-3;
    bool final = job->kind == NASH_CANDIDATE_FINAL;
    *epochs_after = 0.0;
    if (!budget_is_time(r->s) || (job->kind != NASH_CANDIDATE_START && !final))
        return 0.0;
    double left = r->s->budget.total - reserve_of(r) - run_seconds(r);
    run_note_time(r);  /* a process begins, */
    r->given_up = 0.0; /* and gives up what it finds necessary itself */
    if (final) {
        run_set_number(r, NASH_RUN_GIVEN_UP, r->given_up);
        *epochs_after = judging(r);
    }
    if (!final)
        left = fmin(0.5 * left, most_of_start * r->s->budget.total +
                                    start_began(r) - run_seconds(r));
    return fmax(left, least);
}

nash_status pace_give_up(void *ctx, const nash_job *job, double epochs)
{
    run *r = ctx;
    r->given_up = fmax(job->train.epochs - epochs, 0.0);
    return job->kind == NASH_CANDIDATE_FINAL
               ? run_set_number(r, NASH_RUN_GIVEN_UP, r->given_up)
               : NASH_OK;
}

void pace_say_given_up(run *r, const nash_job *job)
{
    if (r->given_up > 0.0 && job->kind != NASH_CANDIDATE_FINAL)
        progress_line("to end in time, %.3g of its %d epochs were given up",
                      r->given_up, job->train.epochs);
    r->given_up = 0.0;
}

nash_pacer pace_of(run *r)
{
    return (nash_pacer){r, pace};
}

/* ---- beginning ---------------------------------------------------------- */

/* What an epoch of all images costs the starting network. */
static double start_pass(const run *r)
{
    return nash_pflop(macs_of(r->start), r->images->n);
}

/* The budget in PFLOP, if the final training of the starting network takes so
 * many of its units an epoch. */
static double in_pflop(const run *r, double epoch)
{
    return r->s->budget.unit == BUDGET_PFLOP
               ? r->s->budget.total
               : r->s->budget.total / epoch * start_pass(r);
}

int pace_pflop(double *pflop, const run *r)
{
    pair epoch = {.mean = 1.0};
    if (budget_is_time(r->s) &&
        measure(&epoch, r, r->start, &r->s->search.final_train, r->images->n) !=
            NASH_OK)
        return cli_fail(NULL);
    *pflop = in_pflop(r, epoch.mean);
    return EXIT_OK;
}

/* A budget that pays for more epochs than any network gets counts as those: few
 * images do not want large networks. */
static nash_status choose_size(run *r, const nash_costs *costs)
{
    char text[32];
    int64_t *most = &r->s->search.morph.max_macs;
    double pflop =
        fmin(in_pflop(r, costs->final_epoch), NASH_MOST_EPOCHS * start_pass(r));
    int64_t by_budget = nash_budget_macs(pflop);
    int64_t by_start = nash_graph_macs(nash_model_graph(r->start));
    by_start += by_start / 2; /* or nothing could grow */
    *most = by_budget > by_start ? by_budget : by_start;
    snprintf(text, sizeof text, "%" PRId64, *most);
    return nash_store_set(r->store, "max_macs", text);
}

static int refuse(const run *r, double least)
{
    if (budget_is_time(r->s))
        return cli_error("--budget %s is too small: the shortest training, "
                         "with starting and judging, takes %.0f s",
                         r->s->budget.text, ceil(least));
    return cli_error("--budget %s is too small: an epoch of the starting "
                     "network for itself and one for the result take %.3g %s",
                     r->s->budget.text, least, budget_unit_name(r->s));
}

/* The smallest budget that will do: what it would pay for anyway, and shares of
 * it that are kept back, or end the starting network's training. */
static double least_of(const run *r, const nash_costs *costs)
{
    nash_costs least = *costs;
    if (!budget_is_time(r->s))
        return least.spent + nash_budget_least(&least);
    least.spent -= kept_back * r->s->budget.total;
    if (can_bend(r, &r->s->search.final_train))
        least.final_epoch *= least_of_final;
    double total =
        (least.spent + nash_budget_least(&least)) / (1.0 - kept_back);
    if (!can_bend(r, &r->s->search.start_train))
        return total;
    return fmin(total, (least.spent + least.final_epoch) /
                           (1.0 - kept_back - most_of_start));
}

static int begin(run *r, const nash_history *h)
{
    nash_costs costs;
    nash_pace start;
    nash_status status = find_costs(&costs, r, h, r->start);
    if (status != NASH_OK)
        return run_fail(r, status);
    double least = least_of(r, &costs);
    if (least > r->s->budget.total) {
        run_take_back(r);
        return refuse(r, least);
    }
    if (r->s->search.morph.max_macs == 0 &&
        r->s->budget.unit != BUDGET_EPOCHS && choose_size(r, &costs) != NASH_OK)
        return cli_fail(NULL);
    return decide_by(&start, r, &costs, 0.0, 0) == NASH_OK ? EXIT_OK
                                                           : cli_fail(NULL);
}

int pace_begin(run *r)
{
    nash_history *h = NULL;
    nash_pace start;
    if (nash_history_load(&h, r->dir) != NASH_OK)
        return cli_fail(NULL);
    int result = check_recorded(h, r->s);
    if (result == EXIT_OK && !recall(&start, h, 0))
        result = begin(r, h);
    nash_history_free(h);
    return result;
}
