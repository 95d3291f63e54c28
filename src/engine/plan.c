/*
 * The face of the engines: checks what is common to all of them, keeps the
 * profile, and dispatches. Costs 16 bytes per node beside what the engine
 * holds. Refuses incomplete graphs, sizes out of range, and calls out of order
 * (a backward before any forward, a read of a node that is not watched).
 */
#include "engine.h"

#include "base/error.h"
#include "base/memory.h"

enum { MAX_BATCH = 1 << 20, MAX_THREADS = 1024 };

const char *const nash_engine_names[] = {
    [NASH_ENGINE_ONEDNN] = "onednn",
    [NASH_ENGINE_REF] = "ref",
    NULL,
};

const char *const nash_precision_names[] = {
    [NASH_PRECISION_AUTO] = "auto",
    [NASH_PRECISION_F32] = "f32",
    [NASH_PRECISION_BF16] = "bf16",
    NULL,
};

static const ni_engine *engine_of(nash_engine engine)
{
    switch (engine) {
    case NASH_ENGINE_ONEDNN:
        return &ni_engine_onednn;
    case NASH_ENGINE_REF:
        return &ni_engine_ref;
    }
    return NULL;
}

nash_plan_opts nash_plan_opts_default(void)
{
    nash_plan_opts opts = {
        .engine = NASH_ENGINE_ONEDNN,
        .mode = NASH_MODE_INFER,
        .precision = NASH_PRECISION_AUTO,
        .batch = 128,
        .threads = 1,
        .watch = -1,
    };
    return opts;
}

/* @param engine  receives the one that the options name */
static nash_status check_opts(const ni_engine **engine, const nash_graph *g,
                              const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(g);
    *engine = engine_of(opts->engine);
    REQUIRE(*engine, NASH_EINVAL, "engine %d is none of nash_engine",
            (int)opts->engine);
    REQUIRE((unsigned)opts->mode <= NASH_MODE_STATS, NASH_EINVAL,
            "mode %d is none of nash_mode", (int)opts->mode);
    REQUIRE((unsigned)opts->precision <= NASH_PRECISION_BF16, NASH_EINVAL,
            "precision %d is none of nash_precision", (int)opts->precision);
    REQUIRE(opts->batch >= 1 && opts->batch <= MAX_BATCH, NASH_EINVAL,
            "batch is %d, expected 1 to %d", (int)opts->batch, (int)MAX_BATCH);
    REQUIRE(opts->threads >= 1 && opts->threads <= MAX_THREADS, NASH_EINVAL,
            "threads is %d, expected 1 to %d", (int)opts->threads,
            (int)MAX_THREADS);
    REQUIRE(opts->watch >= -1 && opts->watch < size, NASH_EINVAL,
            "watch is %d, expected a node 0 to %d or -1", (int)opts->watch,
            (int)size - 1);
    TRY(nash_graph_check(g));
done:
    return status;
}

nash_status ni_plan_check_bytes(size_t bytes, const nash_plan_opts *opts)
{
    if (opts->max_bytes == 0 || bytes <= opts->max_bytes)
        return NASH_OK;
    return ni_fail(NASH_ELIMIT,
                   "a plan for batch %d needs %zu bytes, at most %zu are "
                   "allowed",
                   (int)opts->batch, bytes, opts->max_bytes);
}

void ni_plan_mark_needed(bool *needed, const nash_graph *g,
                         const nash_plan_opts *opts)
{
    int32_t size = nash_graph_size(g);
    bool all = opts->mode != NASH_MODE_STATS || opts->watch < 0;
    for (int32_t id = 0; id < size; id++)
        needed[id] = all || id == opts->watch;
    for (int32_t id = size - 1; id >= 0; id--) {
        int32_t n_inputs = needed[id] ? nash_graph_node(g, id)->n_inputs : 0;
        for (int32_t k = 0; k < n_inputs; k++)
            needed[nash_graph_input(g, id, k)] = true;
    }
}

static nash_status create(nash_plan **out, const nash_model *m,
                          const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    nash_plan *plan = NULL;
    const ni_engine *engine;
    const nash_graph *g = nash_model_graph(m);
    *out = NULL;
    TRY(check_opts(&engine, g, opts));
    TRY(engine->create(&plan, m, opts));
    plan->engine = engine;
    plan->forwarded = false;
    plan->profiling = false;
    NEW_ARRAY(plan->seconds, 2 * (int64_t)nash_graph_size(g));
    *out = plan;
    plan = NULL;
done:
    nash_plan_free(plan);
    return status;
}

