/*
 * The evaluator that runs candidates as processes. It decides nothing: what
 * became of a candidate is what stands in its result, or how its process ended.
 * Costs a directory and two pipes per candidate, and looks at the stop flag
 * five times a second.
 */
#include <nash/dist.h>
#include <nash/onnx.h>

#include "launch.h"
#include "paths.h"
#include "process.h"
#include "task.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 200, SOON_MS = 10, PATIENCE_MS = 10000 };

typedef struct processes {
    nash_process_opts opts; /* its strings are not used: see below */
    ni_launch launch;
    char *run_dir, *data_dir; /* owned; absolute */
} processes;

/* A place for one running candidate. */
typedef struct slot {
    const processes *owner;
    ni_process process; /* pid -1: the slot is free */
    const nash_job *job;
    uint64_t hash;
    double began;
    nash_status told; /* first failure of a callback */
} slot;

/* One call of evaluate(). */
typedef struct evaluation {
    const processes *owner;
    const nash_job *jobs;
    nash_outcome *outcomes;
    int32_t n;
    int32_t next;    /* first job that is not started */
    int32_t running; /* slots in use */
    slot *slots;     /* [opts.jobs] */
    struct pollfd *polls;
} evaluation;

static nash_status remove_file(const char *dir, const char *file)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_path_join(dir, file));
    if (unlink(path) != 0 && errno != ENOENT)
        status = ni_fail_errno(NASH_EIO, "%s cannot be removed", path);
done:
    ni_free(path);
    return status;
}

