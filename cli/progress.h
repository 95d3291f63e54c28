#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

/*
 * Progress on standard error: one live bar on a terminal; elsewhere a plain
 * line now and then. Standard output stays for results.
 */

/** Whether standard error is a terminal that can be redrawn. */
bool progress_is_live(void);

/**
 * Show how far a long work is; redraws at most ten times a second on a
 * terminal, and elsewhere prints a line at most every 30 seconds.
 *
 * @param label  what is going on, "child 3 of 8"
 * @param share  done, 0 .. 1
 * @param rate   "1,760 images/s", or NULL
 */
void progress_show(const char *label, double share, const char *rate);

/** On a terminal, until the next line: say what takes a moment and has no
 * share that could be shown. */
void progress_busy(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/** Remove the bar, so that a line can be printed. */
void progress_clear(void);

/** Print one finished line on standard error, above the bar. */
void progress_line(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
