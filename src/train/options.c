/*
 * What a training is asked for: defaults, checks, and what it will hold. The
 * bytes are the sum of what the parts say about themselves, so that a search
 * can refuse a network before anything is allocated.
 */
#include "options.h"

#include "feed.h"
#include "focus.h"
#include "lookahead.h"
#include "predict.h"
#include "sgd.h"

#include "base/error.h"

#include <math.h>

nash_train_opts nash_train_opts_default(void)
{
    nash_train_opts opts = {
        .epochs = 17,
        .batch = 128,
        .schedule = NASH_SCHEDULE_SGDR,
        .lr_start = 0.05,
        .cycle_growth = 1,
        .momentum = 0.9,
        .weight_decay = 5e-4,
        .bias_rate = 1.0,
        .gate_rate = 1.0,
        .focus = 1.0,
        .augment = {.pad = 4, .flip = true},
        .engine = NASH_ENGINE_ONEDNN,
        .precision = NASH_PRECISION_AUTO,
        .threads = 1,
    };
    return opts;
}

static nash_status check_whole(const char *name, int32_t value, int32_t least)
{
    if (value >= least)
        return NASH_OK;
    return ni_fail(NASH_EINVAL, "%s is %d, expected at least %d", name, value,
                   least);
}

static nash_status check_real(const char *name, double value)
{
    if (value >= 0.0 && isfinite(value))
        return NASH_OK;
    return ni_fail(NASH_EINVAL, "%s is %g, expected at least 0", name, value);
}

static nash_status check_share(const char *name, double value)
{
    if (value >= 0.0 && value < 1.0)
        return NASH_OK;
    return ni_fail(NASH_EINVAL, "%s is %g, expected at least 0 and below 1",
                   name, value);
}

nash_status ni_train_opts_check(const nash_train_opts *opts)
{
    nash_status status = NASH_OK;
    TRY(check_whole("epochs", opts->epochs, 0));
    TRY(check_whole("batch", opts->batch, 1));
    REQUIRE((unsigned)opts->schedule <= NASH_SCHEDULE_CONSTANT, NASH_EINVAL,
            "schedule %d is none of nash_schedule", (int)opts->schedule);
    TRY(check_real("lr_start", opts->lr_start));
    TRY(check_real("lr_end", opts->lr_end));
    TRY(check_whole("cycle", opts->cycle, 0));
    TRY(check_whole("cycle_growth", opts->cycle_growth, 1));
    TRY(check_share("warmup", opts->warmup));
    TRY(check_share("momentum", opts->momentum));
    TRY(check_real("weight_decay", opts->weight_decay));
    TRY(check_share("label_smoothing", opts->label_smoothing));
    TRY(check_real("bias_rate", opts->bias_rate));
    TRY(check_real("gate_rate", opts->gate_rate));
    TRY(check_real("clip_norm", opts->clip_norm));
    TRY(check_real("muon", opts->muon));
    TRY(check_whole("lookahead", opts->lookahead, 0));
    REQUIRE(opts->focus > 0.0 && opts->focus <= 1.0, NASH_EINVAL,
            "focus is %g, expected above 0 and at most 1", opts->focus);
    TRY(check_whole("augment.pad", opts->augment.pad, 0));
    TRY(check_whole("augment.cutout", opts->augment.cutout, 0));
    REQUIRE(opts->augment.pad <= NASH_MAX_DIM &&
                opts->augment.cutout <= NASH_MAX_DIM,
            NASH_EINVAL,
            "augment.pad and augment.cutout are %d and %d, "
            "expected at most %d",
            opts->augment.pad, opts->augment.cutout, (int)NASH_MAX_DIM);
    REQUIRE((unsigned)opts->engine <= NASH_ENGINE_REF, NASH_EINVAL,
            "engine %d is none of nash_engine", (int)opts->engine);
    REQUIRE((unsigned)opts->precision <= NASH_PRECISION_BF16, NASH_EINVAL,
            "precision %d is none of nash_precision", (int)opts->precision);
    TRY(check_whole("threads", opts->threads, 1));
    TRY(check_whole("snapshots", opts->snapshots, 0));
    TRY(check_whole("stop_epoch", opts->stop_epoch, 0));
    REQUIRE(opts->stop_epoch <= opts->epochs, NASH_EINVAL,
            "stop_epoch is %d, expected at most the %d epochs",
            opts->stop_epoch, opts->epochs);
done:
    return status;
}

void ni_train_batches(int32_t *batch, int32_t *rest,
                      const nash_train_opts *opts, int32_t n)
{
    *batch = opts->batch < n ? opts->batch : n;
    *rest = n % *batch;
    int32_t steps = n / *batch + 1;
    if (*rest > 0 && *rest < *batch / 2 && steps <= *batch / 4) {
        *batch = n / steps + (n % steps > 0);
        *rest = n % *batch;
    }
    while (*rest > 1 && *rest < *batch / 2) /* of many, each gives a little */
        *rest = n % --*batch;
    if (*rest == 1)
        *rest = 0;
}

int64_t nash_steps_per_epoch(int32_t n, int32_t batch)
{
    nash_train_opts opts = {.batch = batch};
    int32_t own, rest;
    if (n < 1 || batch < 1)
        return 0;
    ni_train_batches(&own, &rest, &opts, n);
    return n / own + (rest > 0);
}

double nash_pflop(double macs, double images)
{
    return 6e-15 * macs * images;
}

nash_plan_opts ni_train_plan_opts(const nash_train_opts *opts, int32_t batch)
{
    nash_plan_opts plan = nash_plan_opts_default();
    plan.engine = opts->engine;
    plan.mode = NASH_MODE_TRAIN;
    plan.precision = opts->precision;
    plan.threads = opts->threads;
    plan.batch = batch;
    return plan;
}

nash_status nash_train_bytes(size_t *bytes, const nash_graph *g,
                             const nash_train_opts *opts, int32_t n)
{
    nash_status status = NASH_OK;
    int32_t batch, rest;
    size_t plan_bytes, judge_bytes, rest_bytes = 0;
    bool focused = opts->focus < 1.0;
    TRY(ni_train_opts_check(opts));
    TRY(check_whole("the number of images", n, 1));
    ni_train_batches(&batch, &rest, opts, n);
    nash_plan_opts plan = ni_train_plan_opts(opts, batch);
    TRY(nash_plan_estimate(&plan_bytes, g, &plan));
    TRY(ni_predictor_bytes(&judge_bytes, g, &plan));
    plan.batch = rest;
    if (rest > 0)
        TRY(nash_plan_estimate(&rest_bytes, g, &plan));
    *bytes = plan_bytes + rest_bytes + judge_bytes + ni_sgd_bytes(g, opts) +
             (opts->lookahead > 0 ? ni_lookahead_bytes(g) : 0) +
             ni_feed_bytes(nash_graph_input_shape(g), focused ? 0 : n, batch) +
             (focused ? ni_focus_bytes(n, nash_graph_classes(g)) +
                            (size_t)batch * sizeof(float)
                      : 0);
done:
    return status;
}
