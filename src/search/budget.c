/*
 * Dividing a budget. The shares and the rule for sizes were chosen on
 * CIFAR-10's training images; they are in terms of costs, and know nothing of
 * that data set.
 */
#include <nash/budget.h>

#include "internal.h"

#include <math.h>

enum {
    LEAST_NEIGHBOURS = 4,
    FEW_STEPS = 2,
    SHORTEST = 4, /* part of a cosine */
};

nash_budget nash_budget_default(double total)
{
    return (nash_budget){.total = total,
                         .start_share = 0.04,
                         .climb_share = 0.30,
                         .growth = 1.6};
}

double nash_budget_least(const nash_costs *costs)
{
    return costs->start_epoch + costs->final_epoch;
}

double nash_budget_size(double times)
{
    return pow(fmax(times, 0.0), 0.65);
}

int64_t nash_budget_macs(double pflop)
{
    double macs = 180e6 * nash_budget_size(pflop);
    return macs < 0x1p63 ? (int64_t)macs : INT64_MAX;
}

/* One at least, unless none is wanted. */
static int32_t whole_epochs(double count, int32_t most)
{
    double few = fmin(fmax(count, 1.0), most);
    return (int32_t)few;
}

/* A climb that is left to be done. */
typedef struct climb {
    int32_t steps, neighbours;
    int32_t epochs; /* of each candidate */
    double growth;  /* of each step, as in nash_pace */
} climb;

/* Epochs that all candidates of a step take together, by jobs side by side. */
static double candidate_epochs(const nash_search_opts *opts, const climb *c,
                               int32_t jobs)
{
    nash_train_opts train = opts->train;
    int32_t children = c->neighbours - 1;
    double sum = 0.0;
    train.epochs = c->epochs;
    for (int32_t at = 0, end; at < train.epochs; at = end) {
        end = opts->halve ? nash_cycle_end(&train, at) : train.epochs;
        sum += ceil((children + 1.0) / fmax(jobs, 1.0)) * (end - at);
        children -= children / 2;
    }
    return sum;
}

/* What it costs: networks grow from step to step, and children are taken to be
 * as large as they may. */
static double climb_cost(const climb *c, const nash_costs *costs,
                         const nash_search_opts *opts)
{
    double growth = costs->flat ? 1.0 : fmax(c->growth, 1.0);
    double parent = 1.0, sum = 0.0;
    for (int32_t step = 0; step < c->steps; step++) {
        sum += parent * (1.0 + growth * (c->neighbours - 1)) / c->neighbours;
        parent *= growth;
    }
    return sum * costs->child_epoch * candidate_epochs(opts, c, costs->jobs);
}

/* No more than a few morphisms make of a network. */
static double growth_of(const nash_budget *budget, const nash_costs *costs,
                        int32_t steps)
{
    static const double most = 2.5;
    return isfinite(costs->largest)
               ? fmin(pow(fmax(costs->largest, 1.0), 1.0 / steps), most)
               : budget->growth;
}

/* Take steps away until the rest can be paid for. */
static void drop_steps(climb *c, const nash_budget *budget,
                       const nash_costs *costs, const nash_search_opts *opts,
                       double left)
{
    for (; c->steps > 0; c->steps--) {
        c->growth = growth_of(budget, costs, c->steps);
        if (climb_cost(c, costs, opts) <= left)
            break;
    }
}

/* So many steps at most, but a few in any case, that each can grow networks:
 * where it hardly may, most morphisms are refused. */
static int32_t growing_steps(int32_t most, int32_t few,
                             const nash_budget *budget, const nash_costs *costs)
{
    static const double least = 1.25;
    int32_t steps = most;
    while (steps > few && !costs->flat &&
           growth_of(budget, costs, steps) < least)
        steps--;
    return steps;
}

/* Take back what was dropped of the last [steps], where they can be paid for
 * if networks grow less. */
static void grow_less(climb *c, int32_t steps, const nash_budget *budget,
                      const nash_costs *costs, const nash_search_opts *opts,
                      double left)
{
    const double least = 1.4, less = 0.97;
    for (climb slow = *c; steps > c->steps; steps--) {
        slow.steps = steps;
        slow.growth = growth_of(budget, costs, steps);
        while (climb_cost(&slow, costs, opts) > left && slow.growth > least)
            slow.growth *= less;
        if (climb_cost(&slow, costs, opts) <= left)
            *c = slow;
    }
}

