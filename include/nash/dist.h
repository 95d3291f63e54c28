#ifndef NASH_DIST_H
#define NASH_DIST_H

#include "search.h"

/*
 * Candidates as processes. The evaluator writes RUN/candidates/SSSS-CC/ with
 * model.onnx and job.json, starts "nash candidate DIR", and takes what it left
 * in result.json: the truth; its standard output is only progress.
 */

typedef struct nash_process_opts {
    const char *program;  /* the nash executable */
    const char *launcher; /* words put before it, split at blanks; NULL: none */
    const char *run_dir;
    const char *data_dir;
    nash_dataset_opts dataset;
    double val_share;     /* of the training images */
    int32_t jobs;         /* candidates side by side */
    const volatile int *stop; /* nonzero: end the candidates, return ESTOP */
    /* progress of candidate (step, child); may be NULL */
    void (*progress)(void *ctx, int32_t step, int32_t child, double share,
                     const nash_epoch *last);
    void *ctx;
} nash_process_opts;

/**
 * An evaluator that runs candidates as processes. A candidate that already has
 * a result for the same job is not run again.
 *
 * @param evaluator  receives the interface; release with
 *                   nash_process_evaluator_close()
 * @param opts       copied, its strings borrowed
 */
NASH_API nash_status nash_process_evaluator_open(nash_evaluator *evaluator,
                                                 const nash_process_opts *opts);
NASH_API void nash_process_evaluator_close(nash_evaluator *evaluator);

/** Remove the trained weights of a step's candidates but its winner's. */
NASH_API nash_status nash_candidates_prune(const char *run_dir, int32_t step,
                                           int32_t winner);

/**
 * What "nash candidate DIR" does: lock the directory, train what job.json asks
 * for, write progress lines to @p progress_fd, leave result.json and the
 * trained model. Ends early when standard input closes.
 *
 * @return NASH_OK once a result (also a failure of the training) is written
 */
NASH_API nash_status nash_candidate_run(const char *dir, int progress_fd);

/** The validation split that a run uses: [*n_train] and [*n_val] indices,
 * yours to free with nash_split_free(). */
NASH_API nash_status nash_run_split(int32_t **train, int32_t *n_train,
                                    int32_t **val, int32_t *n_val,
                                    const nash_images *images,
                                    double val_share, uint64_t seed);
NASH_API void nash_split_free(int32_t *index);

#endif
