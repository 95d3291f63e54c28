/* Batches: order, augmentation, keys; splits and moments. */
#include "base/memory.h"

#include <math.h>
#include <nash/batch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 40, C = 3, H = 6, W = 9, SIZE = C * H * W, CLASSES = 4 };

static uint8_t pixels[N * SIZE];
static int32_t labels[N];
static const float mean[C] = {-1.0f, -2.0f, -3.0f};
static const nash_batch_key key = {.seed = 7, .step = 3, .epoch = 2};

/* A pixel's value names its column and row, so that its source is visible. */
static nash_images made_images(void)
{
    for (int i = 0; i < N; i++) {
        labels[i] = i % CLASSES;
        for (int k = 0; k < SIZE; k++)
            pixels[i * SIZE + k] = (uint8_t)(k + i);
    }
    return (nash_images){.shape = {C, H, W},
                         .n = N,
                         .classes = CLASSES,
                         .pixels = pixels,
                         .labels = labels};
}

static float source(int i, int c, int y, int x)
{
    return y < 0 || y >= H || x < 0 || x >= W
               ? mean[c]
               : pixels[i * SIZE + (c * H + y) * W + x];
}

static float at(const float *image, int c, int y, int x)
{
    return image[(c * H + y) * W + x];
}

static void fill_one(float *dst, int32_t image, const nash_augment *a,
                     const nash_batch_key *k)
{
    nash_images images = made_images();
    int32_t label = -1;
    nash_batch_fill(dst, &label, &images, &image, 1, a, mean, k);
    assert_int_equal(label, image % CLASSES);
}

/* Whether dst is image i shifted and perhaps mirrored. */
static bool shows(const float *dst, int i, int dy, int dx, bool flip)
{
    for (int c = 0; c < C; c++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                int column = flip ? W - 1 - x : x;
                if (at(dst, c, y, x) != source(i, c, y + dy, column + dx))
                    return false;
            }
    return true;
}

static void without_augmentation_pixels_are_copied(void **state)
{
    (void)state;
    nash_images images = made_images();
    static float dst[3 * SIZE];
    int32_t index[] = {5, 0, 39}, got[3];
    nash_batch_fill(dst, got, &images, index, 3, NULL, NULL, &key);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(got[i], index[i] % CLASSES);
        assert_true(shows(dst + i * SIZE, index[i], 0, 0, false));
    }
}

static void every_crop_is_a_shift_with_the_mean_around(void **state)
{
    (void)state;
    const nash_augment a = {.pad = 2};
    bool seen[5][5] = {{false}};
    for (uint32_t epoch = 0; epoch < 20; epoch++)
        for (int i = 0; i < N; i++) {
            float dst[SIZE];
            nash_batch_key k = {.seed = 1, .epoch = epoch};
            int matches = 0;
            fill_one(dst, i, &a, &k);
            for (int dy = -2; dy <= 2; dy++)
                for (int dx = -2; dx <= 2; dx++)
                    if (shows(dst, i, dy, dx, false)) {
                        matches++;
                        seen[dy + 2][dx + 2] = true;
                    }
            assert_int_equal(matches, 1);
        }
    for (int k = 0; k < 25; k++)
        assert_true(seen[k / 5][k % 5]);
}

static void a_crop_may_be_wider_than_the_image(void **state)
{
    (void)state;
    const nash_augment a = {.pad = 40, .flip = true};
    int empty = 0;
    for (int i = 0; i < N; i++) {
        float dst[SIZE];
        bool found = false;
        fill_one(dst, i, &a, &key);
        for (int dy = -40; dy <= 40 && !found; dy++)
            for (int dx = -40; dx <= 40 && !found; dx++)
                found =
                    shows(dst, i, dy, dx, false) || shows(dst, i, dy, dx, true);
        assert_true(found);
        empty += at(dst, 0, 0, 0) == mean[0];
    }
    assert_true(empty > N / 2);
}

static bool is_flipped(int i, const nash_augment *a, const nash_batch_key *k)
{
    float dst[SIZE];
    fill_one(dst, i, a, k);
    bool flipped = shows(dst, i, 0, 0, true);
    assert_int_equal(shows(dst, i, 0, 0, false), !flipped);
    return flipped;
}

