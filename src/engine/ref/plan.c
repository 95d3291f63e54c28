/*
 * The oracle's plan: every node's output, tensors and gradients in double, in
 * one block whose size is the sum over all nodes (nothing is shared or
 * reused). Weights are read from the model before each forward, so a refresh
 * has nothing to do. One thread, float32 and bf16 alike computed in double.
 */
#include "ref.h"

#include "ops.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "engine/engine.h"
#include "model/edit.h"

#include <string.h>

typedef struct ref_plan {
    nash_plan base;
    int32_t n_nodes;
    char *block;        /* owned; all of the following lie in it */
    ni_ref_node *nodes; /* [n_nodes] */
    bool *needed;       /* [n_nodes] */
    const ni_ref_value *logits;
} ref_plan;

/* ---- layout ----------------------------------------------------------- */

/* Hands out parts of a block; without one, only adds up. */
typedef struct arena {
    char *block; /* NULL: measuring */
    size_t used; /* SIZE_MAX: beyond any memory */
} arena;

static void *take(arena *a, int64_t count, size_t size)
{
    enum { LINE = 64 };
    char *at = a->block ? a->block + a->used : NULL;
    size_t bytes;
    if (__builtin_mul_overflow((size_t)count, size, &bytes) ||
        __builtin_add_overflow(a->used, bytes, &a->used) ||
        a->used > SIZE_MAX - LINE)
        a->used = SIZE_MAX - LINE;
    a->used = (a->used + LINE - 1) / LINE * LINE;
    return at;
}

static double *take_doubles(arena *a, int64_t count)
{
    return take(a, count, sizeof(double));
}

static bool is_trained(nash_role role)
{
    return role != NASH_ROLE_STATISTIC && role != NASH_ROLE_CONSTANT;
}

static void lay_out_tensors(ni_ref_node *k, float **gradient, arena *a,
                            const nash_graph *g, int32_t id, bool train)
{
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
        nash_tensor t;
        float neutral;
        if (!ni_tensor_layout(&t, &neutral, g, id, slot))
            continue;
        k->w[slot] = take_doubles(a, t.count);
        if (!train || !is_trained(t.role))
            continue;
        k->dw[slot] = take_doubles(a, t.count);
        gradient[slot] = take(a, t.count, sizeof(float));
    }
}

static void lay_out_node(ni_ref_node *k, float **gradient, arena *a,
                         const nash_graph *g, int32_t id,
                         const nash_plan_opts *opts)
{
    const nash_node *node = nash_graph_node(g, id);
    bool train = opts->mode == NASH_MODE_TRAIN;
    k->op = node->op;
    k->attrs = &node->attrs;
    k->n_inputs = node->n_inputs;
    k->in = take(a, node->n_inputs, sizeof(ni_ref_value *));
    k->y = (ni_ref_value){.n = opts->batch,
                          .c = node->shape.c,
                          .h = node->shape.h,
                          .w = node->shape.w};
    k->y.x = take_doubles(a, ni_ref_count(&k->y));
    k->y.d = train ? take_doubles(a, ni_ref_count(&k->y)) : NULL;
    lay_out_tensors(k, gradient, a, g, id, train);
    if (node->op != NASH_OP_BATCH_NORM)
        return;
    bool running = opts->mode == NASH_MODE_INFER;
    k->mean = running ? k->w[NASH_SLOT_MEAN] : take_doubles(a, node->shape.c);
    k->var = running ? k->w[NASH_SLOT_VAR] : take_doubles(a, node->shape.c);
}

/* Values of one batch at the input and at the logits. */
static int64_t input_count(const nash_graph *g, const nash_plan_opts *opts)
{
    nash_shape in = nash_graph_input_shape(g);
    return (int64_t)opts->batch * in.c * in.h * in.w;
}

static int64_t logits_count(const nash_graph *g, const nash_plan_opts *opts)
{
    return (int64_t)opts->batch * nash_graph_classes(g);
}

/* Set all of the plan's pointers into a->block, or only add up. */
static void lay_out(ref_plan *p, arena *a, const nash_graph *g,
                    const nash_plan_opts *opts)
{
    bool train = opts->mode == NASH_MODE_TRAIN;
    int32_t n = p->n_nodes = nash_graph_size(g);
    p->nodes = take(a, n, sizeof *p->nodes);
    p->needed = take(a, n, sizeof *p->needed);
    p->base.input = take(a, input_count(g, opts), sizeof(float));
    p->base.logits = take(a, logits_count(g, opts), sizeof(float));
    if (train) {
        p->base.d_logits = take(a, logits_count(g, opts), sizeof(float));
        p->base.gradient =
            take(a, (int64_t)n * NASH_SLOT_COUNT, sizeof(float *));
    }
    for (int32_t id = 0; id < n; id++) {
        ni_ref_node scratch = {0};
        float *unused[NASH_SLOT_COUNT];
        bool there = a->block != NULL;
        lay_out_node(there ? &p->nodes[id] : &scratch,
                     there && train
                         ? p->base.gradient + (int64_t)id * NASH_SLOT_COUNT
                         : unused,
                     a, g, id, opts);
    }
}

