#ifndef CLI_FLIP_H
#define CLI_FLIP_H

#include "run.h"

/*
 * Whether a run's trainings mirror images, for --auto-flip. What a digit is
 * changes in a mirror, what a horse is does not. So the starting network is
 * trained without mirror images, and all later trainings use them if it knows
 * the mirrored validation images nearly as well as it knows them as they are.
 * As long as it knows too few classes to tell, the climb goes on without, and
 * each step's winner is asked.
 */

/** Prepare the trainings' options, by what was decided earlier if it was.
 * @return the exit status */
int flip_begin(run *r);

/** Decide, record, say, and act, unless that was done. @param winner  of a
 * step before the final training, trained without mirror images
 * @return as nash_predict() and nash_store_set() */
nash_status flip_decide(run *r, nash_model *winner);

#endif
