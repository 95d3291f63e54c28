/*
 * The fast engine against the oracle, over random networks: logits, every
 * gradient, running statistics, watched nodes.
 *
 * Distances are relative: |got - want| / |want| in the Euclidean norm, so that
 * the rare ReLU or maximum that rounding tips over counts by its weight. What
 * is compared against a vanishing number (the gradient of a bias before a
 * batch normalisation is 0) is measured against 1 % of the network's whole
 * gradient. float32 differs by its rounding, amplified by depth; bf16 has 8
 * bits, and is judged as a whole.
 */
#include "random_graph.h"

#include "base/memory.h"
#include "engine/engine.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(call)                                                               \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

enum { BATCH = 6 };

/* Largest allowed distances. */
typedef struct bounds {
    double logits;
    double gradient; /* of each tensor */
    double whole;    /* gradient of the network as one vector */
    double running;  /* statistics */
} bounds;

static const bounds float_bounds = {5e-6, 2e-3, 1e-4, 2e-6};
static const bounds bf16_bounds = {0.05, 1.5, 0.3, 0.05};

/* NASH_SEED in the environment moves all seeds, for longer searches. */
static uint64_t first_seed(void)
{
    const char *text = getenv("NASH_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

/* One network on both engines, each with its own copy of the model. */
typedef struct pair {
    uint64_t seed;
    nash_model *m[2];
    const nash_graph *g;
    nash_plan *plan[2]; /* ref, oneDNN */
    int64_t n_logits;
} pair;

enum { REF, FAST };

static int64_t node_values(const nash_graph *g, int32_t id)
{
    nash_shape s = nash_graph_node(g, id)->shape;
    return (int64_t)BATCH * s.c * s.h * s.w;
}

/* False if this chip cannot compute in that precision. */
static bool pair_open(pair *p, uint64_t seed, const nash_plan_opts *opts)
{
    random_graph_opts shape = random_graph_opts_default();
    shape.exotic = seed % 3 != 0;
    shape.nodes = 5 + (int32_t)(seed % 16);
    *p = (pair){.seed = seed};
    for (int i = REF; i <= FAST; i++) {
        nash_plan_opts own = *opts;
        own.engine = i == REF ? NASH_ENGINE_REF : NASH_ENGINE_ONEDNN;
        p->m[i] = random_model(seed, &shape);
        p->g = nash_model_graph(p->m[i]);
        nash_status status = nash_plan_create(&p->plan[i], p->m[i], &own);
        if (status == NASH_EUNSUPPORTED)
            return false;
        OK(status);
        random_pixels(nash_plan_input(p->plan[i]), node_values(p->g, 0), seed);
    }
    p->n_logits = (int64_t)BATCH * nash_graph_classes(p->g);
    return true;
}

static void pair_close(pair *p)
{
    for (int i = REF; i <= FAST; i++) {
        nash_plan_free(p->plan[i]);
        nash_model_free(p->m[i]);
    }
}

/* ---- distances -------------------------------------------------------- */

/* Sums of squares of differences and of what is wanted. */
typedef struct distance {
    double apart, size;
} distance;

static void measure(distance *d, const float *got, const double *want,
                    int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double off = (double)got[i] - want[i];
        d->apart += off * off;
        d->size += want[i] * want[i];
    }
}

static void require_near(const pair *p, const char *what, distance d,
                         double floor_size, double bound)
{
    double relative = sqrt(d.apart) / (sqrt(d.size) + floor_size + 1e-30);
    if (relative <= bound)
        return;
    random_graph_print(p->g);
    fail_msg("seed %llu, %s: off by %.3g, allowed %.3g",
             (unsigned long long)p->seed, what, relative, bound);
}

static void check_logits(const pair *p, const bounds *b)
{
    distance d = {0};
    measure(&d, nash_plan_logits(p->plan[FAST]), ni_ref_logits(p->plan[REF]),
            p->n_logits);
    require_near(p, "logits", d, 0, b->logits);
}

static distance tensor_distance(const pair *p, int32_t id, int32_t slot)
{
    distance d = {0};
    const float *got = nash_plan_gradient(p->plan[FAST], id, slot);
    const double *want = ni_ref_gradient(p->plan[REF], id, slot);
    const nash_tensor *t = nash_model_tensor(p->m[REF], id, slot);
    assert_true((got != NULL) == (want != NULL));
    if (got)
        measure(&d, got, want, t->count);
    return d;
}

static void check_gradients(const pair *p, const bounds *b)
{
    distance all = {0};
    int32_t size = nash_graph_size(p->g);
    for (int32_t i = 0; i < size * NASH_SLOT_COUNT; i++) {
        distance d =
            tensor_distance(p, i / NASH_SLOT_COUNT, i % NASH_SLOT_COUNT);
        all.apart += d.apart;
        all.size += d.size;
    }
    require_near(p, "the whole gradient", all, 0, b->whole);
    for (int32_t i = 0; i < size * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        char name[32], what[64];
        nash_node_name(name, sizeof name, p->g, id);
        snprintf(what, sizeof what, "gradient of %s, slot %d", name, slot);
        require_near(p, what, tensor_distance(p, id, slot),
                     0.01 * sqrt(all.size), b->gradient);
    }
}

static void check_statistics(const pair *p, const bounds *b)
{
    for (int32_t id = 0; id < nash_graph_size(p->g); id++) {
        if (nash_graph_node(p->g, id)->op != NASH_OP_BATCH_NORM)
            continue;
        for (int32_t slot = NASH_SLOT_MEAN; slot <= NASH_SLOT_VAR; slot++) {
            const nash_tensor *want = nash_model_tensor(p->m[REF], id, slot);
            const nash_tensor *got = nash_model_tensor(p->m[FAST], id, slot);
            distance d = {0};
            for (int64_t i = 0; i < want->count; i++) {
                double value = (double)want->data[i];
                measure(&d, &got->data[i], &value, 1);
            }
            require_near(p, "running statistics", d, 0.1, b->running);
        }
    }
}

/* ---- whole passes ----------------------------------------------------- */

static nash_plan_opts opts_of(nash_mode mode, nash_precision precision)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.mode = mode;
    opts.precision = precision;
    opts.batch = BATCH;
    return opts;
}