static void connect(ref_plan *p, const nash_graph *g)
{
    for (int32_t id = 0; id < p->n_nodes; id++) {
        ni_ref_node *k = &p->nodes[id];
        for (int32_t i = 0; i < k->n_inputs; i++)
            k->in[i] = &p->nodes[nash_graph_input(g, id, i)].y;
    }
    p->logits = p->nodes[p->n_nodes - 1].in[0];
}

static nash_status estimate(size_t *bytes, const nash_graph *g,
                            const nash_plan_opts *opts)
{
    arena measure = {0};
    ref_plan scratch = {0};
    lay_out(&scratch, &measure, g, opts);
    *bytes = measure.used;
    return NASH_OK;
}

static void destroy(nash_plan *plan)
{
    ref_plan *p = (ref_plan *)plan;
    ni_free(p->block);
    ni_free(p);
}

static nash_status create(nash_plan **out, const nash_model *m,
                          const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ref_plan *p = NULL;
    const nash_graph *g = nash_model_graph(m);
    size_t bytes;
    TRY(estimate(&bytes, g, opts));
    TRY(ni_plan_check_bytes(bytes, opts));
    NEW(p);
    REQUIRE(bytes <= INT64_MAX, NASH_ENOMEM,
            "out of memory: %zu bytes were asked for", bytes);
    NEW_ARRAY(p->block, bytes);
    lay_out(p, &(arena){.block = p->block}, g, opts);
    connect(p, g);
    ni_plan_mark_needed(p->needed, g, opts);
    p->base.model = m;
    p->base.opts = *opts;
    p->base.precision = NASH_PRECISION_F32;
    p->base.bytes = bytes;
    *out = &p->base;
    p = NULL;
done:
    if (p)
        destroy(&p->base);
    return status;
}

/* ---- forward ---------------------------------------------------------- */

static void load_tensors(const ref_plan *p, int32_t id)
{
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
        const nash_tensor *t = nash_model_tensor(p->base.model, id, slot);
        for (int64_t i = 0; t && i < t->count; i++)
            p->nodes[id].w[slot][i] = (double)t->data[i];
    }
}

static void store_tensor(const ref_plan *p, int32_t id, int32_t slot)
{
    nash_tensor *t = nash_model_tensor(p->base.model, id, slot);
    for (int64_t i = 0; i < t->count; i++)
        t->data[i] = (float)p->nodes[id].w[slot][i];
}

static void forward_batch_norm(const ref_plan *p, int32_t id)
{
    const ni_ref_node *k = &p->nodes[id];
    if (p->base.opts.mode != NASH_MODE_INFER)
        ni_ref_measure(k);
    ni_ref_batch_norm(k);
    if (p->base.opts.mode == NASH_MODE_TRAIN) {
        ni_ref_move_statistics(k);
        store_tensor(p, id, NASH_SLOT_MEAN);
        store_tensor(p, id, NASH_SLOT_VAR);
    }
}

static void forward_input(const ref_plan *p, const ni_ref_node *k)
{
    EVERY (&k->y, e)
        k->y.x[e] = (double)p->base.input[e];
}

static void forward_node(const ref_plan *p, int32_t id)
{
    const ni_ref_node *k = &p->nodes[id];
    switch (k->op) {
    case NASH_OP_INPUT:
        forward_input(p, k);
        break;
    case NASH_OP_NORMALIZE:
        ni_ref_normalize(k);
        break;
    case NASH_OP_CONV:
        ni_ref_conv(k);
        break;
    case NASH_OP_BATCH_NORM:
        forward_batch_norm(p, id);
        break;
    case NASH_OP_RELU:
        ni_ref_relu(k);
        break;
    case NASH_OP_CLIP:
        ni_ref_clip(k);
        break;
    case NASH_OP_MAX_POOL:
        ni_ref_max_pool(k);
        break;
    case NASH_OP_AVG_POOL:
        ni_ref_avg_pool(k);
        break;
    case NASH_OP_GLOBAL_POOL:
        ni_ref_global_pool(k);
        break;
    case NASH_OP_FLATTEN:
        ni_ref_flatten(k);
        break;
    case NASH_OP_FC:
        ni_ref_fc(k);
        break;
    case NASH_OP_CONCAT:
        ni_ref_concat(k);
        break;
    case NASH_OP_ADD:
        ni_ref_add(k);
        break;
    case NASH_OP_GATE:
        ni_ref_gate(k);
        break;
    case NASH_OP_SOFTMAX:
        ni_ref_softmax(k);
        break;
    case NASH_OP_COUNT:
        break;
    }
}

