#ifndef NI_DIST_PROCESS_H
#define NI_DIST_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A program that was started: we hold its standard input open and read its
 * standard output by lines; its standard error goes to a file.
 */

enum { NI_LINE_BYTES = 512 };

typedef struct ni_process {
    pid_t pid;  /* also of its process group */
    int input;  /* we write (nothing); -1: closed */
    int output; /* we read; -1: ended */
    size_t used;
    char line[NI_LINE_BYTES]; /* what is read of the next line */
} ni_process;

/**
 * Start a program, in a process group of its own, so that a terminal's Ctrl-C
 * reaches it through us only.
 *
 * @param argv      argv[0] is looked up in PATH if it holds no slash
 * @param log_path  standard error is appended to it
 * @return NASH_OK, NASH_ENOTFOUND (no such program) or NASH_EIO
 */
nash_status ni_process_start(ni_process *p, char *const argv[],
                             const char *log_path);

/** Take some of what the output holds now, a buffer at most: who speaks faster
 * than is listened to must not take all the time. Lines that are too long are
 * dropped. @param line  called with each, without its newline
 * @return whether there may be more */
bool ni_process_read(ni_process *p, void (*line)(void *ctx, char *line),
                     void *ctx);

/** Whether it has ended; then its status is as for waitpid(). */
bool ni_process_ended(ni_process *p, int *wait_status);

/** Ask it to end: SIGTERM to its group, end of file on its input. */
void ni_process_ask_to_end(ni_process *p);

/** End it by force, with its group; ni_process_ended() will tell. */
void ni_process_kill(const ni_process *p);

/** Wait for its end for so long, then kill it. Releases everything. */
void ni_process_finish(ni_process *p, int patience_ms);

#endif
