/*
 * The oneDNN engine against the oracle: every operation by itself, in sizes
 * that fit no block, then random networks; in float32 and bf16, forward and
 * backward, and with each of the plan's promises (bits, bytes, watching).
 *
 * Deviations are relative: |a - b| / |b| in the Euclidean norm of a tensor.
 */
#include "random_graph.h"

#include "base/memory.h"

#include <nash/plan.h>

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

/* ---- comparing with the oracle ---------------------------------------- */

typedef struct compared {
    double logits, statistic; /* largest relative deviations */
    double gradient;          /* likewise, of single tensors */
    double whole;             /* of all gradients as one vector */
    char where[64];           /* the tensor with the largest */
} compared;

/* |a - b| / |b|; values below the floor count as zero. */
static double deviation(const float *a, const float *b, int64_t n, double floor)
{
    double apart = 0, norm = floor * floor * (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        apart += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return isfinite(apart) ? sqrt(apart / norm) : (double)INFINITY;
}

static nash_plan *plan_for(nash_model *m, nash_plan_opts opts, uint64_t seed)
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

static void compare_tensors(compared *c, const nash_plan *got,
                            const nash_model *a, const nash_plan *want,
                            const nash_model *b)
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

static compared compare(const nash_model *m, nash_plan_opts opts, uint64_t seed)
{
    compared c = {0};
    nash_model *a, *b;
    OK(nash_model_dup(&a, m));
    OK(nash_model_dup(&b, m));
    nash_plan *got = plan_for(a, opts, seed);
    opts.engine = NASH_ENGINE_REF;
    nash_plan *want = plan_for(b, opts, seed);
    c.logits = deviation(
        nash_plan_logits(got), nash_plan_logits(want),
        (int64_t)opts.batch * nash_graph_classes(nash_model_graph(m)), 1e-6);
    compare_tensors(&c, got, a, want, b);
    nash_plan_free(got);
    nash_plan_free(want);
    nash_model_free(a);
    nash_model_free(b);
    return c;
}

static bool has_bf16(void)
{
    return strstr(nash_engine_describe(NASH_ENGINE_ONEDNN), "bf16") ||
           strstr(nash_engine_describe(NASH_ENGINE_ONEDNN), "amx");
}

static nash_plan_opts opts_of(nash_mode mode, nash_precision precision,
                              int32_t batch, int32_t threads)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.mode = mode;
    opts.precision = precision;
    opts.batch = batch;
    opts.threads = threads;
    return opts;
}

/* Bounds on deviations. In bf16 a whole network's gradient is compared, since
 * single tensors may be nothing but cancellation. */
typedef struct bounds {
    double logits, gradient, whole, statistic;
} bounds;

static const bounds exact_bounds = {2e-5, 2e-3, 1e-3, 2e-5};
static const bounds bf16_bounds = {0.04, (double)INFINITY, 0.15, 0.02};

static void check_within(const nash_model *m, nash_plan_opts opts, bounds most,
                         const char *what, uint64_t seed)
{
    bool bf16 = opts.precision == NASH_PRECISION_BF16;
    compared c = compare(m, opts, seed);
    if (c.logits <= most.logits && c.gradient <= most.gradient &&
        c.whole <= most.whole && c.statistic <= most.statistic)
        return;
    random_graph_print(nash_model_graph(m));
    fail_msg("%s %llu, mode %d, %s: logits %.2g, gradient of %s %.2g, whole "
             "%.2g, statistics %.2g",
             what, (unsigned long long)seed, (int)opts.mode,
             bf16 ? "bf16" : "f32", c.logits, c.where, c.gradient, c.whole,
             c.statistic);
}

static void check(const nash_model *m, nash_plan_opts opts, const char *what,
                  uint64_t seed)
{
    bool bf16 = opts.precision == NASH_PRECISION_BF16;
    check_within(m, opts, bf16 ? bf16_bounds : exact_bounds, what, seed);
}

