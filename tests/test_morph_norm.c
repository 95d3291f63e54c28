/*
 * Concatenation skips that normalise what they bring: as exact as raw ones, and
 * of the size of the tensor that they come behind. The oracle's word on both,
 * in double; then the text form, what is refused, skips into such skips, growth
 * of what they start from, and the file.
 */
#include "morph_fixture.h"

#include "base/memory.h"
#include "graph/edit.h"
#include "model/edit.h"
#include "onnx/pack.h"
#include "random_graph.h"

#include <nash/onnx.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const nash_node *node_of(const nash_model *m, int32_t id)
{
    return nash_graph_node(nash_model_graph(m), id);
}

static int32_t input_of(const nash_model *m, int32_t id, int32_t k)
{
    return nash_graph_input(nash_model_graph(m), id, k);
}

/* input_0 normalize_1, conv_2 batch_norm_3 relu_4 (4 channels), max_pool_5,
 * conv_6 batch_norm_7 relu_8 (6), avg_pool_9, conv_10 batch_norm_11 relu_12
 * (5), global_pool_13, fc_14 */
static nash_model *make_pooled(void)
{
    nash_graph *g = net_new(3, 12, 10);
    int32_t id = net_pool(g, NASH_OP_MAX_POOL, net_block(g, 1, 4, 3, 1));
    id = net_pool(g, NASH_OP_AVG_POOL, net_block(g, id, 6, 3, 1));
    id = net_op(g, NASH_OP_GLOBAL_POOL, net_block(g, id, 5, 3, 1));
    return net_finish(g, id, 3, 2);
}

/* conv_2 batch_norm_3 relu_4 with a stride of 2, flatten_5, fc_6 relu_7,
 * fc_8 */
static nash_model *make_flat(void)
{
    nash_graph *g = net_new(2, 8, 6);
    int32_t id = net_op(g, NASH_OP_FLATTEN, net_block(g, 1, 4, 3, 2));
    id = net_op(g, NASH_OP_RELU, net_fc(g, id, 6));
    return net_finish(g, id, 3, 5);
}

/* ---- size --------------------------------------------------------------- */

/* The normalisation that a skip into the node with tag @p at goes through. */
static int32_t norm_of(const nash_model *child, int32_t at)
{
    int32_t id = id_of(child, at) + 1;
    while (node_of(child, id)->op != NASH_OP_CONCAT ||
           input_of(child, id, 0) != id_of(child, at))
        id++;
    int32_t norm = input_of(child, id, 1);
    assert_int_equal(node_of(child, norm)->op, NASH_OP_BATCH_NORM);
    return norm;
}

/* Mean and mean square of a channel, or of all of them if @p c is -1, by batch
 * statistics over the images that the fixture's probe has. */
static void sums(double *mean, double *square, const nash_model *m, int32_t id,
                 int32_t c, uint64_t seed)
{
    nash_shape s = node_of(m, id)->shape;
    int64_t n, area = (int64_t)s.h * s.w;
    double *x = outputs(m, NASH_MODE_STATS, id, seed, &n);
    double count = (double)(c < 0 ? n : n / s.c);
    *mean = *square = 0;
    for (int64_t i = 0; i < n; i++)
        if (c < 0 || i / area % s.c == c) {
            *mean += x[i] / count;
            *square += x[i] * x[i] / count;
        }
    ni_free(x);
}

static double mean_square(const nash_model *m, int32_t id, uint64_t seed)
{
    double mean, square;
    sums(&mean, &square, m, id, -1, seed);
    return square;
}

static void assert_near(double a, double b, double bound)
{
    if (!(fabs(a - b) <= bound * fabs(b)))
        fail_msg("%g instead of %g, apart by more than %g of it", a, b, bound);
}

/* A channel has what the normalisation measured, one scale with all others,
 * and this mean square but for eps. */
static void check_channel(const nash_model *child, int32_t norm, int32_t c,
                          double square, uint64_t seed)
{
    float value[NASH_SLOT_COUNT] = {0};
    double mean, before, after, eps = (double)node_of(child, norm)->attrs.eps;
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
        if (nash_model_tensor(child, norm, slot))
            value[slot] = nash_model_tensor(child, norm, slot)->data[c];
    sums(&mean, &before, child, input_of(child, norm, 0), c, seed);
    double var = fmax(0, before - mean * mean);
    assert_near((double)value[NASH_SLOT_GAMMA], sqrt(square), 1e-6);
    assert_true(value[NASH_SLOT_BETA] == 0);
    assert_true(fabs((double)value[NASH_SLOT_MEAN] - mean) <=
                1e-6 * sqrt(before));
    assert_true(fabs((double)value[NASH_SLOT_VAR] - var) <= 1e-6 * before);
    sums(&mean, &after, child, norm, c, seed);
    assert_true(fabs(after - square * var / (var + eps)) <= 1e-5 * square);
}

