#ifndef NI_TRAIN_CHECKPOINT_H
#define NI_TRAIN_CHECKPOINT_H

#include "focus.h"
#include "lookahead.h"
#include "predict.h"
#include "schedule.h"
#include "sgd.h"

/*
 * A training's state in a file. See nash_train_hooks for the contract.
 */

/* Where a training is. */
typedef struct ni_progress {
    int32_t epoch;    /* the one under way; so many are finished */
    int64_t step;     /* its steps that are done */
    nash_epoch now;   /* its sums so far */
    nash_epoch *rows; /* the finished ones; [opts->epochs], owned */
    double seconds;   /* spent in all, by all processes */
    ni_bend bend;     /* of the schedule */
} ni_progress;

/* What is saved, and where; all borrowed. */
typedef struct ni_checkpoint {
    const char *path;
    uint64_t identity; /* of the training */
    nash_model *model;
    ni_sgd *sgd;
    ni_lookahead *lookahead; /* NULL: without */
    ni_focus *focus;         /* NULL: without */
    int32_t images;          /* of the training */
    ni_progress *progress;
    int32_t epochs;     /* rows that progress has room for */
    int32_t stop_epoch; /* a state beyond its end is of no use */
    bool may_bend;      /* nor one that was bent, unless this training may be */
    int64_t per_epoch;  /* steps */
} ni_checkpoint;

/** Names a training: hash of all that decides its bits. To be taken before it
 * begins. */
uint64_t ni_training_identity(const nash_model *m, const ni_views *train,
                              const ni_views *val, const nash_train_opts *opts);

/**
 * Save the state; the one before it is kept as PATH.old.
 *
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM; what was there is intact on failure
 */
nash_status ni_checkpoint_save(const ni_checkpoint *c);

/**
 * Load the last usable state into model, velocities and progress.
 *
 * @param found  whether there was one; else nothing is changed
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM
 */
nash_status ni_checkpoint_load(bool *found, const ni_checkpoint *c);

#endif
