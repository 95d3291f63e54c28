#ifndef NI_DIST_LAUNCH_H
#define NI_DIST_LAUNCH_H

#include <nash/search.h>

#include <stdbool.h>

/* The exit statuses of a candidate that cannot be trained here and now, and of
 * one whose process had no memory; and of ssh, when a connection was not made
 * or was lost. */
enum {
    NI_EXIT_UNABLE = 75, /* EX_TEMPFAIL */
    NI_EXIT_BUSY = 69,   /* EX_UNAVAILABLE: another process has its lock */
    NI_EXIT_MEMORY = 71, /* EX_OSERR */
    NI_EXIT_SSH = 255,
};

/*
 * The command that starts a candidate, and what to say when it went wrong.
 */

typedef struct ni_launch {
    char *program;  /* owned */
    char *launcher; /* owned, its words separated by zero bytes; NULL: none */
    int32_t n_words;
    double checkpoint_seconds;
} ni_launch;

/** The candidates' checkpoint_seconds are set by the caller.
 * @return NASH_OK, NASH_EINVAL (a launcher without words; a program's path
 * that does not survive a remote shell) or NASH_ENOMEM */
nash_status ni_launch_init(ni_launch *launch, const char *program,
                           const char *launcher);
void ni_launch_deinit(ni_launch *launch);

/**
 * The command for a candidate's directory: [LAUNCHER...] PROGRAM candidate
 * OPTIONS DIR. Behind a launcher the directory is percent-encoded, since ssh
 * joins words and has a shell take them apart again.
 *
 * @param argv     receives the NULL-terminated words; ni_launch_words_free()
 * @param until  when it has to be done, as ni_clock_of_day(); 0: whenever
 * @param epochs_after  whose time it leaves until then
 */
nash_status ni_launch_words(char ***argv, const ni_launch *launch,
                            const char *dir, double until, double epochs_after);
void ni_launch_words_free(char **argv);

/* How a candidate's process ended that left no result. */
typedef struct ni_end {
    int wait_status;
    bool silent;   /* it was ended since it said nothing for too long */
    int32_t tries; /* of late */
} ni_end;

/** Whether it was cut off, had no memory or found another process at work on
 * it, rather than gave up, so that it is worth another try. */
bool ni_launch_cut_off(const ni_end *end);

/** Seconds to put off another try: a machine that cannot be reached, or does
 * not know yet that it cannot, takes a while to come back.
 * @param first  of them before the second try, then four times as long each */
double ni_launch_pause(const ni_end *end, double first);

/** Whether it said that it cannot be trained here and now. */
bool ni_launch_unable(const ni_end *end);

/** The outcome of such a candidate; where it gave up, with the last line of its
 * log. @param dir  the candidate's */
void ni_launch_blame(nash_outcome *outcome, const nash_job *job,
                     const ni_end *end, const char *dir);

#endif
