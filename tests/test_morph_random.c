/* Morphisms at random: random networks, places, settings and chains, against
 * the oracle; the text form; running out of memory; and the deviation as people
 * see it. */
#include "morph_fixture.h"

#include "base/json.h"
#include "base/memory.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t all_kinds = (1u << NASH_MORPH_COUNT) - 1;

static const random_graph_opts small = {
    .nodes = 12, .max_channels = 6, .max_side = 7, .exotic = true};

/* ---- preservation -------------------------------------------------------- */

/* Batch normalisations round, and so do pairs; all else is exact. */
static void check_child(const nash_model *parent, const nash_model *child,
                        const nash_morph *morph, uint64_t seed)
{
    bool norm = morph->kind == NASH_MORPH_BATCH_NORM ||
                morph->kind == NASH_MORPH_DEEPEN;
    bool pair =
        morph->kind == NASH_MORPH_WIDEN && morph->mode == NASH_WIDEN_PAIR;
    if (!norm && !pair) {
        assert_same_function(parent, child, seed);
        return;
    }
    /* the logits see what the layers above make of the rounding */
    double bound = norm ? 1e-4 : 1e-9;
    double infer = distance(parent, -1, child, -1, NASH_MODE_INFER, seed);
    double train = distance(parent, -1, child, -1, NASH_MODE_STATS, seed);
    if (infer > bound || train > bound) {
        random_graph_print(nash_model_graph(child));
        fail_msg("seed %llu: %s deviates by %g at inference, %g in training",
                 (unsigned long long)seed, nash_morph_name(morph->kind), infer,
                 train);
    }
    if (norm) {
        int32_t id = id_of(child, morph->at) +
                     (morph->kind == NASH_MORPH_DEEPEN ? 2 : 1);
        infer =
            local_distance(parent, id_of(parent, morph->at), child, id, seed);
        if (infer > 1e-7)
            fail_msg("seed %llu: a normalisation deviates by %g where it is",
                     (unsigned long long)seed, infer);
    }
}

/* Draw until one applies; false if none of the draws did. Every other seed has
 * normalised skips. */
static bool morph_once(nash_model *m, nash_morph *morph, nash_morph_kind kind,
                       uint64_t seed, const nash_probe *probe, int64_t *refused)
{
    for (uint32_t key = 0; key < 12; key++) {
        nash_status status = nash_morph_draw(morph, kind, m, seed, 0, key);
        if (kind == NASH_MORPH_WIDEN)
            morph->mode = (nash_widen_mode)(seed % 3);
        morph->norm = kind == NASH_MORPH_CONCAT_SKIP && seed % 2;
        if (status == NASH_OK)
            status = nash_morph_apply(m, morph, probe);
        if (status == NASH_OK)
            return true;
        if (status != NASH_EREFUSED)
            fail_msg("seed %llu, %s: %s", (unsigned long long)seed,
                     nash_morph_name(kind), nash_error_message());
        ++*refused;
    }
    return false;
}

static void every_kind_keeps_the_function_of_random_networks(void **state)
{
    (void)state;
    enum { NETWORKS = 150 };
    int64_t applied[NASH_MORPH_COUNT] = {0}, refused[NASH_MORPH_COUNT] = {0};
    for (uint64_t seed = 0; seed < NETWORKS; seed++) {
        nash_model *parent = random_model(seed, &small);
        nash_probe probe = open_probe(parent, seed);
        for (int i = 0; i < NASH_MORPH_COUNT; i++) {
            nash_morph morph;
            nash_morph_kind kind = (nash_morph_kind)i;
            nash_model *child = dup_model(parent);
            if (morph_once(child, &morph, kind, seed, &probe, &refused[i])) {
                applied[i]++;
                check_child(parent, child, &morph, seed);
            }
            nash_model_free(child);
        }
        nash_probe_close(&probe);
        nash_model_free(parent);
    }
    for (int i = 0; i < NASH_MORPH_COUNT; i++) {
        print_message("  %-12s applied %2d, refused %3d\n",
                      nash_morph_name((nash_morph_kind)i), (int)applied[i],
                      (int)refused[i]);
        assert_true(applied[i] >= NETWORKS / 2);
    }
}

