/*
 * Random networks. Nodes are drawn one after another, each reading nodes that
 * nobody reads yet or, less often, any earlier one; what is still unread at the
 * end is pooled, joined and classified. A draw that does not fit (a window
 * larger than its input) is simply drawn again.
 */
#include "random_graph.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST_NODES = 256, MOST_UNREAD = 12 };

typedef struct builder {
    nash_graph *g;
    ni_rng rng;
    uint64_t seed;
    const random_graph_opts *opts;
    bool is_read[MOST_NODES];
} builder;

/* ---- draws ------------------------------------------------------------ */

static int32_t between(builder *b, int32_t least, int32_t most)
{
    return least + (int32_t)ni_rng_below(&b->rng, (uint32_t)(most - least + 1));
}

static bool chance(builder *b, double p)
{
    return ni_rng_uniform(&b->rng) < p;
}

static nash_shape shape_of(const builder *b, int32_t id)
{
    return nash_graph_node(b->g, id)->shape;
}

/* The new node's id, or -1 if it does not fit. */
static int32_t append(builder *b, nash_op op, const nash_attrs *attrs,
                      const int32_t *inputs, int32_t n)
{
    int32_t id;
    nash_status status = nash_graph_append(&id, b->g, op, attrs, inputs, n);
    if (status == NASH_ESHAPE || status == NASH_EINVAL)
        return -1;
    if (status != NASH_OK)
        fail_msg("seed %llu: %s", (unsigned long long)b->seed,
                 nash_error_message());
    for (int32_t i = 0; i < n; i++)
        b->is_read[inputs[i]] = true;
    return id;
}

static int32_t append_one(builder *b, nash_op op, const nash_attrs *attrs,
                          int32_t input)
{
    return input < 0 ? -1 : append(b, op, attrs, &input, 1);
}

/* Unread nodes, first to last; at most [MOST_NODES]. */
static int32_t unread(const builder *b, int32_t *ids)
{
    int32_t n = 0;
    for (int32_t id = 0; id < nash_graph_size(b->g); id++)
        if (!b->is_read[id])
            ids[n++] = id;
    return n;
}

static int32_t pick_source(builder *b)
{
    int32_t ids[MOST_NODES];
    int32_t n = unread(b, ids), size = nash_graph_size(b->g);
    bool normalized =
        size > 1 && nash_graph_node(b->g, 1)->op == NASH_OP_NORMALIZE;
    if (n > 0 && chance(b, 0.5))
        return ids[n - 1];
    if (n > 0 && chance(b, n > 3 ? 0.8 : 0.3))
        return ids[between(b, 0, n - 1)];
    return between(b, normalized ? 1 : 0, size - 1);
}

/* A node of the same height and width, and channels if @p c > 0, or -1. */
static int32_t pick_like(builder *b, int32_t like, int32_t c)
{
    int32_t ids[MOST_NODES], n = 0;
    nash_shape want = shape_of(b, like);
    for (int32_t id = 1; id < nash_graph_size(b->g); id++) {
        nash_shape s = shape_of(b, id);
        bool other = id != like || (b->opts->exotic && chance(b, 0.1));
        if (other && s.h == want.h && s.w == want.w && (c == 0 || s.c == c))
            ids[n++] = id;
    }
    return n > 0 ? ids[between(b, 0, n - 1)] : -1;
}

/* ---- single operations ------------------------------------------------ */

static nash_attrs draw_window(builder *b, int32_t most_kernel,
                              int32_t most_stride)
{
    nash_attrs a = nash_attrs_default();
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = between(b, 1, most_kernel);
        a.stride[i] = chance(b, 0.6) ? 1 : between(b, 1, most_stride);
        a.pads[i] = between(b, 0, a.kernel[i] - 1);
        a.pads[i + 2] = between(b, 0, a.kernel[i] - 1);
    }
    return a;
}

static void draw_dilation(builder *b, nash_attrs *a)
{
    for (int i = 0; i < 2; i++)
        a->dilation[i] = chance(b, 0.75) ? 1 : 2;
}

