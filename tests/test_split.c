/* Hold-outs and splits: every class gives its share, by seed or by key. */
#include "made_data.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_holdout_is_stratified_and_named_by_its_seed(void **state)
{
    (void)state;
    made_cifar(made_path("no-test/data_batch_1.bin"), 0, 100, 1, 10);
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.holdout = 0.2;
    nash_dataset *ds = made_open(made_path("no-test"), &opts);
    nash_dataset *again = made_open(made_path("no-test"), &opts);
    opts.seed = 1;
    nash_dataset *other = made_open(made_path("no-test"), &opts);
    const nash_images *train = made_part(ds, NASH_PART_TRAIN);
    const nash_images *test = made_part(ds, NASH_PART_TEST);
    int32_t count[10] = {0};
    assert_true(nash_dataset_is_holdout(ds));
    assert_int_equal(train->n, 80);
    assert_int_equal(test->n, 20);
    for (int32_t i = 0; i < test->n; i++)
        count[test->labels[i]]++;
    for (int32_t k = 0; k < 10; k++)
        assert_int_equal(count[k], 2);
    assert_int_equal(nash_dataset_hash(ds), nash_dataset_hash(again));
    assert_int_not_equal(nash_dataset_hash(ds), nash_dataset_hash(other));
    nash_dataset_close(ds);
    nash_dataset_close(again);
    nash_dataset_close(other);
}

/* Labels 0 0 0 1 0 0 0 1 ...: three quarters and one. */
static void label_unevenly(int32_t *labels, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        labels[i] = i % 4 == 3;
}

/* Of images without keys. */
static nash_status split(int32_t *first, int32_t n_first, int32_t *second,
                         const int32_t *labels, int32_t n, int32_t classes,
                         uint64_t seed)
{
    return nash_split(first, &n_first, second, labels, NULL, n, classes, seed);
}

static void a_split_gives_every_class_its_share(void **state)
{
    (void)state;
    enum { N = 40 };
    int32_t labels[N], first[N], second[N];
    label_unevenly(labels, N);
    for (int32_t n_first = 3; n_first < N - 1; n_first++) {
        int32_t seen[N] = {0}, ones = 0;
        assert_int_equal(split(first, n_first, second, labels, N, 2, 5),
                         NASH_OK);
        for (int32_t i = 0; i < n_first; i++) {
            assert_true(i == 0 || first[i] > first[i - 1]);
            seen[first[i]]++;
            ones += labels[first[i]];
        }
        for (int32_t i = 0; i < N - n_first; i++) {
            assert_true(i == 0 || second[i] > second[i - 1]);
            seen[second[i]]++;
        }
        for (int32_t i = 0; i < N; i++)
            assert_int_equal(seen[i], 1);
        /* n_first / 4, the half going to the lower class */
        assert_int_equal(ones, (n_first + 1) / 4);
    }
}

static void a_split_is_named_by_its_seed_class_by_class(void **state)
{
    (void)state;
    enum { N = 40 };
    int32_t labels[N], a[N], b[N], rest[N];
    label_unevenly(labels, N);
    assert_int_equal(split(a, 20, rest, labels, N, 2, 5), NASH_OK);
    assert_int_equal(split(b, 20, rest, labels, N, 2, 5), NASH_OK);
    assert_memory_equal(a, b, 20 * sizeof *a);
    assert_int_equal(split(b, 20, rest, labels, N, 2, 6), NASH_OK);
    assert_memory_not_equal(a, b, 20 * sizeof *a);
    /* a third class takes nothing from the draws of the others */
    int32_t more[N + 8];
    memcpy(more, labels, sizeof labels);
    for (int32_t i = N; i < N + 8; i++)
        more[i] = 2;
    int32_t c[N + 8], others[N + 8];
    assert_int_equal(split(c, 24, others, more, N + 8, 3, 5), NASH_OK);
    assert_memory_equal(a, c, 20 * sizeof *a);
    /* classes of one size are drawn differently */
    bool alike = true;
    for (int32_t i = 0; i < N; i++)
        labels[i] = i / 20;
    assert_int_equal(split(a, 20, rest, labels, N, 2, 5), NASH_OK);
    for (int32_t i = 0; i < 10; i++)
        alike = alike && a[i] + 20 == a[10 + i];
    assert_false(alike);
}

static void a_split_that_cannot_be_is_refused(void **state)
{
    (void)state;
    int32_t labels[] = {0, 1, 2}, first[3], second[3];
    assert_int_equal(split(first, 0, second, labels, 0, 3, 1), NASH_EINVAL);
    assert_int_equal(split(first, -1, second, labels, 3, 3, 1), NASH_EINVAL);
    assert_int_equal(split(first, 4, second, labels, 3, 3, 1), NASH_EINVAL);
    assert_int_equal(split(first, 1, second, labels, 3, 0, 1), NASH_EINVAL);
    assert_int_equal(split(first, 1, second, labels, 3, 2, 1), NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), "image 2 has label 2"));
    labels[0] = -1;
    assert_int_equal(split(first, 1, second, labels, 3, 3, 1), NASH_EINVAL);
}