static void chains_of_morphisms_keep_the_function(void **state)
{
    (void)state;
    int64_t refused[NASH_MORPH_COUNT] = {0};
    for (uint64_t seed = 100; seed < 150; seed++) {
        nash_model *first = random_model(seed, &small);
        nash_model *parent = dup_model(first);
        nash_probe probe = open_probe(parent, seed);
        nash_morph_opts opts = nash_morph_opts_default();
        opts.n = 1;
        opts.kinds = all_kinds;
        opts.widen_mode = (nash_widen_mode)(seed % 3);
        opts.norm_skips = seed % 2;
        opts.max_macs = 3000000;
        for (uint32_t i = 0; i < 6; i++) {
            nash_model *child = dup_model(parent);
            nash_morph morph;
            opts.seed = seed;
            opts.child = i;
            assert_ok(
                nash_morph_random(child, &opts, &probe, &morph, NULL, refused));
            check_child(parent, child, &morph, seed);
            nash_model_free(parent);
            parent = child;
        }
        assert_true(distance(first, -1, parent, -1, NASH_MODE_INFER, seed) <
                    1e-4);
        nash_probe_close(&probe);
        nash_model_free(parent);
        nash_model_free(first);
    }
}

static void the_fast_engine_agrees_in_float(void **state)
{
    (void)state;
    nash_plan_opts opts = nash_plan_opts_default();
    opts.precision = NASH_PRECISION_F32;
    opts.batch = IMAGES;
    for (uint64_t seed = 200; seed < 215; seed++) {
        nash_model *parent = make_start(seed), *child = dup_model(parent);
        nash_probe probe;
        float pixels[IMAGES * 3 * 8 * 8];
        random_pixels(pixels, IMAGES * 3 * 8 * 8, seed);
        assert_ok(nash_probe_open(
            &probe, pixels, IMAGES,
            nash_graph_input_shape(nash_model_graph(parent)), &opts));
        nash_morph_opts draws = nash_morph_opts_default();
        draws.seed = seed;
        draws.widen_mode = (nash_widen_mode)(seed % 3);
        draws.norm_skips = seed % 2;
        assert_ok(nash_morph_random(child, &draws, &probe, NULL, NULL, NULL));
        nash_deviation d;
        assert_ok(nash_morph_deviation(&d, parent, child, &probe));
        if (d.infer_relative > 1e-5 || d.train_relative > 1e-4)
            fail_msg("seed %llu: %g at inference, %g in training",
                     (unsigned long long)seed, d.infer_relative,
                     d.train_relative);
        nash_probe_close(&probe);
        nash_model_free(child);
        nash_model_free(parent);
    }
}

/* ---- text ---------------------------------------------------------------- */

static void text_comes_back_as_the_same_morphism(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        nash_model *m = random_model(seed, &small);
        nash_probe probe = open_probe(m, seed);
        for (int i = 0; i < NASH_MORPH_COUNT; i++) {
            nash_morph drawn, parsed;
            char text[160], again[160];
            nash_model *a = dup_model(m), *b = dup_model(m);
            int64_t refused = 0;
            if (morph_once(a, &drawn, (nash_morph_kind)i, seed, &probe,
                           &refused)) {
                nash_morph_format(text, sizeof text, &drawn, m);
                nash_morph_format(again, sizeof again, &drawn, a);
                assert_string_equal(text, again);
                assert_ok(nash_morph_parse(&parsed, text, m));
                assert_memory_equal(&parsed, &drawn, sizeof drawn);
                assert_ok(nash_morph_apply(b, &parsed, &probe));
                assert_int_equal(nash_model_hash(a), nash_model_hash(b));
            }
            nash_model_free(a);
            nash_model_free(b);
        }
        nash_probe_close(&probe);
        nash_model_free(m);
    }
}

static void text_has_defaults_and_may_use_bare_numbers(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_morph morph;
    char text[160], name[32];
    nash_node_name(name, sizeof name, nash_model_graph(m),
                   nth(m, NASH_OP_CONV, 0));
    assert_ok(nash_morph_parse(&morph, "widen:at=2", m));
    assert_int_equal(morph.factor, 2);
    assert_int_equal(morph.mode, NASH_WIDEN_COPY);
    nash_morph_format(text, sizeof text, &morph, m);
    assert_string_equal(text, "widen:at=conv_2,factor=2,mode=copy");
    nash_morph_format(text, 9, &morph, m);
    assert_string_equal(text, "widen:at");
    assert_ok(nash_morph_parse(
        &morph, "gate:seed=18446744073709551615,at=conv_2,kernel=5", m));
    assert_true(morph.seed == UINT64_MAX && morph.kernel == 5);
    nash_model_free(m);
}