static void draw_groups(builder *b, nash_attrs *a, int32_t in)
{
    int32_t groups = chance(b, 0.4) ? in : between(b, 2, 4);
    if (chance(b, 0.6) || in % groups != 0)
        return;
    a->groups = groups;
    a->out_channels = groups * between(b, 1, 2);
}

static int32_t add_conv(builder *b, int32_t input, int32_t out_channels,
                        bool same)
{
    static const int32_t kernels[] = {1, 3, 3, 5};
    nash_attrs a = nash_attrs_window(kernels[between(b, 0, 3)], 1);
    if (!same && b->opts->exotic && chance(b, 0.5)) {
        a = draw_window(b, 4, 3);
        draw_dilation(b, &a);
    } else if (!same && chance(b, 0.1)) {
        a.stride[0] = a.stride[1] = 2;
    }
    a.out_channels = out_channels;
    if (!same && b->opts->exotic && input >= 0)
        draw_groups(b, &a, shape_of(b, input).c);
    a.bias = chance(b, 0.5);
    return append_one(b, NASH_OP_CONV, &a, input);
}

static int32_t add_norm(builder *b, int32_t input)
{
    nash_attrs a = nash_attrs_default();
    a.eps = chance(b, 0.7) ? 1e-5F : 1e-3F;
    a.momentum = chance(b, 0.5) ? 0.9F : 0.6F;
    return append_one(b, NASH_OP_BATCH_NORM, &a, input);
}

/* A ReLU6, or limits on both sides of 0. */
static int32_t add_clip(builder *b, int32_t input, bool both)
{
    nash_attrs a = nash_attrs_default();
    if (both) {
        a.low = -0.7F;
        a.high = 0.9F;
    }
    return append_one(b, NASH_OP_CLIP, &a, input);
}

static int32_t add_block(builder *b, int32_t input)
{
    int32_t channels = between(b, 1, b->opts->max_channels);
    int32_t id = add_norm(b, add_conv(b, input, channels, false));
    return append_one(b, NASH_OP_RELU, NULL, id);
}

static int32_t add_pool(builder *b, nash_op op, int32_t input)
{
    nash_attrs a = nash_attrs_window(2, 2);
    a.pads[0] = a.pads[1] = a.pads[2] = a.pads[3] = 0;
    if (b->opts->exotic && chance(b, 0.7)) {
        a = draw_window(b, 3, 3);
        a.ceil_mode = chance(b, 0.5);
        a.count_include_pad = chance(b, 0.5);
        if (op == NASH_OP_MAX_POOL)
            draw_dilation(b, &a);
    }
    nash_shape s = shape_of(b, input);
    return s.h < 3 && s.w < 3 ? -1 : append_one(b, op, &a, input);
}

static int32_t add_fc(builder *b, int32_t input, int32_t out_channels)
{
    nash_attrs a = nash_attrs_default();
    a.out_channels = out_channels;
    a.bias = chance(b, 0.7);
    return append_one(b, NASH_OP_FC, &a, input);
}

/* ---- joins ------------------------------------------------------------ */

/* A node of exactly that one's shape: another one, or a fresh branch. */
static int32_t partner(builder *b, int32_t like)
{
    nash_shape s = shape_of(b, like);
    int32_t found = pick_like(b, like, s.c);
    if (found >= 0 && chance(b, 0.6))
        return found;
    int32_t source = pick_like(b, like, 0);
    return add_conv(b, source < 0 ? like : source, s.c, true);
}

static int32_t add_join(builder *b, nash_op op, int32_t input, int32_t most)
{
    int32_t inputs[4] = {input, -1, -1, -1};
    int32_t n = between(b, 2, most);
    for (int32_t i = 1; i < n; i++) {
        inputs[i] =
            op == NASH_OP_CONCAT ? pick_like(b, input, 0) : partner(b, input);
        if (inputs[i] < 0)
            return -1;
    }
    if (chance(b, 0.5)) {
        inputs[0] = inputs[1];
        inputs[1] = input;
    }
    if (op == NASH_OP_CONCAT &&
        shape_of(b, inputs[0]).c + shape_of(b, inputs[1]).c >
            4 * b->opts->max_channels)
        return -1;
    return append(b, op, NULL, inputs, n);
}

