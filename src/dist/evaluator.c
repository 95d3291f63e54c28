/*
 * The evaluator that runs candidates as processes. It decides nothing: what
 * became of a candidate is what stands in its result, or how its process ended.
 * Costs a directory and two pipes per candidate, and looks at the stop flag
 * five times a second.
 */
#include "evaluator.h"

#include "paths.h"
#include "process.h"
#include "task.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { POLL_MS = 200, SOON_MS = 10, PATIENCE_MS = 10000, MOST_TRIES = 5 };

typedef enum phase {
    TO_DO,
    ALONE, /* to do when nothing else runs */
    RUNNING,
    DONE
} phase;

/* One job on its way. */
typedef struct errand {
    phase phase;
    int32_t tries;  /* since the state last changed */
    double after;   /* on the clock: no try before */
    uint64_t state; /* names the state that the last try began with */
    size_t bytes;   /* that it takes */
} errand;

/* A place for one running candidate. */
typedef struct slot {
    const ni_processes *owner;
    ni_process process; /* pid -1: the slot is free */
    const nash_job *job;
    uint64_t hash;
    double began, heard; /* when it said something last */
    bool silent;         /* ended for saying nothing */
    nash_status told;    /* first failure of a callback */
} slot;

/* One call of evaluate(). */
typedef struct evaluation {
    const ni_processes *owner;
    const nash_job *jobs;
    nash_outcome *outcomes;
    int32_t n;
    errand *errands; /* [n] */
    int32_t running; /* slots in use */
    slot *slots;     /* [opts.jobs] */
    struct pollfd *polls;
    double listened; /* when it was last asked who has said something */
} evaluation;

static nash_status tell_finished(evaluation *e, int32_t i)
{
    const nash_process_opts *opts = &e->owner->opts;
    e->errands[i].phase = DONE;
    return opts->finished
               ? opts->finished(opts->ctx, &e->jobs[i], &e->outcomes[i])
               : NASH_OK;
}

/* ---- which, and when ---------------------------------------------------- */

static bool fits(const evaluation *e, int32_t i)
{
    size_t most = e->owner->opts.max_bytes, bytes = e->errands[i].bytes;
    if (most == 0 || e->running == 0)
        return true;
    for (int32_t k = 0; k < e->n; k++)
        if (e->errands[k].phase == RUNNING)
            bytes += e->errands[k].bytes;
    return bytes <= most;
}

/* The job to start now; -1: none. */
static int32_t pick(const evaluation *e)
{
    int32_t alone = -1;
    double now = ni_clock_seconds();
    for (int32_t i = 0; i < e->n; i++) {
        if (now < e->errands[i].after)
            continue;
        if (e->errands[i].phase == TO_DO)
            return fits(e, i) ? i : -1;
        if (e->errands[i].phase == ALONE && alone < 0)
            alone = i;
    }
    return e->running == 0 ? alone : -1;
}

static bool is_finished(const evaluation *e)
{
    for (int32_t i = 0; i < e->n; i++)
        if (e->errands[i].phase != DONE)
            return false;
    return true;
}

/* Names the state that a candidate would go on from; 0: none. */
static nash_status state_of(uint64_t *name, const ni_processes *p,
                            const nash_job *job)
{
    nash_status status = NASH_OK;
    struct stat info;
    char *path = NULL;
    NEW_FROM(path, ni_candidate_path(p->run_dir, job->step, job->child,
                                     NI_FILE_STATE));
    *name = stat(path, &info) == 0
                ? (uint64_t)info.st_ino ^ (uint64_t)info.st_mtim.tv_sec << 32 ^
                      (uint64_t)info.st_mtim.tv_nsec
                : 0;
done:
    ni_free(path);
    return status;
}

static slot *free_slot(const evaluation *e)
{
    for (int32_t i = 0; i < e->owner->opts.jobs; i++)
        if (e->slots[i].process.pid < 0)
            return &e->slots[i];
    return NULL;
}

static nash_status start(slot *s, const ni_processes *p, const nash_job *job)
{
    nash_status status = NASH_OK;
    char *dir = NULL, *log = NULL;
    char **argv = NULL;
    double after = 0.0, seconds = 0.0, until = 0.0;
    if (p->opts.time_left)
        seconds = p->opts.time_left(p->opts.ctx, job, &after);
    if (seconds > 0.0) /* a launcher may let it wait */
        until = ni_clock_of_day() + seconds;
    NEW_FROM(dir, ni_candidate_path(p->run_dir, job->step, job->child, NULL));
    NEW_FROM(log, ni_path_join(dir, NI_FILE_LOG));
    TRY(ni_launch_words(&argv, &p->launch, dir, until, after));
    TRY(ni_process_start(&s->process, argv, log));
    s->owner = p;
    s->job = job;
    s->began = s->heard = ni_clock_seconds();
    s->silent = false;
    s->told = NASH_OK;
done:
    ni_launch_words_free(argv);
    ni_free(log);
    ni_free(dir);
    return status;
}