static void wrong_text_is_answered_with_the_part_that_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"", "no morphism"},
        {"twist:at=conv_2", "\"twist\""},
        {"widen", "without at"},
        {"widen:", "key=value"},
        {"widen:at=conv_3", "batch_norm_3 has that number"},
        {"widen:at=conv_99", "no node"},
        {"widen:at=", "expected a node's name"},
        {"widen:at=conv_", "expected a node's name"},
        {"widen:at=-1", "expected a node's name"},
        {"widen:at=conv_2,factor=1", "at least 2"},
        {"widen:at=conv_2,factor=two", "whole number"},
        {"widen:at=conv_2,factor=99999999999999999999", "whole number"},
        {"widen:at=conv_2,mode=clone", "copy, fresh, pair or noise"},
        {"widen:at=conv_2,kernel=3", "no part of the morphism widen"},
        {"widen:at=conv_2,at=conv_2", "given twice"},
        {"widen:at=conv_2,", "key=value"},
        {"deepen:at=conv_2,kernel=4", "odd number"},
        {"deepen:at=conv_2,kernel=1000", "up to 255"},
        {"add_skip:at=conv_2", "without from"},
        {"add_skip:from=conv_2", "without at"},
        {"relu:at=conv_2,seed=1", "no part of the morphism relu"},
        {"gate:at=conv_2,seed=-1", "whole number"},
    };
    nash_model *m = make_start(1);
    char longest[400];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nash_morph morph;
        assert_int_equal(nash_morph_parse(&morph, wrong[i][0], m), NASH_EINVAL);
        if (!strstr(nash_error_message(), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], nash_error_message());
    }
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    nash_morph morph;
    assert_int_equal(nash_morph_parse(&morph, longest, m), NASH_EINVAL);
    nash_model_free(m);
}

static void a_lineage_is_an_array_of_texts(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_morph morph;
    assert_ok(nash_morph_parse(&morph, "relu:at=relu_4", m));
    assert_ok(nash_model_set_meta(m, NASH_META_LINEAGE, "not JSON"));
    assert_ok(nash_morph_record(m, &morph));
    morph = (nash_morph){.kind = NASH_MORPH_WIDEN, .at = 2, .factor = 4};
    assert_ok(nash_morph_record(m, &morph));
    const char *expected = "[\"relu:at=relu_4\",\"widen:at=conv_2,factor=4,"
                           "mode=copy\"]";
    assert_string_equal(nash_model_meta(m, NASH_META_LINEAGE), expected);
    int64_t live = ni_memory_live_blocks();
    for (int64_t n = 0;; n++) {
        nash_model *copy = dup_model(m);
        ni_memory_fail_after(n);
        nash_status status = nash_morph_record(copy, &morph);
        ni_memory_fail_after(-1);
        bool same = !strcmp(nash_model_meta(copy, NASH_META_LINEAGE), expected);
        assert_true(same == (status != NASH_OK));
        nash_model_free(copy);
        assert_int_equal(ni_memory_live_blocks(), live);
        if (status == NASH_OK)
            break;
    }
    nash_model_free(m);
}

static int64_t most_bytes;

static void *give(size_t bytes)
{
    int64_t after = ni_memory_live_bytes() + (int64_t)bytes;
    return after <= most_bytes ? ni_alloc((int64_t)bytes, 1) : NULL;
}

static void a_lineage_that_memory_is_too_small_for_is_kept(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_morph morph = {.kind = NASH_MORPH_RELU, .at = 4};
    cJSON_Hooks hooks = {give, ni_free};
    nash_status status = NASH_ENOMEM;
    for (int i = 0; i < 20; i++)
        assert_ok(nash_morph_record(m, &morph));
    size_t length = strlen(nash_model_meta(m, NASH_META_LINEAGE));
    cJSON_InitHooks(&hooks);
    for (int64_t bytes = 0; status != NASH_OK; bytes += 16) {
        most_bytes = ni_memory_live_bytes() + bytes;
        status = nash_morph_record(m, &morph);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        bool longer = strlen(nash_model_meta(m, NASH_META_LINEAGE)) > length;
        assert_int_equal(longer, status == NASH_OK);
    }
    cJSON_InitHooks(NULL);
    nash_model_free(m);
}

