/*
 * What candidates read and write: jobs, results, splits, paths; and running out
 * of memory while doing so.
 */
#include "process_fixture.h"

#include "base/file.h"
#include "base/memory.h"
#include "dist/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_directory_without_a_job_is_refused(void **state)
{
    (void)state;
    char path[160];
    assert_int_equal(nash_candidate_run(run_dir, -1, -1, 0.0, 0.0, 0.0),
                     NASH_ENOTFOUND);
    assert_non_null(strstr(nash_error_message(), "job.json"));
    snprintf(path, sizeof path, "%s/lock", run_dir);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/job.json", run_dir);
    ni_file_write_atomic(path, "{\"format\": 1}", 13);
    assert_int_equal(nash_candidate_run(run_dir, -1, -1, 0.0, 0.0, 0.0),
                     NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), path));
}

static ni_task a_task(void)
{
    ni_task task = {.step = 12,
                    .child = 3,
                    .on_all = true,
                    .model_hash = UINT64_MAX - 1,
                    .data_hash = UINT64_MAX - 2,
                    .val_share = 1.0 / 3.0,
                    .most = 60000,
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
    assert_int_equal(back.data_hash, task.data_hash);
    assert_true(back.val_share == task.val_share);
    assert_int_equal(back.most, 60000);
    assert_int_equal(back.dataset.max_bytes, INT64_MAX);
    assert_true(back.dataset.max_skipped == task.dataset.max_skipped);
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

/* Whether a byte may take any value: enumerations name few. */
static bool is_free(size_t at)
{
    static const size_t names[] = {offsetof(nash_train_opts, schedule),
                                   offsetof(nash_train_opts, engine),
                                   offsetof(nash_train_opts, precision)};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (at > names[i] && at < names[i] + sizeof(int))
            return false;
    return true;
}

/* Whatever is added to the options of a training has to go into a job: each of
 * their bytes is changed by a bit, and lost are those between members. */
static void no_option_of_a_training_is_forgotten(void **state)
{
    (void)state;
    enum { BETWEEN = 2 * 7 + 3 * 4 + 2 };
    char path[160];
    int lost = 0;
    snprintf(path, sizeof path, "%s/job.json", run_dir);
    for (size_t at = 0; at < sizeof(nash_train_opts); at++) {
        char *text = NULL;
        uint64_t hash;
        ni_task task = a_task(), back;
        task.train = nash_train_opts_default();
        uint8_t *byte = (uint8_t *)&task.train + at;
        if (!is_free(at))
            continue;
        *byte ^= 1;
        assert_int_equal(ni_task_write(&text, &hash, &task), NASH_OK);
        ni_file_write_atomic(path, text, strlen(text));
        assert_int_equal(ni_task_read(&back, &hash, run_dir), NASH_OK);
        lost += ((uint8_t *)&back.train)[at] != *byte;
        ni_free(text);
        ni_task_deinit(&back);
    }
    assert_int_equal(lost, BETWEEN);
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

/* The made images, until the data set is closed. */
static const nash_images *open_images(nash_dataset **ds)
{
    const nash_images *images;
    assert_int_equal(nash_dataset_open(ds, data, NULL), NASH_OK);
    assert_int_equal(nash_dataset_images(&images, *ds, NASH_PART_TRAIN),
                     NASH_OK);
    return images;
}

static void a_split_is_stratified_and_complete(void **state)
{
    (void)state;
    nash_dataset *ds = NULL;
    const nash_images *images = open_images(&ds);
    int32_t *train, *val, n_train, n_val, seen[N_TRAIN] = {0};
    int32_t per_class[N_CLASSES] = {0};
    assert_int_equal(
        nash_run_split(&train, &n_train, &val, &n_val, images, 0.2, 0, 1),
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
        nash_run_split(&train, &n_train, &val, &n_val, images, 0.001, 0, 1),
        NASH_EINVAL);
    nash_dataset_close(ds);
}

/* The classes stay in proportion, and the sides apart. */
static void of_many_images_a_part_is_used(void **state)
{
    (void)state;
    nash_dataset *ds = NULL;
    const nash_images *images = open_images(&ds);
    int32_t *all, *val, *few, *few_val, n, n_val, n_few, n_few_val;
    int32_t per_class[2][N_CLASSES] = {{0}};
    bool trains[N_TRAIN] = {false};
    assert_int_equal(nash_run_split(&all, &n, &val, &n_val, images, 0.2, 48, 1),
                     NASH_OK);
    assert_int_equal(n, 48);
    assert_int_equal(n_val, 12);
    assert_int_equal(
        nash_run_split(&few, &n_few, &few_val, &n_few_val, images, 0.2, 24, 1),
        NASH_OK);
    assert_int_equal(n_few, 24);
    assert_int_equal(n_few_val, 6);
    for (int32_t i = 0; i < n; i++)
        trains[all[i]] = true;
    for (int32_t i = 0; i < n_few; i++) {
        assert_true(trains[few[i]]);
        assert_true(i == 0 || few[i] > few[i - 1]);
        per_class[0][images->labels[few[i]]]++;
    }
    for (int32_t i = 0; i < n_few_val; i++) {
        assert_false(trains[few_val[i]]);
        per_class[1][images->labels[few_val[i]]]++;
    }
    for (int32_t k = 0; k < N_CLASSES; k++) {
        assert_int_equal(per_class[0][k], 24 / N_CLASSES);
        assert_int_equal(per_class[1][k], 6 / N_CLASSES);
    }
    nash_split_free(all);
    nash_split_free(val);
    nash_split_free(few);
    nash_split_free(few_val);
    nash_dataset_close(ds);
}

/* Twenty images of one pixel, in two classes; each grey is there so often. */
static void split_greys(int32_t *n_val, int32_t often)
{
    uint8_t pixels[20];
    int32_t labels[20], *train, *val, n_train;
    bool validates[20] = {false};
    for (int32_t i = 0; i < 20; i++) {
        pixels[i] = (uint8_t)(i / often);
        labels[i] = i % 2;
    }
    nash_images images = {{1, 1, 1}, 20, 2, pixels, labels};
    assert_int_equal(
        nash_run_split(&train, &n_train, &val, n_val, &images, 0.5, 0, 3),
        NASH_OK);
    assert_int_equal(n_train + *n_val, 20);
    for (int32_t i = 0; i < *n_val; i++)
        validates[val[i]] = true;
    for (int32_t i = 0; i < n_train; i++) {
        assert_false(validates[train[i]]);
        assert_true(i == 0 || train[i] > train[i - 1]);
    }
    for (int32_t i = 0; often == 2 && i < 20; i += 2)
        assert_int_equal(validates[i], validates[i + 1]);
    nash_split_free(train);
    nash_split_free(val);
}

static void a_split_keeps_equal_images_together(void **state)
{
    (void)state;
    int32_t n_val;
    split_greys(&n_val, 1);
    assert_int_equal(n_val, 10);
    split_greys(&n_val, 2);
    assert_in_range(n_val, 1, 9);
    split_greys(&n_val, 20); /* all the same: nothing else is left */
    assert_int_equal(n_val, 10);
}

/* In this process; what has been done in the directory is done again. */
static nash_status candidate_within(int64_t allocations)
{
    char directory[200], path[220];
    path_of(directory, 0, "");
    snprintf(path, sizeof path, "%sresult.json", directory);
    unlink(path);
    ni_memory_fail_after(allocations);
    nash_status status = nash_candidate_run(directory, -1, -1, 0.0, 0.0, 0.0);
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

int main(int argc, char **argv)
{
    be_candidate_if_asked(argc, argv);
    const struct CMUnitTest tests[] = {
        DIST_TEST(a_directory_without_a_job_is_refused),
        DIST_TEST(a_job_comes_back_without_loss),
        DIST_TEST(no_option_of_a_training_is_forgotten),
        DIST_TEST(paths_survive_percent_encoding),
        DIST_TEST(a_split_is_stratified_and_complete),
        DIST_TEST(of_many_images_a_part_is_used),
        DIST_TEST(a_split_keeps_equal_images_together),
        DIST_TEST(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
