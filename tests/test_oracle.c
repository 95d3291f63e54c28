/*
 * The fast engine against the oracle, over many random networks: logits, every
 * gradient, running statistics. NASH_SEED in the environment moves the seeds,
 * for longer searches.
 *
 * Distances are relative, |got - want| / |want| in the Euclidean norm. How far
 * rounding may take a network depends on the network (a batch normalisation
 * over a few nearly equal values amplifies it without limit), so the oracle
 * itself says it: a second one computes with weights that are off by one
 * rounding, and the fast engine may be 30 times as far off as that. Most
 * networks must also keep the bounds below; the rest, where a ReLU or a maximum
 * tipped over, a wider one.
 */
#include "random_graph.h"

#include "base/rng.h"
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

/* What 19 of 20 networks keep; none exceeds the slack times that. */
typedef struct bounds {
    double logits;
    double gradient; /* of single tensors */
    double least;    /* share of the whole gradient that a tensor's is taken to
                        have at least: some vanish */
    double whole;    /* of all gradients as one vector */
    double running;  /* statistics, to 0.1 at least */
    double slack;
    double rounding; /* of one number */
} bounds;

static const bounds float_bounds = {2e-6, 3e-5, 0.01, 2e-5, 1e-6, 100, 0x1p-24};
static const bounds bf16_bounds = {0.03, HUGE_VAL, 1, 0.25, 0.01, 4, 0x1p-9};

/* One network, each time with its own copy of the model: on the oracle; there
 * with weights off by one rounding; on the fast engine. */
enum { REF, OFF, FAST, COPIES };

typedef struct trial {
    uint64_t seed;
    const bounds *b;
    const nash_graph *g;
    nash_model *m[COPIES];
    nash_plan *plan[COPIES];
    int64_t n_logits;
    bool able;   /* the chip computes in that precision */
    bool beyond; /* something exceeded its bound, not yet the slack */
} trial;

static void round_once(nash_model *m, double rounding, uint64_t seed)
{
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(m)); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            nash_tensor *t = nash_model_tensor(m, id, slot);
            ni_rng rng = ni_rng_make(seed, NI_RNG_TEST, (uint32_t)id, 99);
            for (int64_t i = 0; t && i < t->count; i++) {
                double sign = ni_rng_below(&rng, 2) ? 1 : -1;
                /* half a unit would be rounded away again */
                t->data[i] *= (float)(1 + 2 * sign * rounding);
            }
        }
    }
}

/* Two now and then: threads that wait for each other are slow on a busy
 * machine. */
static int32_t threads_of(uint64_t seed)
{
    return seed % 8 < 2 ? 2 : 1;
}

static void open_copy(trial *t, int i, const nash_plan_opts *opts)
{
    random_graph_opts shape = random_graph_opts_default();
    nash_plan_opts own = *opts;
    shape.exotic = t->seed % 3 != 0;
    shape.nodes = 5 + (int32_t)(t->seed % 16);
    own.engine = i == FAST ? NASH_ENGINE_ONEDNN : NASH_ENGINE_REF;
    t->m[i] = random_model(t->seed, &shape);
    if (i == OFF)
        round_once(t->m[i], t->b->rounding, t->seed);
    nash_status status = nash_plan_create(&t->plan[i], t->m[i], &own);
    t->able = status != NASH_EUNSUPPORTED;
    if (t->able)
        OK(status);
}

static void run_copy(trial *t, int i)
{
    nash_shape in = nash_graph_input_shape(t->g);
    random_pixels(nash_plan_input(t->plan[i]),
                  (int64_t)BATCH * in.c * in.h * in.w, t->seed);
    if (!nash_plan_d_logits(t->plan[i])) {
        OK(nash_plan_forward(t->plan[i]));
        return;
    }
    random_normal(nash_plan_d_logits(t->plan[i]), t->n_logits, t->seed);
    for (int step = 0; step < 2; step++) {
        OK(nash_plan_forward(t->plan[i]));
        OK(nash_plan_backward(t->plan[i]));
    }
}

static trial run_trial(uint64_t seed, nash_mode mode, const bounds *b)
{
    trial t = {.seed = seed, .b = b};
    nash_plan_opts opts = nash_plan_opts_default();
    opts.mode = mode;
    opts.precision =
        b == &bf16_bounds ? NASH_PRECISION_BF16 : NASH_PRECISION_F32;
    opts.batch = BATCH;
    opts.threads = threads_of(seed);
    for (int i = REF; i < COPIES; i++)
        open_copy(&t, i, &opts);
    t.g = nash_model_graph(t.m[REF]);
    t.n_logits = (int64_t)BATCH * nash_graph_classes(t.g);
    for (int i = REF; t.able && i < COPIES; i++)
        run_copy(&t, i);
    return t;
}

static void end_trial(trial *t)
{
    for (int i = REF; i < COPIES; i++) {
        nash_plan_free(t->plan[i]);
        nash_model_free(t->m[i]);
    }
}

/* ---- distances -------------------------------------------------------- */

/* Sums of squares: how far the fast engine is off, how far rounding may take
 * it, and what is wanted. */
typedef struct distance {
    double off, moved, size;
} distance;

