#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <nash/nash.h>

/* What "nash show" prints of either kind of thing. */

/** A model: its layers, totals and metadata. @param name  its file */
void show_model(const nash_model *m, const char *name, bool json);

/** A run: every attempt, and what was changed. @param name  its directory */
void show_run(const nash_history *history, const char *name, bool json);

#endif
