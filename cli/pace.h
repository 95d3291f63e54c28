#ifndef CLI_PACE_H
#define CLI_PACE_H

#include "run.h"

/*
 * A search with a budget: what its steps are is decided as it goes, by what
 * things cost here. Every decision is recorded before it is acted on, and a
 * resumed run keeps to what is recorded.
 */

/** Check that the budget is enough, and choose the largest network where no
 * --max-macs says it; nothing in a run whose first step was decided before.
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int pace_begin(run *r);

/** The pacer of a run with a budget. @param r  borrowed by it */
nash_pacer pace_of(run *r);

/** The seconds that a training may take, so that all is done when a budget of
 * time is spent: the result what is left, the starting network half of it.
 * @return 0: as many as it takes */
double pace_time_left(const run *r, const nash_job *job);

#endif
