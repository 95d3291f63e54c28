/*
 * A candidate's directory before its process starts: what is already known, and
 * what it needs. Files of another training are removed first and job.json
 * comes last, so that a crash in between is noticed as just that. Only the
 * coordinator writes here before the process starts, and it alone removes
 * temporary files: an orphan that still writes one will fail, and may.
 */
#include "evaluator.h"

#include <nash/onnx.h>

#include "paths.h"
#include "task.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

int32_t ni_stop_of(const nash_job *job)
{
    int32_t stop = job->train.stop_epoch;
    return stop < job->train.epochs ? stop : 0;
}

void ni_check_engine(nash_outcome *outcome, const ni_processes *p,
                     const nash_job *job, const char *engine)
{
    const char *ours = nash_engine_describe(job->train.engine);
    if (p->opts.allow_mixed || strcmp(engine, ours) == 0)
        return;
    outcome->status = NASH_ECHILD;
    snprintf(outcome->message, sizeof outcome->message,
             "candidate %04d-%02d computed with '%s', the run with '%s'; "
             "--allow-mixed would take it",
             job->step, job->child, engine, ours);
}

static ni_task task_of(const ni_processes *p, const nash_job *job)
{
    ni_task task = {.step = job->step,
                    .child = job->child,
                    .on_all = job->on_all,
                    .model_hash = nash_model_hash(job->model),
                    .data_hash = p->opts.data_hash,
                    .val_share = p->opts.val_share,
                    .most = p->opts.most,
                    .data_dir = p->data_name,
                    .dataset = p->opts.dataset,
                    .train = job->train};
    task.train.stop_epoch = ni_stop_of(job);
    return task;
}

/* Whether the directory holds this training, at whatever stop_epoch. */
static nash_status is_its_own(bool *own, const char *dir, const ni_task *task)
{
    nash_status status = NASH_OK;
    ni_task before;
    uint64_t hash, ours, theirs = 0;
    status = ni_task_read(&before, &hash, dir);
    bool there = status == NASH_OK;
    if (status == NASH_ENOMEM || status == NASH_EIO)
        goto done;
    TRY(ni_task_family(&ours, task));
    if (there)
        TRY(ni_task_family(&theirs, &before));
    *own = there && ours == theirs;
done:
    ni_task_deinit(&before);
    return status;
}

static nash_status remove_others(const char *dir)
{
    nash_status status = NASH_OK;
    TRY(ni_remove_all(dir, "result", ".json"));
    TRY(ni_remove_all(dir, "snapshot-", ".onnx"));
    TRY(ni_remove_states(dir));
    TRY(ni_remove(dir, NI_FILE_TRAINED));
done:
    return status;
}

static nash_status write_job(const char *dir, const nash_job *job,
                             const char *text)
{
    nash_status status = NASH_OK;
    char *model = NULL, *path = NULL, result[32];
    NEW_FROM(model, ni_path_join(dir, NI_FILE_MODEL));
    NEW_FROM(path, ni_path_join(dir, NI_FILE_JOB));
    ni_result_name(result, ni_stop_of(job));
    TRY(ni_remove(dir, result));
    TRY(nash_onnx_write(job->model, model));
    TRY(ni_file_write_atomic(path, text, strlen(text)));
done:
    ni_free(path);
    ni_free(model);
    return status;
}

/* Whether asking again would give the same: not so after crashes. */
static bool is_lasting(const nash_outcome *outcome, const char *dir)
{
    if (outcome->status != NASH_OK)
        return outcome->status == NASH_EDIVERGED ||
               outcome->status == NASH_ELIMIT;
    char *trained = ni_path_join(dir, NI_FILE_TRAINED);
    bool there = trained && ni_is_file(trained);
    ni_free(trained);
    return there;
}

/* The result, if it is there and lasts. */
static nash_status look_up(bool *known, nash_outcome *outcome, const char *dir,
                           uint64_t hash, const ni_processes *p,
                           const nash_job *job)
{
    char *engine = NULL;
    nash_status status =
        ni_result_read(outcome, &engine, dir, hash, ni_stop_of(job));
    *known = status == NASH_OK && is_lasting(outcome, dir);
    if (*known)
        ni_check_engine(outcome, p, job, engine);
    else
        nash_outcome_deinit(outcome);
    ni_free(engine);
    return status == NASH_ENOMEM ? status : NASH_OK;
}

nash_status ni_prepare(bool *known, nash_outcome *outcome, uint64_t *hash,
                       const ni_processes *p, const nash_job *job)
{
    nash_status status = NASH_OK;
    bool own = false;
    char *dir = NULL, *text = NULL;
    ni_task task = task_of(p, job);
    *known = false;
    NEW_FROM(dir, ni_candidate_path(p->run_dir, job->step, job->child, NULL));
    TRY(ni_make_directories(dir));
    TRY(ni_task_write(&text, hash, &task));
    TRY(is_its_own(&own, dir, &task));
    TRY(ni_remove_all(dir, "", ".tmp"));
    if (own)
        TRY(look_up(known, outcome, dir, *hash, p, job));
    else
        TRY(remove_others(dir));
    if (!*known)
        TRY(write_job(dir, job, text));
done:
    ni_free(text);
    ni_free(dir);
    return status;
}
