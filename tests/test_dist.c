/*
 * Candidates as processes. This program is also the candidate: started as
 * "test_dist candidate DIR" it does what the nash program does, or misbehaves
 * as the environment says.
 */
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "dist/task.h"

#include <nash/dist.h>
#include <nash/onnx.h>

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIDE = 8, N_TRAIN = 60, N_TEST = 12, N_CLASSES = 3 };

static char self[256], work[64], data[96], run_dir[96];

/* ---- a tiny data set, and jobs on it ---------------------------------- */

static void big_endian(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(value >> shift & 0xff), file);
}

static void write_images(const char *name, uint32_t n)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", data, name);
    FILE *file = fopen(path, "wb");
    big_endian(file, 0x803);
    big_endian(file, n);
    big_endian(file, SIDE);
    big_endian(file, SIDE);
    for (uint32_t i = 0; i < n * SIDE * SIDE; i++)
        fputc((int)((i * 2654435761u >> 24) / 2 +
                    60 * (i / (SIDE * SIDE) % N_CLASSES)) &
                  0xff,
              file);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", data, name);
    file = fopen(path, "wb");
    big_endian(file, 0x801);
    big_endian(file, n);
    for (uint32_t i = 0; i < n; i++)
        fputc((int)(i % N_CLASSES), file);
    fclose(file);
}

static int make_work(void **state)
{
    (void)state;
    strcpy(work, "/tmp/nash-dist-XXXXXX");
    if (!mkdtemp(work))
        return -1;
    snprintf(data, sizeof data, "%s/data", work);
    snprintf(run_dir, sizeof run_dir, "%s/a run's", work);
    mkdir(data, 0777);
    mkdir(run_dir, 0777);
    write_images("train", N_TRAIN);
    write_images("t10k", N_TEST);
    return 0;
}