/* ---- out of memory ------------------------------------------------------- */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "conv:at=relu_4",
        "fc:at=global_pool_13",
        "batch_norm:at=conv_2",
        "widen:at=conv_6,mode=pair",
        "relu:at=relu_4",
        "gate:at=relu_4",
        "deepen:at=max_pool_5",
        "concat_skip:at=relu_12,from=relu_4",
        "concat_skip:at=relu_12,from=relu_4,norm=1",
        "add_skip:at=relu_12,from=normalize_1"};
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    uint64_t hash = nash_model_hash(m);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nash_morph morph;
        assert_ok(nash_morph_parse(&morph, texts[i], m));
        int64_t live = ni_memory_live_blocks();
        for (int64_t n = 0;; n++) {
            nash_model *child = dup_model(m);
            ni_memory_fail_after(n);
            nash_status status = nash_morph_apply(child, &morph, &probe);
            ni_memory_fail_after(-1);
            assert_true((nash_model_hash(child) == hash) ==
                        (status != NASH_OK));
            nash_model_free(child);
            assert_int_equal(ni_memory_live_blocks(), live);
            if (status == NASH_OK)
                break;
            assert_int_equal(status, NASH_ENOMEM);
        }
    }
    nash_probe_close(&probe);
    nash_model_free(m);
}

static void composing_and_comparing_survive_running_out_of_memory(void **state)
{
    (void)state;
    nash_model *m = make_start(1), *child = NULL;
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    uint64_t hash = nash_model_hash(m);
    opts.n = 3;
    opts.max_params = 100000;
    int64_t live = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    for (int64_t n = 0; status != NASH_OK; n += 1 + n / 20) {
        nash_model_free(child);
        child = dup_model(m);
        ni_memory_fail_after(n);
        status = nash_morph_random(child, &opts, &probe, NULL, NULL, NULL);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_true((nash_model_hash(child) == hash) == (status != NASH_OK));
    }
    status = NASH_ENOMEM;
    for (int64_t n = 0; status != NASH_OK; n++) {
        nash_deviation d;
        ni_memory_fail_after(n);
        status = nash_morph_deviation(&d, m, child, &probe);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
    }
    nash_model_free(child);
    assert_int_equal(ni_memory_live_blocks(), live);
    nash_probe_close(&probe);
    nash_model_free(m);
}

/* ---- deviation ----------------------------------------------------------- */

static void a_deviation_is_the_largest_difference_of_logits(void **state)
{
    (void)state;
    nash_model *m = make_start(1), *child = dup_model(m);
    nash_probe probe = open_probe(m, 5);
    nash_deviation d;
    assert_ok(nash_morph_deviation(&d, m, child, &probe));
    assert_true(d.infer == 0 && d.train == 0 && d.train_relative == 0);
    float *bias = nash_model_tensor(child, nth(child, NASH_OP_FC, 0), 1)->data;
    bias[2] += 0.5F;
    assert_ok(nash_morph_deviation(&d, m, child, &probe));
    assert_true(fabs(d.infer - 0.5) < 1e-5 && fabs(d.train - 0.5) < 1e-5);
    assert_true(d.infer_relative > 0 && d.infer_relative < 0.5);
    bias[2] = (float)nan("");
    assert_ok(nash_morph_deviation(&d, m, child, &probe));
    assert_true(isinf(d.infer) && isinf(d.train_relative));
    nash_model *other = random_model(3, &small);
    assert_int_equal(nash_morph_deviation(&d, m, other, &probe), NASH_ESHAPE);
    nash_model_free(other);
    nash_probe_close(&probe);
    nash_model_free(child);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_keeps_the_function_of_random_networks),
        cmocka_unit_test(chains_of_morphisms_keep_the_function),
        cmocka_unit_test(the_fast_engine_agrees_in_float),
        cmocka_unit_test(text_comes_back_as_the_same_morphism),
        cmocka_unit_test(text_has_defaults_and_may_use_bare_numbers),
        cmocka_unit_test(wrong_text_is_answered_with_the_part_that_is_wrong),
        cmocka_unit_test(a_lineage_is_an_array_of_texts),
        cmocka_unit_test(a_lineage_that_memory_is_too_small_for_is_kept),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(composing_and_comparing_survive_running_out_of_memory),
        cmocka_unit_test(a_deviation_is_the_largest_difference_of_logits),
    };
    return cmocka_run_group_tests_name("morph_random", tests, NULL, NULL);
}