/* In every mode and precision. */
static void check_all(nash_model *m, const char *what, uint64_t seed)
{
    int32_t threads = seed % 4 == 1 ? 2 : 1;
    for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++) {
        check(m, opts_of((nash_mode)mode, NASH_PRECISION_F32, 6, threads), what,
              seed);
        if (has_bf16())
            check(m, opts_of((nash_mode)mode, NASH_PRECISION_BF16, 6, threads),
                  what, seed);
    }
    nash_model_free(m);
}

/* ---- networks by hand ------------------------------------------------- */

static int32_t put(nash_graph *g, nash_op op, const nash_attrs *attrs,
                   int32_t a)
{
    int32_t id;
    OK(nash_graph_append(&id, g, op, attrs, &a, a < 0 ? 0 : 1));
    return id;
}

static int32_t put_many(nash_graph *g, nash_op op, const int32_t *inputs,
                        int32_t n)
{
    int32_t id;
    OK(nash_graph_append(&id, g, op, NULL, inputs, n));
    return id;
}

static int32_t put_two(nash_graph *g, nash_op op, int32_t a, int32_t b)
{
    return put_many(g, op, (const int32_t[]){a, b}, 2);
}

static int32_t put_conv(nash_graph *g, int32_t input, int32_t channels,
                        int32_t kernel)
{
    nash_attrs a = nash_attrs_window(kernel, 1);
    a.out_channels = channels;
    return put(g, NASH_OP_CONV, &a, input);
}

static int32_t put_block(nash_graph *g, int32_t input, int32_t channels)
{
    int32_t conv = put_conv(g, input, channels, 3);
    return put(g, NASH_OP_RELU, NULL, put(g, NASH_OP_BATCH_NORM, NULL, conv));
}

/* Input and normalisation. @return the normalisation's id */
static int32_t begin(nash_graph **g, int32_t channels, int32_t h, int32_t w)
{
    nash_attrs a = nash_attrs_default();
    a.out_channels = channels;
    a.size[0] = h;
    a.size[1] = w;
    OK(nash_graph_create(g));
    return put(*g, NASH_OP_NORMALIZE, NULL, put(*g, NASH_OP_INPUT, &a, -1));
}

/* Global pooling, four classes, random tensors. */
static nash_model *end(nash_graph *g, int32_t last, uint64_t seed)
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

/* ---- one operation at a time ------------------------------------------ */

typedef struct window_case {
    int32_t c, h, w, out;
    int32_t kernel[2], stride[2], dilation[2], pads[4], groups;
    bool bias;
} window_case;