/* Two now and then: threads that wait for each other are slow on a busy
 * machine. */
static int32_t threads_of(uint64_t seed)
{
    return seed % 8 < 2 ? 2 : 1;
}

static bool compare_inference(uint64_t seed, nash_precision precision,
                              const bounds *b)
{
    pair p;
    nash_plan_opts opts = opts_of(NASH_MODE_INFER, precision);
    opts.threads = threads_of(seed);
    bool able = pair_open(&p, seed, &opts);
    for (int i = REF; able && i <= FAST; i++)
        OK(nash_plan_forward(p.plan[i]));
    if (able)
        check_logits(&p, b);
    pair_close(&p);
    return able;
}

static bool compare_training(uint64_t seed, nash_precision precision,
                             const bounds *b)
{
    pair p;
    nash_plan_opts opts = opts_of(NASH_MODE_TRAIN, precision);
    opts.threads = threads_of(seed);
    bool able = pair_open(&p, seed, &opts);
    for (int i = REF; able && i <= FAST; i++) {
        random_normal(nash_plan_d_logits(p.plan[i]), p.n_logits, seed);
        for (int step = 0; step < 2; step++) {
            OK(nash_plan_forward(p.plan[i]));
            OK(nash_plan_backward(p.plan[i]));
        }
    }
    if (able) {
        check_logits(&p, b);
        check_gradients(&p, b);
        check_statistics(&p, b);
    }
    pair_close(&p);
    return able;
}

static void float_inference_agrees_with_the_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 100; seed++)
        compare_inference(seed, NASH_PRECISION_F32, &float_bounds);
}

static void float_training_agrees_with_the_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 100; seed++)
        compare_training(seed, NASH_PRECISION_F32, &float_bounds);
}

static void bf16_inference_stays_near_the_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 40; seed++)
        if (!compare_inference(seed, NASH_PRECISION_BF16, &bf16_bounds))
            skip();
}

static void bf16_training_stays_near_the_oracle(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 40; seed++)
        if (!compare_training(seed, NASH_PRECISION_BF16, &bf16_bounds))
            skip();
}

/* ---- watching --------------------------------------------------------- */

static void check_watched(const pair *p, int32_t id)
{
    int64_t count = node_values(p->g, id);
    float *got = malloc((size_t)count * sizeof *got);
    distance d = {0};
    char name[32], what[64];
    nash_node_name(name, sizeof name, p->g, id);
    snprintf(what, sizeof what, "watched %s in mode %d", name,
             (int)p->plan[FAST]->opts.mode);
    for (int i = REF; i <= FAST; i++)
        OK(nash_plan_forward(p->plan[i]));
    OK(nash_plan_read(p->plan[FAST], id, got));
    measure(&d, got, ni_ref_output(p->plan[REF], id), count);
    require_near(p, what, d, 0, float_bounds.logits);
    free(got);
}

static void every_node_can_be_watched_in_every_mode(void **state)
{
    (void)state;
    static const nash_mode modes[] = {NASH_MODE_INFER, NASH_MODE_TRAIN,
                                      NASH_MODE_STATS};
    for (uint64_t seed = first_seed(); seed < first_seed() + 5; seed++) {
        int32_t size = 1;
        for (int32_t i = 0; i < 3 * size; i++) {
            pair p;
            nash_plan_opts opts = opts_of(modes[i % 3], NASH_PRECISION_F32);
            opts.watch = i / 3;
            pair_open(&p, seed, &opts);
            size = nash_graph_size(p.g);
            check_watched(&p, opts.watch);
            pair_close(&p);
        }
    }
}

