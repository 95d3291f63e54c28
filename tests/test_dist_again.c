/*
 * Candidates that are not done in one go: cut schedules, processes that are cut
 * off and go on, hang, or cannot be trained here; and what must not be left.
 */
#include "process_fixture.h"

#include "base/lock.h"

#include <math.h>
#include <setjmp.h>
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

/* Two children with the same training of four epochs. */
static nash_job a_long_job(const nash_model *m, int32_t child)
{
    nash_job job = a_job(m, child);
    job.train.lr_start = 0.05;
    job.train.epochs = 4;
    return job;
}

static nash_outcome evaluate_one(const nash_process_opts *opts, nash_job job,
                                 int32_t stop_epoch)
{
    nash_outcome outcome = {0};
    job.train.stop_epoch = stop_epoch;
    assert_int_equal(evaluate(opts, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_OK);
    return outcome;
}

static bool is_there(int32_t child, const char *file)
{
    char path[200];
    path_of(path, child, file);
    return access(path, F_OK) == 0;
}

/* ---- cut schedules ------------------------------------------------------- */

static void a_cut_candidate_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    nash_outcome whole = evaluate_one(&opts, a_long_job(m, 0), 0);
    nash_outcome first = evaluate_one(&opts, a_long_job(m, 1), 1);
    assert_int_equal(first.n_epochs, 1);
    assert_int_equal(first.images, N_TRAIN * 4 / 5);
    assert_true(isfinite(first.val.loss));
    assert_true(is_there(1, "state.safetensors"));
    nash_outcome second = evaluate_one(&opts, a_long_job(m, 1), 3);
    nash_outcome last = evaluate_one(&opts, a_long_job(m, 1), 4);
    assert_int_equal(second.n_epochs, 3);
    assert_true(second.seconds > first.seconds);
    assert_int_equal(last.n_epochs, 4);
    assert_int_equal(last.images, whole.images);
    assert_true(last.val.loss == whole.val.loss);
    assert_true(last.epochs[3].train_loss == whole.epochs[3].train_loss);
    assert_int_equal(trained_hash(1, -1), trained_hash(0, -1));
    assert_false(is_there(1, "state.safetensors"));
    assert_false(is_there(1, "state.safetensors.old"));
    nash_outcome_deinit(&whole);
    nash_outcome_deinit(&first);
    nash_outcome_deinit(&second);
    nash_outcome_deinit(&last);
    nash_model_free(m);
}

static double no_time(void *ctx, const nash_job *job, double *epochs_after)
{
    (void)ctx;
    *epochs_after = 0.0;
    return job->child == 0 ? 0.0 : 1e-9;
}

static nash_status note_bent(void *ctx, const nash_job *job, double epochs)
{
    assert_true(job->child > 0);
    *(double *)ctx = epochs;
    return NASH_OK;
}

/* Two steps of three, of four epochs. */
static void a_candidate_without_time_is_cut_short_and_says_so(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    double bent = 0.0;
    opts.ctx = &bent;
    opts.time_left = no_time;
    opts.bent = note_bent;
    nash_outcome whole = evaluate_one(&opts, a_long_job(m, 0), 0);
    assert_int_equal(whole.n_epochs, 4);
    assert_true(bent == 0.0);
    nash_outcome late = evaluate_one(&opts, a_long_job(m, 1), 0);
    assert_int_equal(late.n_epochs, 1);
    assert_int_equal(late.images, N_TRAIN * 4 / 5 * 2 / 3);
    assert_true(fabs(bent - 2.0 / 3.0) < 1e-6);
    opts.launcher = "env";
    nash_outcome again = evaluate_one(&opts, a_long_job(m, 2), 0);
    assert_int_equal(again.images, late.images);
    nash_outcome_deinit(&whole);
    nash_outcome_deinit(&late);
    nash_outcome_deinit(&again);
    nash_model_free(m);
}

static double one_second(void *ctx, const nash_job *job, double *epochs_after)
{
    (void)ctx;
    (void)job;
    *epochs_after = 0.0;
    return 1.0;
}

static void a_launchers_wait_is_part_of_the_time(void **state)
{
    (void)state;
    char script[128];
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    opts.time_left = one_second;
    write_launcher(script, "queue", "sleep 1.2\nexec \"$@\"");
    opts.launcher = script;
    nash_outcome late = evaluate_one(&opts, a_long_job(m, 0), 0);
    assert_int_equal(late.n_epochs, 1);
    nash_outcome_deinit(&late);
    nash_model_free(m);
}

