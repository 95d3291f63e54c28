#ifndef NI_TRAIN_DEADLINE_H
#define NI_TRAIN_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Ending in time: how many steps there is time for, by the clock.
 */

typedef struct ni_deadline {
    double end;   /* on the clock */
    double after; /* the time of so many steps is left before it */
    double then;  /* when it was looked at last */
    int64_t step; /* how many steps were done by then */
    bool late;    /* whether there were too many to do */
} ni_deadline;

/** The first step begins. Both of the end are the caller's. */
void ni_deadline_begin(ni_deadline *d, double now, int64_t step);

/** What has just been done, for so long, does not count as steps' pace. */
void ni_deadline_skip(ni_deadline *d, double seconds);

/**
 * Look, after any step, how many there should be. More often than after each
 * tenth of what time was left, and each second, nothing changes.
 *
 * @param step  so many are done
 * @param end   so many were to be done in all, > step
 * @param most  so many there may be, >= end
 * @return so many there should be, step + 1 .. most
 */
int64_t ni_deadline_look(ni_deadline *d, double now, int64_t step, int64_t end,
                         int64_t most);

#endif
