/* Networks by hand, plans that have run, and the comparison with the oracle. */
#include "onednn_fixture.h"

#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- networks ---------------------------------------------------------- */

int32_t put(nash_graph *g, nash_op op, const nash_attrs *attrs, int32_t a)
{
    int32_t id;
    OK(nash_graph_append(&id, g, op, attrs, &a, a < 0 ? 0 : 1));
    return id;
}

int32_t put_many(nash_graph *g, nash_op op, const int32_t *inputs, int32_t n)
{
    int32_t id;
    OK(nash_graph_append(&id, g, op, NULL, inputs, n));
    return id;
}

int32_t put_two(nash_graph *g, nash_op op, int32_t a, int32_t b)
{
    return put_many(g, op, (const int32_t[]){a, b}, 2);
}

int32_t put_conv(nash_graph *g, int32_t input, int32_t channels, int32_t kernel)
{
    nash_attrs a = nash_attrs_window(kernel, 1);
    a.out_channels = channels;
    return put(g, NASH_OP_CONV, &a, input);
}

int32_t put_block(nash_graph *g, int32_t input, int32_t channels)
{
    int32_t conv = put_conv(g, input, channels, 3);
    return put(g, NASH_OP_RELU, NULL, put(g, NASH_OP_BATCH_NORM, NULL, conv));
}

int32_t net_begin(nash_graph **g, int32_t channels, int32_t h, int32_t w)
{
    nash_attrs a = nash_attrs_default();
    a.out_channels = channels;
    a.size[0] = h;
    a.size[1] = w;
    OK(nash_graph_create(g));
    return put(*g, NASH_OP_NORMALIZE, NULL, put(*g, NASH_OP_INPUT, &a, -1));
}

nash_model *net_end(nash_graph *g, int32_t last, uint64_t seed)
{
    nash_model *m;
    nash_attrs a = nash_attrs_default();
    a.out_channels = 4;
    a.bias = true;
    int32_t pooled = put(g, NASH_OP_GLOBAL_POOL, NULL, last);
    put(g, NASH_OP_SOFTMAX, NULL, put(g, NASH_OP_FC, &a, pooled));
    OK(nash_model_create(&m, &g));
    random_tensors(m, seed);
    return m;
}

/* ---- plans ------------------------------------------------------------- */

bool has_bf16(void)
{
    return strstr(nash_engine_describe(NASH_ENGINE_ONEDNN), "bf16") ||
           strstr(nash_engine_describe(NASH_ENGINE_ONEDNN), "amx");
}

nash_plan_opts opts_of(nash_mode mode, nash_precision precision, int32_t batch,
                       int32_t threads)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.mode = mode;
    opts.precision = precision;
    opts.batch = batch;
    opts.threads = threads;
    return opts;
}

nash_plan *plan_for(nash_model *m, nash_plan_opts opts, uint64_t seed)
{
    nash_plan *plan;
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    int64_t n = (int64_t)opts.batch * in.c * in.h * in.w;
    OK(nash_plan_create(&plan, m, &opts));
    random_pixels(nash_plan_input(plan), n, seed);
    OK(nash_plan_forward(plan));
    if (opts.mode != NASH_MODE_TRAIN)
        return plan;
    random_normal(nash_plan_d_logits(plan),
                  (int64_t)opts.batch * nash_graph_classes(nash_model_graph(m)),
                  seed);
    OK(nash_plan_backward(plan));
    return plan;
}

/* ---- comparison -------------------------------------------------------- */

double deviation(const float *a, const float *b, int64_t n, double floor)
{
    double apart = 0, norm = floor * floor * (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        apart += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return isfinite(apart) ? sqrt(apart / norm) : (double)INFINITY;
}

static double largest_gradient(const nash_plan *plan, const nash_model *m)
{
    double most = 0;
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(m)); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(m, id, slot);
            const float *g = nash_plan_gradient(plan, id, slot);
            for (int64_t i = 0; g && i < t->count; i++)
                most = fmax(most, fabs((double)g[i]));
        }
    return most;
}

static double squares(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (b ? (double)b[i] : 0);
        sum += d * d;
    }
    return sum;
}

void compare_tensors(compared *c, const nash_plan *got, const nash_model *a,
                     const nash_plan *want, const nash_model *b)
{
    double apart = 0, norm = 1e-30;
    double floor = 1e-3 * largest_gradient(want, b);
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(a)); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(a, id, slot);
            const float *g = nash_plan_gradient(got, id, slot);
            const float *r = nash_plan_gradient(want, id, slot);
            assert_true((g == NULL) == (r == NULL));
            double d = g ? deviation(g, r, t->count, floor) : 0;
            apart += g ? squares(g, r, t->count) : 0;
            norm += g ? squares(r, NULL, t->count) : 0;
            if (d > c->gradient) {
                nash_node_name(c->where, sizeof c->where, nash_model_graph(a),
                               id);
                c->gradient = d;
            }
            if (t && t->role == NASH_ROLE_STATISTIC)
                c->statistic = fmax(
                    c->statistic,
                    deviation(t->data, nash_model_tensor(b, id, slot)->data,
                              t->count, 1e-6));
        }
    c->whole = isfinite(apart) ? sqrt(apart / norm) : (double)INFINITY;
}
