/*
 * What a candidate's process does: read the job, train, leave the result. The
 * lock on its directory keeps a second process out, an orphan for instance that
 * has not noticed yet that its coordinator is gone.
 */
#include <nash/dist.h>
#include <nash/onnx.h>

#include "launch.h"
#include "paths.h"
#include "task.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 30000 };

/* A training on its way. */
typedef struct training {
    const char *dir;
    int progress_fd, alive_fd;
    double checkpoint_seconds;
    double end, epochs_after; /* on the clock, 0: none; what to leave */
    nash_outcome outcome;
    int32_t n_train; /* images of an epoch */
    double epochs;   /* that a bend leaves; 0: all */
} training;

/* Whether whoever started us is gone. */
static bool is_abandoned(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    char byte;
    if (fd < 0 || poll(&p, 1, 0) <= 0)
        return false;
    if (p.revents & (POLLERR | POLLNVAL))
        return true;
    return (p.revents & (POLLIN | POLLHUP)) && read(fd, &byte, 1) == 0;
}

static nash_status keep_going(const training *t)
{
    if (is_abandoned(t->alive_fd))
        return ni_fail(NASH_ESTOP, "the standard input was closed, so training "
                                   "was given up");
    return NASH_OK;
}

/* A reader that is gone shows as end of file on alive_fd. */
static void tell(const training *t, const char *line, int length)
{
    if (t->progress_fd >= 0 && write(t->progress_fd, line, (size_t)length) < 0)
        ni_log(NASH_LOG_DEBUG, "nobody takes the progress");
}

static nash_status on_progress(void *ctx, double share,
                               double images_per_second)
{
    const training *t = ctx;
    char line[80];
    tell(t, line,
         snprintf(line, sizeof line, "progress %.6f %.6g\n", share,
                  images_per_second));
    return keep_going(t);
}

static nash_status on_epoch(void *ctx, const nash_epoch *e)
{
    training *t = ctx;
    char line[256];
    nash_status status = nash_outcome_add_epoch(&t->outcome, e);
    if (status != NASH_OK)
        return status;
    t->outcome.images += t->n_train;
    tell(t, line,
         snprintf(line, sizeof line,
                  "epoch %d %.9g %.9g %.9g %.9g %.9g %.9g %.9g\n", e->epoch,
                  e->lr, e->train_loss, e->train_error, e->val_loss,
                  e->val_error, e->val_balanced_error, e->seconds));
    ni_log(NASH_LOG_INFO,
           "epoch %d: loss %.4f, error %.2f %%, validation %.4f, %.2f %%",
           e->epoch + 1, e->train_loss, 100.0 * e->train_error, e->val_loss,
           100.0 * e->val_error);
    return keep_going(t);
}

static nash_status on_snapshot(void *ctx, int32_t i, const nash_model *m)
{
    const training *t = ctx;
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_snapshot_path(t->dir, i));
    TRY(nash_onnx_write(m, path));
done:
    ni_free(path);
    return status;
}

static nash_status on_resumed(void *ctx, double seconds)
{
    training *t = ctx;
    t->outcome.seconds = seconds;
    return NASH_OK;
}

static nash_status on_bent(void *ctx, double epochs)
{
    training *t = ctx;
    char line[64];
    t->epochs = epochs;
    tell(t, line, snprintf(line, sizeof line, "bent %.9g\n", epochs));
    return keep_going(t);
}

/* What is left; never 0, which is no limit. */
static double seconds_left(const training *t)
{
    return t->end == 0.0 ? 0.0 : fmax(t->end - ni_clock_seconds(), 1e-3);
}

/* Judge a model that no epoch has judged. */
static nash_status judge(nash_score *score, nash_model *m,
                         const nash_images *images, const int32_t *index,
                         int32_t n, const nash_train_opts *opts)
{
    nash_status status = NASH_OK;
    float *probabilities = NULL;
    int32_t *labels = NULL;
    nash_plan_opts plan = nash_plan_opts_default();
    plan.engine = opts->engine;
    plan.precision = opts->precision;
    plan.threads = opts->threads;
    plan.batch = opts->batch;
    NEW_ARRAY(probabilities, (int64_t)n * images->classes);
    NEW_ARRAY(labels, n);
    for (int32_t i = 0; i < n; i++)
        labels[i] = images->labels[index[i]];
    TRY(nash_predict(probabilities, &m, 1, images, index, n, &plan));
    nash_score_of(score, NULL, probabilities, labels, n, images->classes);
done:
    ni_free(labels);
    ni_free(probabilities);
    return status;
}

