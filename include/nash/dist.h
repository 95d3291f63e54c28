#ifndef NASH_DIST_H
#define NASH_DIST_H

#include "search.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Candidates as processes. The evaluator writes RUN/candidates/SSSS-CC/ with
 * model.onnx and job.json, starts "nash candidate DIR", and takes what it left
 * in result.json: the truth; its standard output is only progress.
 */

typedef struct nash_process_opts {
    const char *program;  /* the nash executable; an absolute path */
    const char *launcher; /* words put before it, split at blanks; NULL: none */
    const char *run_dir;
    const char *data_dir;
    nash_dataset_opts dataset;
    uint64_t data_hash; /* of the training images, nash_dataset_hash(): with
                           others no candidate is trained; 0: whatever they are
                         */
    double val_share;   /* of the training images, in (0, 1) */
    int32_t most;     /* images that candidates learn from, and a quarter of as
                         many that judge them, see nash_run_split(); 0: all */
    int32_t jobs;     /* candidates side by side, >= 1 */
    size_t max_bytes; /* of all that run side by side, by `bytes`: fewer
                         do where it would be more; 0: no limit */
    double checkpoint_seconds; /* between two states of a training; 0: none
                                  but where stop_epoch cuts it short */
    double timeout_seconds;    /* end a candidate that says nothing for so long;
                                  0: never */
    double retry_seconds;      /* after one that had no connection, or found
                                  another process at work on it: before the
                                  second try, four times as long before each
                                  later one; 0: at once */
    bool allow_mixed;          /* take results of candidates that computed with
                                  another library or instruction set than this
                                  process would */
    const volatile int *stop;  /* nonzero: end the candidates, return ESTOP;
                                  NULL: never */
    /* What happens, for people and records; told in this thread, and each may
     * be NULL. */
    void *ctx;
    void (*progress)(void *ctx, const nash_job *job, double share,
                     double images_per_second);
    nash_status (*epoch)(void *ctx, const nash_job *job,
                         const nash_epoch *epoch);
    /* the seconds that a candidate may take, what its launcher waits for
     * included, and the epochs whose time it leaves of them, see
     * nash_train_hooks; 0: as many as it takes */
    double (*time_left)(void *ctx, const nash_job *job, double *epochs_after);
    /* its training has so many epochs now, to end in time */
    nash_status (*bent)(void *ctx, const nash_job *job, double epochs);
    /* the bytes that a candidate will take while it is trained */
    nash_status (*bytes)(void *ctx, const nash_job *job, size_t *bytes);
    /* one candidate has its outcome, long before its siblings perhaps */
    nash_status (*finished)(void *ctx, const nash_job *job,
                            const nash_outcome *outcome);
} nash_process_opts;

/**
 * An evaluator that runs candidates as processes. A candidate that already has
 * a trained model, or has diverged, for exactly the same job is not run again;
 * one that stopped at an earlier stop_epoch of it, or was cut off, goes on from
 * its state. One whose process dies, hangs, runs out of memory, ends with
 * status 255, as ssh does when a connection is lost, or finds that another
 * process has its lock, as one whose connection was lost may, is started again,
 * from the second time on alone; after five times without a new state that is
 * its outcome, but for the lock. One that reports it cannot be trained here
 * (disk, data that is gone or has changed), or finds the lock taken five times,
 * ends the evaluation with NASH_EIO and has no outcome.
 * Interrupted, it ends the candidates, waits for them and returns NASH_ESTOP.
 *
 * @param evaluator  receives the interface; release with
 *                   nash_process_evaluator_close()
 * @param opts       copied, its strings too; temporary files in run_dir
 *                   ("*.tmp") that a killed process left are removed
 * @return NASH_OK, NASH_EINVAL (an option; a path that a launcher's shell
 *         would take apart), NASH_ENOTFOUND (a directory), NASH_EIO or
 *         NASH_ENOMEM
 */
NASH_API nash_status nash_process_evaluator_open(nash_evaluator *evaluator,
                                                 const nash_process_opts *opts);
NASH_API void nash_process_evaluator_close(nash_evaluator *evaluator);

/**
 * Read a candidate's trained model.
 *
 * @param snapshot  the number of the cosine, from 0, at whose end it was taken;
 *                  -1: at the end of its training
 * @return as nash_onnx_read(); NASH_ENOTFOUND: no snapshot was taken then
 */
NASH_API nash_status nash_candidate_model(nash_model **out, const char *run_dir,
                                          int32_t step, int32_t child,
                                          int32_t snapshot);

/**
 * Make room after a step: remove its candidates' states and what crashes left,
 * and the models of all but its winner; their results and logs stay.
 *
 * @param keep_all  leave the models of the losers
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM
 */
NASH_API nash_status nash_candidates_prune(const char *run_dir, int32_t step,
                                           int32_t winner, bool keep_all);

/**
 * What "nash candidate DIR" does: lock the directory, train what job.json asks
 * for, leave result.json and the trained model. Does nothing if the result is
 * there already; goes on from state.safetensors if that is.
 *
 * @param progress_fd         receives lines of progress: "progress SHARE RATE"
 *                            about every second, "epoch NUMBER LR ..." (the
 *                            members of nash_epoch) and "bent EPOCHS"; -1: none
 * @param alive_fd            it gives up soon after this end of file; -1: never
 * @param checkpoint_seconds  between two states; 0: none but where stop_epoch
 *                            cuts the training short
 * @param until               when it has to be done, in seconds since 1970, see
 *                            nash_train_hooks; 0: whenever
 * @param epochs_after        whose time it leaves until then
 * @return NASH_OK once a result (also a failure of the training) is written;
 *         NASH_ENOTFOUND (no job.json), NASH_EFORMAT, NASH_EBUSY (another
 *         process trains it), NASH_ESTOP, NASH_EIO (data that cannot be opened
 *         or has changed, or a file) or NASH_ENOMEM
 */
NASH_API nash_status nash_candidate_run(const char *dir, int progress_fd,
                                        int alive_fd, double checkpoint_seconds,
                                        double until, double epochs_after);

/** The exit status by which "nash candidate" reports that; 75 says that it
 * was not the candidate's fault. */
NASH_API int nash_candidate_exit(nash_status status);

/** Undo, in place, the percent-encoding in which a directory's path reaches
 * "nash candidate --encoded" through a launcher. @return NASH_OK or
 * NASH_EINVAL */
NASH_API nash_status nash_candidate_decode(char *path);

/**
 * The split of the training images that a run uses: nash_split()'s, but what
 * would validate and equals an image to train on, pixel by pixel, is trained
 * on, too; unless nothing would be left. Of a large set a part is used, in
 * which each class has its share.
 *
 * @param most        images to train on at most, and a quarter of as many to
 *                    validate by; 0: all
 * @param train, val  receive [*n_train] and [*n_val] indices, yours to free
 *                    with nash_split_free()
 * @return NASH_OK, NASH_EINVAL (a part would be empty) or NASH_ENOMEM
 */
NASH_API nash_status nash_run_split(int32_t **train, int32_t *n_train,
                                    int32_t **val, int32_t *n_val,
                                    const nash_images *images, double val_share,
                                    int32_t most, uint64_t seed);
NASH_API void nash_split_free(int32_t *index);

#ifdef __cplusplus
}
#endif

#endif