static void add(distance *d, double got, double moved, double want)
{
    d->off += (got - want) * (got - want);
    d->moved += (moved - want) * (moved - want);
    d->size += want * want;
}

static void require_near(trial *t, const char *what, distance d, double least,
                         double bound)
{
    double size = fmax(sqrt(d.size), fmax(least, 1e-30));
    double off = sqrt(d.off) / size, moved = sqrt(d.moved) / size;
    double natural = 30 * moved;
    t->beyond |= !(off <= fmax(bound, natural));
    if (off <= fmax(t->b->slack * bound, natural))
        return;
    random_graph_print(t->g);
    fail_msg("seed %llu, %s: off by %.3g, allowed %.3g, rounding moves it by "
             "%.3g",
             (unsigned long long)t->seed, what, off, t->b->slack * bound,
             moved);
}

static void check_logits(trial *t)
{
    distance d = {0};
    for (int64_t i = 0; i < t->n_logits; i++)
        add(&d, (double)nash_plan_logits(t->plan[FAST])[i],
            ni_ref_logits(t->plan[OFF])[i], ni_ref_logits(t->plan[REF])[i]);
    require_near(t, "logits", d, 0, t->b->logits);
}

static distance tensor_distance(const trial *t, int32_t id, int32_t slot)
{
    distance d = {0};
    const float *got = nash_plan_gradient(t->plan[FAST], id, slot);
    const double *moved = ni_ref_gradient(t->plan[OFF], id, slot);
    const double *want = ni_ref_gradient(t->plan[REF], id, slot);
    const nash_tensor *tensor = nash_model_tensor(t->m[REF], id, slot);
    assert_true((got != NULL) == (want != NULL));
    for (int64_t i = 0; got && i < tensor->count; i++)
        add(&d, (double)got[i], moved[i], want[i]);
    return d;
}

static void check_gradients(trial *t)
{
    distance all = {0};
    int32_t slots = nash_graph_size(t->g) * NASH_SLOT_COUNT;
    for (int32_t i = 0; i < slots; i++) {
        distance d =
            tensor_distance(t, i / NASH_SLOT_COUNT, i % NASH_SLOT_COUNT);
        all.off += d.off;
        all.moved += d.moved;
        all.size += d.size;
    }
    require_near(t, "the whole gradient", all, 0, t->b->whole);
    for (int32_t i = 0; i < slots; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        char name[32], what[64];
        nash_node_name(name, sizeof name, t->g, id);
        snprintf(what, sizeof what, "gradient of %s, slot %d", name, slot);
        require_near(t, what, tensor_distance(t, id, slot),
                     t->b->least * sqrt(all.size), t->b->gradient);
    }
}

static void check_statistics(trial *t)
{
    for (int32_t id = 0; id < nash_graph_size(t->g); id++) {
        if (nash_graph_node(t->g, id)->op != NASH_OP_BATCH_NORM)
            continue;
        for (int32_t slot = NASH_SLOT_MEAN; slot <= NASH_SLOT_VAR; slot++) {
            const nash_tensor *now[COPIES];
            distance d = {0};
            for (int i = REF; i < COPIES; i++)
                now[i] = nash_model_tensor(t->m[i], id, slot);
            for (int64_t i = 0; i < now[REF]->count; i++)
                add(&d, (double)now[FAST]->data[i], (double)now[OFF]->data[i],
                    (double)now[REF]->data[i]);
            require_near(t, "running statistics", d, 0.1, t->b->running);
        }
    }
}

/* ---- the tests -------------------------------------------------------- */

static uint64_t first_seed(void)
{
    const char *text = getenv("NASH_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

static void compare(nash_mode mode, const bounds *b, int32_t networks)
{
    int32_t beyond = 0;
    for (int32_t i = 0; i < networks; i++) {
        trial t = run_trial(first_seed() + (uint64_t)i, mode, b);
        if (t.able)
            check_logits(&t);
        if (t.able && mode == NASH_MODE_TRAIN) {
            check_gradients(&t);
            check_statistics(&t);
        }
        bool able = t.able;
        beyond += t.beyond;
        end_trial(&t);
        if (!able)
            skip();
    }
    if (beyond > networks / 20)
        fail_msg("%d of %d networks exceed the bounds", beyond, networks);
}

static void float_inference_agrees_with_the_oracle(void **state)
{
    (void)state;
    compare(NASH_MODE_INFER, &float_bounds, 100);
}

static void float_training_agrees_with_the_oracle(void **state)
{
    (void)state;
    compare(NASH_MODE_TRAIN, &float_bounds, 100);
}

static void bf16_inference_stays_near_the_oracle(void **state)
{
    (void)state;
    compare(NASH_MODE_INFER, &bf16_bounds, 60);
}

static void bf16_training_stays_near_the_oracle(void **state)
{
    (void)state;
    compare(NASH_MODE_TRAIN, &bf16_bounds, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_inference_agrees_with_the_oracle),
        cmocka_unit_test(float_training_agrees_with_the_oracle),
        cmocka_unit_test(bf16_inference_stays_near_the_oracle),
        cmocka_unit_test(bf16_training_stays_near_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
