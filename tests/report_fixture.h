#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

#include <nash/report.h>

/* A made-up run, and its page. */

enum { STEPS = 2, CHILDREN = 3, EPOCHS = 4, RECORDS = 2 + STEPS * CHILDREN };

/* Everything in it is static: nothing of it needs to be freed. */
typedef struct made_run {
    nash_history history;
    nash_record records[RECORDS];
    nash_epoch epochs[RECORDS][EPOCHS];
} made_run;

/** Two steps of a climb and what came of them; one of its children failed. */
made_run *make_run(void);

/* Places of its settings, which a test may set for a while. */
enum { CLASS_ERRORS = 3, CONFUSION = 4 };

/** Its page as text, yours to ni_free(). @param best  NULL: there is none */
char *read_page(const nash_history *history, const nash_model *best);

/** How often a text stands in a page. */
int32_t count_of(const char *page, const char *text);

#endif
