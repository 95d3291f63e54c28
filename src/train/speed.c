/*
 * How fast training steps are: those of the training loop on one batch that
 * stays the same, without the making of batches. Medians, because a shared
 * machine disturbs some steps but seldom half of them. Divergence is no matter
 * here: the learning rate is zero.
 */
#include "loss.h"
#include "options.h"
#include "sgd.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { WARM_UP = 2, LEAST_STEPS = 5, MOST_STEPS = 4096 };

/* The least steps may take so many times the seconds that were asked for. */
enum { PATIENCE = 2 };

/* Parts of a step, then the whole. */
enum { FORWARD, LOSS, BACKWARD, UPDATE, STEP, PARTS };

typedef struct stopwatch {
    nash_plan *plan;
    ni_sgd *sgd;
    int32_t *labels;      /* [batch] */
    double *times[PARTS]; /* [MOST_STEPS] seconds */
    int32_t steps;
} stopwatch;

static nash_status open_watch(stopwatch *w, nash_model *m,
                              const nash_train_opts *opts)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    nash_shape in = nash_graph_input_shape(g);
    nash_plan_opts plan = ni_train_plan_opts(opts, opts->batch);
    ni_rng rng = ni_rng_make(opts->seed, NI_RNG_PROBE, 0, 0);
    plan.max_bytes = opts->max_bytes;
    TRY(nash_plan_create(&w->plan, m, &plan));
    TRY(ni_sgd_create(&w->sgd, m, opts));
    NEW_ARRAY(w->labels, opts->batch);
    for (int i = 0; i < PARTS; i++)
        NEW_ARRAY(w->times[i], MOST_STEPS);
    int64_t values = (int64_t)opts->batch * in.c * in.h * in.w;
    for (int64_t i = 0; i < values; i++)
        nash_plan_input(w->plan)[i] = (float)ni_rng_below(&rng, 256);
    for (int32_t i = 0; i < opts->batch; i++)
        w->labels[i] =
            (int32_t)ni_rng_below(&rng, (uint32_t)nash_graph_classes(g));
done:
    return status;
}

static void close_watch(stopwatch *w)
{
    for (int i = 0; i < PARTS; i++)
        ni_free(w->times[i]);
    ni_free(w->labels);
    ni_sgd_free(w->sgd);
    nash_plan_free(w->plan);
}

static nash_status step(stopwatch *w, int32_t batch, int32_t classes)
{
    nash_status status = NASH_OK;
    double at[PARTS];
    at[FORWARD] = ni_clock_seconds();
    TRY(nash_plan_forward(w->plan));
    at[LOSS] = ni_clock_seconds();
    ni_softmax_loss(nash_plan_d_logits(w->plan), nash_plan_logits(w->plan),
                    w->labels, batch, classes, 0.0);
    at[BACKWARD] = ni_clock_seconds();
    TRY(nash_plan_backward(w->plan));
    at[UPDATE] = ni_clock_seconds();
    TRY(ni_sgd_step(w->sgd, w->plan, 0.0));
    at[STEP] = ni_clock_seconds();
    for (int i = 0; i < STEP; i++)
        w->times[i][w->steps] = at[i + 1] - at[i];
    w->times[STEP][w->steps] = at[STEP] - at[FORWARD];
    w->steps++;
done:
    return status;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ms(stopwatch *w, int part)
{
    double *times = w->times[part];
    qsort(times, (size_t)w->steps, sizeof *times, compare);
    return 1e3 * 0.5 * (times[w->steps / 2] + times[(w->steps - 1) / 2]);
}

static void conclude(nash_speed *out, stopwatch *w, const nash_graph *g,
                     const nash_train_opts *opts)
{
    *out = (nash_speed){.precision = nash_plan_precision(w->plan)};
    out->bytes = nash_plan_bytes(w->plan);
    out->steps = w->steps;
    out->step_ms = median_ms(w, STEP);
    for (int32_t i = 0; i < w->steps; i++)
        out->mean_ms += 1e3 * w->times[STEP][i] / w->steps;
    out->forward_ms = median_ms(w, FORWARD);
    out->loss_ms = median_ms(w, LOSS);
    out->backward_ms = median_ms(w, BACKWARD);
    out->update_ms = median_ms(w, UPDATE);
    out->images_per_second = 1e3 * opts->batch / out->step_ms;
    out->gflops = 6e-9 * (double)nash_graph_macs(g) * out->images_per_second;
}

/* Steps until so many seconds are over, but at least so many steps if these
 * take no longer than patience allows. */
static nash_status time_steps(stopwatch *w, double seconds, int least,
                              double patience, const nash_train_opts *opts,
                              int32_t classes, const volatile int *stop)
{
    nash_status status = NASH_OK;
    double began = ni_clock_seconds(), taken = 0.0;
    for (w->steps = 0;
         w->steps == 0 || (w->steps < MOST_STEPS &&
                           taken < (w->steps < least ? patience : seconds));
         taken = ni_clock_seconds() - began) {
        REQUIRE(!stop || !*stop, NASH_ESTOP, "stopped on request");
        TRY(step(w, opts->batch, classes));
    }
done:
    return status;
}

nash_status nash_train_speed(nash_speed *out, double *nodes, nash_model *m,
                             const nash_train_opts *opts, double seconds,
                             const volatile int *stop)
{
    nash_status status = NASH_OK;
    stopwatch w = {0};
    const nash_graph *g = nash_model_graph(m);
    TRY(ni_train_opts_check(opts));
    REQUIRE(isfinite(seconds) && seconds >= 0.0, NASH_EINVAL,
            "seconds is %g, expected at least 0", seconds);
    TRY(open_watch(&w, m, opts));
    int32_t classes = nash_graph_classes(g);
    TRY(time_steps(&w, 0.0, WARM_UP, seconds, opts, classes, stop));
    nash_plan_profile(w.plan, nodes != NULL);
    TRY(time_steps(&w, seconds, LEAST_STEPS, PATIENCE * seconds, opts, classes,
                   stop));
    conclude(out, &w, g, opts);
    for (int32_t i = 0; nodes && i < 2 * nash_graph_size(g); i++)
        nodes[i] = nash_plan_seconds(w.plan, i / 2, i % 2) / w.steps;
done:
    close_watch(&w);
    return status;
}