/* ---- whole networks --------------------------------------------------- */

static void grow(builder *b)
{
    bool exotic = b->opts->exotic;
    int32_t at = pick_source(b);
    int32_t dice = between(b, 0, 99);
    if (dice < 34)
        add_block(b, at);
    else if (dice < 44)
        add_conv(b, at, between(b, 1, b->opts->max_channels), false);
    else if (dice < 51)
        add_norm(b, at);
    else if (dice < 56)
        append_one(b, NASH_OP_RELU, NULL, at);
    else if (dice < 59)
        add_clip(b, at, dice == 58);
    else if (dice < 66)
        add_pool(b, NASH_OP_MAX_POOL, at);
    else if (dice < 71)
        add_pool(b, NASH_OP_AVG_POOL, at);
    else if (dice < 82)
        add_join(b, NASH_OP_CONCAT, at, 3);
    else if (dice < 90)
        add_join(b, exotic ? NASH_OP_ADD : NASH_OP_GATE, at, exotic ? 4 : 2);
    else if (dice < 98)
        add_join(b, NASH_OP_GATE, at, 2);
    else
        add_fc(b, append_one(b, NASH_OP_GLOBAL_POOL, NULL, at),
               between(b, 1, b->opts->max_channels));
}

/* To [N,c,1,1]. */
static int32_t flat(builder *b, int32_t id)
{
    nash_shape s = shape_of(b, id);
    bool single = s.h == 1 && s.w == 1;
    if (single && (!b->opts->exotic || chance(b, 0.7)))
        return id;
    if (s.c * s.h * s.w <= 100 && chance(b, 0.4))
        return append_one(b, NASH_OP_FLATTEN, NULL, id);
    return append_one(b, NASH_OP_GLOBAL_POOL, NULL, id);
}

static void add_head(builder *b)
{
    int32_t ids[MOST_NODES];
    int32_t n = unread(b, ids);
    for (int32_t i = 0; i < n; i++)
        ids[i] = flat(b, ids[i]);
    int32_t id = n > 1 ? append(b, NASH_OP_CONCAT, NULL, ids, n) : ids[0];
    if (chance(b, 0.4)) {
        id = add_fc(b, id, between(b, 3, 16));
        id = append_one(b, NASH_OP_RELU, NULL, id);
    }
    if (shape_of(b, id).c < 2 || chance(b, 0.9))
        id = add_fc(b, id, between(b, 2, 7));
    append_one(b, NASH_OP_SOFTMAX, NULL, id);
}

static void add_stem(builder *b)
{
    nash_attrs a = nash_attrs_default();
    a.out_channels = chance(b, 0.5) ? 3 : between(b, 1, 4);
    a.size[0] = between(b, 4, b->opts->max_side);
    a.size[1] = chance(b, 0.5) ? a.size[0] : between(b, 4, b->opts->max_side);
    append(b, NASH_OP_INPUT, &a, NULL, 0);
    if (!b->opts->exotic || chance(b, 0.85))
        append_one(b, NASH_OP_NORMALIZE, NULL, 0);
    int32_t last = nash_graph_size(b->g) - 1;
    add_conv(b, last, between(b, 2, b->opts->max_channels), false);
}

random_graph_opts random_graph_opts_default(void)
{
    random_graph_opts opts = {
        .nodes = 14, .max_channels = 20, .max_side = 12, .exotic = true};
    return opts;
}