static nash_status write_job(const char *dir, const nash_job *job,
                             const char *text)
{
    nash_status status = NASH_OK;
    char *model = NULL, *path = NULL;
    NEW_FROM(model, ni_path_join(dir, NI_FILE_MODEL));
    NEW_FROM(path, ni_path_join(dir, NI_FILE_JOB));
    TRY(remove_file(dir, NI_FILE_RESULT));
    TRY(remove_file(dir, NI_FILE_TRAINED));
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

/* A result counts only if it was computed as this process would. */
static void check_engine(nash_outcome *outcome, const processes *p,
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

static ni_task task_of(const processes *p, const nash_job *job)
{
    ni_task task = {.step = job->step,
                    .child = job->child,
                    .on_all = job->on_all,
                    .model_hash = nash_model_hash(job->model),
                    .val_share = p->opts.val_share,
                    .data_dir = p->data_dir,
                    .dataset = p->opts.dataset,
                    .train = job->train};
    return task;
}

/* Make a candidate's directory ready, unless its lasting result is there.
 * @param known  whether @p outcome is that */
static nash_status prepare(bool *known, nash_outcome *outcome, uint64_t *hash,
                           const processes *p, const nash_job *job)
{
    nash_status status = NASH_OK;
    char *dir = NULL, *text = NULL, *engine = NULL;
    ni_task task = task_of(p, job);
    NEW_FROM(dir, ni_candidate_path(p->run_dir, job->step, job->child, NULL));
    TRY(ni_make_directories(dir));
    TRY(ni_task_write(&text, hash, &task));
    status = ni_result_read(outcome, &engine, dir, *hash);
    if (status == NASH_ENOMEM)
        goto done;
    *known = status == NASH_OK && is_lasting(outcome, dir);
    status = NASH_OK;
    if (*known) {
        check_engine(outcome, p, job, engine);
    } else {
        nash_outcome_deinit(outcome);
        TRY(write_job(dir, job, text));
    }
done:
    ni_free(engine);
    ni_free(text);
    ni_free(dir);
    return status;
}

static nash_status tell_finished(const processes *p, const nash_job *job,
                                 const nash_outcome *outcome)
{
    return p->opts.finished ? p->opts.finished(p->opts.ctx, job, outcome)
                            : NASH_OK;
}

static nash_status start(slot *s, const processes *p, const nash_job *job)
{
    nash_status status = NASH_OK;
    char *dir = NULL, *log = NULL;
    char **argv = NULL;
    NEW_FROM(dir, ni_candidate_path(p->run_dir, job->step, job->child, NULL));
    NEW_FROM(log, ni_path_join(dir, NI_FILE_LOG));
    TRY(ni_launch_words(&argv, &p->launch, dir));
    TRY(ni_process_start(&s->process, argv, log));
    s->owner = p;
    s->job = job;
    s->began = ni_clock_seconds();
    s->told = NASH_OK;
done:
    ni_launch_words_free(argv);
    ni_free(log);
    ni_free(dir);
    return status;
}

static slot *free_slot(const evaluation *e)
{
    for (int32_t i = 0; i < e->owner->opts.jobs; i++)
        if (e->slots[i].process.pid < 0)
            return &e->slots[i];
    return NULL;
}

static nash_status start_more(evaluation *e)
{
    nash_status status = NASH_OK;
    for (slot *s; e->next < e->n && (s = free_slot(e)); e->next++) {
        const nash_job *job = &e->jobs[e->next];
        nash_outcome *outcome = &e->outcomes[e->next];
        bool known = false;
        TRY(prepare(&known, outcome, &s->hash, e->owner, job));
        if (known) {
            TRY(tell_finished(e->owner, job, outcome));
        } else {
            TRY(start(s, e->owner, job));
            e->running++;
        }
    }
done:
    return status;
}

/* Whether a line is a word and n numbers. */
static bool read_numbers(double *numbers, int n, const char *line,
                         const char *word)
{
    size_t length = strlen(word);
    if (strncmp(line, word, length) != 0)
        return false;
    line += length;
    for (int i = 0; i < n; i++) {
        char *end;
        numbers[i] = strtod(line, &end);
        if (end == line)
            return false;
        line = end;
    }
    return *line == '\0';
}

static void take_line(void *ctx, char *line)
{
    slot *s = ctx;
    const nash_process_opts *opts = &s->owner->opts;
    double v[8];
    if (read_numbers(v, 2, line, "progress ") && opts->progress) {
        opts->progress(opts->ctx, s->job, v[0], v[1]);
    } else if (read_numbers(v, 8, line, "epoch ") && opts->epoch &&
               s->told == NASH_OK && v[0] >= 0.0 &&
               v[0] < s->job->train.epochs) {
        const nash_epoch epoch = {(int32_t)v[0], v[1], v[2], v[3],
                                  v[4],          v[5], v[6], v[7]};
        s->told = opts->epoch(opts->ctx, s->job, &epoch);
    }
}

static nash_status listen(evaluation *e)
{
    nash_status status = NASH_OK;
    int timeout_ms = POLL_MS;
    nfds_t n = 0;
    for (int32_t i = 0; i < e->owner->opts.jobs; i++) {
        const ni_process *p = &e->slots[i].process;
        if (p->pid > 0 && p->output < 0)
            timeout_ms = SOON_MS; /* its output has ended, so will it */
        else if (p->pid > 0)
            e->polls[n++] = (struct pollfd){p->output, POLLIN, 0};
    }
    poll(e->polls, n, timeout_ms);
    for (int32_t i = 0; i < e->owner->opts.jobs; i++) {
        slot *s = &e->slots[i];
        if (s->process.pid < 0)
            continue;
        ni_process_read(&s->process, take_line, s);
        TRY(s->told);
    }
done:
    return status;
}

/* The outcome of a candidate whose process has ended. */
static nash_status take_result(nash_outcome *outcome, const slot *s,
                               int wait_status)
{
    nash_status status = NASH_OK;
    char *dir = NULL, *engine = NULL;
    const nash_job *job = s->job;
    NEW_FROM(dir,
             ni_candidate_path(s->owner->run_dir, job->step, job->child, NULL));
    status = ni_result_read(outcome, &engine, dir, s->hash);
    if (status == NASH_OK) {
        check_engine(outcome, s->owner, job, engine);
    } else if (status != NASH_ENOMEM) {
        ni_launch_blame(outcome, job, wait_status, dir);
        outcome->seconds = ni_clock_seconds() - s->began;
        status = NASH_OK;
    }
done:
    ni_free(engine);
    ni_free(dir);
    return status;
}

static nash_status reap(evaluation *e)
{
    nash_status status = NASH_OK;
    for (int32_t i = 0; i < e->owner->opts.jobs; i++) {
        slot *s = &e->slots[i];
        int wait_status;
        if (s->process.pid < 0 || !ni_process_ended(&s->process, &wait_status))
            continue;
        e->running--;
        ni_process_read(&s->process, take_line, s);
        ni_process_finish(&s->process, 0);
        TRY(s->told);
        nash_outcome *outcome = &e->outcomes[s->job - e->jobs];
        TRY(take_result(outcome, s, wait_status));
        TRY(tell_finished(e->owner, s->job, outcome));
    }
done:
    return status;
}

static nash_status evaluate(void *ctx, const nash_job *jobs, int32_t n,
                            nash_outcome *outcomes)
{
    const processes *p = ctx;
    nash_status status = NASH_OK;
    evaluation e = {.owner = p, .jobs = jobs, .outcomes = outcomes, .n = n};
    int32_t n_slots = 0;
    NEW_ARRAY(e.slots, p->opts.jobs);
    NEW_ARRAY(e.polls, p->opts.jobs);
    for (; n_slots < p->opts.jobs; n_slots++)
        e.slots[n_slots].process = (ni_process){-1, -1, -1, 0, ""};
    while (e.next < n || e.running > 0) {
        REQUIRE(!p->opts.stop || !*p->opts.stop, NASH_ESTOP,
                "stopped on request");
        TRY(start_more(&e));
        TRY(listen(&e));
        TRY(reap(&e));
    }
done:
    for (int32_t i = 0; i < n_slots; i++)
        ni_process_ask_to_end(&e.slots[i].process);
    for (int32_t i = 0; i < n_slots; i++)
        ni_process_finish(&e.slots[i].process, PATIENCE_MS);
    ni_free(e.polls);
    ni_free(e.slots);
    return status;
}

static nash_status load(void *ctx, nash_model **out, int32_t step,
                        int32_t child)
{
    const processes *p = ctx;
    return nash_candidate_model(out, p->run_dir, step, child, -1);
}

static void processes_free(processes *p)
{
    if (!p)
        return;
    ni_launch_deinit(&p->launch);
    ni_free(p->run_dir);
    ni_free(p->data_dir);
    ni_free(p);
}

static nash_status absolute(char **out, const char *path)
{
    nash_status status = NASH_OK;
    char *real = realpath(path, NULL);
    if (!real) {
        status = ni_fail_errno(NASH_ENOTFOUND, "%s cannot be found", path);
        goto done;
    }
    NEW_FROM(*out, ni_strdup(real));
done:
    free(real);
    return status;
}

nash_status nash_process_evaluator_open(nash_evaluator *evaluator,
                                        const nash_process_opts *opts)
{
    nash_status status = NASH_OK;
    processes *p = NULL;
    REQUIRE(opts->jobs >= 1 && opts->jobs <= 1024, NASH_EINVAL,
            "%d jobs side by side were asked for, expected 1 to 1024",
            opts->jobs);
    REQUIRE(opts->val_share > 0.0 && opts->val_share < 1.0, NASH_EINVAL,
            "the validation share is %g, expected more than 0 and less than 1",
            opts->val_share);
    NEW(p);
    p->opts = *opts;
    TRY(absolute(&p->run_dir, opts->run_dir));
    TRY(absolute(&p->data_dir, opts->data_dir));
    TRY(ni_launch_init(&p->launch, opts->program, opts->launcher));
    *evaluator = (nash_evaluator){p, evaluate, load};
    p = NULL;
done:
    processes_free(p);
    return status;
}

void nash_process_evaluator_close(nash_evaluator *evaluator)
{
    processes_free(evaluator->ctx);
    *evaluator = (nash_evaluator){0};
}
