/* The oneDNN engine against the oracle: every operation by itself, in sizes
 * that fit no block, then random networks; in float32 and bf16, forward and
 * backward. */
#include "onednn_fixture.h"

#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- comparing with the oracle ---------------------------------------- */

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

/* Bounds on deviations. In bf16 a whole network's gradient is compared, since
 * single tensors may be nothing but cancellation; that of random network 1 is
 * 0.19 off on Zen 4, below 0.15 on Zen 5. */
typedef struct bounds {
    double logits, gradient, whole, statistic;
} bounds;

static const bounds exact_bounds = {2e-5, 2e-3, 1e-3, 2e-5};
static const bounds bf16_bounds = {0.04, (double)INFINITY, 0.25, 0.02};

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
        int32_t id = net_begin(&g, i % 2 ? 2 : c->c, c->h, c->w);
        if (i % 2)
            id = put_conv(g, id, c->c, 1);
        id = put(g, NASH_OP_CONV, &a, id);
        check_all(net_end(g, id, (uint64_t)i), "convolution", (uint64_t)i);
    }
}

/* What Winograd's algorithm takes over: a layer of a chain, and one of two
 * readers, which may have a bias and then a ReLU alone behind it. */
static nash_model *make_wide(const int32_t shape[4], bool bias, uint64_t seed)
{
    nash_graph *g;
    nash_attrs attrs = nash_attrs_window(3, 1);
    int32_t id = net_begin(&g, 3, shape[2], shape[3]);
    int32_t top = put_block(g, id, shape[0]);
    int32_t a = put_block(g, top, shape[1]);
    attrs.out_channels = shape[1];
    attrs.bias = bias;
    int32_t b = put(g, NASH_OP_CONV, &attrs, top);
    if (bias)
        b = put(g, NASH_OP_RELU, NULL, b);
    return net_end(g, put_two(g, NASH_OP_ADD, a, b), seed);
}

/* Channels that fill 1 to 5 blocks, sides even, odd and uneven, more tiles than
 * a chunk has, and any cut of the batch. */