nash_model *random_model(uint64_t seed, const random_graph_opts *opts)
{
    random_graph_opts standard = random_graph_opts_default();
    builder b = {.rng = ni_rng_make(seed, NI_RNG_TEST, 0, 0),
                 .seed = seed,
                 .opts = opts ? opts : &standard};
    nash_model *m = NULL;
    int32_t ids[MOST_NODES];
    assert_true(b.opts->nodes <= MOST_NODES / 4);
    assert_int_equal(nash_graph_create(&b.g), NASH_OK);
    add_stem(&b);
    for (int32_t i = 0; nash_graph_size(b.g) < b.opts->nodes && i < 400; i++)
        if (unread(&b, ids) < MOST_UNREAD)
            grow(&b);
    add_head(&b);
    if (nash_graph_check(b.g) != NASH_OK ||
        nash_model_create(&m, &b.g) != NASH_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed,
                 nash_error_message());
    random_tensors(m, seed);
    return m;
}

/* ---- values ----------------------------------------------------------- */

/* One value of a tensor that is none of them neutral. */
static double draw_value(ni_rng *rng, nash_op op, int32_t slot,
                         const nash_tensor *t)
{
    double normal = ni_rng_normal(rng), uniform = ni_rng_uniform(rng);
    switch (t->role) {
    case NASH_ROLE_WEIGHT:
        return normal * sqrt(2.0 * t->dims[0] / (double)t->count);
    case NASH_ROLE_BIAS:
        return 0.3 * normal;
    case NASH_ROLE_SCALE:
        return (normal < -1.6 ? -1 : 1) * (0.5 + uniform);
    case NASH_ROLE_GATE:
        return 1.6 * uniform - 0.3;
    case NASH_ROLE_STATISTIC:
        return slot == NASH_SLOT_MEAN ? 0.5 * normal : 0.25 + 2 * uniform;
    case NASH_ROLE_CONSTANT:
        return slot == NASH_SLOT_CENTER ? 100 + 50 * uniform
                                        : 40 + 40 * uniform;
    }
    fail_msg("%s has a tensor without a role", nash_op_name(op));
    return 0;
}

void random_tensors(nash_model *m, uint64_t seed)
{
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        const nash_node *node = nash_graph_node(g, id);
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            nash_tensor *t = nash_model_tensor(m, id, slot);
            ni_rng rng = ni_rng_make(seed, NI_RNG_TEST, (uint32_t)node->tag + 1,
                                     (uint32_t)slot);
            for (int64_t i = 0; t && i < t->count; i++)
                t->data[i] = (float)draw_value(&rng, node->op, slot, t);
        }
    }
}

void random_pixels(float *pixels, int64_t count, uint64_t seed)
{
    ni_rng rng = ni_rng_make(seed, NI_RNG_TEST, 0, 1);
    for (int64_t i = 0; i < count; i++)
        pixels[i] = (float)ni_rng_below(&rng, 256);
}

void random_normal(float *values, int64_t count, uint64_t seed)
{
    ni_rng rng = ni_rng_make(seed, NI_RNG_TEST, 0, 2);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)ni_rng_normal(&rng);
}

void random_graph_print(const nash_graph *g)
{
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        const nash_node *node = nash_graph_node(g, id);
        const nash_attrs *a = &node->attrs;
        char name[32];
        nash_node_name(name, sizeof name, g, id);
        fprintf(stderr, "%3d %-14s %4d x %2d x %2d  k %dx%d s %d,%d d %d,%d ",
                (int)id, name, (int)node->shape.c, (int)node->shape.h,
                (int)node->shape.w, (int)a->kernel[0], (int)a->kernel[1],
                (int)a->stride[0], (int)a->stride[1], (int)a->dilation[0],
                (int)a->dilation[1]);
        fprintf(stderr, "p %d,%d,%d,%d g %d%s%s%s  reads", (int)a->pads[0],
                (int)a->pads[1], (int)a->pads[2], (int)a->pads[3],
                (int)a->groups, a->bias ? " bias" : "",
                a->ceil_mode ? " ceil" : "",
                a->count_include_pad ? " padcounts" : "");
        for (int32_t k = 0; k < node->n_inputs; k++)
            fprintf(stderr, " %d", (int)nash_graph_input(g, id, k));
        fprintf(stderr, "\n");
    }
}