static const window_case windows[] = {
    {3, 8, 8, 5, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, false},
    {5, 7, 9, 17, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, true},
    {17, 6, 6, 24, {5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 1, false},
    {24, 8, 8, 33, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, true},
    {33, 9, 5, 16, {1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, false},
    {16, 8, 8, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, false},
    {32, 8, 8, 16, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1, true},
    {24, 7, 7, 24, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 24, false},
    {16, 6, 6, 16, {5, 5}, {2, 2}, {1, 1}, {2, 2, 2, 2}, 16, true},
    {32, 6, 6, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2, false},
    {6, 6, 6, 9, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 3, true},
    {16, 9, 9, 16, {3, 3}, {1, 1}, {2, 2}, {2, 2, 2, 2}, 1, false},
    {5, 9, 9, 7, {3, 2}, {1, 2}, {2, 1}, {2, 0, 1, 1}, 1, true},
    {16, 5, 7, 16, {4, 3}, {3, 2}, {1, 1}, {3, 0, 0, 2}, 1, false},
    {17, 1, 1, 33, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, true},
    {32, 4, 1, 16, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, false},
    {16, 3, 3, 16, {3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, false},
    {48, 16, 16, 64, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, false},
    {3, 12, 12, 16, {7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}, 1, false},
};
enum { WINDOWS = sizeof windows / sizeof *windows };

static nash_attrs attrs_of(const window_case *c)
{
    nash_attrs a = nash_attrs_default();
    memcpy(a.kernel, c->kernel, sizeof a.kernel);
    memcpy(a.stride, c->stride, sizeof a.stride);
    memcpy(a.dilation, c->dilation, sizeof a.dilation);
    memcpy(a.pads, c->pads, sizeof a.pads);
    a.out_channels = c->out;
    a.groups = c->groups;
    a.bias = c->bias;
    return a;
}

/* As the first layer, and after another one, whose gradient it passes on. */
static void convolutions_agree_in_all_shapes(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WINDOWS; i++) {
        const window_case *c = &windows[i / 2];
        nash_graph *g;
        nash_attrs a = attrs_of(c);
        int32_t id = begin(&g, i % 2 ? 2 : c->c, c->h, c->w);
        if (i % 2)
            id = put_conv(g, id, c->c, 1);
        id = put(g, NASH_OP_CONV, &a, id);
        check_all(end(g, id, (uint64_t)i), "convolution", (uint64_t)i);
    }
}

/* Channels that fill 1 to 5 blocks, sides even, odd and uneven, more tiles than
 * a chunk has, and any cut of the batch: what Winograd's algorithm takes over
 * in bf16 training, as a layer of a chain and as one of two readers. */
static void wide_convolutions_agree_in_training(void **state)
{
    static const int32_t cases[][4] = {
        {32, 32, 4, 4},   {32, 48, 7, 5},   {48, 80, 9, 4},   {80, 64, 5, 16},
        {64, 32, 12, 12}, {112, 144, 4, 6}, {288, 32, 11, 6}, {32, 272, 8, 7},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int32_t threads = 1; threads <= 3 && has_bf16(); threads++) {
            const int32_t *c = cases[i];
            nash_graph *g;
            int32_t id = begin(&g, 3, c[2], c[3]);
            int32_t top = put_block(g, id, c[0]);
            int32_t a = put_block(g, top, c[1]);
            int32_t b = put_conv(g, top, c[1], 3);
            nash_model *m = end(g, put_two(g, NASH_OP_ADD, a, b), i);
            check_within(
                m, opts_of(NASH_MODE_TRAIN, NASH_PRECISION_BF16, 5, threads),
                (bounds){0.01, 0.2, 0.03, 1e-3}, "wide convolution", i);
            nash_model_free(m);
        }
}

static void convolutions_fold_what_follows_in_inference(void **state)
{
    (void)state;
    for (int i = 0; i < WINDOWS; i++) {
        const window_case *c = &windows[i];
        nash_graph *g;
        nash_attrs a = attrs_of(c);
        int32_t id = begin(&g, c->c, c->h, c->w);
        id = put(g, NASH_OP_CONV, &a, id);
        if (i % 3 > 0)
            id = put(g, NASH_OP_BATCH_NORM, NULL, id);
        if (i % 3 < 2)
            id = put(g, NASH_OP_RELU, NULL, id);
        check_all(end(g, id, (uint64_t)i), "block", (uint64_t)i);
    }
}

static void pools_agree_in_all_shapes(void **state)
{
    (void)state;
    static const nash_op ops[] = {NASH_OP_MAX_POOL, NASH_OP_AVG_POOL};
    for (int i = 0; i < 4 * WINDOWS; i++) {
        const window_case *c = &windows[i / 4];
        nash_graph *g;
        nash_attrs a = attrs_of(c);
        nash_op op = ops[i % 2];
        a.groups = 1;
        a.bias = false;
        a.ceil_mode = i / 2 % 2;
        a.count_include_pad = op == NASH_OP_AVG_POOL && i / 4 % 2;
        int32_t id = begin(&g, 2, c->h, c->w);
        id = put_conv(g, id, c->c, 1);
        if (nash_graph_append(&id, g, op, &a, &id, 1) != NASH_OK) {
            nash_graph_free(g);
            continue;
        }
        check_all(end(g, id, (uint64_t)i), "pool", (uint64_t)i);
    }
}

typedef nash_model *(*maker)(uint64_t seed);

static nash_model *make_norm_alone(uint64_t seed)
{
    nash_graph *g;
    int32_t id = begin(&g, 3, 5, 6);
    id = put(g, NASH_OP_BATCH_NORM, NULL, id);
    id = put(g, NASH_OP_RELU, NULL, put_conv(g, id, 17, 3));
    id = put(g, NASH_OP_BATCH_NORM, NULL, id);
    return end(g, put(g, NASH_OP_RELU, NULL, id), seed);
}

/* A block with a pool that tiles the plane, for seeds below 3, or does not. */
static nash_model *make_pooled_block(uint64_t seed)
{
    static const int32_t kernels[][2] = {{2, 2}, {1, 3}, {3, 1}, {5, 2}};
    nash_graph *g;
    nash_attrs pool = nash_attrs_default();
    int32_t id = begin(&g, 3, 12, 12);
    memcpy(pool.kernel, kernels[seed % 4], sizeof pool.kernel);
    memcpy(pool.stride, kernels[seed % 4], sizeof pool.stride);
    id = put(g, NASH_OP_MAX_POOL, &pool, put_block(g, id, 33));
    return end(g, put_block(g, id, 17), seed);
}

static nash_model *make_normalize_within(uint64_t seed)
{
    nash_graph *g;
    int32_t id = begin(&g, 2, 6, 6);
    id = put_block(g, id, 9);
    int32_t a = put(g, NASH_OP_NORMALIZE, NULL, id);
    return end(g, put_two(g, NASH_OP_ADD, a, id), seed);
}

static nash_model *make_flatten(uint64_t seed)
{
    nash_graph *g;
    nash_attrs a = nash_attrs_default();
    int32_t id = begin(&g, 3, 4, 3);
    id = put_block(g, id, 17);
    int32_t flat = put(g, NASH_OP_FLATTEN, NULL, id);
    a.out_channels = 24;
    id = put(g, NASH_OP_RELU, NULL, put(g, NASH_OP_FC, &a, flat));
    a.bias = true;
    a.out_channels = 33;
    id = put(g, NASH_OP_FC, &a, put(g, NASH_OP_FLATTEN, NULL, id));
    int32_t more = put(g, NASH_OP_FC, &a, flat);
    id = put(g, NASH_OP_BATCH_NORM, NULL, put_two(g, NASH_OP_ADD, id, more));
    return end(g, put_two(g, NASH_OP_CONCAT, id, flat), seed);
}

static nash_model *make_diamond(uint64_t seed)
{
    nash_graph *g;
    int32_t top = begin(&g, 3, 6, 6);
    top = put_block(g, top, 24);
    int32_t a = put_block(g, top, 24), b = put_conv(g, top, 24, 1);
    int32_t sum = put_many(g, NASH_OP_ADD, (int32_t[]){a, b, top}, 3);
    int32_t c = put(g, NASH_OP_RELU, NULL, sum);
    return end(g, put_two(g, NASH_OP_ADD, put_block(g, c, 24), sum), seed);
}

static nash_model *make_concats(uint64_t seed)
{
    static const int32_t sizes[] = {3, 17, 16, 33};
    nash_graph *g;
    int32_t top = begin(&g, 3, 5, 5), parts[4];
    top = put_block(g, top, 5);
    for (int i = 0; i < 4; i++)
        parts[i] = put_block(g, top, sizes[i]);
    int32_t all = put_many(g, NASH_OP_CONCAT, parts, 4);
    int32_t pair = put_two(g, NASH_OP_CONCAT, parts[2], parts[3]);
    int32_t both = put_many(g, NASH_OP_CONCAT,
                            (int32_t[]){all, 1, pair, all, parts[1]}, 5);
    int32_t one = put_many(g, NASH_OP_CONCAT, &both, 1);
    return end(g, put_block(g, one, 7), seed);
}

static nash_model *make_gates(uint64_t seed)
{
    nash_graph *g;
    int32_t top = begin(&g, 3, 7, 5);
    top = put_block(g, top, 17);
    int32_t a = put_block(g, top, 17);
    int32_t first = put_two(g, NASH_OP_GATE, a, top);
    int32_t second = put_two(g, NASH_OP_GATE, put_block(g, first, 17), first);
    int32_t same = put_two(g, NASH_OP_GATE, second, second);
    int32_t skip = put_two(g, NASH_OP_GATE, put_conv(g, same, 17, 1), top);
    return end(g, put(g, NASH_OP_RELU, NULL, skip), seed);
}

static nash_model *make_sums(uint64_t seed)
{
    nash_graph *g;
    int32_t inputs[18], n = 0;
    int32_t top = begin(&g, 3, 4, 4);
    top = put_block(g, top, 8);
    for (; n < 15; n++)
        inputs[n] = put_conv(g, top, 8, 1);
    inputs[n++] = top;
    inputs[n++] = top;
    inputs[n] = inputs[0];
    int32_t sum = put_many(g, NASH_OP_ADD, inputs, n + 1);
    sum = put_two(g, NASH_OP_ADD, sum, sum);
    return end(g, put_many(g, NASH_OP_ADD, &sum, 1), seed);
}

/* Plain pixels, joined with what is stored in blocks. */
static nash_model *make_raw_joins(uint64_t seed)
{
    nash_graph *g;
    int32_t top = begin(&g, 3, 6, 6);
    int32_t conv = put_conv(g, top, 3, 3);
    int32_t sum = put_two(g, NASH_OP_ADD, conv, top);
    int32_t gate = put_two(g, NASH_OP_GATE, sum, top);
    int32_t relu = put(g, NASH_OP_RELU, NULL, top);
    return end(g, put_many(g, NASH_OP_CONCAT, (int32_t[]){gate, relu, top}, 3),
               seed);
}

/* Alone, behind a batch normalisation, over what others read, and over plain
 * pixels; with limits that bf16 does not have. */
static nash_model *make_clips(uint64_t seed)
{
    nash_graph *g;
    nash_attrs six = nash_attrs_default(), tight = nash_attrs_default();
    tight.low = -0.7F;
    tight.high = 0.3F;
    int32_t top = begin(&g, 3, 6, 5);
    int32_t plain = put(g, NASH_OP_CLIP, &tight, top);
    int32_t conv = put_conv(g, plain, 17, 3);
    int32_t norm = put(g, NASH_OP_BATCH_NORM, NULL, conv);
    int32_t a = put(g, NASH_OP_CLIP, &six, norm);
    int32_t b = put(g, NASH_OP_CLIP, &tight, conv);
    int32_t sum = put_two(g, NASH_OP_ADD, a, b);
    return end(g, put(g, NASH_OP_CLIP, &six, sum), seed);
}

static void clips_agree(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        check_all(make_clips(seed), "clips", seed);
}

static void joins_and_skips_agree(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        maker make;
    } nets[] = {
        {"norm alone", make_norm_alone},
        {"pooled block", make_pooled_block},
        {"normalize within", make_normalize_within},
        {"flatten", make_flatten},
        {"diamond", make_diamond},
        {"concatenations", make_concats},
        {"gates", make_gates},
        {"sums", make_sums},
        {"raw joins", make_raw_joins},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        for (uint64_t seed = 0; seed < 4; seed++)
            check_all(nets[i].make(seed), nets[i].name, seed);
}

static void random_networks_agree(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        check_all(random_model(seed, NULL), "network", seed);
}

static void a_batch_of_one_is_enough(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        nash_model *m = random_model(seed, NULL);
        check(m, opts_of(NASH_MODE_INFER, NASH_PRECISION_F32, 1, 1), "network",
              seed);
        nash_model_free(m);
    }
}

/* ---- promises about bits ---------------------------------------------- */

static float *read_node(nash_model *m, nash_plan_opts opts, int32_t id,
                        uint64_t seed)
{
    nash_shape s = nash_graph_node(nash_model_graph(m), id)->shape;
    float *values =
        calloc((size_t)opts.batch * (size_t)s.c * (size_t)s.h * (size_t)s.w,
               sizeof *values);
    opts.watch = id;
    nash_plan *plan = plan_for(m, opts, seed);
    assert_non_null(values);
    OK(nash_plan_read(plan, id, values));
    nash_plan_free(plan);
    return values;
}

static void assert_same_output(nash_model *m, nash_plan_opts opts, int32_t a,
                               int32_t b)
{
    nash_shape s = nash_graph_node(nash_model_graph(m), a)->shape;
    int64_t n = (int64_t)opts.batch * s.c * s.h * s.w;
    float *x = read_node(m, opts, a, 3), *y = read_node(m, opts, b, 3);
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)x[i]));
        if (x[i] != y[i])
            fail_msg("value %lld: %.9g became %.9g, mode %d, precision %d",
                     (long long)i, (double)x[i], (double)y[i], (int)opts.mode,
                     (int)opts.precision);
    }
    assert_true(largest > 0);
    free(x);
    free(y);
}

