/* Networks for a data set: what they normalise and whiten by. */
#include "made_data.h"

#include <nash/morph.h>
#include <nash/train.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 20, SIDE = 8, CHANNELS = 3, TRAIN_BYTES = 20 };

/* Random pixels, but for the last channel, which is 7 everywhere. */
static nash_dataset *open_made(const char *name)
{
    static uint8_t bytes[TRAIN_BYTES + IMAGES * SIDE * SIDE * CHANNELS] = {
        0, 0,    8, 4, 0, 0,    0, IMAGES, 0, 0,
        0, SIDE, 0, 0, 0, SIDE, 0, 0,      0, CHANNELS};
    uint32_t random = 1;
    for (size_t i = TRAIN_BYTES; i < sizeof bytes; i++) {
        random = random * 1664525 + 1013904223;
        bytes[i] = (i - TRAIN_BYTES) % CHANNELS == CHANNELS - 1
                       ? 7
                       : (uint8_t)(random >> 24);
    }
    nash_dataset *ds;
    made_file(made_path("%s/train-images-idx4-ubyte", name), bytes,
              sizeof bytes);
    made_idx_labels(made_path("%s/train-labels-idx1-ubyte", name), IMAGES, 2);
    assert_int_equal(nash_dataset_open(&ds, made_path("%s", name), NULL),
                     NASH_OK);
    return ds;
}

static void a_channel_that_never_changes_is_only_shifted(void **state)
{
    (void)state;
    nash_dataset *ds = open_made("constant");
    nash_model *m;
    assert_int_equal(nash_net_for_data(&m, "start", ds, NULL), NASH_OK);
    const float *mean = nash_model_tensor(m, 1, NASH_SLOT_CENTER)->data;
    const float *std = nash_model_tensor(m, 1, NASH_SLOT_SCALE)->data;
    assert_true(mean[2] == 7.0F && std[2] == 1.0F);
    assert_true(fabsf(std[0] - 74.0F) < 5.0F);
    nash_model_free(m);
    nash_dataset_close(ds);
}

/* Where it divides by twice as much, filters have to be twice as large. */
static void redrawn_filters_whiten_what_the_network_normalises(void **state)
{
    (void)state;
    nash_dataset *ds = open_made("whiten");
    nash_model *m, *other;
    nash_net_opts opts = nash_net_opts_default();
    opts.whiten = true;
    assert_int_equal(nash_net_for_data(&m, "start", ds, &opts), NASH_OK);
    assert_int_equal(nash_model_dup(&other, m), NASH_OK);
    for (int c = 0; c < CHANNELS; c++)
        nash_model_tensor(other, 1, NASH_SLOT_SCALE)->data[c] *= 2.0F;
    assert_int_equal(nash_net_redraw(other, ds, &opts), NASH_OK);
    const nash_tensor *once = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    const nash_tensor *twice = nash_model_tensor(other, 2, NASH_SLOT_WEIGHT);
    double sum = 0.0, sum_twice = 0.0;
    for (int64_t i = 0; i < once->count / once->dims[0]; i++) {
        sum += fabs((double)once->data[i]);
        sum_twice += fabs((double)twice->data[i]);
    }
    assert_true(sum > 0.1 && fabs(sum_twice / sum - 2.0) < 0.05);
    nash_model_free(other);
    nash_model_free(m);
    nash_dataset_close(ds);
}

/* 32 filters of which the second half are the first half's negatives, and so
 * they stay at the head of 64. */
