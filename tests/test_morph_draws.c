/* What is drawn when morphisms are: distribution, shares, keys, and caps. */
#include "morph_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- draws --------------------------------------------------------------- */

/* What is drawn for that child. */
static nash_morph drawn(const nash_model *m, nash_morph_opts opts,
                        const nash_probe *probe, uint32_t child)
{
    nash_morph morph;
    nash_model *copy = dup_model(m);
    opts.child = child;
    assert_ok(nash_morph_random(copy, &opts, probe, &morph, NULL, NULL));
    nash_model_free(copy);
    return morph;
}

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
        nash_morph morph = drawn(m, opts, &probe, child);
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
            nash_morph morph = drawn(m, opts, &probe, child);
            skips += morph.kind == NASH_MORPH_ADD_SKIP ||
                     morph.kind == NASH_MORPH_CONCAT_SKIP;
            assert_true(morph.kernel == 0 || morph.kernel == 3);
        }
        assert_in_range(skips, cases[i].least, cases[i].most);
    }
    nash_probe_close(&probe);
    nash_model_free(m);
}

/* Where nothing may grow, children are not made of skips instead. */
static void skips_do_not_stand_in_for_what_is_not_possible(void **state)
{
    (void)state;
    enum { CHILDREN = 40 };
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    int32_t applied = 0, n;
    opts.n = 3;
    opts.skip_share = 0.1;
    opts.max_expansion = 1.0;
    opts.max_macs = nash_graph_macs(nash_model_graph(m)) * 11 / 10;
    for (opts.child = 0; opts.child < CHILDREN; opts.child++) {
        nash_model *child = dup_model(m);
        if (nash_morph_random(child, &opts, &probe, NULL, &n, NULL) == NASH_OK)
            applied += n;
        nash_model_free(child);
    }
    assert_in_range(applied, CHILDREN / 2, 2 * CHILDREN);
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

/* Of sixty random children of a network, those with a figure above [most]. */
static int count_beyond(const nash_model *m, const nash_morph_opts *draws,
                        double (*figure)(const nash_model *), double most)
{
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = *draws;
    int beyond = 0;
    for (opts.child = 0; opts.child < 60; opts.child++) {
        nash_model *child = dup_model(m);
        assert_ok(nash_morph_random(child, &opts, &probe, NULL, NULL, NULL));
        beyond += figure(child) > most;
        nash_model_free(child);
    }
    nash_probe_close(&probe);
    return beyond;
}

static void no_size_of_layers_takes_more_than_its_share(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_morph_opts opts = nash_morph_opts_default();
    /* three sizes: at least half is allowed, whatever is asked for */
    double before = share_of_the_first_size(m), most = 0.5 * (1.0 + before);
    assert_true(count_beyond(m, &opts, share_of_the_first_size, most) > 0);
    opts.max_share = most;
    assert_int_equal(count_beyond(m, &opts, share_of_the_first_size, most), 0);
    nash_model_free(m);
}

/* Over the widest convolution or fully connected layer beside each, found by
 * walking from it both ways; the library goes through the graph once. */
static int32_t widest_reader(const nash_graph *g, int32_t id)
{
    int32_t widest = 0;
    for (int32_t reader = 0; reader < nash_graph_size(g); reader++)
        for (int32_t k = 0; k < nash_graph_node(g, reader)->n_inputs; k++) {
            const nash_node *node = nash_graph_node(g, reader);
            if (nash_graph_input(g, reader, k) != id)
                continue;
            int32_t c = node->op == NASH_OP_CONV || node->op == NASH_OP_FC
                            ? node->shape.c
                            : widest_reader(g, reader);
            widest = c > widest ? c : widest;
        }
    return widest;
}

static double expansion_of(const nash_model *m)
{
    const nash_graph *g = nash_model_graph(m);
    double largest = 0.0;
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        if (nash_graph_node(g, id)->op != NASH_OP_CONV)
            continue;
        int32_t in = nash_graph_input(g, id, 0), out = widest_reader(g, id);
        int32_t read = nash_graph_node(g, in)->shape.c;
        double own = nash_graph_node(g, id)->shape.c;
        own /= read > out ? read : out;
        largest = own > largest ? own : largest;
    }
    return largest;
}

static void no_layer_is_much_wider_than_those_around_it(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_morph_opts opts = nash_morph_opts_default();
    assert_true(expansion_of(m) <= 2.0);
    assert_true(count_beyond(m, &opts, expansion_of, 2.0) > 20);
    opts.max_expansion = 2.0;
    assert_int_equal(count_beyond(m, &opts, expansion_of, 2.0), 0);
    nash_model_free(m);
}

static void a_network_beyond_it_may_stay_so(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    double before = expansion_of(m);
    nash_morph_opts opts = nash_morph_opts_default();
    opts.n = 3;
    opts.max_expansion = 0.1;
    assert_ok(nash_morph_random(m, &opts, &probe, NULL, NULL, NULL));
    assert_true(expansion_of(m) <= before);
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
    assert_ok(nash_morph_random(m, &opts, &probe, NULL, NULL, refused));
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
        assert_ok(nash_morph_random(child, &opts, &probe, NULL, NULL, NULL));
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
        assert_ok(nash_morph_random(child, &opts, &probe, NULL, NULL, refused));
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
    assert_refused(nash_morph_random(m, &opts, &probe, NULL, NULL, refused),
                   "200 draws");
    assert_int_equal(nash_model_hash(m), hash);
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        n += refused[k];
    assert_int_equal(n, 200);
    assert_true(refused[NASH_MORPH_DEEPEN] > 0); /* tried more than one kind */
    assert_true(refused[NASH_MORPH_WIDEN] > 0);
    opts.kinds = 0;
    assert_int_equal(nash_morph_random(m, &opts, &probe, NULL, NULL, NULL),
                     NASH_EINVAL);
    nash_probe_close(&probe);
    nash_model_free(m);
}

