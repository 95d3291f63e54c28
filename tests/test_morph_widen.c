/*
 * Widening: who grows with a layer, where the new channels land in its
 * readers, what copies, fresh channels and pairs are made of, and which classes
 * of channels are refused.
 */
#include "morph_fixture.h"

#include "base/memory.h"
#include "engine/ref/ref.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int32_t channels(const nash_model *m, int32_t id)
{
    return nash_graph_node(nash_model_graph(m), id)->shape.c;
}

/* Widen a node in all three modes; the copy's child is returned. */
static nash_model *widened(const nash_model *m, int32_t id, int32_t factor)
{
    char text[96];
    nash_model *child[3];
    static const char *const modes[] = {"copy", "fresh", "pair"};
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "widen:at=%d,factor=%d,mode=%s,seed=3", id,
                 factor, modes[i]);
        child[i] = morphed(m, text);
        assert_int_equal(channels(child[i], id), factor * channels(m, id));
    }
    nash_morph pair = {.kind = NASH_MORPH_WIDEN,
                       .at = id,
                       .factor = factor,
                       .mode = NASH_WIDEN_PAIR,
                       .seed = 3};
    assert_ok(nash_model_dup(&child[2], m));
    assert_ok(nash_morph_apply(child[2], &pair, NULL));
    assert_true(distance(m, -1, child[2], -1, NASH_MODE_INFER, 6) <= 1e-12);
    assert_true(distance(m, -1, child[2], -1, NASH_MODE_STATS, 6) <= 1e-12);
    nash_model_free(child[1]);
    nash_model_free(child[2]);
    return child[0];
}

static nash_status try_widen(const nash_model *m, int32_t id)
{
    char text[32];
    snprintf(text, sizeof text, "widen:at=%d", id);
    return try_morph(m, text);
}

/* A convolution in groups. */
static int32_t net_grouped(nash_graph *g, int32_t input, int32_t out,
                           int32_t groups)
{
    int32_t id;
    nash_attrs attrs = nash_attrs_window(3, 1);
    attrs.out_channels = out;
    attrs.groups = groups;
    assert_ok(nash_graph_append(&id, g, NASH_OP_CONV, &attrs, &input, 1));
    return id;
}

/* ---- readers ------------------------------------------------------------ */

static void a_layer_read_by_several_layers_can_be_widened(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 6, 5);
    int32_t a = net_block(g, 1, 3, 3, 1);
    int32_t b = net_conv(g, a, 4, 3, 1), c = net_block(g, a, 4, 5, 1);
    int32_t d = net_pool(g, NASH_OP_MAX_POOL, a);
    int32_t id = net_pool(g, NASH_OP_AVG_POOL, net_join(g, NASH_OP_ADD, b, c));
    id = net_join(g, NASH_OP_CONCAT, id, d);
    nash_model *m = net_finish(g, net_op(g, NASH_OP_FLATTEN, id), 4, 1);
    nash_model *child = widened(m, 2, 4);
    for (int32_t i = 0; i < 4; i++) /* all its readers read 12 channels */
        assert_int_equal(channels(child, i + 1), i ? 12 : 2);
    assert_int_equal(channels(child, d), 12);
    nash_model_free(child);
    nash_model_free(m);
}

static void
new_channels_land_at_the_right_offset_of_a_concatenation(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 6, 5);
    int32_t a = net_block(g, 1, 3, 3, 1), b = net_block(g, 1, 2, 3, 1);
    int32_t ab = net_join(g, NASH_OP_CONCAT, a, b);
    int32_t aba = net_join(g, NASH_OP_CONCAT, ab, a);
    int32_t c = net_conv(g, aba, 5, 3, 1);
    nash_model *m = net_finish(g, net_op(g, NASH_OP_GLOBAL_POOL, c), 4, 1);
    nash_model *child = widened(m, 2, 2);
    const nash_tensor *before = nash_model_tensor(m, c, NASH_SLOT_WEIGHT);
    const nash_tensor *after = nash_model_tensor(child, c, NASH_SLOT_WEIGHT);
    /* a0 a1 a2 n n n b0 b1 a0 a1 a2 n n n */
    static const int from[14] = {0, 1, 2, -1, -1, -1, 3,
                                 4, 5, 6, 7,  -1, -1, -1};
    assert_int_equal(after->dims[1], 14);
    for (int i = 0; i < 14; i++)
        for (int t = 0; t < 9; t++)
            assert_true(after->data[i * 9 + t] ==
                        (from[i] < 0 ? 0 : before->data[from[i] * 9 + t]));
    nash_model_free(child);
    nash_model_free(widened(m, 5, 4));
    nash_model_free(m);
}