static int remove_work(void **state)
{
    (void)state;
    char command[96];
    unsetenv("NASH_TEST_MISDEED");
    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static nash_model *small_model(void)
{
    nash_net_opts net = nash_net_opts_default();
    nash_model *m = NULL;
    net.input = (nash_shape){1, SIDE, SIDE};
    net.classes = N_CLASSES;
    net.mean[0] = 100;
    net.std[0] = 50;
    net.widths[0] = net.widths[1] = net.widths[2] = 4;
    assert_int_equal(nash_net_start(&m, &net), NASH_OK);
    nash_model_init(m, 5);
    return m;
}

static nash_job a_job(const nash_model *m, int32_t child)
{
    nash_job job = {.step = 1,
                    .child = child,
                    .kind = NASH_CANDIDATE_CHILD,
                    .model = m,
                    .train = nash_train_opts_default()};
    job.train.epochs = 2;
    job.train.batch = 16;
    job.train.precision = NASH_PRECISION_F32;
    job.train.seed = UINT64_MAX;
    job.train.lr_start = 0.01 * (child + 1);
    return job;
}

static nash_process_opts some_opts(void)
{
    nash_process_opts opts = {.program = self,
                              .run_dir = run_dir,
                              .data_dir = data,
                              .dataset = nash_dataset_opts_default(),
                              .val_share = 0.2,
                              .jobs = 2};
    return opts;
}

/* Evaluate jobs on a fresh evaluator. */
static nash_status evaluate(const nash_process_opts *opts, const nash_job *jobs,
                            int32_t n, nash_outcome *outcomes)
{
    nash_evaluator e;
    assert_int_equal(nash_process_evaluator_open(&e, opts), NASH_OK);
    nash_status status = e.evaluate(e.ctx, jobs, n, outcomes);
    nash_process_evaluator_close(&e);
    return status;
}

static void deinit_all(nash_outcome *outcomes, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        nash_outcome_deinit(&outcomes[i]);
}

static uint64_t trained_hash(int32_t child, int32_t snapshot)
{
    nash_model *m = NULL;
    assert_int_equal(nash_candidate_model(&m, run_dir, 1, child, snapshot),
                     NASH_OK);
    uint64_t hash = nash_model_hash(m);
    nash_model_free(m);
    return hash;
}

static void path_of(char path[200], int32_t child, const char *file)
{
    snprintf(path, 200, "%s/candidates/0001-%02d/%s", run_dir, child, file);
}

/* Misdeed "WHAT:CHILD", done by that child instead of training. */
static void misbehave(const char *directory)
{
    const char *misdeed = getenv("NASH_TEST_MISDEED");
    const char *child = misdeed ? strchr(misdeed, ':') : NULL;
    size_t length = strlen(directory);
    if (!child || atoi(directory + length - 2) != atoi(child + 1))
        return;
    if (strncmp(misdeed, "die", 3) == 0)
        raise(SIGKILL);
    if (strncmp(misdeed, "exit", 4) == 0) {
        fputs("first line\nnash: it is too hot\n", stderr);
        exit(3);
    }
    if (strncmp(misdeed, "garbage", 7) == 0) {
        char path[300];
        snprintf(path, sizeof path, "%s/result.json", directory);
        ni_file_write_atomic(path, "{]", 2);
        exit(0);
    }
    if (strncmp(misdeed, "hang", 4) == 0) {
        printf("progress 0.25 100\n");
        fflush(stdout);
        for (;;)
            pause();
    }
}

static int be_candidate(int argc, char **argv)
{
    char *directory = argv[argc - 1];
    if (argc == 4 && nash_candidate_decode(directory) != NASH_OK)
        return 1;
    misbehave(directory);
    nash_status status = nash_candidate_run(directory, 1, 0);
    if (status != NASH_OK)
        fprintf(stderr, "nash: %s\n", nash_error_message());
    return status != NASH_OK;
}

/* ---- what is heard ---------------------------------------------------- */

typedef struct heard {
    int progress, epochs, finished;
    int stop;
} heard;

static void on_progress(void *ctx, const nash_job *job, double share,
                        double rate)
{
    heard *h = ctx;
    assert_non_null(job);
    assert_true(share >= 0.0 && share <= 1.0);
    assert_true(rate >= 0.0);
    h->progress++;
    h->stop = 1;
}

static nash_status on_epoch(void *ctx, const nash_job *job, const nash_epoch *e)
{
    assert_true(e->epoch < job->train.epochs);
    assert_true(isfinite(e->train_loss));
    ((heard *)ctx)->epochs++;
    return NASH_OK;
}

static nash_status on_finished(void *ctx, const nash_job *job,
                               const nash_outcome *outcome)
{
    assert_non_null(job);
    assert_true(outcome->status != NASH_OK || outcome->n_epochs > 0);
    ((heard *)ctx)->finished++;
    return NASH_OK;
}

/* ---- tests ------------------------------------------------------------ */

static void candidates_are_trained_and_judged_in_processes(void **state)
{
    (void)state;
    heard h = {0};
    nash_model *m = small_model();
    nash_job jobs[3] = {a_job(m, 0), a_job(m, 1), a_job(m, 2)};
    nash_outcome outcomes[3] = {0};
    nash_process_opts opts = some_opts();
    opts.ctx = &h;
    opts.epoch = on_epoch;
    opts.finished = on_finished;
    assert_int_equal(evaluate(&opts, jobs, 3, outcomes), NASH_OK);
    assert_int_equal(h.epochs, 6);
    assert_int_equal(h.finished, 3);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(outcomes[i].status, NASH_OK);
        assert_int_equal(outcomes[i].val.images, N_TRAIN / 5);
        assert_true(isfinite(outcomes[i].val.loss));
        assert_int_equal(outcomes[i].n_epochs, 2);
        assert_int_equal(outcomes[i].images, 2 * N_TRAIN * 4 / 5);
        assert_true(outcomes[i].seconds > 0.0);
        assert_true(trained_hash(i, -1) != nash_model_hash(m));
    }
    assert_true(trained_hash(0, -1) != trained_hash(1, -1));
    deinit_all(outcomes, 3);
    nash_model_free(m);
}

static void one_job_or_two_give_the_same_bits(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job jobs[2] = {a_job(m, 0), a_job(m, 1)};
    nash_outcome first[2] = {0}, second[2] = {0};
    nash_process_opts opts = some_opts();
    assert_int_equal(evaluate(&opts, jobs, 2, first), NASH_OK);
    uint64_t hashes[2] = {trained_hash(0, -1), trained_hash(1, -1)};
    strcat(run_dir, "-2");
    mkdir(run_dir, 0777);
    opts.jobs = 1;
    assert_int_equal(evaluate(&opts, jobs, 2, second), NASH_OK);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(hashes[i], trained_hash(i, -1));
        assert_true(first[i].val.loss == second[i].val.loss);
        assert_true(first[i].epochs[1].train_loss ==
                    second[i].epochs[1].train_loss);
    }
    deinit_all(first, 2);
    deinit_all(second, 2);
    nash_model_free(m);
}

