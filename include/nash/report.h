#ifndef NASH_REPORT_H
#define NASH_REPORT_H

#include "store.h"

/*
 * Reports: one self-contained HTML page of a run, and drawings (SVG).
 */

/** Write RUN/report.html from a run's history.
 * @param best  the result; NULL while there is none
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM */
NASH_API nash_status nash_report_write(const char *path,
                                       const nash_history *history,
                                       const nash_model *best);

/** A drawing of a graph as SVG text, yours to free with nash_text_free().
 * NULL with the error set when memory is out. */
NASH_API char *nash_graph_svg(const nash_graph *g);

/** A drawing of a run's lineage as SVG text, likewise. */
NASH_API char *nash_lineage_svg(const nash_history *history);

NASH_API void nash_text_free(char *text);

#endif