static void add_neighbours(climb *c, const nash_costs *costs,
                           const nash_search_opts *opts, double left)
{
    while (c->steps > 0 && c->neighbours < opts->neighbours) {
        climb wider = *c;
        wider.neighbours++;
        if (climb_cost(&wider, costs, opts) > left)
            break;
        *c = wider;
    }
}

/* What fewer epochs than these a candidate could be trained for and be at the
 * end of a cosine; 0: none. */
static int32_t fewer_epochs(const nash_search_opts *opts, int32_t epochs)
{
    nash_train_opts train = opts->train;
    int32_t fewer = 0;
    train.epochs = opts->epochs;
    for (int32_t end = 0; (end = nash_cycle_end(&train, end)) < epochs;)
        fewer = end;
    return fewer;
}

/* What the climb may still cost: its share, and what the longest final training
 * of the largest network would leave over. */
static double left_of(const nash_budget *budget, const nash_costs *costs)
{
    double shares = budget->start_share + budget->climb_share;
    double growth = costs->flat ? 1.0 : fmax(costs->largest, 1.0);
    double longest = NASH_MOST_EPOCHS * costs->final_epoch * growth;
    return fmax(shares * budget->total, budget->total - longest) - costs->spent;
}

/* Where the steps from this one on, as many as can grow, cannot all be paid for
 * with the least of neighbours, candidates are trained for fewer cosines, and
 * then steps are dropped, a search's first two not before networks grow less
 * and a long cosine is shortened to a quarter at least; what there is too much
 * goes to more neighbours. */
static climb plan_climb(const nash_budget *budget, const nash_costs *costs,
                        const nash_search_opts *opts, int32_t step)
{
    double left = left_of(budget, costs);
    int32_t steps = opts->steps < step ? 0 : opts->steps - step + 1;
    int32_t few = FEW_STEPS < step ? 0 : FEW_STEPS - step + 1;
    int32_t most = opts->neighbours;
    few = few < steps ? few : steps;
    steps = growing_steps(steps, few, budget, costs);
    const climb whole = {.steps = steps,
                         .neighbours =
                             most < LEAST_NEIGHBOURS ? most : LEAST_NEIGHBOURS};
    climb c = whole;
    for (int32_t e = opts->epochs; e > 0; e = fewer_epochs(opts, e)) {
        c = whole;
        c.epochs = e;
        drop_steps(&c, budget, costs, opts, left);
        if (c.steps == steps)
            break;
    }
    grow_less(&c, few, budget, costs, opts, left);
    int32_t least = (c.epochs + SHORTEST - 1) / SHORTEST;
    for (int32_t e = c.epochs - 1; c.steps < few && e >= least && e > 0; e--) {
        climb shorter = whole;
        shorter.epochs = e;
        shorter.steps = few;
        drop_steps(&shorter, budget, costs, opts, left);
        grow_less(&shorter, few, budget, costs, opts, left);
        if (shorter.steps > c.steps)
            c = shorter;
    }
    add_neighbours(&c, costs, opts, left);
    return c;
}

void nash_budget_pace(nash_pace *pace, const nash_budget *budget,
                      const nash_costs *costs, const nash_search_opts *opts,
                      int32_t step)
{
    bool climbs = opts->strategy == NASH_STRATEGY_HILLCLIMB;
    if (step == 0) {
        double count = budget->start_share * budget->total / costs->start_epoch;
        *pace = (nash_pace){NASH_STAGE_START, 1,
                            whole_epochs(count, opts->start_epochs), 0.0};
        return;
    }
    climb c = climbs ? plan_climb(budget, costs, opts, step) : (climb){0};
    if (c.steps > 0) {
        *pace = (nash_pace){NASH_STAGE_CLIMB, c.neighbours, c.epochs, c.growth};
        return;
    }
    double count = (budget->total - costs->spent) / costs->final_epoch;
    *pace = (nash_pace){NASH_STAGE_FINAL, 1,
                        whole_epochs(count, NASH_MOST_EPOCHS), 0.0};
}