/* @param inexact  whether training in bf16 may round */
static void assert_same_output_in_all_modes(nash_model *m, int32_t a, int32_t b,
                                            bool inexact)
{
    for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++) {
        assert_same_output(
            m, opts_of((nash_mode)mode, NASH_PRECISION_F32, 2, 1), a, b);
        if (has_bf16() && !(inexact && mode == NASH_MODE_TRAIN))
            assert_same_output(
                m, opts_of((nash_mode)mode, NASH_PRECISION_BF16, 2, 1), a, b);
    }
    nash_model_free(m);
}

static void identity_convolutions_change_no_bit(void **state)
{
    (void)state;
    static const int32_t channels[] = {3, 16, 24, 33, 64};
    for (int i = 0; i < 10; i++) {
        nash_graph *g;
        int32_t c = channels[i / 2], kernel = i % 2 ? 5 : 3;
        int32_t top = begin(&g, 3, 9, 8);
        top = put_block(g, top, c);
        int32_t id = put_conv(g, top, c, kernel);
        nash_model *m = end(g, put_block(g, id, 8), 5);
        nash_tensor *w = nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
        memset(w->data, 0, (size_t)w->count * sizeof(float));
        for (int32_t o = 0; o < c; o++)
            w->data[((o * c + o) * kernel + kernel / 2) * kernel + kernel / 2] =
                1;
        /* what Winograd's algorithm takes over */
        bool inexact = c == 64 && kernel == 3;
        assert_same_output_in_all_modes(m, top, id, inexact);
    }
}