nash_status nash_plan_create(nash_plan **out, nash_model *m,
                             const nash_plan_opts *opts)
{
    return create(out, m, opts);
}

nash_status nash_plan_create_reader(nash_plan **out, const nash_model *m,
                                    const nash_plan_opts *opts)
{
    *out = NULL;
    if (opts->mode == NASH_MODE_TRAIN)
        return ni_fail(NASH_EINVAL, "a plan that only reads its model was "
                                    "asked for training");
    return create(out, m, opts);
}

void nash_plan_free(nash_plan *plan)
{
    if (!plan)
        return;
    ni_free(plan->seconds);
    plan->engine->destroy(plan);
}

size_t nash_plan_bytes(const nash_plan *plan)
{
    return plan->bytes;
}

nash_status nash_plan_estimate(size_t *bytes, const nash_graph *g,
                               const nash_plan_opts *opts)
{
    const ni_engine *engine;
    nash_status status = check_opts(&engine, g, opts);
    if (status != NASH_OK)
        return status;
    return engine->estimate(bytes, g, opts);
}

nash_precision nash_plan_precision(const nash_plan *plan)
{
    return plan->precision;
}

void ni_plan_work(const nash_plan *plan, ni_crew_work work, void *ctx)
{
    if (plan->crew)
        ni_crew_run(plan->crew, work, ctx);
    else
        work(ctx, 0);
}

int32_t ni_plan_threads(const nash_plan *plan)
{
    return plan->crew ? ni_crew_size(plan->crew) : 1;
}

float *nash_plan_input(nash_plan *plan)
{
    return plan->input;
}

nash_status nash_plan_refresh(nash_plan *plan)
{
    return plan->engine->refresh(plan);
}

nash_status nash_plan_forward(nash_plan *plan)
{
    nash_status status = plan->engine->forward(plan);
    plan->forwarded = status == NASH_OK;
    plan->spent = false;
    return status;
}

const float *nash_plan_logits(const nash_plan *plan)
{
    return plan->logits;
}

float *nash_plan_d_logits(nash_plan *plan)
{
    return plan->d_logits;
}

nash_status nash_plan_backward(nash_plan *plan)
{
    if (plan->opts.mode != NASH_MODE_TRAIN)
        return ni_fail(NASH_EINVAL,
                       "gradients were asked of a plan that is not made for "
                       "training");
    if (!plan->forwarded)
        return ni_fail(NASH_EINVAL,
                       "gradients were asked before any forward pass");
    if (plan->spent)
        return ni_fail(NASH_EINVAL, "gradients were asked a second time after "
                                    "one forward pass");
    plan->spent = true;
    return plan->engine->backward(plan);
}

static bool has_node(const nash_plan *plan, int32_t id)
{
    return id >= 0 && id < nash_graph_size(nash_model_graph(plan->model));
}

float *nash_plan_gradient(const nash_plan *plan, int32_t id, int32_t slot)
{
    if (!plan->gradient || !has_node(plan, id) || slot < 0 ||
        slot >= NASH_SLOT_COUNT)
        return NULL;
    return plan->gradient[(int64_t)id * NASH_SLOT_COUNT + slot];
}

nash_status nash_plan_read(nash_plan *plan, float *dst)
{
    if (plan->opts.watch < 0)
        return ni_fail(NASH_EINVAL, "the plan watches no node to be read");
    if (!plan->forwarded)
        return ni_fail(NASH_EINVAL, "node %d was read before any forward pass",
                       (int)plan->opts.watch);
    return plan->engine->read(plan, plan->opts.watch, dst);
}

void nash_plan_profile(nash_plan *plan, bool on)
{
    plan->profiling = on;
}

double nash_plan_seconds(const nash_plan *plan, int32_t id, bool backward)
{
    if (!has_node(plan, id))
        return 0.0;
    return plan->seconds[2 * (int64_t)id + (backward ? 1 : 0)];
}

const char *nash_engine_describe(nash_engine engine)
{
    const ni_engine *it = engine_of(engine);
    return it ? it->describe() : "none";
}
