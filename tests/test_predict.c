/* Probabilities of models, ensembles and several looks, and what a model says
 * about the data it is for. */
#include "striped.h"

#include <nash/onnx.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- prediction -------------------------------------------------------- */

static void predictions_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    toy t;
    float by_one[20 * CLASSES], by_eight[20 * CLASSES];
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    make_toy(&t);
    nash_model *m = small_net(2);
    opts.batch = 1;
    assert_int_equal(nash_predict(by_one, &m, 1, &t.images, NULL, 20, &opts),
                     NASH_OK);
    opts.batch = 8;
    assert_int_equal(
        nash_predict(by_eight, &m, 1, &t.images, t.index, 20, &opts), NASH_OK);
    for (int32_t i = 0; i < 20 * CLASSES; i++)
        assert_close((double)by_one[i], (double)by_eight[i], 1e-6);
    nash_model_free(m);
}

static void an_ensemble_is_the_mean_of_its_members(void **state)
{
    (void)state;
    enum { N = 5 };
    toy t;
    float p[N * CLASSES], q[N * CLASSES], both[N * CLASSES];
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    make_toy(&t);
    nash_model *pair[2] = {small_net(2), small_net(3)};
    assert_int_equal(nash_predict(p, pair, 1, &t.images, NULL, N, &opts), 0);
    assert_int_equal(nash_predict(q, pair + 1, 1, &t.images, NULL, N, &opts),
                     0);
    assert_int_equal(nash_predict(both, pair, 2, &t.images, NULL, N, &opts), 0);
    for (int32_t i = 0; i < N * CLASSES; i++)
        assert_close((double)both[i], ((double)p[i] + (double)q[i]) / 2, 1e-6);
    nash_model_free(pair[0]);
    nash_model_free(pair[1]);
}

static void mirrored_predictions_are_the_same_for_the_mirror_image(void **state)
{
    (void)state;
    enum { N = 5 };
    toy t, turned;
    float p[N * CLASSES], q[N * CLASSES], once[N * CLASSES];
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    opts.batch = 2;
    make_toy(&t);
    make_toy(&turned);
    for (int32_t i = 0; i < MOST * PIXELS; i++)
        turned.pixels[i] = t.pixels[i / SIDE * SIDE + SIDE - 1 - i % SIDE];
    nash_model *m = small_net(2);
    assert_int_equal(nash_predict(once, &m, 1, &t.images, NULL, N, &opts), 0);
    nash_model_set_looks(m, (nash_looks){.mirrored = true});
    assert_int_equal(nash_predict(p, &m, 1, &t.images, NULL, N, &opts), 0);
    assert_int_equal(nash_predict(q, &m, 1, &turned.images, NULL, N, &opts), 0);
    double apart = 0.0;
    for (int32_t i = 0; i < N * CLASSES; i++) {
        assert_close((double)p[i], (double)q[i], 1e-6);
        apart = fmax(apart, fabs((double)(p[i] - once[i])));
    }
    assert_true(apart > 1e-4);
    nash_model_free(m);
}

/* The images so many pixels further, their border repeated. */
static void shift_toy(toy *shifted, const toy *t, int32_t by)
{
    make_toy(shifted);
    for (int32_t i = 0; i < MOST * PIXELS; i++) {
        int32_t x = i % SIDE + by, y = i / SIDE % SIDE + by;
        x = x < 0 ? 0 : x < SIDE ? x : SIDE - 1;
        y = y < 0 ? 0 : y < SIDE ? y : SIDE - 1;
        shifted->pixels[i] =
            t->pixels[i / (SIDE * SIDE) * (SIDE * SIDE) + y * SIDE + x];
    }
}

static void shifted_predictions_are_means_over_three_places(void **state)
{
    (void)state;
    enum { N = 5 };
    toy t, shifted;
    float p[N * CLASSES];
    double mean[2][N * CLASSES] = {{0.0}};
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    opts.batch = 2;
    make_toy(&t);
    nash_model *m = small_net(2);
    for (int k = 0; k < 2; k++) {
        nash_looks looks = {.mirrored = k == 1};
        nash_model_set_looks(m, looks);
        for (int32_t by = -1; by <= 1; by++) {
            shift_toy(&shifted, &t, by);
            assert_int_equal(
                nash_predict(p, &m, 1, &shifted.images, NULL, N, &opts), 0);
            for (int32_t i = 0; i < N * CLASSES; i++)
                mean[k][i] += (double)p[i] / 3.0;
        }
        looks.shifted = true;
        assert_int_equal(nash_looks_count(looks), 3 * (k + 1));
        nash_model_set_looks(m, looks);
        assert_int_equal(nash_predict(p, &m, 1, &t.images, NULL, N, &opts), 0);
        for (int32_t i = 0; i < N * CLASSES; i++)
            assert_close((double)p[i], mean[k][i], 1e-6);
    }
    assert_true(fabs(mean[0][0] - mean[1][0]) > 1e-6);
    nash_model_free(m);
}

static void a_written_model_predicts_the_same_bits(void **state)
{
    (void)state;
    char path[] = "/tmp/nash-test-XXXXXX";
    toy t;
    float before[MOST * CLASSES], after[MOST * CLASSES];
    nash_plan_opts plan = judge_opts(NASH_ENGINE_ONEDNN);
    nash_train_opts opts = nash_train_opts_default();
    nash_model *m = small_net(1), *read;
    make_toy(&t);
    opts.epochs = 1;
    opts.batch = 16;
    assert_int_equal(
        nash_train(m, &t.images, t.index, 48, NULL, 0, &opts, NULL), NASH_OK);
    assert_int_equal(nash_predict(before, &m, 1, &t.images, NULL, MOST, &plan),
                     NASH_OK);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(nash_onnx_write(m, path), NASH_OK);
    assert_int_equal(nash_onnx_read(&read, path), NASH_OK);
    assert_int_equal(
        nash_predict(after, &read, 1, &t.images, NULL, MOST, &plan), NASH_OK);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(unlink(path), 0);
    nash_model_free(read);
    nash_model_free(m);
}

