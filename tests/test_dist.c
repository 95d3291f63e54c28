/*
 * Candidates as processes: what they leave, and what becomes of those that
 * crash, are killed, stopped or orphaned.
 */
#include "process_fixture.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"

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

static void a_candidate_without_memory_is_started_again(void **state)
{
    (void)state;
    check_misdeed("poor:1", "no result; it was tried 5 times; its log ends "
                            "with: nash: out of memory");
}

static void a_candidate_whose_connection_is_lost_is_started_again(void **state)
{
    (void)state;
    check_misdeed("lost:1", "no result; it was tried 5 times; its log ends "
                            "with: client_loop: send disconnect: Broken pipe");
}

/* Tries 2 to 5 come 0.01, 0.04, 0.16 and 0.64 s later. */
static void a_lost_connection_is_given_time_to_come_back(void **state)
{
    (void)state;
    static const char *const misdeeds[] = {"lost:0", "busy:0"};
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_process_opts opts = some_opts();
    opts.retry_seconds = 0.01;
    for (int i = 0; i < 2; i++) {
        nash_outcome outcome = {0};
        double began = ni_clock_seconds();
        setenv("NASH_TEST_MISDEED", misdeeds[i], 1);
        nash_status status = evaluate(&opts, &job, 1, &outcome);
        unsetenv("NASH_TEST_MISDEED");
        assert_true(ni_clock_seconds() - began >= 0.85);
        /* a lock may be that of an able one */
        assert_int_equal(status, i ? NASH_EIO : NASH_OK);
        const char *said = i ? nash_error_message() : outcome.message;
        assert_non_null(strstr(said, "tried 5 times"));
        nash_outcome_deinit(&outcome);
    }
    nash_model_free(m);
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

static nash_status stop_at_the_fifth(void *ctx, const nash_job *job,
                                     const nash_epoch *e)
{
    heard *h = ctx;
    (void)job;
    (void)e;
    h->stop = ++h->epochs >= 5;
    usleep(1000); /* longer than saying it takes */
    return NASH_OK;
}

static void a_stop_is_heard_beside_one_who_never_pauses(void **state)
{
    (void)state;
    heard h = {0};
    char launcher[128];
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    write_launcher(launcher, "talker", "exec yes epoch 0 1 1 1 1 1 1 1");
    opts.launcher = launcher;
    opts.ctx = &h;
    opts.epoch = stop_at_the_fifth;
    opts.stop = &h.stop;
    alarm(60);
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_ESTOP);
    alarm(0);
    assert_in_range(h.epochs, 5, 100);
    nash_outcome_deinit(&outcome);
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
    write_launcher(ssh, "ssh", "shift\nexec sh -c \"$*\"");
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
    assert_int_equal(nash_candidates_prune(run_dir, 1, 1, false), NASH_OK);
    assert_int_equal(nash_candidates_prune(run_dir, 1, 1, false), NASH_OK);
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

int main(int argc, char **argv)
{
    be_candidate_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        DIST_TEST(candidates_are_trained_and_judged_in_processes),
        DIST_TEST(one_job_or_two_give_the_same_bits),
        DIST_TEST(a_killed_candidate_is_an_outcome_that_names_the_signal),
        DIST_TEST(a_candidate_that_gives_up_is_quoted_from_its_log),
        DIST_TEST(a_candidate_without_memory_is_started_again),
        DIST_TEST(a_candidate_whose_connection_is_lost_is_started_again),
        DIST_TEST(a_lost_connection_is_given_time_to_come_back),
        DIST_TEST(a_broken_result_is_no_result),
        DIST_TEST(a_diverging_training_is_a_lasting_outcome),
        DIST_TEST(a_result_is_used_again_for_the_same_job_only),
        DIST_TEST(a_result_of_another_engine_is_refused_unless_allowed),
        DIST_TEST(a_stop_ends_all_candidates),
        DIST_TEST(a_stop_is_heard_beside_one_who_never_pauses),
        DIST_TEST(a_killed_coordinator_leaves_no_orphan),
        DIST_TEST(a_launcher_with_a_shell_does_not_take_paths_apart),
        DIST_TEST(programs_that_are_not_there_end_the_evaluation),
        DIST_TEST(training_on_all_images_leaves_snapshots_and_no_score),
        DIST_TEST(an_untrained_candidate_is_judged_too),
        DIST_TEST(pruning_keeps_the_winner_and_all_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
