/*
 * Morphisms at random: random networks, places, settings and chains, against
 * the oracle; the distribution of draws; caps; the text form; running out of
 * memory; and the deviation as people see it.
 */
#include "morph_fixture.h"

#include "base/memory.h"
#include "model/edit.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t all_kinds = (1u << NASH_MORPH_COUNT) - 1;

static const random_graph_opts small = {
    .nodes = 12, .max_channels = 6, .max_side = 7, .exotic = true};

static nash_model *dup_model(const nash_model *m)
{
    nash_model *copy;
    assert_ok(nash_model_dup(&copy, m));
    return copy;
}

static nash_model *make_stages(int stages, uint64_t seed)
{
    nash_net_opts opts = nash_net_opts_default();
    nash_model *m;
    opts.input = (nash_shape){3, 8, 8};
    for (int i = 0; i < NASH_MAX_STAGES; i++)
        opts.widths[i] = i < stages ? 4 + 2 * i : 0;
    opts.seed = seed;
    assert_ok(nash_net_start(&m, &opts));
    random_tensors(m, seed);
    return m;
}

static nash_model *make_start(uint64_t seed)
{
    return make_stages(3, seed);
}

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
            assert_ok(nash_morph_random(child, &opts, &probe, &morph, refused));
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
        assert_ok(nash_morph_random(child, &draws, &probe, NULL, NULL));
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

/* ---- draws --------------------------------------------------------------- */

static void kinds_places_and_settings_are_drawn_uniformly(void **state)
{
    (void)state;
    enum { CHILDREN = 3000 };
    nash_model *m = make_start(1);
    int kinds[NASH_MORPH_COUNT] = {0}, kernel5 = 0, factor4 = 0;
    int place[32] = {0};
    nash_morph_opts opts = nash_morph_opts_default();
    nash_probe probe = open_probe(m, 5);
    opts.n = 1;
    for (uint32_t child = 0; child < CHILDREN; child++) {
        nash_morph morph;
        nash_model *copy = dup_model(m);
        opts.child = child;
        assert_ok(nash_morph_random(copy, &opts, &probe, &morph, NULL));
        nash_model_free(copy);
        kinds[morph.kind]++;
        kernel5 += morph.kernel == 5;
        factor4 += morph.factor == 4;
        if (morph.kind == NASH_MORPH_WIDEN)
            place[nash_graph_find(nash_model_graph(m), morph.at)]++;
    }
    nash_probe_close(&probe);
    int skips = kinds[NASH_MORPH_ADD_SKIP] + kinds[NASH_MORPH_CONCAT_SKIP];
    /* within five standard deviations */
    assert_true(abs(kinds[NASH_MORPH_DEEPEN] - CHILDREN / 3) < 130);
    assert_true(abs(kinds[NASH_MORPH_WIDEN] - CHILDREN / 3) < 130);
    assert_true(abs(skips - CHILDREN / 3) < 130);
    assert_true(abs(kinds[NASH_MORPH_ADD_SKIP] - skips / 2) < 80);
    assert_true(abs(kernel5 - kinds[NASH_MORPH_DEEPEN] / 2) < 80);
    assert_true(abs(factor4 - kinds[NASH_MORPH_WIDEN] / 2) < 80);
    for (int i = 0; i < 3; i++)
        assert_true(abs(place[nth(m, NASH_OP_CONV, i)] -
                        kinds[NASH_MORPH_WIDEN] / 3) < 75);
    nash_model_free(m);
}

static void skips_and_large_kernels_are_drawn_as_rarely_as_asked(void **state)
{
    (void)state;
    enum { CHILDREN = 1000 };
    static const struct {
        double share;
        int least, most;
    } cases[] = {{0.0, 0, 0}, {0.1, 55, 145}, {1.0, CHILDREN, CHILDREN}};
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int skips = 0;
        nash_morph_opts opts = nash_morph_opts_default();
        opts.n = 1;
        opts.skip_share = cases[i].share;
        opts.max_kernel = 3;
        for (uint32_t child = 0; child < CHILDREN; child++) {
            nash_morph morph;
            nash_model *copy = dup_model(m);
            opts.child = child;
            assert_ok(nash_morph_random(copy, &opts, &probe, &morph, NULL));
            nash_model_free(copy);
            skips += morph.kind == NASH_MORPH_ADD_SKIP ||
                     morph.kind == NASH_MORPH_CONCAT_SKIP;
            assert_true(morph.kernel == 0 || morph.kernel == 3);
        }
        assert_in_range(skips, cases[i].least, cases[i].most);
    }
    nash_probe_close(&probe);
    nash_model_free(m);
}

/* MACs of the layers that are as large as the first convolution, as a share. */
static double share_of_the_first_size(const nash_model *m)
{
    const nash_graph *g = nash_model_graph(m);
    nash_shape size = nash_graph_node(g, nth(m, NASH_OP_CONV, 0))->shape;
    double sum = 0.0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->shape.h == size.h)
            sum += (double)nash_node_macs(g, id);
    return sum / (double)nash_graph_macs(g);
}

static void no_size_of_layers_takes_more_than_its_share(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    /* three sizes: at least half is allowed, whatever is asked for */
    double before = share_of_the_first_size(m), most = 0.5 * (1.0 + before);
    int beyond = 0;
    for (uint32_t child = 0; child < 60; child++) {
        nash_morph_opts opts = nash_morph_opts_default();
        opts.child = child;
        for (int is_limited = 0; is_limited <= 1; is_limited++) {
            nash_model *copy = dup_model(m);
            opts.max_share = is_limited ? most : 0.0;
            assert_ok(nash_morph_random(copy, &opts, &probe, NULL, NULL));
            bool is_beyond = share_of_the_first_size(copy) > most;
            assert_false(is_limited && is_beyond);
            beyond += is_beyond;
            nash_model_free(copy);
        }
    }
    assert_true(beyond > 0); /* without the limit there were some */
    nash_probe_close(&probe);
    nash_model_free(m);
}

