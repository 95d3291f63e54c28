#ifndef CLI_CLASSES_H
#define CLI_CLASSES_H

#include <nash/nash.h>

/**
 * Record how a run's result did class by class, for its report: the errors, the
 * images, and what was taken for what (NASH_RUN_CLASS_ERRORS and the next).
 *
 * @param probabilities  [test->n, test->classes]
 * @param errors         [test->classes], as nash_score_of() gives them
 * @return NASH_OK, NASH_ENOMEM or as nash_store_set()
 */
nash_status classes_record(nash_store *store, const nash_images *test,
                           const float *probabilities, const double *errors);

#endif