/* 0 .. n-1 */
static nash_status all_images(int32_t **index, int32_t *n,
                              const nash_images *images)
{
    nash_status status = NASH_OK;
    NEW_ARRAY(*index, images->n);
    for (int32_t i = 0; i < images->n; i++)
        (*index)[i] = i;
    *n = images->n;
done:
    return status;
}

static nash_status train_on(training *t, nash_model *m, const ni_task *task,
                            const nash_images *images, const int32_t *first,
                            const int32_t *val, int32_t n_val)
{
    nash_status status = NASH_OK;
    char *state = NULL;
    NEW_FROM(state, ni_path_join(t->dir, NI_FILE_STATE));
    const nash_train_hooks hooks = {.ctx = t,
                                    .epoch = on_epoch,
                                    .progress = on_progress,
                                    .snapshot = on_snapshot,
                                    .resumed = on_resumed,
                                    .bent = on_bent,
                                    .seconds = seconds_left(t),
                                    .epochs_after = t->epochs_after,
                                    .state_path = state,
                                    .state_seconds = t->checkpoint_seconds};
    TRY(nash_train(m, images, first, t->n_train, val, n_val, &task->train,
                   &hooks));
done:
    ni_free(state);
    return status;
}

/* Train the model, and fill in the outcome's numbers. */
static nash_status train(training *t, nash_model *m, const ni_task *task,
                         const nash_images *images)
{
    nash_status status = NASH_OK;
    nash_outcome *outcome = &t->outcome;
    int32_t *first = NULL, *val = NULL, n_val = 0;
    if (!task->on_all)
        TRY(nash_run_split(&first, &t->n_train, &val, &n_val, images,
                           task->val_share, task->most, task->train.seed));
    else
        TRY(all_images(&first, &t->n_train, images));
    TRY(train_on(t, m, task, images, first, val, n_val));
    if (t->epochs > 0.0)
        outcome->images = llround(t->epochs * t->n_train);
    if (outcome->n_epochs > 0) {
        const nash_epoch *last = &outcome->epochs[outcome->n_epochs - 1];
        outcome->val = (nash_score){last->val_loss, last->val_error,
                                    last->val_balanced_error, n_val};
    } else if (n_val > 0) {
        TRY(judge(&outcome->val, m, images, val, n_val, &task->train));
    }
done:
    nash_split_free(val);
    nash_split_free(first);
    return status;
}

static nash_status read_model(nash_model **out, const char *dir, uint64_t hash)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_path_join(dir, NI_FILE_MODEL));
    TRY(nash_onnx_read(out, path));
    REQUIRE(nash_model_hash(*out) == hash, NASH_EFORMAT,
            "%s is not the model of the job beside it", path);
done:
    ni_free(path);
    return status;
}

static nash_status write_trained(nash_model *m, const training *t,
                                 const ni_task *task)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    TRY(nash_describe_training(m, &task->train, t->n_train, t->epochs,
                               task->on_all ? NULL : &t->outcome.val));
    NEW_FROM(path, ni_path_join(t->dir, NI_FILE_TRAINED));
    TRY(nash_onnx_write(m, path));
done:
    ni_free(path);
    return status;
}

/* Failures of the training are its outcome; the others are ours. */
static bool is_outcome(nash_status status)
{
    return status != NASH_ESTOP && status != NASH_EIO;
}