static void
a_classifier_reads_height_times_width_columns_per_channel(void **state)
{
    (void)state;
    nash_op ops[] = {NASH_OP_FLATTEN, NASH_OP_GLOBAL_POOL};
    for (int i = 0; i < 2; i++) {
        nash_graph *g = net_new(2, 6, 4);
        int32_t a = net_block(g, 1, 3, 3, 1), b = net_conv(g, 1, 2, 1, 1);
        int32_t id = net_join(g, NASH_OP_CONCAT, a, b);
        id = net_op(g, ops[i], net_pool(g, NASH_OP_MAX_POOL, id));
        nash_model *m = net_finish(g, id, 4, 1);
        nash_model *child = widened(m, 2, 2);
        const nash_tensor *t =
            nash_model_tensor(child, nth(child, NASH_OP_FC, 0), 0);
        assert_int_equal(t->dims[1], 8 * (i == 0 ? 6 : 1));
        nash_model_free(child);
        nash_model_free(widened(m, b, 4));
        nash_model_free(m);
    }
}

static void a_hidden_fully_connected_layer_can_be_widened(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 4, 4);
    int32_t id = net_op(g, NASH_OP_FLATTEN, net_block(g, 1, 3, 3, 1));
    id = net_op(g, NASH_OP_RELU, net_fc(g, id, 5));
    nash_model *m = net_finish(g, id, 4, 1);
    nash_model_free(widened(m, nth(m, NASH_OP_FC, 0), 3));
    nash_model_free(widened(m, 2, 2));
    assert_refused(try_widen(m, nth(m, NASH_OP_FC, 1)), "network's output");
    assert_refused(try_widen(m, nth(m, NASH_OP_RELU, 0)), "of its own");
    nash_model_free(m);
}

/* ---- ties --------------------------------------------------------------- */

static void both_branches_of_a_sum_or_gate_are_widened_together(void **state)
{
    (void)state;
    nash_op ops[] = {NASH_OP_ADD, NASH_OP_GATE};
    for (int i = 0; i < 2; i++) {
        nash_graph *g = net_new(2, 6, 5);
        int32_t a = net_block(g, 1, 3, 3, 1), b = net_conv(g, a, 3, 3, 1);
        int32_t sum = net_join(g, ops[i], a, b);
        int32_t c = net_block(g, sum, 4, 3, 1);
        int32_t id = net_op(g, NASH_OP_GLOBAL_POOL, c);
        nash_model *m = net_finish(g, id, 4, 1);
        for (int32_t at = 2; at <= b; at += b - 2) {
            nash_model *child = widened(m, at, 2);
            assert_int_equal(channels(child, a), 6);
            assert_int_equal(channels(child, b), 6);
            assert_int_equal(channels(child, sum), 6);
            nash_model_free(child);
        }
        nash_model_free(m);
    }
}