static nash_status start_one(evaluation *e, slot *s, int32_t i)
{
    nash_status status = NASH_OK;
    errand *it = &e->errands[i];
    bool known = false;
    uint64_t state;
    TRY(ni_prepare(&known, &e->outcomes[i], &s->hash, e->owner, &e->jobs[i]));
    if (known) {
        status = tell_finished(e, i);
        goto done;
    }
    TRY(state_of(&state, e->owner, &e->jobs[i]));
    if (state != it->state)
        it->tries = 0;
    it->state = state;
    TRY(start(s, e->owner, &e->jobs[i]));
    it->phase = RUNNING;
    it->tries++;
    e->running++;
done:
    return status;
}

static nash_status start_more(evaluation *e)
{
    nash_status status = NASH_OK;
    int32_t i;
    for (slot *s; (s = free_slot(e)) && (i = pick(e)) >= 0;)
        TRY(start_one(e, s, i));
done:
    return status;
}

/* ---- what they say ------------------------------------------------------- */

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
    s->heard = ni_clock_seconds();
    if (read_numbers(v, 2, line, "progress ") && opts->progress) {
        opts->progress(opts->ctx, s->job, v[0], v[1]);
    } else if (read_numbers(v, 1, line, "bent ") && opts->bent &&
               s->told == NASH_OK) {
        s->told = opts->bent(opts->ctx, s->job, v[0]);
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
    e->listened = ni_clock_seconds();
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

/* Not who could not be heard, while a line of another was being recorded. */
static void end_silent(evaluation *e)
{
    double patience = e->owner->opts.timeout_seconds;
    for (int32_t i = 0; i < e->owner->opts.jobs && patience > 0.0; i++) {
        slot *s = &e->slots[i];
        if (s->process.pid > 0 && e->listened - s->heard > patience) {
            s->silent = true;
            ni_process_kill(&s->process);
        }
    }
}

/* ---- what becomes of them ------------------------------------------------ */

/* The outcome of a candidate whose process has ended.
 * @param again  whether there is another try; receives whether it might give
 *               another outcome */
static nash_status take_result(bool *again, nash_outcome *outcome,
                               const slot *s, const ni_end *end)
{
    nash_status status = NASH_OK;
    char *dir = NULL, *engine = NULL;
    const nash_job *job = s->job;
    NEW_FROM(dir,
             ni_candidate_path(s->owner->run_dir, job->step, job->child, NULL));
    status = ni_result_read(outcome, &engine, dir, s->hash, ni_stop_of(job));
    if (status == NASH_OK) {
        *again = *again && outcome->status == NASH_ENOMEM;
        ni_check_engine(outcome, s->owner, job, engine);
    } else if (status != NASH_ENOMEM && status != NASH_EIO) {
        *again = *again && ni_launch_cut_off(end);
        ni_launch_blame(outcome, job, end, dir);
        outcome->seconds = ni_clock_seconds() - s->began;
        status = ni_launch_unable(end) && !*again
                     ? ni_fail(NASH_EIO, "%s", outcome->message)
                     : NASH_OK;
    }
done:
    ni_free(engine);
    ni_free(dir);
    return status;
}

/* A candidate's process has ended. */
static nash_status settle(evaluation *e, slot *s, int wait_status)
{
    nash_status status = NASH_OK;
    int32_t i = (int32_t)(s->job - e->jobs);
    errand *it = &e->errands[i];
    nash_outcome *outcome = &e->outcomes[i];
    const ni_end end = {wait_status, s->silent, it->tries};
    bool again = it->tries < MOST_TRIES;
    TRY(take_result(&again, outcome, s, &end));
    if (again) {
        double pause = ni_launch_pause(&end, e->owner->opts.retry_seconds);
        char when[32] = "";
        if (pause > 0.0)
            snprintf(when, sizeof when, " in %.0f s", pause);
        ni_log(NASH_LOG_WARNING, "%s; it is started again%s", outcome->message,
               when);
        nash_outcome_deinit(outcome);
        it->after = ni_clock_seconds() + pause;
        it->phase = it->tries == 1 ? TO_DO : ALONE;
    } else {
        TRY(tell_finished(e, i));
    }
done:
    return status;
}

/* No more than a pipe holds: what it has started may write without an end. */
static void read_rest(slot *s)
{
    enum { PIPE_BYTES = 1 << 16, MOST = 2 * PIPE_BYTES / NI_LINE_BYTES };
    int left = MOST;
    while (left > 0 && ni_process_read(&s->process, take_line, s))
        left--;
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
        read_rest(s);
        ni_process_finish(&s->process, 0);
        TRY(s->told);
        TRY(settle(e, s, wait_status));
    }
done:
    return status;
}