/* @return the mean square that the skip's branch has, relative to that of the
 * later tensor */
static double check_size(const nash_model *parent, const nash_model *child,
                         int32_t at_tag, uint64_t seed)
{
    int32_t at = id_of(parent, at_tag), norm = norm_of(child, at_tag);
    double here = node_of(parent, at)->shape.c;
    double there = node_of(child, norm)->shape.c;
    double later = mean_square(parent, at, seed);
    for (int32_t c = 0; c < node_of(child, norm)->shape.c; c++)
        check_channel(child, norm, c, later * fmin(1, here / there), seed);
    return mean_square(child, norm, seed) / later;
}

/* morphed() sees to it that the function is kept without any deviation. */
static double size_of(const nash_model *m, const char *at, const char *from)
{
    char text[96];
    nash_morph morph;
    snprintf(text, sizeof text, "concat_skip:at=%s,from=%s,norm=1", at, from);
    nash_model *child = morphed(m, text);
    assert_ok(nash_morph_parse(&morph, text, m));
    double size = check_size(m, child, morph.at, 5);
    nash_model_free(child);
    return size;
}

/* A channel with a variance of 1e-3 loses a hundredth to eps. */
static const double but_for_eps = 1e-2;

static void what_comes_has_the_mean_square_of_what_is_there(void **state)
{
    (void)state;
    nash_model *m = make_pooled(), *flat = make_flat();
    assert_near(size_of(m, "relu_12", "relu_4"), 1, but_for_eps);
    assert_near(size_of(m, "relu_8", "relu_4"), 1, but_for_eps);
    assert_near(size_of(m, "max_pool_5", "normalize_1"), 1, but_for_eps);
    assert_near(size_of(m, "relu_4", "conv_2"), 1, but_for_eps);
    assert_near(size_of(m, "global_pool_13", "relu_12"), 1, but_for_eps);
    assert_near(size_of(flat, "relu_4", "normalize_1"), 1, but_for_eps);
    assert_near(size_of(flat, "flatten_5", "relu_4"), 1, but_for_eps);
    assert_near(size_of(flat, "relu_7", "normalize_1"), 1, but_for_eps);
    nash_model_free(flat);
    nash_model_free(m);
}

static void more_channels_have_no_more_in_all_than_those_there(void **state)
{
    (void)state;
    nash_model *m = make_pooled();
    assert_near(size_of(m, "relu_12", "relu_8"), 5.0 / 6, but_for_eps);
    assert_near(size_of(m, "global_pool_13", "relu_8"), 5.0 / 6, but_for_eps);
    nash_model_free(m);
}

static void what_comes_behind_zeros_can_learn(void **state)
{
    (void)state;
    nash_model *m = make_pooled();
    for (int c = 0; c < 6; c++)
        nash_model_tensor(m, id_of(m, 7), NASH_SLOT_GAMMA)->data[c] =
            nash_model_tensor(m, id_of(m, 7), NASH_SLOT_BETA)->data[c] = 0;
    nash_model *child = morphed(m, "concat_skip:at=relu_8,from=relu_4,norm=1");
    const nash_tensor *gamma =
        nash_model_tensor(child, norm_of(child, 8), NASH_SLOT_GAMMA);
    for (int64_t c = 0; c < gamma->count; c++)
        assert_true(gamma->data[c] == 1);
    nash_model_free(child);
    nash_model_free(m);
}

/* However many pools lie on the way: one normalisation, behind the last, with
 * one scale for all channels. */
static void one_normalisation_serves_all_pools_of_a_way(void **state)
{
    (void)state;
    nash_model *m = make_pooled();
    nash_model *child =
        morphed(m, "concat_skip:at=global_pool_13,from=relu_4,norm=1");
    int32_t norm = norm_of(child, 13), id = norm;
    static const nash_op way[] = {NASH_OP_GLOBAL_POOL, NASH_OP_AVG_POOL,
                                  NASH_OP_MAX_POOL, NASH_OP_RELU};
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        id = input_of(child, id, 0);
        assert_int_equal(node_of(child, id)->op, way[i]);
    }
    assert_int_equal(id, id_of(child, 4));
    assert_int_equal(count_op(child, NASH_OP_BATCH_NORM),
                     count_op(m, NASH_OP_BATCH_NORM) + 1);
    const nash_tensor *gamma = nash_model_tensor(child, norm, NASH_SLOT_GAMMA);
    for (int64_t c = 1; c < gamma->count; c++)
        assert_true(gamma->data[c] == gamma->data[0]);
    nash_model_free(child);
    nash_model_free(m);
}