static void about_half_of_the_images_are_mirrored(void **state)
{
    (void)state;
    const nash_augment a = {.flip = true};
    int flipped = 0, changed = 0;
    for (uint32_t epoch = 0; epoch < 25; epoch++)
        for (int i = 0; i < N; i++) {
            nash_batch_key k = {.seed = 11, .epoch = epoch};
            nash_batch_key next = {.seed = 11, .epoch = epoch + 1};
            bool now = is_flipped(i, &a, &k);
            flipped += now;
            changed += now != is_flipped(i, &a, &next);
        }
    /* 1000 draws: six standard deviations are 95 */
    assert_in_range(flipped, 405, 595);
    assert_in_range(changed, 405, 595);
}

static void alternate_mirroring_is_inverted_every_epoch(void **state)
{
    (void)state;
    const nash_augment a = {.flip = true, .alternate = true};
    int flipped = 0;
    for (int i = 0; i < N; i++) {
        nash_batch_key k = {.seed = 5, .step = 1};
        bool first = is_flipped(i, &a, &k);
        flipped += first;
        for (k.epoch = 1; k.epoch < 5; k.epoch++)
            assert_int_equal(is_flipped(i, &a, &k), first ^ (k.epoch & 1));
    }
    assert_in_range(flipped, 5, 35);
}

static void cutout_hides_one_square(void **state)
{
    (void)state;
    const nash_augment a = {.cutout = 3};
    int whole = 0;
    for (int i = 0; i < N; i++) {
        float dst[SIZE];
        int hidden = 0, top = H, bottom = -1, left = W, right = -1;
        fill_one(dst, i, &a, &key);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                bool hides = at(dst, 0, y, x) == mean[0];
                for (int c = 0; c < C; c++)
                    assert_true(at(dst, c, y, x) ==
                                (hides ? mean[c] : source(i, c, y, x)));
                if (!hides)
                    continue;
                hidden++;
                top = y < top ? y : top;
                bottom = y > bottom ? y : bottom;
                left = x < left ? x : left;
                right = x > right ? x : right;
            }
        assert_in_range(hidden, 4, 9); /* clipped at the image's edge */
        assert_int_equal(hidden, (bottom - top + 1) * (right - left + 1));
        whole += hidden == 9;
    }
    assert_true(whole > N / 4);
}

static void a_draw_depends_on_the_image_and_not_on_its_place(void **state)
{
    (void)state;
    const nash_augment a = {.pad = 3, .flip = true, .cutout = 2};
    nash_images images = made_images();
    static float together[N * SIZE];
    int32_t index[N], got[N];
    float alone[SIZE];
    for (int i = 0; i < N; i++)
        index[i] = (i * 7) % N;
    nash_batch_fill(together, got, &images, index, N, &a, mean, &key);
    for (int i = 0; i < N; i++) {
        fill_one(alone, index[i], &a, &key);
        assert_memory_equal(alone, together + i * SIZE, sizeof alone);
    }
}

static int count_differences(const nash_batch_key *x, const nash_batch_key *y)
{
    const nash_augment a = {.pad = 3, .flip = true};
    int differences = 0;
    for (int i = 0; i < N; i++) {
        float one[SIZE], other[SIZE];
        fill_one(one, i, &a, x);
        fill_one(other, i, &a, y);
        differences += memcmp(one, other, sizeof one) != 0;
    }
    return differences;
}

static void equal_keys_give_equal_bits_and_others_do_not(void **state)
{
    (void)state;
    nash_batch_key other = key;
    assert_int_equal(count_differences(&key, &other), 0);
    other.seed++;
    assert_true(count_differences(&key, &other) > N * 3 / 4);
    other = key;
    other.seed += (uint64_t)1 << 40;
    assert_true(count_differences(&key, &other) > N * 3 / 4);
    other = key;
    other.step++;
    assert_true(count_differences(&key, &other) > N * 3 / 4);
    other = key;
    other.epoch++;
    assert_true(count_differences(&key, &other) > N * 3 / 4);
}

