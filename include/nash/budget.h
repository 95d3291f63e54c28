#ifndef NASH_BUDGET_H
#define NASH_BUDGET_H

#include "search.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How a search that has only so much to spend divides it: a little for the
 * starting network, a part for the climb, the rest for the final training.
 * Costs are in one unit throughout, whichever: seconds, PFLOP, epochs. The
 * functions are pure: what is decided depends on what they are told alone.
 */

typedef struct nash_budget {
    double total;       /* to spend in all, > 0 */
    double start_share; /* of it, on training the starting network */
    double climb_share; /* on the climb; what is then left is the result's */
    double growth;      /* how many times more than its parent a child may
                           cost at most, where nothing limits networks */
} nash_budget;

/* What things cost when a step is decided. */
typedef struct nash_costs {
    double spent;       /* so far */
    double start_epoch; /* training the best network for an epoch before the
                           climb, */
    double child_epoch; /* as one of the candidates of a step, */
    double final_epoch; /* and on all images at last */
    double largest;     /* how many times more operations than the best network
                           a child may have, by the caps; INFINITY: any */
    int32_t jobs;       /* so many candidates side by side cost no more than one
                           does alone; 0: 1 */
    bool flat; /* an epoch costs the same, however large a network is */
} nash_costs;

/** Most epochs of a final training: more teach a network nothing. */
enum { NASH_MOST_EPOCHS = 1000 };

/** The shares of the presets. */
NASH_API nash_budget nash_budget_default(double total);

/**
 * The least that a search can be done for: an epoch for the start and one for
 * the result.
 */
NASH_API double nash_budget_least(const nash_costs *costs);

/**
 * Decide what a step is. The climb gets as many of the steps that are left as
 * its share pays for with four neighbours each, trained to the end of an
 * earlier cosine where all of them would not fit otherwise, then as many
 * neighbours as that leaves room for; when nothing is left for a step, or all
 * are done, the final training comes, for as many epochs as the rest pays for.
 * Where networks are limited, each step may grow them by the same factor, which
 * leads to the limit in the last one, but no more than 2.5 times: a child as
 * large as the limit in the first step would leave nothing for the others.
 * There are no more steps than can
 * grow them by a quarter each, but for the first two. Rather than that a search
 * has none of its first two steps, they grow networks less, down to 1.4 times.
 *
 * @param pace  receives it
 * @param opts  steps, neighbours and epochs are upper limits; halve and train
 *              say what a candidate takes; strategy
 * @param step  its number; no step comes after FINAL
 */
NASH_API void nash_budget_pace(nash_pace *pace, const nash_budget *budget,
                               const nash_costs *costs,
                               const nash_search_opts *opts, int32_t step);

/**
 * The network size that a budget of @p pflop lets its final training do justice
 * to, in multiply-accumulates an image: it grows faster (as the power of 0.65)
 * than the number of images seen (0.35). INT64_MAX where that is more.
 */
NASH_API int64_t nash_budget_macs(double pflop);

/** How much larger that is where the budget is so many times larger. */
NASH_API double nash_budget_size(double times);

#ifdef __cplusplus
}
#endif

#endif