static nash_status measure(evaluation *e)
{
    nash_status status = NASH_OK;
    const nash_process_opts *opts = &e->owner->opts;
    for (int32_t i = 0; i < e->n && opts->bytes && opts->max_bytes > 0; i++)
        TRY(opts->bytes(opts->ctx, &e->jobs[i], &e->errands[i].bytes));
done:
    return status;
}

static nash_status evaluate(void *ctx, const nash_job *jobs, int32_t n,
                            nash_outcome *outcomes)
{
    const ni_processes *p = ctx;
    nash_status status = NASH_OK;
    evaluation e = {.owner = p, .jobs = jobs, .outcomes = outcomes, .n = n};
    int32_t n_slots = 0;
    NEW_ARRAY(e.errands, n);
    NEW_ARRAY(e.slots, p->opts.jobs);
    NEW_ARRAY(e.polls, p->opts.jobs);
    for (; n_slots < p->opts.jobs; n_slots++)
        e.slots[n_slots].process = (ni_process){-1, -1, -1, 0, ""};
    TRY(measure(&e));
    while (!is_finished(&e)) {
        REQUIRE(!p->opts.stop || !*p->opts.stop, NASH_ESTOP,
                "stopped on request");
        TRY(start_more(&e));
        TRY(listen(&e));
        end_silent(&e);
        TRY(reap(&e));
    }
done:
    for (int32_t i = 0; i < n_slots; i++)
        ni_process_ask_to_end(&e.slots[i].process);
    for (int32_t i = 0; i < n_slots; i++)
        ni_process_finish(&e.slots[i].process, PATIENCE_MS);
    ni_free(e.polls);
    ni_free(e.slots);
    ni_free(e.errands);
    return status;
}

static nash_status load(void *ctx, nash_model **out, int32_t step,
                        int32_t child)
{
    const ni_processes *p = ctx;
    return nash_candidate_model(out, p->run_dir, step, child, -1);
}

static void processes_free(ni_processes *p)
{
    if (!p)
        return;
    ni_launch_deinit(&p->launch);
    ni_free(p->run_dir);
    ni_free(p->data_name);
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

/* The data set as job.json names it. */
static nash_status name_data(ni_processes *p, const char *data_dir)
{
    nash_status status = NASH_OK;
    size_t length = strlen(p->run_dir);
    char *path = NULL;
    TRY(absolute(&path, data_dir));
    if (strncmp(path, p->run_dir, length) == 0 && path[length] == '/')
        NEW_FROM(p->data_name, ni_format("../..%s", path + length));
    else
        NEW_FROM(p->data_name, ni_strdup(path));
done:
    ni_free(path);
    return status;
}

static nash_status check(const nash_process_opts *opts)
{
    nash_status status = NASH_OK;
    REQUIRE(opts->jobs >= 1 && opts->jobs <= 1024, NASH_EINVAL,
            "%d jobs side by side were asked for, expected 1 to 1024",
            opts->jobs);
    REQUIRE(opts->most >= 0, NASH_EINVAL,
            "%d images at most were asked for, expected none or more",
            opts->most);
    REQUIRE(opts->val_share > 0.0 && opts->val_share < 1.0, NASH_EINVAL,
            "the validation share is %g, expected more than 0 and less than 1",
            opts->val_share);
    REQUIRE(opts->checkpoint_seconds >= 0.0 && opts->timeout_seconds >= 0.0 &&
                opts->retry_seconds >= 0.0,
            NASH_EINVAL,
            "%g s between checkpoints, a timeout of %g s and a retry after %g "
            "s were asked for, expected at least 0",
            opts->checkpoint_seconds, opts->timeout_seconds,
            opts->retry_seconds);
done:
    return status;
}

nash_status nash_process_evaluator_open(nash_evaluator *evaluator,
                                        const nash_process_opts *opts)
{
    nash_status status = NASH_OK;
    ni_processes *p = NULL;
    TRY(check(opts));
    NEW(p);
    p->opts = *opts;
    TRY(absolute(&p->run_dir, opts->run_dir));
    TRY(ni_remove_all(p->run_dir, "", ".tmp")); /* of a killed coordinator */
    TRY(name_data(p, opts->data_dir));
    TRY(ni_launch_init(&p->launch, opts->program, opts->launcher));
    p->launch.checkpoint_seconds = opts->checkpoint_seconds;
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