static void switching_on_cutout_moves_no_crop(void **state)
{
    (void)state;
    const nash_augment without = {.pad = 3, .flip = true};
    const nash_augment with = {.pad = 3, .flip = true, .cutout = 2};
    for (int i = 0; i < N; i++) {
        float plain[SIZE], cut[SIZE];
        int hidden = 0;
        fill_one(plain, i, &without, &key);
        fill_one(cut, i, &with, &key);
        for (int k = 0; k < SIZE; k++)
            hidden += plain[k] != cut[k];
        assert_in_range(hidden, 0, 4 * C);
    }
}

static void an_order_is_a_permutation_named_by_its_key(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    int32_t index[MANY], first[MANY], again[MANY], next[MANY];
    bool seen[MANY] = {false};
    nash_batch_key later = key;
    int fixed = 0, same = 0;
    later.epoch++;
    for (int i = 0; i < MANY; i++)
        index[i] = 3 * i;
    nash_batch_order(first, index, MANY, &key);
    memcpy(again, index, sizeof again);
    nash_batch_order(again, again, MANY, &key); /* in place */
    assert_memory_equal(first, again, sizeof first);
    nash_batch_order(next, index, MANY, &later);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(first[i] % 3, 0);
        assert_false(seen[first[i] / 3]);
        seen[first[i] / 3] = true;
        fixed += first[i] == index[i];
        same += first[i] == next[i];
    }
    assert_true(fixed < 10);
    assert_true(same < 10);
}

/* The bits of a draw are part of what a run's seed means. */
static void known_keys_give_known_batches(void **state)
{
    (void)state;
    const nash_augment a = {.pad = 4, .flip = true};
    static const struct {
        int dy, dx;
        bool flip;
    } known[] = {{3, 1, false}, {-2, 1, true}, {3, 0, true}, {-1, -3, true}};
    for (int i = 0; i < 4; i++) {
        float dst[SIZE];
        fill_one(dst, i, &a, &key);
        assert_true(shows(dst, i, known[i].dy, known[i].dx, known[i].flip));
    }
}

/* ---- splits and moments ------------------------------------------------ */

static void assert_ascending(const int32_t *index, int32_t n)
{
    for (int32_t i = 1; i < n; i++)
        assert_true(index[i - 1] < index[i]);
}

/* Of images without keys, n of them on the first side. */
static nash_status split(int32_t *first, int32_t n, int32_t *second,
                         const int32_t *kind, int32_t images, int32_t kinds,
                         uint64_t seed)
{
    int32_t n_first = n;
    nash_status status =
        nash_split(first, &n_first, second, kind, NULL, images, kinds, seed);
    if (status == NASH_OK)
        assert_int_equal(n_first, n);
    return status;
}

static void a_split_is_exact_and_stratified(void **state)
{
    (void)state;
    enum { MANY = 997, KINDS = 7 };
    int32_t kind[MANY], first[MANY], second[MANY], total[KINDS] = {0};
    for (int32_t i = 0; i < MANY; i++) {
        kind[i] = i * i % KINDS; /* unequal classes, one of them empty */
        total[kind[i]]++;
    }
    for (int32_t n = 83; n < MANY - 83; n += 83) {
        int32_t count[KINDS] = {0};
        bool seen[MANY] = {false};
        assert_int_equal(split(first, n, second, kind, MANY, KINDS, 42),
                         NASH_OK);
        assert_ascending(first, n);
        assert_ascending(second, MANY - n);
        for (int32_t i = 0; i < n; i++) {
            seen[first[i]] = true;
            count[kind[first[i]]]++;
        }
        for (int32_t i = 0; i < MANY - n; i++) {
            assert_false(seen[second[i]]);
            seen[second[i]] = true;
        }
        for (int32_t i = 0; i < MANY; i++)
            assert_true(seen[i]);
        for (int32_t k = 0; k < KINDS; k++)
            assert_true(fabs(count[k] - (double)total[k] * n / MANY) < 1.0);
    }
}

