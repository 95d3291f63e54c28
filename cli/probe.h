#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include "run.h"

/** Open a run's probe. @param train  [n] the images that candidates train on
 * @return the exit status */
int probe_open(run *r, const int32_t *train, int32_t n);

#endif