/* Evaluate two jobs of which child 1 misbehaves; its message must say so. */
static void check_misdeed(const char *misdeed, const char *expected)
{
    nash_model *m = small_model();
    nash_job jobs[2] = {a_job(m, 0), a_job(m, 1)};
    nash_outcome outcomes[2] = {0};
    nash_process_opts opts = some_opts();
    setenv("NASH_TEST_MISDEED", misdeed, 1);
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_OK);
    assert_int_equal(outcomes[0].status, NASH_OK);
    assert_int_equal(outcomes[1].status, NASH_ECHILD);
    assert_non_null(strstr(outcomes[1].message, "0001-01"));
    assert_non_null(strstr(outcomes[1].message, expected));
    assert_true(isnan(outcomes[1].val.loss));
    deinit_all(outcomes, 2);
    /* asked again, the crash is tried again */
    unsetenv("NASH_TEST_MISDEED");
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_OK);
    assert_int_equal(outcomes[1].status, NASH_OK);
    deinit_all(outcomes, 2);
    nash_model_free(m);
}

static void a_killed_candidate_is_an_outcome_that_names_the_signal(void **state)
{
    (void)state;
    check_misdeed("die:1", "signal 9");
}

static void a_candidate_that_gives_up_is_quoted_from_its_log(void **state)
{
    (void)state;
    check_misdeed("exit:1", "status 3 and no result; its log ends with: nash: "
                            "it is too hot");
}

static void a_broken_result_is_no_result(void **state)
{
    (void)state;
    check_misdeed("garbage:1", "status 0 and no result");
}

static void a_diverging_training_is_a_lasting_outcome(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    job.train.lr_start = 1e38;
    job.train.lr_end = 1e38;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_EDIVERGED);
    assert_true(strlen(outcome.message) > 0);
    nash_outcome_deinit(&outcome);
    opts.program = "/bin/false";
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_EDIVERGED);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

static void a_result_is_used_again_for_the_same_job_only(void **state)
{
    (void)state;
    char path[200];
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0}, again = {0};
    nash_process_opts opts = some_opts();
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    opts.program = "/bin/false";
    assert_int_equal(evaluate(&opts, &job, 1, &again), NASH_OK);
    assert_int_equal(again.status, NASH_OK);
    assert_true(again.val.loss == outcome.val.loss);
    assert_true(again.seconds == outcome.seconds);
    assert_int_equal(again.n_epochs, outcome.n_epochs);
    nash_outcome_deinit(&again);
    path_of(path, 0, "trained.onnx");
    unlink(path);
    assert_int_equal(evaluate(&opts, &job, 1, &again), NASH_OK);
    assert_int_equal(again.status, NASH_ECHILD);
    nash_outcome_deinit(&again);
    opts.program = self;
    assert_int_equal(evaluate(&opts, &job, 1, &again), NASH_OK);
    nash_outcome_deinit(&again);
    opts.program = "/bin/false";
    job.train.weight_decay = 0.125;
    assert_int_equal(evaluate(&opts, &job, 1, &again), NASH_OK);
    assert_int_equal(again.status, NASH_ECHILD);
    nash_outcome_deinit(&again);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

static void a_result_of_another_engine_is_refused_unless_allowed(void **state)
{
    (void)state;
    char path[200], *text;
    size_t bytes;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    nash_outcome_deinit(&outcome);
    path_of(path, 0, "result.json");
    assert_int_equal(ni_file_read(&text, &bytes, path, 1 << 20), NASH_OK);
    char *engine = strstr(text, "oneDNN");
    assert_non_null(engine);
    memcpy(engine, "twoDNN", 6);
    assert_int_equal(ni_file_write_atomic(path, text, bytes), NASH_OK);
    ni_free(text);
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_ECHILD);
    assert_non_null(strstr(outcome.message, "twoDNN"));
    nash_outcome_deinit(&outcome);
    opts.allow_mixed = true;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_OK);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

