/*
 * Assembling a run: its input, probe, store and evaluator. The
 * directory is made only when all of its input was found sound. best.onnx is
 * replaced before a step's choice is recorded, so it is never older than it.
 */
#include "run.h"

#include "cli.h"
#include "flip.h"
#include "folder.h"
#include "input.h"
#include "open.h"
#include "pace.h"
#include "probe.h"
#include "progress.h"
#include "scale.h"
#include "stop.h"
#include "verdict.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRAM_BYTES = 96 << 20, RETRY_SECONDS = 2 };

char *run_path(const run *r, const char *file)
{
    char *path;
    if (asprintf(&path, "%s/%s", r->dir, file) >= 0)
        return path;
    cli_error("out of memory");
    return NULL;
}

nash_status run_set_number(const run *r, const char *key, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    return nash_store_set(r->store, key, text);
}

double run_seconds(const run *r)
{
    return r->seconds + cli_seconds() - r->began;
}

nash_status run_note_time(const run *r)
{
    return run_set_number(r, NASH_RUN_SECONDS, run_seconds(r));
}

static void run_deinit(run *r)
{
    if (r->evaluator.ctx)
        nash_process_evaluator_close(&r->evaluator);
    if (r->probe.ctx)
        nash_probe_close(&r->probe);
    follow_deinit(&r->follow);
    nash_model_free(r->best);
    nash_model_free(r->start);
    nash_store_close(r->store);
    nash_dataset_close(r->data);
    free(r->decoded);
    free(r->data_dir);
}

/* ---- what a search needs ------------------------------------------------ */

/* As a child, or in the final training, which may have more threads. */
static nash_status bytes_of(void *ctx, size_t *bytes, const nash_graph *g)
{
    const run *r = ctx;
    const nash_search_opts *o = &r->s->search;
    size_t child, final;
    nash_status status =
        nash_train_bytes(&child, g, &o->train, (int32_t)r->follow.n_train);
    if (status == NASH_OK)
        status = nash_train_bytes(&final, g, &o->final_train, r->images->n);
    if (status == NASH_OK)
        *bytes = child > final ? child : final;
    return status;
}

/* As bytes, a value each. */
static size_t images_bytes(const nash_images *images)
{
    const nash_shape shape = images->shape;
    return (size_t)images->n * (size_t)shape.c * (size_t)shape.h *
           (size_t)shape.w;
}

size_t run_memory(const run *r)
{
    size_t all = settings_memory(), ours = images_bytes(r->images);
    return all > ours ? all - ours : 1;
}

/* Those of what judges a training on so many images. */
static size_t probabilities_bytes(const run *r, int32_t n)
{
    int32_t most = r->s->climb_images / 4, judging = r->images->n - n;
    if (r->s->climb_images > 0 && judging > most)
        judging = most;
    return (size_t)judging * (size_t)r->images->classes * sizeof(float);
}

nash_status run_process_bytes(size_t *bytes, const run *r, const nash_graph *g,
                              const nash_train_opts *train, int32_t n)
{
    nash_status status = nash_train_bytes(bytes, g, train, n);
    if (status != NASH_OK)
        return status;
    *bytes += (size_t)nash_graph_params(g) * sizeof(float) +
              probabilities_bytes(r, n) + images_bytes(r->images) +
              PROGRAM_BYTES;
    return NASH_OK;
}

static nash_status process_bytes(void *ctx, const nash_job *job, size_t *bytes)
{
    const run *r = ctx;
    return run_process_bytes(
        bytes, r, nash_model_graph(job->model), &job->train,
        job->on_all ? r->images->n : (int32_t)r->follow.n_train);
}

/* So that a budget of time knows of what a killed process had spent. What is
 * wrong with the store shows when something that matters is written. */
static void note_time_now_and_then(run *r)
{
    static const double every = 1.0; /* seconds */
    char text[32];
    if (!budget_is_time(r->s) || run_seconds(r) < r->noted + every)
        return;
    snprintf(text, sizeof text, "%.6g", run_seconds(r));
    nash_store_try_set(r->store, NASH_RUN_SECONDS, text);
    r->noted = run_seconds(r);
}