static void earlier_stops_are_answered_as_they_were(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    nash_outcome first = evaluate_one(&opts, a_long_job(m, 0), 1);
    nash_outcome last = evaluate_one(&opts, a_long_job(m, 0), 0);
    uint64_t trained = trained_hash(0, -1);
    opts.program = "/bin/false";
    nash_outcome again = evaluate_one(&opts, a_long_job(m, 0), 1);
    assert_true(again.val.loss == first.val.loss);
    assert_int_equal(again.n_epochs, 1);
    nash_outcome_deinit(&again);
    again = evaluate_one(&opts, a_long_job(m, 0), 0);
    assert_true(again.val.loss == last.val.loss);
    assert_int_equal(trained_hash(0, -1), trained);
    nash_outcome_deinit(&again);
    nash_outcome_deinit(&first);
    nash_outcome_deinit(&last);
    nash_model_free(m);
}

static void another_training_begins_with_nothing_of_the_one_before(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job other = a_long_job(m, 0), fresh = a_long_job(m, 1);
    nash_process_opts opts = some_opts();
    nash_outcome before = evaluate_one(&opts, a_long_job(m, 0), 2);
    other.train.momentum = fresh.train.momentum = 0.5;
    nash_outcome first = evaluate_one(&opts, other, 1);
    assert_false(is_there(0, "result-2.json"));
    nash_outcome last = evaluate_one(&opts, other, 0);
    nash_outcome clean = evaluate_one(&opts, fresh, 0);
    assert_true(last.val.loss == clean.val.loss);
    nash_outcome_deinit(&before);
    nash_outcome_deinit(&first);
    nash_outcome_deinit(&last);
    nash_outcome_deinit(&clean);
    nash_model_free(m);
}

/* ---- cut off ------------------------------------------------------------- */

static void a_candidate_that_keeps_dying_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    struct stat info;
    char path[200];
    nash_model *m = small_model();
    nash_job jobs[2] = {a_long_job(m, 0), a_long_job(m, 1)};
    nash_outcome outcomes[2] = {0};
    nash_process_opts opts = some_opts();
    jobs[0].train.epochs = jobs[1].train.epochs = 60;
    opts.checkpoint_seconds = 1e-9;
    setenv("NASH_TEST_MISDEED", "fall:1", 1);
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_OK);
    path_of(path, 1, "falls");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, FALLS + 1);
    assert_int_equal(outcomes[1].status, NASH_OK);
    assert_int_equal(outcomes[1].n_epochs, 60);
    assert_true(outcomes[0].val.loss == outcomes[1].val.loss);
    assert_int_equal(trained_hash(0, -1), trained_hash(1, -1));
    deinit_all(outcomes, 2);
    nash_model_free(m);
}

static void a_candidate_that_hangs_is_ended(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_job jobs[2] = {a_job(m, 0), a_job(m, 1)};
    nash_outcome outcomes[2] = {0};
    nash_process_opts opts = some_opts();
    opts.timeout_seconds = 1.5;
    setenv("NASH_TEST_MISDEED", "hang:1", 1);
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_OK);
    assert_int_equal(outcomes[0].status, NASH_OK);
    assert_int_equal(outcomes[1].status, NASH_ECHILD);
    assert_non_null(strstr(outcomes[1].message, "0001-01 was ended since it "
                                                "said nothing"));
    assert_non_null(strstr(outcomes[1].message, "it was tried 5 times"));
    assert_true(waitpid(-1, NULL, WNOHANG) < 0);
    deinit_all(outcomes, 2);
    nash_model_free(m);
}

static void be_busy_once(void *ctx, const nash_job *job, double done,
                         double rate)
{
    int *busy = ctx;
    (void)done;
    (void)rate;
    if (job->child == 1 && !(*busy)++)
        sleep(3);
}

/* Both say something five times a second before they begin; meanwhile nobody
 * listens for longer than the timeout. */
static void a_candidate_that_could_not_be_heard_is_not_ended(void **state)
{
    (void)state;
    int busy = 0;
    struct stat info;
    char script[128], path[200];
    nash_model *m = small_model();
    nash_job jobs[2] = {a_job(m, 0), a_job(m, 1)};
    nash_outcome outcomes[2] = {0};
    nash_process_opts opts = some_opts();
    write_launcher(script, "talk",
                   "echo >>${0%/*}/begun\n"
                   "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do\n"
                   "    echo progress 0 0; sleep 0.2\ndone\nexec \"$@\"");
    opts.launcher = script;
    opts.timeout_seconds = 2.0;
    opts.ctx = &busy;
    opts.progress = be_busy_once;
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_OK);
    assert_int_equal(outcomes[0].status, NASH_OK);
    assert_int_equal(outcomes[1].status, NASH_OK);
    snprintf(path, sizeof path, "%.*s/begun",
             (int)(strrchr(script, '/') - script), script);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 2); /* a line break each */
    deinit_all(outcomes, 2);
    nash_model_free(m);
}