/* Whether nobody holds a candidate's lock, after a while at most. */
static bool is_free(int32_t child, int32_t wait_ms)
{
    char path[200];
    int lock = -1;
    path_of(path, child, "lock");
    nash_status status = ni_lock_take(&lock, path, "it", wait_ms);
    ni_lock_release(lock);
    return status == NASH_OK;
}

static void a_stop_ends_all_candidates(void **state)
{
    (void)state;
    heard h = {0};
    nash_model *m = small_model();
    nash_job jobs[3] = {a_job(m, 0), a_job(m, 1), a_job(m, 2)};
    nash_outcome outcomes[3] = {0};
    nash_process_opts opts = some_opts();
    opts.ctx = &h;
    opts.progress = on_progress;
    opts.stop = &h.stop;
    jobs[0].train.epochs = 1000000;
    setenv("NASH_TEST_MISDEED", "hang:1", 1);
    assert_int_equal(evaluate(&opts, jobs, 3, outcomes), NASH_ESTOP);
    assert_true(h.progress > 0);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0); /* no process is left */
    assert_true(is_free(0, 0));
    deinit_all(outcomes, 3);
    nash_model_free(m);
}

static void a_killed_coordinator_leaves_no_orphan(void **state)
{
    (void)state;
    char path[200];
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    job.train.epochs = 1000000;
    pid_t coordinator = fork();
    if (coordinator == 0) {
        nash_process_opts opts = some_opts();
        nash_outcome outcome = {0};
        evaluate(&opts, &job, 1, &outcome);
        _exit(0);
    }
    path_of(path, 0, "lock");
    for (int i = 0; i < 100 && access(path, F_OK) != 0; i++)
        usleep(100000);
    usleep(200000);
    assert_false(is_free(0, 0));
    kill(coordinator, SIGKILL);
    waitpid(coordinator, NULL, 0);
    assert_true(is_free(0, 10000));
    path_of(path, 0, "result.json");
    assert_int_not_equal(access(path, F_OK), 0);
    nash_model_free(m);
}

static void a_launcher_with_a_shell_does_not_take_paths_apart(void **state)
{
    (void)state;
    char ssh[128], launcher[160];
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    snprintf(ssh, sizeof ssh, "%s/ssh", work);
    FILE *script = fopen(ssh, "w");
    fputs("#!/bin/sh\nshift\nexec sh -c \"$*\"\n", script);
    fclose(script);
    chmod(ssh, 0777);
    snprintf(launcher, sizeof launcher, "  %s\tnode3 ", ssh);
    opts.launcher = launcher;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_OK);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

static void programs_that_are_not_there_end_the_evaluation(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    nash_evaluator e;
    opts.launcher = "no-such-launcher-here";
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_ENOTFOUND);
    assert_non_null(strstr(nash_error_message(), "no-such-launcher-here"));
    opts.launcher = "  ";
    assert_int_equal(nash_process_evaluator_open(&e, &opts), NASH_EINVAL);
    opts.launcher = "ssh";
    opts.program = "/opt/my nash";
    assert_int_equal(nash_process_evaluator_open(&e, &opts), NASH_EINVAL);
    opts = some_opts();
    opts.data_dir = "/nonexistent/data";
    assert_int_equal(nash_process_evaluator_open(&e, &opts), NASH_ENOTFOUND);
    opts = some_opts();
    opts.jobs = 0;
    assert_int_equal(nash_process_evaluator_open(&e, &opts), NASH_EINVAL);
    nash_model_free(m);
}

static void training_on_all_images_leaves_snapshots_and_no_score(void **state)
{
    (void)state;
    nash_model *m = small_model(), *extra = NULL;
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    job.on_all = true;
    job.train.epochs = 4;
    job.train.cycle = 2;
    job.train.cycle_growth = 1;
    job.train.snapshots = 2;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_OK);
    assert_true(isnan(outcome.val.loss));
    assert_int_equal(outcome.images, 4 * N_TRAIN);
    assert_int_equal(trained_hash(0, 1), trained_hash(0, -1));
    assert_int_not_equal(trained_hash(0, 0), trained_hash(0, 1));
    assert_int_equal(nash_candidate_model(&extra, run_dir, 1, 0, 2),
                     NASH_ENOTFOUND);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

