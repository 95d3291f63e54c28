/* Progress of a search on standard error. Only shows; decides nothing. */
#include "follow.h"

#include "cli.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>

int follow_init(follow *f, const settings *s, int32_t n_train, int32_t n_all)
{
    *f = (follow){.s = s, .n_train = n_train, .n_all = n_all};
    f->most = s->search.neighbours;
    f->cost = calloc((size_t)f->most, sizeof *f->cost);
    f->share = calloc((size_t)f->most, sizeof *f->share);
    f->rate = calloc((size_t)f->most, sizeof *f->rate);
    return f->cost && f->share && f->rate ? EXIT_OK
                                          : cli_error("out of memory");
}

void follow_deinit(follow *f)
{
    free(f->cost);
    free(f->share);
    free(f->rate);
}

static double cost_of(const follow *f, const nash_job *job, double macs)
{
    return macs * job->train.epochs * (job->on_all ? f->n_all : f->n_train);
}

/* What the steps after this one will cost if networks stay as they are; under
 * a budget, what it leaves for them. */
static double cost_ahead(const follow *f, double macs, double step)
{
    const nash_search_opts *o = &f->s->search;
    double children = (double)o->epochs * f->n_train;
    double final = (double)o->final_epochs * f->n_all;
    double left = 0.0;
    if (f->s->budget.text && f->s->budget.unit == BUDGET_PFLOP)
        left = f->s->budget.total / nash_pflop(1.0, 1.0) - f->done - step;
    else if (f->s->budget.text && f->s->budget.unit == BUDGET_EPOCHS)
        left = f->s->budget.total * f->n_all * macs - f->done - step;
    else if (o->strategy == NASH_STRATEGY_RANDOM && f->step == 0)
        left = macs * (final + (double)o->epochs * o->steps * f->n_all);
    else if (o->strategy != NASH_STRATEGY_RANDOM && f->step <= o->steps)
        left = macs * (children * o->neighbours * (o->steps - f->step) + final);
    return fmax(left, 0.0);
}

void follow_step(follow *f, const nash_job *jobs, int32_t n)
{
    double all = 0.0, step = 0.0;
    for (int32_t i = 0; i < f->n; i++)
        f->done += f->cost[i];
    f->step = jobs[0].step;
    f->n = n;
    for (int32_t i = 0; i < n; i++) {
        double macs = (double)nash_graph_macs(nash_model_graph(jobs[i].model));
        all += macs;
        f->cost[i] = cost_of(f, &jobs[i], macs);
        step += f->cost[i];
        f->share[i] = f->rate[i] = 0.0;
    }
    f->ahead = cost_ahead(f, all / n, step);
}

/* How much of the whole is done. */
static double share_done(const follow *f)
{
    double now = 0.0, step = 0.0;
    if (budget_is_time(f->s))
        return (cli_seconds() - f->began) / f->s->budget.total;
    for (int32_t i = 0; i < f->n; i++) {
        now += f->share[i] * f->cost[i];
        step += f->cost[i];
    }
    double total = f->done + step + f->ahead;
    return total > 0.0 ? (f->done + now) / total : 0.0;
}

static void redraw(follow *f)
{
    char label[64], rate[48];
    double images_per_second = 0.0;
    for (int32_t i = 0; i < f->n; i++)
        images_per_second += f->rate[i];
    f->shown = fmax(f->shown, share_done(f));
    if (f->n > 1)
        snprintf(label, sizeof label, "step %d, %d candidates", f->step, f->n);
    else
        snprintf(label, sizeof label, "%s",
                 f->step == 0 ? "starting network" : "final training");
    snprintf(rate, sizeof rate, "%.0f images/s", images_per_second);
    progress_show(label, fmin(f->shown, 1.0), rate);
}

void follow_progress(follow *f, const nash_job *job, double share,
                     double images_per_second)
{
    f->share[job->child] = share;
    f->rate[job->child] = images_per_second;
    redraw(f);
}

static void print_outcome(const nash_job *job, const nash_outcome *outcome)
{
    char name[48], params[32], macs[32], time[32], epochs[32];
    char score[64] = "trained on all images";
    int32_t stop = job->train.stop_epoch;
    const nash_graph *g = nash_model_graph(job->model);
    nash_candidate_label(name, sizeof name,
                         &(nash_record){.kind = job->kind,
                                        .step = job->step,
                                        .child = job->child});
    if (outcome->status != NASH_OK) {
        progress_line("%-6s failed: %s", name, outcome->message);
        return;
    }
    if (!job->on_all)
        snprintf(score, sizeof score, "val error %5.2f %%  loss %.4f",
                 100.0 * outcome->val.error, outcome->val.loss);
    snprintf(epochs, sizeof epochs, "%d epoch%s", outcome->n_epochs,
             outcome->n_epochs == 1 ? "" : "s");
    progress_line("%-6s %s  %s parameters  %s MACs  %s in %s%s%s", name, score,
                  cli_count(params, (double)nash_graph_params(g)),
                  cli_count(macs, (double)nash_graph_macs(g)), epochs,
                  cli_time(time, outcome->seconds), stop > 0 ? " so far" : "",
                  job->kind == NASH_CANDIDATE_PARENT ? "  (unmorphed)" : "");
}

void follow_outcome(follow *f, const nash_job *job, const nash_outcome *outcome)
{
    f->share[job->child] = 1.0;
    f->rate[job->child] = 0.0;
    print_outcome(job, outcome);
}

void follow_choice(follow *f, int32_t step, int32_t child)
{
    const nash_search_opts *o = &f->s->search;
    static const char *const criteria[] = {[NASH_CRITERION_LOSS] = "loss",
                                           [NASH_CRITERION_ERROR] = "error",
                                           [NASH_CRITERION_BALANCED_ERROR] =
                                               "balanced error"};
    const char *what = criteria[o->criterion];
    if (f->n > 1 && o->tie > 0.0)
        progress_line("step %d: candidate %d-%d wins (largest within %g %% of "
                      "the least %s)",
                      step, step, child, 100.0 * o->tie, what);
    else if (f->n > 1)
        progress_line("step %d: candidate %d-%d wins (least %s)", step, step,
                      child, what);
}
