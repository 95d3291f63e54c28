#ifndef NI_REPORT_PAGE_H
#define NI_REPORT_PAGE_H

#include "text.h"

#include <nash/report.h>

/* The page's sections, each an HTML fragment with its heading. */

/** Learning curves of all candidates, along the winning lineage. */
void ni_curves_put(ni_text *t, const nash_history *history);

/** The table of every attempt, and the refused draws. */
void ni_attempts_put(ni_text *t, const nash_history *history);

/** Whether the run recorded any of the next.
 * @return NASH_OK or NASH_ENOMEM */
nash_status ni_classes_are_known(bool *known, const nash_history *history);

/** Errors by class and the confusion matrix, where the run recorded them; of
 * many classes those with the largest errors, and the commonest confusions.
 * @return NASH_OK or NASH_ENOMEM */
nash_status ni_classes_put(ni_text *t, const nash_history *history);

#endif