static void wide_convolutions_agree(void **state)
{
    static const int32_t cases[][4] = {
        {32, 32, 4, 4},   {32, 48, 7, 5},   {48, 80, 9, 4},   {80, 64, 5, 16},
        {64, 32, 12, 12}, {112, 144, 4, 6}, {288, 32, 11, 6}, {32, 272, 8, 7},
        {32, 64, 3, 3},   {48, 32, 17, 15}, {272, 304, 5, 3}, {16, 16, 30, 29},
        {16, 48, 9, 5},   {48, 16, 3, 6},   {112, 80, 2, 2},  {48, 112, 1, 3},
        {32, 32, 1, 1},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    static const bounds float_wide = {1e-5, 1e-4, 1e-5, 1e-6};
    static const bounds bf16_wide = {0.01, 0.2, 0.03, 1e-3};
    (void)state;
    for (int i = 0; i < 9 * CASES; i++) {
        int32_t threads = i % 3 + 1, which = i / 9;
        bool bias = i % 9 >= 6; /* in inference only: training is direct then */
        nash_mode mode = i % 9 >= 3 ? NASH_MODE_INFER : NASH_MODE_TRAIN;
        nash_model *m = make_wide(cases[which], bias, (uint64_t)which);
        check_within(m, opts_of(mode, NASH_PRECISION_F32, 5, threads),
                     float_wide, "wide convolution", (uint64_t)which);
        if (has_bf16())
            check_within(m, opts_of(mode, NASH_PRECISION_BF16, 5, threads),
                         bf16_wide, "wide convolution", (uint64_t)which);
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
        int32_t id = net_begin(&g, c->c, c->h, c->w);
        id = put(g, NASH_OP_CONV, &a, id);
        if (i % 3 > 0)
            id = put(g, NASH_OP_BATCH_NORM, NULL, id);
        if (i % 3 < 2)
            id = put(g, NASH_OP_RELU, NULL, id);
        check_all(net_end(g, id, (uint64_t)i), "block", (uint64_t)i);
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
        int32_t id = net_begin(&g, 2, c->h, c->w);
        id = put_conv(g, id, c->c, 1);
        if (nash_graph_append(&id, g, op, &a, &id, 1) != NASH_OK) {
            nash_graph_free(g);
            continue;
        }
        check_all(net_end(g, id, (uint64_t)i), "pool", (uint64_t)i);
    }
}

typedef nash_model *(*maker)(uint64_t seed);

static nash_model *make_norm_alone(uint64_t seed)
{
    nash_graph *g;
    int32_t id = net_begin(&g, 3, 5, 6);
    id = put(g, NASH_OP_BATCH_NORM, NULL, id);
    id = put(g, NASH_OP_RELU, NULL, put_conv(g, id, 17, 3));
    id = put(g, NASH_OP_BATCH_NORM, NULL, id);
    return net_end(g, put(g, NASH_OP_RELU, NULL, id), seed);
}

/* A block with a pool that tiles the plane, for seeds below 3, or does not. */
static nash_model *make_pooled_block(uint64_t seed)
{
    static const int32_t kernels[][2] = {{2, 2}, {1, 3}, {3, 1}, {5, 2}};
    nash_graph *g;
    nash_attrs pool = nash_attrs_default();
    int32_t id = net_begin(&g, 3, 12, 12);
    memcpy(pool.kernel, kernels[seed % 4], sizeof pool.kernel);
    memcpy(pool.stride, kernels[seed % 4], sizeof pool.stride);
    id = put(g, NASH_OP_MAX_POOL, &pool, put_block(g, id, 33));
    return net_end(g, put_block(g, id, 17), seed);
}

static nash_model *make_normalize_within(uint64_t seed)
{
    nash_graph *g;
    int32_t id = net_begin(&g, 2, 6, 6);
    id = put_block(g, id, 9);
    int32_t a = put(g, NASH_OP_NORMALIZE, NULL, id);
    return net_end(g, put_two(g, NASH_OP_ADD, a, id), seed);
}

static nash_model *make_flatten(uint64_t seed)
{
    nash_graph *g;
    nash_attrs a = nash_attrs_default();
    int32_t id = net_begin(&g, 3, 4, 3);
    id = put_block(g, id, 17);
    int32_t flat = put(g, NASH_OP_FLATTEN, NULL, id);
    a.out_channels = 24;
    id = put(g, NASH_OP_RELU, NULL, put(g, NASH_OP_FC, &a, flat));
    a.bias = true;
    a.out_channels = 33;
    id = put(g, NASH_OP_FC, &a, put(g, NASH_OP_FLATTEN, NULL, id));
    int32_t more = put(g, NASH_OP_FC, &a, flat);
    id = put(g, NASH_OP_BATCH_NORM, NULL, put_two(g, NASH_OP_ADD, id, more));
    return net_end(g, put_two(g, NASH_OP_CONCAT, id, flat), seed);
}

static nash_model *make_diamond(uint64_t seed)
{
    nash_graph *g;
    int32_t top = net_begin(&g, 3, 6, 6);
    top = put_block(g, top, 24);
    int32_t a = put_block(g, top, 24), b = put_conv(g, top, 24, 1);
    int32_t sum = put_many(g, NASH_OP_ADD, (int32_t[]){a, b, top}, 3);
    int32_t c = put(g, NASH_OP_RELU, NULL, sum);
    return net_end(g, put_two(g, NASH_OP_ADD, put_block(g, c, 24), sum), seed);
}

static nash_model *make_concats(uint64_t seed)
{
    static const int32_t sizes[] = {3, 17, 16, 33};
    nash_graph *g;
    int32_t top = net_begin(&g, 3, 5, 5), parts[4];
    top = put_block(g, top, 5);
    for (int i = 0; i < 4; i++)
        parts[i] = put_block(g, top, sizes[i]);
    int32_t all = put_many(g, NASH_OP_CONCAT, parts, 4);
    int32_t pair = put_two(g, NASH_OP_CONCAT, parts[2], parts[3]);
    int32_t both = put_many(g, NASH_OP_CONCAT,
                            (int32_t[]){all, 1, pair, all, parts[1]}, 5);
    int32_t one = put_many(g, NASH_OP_CONCAT, &both, 1);
    return net_end(g, put_block(g, one, 7), seed);
}

static nash_model *make_gates(uint64_t seed)
{
    nash_graph *g;
    int32_t top = net_begin(&g, 3, 7, 5);
    top = put_block(g, top, 17);
    int32_t a = put_block(g, top, 17);
    int32_t first = put_two(g, NASH_OP_GATE, a, top);
    int32_t second = put_two(g, NASH_OP_GATE, put_block(g, first, 17), first);
    int32_t same = put_two(g, NASH_OP_GATE, second, second);
    int32_t skip = put_two(g, NASH_OP_GATE, put_conv(g, same, 17, 1), top);
    return net_end(g, put(g, NASH_OP_RELU, NULL, skip), seed);
}

static nash_model *make_sums(uint64_t seed)
{
    nash_graph *g;
    int32_t inputs[18], n = 0;
    int32_t top = net_begin(&g, 3, 4, 4);
    top = put_block(g, top, 8);
    for (; n < 15; n++)
        inputs[n] = put_conv(g, top, 8, 1);
    inputs[n++] = top;
    inputs[n++] = top;
    inputs[n] = inputs[0];
    int32_t sum = put_many(g, NASH_OP_ADD, inputs, n + 1);
    sum = put_two(g, NASH_OP_ADD, sum, sum);
    return net_end(g, put_many(g, NASH_OP_ADD, &sum, 1), seed);
}

/* Plain pixels, joined with what is stored in blocks. */
static nash_model *make_raw_joins(uint64_t seed)
{
    nash_graph *g;
    int32_t top = net_begin(&g, 3, 6, 6);
    int32_t conv = put_conv(g, top, 3, 3);
    int32_t sum = put_two(g, NASH_OP_ADD, conv, top);
    int32_t gate = put_two(g, NASH_OP_GATE, sum, top);
    int32_t relu = put(g, NASH_OP_RELU, NULL, top);
    return net_end(
        g, put_many(g, NASH_OP_CONCAT, (int32_t[]){gate, relu, top}, 3), seed);
}

/* Alone, behind a batch normalisation, over what others read, and over plain
 * pixels; with limits that bf16 does not have. */
static nash_model *make_clips(uint64_t seed)
{
    nash_graph *g;
    nash_attrs six = nash_attrs_default(), tight = nash_attrs_default();
    tight.low = -0.7F;
    tight.high = 0.3F;
    int32_t top = net_begin(&g, 3, 6, 5);
    int32_t plain = put(g, NASH_OP_CLIP, &tight, top);
    int32_t conv = put_conv(g, plain, 17, 3);
    int32_t norm = put(g, NASH_OP_BATCH_NORM, NULL, conv);
    int32_t a = put(g, NASH_OP_CLIP, &six, norm);
    int32_t b = put(g, NASH_OP_CLIP, &tight, conv);
    int32_t sum = put_two(g, NASH_OP_ADD, a, b);
    return net_end(g, put(g, NASH_OP_CLIP, &six, sum), seed);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_agree_in_all_shapes),
        cmocka_unit_test(wide_convolutions_agree),
        cmocka_unit_test(convolutions_fold_what_follows_in_inference),
        cmocka_unit_test(pools_agree_in_all_shapes),
        cmocka_unit_test(clips_agree),
        cmocka_unit_test(joins_and_skips_agree),
        cmocka_unit_test(random_networks_agree),
        cmocka_unit_test(a_batch_of_one_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