static void an_open_gate_changes_no_bit(void **state)
{
    (void)state;
    nash_graph *g;
    int32_t top = begin(&g, 3, 9, 8);
    top = put_block(g, top, 24);
    int32_t f = put_conv(g, top, 24, 3);
    int32_t id = put_two(g, NASH_OP_GATE, f, top);
    nash_model *m = end(g, put_block(g, id, 8), 5);
    nash_model_tensor(m, id, NASH_SLOT_LAMBDA)->data[0] = 1;
    assert_same_output_in_all_modes(m, f, id, false);
}

static void assert_same_results(const nash_plan *a, const nash_plan *b,
                                const nash_model *m, int32_t batch)
{
    const nash_graph *g = nash_model_graph(m);
    assert_memory_equal(nash_plan_logits(a), nash_plan_logits(b),
                        (size_t)batch * (size_t)nash_graph_classes(g) *
                            sizeof(float));
    for (int32_t i = 0; i < nash_graph_size(g) * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const float *x = nash_plan_gradient(a, id, slot);
        if (x)
            assert_memory_equal(x, nash_plan_gradient(b, id, slot),
                                (size_t)nash_model_tensor(m, id, slot)->count *
                                    sizeof *x);
    }
}

static void equal_plans_give_equal_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        nash_model *a = random_model(seed, NULL), *b = random_model(seed, NULL);
        nash_plan_opts opts =
            opts_of(NASH_MODE_TRAIN, NASH_PRECISION_AUTO, 6, 2);
        nash_plan *x = plan_for(a, opts, seed), *y = plan_for(b, opts, seed);
        assert_same_results(x, y, a, opts.batch);
        assert_true(nash_model_hash(a) == nash_model_hash(b));
        nash_plan_free(x);
        nash_plan_free(y);
        nash_model_free(a);
        nash_model_free(b);
    }
}