static nash_status count_finished(void *ctx, const nash_job *job,
                                  const nash_outcome *outcome)
{
    assert_int_equal(job->child, 0);
    assert_int_equal(outcome->status, NASH_OK);
    ++*(int *)ctx;
    return NASH_OK;
}

static void what_is_not_the_candidates_fault_is_not_its_outcome(void **state)
{
    (void)state;
    int finished = 0;
    nash_model *m = small_model();
    nash_job jobs[2] = {a_job(m, 0), a_job(m, 1)};
    nash_outcome outcomes[2] = {0};
    nash_process_opts opts = some_opts();
    opts.jobs = 1;
    opts.ctx = &finished;
    opts.finished = count_finished;
    setenv("NASH_TEST_MISDEED", "unable:1", 1);
    assert_int_equal(evaluate(&opts, jobs, 2, outcomes), NASH_EIO);
    assert_non_null(strstr(nash_error_message(), "0001-01"));
    assert_non_null(strstr(nash_error_message(), "the disk is full"));
    assert_int_equal(finished, 1);
    deinit_all(outcomes, 2);
    nash_model_free(m);
}

static void a_missing_data_set_is_nobodys_outcome(void **state)
{
    (void)state;
    char moved[128];
    nash_evaluator e;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    snprintf(moved, sizeof moved, "%s-moved", data);
    assert_int_equal(nash_process_evaluator_open(&e, &opts), NASH_OK);
    assert_int_equal(rename(data, moved), 0);
    assert_int_equal(e.evaluate(e.ctx, &job, 1, &outcome), NASH_EIO);
    assert_non_null(strstr(nash_error_message(), data));
    assert_int_equal(rename(moved, data), 0);
    assert_int_equal(e.evaluate(e.ctx, &job, 1, &outcome), NASH_OK);
    assert_int_equal(outcome.status, NASH_OK);
    nash_process_evaluator_close(&e);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

static void changed_training_images_are_nobodys_outcome(void **state)
{
    (void)state;
    char path[160];
    nash_dataset *ds = NULL;
    nash_model *m = small_model();
    nash_job job = a_job(m, 0);
    nash_outcome outcome = {0};
    nash_process_opts opts = some_opts();
    assert_int_equal(nash_dataset_open(&ds, data, NULL), NASH_OK);
    opts.data_hash = nash_dataset_hash(ds);
    nash_dataset_close(ds);
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", data);
    FILE *file = fopen(path, "r+b");
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    int last = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(last ^ 1, file);
    fclose(file);
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_EIO);
    assert_non_null(strstr(nash_error_message(), "the training images of"));
    assert_non_null(strstr(nash_error_message(), "have changed since the run"));
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_EIO);
    assert_non_null(strstr(nash_error_message(), path));
    opts.data_hash = 0;
    assert_int_equal(evaluate(&opts, &job, 1, &outcome), NASH_EIO);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

/* ---- side by side -------------------------------------------------------- */

static nash_status sixty(void *ctx, const nash_job *job, size_t *bytes)
{
    (void)ctx;
    (void)job;
    *bytes = 60;
    return NASH_OK;
}

/* Three candidates of 60 bytes behind a launcher that notes whether two run at
 * once. @return whether they did */
static bool meet(const char *name, size_t max_bytes)
{
    char script[128], path[160], commands[512];
    nash_model *m = small_model();
    nash_job jobs[3] = {a_job(m, 0), a_job(m, 1), a_job(m, 2)};
    nash_outcome outcomes[3] = {0};
    nash_process_opts opts = some_opts();
    snprintf(run_dir, sizeof run_dir, "%s/run-%s", work, name);
    mkdir(run_dir, 0777);
    snprintf(commands, sizeof commands,
             "mkdir '%s/busy' || >'%s/met-%s'\n"
             "sleep 0.3\n\"$@\"\nstatus=$?\nrmdir '%s/busy'\nexit $status",
             work, work, name, work);
    write_launcher(script, name, commands);
    opts.launcher = script;
    opts.max_bytes = max_bytes;
    opts.bytes = sixty;
    assert_int_equal(evaluate(&opts, jobs, 3, outcomes), NASH_OK);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(outcomes[i].status, NASH_OK);
    deinit_all(outcomes, 3);
    nash_model_free(m);
    snprintf(path, sizeof path, "%s/met-%s", work, name);
    return access(path, F_OK) == 0;
}