static void a_split_is_named_by_its_seed(void **state)
{
    (void)state;
    int32_t kind[100], a[100], b[100], rest[100];
    for (int32_t i = 0; i < 100; i++)
        kind[i] = i % 2;
    assert_int_equal(split(a, 50, rest, kind, 100, 2, 1), NASH_OK);
    assert_int_equal(split(b, 50, rest, kind, 100, 2, 1), NASH_OK);
    assert_memory_equal(a, b, 50 * sizeof *a);
    assert_int_equal(split(b, 50, rest, kind, 100, 2, 2), NASH_OK);
    assert_memory_not_equal(a, b, 50 * sizeof *a);
}

static void impossible_splits_are_refused(void **state)
{
    (void)state;
    int32_t kind[4] = {0, 1, 2, 1}, first[4], second[4];
    assert_int_equal(split(first, 5, second, kind, 4, 3, 0), NASH_EINVAL);
    assert_int_equal(split(first, -1, second, kind, 4, 3, 0), NASH_EINVAL);
    assert_int_equal(split(first, 2, second, kind, 4, 2, 0), NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), "label 2, expected 0 .. 1"));
}

static void splitting_survives_running_out_of_memory(void **state)
{
    (void)state;
    int32_t kind[4] = {0, 1, 0, 1}, first[4], second[4];
    int64_t blocks = ni_memory_live_blocks(), n = 0;
    nash_status status = NASH_ENOMEM;
    for (; status == NASH_ENOMEM; n++) {
        ni_memory_fail_after(n);
        status = split(first, 2, second, kind, 4, 2, 0);
        ni_memory_fail_after(-1);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_int_equal(status, NASH_OK);
    assert_true(n > 2);
}

static void moments_are_those_of_the_chosen_images(void **state)
{
    (void)state;
    uint8_t values[] = {0, 100, 50, 50, 200, 200, 10, 20};
    nash_images images = {.shape = {2, 1, 2}, .n = 2, .pixels = values};
    int32_t second = 1;
    float m[2], s[2];
    nash_images_moments(&images, NULL, 0, m, s);
    assert_true(m[0] == 125.0f && m[1] == 32.5f);
    assert_true(fabsf(s[0] - 82.915620f) < 1e-4f);
    nash_images_moments(&images, &second, 1, m, s);
    assert_true(m[0] == 200.0f && s[0] == 0.0f);
    assert_true(m[1] == 15.0f && s[1] == 5.0f);
}

/* 255 everywhere is what overflows first. */
static void moments_of_white_images_are_exact(void **state)
{
    (void)state;
    enum { SIDE = 400 };
    uint8_t *white = malloc(SIDE * SIDE);
    float m, s;
    assert_non_null(white);
    memset(white, 255, SIDE * SIDE);
    nash_images images = {.shape = {1, SIDE, SIDE}, .n = 1, .pixels = white};
    nash_images_moments(&images, NULL, 0, &m, &s);
    assert_true(m == 255.0f && s == 0.0f);
    free(white);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_augmentation_pixels_are_copied),
        cmocka_unit_test(every_crop_is_a_shift_with_the_mean_around),
        cmocka_unit_test(a_crop_may_be_wider_than_the_image),
        cmocka_unit_test(about_half_of_the_images_are_mirrored),
        cmocka_unit_test(alternate_mirroring_is_inverted_every_epoch),
        cmocka_unit_test(cutout_hides_one_square),
        cmocka_unit_test(a_draw_depends_on_the_image_and_not_on_its_place),
        cmocka_unit_test(equal_keys_give_equal_bits_and_others_do_not),
        cmocka_unit_test(switching_on_cutout_moves_no_crop),
        cmocka_unit_test(an_order_is_a_permutation_named_by_its_key),
        cmocka_unit_test(known_keys_give_known_batches),
        cmocka_unit_test(a_split_is_exact_and_stratified),
        cmocka_unit_test(a_split_is_named_by_its_seed),
        cmocka_unit_test(impossible_splits_are_refused),
        cmocka_unit_test(splitting_survives_running_out_of_memory),
        cmocka_unit_test(moments_are_those_of_the_chosen_images),
        cmocka_unit_test(moments_of_white_images_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