static nash_status forward(nash_plan *plan)
{
    ref_plan *p = (ref_plan *)plan;
    for (int32_t id = 0; id < p->n_nodes; id++) {
        if (!p->needed[id])
            continue;
        double start = ni_clock_seconds();
        load_tensors(p, id);
        forward_node(p, id);
        if (plan->profiling)
            plan->seconds[2 * (int64_t)id] += ni_clock_seconds() - start;
    }
    EVERY (p->logits, e)
        plan->logits[e] = (float)p->logits->x[e];
    return NASH_OK;
}

/* ---- backward --------------------------------------------------------- */

static void clear_gradients(const ref_plan *p)
{
    for (int32_t id = 0; id < p->n_nodes; id++) {
        const ni_ref_node *k = &p->nodes[id];
        memset(k->y.d, 0, (size_t)ni_ref_count(&k->y) * sizeof(double));
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(p->base.model, id, slot);
            if (k->dw[slot])
                memset(k->dw[slot], 0, (size_t)t->count * sizeof(double));
        }
    }
}

static void round_gradients(const ref_plan *p, int32_t id)
{
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
        const nash_tensor *t = nash_model_tensor(p->base.model, id, slot);
        const double *dw = p->nodes[id].dw[slot];
        float *gradient =
            p->base.gradient[(int64_t)id * NASH_SLOT_COUNT + slot];
        for (int64_t i = 0; dw && i < t->count; i++)
            gradient[i] = (float)dw[i];
    }
}

static void backward_node(const ni_ref_node *k)
{
    switch (k->op) {
    case NASH_OP_NORMALIZE:
        ni_ref_normalize_back(k);
        break;
    case NASH_OP_CONV:
        ni_ref_conv_back(k);
        break;
    case NASH_OP_BATCH_NORM:
        ni_ref_batch_norm_back(k);
        break;
    case NASH_OP_RELU:
        ni_ref_relu_back(k);
        break;
    case NASH_OP_CLIP:
        ni_ref_clip_back(k);
        break;
    case NASH_OP_MAX_POOL:
        ni_ref_max_pool_back(k);
        break;
    case NASH_OP_AVG_POOL:
        ni_ref_avg_pool_back(k);
        break;
    case NASH_OP_GLOBAL_POOL:
        ni_ref_global_pool_back(k);
        break;
    case NASH_OP_FLATTEN:
        ni_ref_flatten_back(k);
        break;
    case NASH_OP_FC:
        ni_ref_fc_back(k);
        break;
    case NASH_OP_CONCAT:
        ni_ref_concat_back(k);
        break;
    case NASH_OP_ADD:
        ni_ref_add_back(k);
        break;
    case NASH_OP_GATE:
        ni_ref_gate_back(k);
        break;
    case NASH_OP_INPUT:
    case NASH_OP_SOFTMAX: /* the loss's gradient enters at the logits */
    case NASH_OP_COUNT:
        break;
    }
}

static nash_status backward(nash_plan *plan)
{
    const ref_plan *p = (const ref_plan *)plan;
    clear_gradients(p);
    EVERY (p->logits, e)
        p->logits->d[e] = (double)plan->d_logits[e];
    for (int32_t id = p->n_nodes - 1; id >= 0; id--) {
        double start = ni_clock_seconds();
        backward_node(&p->nodes[id]);
        round_gradients(p, id);
        if (plan->profiling)
            plan->seconds[2 * (int64_t)id + 1] += ni_clock_seconds() - start;
    }
    return NASH_OK;
}

/* ---- the rest --------------------------------------------------------- */

static nash_status refresh(nash_plan *plan)
{
    (void)plan;
    return NASH_OK;
}

static nash_status read(nash_plan *plan, int32_t id, float *dst)
{
    const ni_ref_value *y = &((const ref_plan *)plan)->nodes[id].y;
    EVERY (y, e)
        dst[e] = (float)y->x[e];
    return NASH_OK;
}

static const char *describe(void)
{
    return "ref (plain loops in double)";
}

const double *ni_ref_logits(const nash_plan *plan)
{
    return ((const ref_plan *)plan)->logits->x;
}

const double *ni_ref_output(const nash_plan *plan, int32_t id)
{
    return ((const ref_plan *)plan)->nodes[id].y.x;
}

const double *ni_ref_d_output(const nash_plan *plan, int32_t id)
{
    return ((const ref_plan *)plan)->nodes[id].y.d;
}

const double *ni_ref_gradient(const nash_plan *plan, int32_t id, int32_t slot)
{
    return ((const ref_plan *)plan)->nodes[id].dw[slot];
}

const ni_engine ni_engine_ref = {
    .describe = describe,
    .create = create,
    .estimate = estimate,
    .destroy = destroy,
    .refresh = refresh,
    .forward = forward,
    .backward = backward,
    .read = read,
};
