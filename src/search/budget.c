/*
 * Dividing a budget. The shares and the rule for sizes were chosen on
 * CIFAR-10's training images; they are in terms of costs, and know nothing of
 * that data set.
 */
#include <nash/budget.h>

#include "internal.h"

#include <math.h>

enum { LEAST_NEIGHBOURS = 4, MOST_START_EPOCHS = 20, MOST_EPOCHS = 100000 };

nash_budget nash_budget_default(double total)
{
    return (nash_budget){.total = total,
                         .start_share = 0.05,
                         .climb_share = 0.30,
                         .growth = 1.6};
}

double nash_budget_least(const nash_costs *costs)
{
    return costs->start_epoch + costs->final_epoch;
}

int64_t nash_budget_macs(double pflop)
{
    return (int64_t)(130e6 * sqrt(fmax(pflop, 0.0)));
}

static int32_t whole_epochs(double count, int32_t most)
{
    return count < 1.0 ? 1 : count > most ? most : (int32_t)count;
}

/* Epochs that all candidates of a climb take together. */
static int64_t candidate_epochs(const nash_search_opts *opts,
                                int32_t neighbours)
{
    nash_train_opts train = opts->train;
    int64_t children = neighbours - 1, sum = 0;
    train.epochs = opts->epochs;
    for (int32_t at = 0, end; at < train.epochs; at = end) {
        end = opts->halve ? nash_cycle_end(&train, at) : train.epochs;
        sum += (children + 1) * (end - at);
        children -= children / 2;
    }
    return sum;
}

/* How many times larger than its parent a child of a step may be. */
static double growth_of(const nash_budget *budget, const nash_costs *costs,
                        const nash_search_opts *opts, int32_t step)
{
    if (costs->largest == 0.0 || !isfinite(costs->largest))
        return costs->largest == 0.0 ? 0.0 : budget->growth;
    double left = opts->steps - step + 1;
    return pow(fmax(costs->largest, 1.0), 1.0 / left);
}

/* The neighbours of a step; 0: there is nothing left for one. */
static int32_t neighbours_for(const nash_budget *budget,
                              const nash_costs *costs,
                              const nash_search_opts *opts, int32_t step)
{
    double left = (budget->start_share + budget->climb_share) * budget->total -
                  costs->spent;
    double share = left / (opts->steps - step + 1);
    double epoch =
        costs->child_epoch * fmax(growth_of(budget, costs, opts, step), 1.0);
    int32_t n = opts->neighbours;
    int32_t least = n < LEAST_NEIGHBOURS ? n : LEAST_NEIGHBOURS;
    while (n > least && epoch * (double)candidate_epochs(opts, n) > share)
        n--;
    return epoch * (double)candidate_epochs(opts, n) <= left ? n : 0;
}

void nash_budget_pace(nash_pace *pace, const nash_budget *budget,
                      const nash_costs *costs, const nash_search_opts *opts,
                      int32_t step)
{
    bool climbs = opts->strategy == NASH_STRATEGY_HILLCLIMB;
    if (step == 0) {
        double count = budget->start_share * budget->total / costs->start_epoch;
        *pace = (nash_pace){NASH_STAGE_START, 1,
                            whole_epochs(count, MOST_START_EPOCHS), 0.0};
        return;
    }
    int32_t n = climbs && step <= opts->steps
                    ? neighbours_for(budget, costs, opts, step)
                    : 0;
    if (n > 0) {
        *pace = (nash_pace){NASH_STAGE_CLIMB, n, opts->epochs,
                            growth_of(budget, costs, opts, step)};
        return;
    }
    double count = (budget->total - costs->spent) / costs->final_epoch;
    *pace = (nash_pace){NASH_STAGE_FINAL, 1, whole_epochs(count, MOST_EPOCHS),
                        0.0};
}
