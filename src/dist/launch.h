#ifndef NI_DIST_LAUNCH_H
#define NI_DIST_LAUNCH_H

#include <nash/search.h>

/*
 * The command that starts a candidate, and what to say when it went wrong.
 */

typedef struct ni_launch {
    char *program;  /* owned */
    char *launcher; /* owned, its words separated by zero bytes; NULL: none */
    int32_t n_words;
} ni_launch;

/** @return NASH_OK, NASH_EINVAL (a launcher without words; a program's path
 * that does not survive a remote shell) or NASH_ENOMEM */
nash_status ni_launch_init(ni_launch *launch, const char *program,
                           const char *launcher);
void ni_launch_deinit(ni_launch *launch);

/**
 * The command for a candidate's directory: [LAUNCHER...] PROGRAM candidate DIR.
 * Behind a launcher the directory is percent-encoded, since ssh joins words and
 * has a shell take them apart again.
 *
 * @param argv  receives the NULL-terminated words; ni_launch_words_free()
 */
nash_status ni_launch_words(char ***argv, const ni_launch *launch,
                            const char *dir);
void ni_launch_words_free(char **argv);

/** The outcome of a candidate that left no result: how its process ended, and
 * the last line of its log. @param dir  the candidate's */
void ni_launch_blame(nash_outcome *outcome, const nash_job *job,
                     int wait_status, const char *dir);

#endif