static void a_widened_layer_keeps_its_whitening(void **state)
{
    (void)state;
    nash_dataset *ds = open_made("wider");
    nash_model *m;
    nash_net_opts opts = nash_net_opts_default();
    opts.whiten = opts.identity = true;
    assert_int_equal(nash_net_for_data(&m, "start", ds, &opts), NASH_OK);
    const nash_tensor *narrow = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    int64_t filter = narrow->count / narrow->dims[0];
    float *before = malloc((size_t)narrow->count * sizeof *before);
    assert_non_null(before);
    memcpy(before, narrow->data, (size_t)narrow->count * sizeof *before);
    assert_int_equal(narrow->dims[0], 32);
    const nash_morph wider = {.kind = NASH_MORPH_WIDEN,
                              .at =
                                  nash_graph_node(nash_model_graph(m), 2)->tag,
                              .factor = 2,
                              .mode = NASH_WIDEN_COPY};
    assert_int_equal(nash_morph_apply(m, &wider, NULL), NASH_OK);
    assert_int_equal(nash_net_redraw(m, ds, &opts), NASH_OK);
    const nash_tensor *wide = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    assert_int_equal(wide->dims[0], 64);
    for (int64_t i = 0; i < 16 * filter; i++) {
        assert_true(fabsf(wide->data[i] - before[i]) < 1e-4F);
        assert_true(wide->data[16 * filter + i] == -wide->data[i]);
        assert_true(wide->data[48 * filter + i] !=
                        -wide->data[32 * filter + i] ||
                    wide->data[32 * filter + i] == 0.0F);
    }
    free(before);
    nash_model_free(m);
    nash_dataset_close(ds);
}

static void grey_images_are_whitened_by_a_layer_of_sixteen(void **state)
{
    (void)state;
    nash_dataset *ds;
    nash_model *m;
    nash_net_opts opts = nash_net_opts_default();
    nash_dataset_opts grey = nash_dataset_opts_default();
    opts.whiten = true;
    grey.channels = 1;
    nash_dataset_close(open_made("grey"));
    assert_int_equal(nash_dataset_open(&ds, made_path("grey"), &grey), NASH_OK);
    assert_int_equal(nash_net_for_data(&m, "start", ds, &opts), NASH_OK);
    const nash_tensor *filters = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    assert_int_equal(filters->dims[0], 16);
    assert_int_equal(filters->count, 16 * 3 * 3);
    nash_model_free(m);
    nash_dataset_close(ds);
}

static void
a_training_by_the_same_split_has_not_learned_what_validates(void **state)
{
    (void)state;
    nash_dataset *ds = open_made("learned");
    nash_train_opts opts = nash_train_opts_default();
    const nash_images *images;
    nash_model *m;
    assert_int_equal(nash_net_for_data(&m, "start", ds, NULL), NASH_OK);
    assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TRAIN),
                     NASH_OK);
    assert_false(nash_has_learned(m, ds, images->n - 1, opts.seed));
    assert_int_equal(nash_describe_training(m, &opts, images->n - 1, 0.0, NULL),
                     NASH_OK);
    assert_false(nash_has_learned(m, ds, images->n - 1, opts.seed));
    assert_true(nash_has_learned(m, ds, images->n - 1, opts.seed + 1));
    assert_true(nash_has_learned(m, ds, images->n - 2, opts.seed));
    opts.seed = UINT64_MAX;
    assert_int_equal(nash_describe_training(m, &opts, 1, 0.0, NULL), NASH_OK);
    assert_false(nash_has_learned(m, ds, 2, UINT64_MAX));
    assert_true(nash_has_learned(m, ds, 2, UINT64_MAX - 1));
    assert_int_equal(
        nash_model_set_meta(m, NASH_META_DATASET, "idx 0123456789abcdef"),
        NASH_OK);
    assert_false(nash_has_learned(m, ds, 2, UINT64_MAX - 1));
    nash_model_free(m);
    nash_dataset_close(ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_that_never_changes_is_only_shifted),
        cmocka_unit_test(redrawn_filters_whiten_what_the_network_normalises),
        cmocka_unit_test(a_widened_layer_keeps_its_whitening),
        cmocka_unit_test(grey_images_are_whitened_by_a_layer_of_sixteen),
        cmocka_unit_test(
            a_training_by_the_same_split_has_not_learned_what_validates),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
