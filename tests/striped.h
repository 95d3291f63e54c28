#ifndef TESTS_STRIPED_H
#define TESTS_STRIPED_H

/* A data set and a network for tests: striped images that a handful of
 * channels tell apart. */

#include "base/rng.h"

#include <nash/train.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka compares floats only. */
static inline void assert_close(double a, double b, double apart)
{
    if (!(fabs(a - b) <= apart))
        print_error("%.17g and %.17g are more than %g apart\n", a, b, apart);
    assert_true(fabs(a - b) <= apart);
}

enum { SIDE = 8, CLASSES = 3, MOST = 96, PIXELS = SIDE * SIDE };

typedef struct toy {
    nash_images images;
    uint8_t pixels[MOST * PIXELS];
    int32_t labels[MOST];
    int32_t index[MOST];
} toy;

/* Class 0: rows, 1: columns, 2: checks; in noise, at either phase. */
static inline void make_toy(toy *t)
{
    ni_rng rng = ni_rng_make(3, NI_RNG_TEST, 0, 0);
    for (int32_t i = 0; i < MOST; i++) {
        int32_t k = i % CLASSES, phase = (int32_t)ni_rng_below(&rng, 2);
        t->labels[i] = k;
        t->index[i] = i;
        for (int32_t at = 0; at < PIXELS; at++) {
            int32_t y = at / SIDE, x = at % SIDE;
            int32_t on = (k == 0 ? y : k == 1 ? x : x + y) + phase;
            t->pixels[i * PIXELS + at] =
                (uint8_t)(on % 2 * 90 + (int32_t)ni_rng_below(&rng, 160));
        }
    }
    t->images = (nash_images){.shape = {1, SIDE, SIDE},
                              .n = MOST,
                              .classes = CLASSES,
                              .pixels = t->pixels,
                              .labels = t->labels};
}

static inline nash_model *small_net(uint64_t seed)
{
    nash_model *m;
    nash_net_opts opts = nash_net_opts_default();
    opts.input = (nash_shape){1, SIDE, SIDE};
    opts.classes = CLASSES;
    opts.mean[0] = 124.0F;
    opts.std[0] = 64.0F;
    opts.widths[0] = 6;
    opts.widths[1] = opts.widths[2] = 8;
    opts.seed = seed;
    assert_int_equal(nash_net_start(&m, &opts), NASH_OK);
    return m;
}

static inline nash_plan_opts judge_opts(nash_engine engine)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = engine;
    opts.precision = NASH_PRECISION_F32;
    opts.batch = 16;
    return opts;
}

#endif