/* Statistics, sums and batches are cut at other places, but the function is the
 * same: one thread's, to rounding; and the bits repeat. */
static void check_threads(uint64_t seed, nash_mode mode, int32_t threads)
{
    enum { IMAGES = 7 };
    nash_model *models[3];
    nash_plan *plans[3];
    compared c = {0};
    for (int i = 0; i < 3; i++) {
        models[i] = random_model(seed, NULL);
        plans[i] = plan_for(
            models[i],
            opts_of(mode, NASH_PRECISION_F32, IMAGES, i == 0 ? 1 : threads),
            seed);
    }
    compare_tensors(&c, plans[1], models[1], plans[0], models[0]);
    int32_t classes = nash_graph_classes(nash_model_graph(models[0]));
    c.logits = deviation(nash_plan_logits(plans[1]), nash_plan_logits(plans[0]),
                         (int64_t)IMAGES * classes, 1e-6);
    if (c.logits > 2e-6 || c.statistic > 2e-6 || c.gradient > 1e-3 ||
        c.whole > 2e-5)
        fail_msg("network %llu, mode %d, %d threads: logits %.2g, statistics "
                 "%.2g, gradient of %s %.2g, whole %.2g",
                 (unsigned long long)seed, (int)mode, (int)threads, c.logits,
                 c.statistic, c.where, c.gradient, c.whole);
    assert_same_results(plans[1], plans[2], models[0], IMAGES);
    assert_true(nash_model_hash(models[1]) == nash_model_hash(models[2]));
    for (int i = 0; i < 3; i++) {
        nash_plan_free(plans[i]);
        nash_model_free(models[i]);
    }
}

