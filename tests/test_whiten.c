/* Whitening: patches become uncorrelated. */
#include <nash/dataset.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOISE_IMAGES = 60, NOISE_SIDE = 12, PATCH = 12 }; /* 3 x 2 x 2 */

/* Colours that go together, neighbours too, and one that varies little. */
static void make_correlated(uint8_t *pixels)
{
    uint32_t state = 1;
    int plane = NOISE_SIDE * NOISE_SIDE;
    for (int i = 0; i < NOISE_IMAGES; i++)
        for (int k = 0, last = 128; k < plane; k++) {
            uint8_t *at = pixels + i * 3 * plane + k;
            state = state * 1664525U + 1013904223U;
            last = (last + (int)(state >> 24)) / 2;
            at[0] = (uint8_t)last;
            at[plane] = (uint8_t)((last + (int)(state >> 16 & 255)) / 2);
            at[2 * plane] = (uint8_t)(100 + (state >> 8 & 31));
        }
}

/* What filter f gives at a place of image i. */
static double respond(const nash_images *images, const float *filter,
                      const float *mean, const float *std, int at)
{
    int places = (NOISE_SIDE - 1) * (NOISE_SIDE - 1), place = at % places;
    int y = place / (NOISE_SIDE - 1), x = place % (NOISE_SIDE - 1);
    double sum = 0.0;
    for (int k = 0; k < PATCH; k++) {
        int c = k / 4, row = y + k / 2 % 2, column = x + k % 2;
        int64_t pixel = ((int64_t)(at / places) * 3 + c) * NOISE_SIDE + row;
        double value = images->pixels[pixel * NOISE_SIDE + column];
        sum += (double)filter[k] * (value - (double)mean[c]) / (double)std[c];
    }
    return sum;
}

static void whitening_makes_patches_uncorrelated(void **state)
{
    (void)state;
    static uint8_t pixels[NOISE_IMAGES * 3 * NOISE_SIDE * NOISE_SIDE];
    nash_images images = {.n = NOISE_IMAGES,
                          .shape = {3, NOISE_SIDE, NOISE_SIDE},
                          .pixels = pixels};
    float mean[3], std[3], filters[PATCH * PATCH];
    double sums[PATCH] = {0}, products[PATCH][PATCH] = {{0}}, y[PATCH];
    int n = NOISE_IMAGES * (NOISE_SIDE - 1) * (NOISE_SIDE - 1);
    make_correlated(pixels);
    nash_images_moments(&images, NULL, NOISE_IMAGES, mean, std);
    assert_int_equal(nash_images_whitening(filters, &images, mean, std, 2),
                     NASH_OK);
    for (int at = 0; at < n; at++)
        for (int f = 0; f < PATCH; f++) {
            y[f] = respond(&images, filters + f * PATCH, mean, std, at);
            sums[f] += y[f];
            for (int g = 0; g <= f; g++)
                products[f][g] += y[f] * y[g];
        }
    for (int f = 0; f < PATCH; f++)
        for (int g = 0; g <= f; g++) {
            double covariance =
                products[f][g] / n - sums[f] / n * (sums[g] / n);
            assert_true(fabs(covariance - (f == g)) < (f == g ? 0.05 : 1e-5));
        }
}

static void whitening_refuses_patches_larger_than_the_images(void **state)
{
    (void)state;
    static uint8_t pixels[3 * 4 * 2];
    nash_images images = {.n = 1, .shape = {3, 4, 2}, .pixels = pixels};
    float one[3] = {1, 1, 1}, filters[27 * 27];
    assert_int_equal(nash_images_whitening(filters, &images, one, one, 3),
                     NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), "4 x 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitening_makes_patches_uncorrelated),
        cmocka_unit_test(whitening_refuses_patches_larger_than_the_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