static void an_untrained_candidate_is_judged_too(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    job.train.epochs = 0;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.n_epochs, 0);
    assert_true(isfinite(outcome.val.loss));
    assert_int_equal(outcome.val.images, N_TRAIN / 5);
    assert_int_equal(trained_hash(0, -1), nash_model_hash(m));
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

static void pruning_keeps_the_winner_and_all_results(void **state)
{
    (void)state;
    char path[200];
    nash_model *m = small_model();
    nash_job jobs[2] = {a_job(m, 0), a_job(m, 1)};
    nash_outcome outcomes[2] = {0};
    nash_process_opts opts = some_opts();
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_OK);
    assert_int_equal(nash_candidates_prune(run_dir, 1, 1), NASH_OK);
    assert_int_equal(nash_candidates_prune(run_dir, 1, 1), NASH_OK);
    trained_hash(1, -1);
    path_of(path, 0, "trained.onnx");
    assert_int_not_equal(access(path, F_OK), 0);
    path_of(path, 0, "model.onnx");
    assert_int_not_equal(access(path, F_OK), 0);
    path_of(path, 0, "result.json");
    assert_int_equal(access(path, F_OK), 0);
    deinit_all(outcomes, 2);
    nash_model_free(m);
}

static void a_directory_without_a_job_is_refused(void **state)
{
    (void)state;
    char path[160];
    assert_int_equal(nash_candidate_run(run_dir, -1, -1), NASH_ENOTFOUND);
    assert_non_null(strstr(nash_error_message(), "job.json"));
    snprintf(path, sizeof path, "%s/lock", run_dir);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/job.json", run_dir);
    ni_file_write_atomic(path, "{\"format\": 1}", 13);
    assert_int_equal(nash_candidate_run(run_dir, -1, -1), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), path));
}

static ni_task a_task(void)
{
    ni_task task = {.step = 12,
                    .child = 3,
                    .on_all = true,
                    .model_hash = UINT64_MAX - 1,
                    .val_share = 1.0 / 3.0,
                    .data_dir = data,
                    .dataset = nash_dataset_opts_default(),
                    .train = nash_train_opts_default()};
    task.dataset.max_bytes = INT64_MAX;
    task.train.seed = 1234567890123456789u;
    task.train.schedule = NASH_SCHEDULE_CONSTANT;
    task.train.precision = NASH_PRECISION_BF16;
    task.train.lr_start = 0.1;
    task.train.max_bytes = SIZE_MAX;
    task.train.augment.flip = false;
    task.train.step = UINT32_MAX;
    return task;
}

static void a_job_comes_back_without_loss(void **state)
{
    (void)state;
    char path[160], *text = NULL;
    uint64_t hash, read_hash;
    ni_task task = a_task(), back;
    assert_int_equal(ni_task_write(&text, &hash, &task), NASH_OK);
    snprintf(path, sizeof path, "%s/job.json", run_dir);
    ni_file_write_atomic(path, text, strlen(text));
    assert_int_equal(ni_task_read(&back, &read_hash, run_dir), NASH_OK);
    assert_int_equal(hash, read_hash);
    assert_string_equal(back.data_dir, data);
    assert_int_equal(back.model_hash, task.model_hash);
    assert_true(back.val_share == task.val_share);
    assert_int_equal(back.dataset.max_bytes, INT64_MAX);
    assert_int_equal(back.train.seed, task.train.seed);
    assert_int_equal(back.train.step, UINT32_MAX);
    assert_int_equal(back.train.schedule, NASH_SCHEDULE_CONSTANT);
    assert_int_equal(back.train.precision, NASH_PRECISION_BF16);
    assert_true(back.train.lr_start == 0.1);
    assert_true(back.train.max_bytes == SIZE_MAX);
    assert_false(back.train.augment.flip);
    ni_free(text);
    ni_task_deinit(&back);
}

static void paths_survive_percent_encoding(void **state)
{
    (void)state;
    char text[] = "/a%20run%27s/%C3%A9/plain";
    char bad[] = "/a%2", worse[] = "/a%zz", zero[] = "/a%00";
    assert_int_equal(nash_candidate_decode(text), NASH_OK);
    assert_string_equal(text, "/a run's/\xc3\xa9/plain");
    assert_int_equal(nash_candidate_decode(bad), NASH_EINVAL);
    assert_int_equal(nash_candidate_decode(worse), NASH_EINVAL);
    assert_int_equal(nash_candidate_decode(zero), NASH_EINVAL);
}