static void nothing_is_drawn_in_a_graph_that_is_not_complete(void **state)
{
    (void)state;
    nash_graph *g;
    nash_model *m;
    nash_morph morph;
    nash_attrs input = {.out_channels = 3, .size = {8, 8}};
    nash_morph_opts opts = nash_morph_opts_default();
    assert_ok(nash_graph_create(&g));
    assert_ok(nash_graph_append(NULL, g, NASH_OP_INPUT, &input, NULL, 0));
    assert_ok(nash_model_create(&m, &g));
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++) {
        nash_status status =
            nash_morph_draw(&morph, (nash_morph_kind)kind, m, 1, 0, 0);
        assert_int_equal(status, NASH_EINVAL);
    }
    assert_int_equal(nash_morph_random(m, &opts, NULL, NULL, NULL, NULL),
                     NASH_EINVAL);
    nash_model_free(m);
}

static void morphisms_before_a_cap_are_kept_if_they_are_enough(void **state)
{
    (void)state;
    nash_model *m = make_start(1), *child = dup_model(m), *again = dup_model(m);
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    nash_morph applied[40];
    int32_t n = -1;
    opts.kinds = 1u << NASH_MORPH_DEEPEN;
    opts.n = 40;
    opts.max_draws = 30;
    opts.max_params = 2 * nash_graph_params(nash_model_graph(m));
    assert_refused(nash_morph_random(child, &opts, &probe, NULL, NULL, NULL),
                   "of 40 morphisms were possible in 30 draws each; the last "
                   "refusal: the child would have");
    assert_int_equal(nash_model_hash(child), nash_model_hash(m));
    assert_ok(nash_morph_random(child, &opts, &probe, applied, &n, NULL));
    assert_in_range(n, 1, 39);
    for (int32_t i = 0; i < n; i++)
        assert_ok(nash_morph_apply(again, &applied[i], &probe));
    assert_int_equal(nash_model_hash(child), nash_model_hash(again));
    opts.max_params = 1;
    assert_refused(nash_morph_random(child, &opts, &probe, applied, &n, NULL),
                   "none of 30 draws");
    assert_int_equal(nash_model_hash(child), nash_model_hash(again));
    nash_model_free(again);
    nash_model_free(child);
    nash_probe_close(&probe);
    nash_model_free(m);
}

static void draws_are_counted_for_each_morphism(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    int32_t n = -1;
    opts.kinds = 1u << NASH_MORPH_DEEPEN;
    opts.n = 12;
    opts.max_draws = 8;
    assert_ok(nash_morph_random(m, &opts, &probe, NULL, NULL, NULL));
    opts.n = 0;
    assert_ok(nash_morph_random(m, &opts, &probe, NULL, &n, NULL));
    assert_int_equal(n, 0);
    nash_probe_close(&probe);
    nash_model_free(m);
}

static volatile int stop_asked;

/* Asks to stop in the third draw. */
static nash_status stop_in_the_third(void *ctx, size_t *bytes,
                                     const nash_graph *g)
{
    (void)g;
    *bytes = 0;
    ++*(int *)ctx;
    stop_asked = *(int *)ctx >= 3;
    return NASH_OK;
}

static void a_stop_is_heard_between_draws(void **state)
{
    (void)state;
    nash_model *m = make_start(1);
    uint64_t hash = nash_model_hash(m);
    nash_probe probe = open_probe(m, 5);
    nash_morph_opts opts = nash_morph_opts_default();
    int asked = 0;
    int32_t n;
    opts.n = 40;
    opts.max_bytes = 1;
    opts.bytes_of = stop_in_the_third;
    opts.bytes_ctx = &asked;
    opts.stop = &stop_asked;
    assert_int_equal(nash_morph_random(m, &opts, &probe, NULL, &n, NULL),
                     NASH_ESTOP);
    assert_int_equal(asked, 3);
    assert_int_equal(nash_model_hash(m), hash);
    nash_probe_close(&probe);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_places_and_settings_are_drawn_uniformly),
        cmocka_unit_test(skips_and_large_kernels_are_drawn_as_rarely_as_asked),
        cmocka_unit_test(skips_do_not_stand_in_for_what_is_not_possible),
        cmocka_unit_test(no_size_of_layers_takes_more_than_its_share),
        cmocka_unit_test(no_layer_is_much_wider_than_those_around_it),
        cmocka_unit_test(a_network_beyond_it_may_stay_so),
        cmocka_unit_test(a_network_of_one_size_has_all_of_it),
        cmocka_unit_test(equal_keys_give_equal_children_and_others_differ),
        cmocka_unit_test(no_child_outgrows_a_cap),
        cmocka_unit_test(giving_up_leaves_the_model_and_says_why),
        cmocka_unit_test(nothing_is_drawn_in_a_graph_that_is_not_complete),
        cmocka_unit_test(morphisms_before_a_cap_are_kept_if_they_are_enough),
        cmocka_unit_test(draws_are_counted_for_each_morphism),
        cmocka_unit_test(a_stop_is_heard_between_draws),
    };
    return cmocka_run_group_tests_name("morph_draws", tests, NULL, NULL);
}