static void keys_rank_the_images_of_a_class(void **state)
{
    (void)state;
    enum { N = 40 };
    int32_t labels[N + 1], first[N + 1], second[N + 1], n_first = 30;
    bool was[N + 1] = {false};
    uint64_t keys[N + 1];
    label_unevenly(labels, N);
    for (int32_t i = 0; i < N; i++)
        keys[i] = (uint64_t)(i * 17 % N);
    assert_int_equal(nash_split(first, &n_first, second, labels, keys, N, 2, 0),
                     NASH_OK);
    assert_int_equal(n_first, 30);
    for (int32_t i = 0; i < N - n_first; i++)
        was[second[i]] = true;
    for (int32_t i = 0; i < N; i++)
        for (int32_t k = 0; k < N; k++)
            if (labels[i] == labels[k] && was[i] && !was[k])
                assert_true(keys[i] > keys[k]);
    /* another image, at any place in the ranks, moves one of a class at most */
    for (int32_t key = -1; key <= N; key++) {
        int32_t moved[2] = {0};
        labels[N] = 0;
        for (int32_t i = 0; i < N; i++)
            keys[i] = (uint64_t)(2 * (i * 17 % N) + 2);
        keys[N] = (uint64_t)(2 * key + 3);
        n_first = 31;
        assert_int_equal(
            nash_split(first, &n_first, second, labels, keys, N + 1, 2, 0),
            NASH_OK);
        bool is[N + 1] = {false};
        for (int32_t i = 0; i < N + 1 - n_first; i++)
            is[second[i]] = true;
        for (int32_t i = 0; i < N; i++)
            moved[labels[i]] += is[i] != was[i];
        assert_in_range(moved[0], 0, 1);
        assert_in_range(moved[1], 0, 1);
    }
}

static void count_part(int32_t *counts, nash_dataset *ds, nash_part part)
{
    const nash_images *images = made_part(ds, part);
    for (int32_t i = 0; i < images->n; i++)
        counts[images->labels[i]]++;
}

static void small_classes_are_on_either_side_of_a_holdout(void **state)
{
    (void)state;
    static const int32_t sizes[] = {1, 2, 3, 4, 6, 40};
    enum { CLASSES = 6 };
    for (int k = 0; k < CLASSES; k++) {
        const char name[] = {(char)('a' + k), '\0'};
        const char *const names[] = {name, NULL};
        made_classes("rare", names, sizes[k], (nash_shape){1, 4, 4});
    }
    nash_dataset *ds = made_open(made_path("rare"), NULL);
    int32_t train[CLASSES] = {0}, test[CLASSES] = {0};
    count_part(train, ds, NASH_PART_TRAIN);
    count_part(test, ds, NASH_PART_TEST);
    for (int k = 0; k < CLASSES; k++) {
        assert_int_equal(train[k] + test[k], sizes[k]);
        assert_int_equal(test[k], sizes[k] == 1 ? 0 : sizes[k] == 40 ? 6 : 1);
    }
    nash_dataset_close(ds);
}

static void of_classes_of_one_image_each_some_are_held_out(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", NULL};
    made_classes("lone", names, 1, (nash_shape){1, 4, 4});
    nash_dataset *ds = made_open(made_path("lone"), NULL);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 2);
    assert_int_equal(made_part(ds, NASH_PART_TEST)->n, 1);
    nash_dataset_close(ds);
}

static void without_test_set_and_holdout_there_is_no_test_part(void **state)
{
    (void)state;
    const nash_images *images;
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.holdout = 0.0;
    nash_dataset *ds = made_open(made_path("no-test"), &opts);
    assert_int_equal(made_part(ds, NASH_PART_TRAIN)->n, 100);
    assert_int_equal(nash_dataset_images(&images, ds, NASH_PART_TEST),
                     NASH_ENOTFOUND);
    nash_dataset_close(ds);
}

/* Broken test files may do no harm before they are asked for. */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_holdout_is_stratified_and_named_by_its_seed),
        cmocka_unit_test(a_split_gives_every_class_its_share),
        cmocka_unit_test(a_split_is_named_by_its_seed_class_by_class),
        cmocka_unit_test(a_split_that_cannot_be_is_refused),
        cmocka_unit_test(keys_rank_the_images_of_a_class),
        cmocka_unit_test(small_classes_are_on_either_side_of_a_holdout),
        cmocka_unit_test(of_classes_of_one_image_each_some_are_held_out),
        cmocka_unit_test(without_test_set_and_holdout_there_is_no_test_part),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
