#ifndef NI_DIST_TASK_H
#define NI_DIST_TASK_H

#include <nash/search.h>

/*
 * What job.json and result.json say.
 */

/* Everything that decides what a candidate's training gives. */
typedef struct ni_task {
    int32_t step, child;
    bool on_all;
    uint64_t model_hash; /* of model.onnx */
    uint64_t data_hash;  /* of the training images; 0: whatever they are */
    double val_share;
    int32_t most;   /* images to learn from, unless on_all; 0: all */
    char *data_dir; /* absolute, or from the candidate's directory; owned if it
                       was read */
    nash_dataset_opts dataset;
    nash_train_opts train;
} ni_task;

/** job.json's text, yours to free with ni_free(). @param hash  of the text */
nash_status ni_task_write(char **text, uint64_t *hash, const ni_task *task);

/**
 * Read DIR/job.json; release with ni_task_deinit().
 *
 * @return NASH_OK, NASH_ENOTFOUND (no such file), NASH_EFORMAT, NASH_EIO or
 *         NASH_ENOMEM
 */
nash_status ni_task_read(ni_task *task, uint64_t *hash, const char *dir);
void ni_task_deinit(ni_task *task);

/** Hash of the job whatever its stop_epoch. @return NASH_OK or
 * NASH_ENOMEM */
nash_status ni_task_family(uint64_t *hash, const ni_task *task);

/** Write DIR/result.json. @param hash  of the job that it answers
 * @param stop_epoch  of the job
 * @param engine  what computed it */
nash_status ni_result_write(const char *dir, uint64_t hash, int32_t stop_epoch,
                            const char *engine, const nash_outcome *outcome);

/**
 * Read it.
 *
 * @param outcome  yours to deinitialise; cleared on failure
 * @param engine   receives what computed it, yours to free with ni_free()
 * @return NASH_OK, NASH_ENOTFOUND (no result, or another job's), NASH_EFORMAT,
 *         NASH_EIO or NASH_ENOMEM
 */
nash_status ni_result_read(nash_outcome *outcome, char **engine,
                           const char *dir, uint64_t hash, int32_t stop_epoch);

#endif