static void skips_of_random_networks_keep_function_and_size(void **state)
{
    (void)state;
    enum { NETWORKS = 200 };
    static const random_graph_opts small = {
        .nodes = 12, .max_channels = 6, .max_side = 7, .exotic = true};
    int applied = 0;
    for (uint64_t seed = 0; seed < NETWORKS; seed++) {
        nash_model *m = random_model(seed, &small), *child;
        nash_probe probe = open_probe(m, seed);
        nash_status status = NASH_EREFUSED;
        nash_morph morph;
        assert_ok(nash_model_dup(&child, m));
        for (uint32_t key = 0; key < 12 && status == NASH_EREFUSED; key++) {
            status = nash_morph_draw(&morph, NASH_MORPH_CONCAT_SKIP, m, seed, 0,
                                     key);
            morph.norm = true;
            if (status == NASH_OK)
                status = nash_morph_apply(child, &morph, &probe);
        }
        assert_true(status == NASH_OK || status == NASH_EREFUSED);
        if (status == NASH_OK) {
            applied++;
            assert_same_function(m, child, seed + 1);
            check_size(m, child, morph.at, seed);
        }
        nash_probe_close(&probe);
        nash_model_free(child);
        nash_model_free(m);
    }
    print_message("  applied %d of %d\n", applied, NETWORKS);
    assert_true(applied > NETWORKS / 2);
}

/* ---- skips behind skips, and growth ------------------------------------- */

static void skips_into_and_beside_normalised_skips_keep_the_function(void **s)
{
    (void)s;
    nash_model *m = make_pooled();
    nash_model *child = morphed(m, "concat_skip:at=relu_8,from=relu_4,norm=1");
    char concat[32], norm[32], text[96];
    nash_node_name(norm, sizeof norm, nash_model_graph(child),
                   norm_of(child, 8));
    nash_node_name(concat, sizeof concat, nash_model_graph(child),
                   nth(child, NASH_OP_CONCAT, 0));
    assert_near(size_of(child, "relu_8", "normalize_1"), 1, but_for_eps);
    assert_near(size_of(child, "relu_12", norm), 1, but_for_eps);
    assert_near(size_of(child, "relu_12", concat), 0.5, but_for_eps);
    assert_near(size_of(child, concat, "relu_4"), 1, but_for_eps);
    static const char *const more[] = {
        "concat_skip:at=relu_12,from=", "add_skip:at=relu_12,seed=3,from=",
        "conv:kernel=5,at="};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        snprintf(text, sizeof text, "%s%s", more[i], norm);
        nash_model_free(morphed(child, text));
    }
    nash_model_free(child);
    nash_model_free(m);
}

static void fresh_channels_come_through_at_the_scale_of_the_skip(void **state)
{
    (void)state;
    nash_model *m = make_pooled();
    nash_model *child = morphed(m, "concat_skip:at=relu_12,from=relu_4,norm=1");
    nash_model *wide = morphed(child, "widen:at=conv_2,mode=fresh,seed=4");
    const nash_tensor *old =
        nash_model_tensor(child, norm_of(child, 12), NASH_SLOT_GAMMA);
    const nash_tensor *gamma =
        nash_model_tensor(wide, norm_of(wide, 12), NASH_SLOT_GAMMA);
    assert_int_equal(gamma->count, 2 * old->count);
    for (int64_t c = 0; c < gamma->count; c++)
        assert_near((double)gamma->data[c], (double)old->data[0], 1e-6);
    nash_model_free(wide);
    nash_model_free(child);
    nash_model_free(m);
}

/* A foreign network may normalise with an eps of 0, and have a channel that is
 * always 0. */
static void a_dead_channel_is_borne_whatever_the_others_eps(void **state)
{
    (void)state;
    nash_model *m = make_pooled();
    ni_graph_attrs(ni_model_graph(m), 3)->eps = 0;
    nash_model_tensor(m, 3, NASH_SLOT_GAMMA)->data[1] = 0;
    nash_model_tensor(m, 3, NASH_SLOT_BETA)->data[1] = -1;
    nash_model *child = morphed(m, "concat_skip:at=relu_12,from=relu_4,norm=1");
    assert_true(node_of(child, norm_of(child, 12))->attrs.eps > 0);
    nash_model_free(child);
    nash_model_free(m);
}

/* ---- text and refusals -------------------------------------------------- */

static void text_says_norm_only_where_it_is(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"concat_skip:at=relu_8,from=relu_4,norm=1",
         "concat_skip:at=relu_8,from=relu_4,norm=1"},
        {"concat_skip:norm=1,seed=7,from=4,at=8",
         "concat_skip:at=relu_8,from=relu_4,norm=1,seed=7"},
        {"concat_skip:at=relu_8,from=relu_4,norm=0",
         "concat_skip:at=relu_8,from=relu_4"},
        {"concat_skip:at=relu_8,from=relu_4",
         "concat_skip:at=relu_8,from=relu_4"},
    };
    nash_model *m = make_pooled();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nash_morph morph, again;
        char text[NASH_MORPH_TEXT_BYTES];
        assert_ok(nash_morph_parse(&morph, texts[i][0], m));
        assert_true(morph.norm == (i < 2));
        nash_morph_format(text, sizeof text, &morph, m);
        assert_string_equal(text, texts[i][1]);
        assert_ok(nash_morph_parse(&again, text, m));
        assert_memory_equal(&again, &morph, sizeof morph);
    }
    nash_model_free(m);
}

