/* Both engines, and options for them. */
#include "engine_fixture.h"

const nash_engine engines[2] = {NASH_ENGINE_REF, NASH_ENGINE_ONEDNN};

nash_plan_opts opts_of(nash_engine engine, nash_mode mode, int32_t batch)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = engine;
    opts.mode = mode;
    opts.precision = NASH_PRECISION_F32;
    opts.batch = batch;
    return opts;
}

int64_t node_values(const nash_model *m, int32_t id, int32_t batch)
{
    nash_shape s = nash_graph_node(nash_model_graph(m), id)->shape;
    return (int64_t)batch * s.c * s.h * s.w;
}
