#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "settings.h"

/*
 * A search as people see it: a line per candidate, and a bar over all of them
 * whose time left counts what is still to be trained in multiply-accumulates.
 */

typedef struct follow {
    const settings *s;           /* borrowed */
    double n_train, n_all;       /* images of an epoch: of children, final */
    int32_t step, n;             /* candidates of the step under way */
    double *cost, *share, *rate; /* [most] of each; owned */
    int32_t most;
    double done;  /* cost of the steps before */
    double ahead; /* estimated cost of the steps after */
    double shown; /* largest share so far */
    double began; /* clock, for a budget of seconds */
} follow;

/** @return EXIT_OK, or EXIT_FAILED after a sentence */
int follow_init(follow *f, const settings *s, int32_t n_train, int32_t n_all);
void follow_deinit(follow *f);

/** A step's candidates are about to be trained. */
void follow_step(follow *f, const nash_job *jobs, int32_t n);

/** A candidate is that far. */
void follow_progress(follow *f, const nash_job *job, double share,
                     double images_per_second);

/** A candidate has its outcome. */
void follow_outcome(follow *f, const nash_job *job,
                    const nash_outcome *outcome);

/** A step has its winner. */
void follow_choice(follow *f, int32_t step, int32_t child);

#endif
