/* The probe on all engines: moments and logits over many images, and what it
 * refuses. */
#include "engine_fixture.h"

#include "base/memory.h"
#include "engine/ref/ref.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROBE_IMAGES = 11, PROBE_BATCH = 4 }; /* 4 + 4 + 3 */

typedef struct probed {
    nash_model *m;
    nash_probe probe;
    float *pixels;
} probed;

static probed probe_of(uint64_t seed, nash_engine engine)
{
    probed p = {.m = random_model(seed, NULL)};
    nash_plan_opts opts = opts_of(engine, NASH_MODE_TRAIN, PROBE_BATCH);
    int64_t count = node_values(p.m, 0, PROBE_IMAGES);
    p.pixels = malloc((size_t)count * sizeof(float));
    random_pixels(p.pixels, count, seed);
    OK(nash_probe_open(&p.probe, p.pixels, PROBE_IMAGES,
                       nash_graph_input_shape(nash_model_graph(p.m)), &opts));
    return p;
}

static void probe_done(probed *p)
{
    nash_probe_close(&p->probe);
    nash_model_free(p->m);
    free(p->pixels);
}

/* A node's output over all images, batch by batch as the probe does it. */
static double *all_outputs(const probed *p, int32_t id)
{
    int64_t one = node_values(p->m, id, 1), pixels = node_values(p->m, 0, 1);
    double *values = malloc((size_t)(PROBE_IMAGES * one) * sizeof *values);
    for (int32_t at = 0; at < PROBE_IMAGES; at += PROBE_BATCH) {
        int32_t left = PROBE_IMAGES - at;
        int32_t n = left < PROBE_BATCH ? left : PROBE_BATCH;
        nash_plan_opts opts = opts_of(NASH_ENGINE_REF, NASH_MODE_STATS, n);
        nash_plan *plan;
        OK(nash_plan_create(&plan, p->m, &opts));
        memcpy(nash_plan_input(plan), p->pixels + at * pixels,
               (size_t)(n * pixels) * sizeof(float));
        OK(nash_plan_forward(plan));
        memcpy(values + at * one, ni_ref_output(plan, id),
               (size_t)(n * one) * sizeof *values);
        nash_plan_free(plan);
    }
    return values;
}

/* Mean and biased variance of channel c in [PROBE_IMAGES,c,h,w]. */
static void plain_moments(const double *values, nash_shape s, int32_t c,
                          double *mean, double *var)
{
    int64_t plane = (int64_t)s.h * s.w;
    *mean = *var = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < PROBE_IMAGES * plane; i++) {
            double x = values[(i / plane * s.c + c) * plane + i % plane];
            double add = pass == 0 ? x : (x - *mean) * (x - *mean);
            *(pass == 0 ? mean : var) += add / (double)(PROBE_IMAGES * plane);
        }
    }
}

static void check_moments(const probed *p, int32_t id, uint64_t seed)
{
    nash_shape s = nash_graph_node(nash_model_graph(p->m), id)->shape;
    double *values = all_outputs(p, id);
    double mean[512], var[512];
    assert_true(s.c <= 512);
    OK(p->probe.moments(p->probe.ctx, p->m, id, mean, var));
    for (int32_t c = 0; c < s.c; c++) {
        double want_mean, want_var;
        plain_moments(values, s, c, &want_mean, &want_var);
        double size = fabs(want_mean) + sqrt(want_var) + 1e-3;
        if (fabs(mean[c] - want_mean) > 2e-4 * size ||
            fabs(var[c] - want_var) > 2e-4 * size * size)
            fail_msg("seed %llu, node %d, channel %d: mean %g, var %g, "
                     "expected %g and %g",
                     (unsigned long long)seed, id, c, mean[c], var[c],
                     want_mean, want_var);
    }
    free(values);
}

static void moments_are_those_of_all_images(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (uint64_t seed = 30; seed < 34; seed++) {
            probed p = probe_of(seed, engines[i]);
            uint64_t before = nash_model_hash(p.m);
            int32_t size = nash_graph_size(nash_model_graph(p.m));
            for (int32_t id = 0; id < size - 1; id++)
                check_moments(&p, id, seed);
            assert_true(nash_model_hash(p.m) == before);
            probe_done(&p);
        }
    }
}

static void check_logits(const probed *p, bool training, uint64_t seed)
{
    int32_t softmax = nash_graph_size(nash_model_graph(p->m)) - 1;
    int32_t id = nash_graph_input(nash_model_graph(p->m), softmax, 0);
    int64_t count = node_values(p->m, id, PROBE_IMAGES);
    float *got = malloc((size_t)count * sizeof *got);
    double *want = all_outputs(p, id), off = 0, largest = 0;
    OK(p->probe.logits(p->probe.ctx, p->m, training, got));
    for (int64_t i = 0; i < count; i++) {
        off = fmax(off, fabs((double)got[i] - want[i]));
        largest = fmax(largest, fabs(want[i]));
    }
    free(want);
    free(got);
    if ((off <= 1e-3 * largest) != training)
        fail_msg("seed %llu: logits are off by %g of %g",
                 (unsigned long long)seed, off, largest);
}

static void probe_logits_normalise_as_asked(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (uint64_t seed = 30; seed < 34; seed++) {
            probed p = probe_of(seed, engines[i]);
            check_logits(&p, true, seed);
            check_logits(&p, false, seed);
            probe_done(&p);
        }
    }
}

static void probes_refuse_what_does_not_fit(void **state)
{
    (void)state;
    probed p = probe_of(30, NASH_ENGINE_REF);
    nash_shape in = nash_graph_input_shape(nash_model_graph(p.m));
    nash_plan_opts opts = opts_of(NASH_ENGINE_REF, NASH_MODE_TRAIN, 2);
    nash_probe probe;
    double mean[64], var[64];
    assert_int_equal(nash_probe_open(&probe, p.pixels, 0, in, &opts),
                     NASH_EINVAL);
    in.h--;
    OK(nash_probe_open(&probe, p.pixels, 2, in, &opts));
    assert_int_equal(probe.moments(probe.ctx, p.m, 1, mean, var), NASH_ESHAPE);
    assert_int_equal(p.probe.moments(p.probe.ctx, p.m, 9999, mean, var),
                     NASH_EINVAL);
    nash_probe_close(&probe);
    probe_done(&p);
}

static void probes_survive_any_failed_allocation(void **state)
{
    (void)state;
    probed p = probe_of(31, NASH_ENGINE_REF);
    nash_shape in = nash_graph_input_shape(nash_model_graph(p.m));
    nash_plan_opts opts = opts_of(NASH_ENGINE_REF, NASH_MODE_TRAIN, 3);
    nash_status status = NASH_ENOMEM;
    for (int64_t allowed = 0; status != NASH_OK; allowed++) {
        nash_probe probe;
        double mean[64], var[64];
        int64_t blocks = ni_memory_live_blocks();
        ni_memory_fail_after(allowed);
        status = nash_probe_open(&probe, p.pixels, PROBE_IMAGES, in, &opts);
        if (status == NASH_OK)
            status = probe.moments(probe.ctx, p.m, 2, mean, var);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        nash_probe_close(&probe);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    probe_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_those_of_all_images),
        cmocka_unit_test(probe_logits_normalise_as_asked),
        cmocka_unit_test(probes_refuse_what_does_not_fit),
        cmocka_unit_test(probes_survive_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