static void sums_of_concatenations_are_widened_where_they_must(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 6, 5);
    int32_t a = net_block(g, 1, 3, 3, 1), b = net_conv(g, 1, 2, 3, 1);
    int32_t c = net_block(g, 1, 5, 3, 1);
    int32_t ab = net_join(g, NASH_OP_CONCAT, a, b);
    int32_t ba = net_join(g, NASH_OP_CONCAT, b, a);
    int32_t sum = net_join(g, NASH_OP_ADD, ab, c);
    sum = net_join(g, NASH_OP_ADD, sum, ba);
    nash_model *m = net_finish(g, net_op(g, NASH_OP_FLATTEN, sum), 4, 1);
    /* a2 meets a0 of the other order in the sum, a0 meets b0, and so on: all
     * channels are tied, so each gets as many new ones behind it */
    nash_model *child = morphed(m, "widen:at=conv_2,factor=2");
    assert_int_equal(channels(child, a), 3 + 3 * 3);
    assert_int_equal(channels(child, b), 2 + 2 * 3);
    assert_int_equal(channels(child, sum), 5 + 5 * 3);
    nash_model_free(child);
    nash_model_free(morphed(m, "widen:at=conv_5,factor=2,mode=fresh"));
    nash_model_free(m);
}

static void depthwise_convolutions_are_widened_with_their_input(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 6, 5);
    int32_t a = net_block(g, 1, 3, 3, 1), b = net_grouped(g, a, 3, 3);
    int32_t c = net_conv(g, net_op(g, NASH_OP_RELU, b), 4, 1, 1);
    nash_model *m = net_finish(g, net_op(g, NASH_OP_GLOBAL_POOL, c), 4, 1);
    for (int32_t at = 2; at <= b; at += b - 2) {
        nash_model *child = widened(m, at, 4);
        assert_int_equal(channels(child, 2), 12);
        const nash_node *node = nash_graph_node(nash_model_graph(child), b);
        assert_int_equal(node->attrs.groups, 12);
        nash_model_free(child);
    }
    nash_model *child = morphed(m, "concat_skip:at=relu_4,from=normalize_1");
    assert_int_equal(
        nash_graph_node(nash_model_graph(child), nth(child, NASH_OP_CONV, 1))
            ->attrs.groups,
        5);
    nash_model_free(child);
    nash_model_free(m);
}

static void channels_tied_to_the_input_or_to_groups_are_refused(void **state)
{
    (void)state;
    nash_graph *g = net_new(4, 6, 5);
    int32_t a = net_conv(g, 1, 4, 3, 1), tied = net_join(g, NASH_OP_ADD, a, 1);
    int32_t depth = net_grouped(g, 1, 4, 4);
    int32_t b = net_conv(g, tied, 4, 3, 1), c = net_grouped(g, b, 6, 2);
    int32_t d = net_conv(g, net_join(g, NASH_OP_CONCAT, c, depth), 4, 1, 1);
    int32_t once = net_grouped(g, d, 8, 4); /* two filters per channel */
    int32_t id = net_op(g, NASH_OP_GLOBAL_POOL, once);
    nash_model *m = net_finish(g, id, 4, 1);
    assert_refused(try_widen(m, a), "network's input");
    assert_refused(try_widen(m, depth), "network's input");
    assert_refused(try_widen(m, b), "grouped convolution");
    assert_refused(try_widen(m, c), "grouped convolution");
    assert_refused(try_widen(m, d), "grouped convolution");
    assert_refused(try_widen(m, once), "grouped convolution");
    nash_model_free(m);
}

static void what_would_be_too_wide_is_beyond_the_limit(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 4, 4);
    int32_t id = net_op(g, NASH_OP_FLATTEN, net_block(g, 1, 3, 3, 1));
    nash_model *m = net_finish(g, id, 4, 1);
    nash_morph morph = {.kind = NASH_MORPH_WIDEN, .at = 2};
    for (int32_t factor = 100000; factor > 0 && factor < INT32_MAX / 2;
         factor *= 7) {
        morph.factor = factor;
        assert_int_equal(nash_morph_apply(m, &morph, NULL), NASH_ELIMIT);
    }
    morph.factor = 1;
    assert_int_equal(nash_morph_apply(m, &morph, NULL), NASH_EINVAL);
    nash_model_free(m);
}