static void norm_is_0_or_1_and_of_concatenations_alone(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"concat_skip:at=relu_8,from=relu_4,norm=2",
         "norm=2, expected a whole number up to 1"},
        {"concat_skip:at=relu_8,from=relu_4,norm=yes", "norm=yes"},
        {"concat_skip:at=relu_8,from=relu_4,norm=1,norm=1", "given twice"},
        {"add_skip:at=relu_8,from=relu_4,norm=1",
         "no part of the morphism add_skip"},
    };
    nash_model *m = make_pooled();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nash_morph morph;
        assert_int_equal(nash_morph_parse(&morph, wrong[i][0], m), NASH_EINVAL);
        if (!strstr(nash_error_message(), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], nash_error_message());
    }
    nash_model_free(m);
}

static nash_status bad_moments(void *ctx, const nash_model *m, int32_t id,
                               double *mean, double *var)
{
    for (int32_t c = 0; c < node_of(m, id)->shape.c; c++) {
        mean[c] = 0;
        var[c] = *(const double *)ctx;
    }
    return NASH_OK;
}

static void norm_needs_a_probe_and_statistics_that_are_finite(void **state)
{
    (void)state;
    nash_model *m = make_pooled();
    uint64_t hash = nash_model_hash(m);
    nash_morph morph = {
        .kind = NASH_MORPH_CONCAT_SKIP, .at = 12, .from = 4, .norm = true};
    assert_int_equal(nash_morph_apply(m, &morph, NULL), NASH_EINVAL);
    assert_string_equal(nash_error_message(),
                        "concat_skip inserts a batch normalisation, whose "
                        "statistics need a probe");
    double bad[] = {nan(""), HUGE_VAL, -1, 1e60};
    for (int i = 0; i < 4; i++) {
        nash_probe probe = {.ctx = &bad[i], .moments = bad_moments};
        assert_int_equal(nash_morph_apply(m, &morph, &probe), NASH_EDIVERGED);
    }
    assert_int_equal(nash_model_hash(m), hash);
    morph.norm = false;
    assert_ok(nash_morph_apply(m, &morph, NULL));
    nash_model_free(m);
}

/* ---- the file ----------------------------------------------------------- */

static void a_file_keeps_normalised_skips(void **state)
{
    (void)state;
    static const char text[] = "concat_skip:at=relu_12,from=relu_8,norm=1";
    nash_model *m = make_pooled(), *back = NULL;
    nash_model *child = morphed(m, text);
    nash_morph morph;
    void *bytes = NULL;
    size_t n;
    assert_ok(nash_morph_parse(&morph, text, m));
    assert_ok(nash_morph_record(child, &morph));
    assert_ok(ni_onnx_pack(&bytes, &n, child));
    assert_ok(nash_onnx_parse(&back, bytes, n, "child.onnx"));
    assert_true(nash_model_hash(back) == nash_model_hash(child));
    assert_string_equal(nash_model_meta(back, NASH_META_LINEAGE),
                        "[\"concat_skip:at=relu_12,from=relu_8,norm=1\"]");
    assert_same_function(m, back, 6);
    assert_near(check_size(m, back, morph.at, 5), 5.0 / 6, but_for_eps);
    ni_free(bytes);
    nash_model_free(back);
    nash_model_free(child);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_has_the_mean_square_of_what_is_there),
        cmocka_unit_test(more_channels_have_no_more_in_all_than_those_there),
        cmocka_unit_test(what_comes_behind_zeros_can_learn),
        cmocka_unit_test(one_normalisation_serves_all_pools_of_a_way),
        cmocka_unit_test(skips_of_random_networks_keep_function_and_size),
        cmocka_unit_test(
            skips_into_and_beside_normalised_skips_keep_the_function),
        cmocka_unit_test(fresh_channels_come_through_at_the_scale_of_the_skip),
        cmocka_unit_test(a_dead_channel_is_borne_whatever_the_others_eps),
        cmocka_unit_test(text_says_norm_only_where_it_is),
        cmocka_unit_test(norm_is_0_or_1_and_of_concatenations_alone),
        cmocka_unit_test(norm_needs_a_probe_and_statistics_that_are_finite),
        cmocka_unit_test(a_file_keeps_normalised_skips),
    };
    return cmocka_run_group_tests_name("morph_norm", tests, NULL, NULL);
}