static void a_split_is_stratified_and_complete(void **state)
{
    (void)state;
    nash_dataset *ds = NULL;
    const nash_images *images;
    int32_t *train, *val, n_train, n_val, seen[N_TRAIN] = {0};
    int32_t per_class[N_CLASSES] = {0};
    assert_int_equal(nash_dataset_open(&ds, data, NULL), NASH_OK);
    assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TRAIN),
                     NASH_OK);
    assert_int_equal(
        nash_run_split(&train, &n_train, &val, &n_val, images, 0.2, 1),
        NASH_OK);
    assert_int_equal(n_train, 48);
    assert_int_equal(n_val, 12);
    for (int32_t i = 0; i < n_train; i++)
        seen[train[i]]++;
    for (int32_t i = 0; i < n_val; i++) {
        seen[val[i]]++;
        per_class[images->labels[val[i]]]++;
    }
    for (int32_t i = 0; i < N_TRAIN; i++)
        assert_int_equal(seen[i], 1);
    for (int32_t k = 0; k < N_CLASSES; k++)
        assert_int_equal(per_class[k], 4);
    nash_split_free(train);
    nash_split_free(val);
    assert_int_equal(
        nash_run_split(&train, &n_train, &val, &n_val, images, 0.001, 1),
        NASH_EINVAL);
    nash_dataset_close(ds);
}

/* In this process; what has been done in the directory is done again. */
static nash_status candidate_within(int64_t allocations)
{
    char directory[200], path[220];
    path_of(directory, 0, "");
    snprintf(path, sizeof path, "%sresult.json", directory);
    unlink(path);
    ni_memory_fail_after(allocations);
    nash_status status = nash_candidate_run(directory, -1, -1);
    ni_memory_fail_after(-1);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    job.train.epochs = 1;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_OK);
    nash_outcome_deinit(&outcome);
    int64_t live = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    for (int64_t n = 0; status != NASH_OK; n++) {
        nash_evaluator e = {0};
        ni_memory_fail_after(n);
        status = nash_process_evaluator_open(&e, &opts);
        if (status == NASH_OK)
            status = e.evaluate(e.ctx, &job, 1, &outcome);
        ni_memory_fail_after(-1);
        nash_outcome_deinit(&outcome);
        nash_process_evaluator_close(&e);
        assert_int_equal(ni_memory_live_blocks(), live);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
    }
    for (int64_t n = 0; n < 40; n++) {
        status = candidate_within(n);
        assert_int_equal(ni_memory_live_blocks(), live);
        assert_int_equal(status, NASH_ENOMEM);
    }
    nash_model_free(m);
}

#define DIST_TEST(test)                                                        \
    cmocka_unit_test_setup_teardown(test, make_work, remove_work)

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "candidate") == 0)
        return be_candidate(argc, argv);
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        DIST_TEST(candidates_are_trained_and_judged_in_processes),
        DIST_TEST(one_job_or_two_give_the_same_bits),
        DIST_TEST(a_killed_candidate_is_an_outcome_that_names_the_signal),
        DIST_TEST(a_candidate_that_gives_up_is_quoted_from_its_log),
        DIST_TEST(a_broken_result_is_no_result),
        DIST_TEST(a_diverging_training_is_a_lasting_outcome),
        DIST_TEST(a_result_is_used_again_for_the_same_job_only),
        DIST_TEST(a_result_of_another_engine_is_refused_unless_allowed),
        DIST_TEST(a_stop_ends_all_candidates),
        DIST_TEST(a_killed_coordinator_leaves_no_orphan),
        DIST_TEST(a_launcher_with_a_shell_does_not_take_paths_apart),
        DIST_TEST(programs_that_are_not_there_end_the_evaluation),
        DIST_TEST(training_on_all_images_leaves_snapshots_and_no_score),
        DIST_TEST(an_untrained_candidate_is_judged_too),
        DIST_TEST(pruning_keeps_the_winner_and_all_results),
        DIST_TEST(a_directory_without_a_job_is_refused),
        DIST_TEST(a_job_comes_back_without_loss),
        DIST_TEST(paths_survive_percent_encoding),
        DIST_TEST(a_split_is_stratified_and_complete),
        DIST_TEST(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