/* 2^31 pixels in one channel, as many values as a tensor may have. */
static void the_largest_image_has_room_for_one_channel(void **state)
{
    (void)state;
    nash_graph *g = net_new(1, 1 << 15, 1 << 16);
    int32_t id = net_op(g, NASH_OP_RELU, net_conv(g, 1, 1, 3, 1));
    id = net_op(g, NASH_OP_GLOBAL_POOL, id);
    nash_model *m = net_finish(g, id, 4, 1);
    nash_morph morph = {.kind = NASH_MORPH_WIDEN, .at = 2, .factor = 2};
    assert_int_equal(nash_morph_apply(m, &morph, NULL), NASH_ELIMIT);
    nash_model_free(m);
}

/* ---- modes -------------------------------------------------------------- */

/* conv_2 batch_norm_3 relu_4 (3 channels), add_6 = relu_4 + conv_5(relu_4),
 * relu_7, conv_8, global_pool_9, fc_10 */
static nash_model *make_residual(void)
{
    nash_graph *g = net_new(2, 6, 5);
    int32_t a = net_block(g, 1, 3, 3, 1);
    int32_t sum = net_join(g, NASH_OP_ADD, a, net_conv(g, a, 3, 3, 1));
    int32_t c = net_conv(g, net_op(g, NASH_OP_RELU, sum), 4, 3, 1);
    return net_finish(g, net_op(g, NASH_OP_GLOBAL_POOL, c), 4, 1);
}

static nash_model *apply_mode(const nash_model *m, nash_widen_mode mode,
                              int32_t factor)
{
    nash_model *child;
    nash_probe probe = open_probe(m, 5);
    nash_morph morph = {.kind = NASH_MORPH_WIDEN,
                        .at = 2,
                        .factor = factor,
                        .mode = mode,
                        .seed = 11};
    assert_ok(nash_model_dup(&child, m));
    assert_ok(nash_morph_apply(child, &morph, &probe));
    nash_probe_close(&probe);
    return child;
}

/* Whether channels a and b of a node's output are equal, bit for bit. */
static bool same_channel(const nash_model *m, int32_t id, int32_t a, int32_t b,
                         nash_mode mode)
{
    int64_t n;
    double *x = outputs(m, mode, id, 7, &n);
    int64_t c = channels(m, id), plane = n / IMAGES / c;
    bool same = true;
    for (int64_t i = 0; i < IMAGES; i++)
        same &= memcmp(x + (i * c + a) * plane, x + (i * c + b) * plane,
                       (size_t)plane * sizeof *x) == 0;
    ni_free(x);
    return same;
}

static void copies_equal_what_they_copy(void **state)
{
    (void)state;
    nash_model *m = make_residual();
    nash_model *child = apply_mode(m, NASH_WIDEN_COPY, 4);
    for (int32_t id = 2; id <= 7; id++)
        for (int32_t c = 3; c < 12; c++) {
            assert_true(same_channel(child, id, c, c % 3, NASH_MODE_INFER));
            assert_true(same_channel(child, id, c, c % 3, NASH_MODE_STATS));
        }
    nash_model_free(child);
    nash_model_free(m);
}

static void fresh_channels_differ_and_are_normalised(void **state)
{
    (void)state;
    nash_model *m = make_residual();
    nash_model *child = apply_mode(m, NASH_WIDEN_FRESH, 4);
    int64_t n;
    double *x = outputs(child, NASH_MODE_INFER, 3, 5, &n);
    int64_t plane = n / IMAGES / 12;
    double scale =
        (double)nash_model_tensor(child, 3, NASH_SLOT_GAMMA)->data[3];
    for (int32_t c = 3; c < 12; c++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < IMAGES * plane; i++) {
            double value = x[(i / plane * 12 + c) * plane + i % plane];
            sum += value / (double)(IMAGES * plane);
            squares += value * value / (double)(IMAGES * plane);
        }
        assert_true(fabs(sum) < 1e-5 &&
                    fabs(squares / scale / scale - 1) < 1e-3);
        for (int32_t other = 0; other < c; other++)
            assert_false(same_channel(child, 3, c, other, NASH_MODE_INFER));
    }
    ni_free(x);
    nash_model_free(child);
    nash_model_free(m);
}

