/* Networks around one pool; see onnx_pools.h. */
#include "onnx_pools.h"

#include "base/error.h"
#include "base/rng.h"
#include "random_graph.h"

static int32_t below(ni_rng *rng, int32_t n)
{
    return (int32_t)ni_rng_below(rng, (uint32_t)n);
}

static nash_attrs draw_attrs(ni_rng *rng, bool max)
{
    nash_attrs a = nash_attrs_default();
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = 1 + below(rng, 4);
        a.stride[i] = 1 + below(rng, 5);
        a.dilation[i] = max ? 1 + below(rng, 3) : 1;
        a.pads[i] = below(rng, a.kernel[i]);
        a.pads[i + 2] = below(rng, a.kernel[i]);
    }
    a.ceil_mode = below(rng, 4) > 0;
    a.count_include_pad = below(rng, 2);
    return a;
}

static nash_status append(int32_t *at, nash_graph *g, nash_op op,
                          const nash_attrs *attrs)
{
    return nash_graph_append(at, g, op, attrs, at, op != NASH_OP_INPUT);
}

nash_model *pool_model(uint32_t draw)
{
    nash_status status = NASH_OK;
    ni_rng rng = ni_rng_make(1, NI_RNG_TEST, draw, 0);
    nash_op op = draw % 2 ? NASH_OP_MAX_POOL : NASH_OP_AVG_POOL;
    nash_attrs attrs = draw_attrs(&rng, draw % 2);
    nash_attrs input = {.out_channels = 2,
                        .size = {3 + below(&rng, 8), 3 + below(&rng, 8)}};
    nash_attrs fc = {.out_channels = 6, .bias = true};
    nash_graph *g = NULL;
    nash_model *m = NULL;
    int32_t at = 0;
    TRY(nash_graph_create(&g));
    TRY(append(&at, g, NASH_OP_INPUT, &input));
    TRY(append(&at, g, NASH_OP_NORMALIZE, NULL));
    TRY(append(&at, g, op, &attrs));
    TRY(append(&at, g, NASH_OP_FLATTEN, NULL));
    TRY(append(&at, g, NASH_OP_FC, &fc));
    TRY(append(&at, g, NASH_OP_SOFTMAX, NULL));
    TRY(nash_model_create(&m, &g));
    random_tensors(m, draw);
done:
    nash_graph_free(g);
    return status == NASH_OK ? m : NULL;
}
