#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include "run.h"

/** Refuse a starting network whose training would take more memory than it may:
 * its probe takes about as much.
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int probe_check(const run *r);

/** Open a run's probe. @param train  [n] the images that candidates train on
 * @return the exit status */
int probe_open(run *r, const int32_t *train, int32_t n);

#endif