/* Neither larger than what training left, nor 0 for good. */
static void fresh_channels_begin_at_the_scale_of_the_old_ones(void **state)
{
    (void)state;
    static const struct {
        float old[3], fresh;
    } scales[] = {{{0.3F, -0.4F, 0}, 0.288675135F}, {{0, 0, 0}, 1}};
    static const nash_widen_mode modes[] = {NASH_WIDEN_FRESH, NASH_WIDEN_PAIR};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++) {
            nash_model *m = make_residual();
            memcpy(nash_model_tensor(m, 3, NASH_SLOT_GAMMA)->data,
                   scales[i].old, sizeof scales[i].old);
            nash_model *child = apply_mode(m, modes[j], 4);
            const float *gamma =
                nash_model_tensor(child, 3, NASH_SLOT_GAMMA)->data;
            assert_memory_equal(gamma, scales[i].old, sizeof scales[i].old);
            for (int32_t c = 3; c < 12; c++)
                assert_true(gamma[c] == scales[i].fresh);
            nash_model_free(child);
            nash_model_free(m);
        }
}

static void pairs_are_twins_that_cancel_in_their_readers(void **state)
{
    (void)state;
    nash_model *m = make_residual();
    nash_model *child = apply_mode(m, NASH_WIDEN_PAIR, 4); /* 9 new, 4 pairs */
    for (int32_t c = 3; c < 11; c += 2)
        for (int32_t id = 2; id <= 7; id++) {
            assert_true(same_channel(child, id, c, c + 1, NASH_MODE_INFER));
            assert_true(same_channel(child, id, c, c + 1, NASH_MODE_STATS));
        }
    assert_false(same_channel(child, 7, 3, 5, NASH_MODE_INFER));
    const nash_tensor *t = nash_model_tensor(child, 8, NASH_SLOT_WEIGHT);
    for (int32_t row = 0; row < 4; row++)
        for (int32_t c = 3; c < 12; c++)
            for (int32_t tap = 0; tap < 9; tap++) {
                float z = t->data[(row * 12 + c) * 9 + tap];
                int32_t twin = c % 2 ? c + 1 : c - 1;
                if (c == 11)
                    assert_true(z == 0);
                else
                    assert_true(z != 0 &&
                                z == -t->data[(row * 12 + twin) * 9 + tap]);
            }
    assert_true(distance(m, -1, child, -1, NASH_MODE_INFER, 5) <= 1e-12);
    nash_model_free(child);
    nash_model_free(m);
}

/* Sum of |dL/dw| over row c of a convolution's weight, after one backward. */
static double row_gradient(nash_model *m, int32_t id, int32_t c)
{
    nash_plan *plan;
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = NASH_ENGINE_REF;
    opts.mode = NASH_MODE_TRAIN;
    opts.batch = 2;
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    const nash_tensor *t = nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
    assert_ok(nash_plan_create(&plan, m, &opts));
    random_pixels(nash_plan_input(plan), 2 * in.c * in.h * in.w, 3);
    assert_ok(nash_plan_forward(plan));
    random_normal(nash_plan_d_logits(plan),
                  2 * nash_graph_classes(nash_model_graph(m)), 4);
    assert_ok(nash_plan_backward(plan));
    const float *d = nash_plan_gradient(plan, id, NASH_SLOT_WEIGHT);
    double sum = 0;
    int64_t row = t->count / t->dims[0];
    for (int64_t i = 0; i < row; i++)
        sum += fabs((double)d[c * row + i]);
    nash_plan_free(plan);
    return sum;
}