/* ---- bits ------------------------------------------------------------- */

static bool same_bits(const float *a, const float *b, int64_t count)
{
    return memcmp(a, b, (size_t)count * sizeof *a) == 0;
}

static nash_plan *fast_plan(nash_model *m, nash_mode mode, int32_t threads,
                            uint64_t seed)
{
    nash_plan *plan;
    nash_plan_opts opts =
        opts_of(mode, seed % 4 < 2 ? NASH_PRECISION_F32 : NASH_PRECISION_AUTO);
    const nash_graph *g = nash_model_graph(m);
    opts.threads = threads;
    OK(nash_plan_create(&plan, m, &opts));
    random_pixels(nash_plan_input(plan), node_values(g, 0), seed);
    if (mode == NASH_MODE_TRAIN)
        random_normal(nash_plan_d_logits(plan),
                      (int64_t)BATCH * nash_graph_classes(g), seed);
    OK(nash_plan_forward(plan));
    if (mode == NASH_MODE_TRAIN)
        OK(nash_plan_backward(plan));
    return plan;
}

static void require_same(const nash_plan *a, const nash_plan *b,
                         const nash_model *m, uint64_t seed)
{
    const nash_graph *g = nash_model_graph(m);
    int64_t n_logits = (int64_t)BATCH * nash_graph_classes(g);
    if (!same_bits(nash_plan_logits(a), nash_plan_logits(b), n_logits))
        fail_msg("seed %llu: logits differ", (unsigned long long)seed);
    for (int32_t i = 0; i < nash_graph_size(g) * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const nash_tensor *t = nash_model_tensor(m, id, slot);
        const float *one = nash_plan_gradient(a, id, slot);
        const float *two = nash_plan_gradient(b, id, slot);
        if (one && !same_bits(one, two, t->count))
            fail_msg("seed %llu: gradients of node %d, slot %d, differ",
                     (unsigned long long)seed, id, slot);
    }
}

static void two_runs_give_the_same_bits(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 24; seed++) {
        nash_mode mode = seed % 2 ? NASH_MODE_TRAIN : NASH_MODE_INFER;
        int32_t threads = threads_of(seed);
        nash_model *m[2] = {random_model(seed, NULL), random_model(seed, NULL)};
        nash_plan *a = fast_plan(m[0], mode, threads, seed);
        nash_plan *b = fast_plan(m[1], mode, threads, seed);
        require_same(a, b, m[0], seed);
        assert_true(nash_model_hash(m[0]) == nash_model_hash(m[1]));
        OK(nash_plan_forward(a)); /* and once more on the same plan */
        if (mode == NASH_MODE_TRAIN)
            OK(nash_plan_backward(a));
        require_same(a, b, m[0], seed);
        nash_plan_free(a);
        nash_plan_free(b);
        nash_model_free(m[0]);
        nash_model_free(m[1]);
    }
}

static void a_refresh_takes_up_new_weights_to_the_bit(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 12; seed++) {
        nash_model *m = random_model(seed, NULL);
        nash_plan *old = fast_plan(m, NASH_MODE_INFER, 1, seed);
        nash_plan *same = fast_plan(m, NASH_MODE_INFER, 1, seed);
        OK(nash_plan_refresh(same));
        OK(nash_plan_forward(same));
        require_same(old, same, m, seed);
        random_tensors(m, seed + 1000);
        nash_plan *fresh = fast_plan(m, NASH_MODE_INFER, 1, seed);
        OK(nash_plan_refresh(old));
        OK(nash_plan_forward(old));
        require_same(old, fresh, m, seed);
        nash_plan_free(old);
        nash_plan_free(same);
        nash_plan_free(fresh);
        nash_model_free(m);
    }
}

static void a_training_forward_takes_up_new_weights_by_itself(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 12; seed++) {
        nash_model *m = random_model(seed, NULL);
        nash_plan *plan = fast_plan(m, NASH_MODE_TRAIN, 1, seed);
        random_tensors(m, seed + 1000);
        nash_plan *fresh = fast_plan(m, NASH_MODE_TRAIN, 1, seed);
        OK(nash_plan_forward(plan));
        OK(nash_plan_backward(plan));
        require_same(plan, fresh, m, seed);
        nash_plan_free(plan);
        nash_plan_free(fresh);
        nash_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_inference_agrees_with_the_oracle),
        cmocka_unit_test(float_training_agrees_with_the_oracle),
        cmocka_unit_test(bf16_inference_stays_near_the_oracle),
        cmocka_unit_test(bf16_training_stays_near_the_oracle),
        cmocka_unit_test(every_node_can_be_watched_in_every_mode),
        cmocka_unit_test(two_runs_give_the_same_bits),
        cmocka_unit_test(a_refresh_takes_up_new_weights_to_the_bit),
        cmocka_unit_test(a_training_forward_takes_up_new_weights_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