static void any_number_of_threads_computes_the_same_function(void **state)
{
    (void)state;
    static const int32_t threads[] = {2, 3, 9}; /* more than images */
    for (uint64_t seed = 1; seed <= 12; seed++)
        for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++)
            for (int i = 0; i < 3; i++)
                check_threads(seed, (nash_mode)mode, threads[i]);
}

/* A step leaves nothing behind that the next one sees, and d_logits stay. */
static void steps_repeat_to_the_bit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        nash_model *a = random_model(seed, NULL), *b = random_model(seed, NULL);
        nash_plan_opts opts =
            opts_of(NASH_MODE_TRAIN, NASH_PRECISION_AUTO, 4, 2);
        nash_plan *x = plan_for(a, opts, seed), *y = plan_for(b, opts, seed);
        OK(nash_plan_forward(y));
        OK(nash_plan_forward(y));
        OK(nash_plan_backward(y));
        assert_same_results(x, y, a, opts.batch);
        nash_plan_free(x);
        nash_plan_free(y);
        nash_model_free(a);
        nash_model_free(b);
    }
}

/* ---- other promises --------------------------------------------------- */

static void check_watched(uint64_t seed, nash_mode mode)
{
    nash_model *m = random_model(seed, NULL);
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_plan_opts opts = opts_of(mode, NASH_PRECISION_F32, 2, 1 + id % 2);
        nash_shape s = nash_graph_node(g, id)->shape;
        float *got = read_node(m, opts, id, seed);
        opts.engine = NASH_ENGINE_REF;
        float *want = read_node(m, opts, id, seed);
        double d = deviation(got, want, (int64_t)2 * s.c * s.h * s.w, 1e-6);
        if (d > 2e-5) {
            random_graph_print(g);
            fail_msg("seed %llu, mode %d, node %d: %.2g",
                     (unsigned long long)seed, (int)mode, (int)id, d);
        }
        free(got);
        free(want);
    }
    nash_model_free(m);
}