static nash_status open_data(nash_dataset **out, const char *dir,
                             const ni_task *task)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    if (task->data_dir[0] == '/')
        NEW_FROM(path, ni_strdup(task->data_dir));
    else
        NEW_FROM(path, ni_path_join(dir, task->data_dir));
    status = nash_dataset_open(out, path, &task->dataset);
    if (status == NASH_OK && task->data_hash != 0 &&
        nash_dataset_hash(*out) != task->data_hash)
        status = ni_fail(NASH_EIO,
                         "the training images of %s have changed since the "
                         "run began",
                         path);
    else if (status != NASH_OK && status != NASH_ENOMEM)
        status = NASH_EIO; /* the run could open them: as when a disk is not
                              mounted, or a file is being replaced */
done:
    ni_free(path);
    return status;
}

static nash_status work(training *t, const ni_task *task)
{
    nash_status status = NASH_OK;
    double began = ni_clock_seconds();
    nash_dataset *data = NULL;
    const nash_images *images;
    nash_model *m = NULL;
    TRY(open_data(&data, t->dir, task));
    TRY(nash_dataset_images(&images, data, NASH_PART_TRAIN));
    status = read_model(&m, t->dir, task->model_hash);
    if (status != NASH_OK && status != NASH_ENOMEM)
        status = NASH_EIO; /* the run has written it: as open_data() */
    TRY(status);
    status = train(t, m, task, images);
    if (!is_outcome(status))
        goto done;
    t->outcome.status = status;
    if (status == NASH_OK)
        TRY(write_trained(m, t, task));
    else
        snprintf(t->outcome.message, sizeof t->outcome.message, "%s",
                 nash_error_message());
    t->outcome.seconds += ni_clock_seconds() - began;
    status = NASH_OK;
done:
    nash_model_free(m);
    nash_dataset_close(data);
    return status;
}

/* Whether the job's result is there already. */
static bool is_answered(const char *dir, uint64_t hash, int32_t stop_epoch)
{
    nash_outcome outcome;
    char *engine;
    nash_status status =
        ni_result_read(&outcome, &engine, dir, hash, stop_epoch);
    nash_outcome_deinit(&outcome);
    ni_free(engine);
    return status == NASH_OK;
}

/* With the lock in hand. */
static nash_status answer(training *t, const ni_task *task, uint64_t hash)
{
    nash_status status = NASH_OK;
    const char *engine = nash_engine_describe(task->train.engine);
    int32_t stop = task->train.stop_epoch;
    if (!is_answered(t->dir, hash, stop)) {
        TRY(work(t, task));
        TRY(ni_result_write(t->dir, hash, stop, engine, &t->outcome));
    }
    if (stop == 0)
        TRY(ni_remove_states(t->dir));
done:
    return status;
}

nash_status nash_candidate_run(const char *dir, int progress_fd, int alive_fd,
                               double checkpoint_seconds, double until,
                               double epochs_after)
{
    nash_status status = NASH_OK;
    ni_task task;
    uint64_t hash;
    int lock = -1;
    char *lock_path = NULL;
    training t = {.dir = dir,
                  .progress_fd = progress_fd,
                  .alive_fd = alive_fd,
                  .checkpoint_seconds = checkpoint_seconds,
                  .epochs_after = epochs_after,
                  .end = until > 0.0
                             ? ni_clock_seconds() + until - ni_clock_of_day()
                             : 0.0};
    t.outcome.val = (nash_score){(double)NAN, (double)NAN, (double)NAN, 0};
    TRY(ni_task_read(&task, &hash, dir));
    NEW_FROM(lock_path, ni_path_join(dir, NI_FILE_LOCK));
    TRY(ni_lock_take(&lock, lock_path, dir, LOCK_WAIT_MS));
    TRY(answer(&t, &task, hash));
done:
    nash_outcome_deinit(&t.outcome);
    ni_lock_release(lock);
    ni_free(lock_path);
    ni_task_deinit(&task);
    return status;
}

int nash_candidate_exit(nash_status status)
{
    if (status == NASH_OK)
        return 0;
    if (status == NASH_EIO || status == NASH_ESTOP)
        return NI_EXIT_UNABLE;
    return status == NASH_EBUSY    ? NI_EXIT_BUSY
           : status == NASH_ENOMEM ? NI_EXIT_MEMORY
                                   : 1;
}