static void on_progress(void *ctx, const nash_job *job, double share,
                        double images_per_second)
{
    run *r = ctx;
    follow_progress(&r->follow, job, share, images_per_second);
    note_time_now_and_then(r);
}

/* For who looks on; the candidate's outcome brings all of them. Those that take
 * less time than recording them does are passed over. */
static nash_status on_epoch(void *ctx, const nash_job *job,
                            const nash_epoch *epoch)
{
    run *r = ctx;
    double now = cli_seconds();
    if (now - r->told_epoch < 0.1)
        return NASH_OK;
    r->told_epoch = now;
    return nash_store_epoch(r->store, job->step, job->child, epoch);
}

static nash_status on_finished(void *ctx, const nash_job *job,
                               const nash_outcome *outcome)
{
    run *r = ctx;
    const nash_observer *o = nash_store_observer(r->store);
    follow_outcome(&r->follow, job, outcome);
    pace_say_given_up(r, job);
    return o->evaluated(o->ctx, job, 1, outcome);
}

static int open_evaluator(run *r)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0)
        return cli_error("/proc/self/exe: %s", strerror(errno));
    program[length] = '\0';
    nash_dataset_opts dataset;
    int result = input_for_candidates(r, &dataset);
    if (result != EXIT_OK)
        return result;
    nash_process_opts opts = {.program = program,
                              .launcher = r->s->launcher,
                              .run_dir = r->dir,
                              .data_dir = r->decoded ? r->decoded : r->data_dir,
                              .dataset = dataset,
                              .data_hash = nash_dataset_hash(r->data),
                              .val_share = r->s->val_share,
                              .most = r->s->climb_images,
                              .jobs = r->s->jobs,
                              .max_bytes = r->s->launcher
                                               ? 0 /* of which machine? */
                                               : run_memory(r),
                              .checkpoint_seconds = r->s->checkpoint_every,
                              .timeout_seconds = r->s->candidate_timeout,
                              .retry_seconds = RETRY_SECONDS,
                              .allow_mixed = r->s->allow_mixed,
                              .stop = stop_flag(),
                              .ctx = r,
                              .bytes = process_bytes,
                              .progress = on_progress,
                              .epoch = on_epoch,
                              .time_left = pace_time_left,
                              .bent = pace_give_up,
                              .finished = on_finished};
    if (nash_process_evaluator_open(&r->evaluator, &opts) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

nash_status run_split(int32_t **train, int32_t *n_train, int32_t **val,
                      int32_t *n_val, const run *r)
{
    return nash_run_split(train, n_train, val, n_val, r->images,
                          r->s->val_share, r->s->climb_images,
                          r->s->search.seed);
}

/* Before there is a run directory. */
static int check_split(const run *r)
{
    int32_t *train = NULL, *val = NULL, n_train, n_val;
    nash_status status = run_split(&train, &n_train, &val, &n_val, r);
    nash_split_free(val);
    nash_split_free(train);
    return status == NASH_OK ? EXIT_OK : open_cannot_split(status);
}

static int assemble(run *r)
{
    int32_t *train = NULL, *val = NULL, n_train, n_val;
    nash_status status = run_split(&train, &n_train, &val, &n_val, r);
    if (status != NASH_OK)
        return open_cannot_split(status);
    int result = follow_init(&r->follow, r->s, n_train, r->images->n);
    r->follow.began = r->began - r->seconds;
    scale_cutout(r->s, r->images);
    if (result == EXIT_OK)
        result = flip_begin(r);
    if (result == EXIT_OK)
        result = probe_open(r, train, n_train);
    if (result == EXIT_OK)
        result = open_evaluator(r);
    r->s->search.morph.bytes_of = bytes_of;
    r->s->search.morph.bytes_ctx = r;
    r->s->search.morph.stop = stop_flag();
    r->s->search.redraw = input_redraw;
    r->s->search.redraw_ctx = r;
    if (r->s->budget.text) {
        r->pacer = pace_of(r);
        r->s->search.pacer = &r->pacer;
    }
    nash_split_free(val);
    nash_split_free(train);
    return result;
}

/* ---- the search --------------------------------------------------------- */

static nash_status on_proposed(void *ctx, const nash_job *jobs, int32_t n,
                               const int64_t *refused)
{
    run *r = ctx;
    const nash_observer *o = nash_store_observer(r->store);
    r->last_step = jobs[0].step;
    r->is_final = jobs[0].kind == NASH_CANDIDATE_FINAL;
    follow_step(&r->follow, jobs, n);
    return o->proposed(o->ctx, jobs, n, refused);
}

static nash_status on_evaluated(void *ctx, const nash_job *jobs, int32_t n,
                                const nash_outcome *outcomes)
{
    run *r = ctx;
    const nash_observer *o = nash_store_observer(r->store);
    for (int32_t i = 0; i < n; i++)
        if (outcomes[i].status == NASH_EREFUSED)
            follow_outcome(&r->follow, &jobs[i], &outcomes[i]);
    return o->evaluated(o->ctx, jobs, n, outcomes);
}

static nash_status write_best(const run *r, const nash_model *m)
{
    char *path = run_path(r, "best.onnx");
    nash_status status = path ? nash_onnx_write(m, path) : NASH_ENOMEM;
    free(path);
    return status;
}

/* On a copy, since a plan may not take what is const. */
static nash_status decide_flip(run *r, const nash_model *winner)
{
    nash_model *copy = NULL;
    nash_status status = nash_model_dup(&copy, winner);
    if (status == NASH_OK)
        status = flip_decide(r, copy);
    nash_model_free(copy);
    return status;
}

static nash_status on_chosen(void *ctx, int32_t step, int32_t child,
                             const nash_model *m)
{
    run *r = ctx;
    const nash_observer *o = nash_store_observer(r->store);
    nash_status status = write_best(r, m);
    if (status == NASH_OK && !r->is_final)
        status = decide_flip(r, m);
    if (status == NASH_OK)
        status = o->chosen(o->ctx, step, child, m);
    if (status == NASH_OK)
        status = nash_candidates_prune(r->dir, step, child, r->s->keep_all);
    if (status == NASH_OK)
        status = run_note_time(r);
    if (status == NASH_OK)
        follow_choice(&r->follow, step, child);
    return status;
}

int run_fail(const run *r, nash_status status)
{
    char hint[4200], what[4200];
    snprintf(hint, sizeof hint, "'nash resume %s' goes on", r->dir);
    snprintf(what, sizeof what, "%s",
             status == NASH_ENOMEM ? nash_status_text(status) /* or ours */
                                   : nash_error_message());
    cli_fail_with(
        what, status == NASH_EDIVERGED
                  ? "a smaller --lr-start and --final-lr-start, or more "
                    "--warmup, may help"
              : status == NASH_ELIMIT || status == NASH_EREFUSED
                  ? "--max-params, --max-macs, --max-share, --max-expansion, "
                    "--max-memory and --batch are what limits networks"
              : status == NASH_ENOTFOUND || status == NASH_EFORMAT
                  ? NULL /* until it is put back */
                  : hint);
    if (status != NASH_EBUSY) /* else it would wait once more */
        nash_store_event(r->store, status == NASH_ESTOP ? "stopped" : what);
    return EXIT_FAILED;
}

static int search(run *r)
{
    const nash_observer observer = {r, on_proposed, on_evaluated, on_chosen};
    nash_search_state state;
    nash_status status = nash_store_state(&state, r->store);
    if (status == NASH_OK)
        r->last_step = state.step;
    if (status == NASH_OK && state.step >= 0)
        status = nash_candidates_prune(r->dir, state.step, state.child,
                                       r->s->keep_all);
    if (status == NASH_OK)
        status = nash_search(&r->best, r->start, &r->s->search, &r->probe,
                             &r->evaluator, &observer, &state);
    progress_clear();
    if (status == NASH_OK || status == NASH_ESTOP)
        run_note_time(r);
    return status == NASH_OK ? EXIT_OK : run_fail(r, status);
}

/* Judging is in one piece, and can be done again: from now on a signal ends the
 * program at once. */
static int stop_listening(const run *r)
{
    char hint[4200];
    snprintf(hint, sizeof hint,
             "nash: stopped on request\nhint: 'nash resume %s' goes on\n",
             r->dir);
    stop_at_once(hint);
    if (!*stop_flag())
        return EXIT_OK;
    nash_store_event(r->store, "stopped");
    fputs(hint, stderr);
    return EXIT_FAILED;
}

/* From the first step, or the one after the last finished, to the end. */
static int go(run *r)
{
    stop_catch();
    int result = assemble(r);
    if (result == EXIT_OK && r->s->budget.text)
        result = pace_begin(r);
    if (result == EXIT_OK)
        result = search(r);
    if (result == EXIT_OK)
        result = stop_listening(r);
    if (result == EXIT_OK)
        result = verdict_reach(r);
    if (result == EXIT_OK)
        folder_remove(r->decoded);
    if (result == EXIT_OK)
        result = verdict_print(r->dir, r->s->json);
    return result;
}

/* ---- beginning ---------------------------------------------------------- */

/* What people call the data: a known set's name, or its folder's. */
static const char *data_name(const run *r)
{
    const char *format = nash_dataset_format(r->data);
    const char *folder = strrchr(r->data_dir, '/');
    bool known = strcmp(format, "folder") != 0 && strcmp(format, "idx") != 0;
    return known || !folder || !folder[1] ? format : folder + 1;
}

static int record_rest(const run *r)
{
    char hash[24], jobs[16];
    snprintf(hash, sizeof hash, "%016" PRIx64, nash_dataset_hash(r->data));
    snprintf(jobs, sizeof jobs, "%d", r->s->jobs);
    const char *const rest[][2] = {
        {NASH_RUN_DATA, r->data_dir},
        {NASH_RUN_DATASET, data_name(r)},
        {NASH_RUN_BUDGET_UNIT, r->s->budget.text ? budget_unit_name(r->s) : ""},
        {NASH_RUN_CLASSES, nash_model_meta(r->start, NASH_META_CLASSES)},
        {"data_hash", hash},
        {"jobs", jobs},
        {"engine", nash_engine_describe(NASH_ENGINE_ONEDNN)},
        {"nash_version", nash_version()},
    };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (nash_store_set(r->store, rest[i][0], rest[i][1]) != NASH_OK)
            return cli_fail(NULL);
    return EXIT_OK;
}

static int record(const run *r)
{
    if (nash_store_begin(r->store) != NASH_OK)
        return cli_fail(NULL);
    int result = settings_record(r->s, r->store);
    if (result == EXIT_OK)
        result = record_rest(r);
    if (result == EXIT_OK && (nash_store_commit(r->store) != NASH_OK ||
                              nash_store_event(r->store, "begun") != NASH_OK))
        result = cli_fail(NULL);
    return result;
}

static int make_run(run *r)
{
    int result = folder_make(r->dir);
    if (result != EXIT_OK)
        return result;
    if (nash_store_open(&r->store, r->dir) != NASH_OK)
        return cli_fail(NULL);
    result = folder_check_new(r->dir); /* again: now nobody else can begin */
    char *start = run_path(r, "start.onnx");
    if (!start)
        result = EXIT_FAILED;
    else if (result == EXIT_OK && nash_onnx_write(r->start, start) != NASH_OK)
        result = cli_fail(NULL);
    free(start);
    return result == EXIT_OK ? record(r) : result;
}

int run_begin(settings *s, const char *data_dir, const char *run_dir)
{
    run r = {.s = s, .dir = run_dir, .began = cli_seconds()};
    int result = folder_check_new(run_dir);
    if (result == EXIT_OK)
        result = input_data(&r, data_dir);
    if (result == EXIT_OK)
        result =
            s->init ? input_adopt_start(&r, s->init) : input_make_start(&r);
    if (result == EXIT_OK)
        result = input_images(&r);
    if (result == EXIT_OK)
        result = check_split(&r);
    if (result == EXIT_OK) {
        input_describe(&r);
        scale_to_images(s, r.images);
    }
    if (result == EXIT_OK)
        result = settings_check_scaled(s);
    if (result == EXIT_OK)
        result = probe_check(&r);
    if (result == EXIT_OK)
        result = input_narrow_start(&r);
    if (result == EXIT_OK)
        result = make_run(&r);
    if (result == EXIT_OK)
        result = go(&r);
    run_deinit(&r);
    return result;
}

/* ---- resuming ----------------------------------------------------------- */

/* The data must be what the run began with. */
static int check_data(const run *r, const nash_history *history)
{
    char hash[24];
    const char *before = nash_history_get(history, "data_hash");
    snprintf(hash, sizeof hash, "%016" PRIx64, nash_dataset_hash(r->data));
    if (before && strcmp(before, hash) == 0)
        return EXIT_OK;
    return cli_error("the training images of %s have changed since %s began",
                     r->data_dir, r->dir);
}

/* So must the engine be, or the bits would depend on the interruption. */
static int check_engine(const run *r, const nash_history *history)
{
    const char *ours = nash_engine_describe(NASH_ENGINE_ONEDNN);
    const char *before = nash_history_get(history, "engine");
    if (r->s->allow_mixed || (before && strcmp(before, ours) == 0))
        return EXIT_OK;
    return cli_error("%s began with '%s', but here is '%s'; --allow-mixed goes "
                     "on nevertheless",
                     r->dir, before ? before : "an unknown engine", ours);
}

static int reopen(run *r, const nash_history *history)
{
    char *start = run_path(r, "start.onnx");
    const char *data = nash_history_get(history, NASH_RUN_DATA);
    const char *seconds = nash_history_get(history, NASH_RUN_SECONDS);
    r->seconds = seconds ? strtod(seconds, NULL) : 0.0;
    int result = !start ? EXIT_FAILED
                 : data ? input_data(r, data)
                        : cli_error("the run has no setting 'data'");
    if (result == EXIT_OK)
        result = input_read_start(r, start);
    free(start);
    if (result == EXIT_OK)
        result = input_images(r);
    if (result == EXIT_OK)
        result = check_data(r, history);
    if (result == EXIT_OK && nash_store_open(&r->store, r->dir) != NASH_OK)
        result = cli_fail(NULL);
    if (result == EXIT_OK &&
        (nash_store_event(r->store, "resumed") != NASH_OK ||
         run_note_time(r) != NASH_OK))
        result = cli_fail(NULL);
    return result;
}

static int go_on(run *r, const nash_history *history)
{
    int result = settings_recall(r->s, history);
    if (result == EXIT_OK)
        result = settings_complete(r->s, "resume");
    if (result == EXIT_OK)
        result = check_engine(r, history);
    if (result == EXIT_OK)
        result = reopen(r, history);
    return result == EXIT_OK ? go(r) : result;
}

bool run_has_begun(const nash_history *history)
{
    const char *engine = nash_history_get(history, "engine");
    return engine && *engine;
}

void run_take_back(const run *r)
{
    nash_store_set(r->store, "engine", "");
    folder_remove(r->decoded);
}

int run_resume(settings *s, const char *run_dir)
{
    run r = {.s = s, .dir = run_dir, .began = cli_seconds()};
    nash_history *history = NULL;
    if (nash_history_load(&history, run_dir) != NASH_OK)
        return cli_fail(NULL);
    int result;
    if (nash_history_get(history, NASH_RUN_FINISHED)) {
        progress_line("%s is finished: there is nothing to resume", run_dir);
        result = verdict_print(run_dir, s->json);
    } else if (!run_has_begun(history)) {
        result = cli_error("%s was cut off before it began: give its 'nash "
                           "search' command again",
                           run_dir);
    } else {
        result = go_on(&r, history);
    }
    run_deinit(&r);
    nash_history_free(history);
    return result;
}