static void fewer_run_side_by_side_where_memory_is_short(void **state)
{
    (void)state;
    assert_false(meet("short", 100));
    assert_false(meet("shorter", 10));
    assert_true(meet("enough", 120));
}

static void a_candidate_waits_for_its_lock(void **state)
{
    (void)state;
    char path[200];
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    snprintf(path, sizeof path, "%s/candidates", run_dir);
    mkdir(path, 0777);
    path_of(path, 0, "");
    mkdir(path, 0777);
    path_of(path, 0, "lock");
    pid_t orphan = fork();
    if (orphan == 0) {
        int lock;
        if (ni_lock_take(&lock, path, "it", 0) == NASH_OK)
            usleep(1500000);
        _exit(0);
    }
    while (access(path, F_OK) != 0)
        usleep(1000);
    usleep(100000);
    nash_outcome outcome = evaluate_one(&opts, a_job(m, 0), 0);
    assert_true(outcome.seconds < 30.0);
    waitpid(orphan, NULL, 0);
    nash_outcome_deinit(&outcome);
    nash_model_free(m);
}

/* ---- directories --------------------------------------------------------- */

static void a_run_that_was_moved_is_still_answered(void **state)
{
    (void)state;
    char inside[160];
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    snprintf(inside, sizeof inside, "%s/images", run_dir);
    assert_int_equal(rename(data, inside), 0);
    opts.data_dir = inside;
    nash_outcome before = evaluate_one(&opts, a_job(m, 0), 0);
    char elsewhere[128];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", work);
    assert_int_equal(rename(run_dir, elsewhere), 0);
    strcpy(run_dir, elsewhere);
    snprintf(inside, sizeof inside, "%s/images", run_dir);
    nash_outcome other = evaluate_one(&opts, a_job(m, 1), 0);
    opts.program = "/bin/false";
    nash_outcome after = evaluate_one(&opts, a_job(m, 0), 0);
    assert_true(after.val.loss == before.val.loss);
    nash_outcome_deinit(&before);
    nash_outcome_deinit(&other);
    nash_outcome_deinit(&after);
    nash_model_free(m);
}

static void touch(int32_t child, const char *file)
{
    char path[200];
    path_of(path, child, file);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fclose(out);
}

static void what_crashes_left_is_removed(void **state)
{
    (void)state;
    nash_model *m = small_model();
    nash_process_opts opts = some_opts();
    nash_outcome first = evaluate_one(&opts, a_long_job(m, 0), 1);
    touch(0, "trained.onnx.123.tmp");
    touch(0, "state.safetensors.99.tmp");
    nash_outcome second = evaluate_one(&opts, a_long_job(m, 0), 2);
    assert_false(is_there(0, "trained.onnx.123.tmp"));
    assert_false(is_there(0, "state.safetensors.99.tmp"));
    touch(0, "job.json.7.tmp");
    assert_int_equal(nash_candidates_prune(run_dir, 1, 0, false), NASH_OK);
    assert_false(is_there(0, "job.json.7.tmp"));
    assert_false(is_there(0, "state.safetensors"));
    assert_false(is_there(0, "state.safetensors.old"));
    assert_true(is_there(0, "trained.onnx"));
    nash_outcome_deinit(&first);
    nash_outcome_deinit(&second);
    nash_model_free(m);
}

int main(int argc, char **argv)
{
    be_candidate_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        DIST_TEST(a_cut_candidate_goes_on_to_the_same_bits),
        DIST_TEST(a_candidate_without_time_is_cut_short_and_says_so),
        DIST_TEST(a_launchers_wait_is_part_of_the_time),
        DIST_TEST(earlier_stops_are_answered_as_they_were),
        DIST_TEST(another_training_begins_with_nothing_of_the_one_before),
        DIST_TEST(a_candidate_that_keeps_dying_goes_on_to_the_same_bits),
        DIST_TEST(a_candidate_that_hangs_is_ended),
        DIST_TEST(a_candidate_that_could_not_be_heard_is_not_ended),
        DIST_TEST(what_is_not_the_candidates_fault_is_not_its_outcome),
        DIST_TEST(a_missing_data_set_is_nobodys_outcome),
        DIST_TEST(changed_training_images_are_nobodys_outcome),
        DIST_TEST(fewer_run_side_by_side_where_memory_is_short),
        DIST_TEST(a_candidate_waits_for_its_lock),
        DIST_TEST(a_run_that_was_moved_is_still_answered),
        DIST_TEST(what_crashes_left_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