/* ---- what a model says about itself ------------------------------------ */

/* A data set in CIFAR-10's format: `n` images, class i % 10. */
static void write_cifar(const char *dir, int32_t n)
{
    enum { RECORD = 3073 };
    char path[256];
    for (int32_t part = 0; part < 6; part++) {
        unsigned char record[RECORD];
        snprintf(path, sizeof path,
                 part < 5 ? "%s/data_batch_%d.bin" : "%s/test_batch.bin", dir,
                 part + 1);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        for (int32_t i = 0; i < n; i++) {
            memset(record, 10 * i + part, sizeof record);
            record[0] = (unsigned char)(i % 10);
            assert_int_equal(fwrite(record, sizeof record, 1, file), 1);
        }
        assert_int_equal(fclose(file), 0);
    }
}

static void remove_cifar(const char *dir)
{
    char path[256];
    for (int32_t part = 0; part < 6; part++) {
        snprintf(path, sizeof path,
                 part < 5 ? "%s/data_batch_%d.bin" : "%s/test_batch.bin", dir,
                 part + 1);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void a_new_network_knows_its_data(void **state)
{
    (void)state;
    char dir[] = "/tmp/nash-test-XXXXXX", names[10][32];
    nash_dataset *ds;
    nash_model *m;
    float mean[3], std[3];
    const nash_images *images;
    assert_non_null(mkdtemp(dir));
    write_cifar(dir, 20);
    assert_int_equal(nash_dataset_open(&ds, dir, NULL), NASH_OK);
    assert_int_equal(nash_net_for_data(&m, "start", ds, NULL), NASH_OK);
    assert_int_equal(nash_graph_input_shape(nash_model_graph(m)).h, 32);
    assert_int_equal(nash_graph_classes(nash_model_graph(m)), 10);
    nash_class_names(names[0], sizeof *names, m);
    for (int32_t k = 0; k < 10; k++)
        assert_string_equal(names[k], nash_dataset_class(ds, k));
    assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TRAIN), 0);
    nash_images_moments(images, NULL, images->n, mean, std);
    const nash_tensor *center = nash_model_tensor(m, 1, NASH_SLOT_CENTER);
    assert_memory_equal(center->data, mean, sizeof mean);
    nash_model_free(m);
    assert_int_equal(nash_net_for_data(&m, "alexnet", ds, NULL), NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), "'alexnet'"));
    nash_dataset_close(ds);
    remove_cifar(dir);
}

static void a_training_is_described_in_numbers(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    const nash_score val = {
        .loss = 0.5, .error = 0.25, .balanced_error = 0.375, .images = 40};
    nash_model *m = small_net(1);
    opts.seed = UINT64_MAX;
    opts.schedule = NASH_SCHEDULE_CONSTANT;
    assert_int_equal(nash_describe_training(m, &opts, 123, 0.0, &val), NASH_OK);
    const char *settings = nash_model_meta(m, NASH_META_SETTINGS);
    assert_non_null(strstr(settings, "\"images\":123"));
    assert_non_null(strstr(settings, "\"schedule\":\"constant\""));
    assert_non_null(strstr(settings, "\"lr_start\":0.05"));
    assert_non_null(strstr(settings, "\"seed\":\"18446744073709551615\""));
    assert_string_equal(nash_model_meta(m, NASH_META_SCORES),
                        "{\"val_loss\":0.5,\"val_error\":0.25,"
                        "\"val_balanced_error\":0.375,\"val_images\":40}");
    nash_model_free(m);
}

/* Whatever the metadata hold; cut to the room that there is. */
static void classes_without_names_are_numbered(void **state)
{
    (void)state;
    static const struct {
        const char *metadata, *names[CLASSES];
    } cases[] = {
        {NULL, {"0", "1", "2"}},
        {"[\"cat\",\"dog\",\"aeroplanes\"]", {"cat", "dog", "aeropla"}},
        {"[\"cat\"]", {"cat", "1", "2"}},
        {"[\"a\",7,\"b\",\"of none\"]", {"a", "1", "b"}},
        {"[\"a\\u001b[1m\",\"\"]", {"a?[1m", "", "2"}},
        {"no JSON", {"0", "1", "2"}},
        {"{\"a\":\"b\"}", {"b", "1", "2"}},
        {"[]", {"0", "1", "2"}},
        {"\"text\"", {"0", "1", "2"}},
    };
    char names[CLASSES + 1][8];
    nash_model *m = small_net(1);
    assert_int_equal(nash_graph_classes(nash_model_graph(m)), CLASSES);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            nash_model_set_meta(m, NASH_META_CLASSES, cases[i].metadata),
            NASH_OK);
        memset(names, '#', sizeof names);
        nash_class_names(names[0], sizeof *names, m);
        for (int32_t k = 0; k < CLASSES; k++)
            assert_string_equal(names[k], cases[i].names[k]);
        assert_int_equal(names[CLASSES][0], '#');
    }
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_do_not_depend_on_the_batch),
        cmocka_unit_test(an_ensemble_is_the_mean_of_its_members),
        cmocka_unit_test(
            mirrored_predictions_are_the_same_for_the_mirror_image),
        cmocka_unit_test(shifted_predictions_are_means_over_three_places),
        cmocka_unit_test(a_written_model_predicts_the_same_bits),
        cmocka_unit_test(a_new_network_knows_its_data),
        cmocka_unit_test(a_training_is_described_in_numbers),
        cmocka_unit_test(classes_without_names_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