static void a_network_of_one_size_has_all_of_it(void **state)
{
    (void)state;
    nash_model *m = make_stages(1, 1);
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    int64_t refused[NASH_MORPH_COUNT] = {0};
    opts.kinds = 1u << NASH_MORPH_DEEPEN | 1u << NASH_MORPH_WIDEN;
    opts.max_share = 0.1;
    assert_ok(nash_morph_random(m, &opts, &probe, NULL, refused));
    assert_int_equal(refused[NASH_MORPH_DEEPEN], 0);
    nash_probe_close(&probe);
    nash_model_free(m);
}

static void equal_keys_give_equal_children_and_others_differ(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        nash_model *child = dup_model(m);
        nash_morph_opts opts = nash_morph_opts_default();
        opts.seed = 77;
        opts.child = i == 2;
        assert_ok(nash_morph_random(child, &opts, &probe, NULL, NULL));
        hash[i] = nash_model_hash(child);
        nash_model_free(child);
    }
    assert_int_equal(hash[0], hash[1]);
    assert_int_not_equal(hash[0], hash[2]);
    nash_probe_close(&probe);
    nash_model_free(m);
}

/* ---- caps ---------------------------------------------------------------- */

static nash_status bytes_of(void *ctx, size_t *bytes, const nash_graph *g)
{
    ++*(int *)ctx;
    *bytes = (size_t)nash_graph_params(g) * 4;
    return NASH_OK;
}

static void no_child_outgrows_a_cap(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    int64_t params = nash_graph_params(nash_model_graph(m));
    int64_t macs = nash_graph_macs(nash_model_graph(m));
    int64_t refused[NASH_MORPH_COUNT] = {0};
    int asked = 0;
    for (uint32_t i = 0; i < 30; i++) {
        nash_morph_opts opts = nash_morph_opts_default();
        nash_model *child = dup_model(m);
        opts.child = i;
        opts.max_params = i % 3 == 0 ? 4 * params : 0;
        opts.max_macs = i % 3 == 1 ? 3 * macs : 0;
        opts.max_bytes = i % 3 == 2 ? (size_t)(12 * params) : 0;
        opts.bytes_of = bytes_of;
        opts.bytes_ctx = &asked;
        assert_ok(nash_morph_random(child, &opts, &probe, NULL, refused));
        const nash_graph *g = nash_model_graph(child);
        assert_true(i % 3 != 0 || nash_graph_params(g) <= 4 * params);
        assert_true(i % 3 != 1 || nash_graph_macs(g) <= 3 * macs);
        assert_true(i % 3 != 2 || nash_graph_params(g) <= 3 * params);
        nash_model_free(child);
    }
    assert_true(asked > 50);
    assert_true(refused[NASH_MORPH_WIDEN] > 20);
    assert_true(refused[NASH_MORPH_DEEPEN] > 0);
    nash_probe_close(&probe);
    nash_model_free(m);
}

static void giving_up_leaves_the_model_and_says_why(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    uint64_t hash = nash_model_hash(m);
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    int64_t refused[NASH_MORPH_COUNT] = {0}, n = 0;
    opts.max_params = nash_graph_params(nash_model_graph(m)) - 1;
    opts.max_draws = 200;
    assert_refused(nash_morph_random(m, &opts, &probe, NULL, refused),
                   "200 draws");
    assert_int_equal(nash_model_hash(m), hash);
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        n += refused[k];
    assert_int_equal(n, 200);
    assert_true(refused[NASH_MORPH_DEEPEN] > 0); /* tried more than one kind */
    assert_true(refused[NASH_MORPH_WIDEN] > 0);
    opts.kinds = 0;
    assert_int_equal(nash_morph_random(m, &opts, &probe, NULL, NULL),
                     NASH_EINVAL);
    nash_probe_close(&probe);
    nash_model_free(m);
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

/* ---- out of memory --------------------------------------------------------
 */

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
        status = nash_morph_random(child, &opts, &probe, NULL, NULL);
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

/* ---- deviation ------------------------------------------------------------
 */

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
        cmocka_unit_test(kinds_places_and_settings_are_drawn_uniformly),
        cmocka_unit_test(skips_and_large_kernels_are_drawn_as_rarely_as_asked),
        cmocka_unit_test(no_size_of_layers_takes_more_than_its_share),
        cmocka_unit_test(a_network_of_one_size_has_all_of_it),
        cmocka_unit_test(equal_keys_give_equal_children_and_others_differ),
        cmocka_unit_test(no_child_outgrows_a_cap),
        cmocka_unit_test(giving_up_leaves_the_model_and_says_why),
        cmocka_unit_test(text_comes_back_as_the_same_morphism),
        cmocka_unit_test(text_has_defaults_and_may_use_bare_numbers),
        cmocka_unit_test(wrong_text_is_answered_with_the_part_that_is_wrong),
        cmocka_unit_test(a_lineage_is_an_array_of_texts),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(composing_and_comparing_survive_running_out_of_memory),
        cmocka_unit_test(a_deviation_is_the_largest_difference_of_logits),
    };
    return cmocka_run_group_tests_name("morph_random", tests, NULL, NULL);
}