static void noise_is_small_beside_what_it_is_added_to(void **state)
{
    (void)state;
    nash_model *m = make_residual();
    nash_model *child = apply_mode(m, NASH_WIDEN_NOISE, 2);
    nash_model *copy = apply_mode(m, NASH_WIDEN_COPY, 2);
    const nash_tensor *t = nash_model_tensor(child, 2, NASH_SLOT_WEIGHT);
    const nash_tensor *clean = nash_model_tensor(copy, 2, NASH_SLOT_WEIGHT);
    double squares = 0, noise = 0;
    for (int64_t i = 0; i < t->count; i++) {
        double d = (double)t->data[i] - (double)clean->data[i];
        assert_true((d != 0) == (i >= t->count / 2));
        squares += (double)clean->data[i] * (double)clean->data[i];
        noise += 2 * d * d;
    }
    double share = sqrt(noise / squares);
    assert_true(share > 0.005 && share < 0.02);
    double apart = distance(m, -1, child, -1, NASH_MODE_INFER, 5);
    assert_true(apart > 1e-6 && apart < 0.1);
    nash_model_free(child);
    nash_model_free(copy);
    nash_model_free(m);
}

static void pairs_and_noise_have_a_gradient_at_once(void **state)
{
    (void)state;
    nash_model *m = make_residual();
    nash_model *copy = apply_mode(m, NASH_WIDEN_COPY, 2);
    nash_model *pair = apply_mode(m, NASH_WIDEN_PAIR, 2);
    assert_true(row_gradient(copy, 2, 3) == 0);
    assert_true(row_gradient(pair, 2, 3) > 0);
    assert_true(row_gradient(pair, 2, 4) > 0);
    nash_model *noise = apply_mode(m, NASH_WIDEN_NOISE, 2);
    assert_true(row_gradient(noise, 2, 3) > 0);
    nash_model_free(noise);
    nash_model_free(copy);
    nash_model_free(pair);
    nash_model_free(m);
}

static void fresh_weights_depend_on_the_seed_alone(void **state)
{
    (void)state;
    nash_model *m = make_residual();
    nash_model *a = apply_mode(m, NASH_WIDEN_FRESH, 2);
    nash_model *b = apply_mode(m, NASH_WIDEN_FRESH, 2);
    assert_int_equal(nash_model_hash(a), nash_model_hash(b));
    nash_morph morph = {.kind = NASH_MORPH_WIDEN,
                        .at = 2,
                        .factor = 2,
                        .mode = NASH_WIDEN_FRESH,
                        .seed = 12};
    assert_ok(nash_morph_apply(m, &morph, NULL));
    assert_int_not_equal(nash_model_hash(a), nash_model_hash(m));
    nash_model_free(a);
    nash_model_free(b);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_read_by_several_layers_can_be_widened),
        cmocka_unit_test(
            new_channels_land_at_the_right_offset_of_a_concatenation),
        cmocka_unit_test(
            a_classifier_reads_height_times_width_columns_per_channel),
        cmocka_unit_test(a_hidden_fully_connected_layer_can_be_widened),
        cmocka_unit_test(both_branches_of_a_sum_or_gate_are_widened_together),
        cmocka_unit_test(sums_of_concatenations_are_widened_where_they_must),
        cmocka_unit_test(depthwise_convolutions_are_widened_with_their_input),
        cmocka_unit_test(channels_tied_to_the_input_or_to_groups_are_refused),
        cmocka_unit_test(what_would_be_too_wide_is_beyond_the_limit),
        cmocka_unit_test(the_largest_image_has_room_for_one_channel),
        cmocka_unit_test(copies_equal_what_they_copy),
        cmocka_unit_test(fresh_channels_differ_and_are_normalised),
        cmocka_unit_test(fresh_channels_begin_at_the_scale_of_the_old_ones),
        cmocka_unit_test(pairs_are_twins_that_cancel_in_their_readers),
        cmocka_unit_test(noise_is_small_beside_what_it_is_added_to),
        cmocka_unit_test(pairs_and_noise_have_a_gradient_at_once),
        cmocka_unit_test(fresh_weights_depend_on_the_seed_alone),
    };
    return cmocka_run_group_tests_name("morph_widen", tests, NULL, NULL);
}
