#ifndef CLI_PACE_H
#define CLI_PACE_H

#include "run.h"

/*
 * A search with a budget: what its steps are is decided as it goes, by what
 * things cost here. Every decision is recorded before it is acted on, and a
 * resumed run keeps to what is recorded.
 */

/** Check that the budget is enough, and choose the largest network where no
 * --max-macs says it; in a run whose first step was decided before, check only
 * that what is recorded can be kept to. @return EXIT_OK, or EXIT_FAILED after a
 * sentence */
int pace_begin(run *r);

/** A budget of time or PFLOP in PFLOP, at the speed at which the starting
 * network trains here. @return EXIT_OK, or EXIT_FAILED after a sentence */
int pace_pflop(double *pflop, const run *r);

/** The pacer of a run with a budget. @param r  borrowed by it */
nash_pacer pace_of(run *r);

/**
 * The seconds that a training may take, so that all is done when a budget of
 * time is spent: the result what is left, the starting network a tenth of the
 * budget since it was first begun, and no more than half of what is left.
 *
 * @param ctx           the run
 * @param epochs_after  receives the epochs whose time it has to leave of them
 * @return 0: as many as it takes
 */
double pace_time_left(void *ctx, const nash_job *job, double *epochs_after);

/** A training gives up all but so many of its epochs: record that.
 * @param ctx  the run */
nash_status pace_give_up(void *ctx, const nash_job *job, double epochs);

/** What it gave up in the end; of the final training the verdict says it. */
void pace_say_given_up(run *r, const nash_job *job);

#endif