static void any_node_can_be_watched(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (int mode = NASH_MODE_INFER; mode <= NASH_MODE_STATS; mode++)
            check_watched(seed, (nash_mode)mode);
}

static void refreshing_takes_up_new_weights(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        nash_model *m = random_model(seed, NULL);
        nash_plan_opts opts =
            opts_of(NASH_MODE_INFER, NASH_PRECISION_AUTO, 3, 2);
        nash_plan *old = plan_for(m, opts, seed);
        random_tensors(m, seed + 100);
        nash_plan *fresh = plan_for(m, opts, seed);
        OK(nash_plan_refresh(old));
        OK(nash_plan_forward(old));
        assert_same_results(old, fresh, m, opts.batch);
        nash_plan_free(old);
        nash_plan_free(fresh);
        nash_model_free(m);
    }
}

/* Not in inference, where oneDNN's fused ReLU makes it zero. */
static void a_nan_reaches_the_logits_in_training(void **state)
{
    (void)state;
    nash_graph *g;
    nash_attrs pool = nash_attrs_window(2, 2);
    int32_t id = begin(&g, 3, 8, 8);
    id = put_conv(g, id, 16, 3);
    int32_t first = id;
    id = put(g, NASH_OP_MAX_POOL, &pool, put(g, NASH_OP_RELU, NULL, id));
    id = put_two(g, NASH_OP_GATE, put_block(g, id, 16), id);
    nash_model *m = end(g, id, 1);
    nash_model_tensor(m, first, NASH_SLOT_WEIGHT)->data[0] = NAN;
    for (int mode = NASH_MODE_TRAIN; mode <= NASH_MODE_STATS; mode++) {
        nash_plan *plan =
            plan_for(m, opts_of((nash_mode)mode, NASH_PRECISION_AUTO, 2, 2), 1);
        assert_true(isnan(nash_plan_logits(plan)[0]));
        nash_plan_free(plan);
    }
    nash_model_free(m);
}

/* Activations do not all live at once: training needs less than the sum. */
static void memory_is_reused(void **state)
{
    (void)state;
    nash_graph *g;
    int32_t id = begin(&g, 3, 16, 16);
    id = put_block(g, id, 32);
    for (int i = 0; i < 8; i++)
        id = put_block(g, id, 32);
    nash_model *m = end(g, id, 1);
    size_t bytes, activation = (size_t)16 * 16 * 16 * 32 * sizeof(float);
    nash_plan_opts opts = opts_of(NASH_MODE_INFER, NASH_PRECISION_F32, 16, 1);
    OK(nash_plan_estimate(&bytes, nash_model_graph(m), &opts));
    assert_true(bytes < 4 * activation);
    opts.mode = NASH_MODE_TRAIN;
    OK(nash_plan_estimate(&bytes, nash_model_graph(m), &opts));
    assert_true(bytes > 18 * activation && bytes < 23 * activation);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_agree_in_all_shapes),
        cmocka_unit_test(wide_convolutions_agree_in_training),
        cmocka_unit_test(convolutions_fold_what_follows_in_inference),
        cmocka_unit_test(pools_agree_in_all_shapes),
        cmocka_unit_test(clips_agree),
        cmocka_unit_test(joins_and_skips_agree),
        cmocka_unit_test(random_networks_agree),
        cmocka_unit_test(a_batch_of_one_is_enough),
        cmocka_unit_test(identity_convolutions_change_no_bit),
        cmocka_unit_test(an_open_gate_changes_no_bit),
        cmocka_unit_test(equal_plans_give_equal_bits),
        cmocka_unit_test(any_number_of_threads_computes_the_same_function),
        cmocka_unit_test(steps_repeat_to_the_bit),
        cmocka_unit_test(any_node_can_be_watched),
        cmocka_unit_test(refreshing_takes_up_new_weights),
        cmocka_unit_test(a_nan_reaches_the_logits_in_training),
        cmocka_unit_test(memory_is_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
