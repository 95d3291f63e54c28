/* Models: tensors, copies, identity, metadata, surgery, starting networks. */
#include "base/memory.h"
#include "graph/edit.h"
#include "model/edit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define assert_says(text) assert_non_null(strstr(nash_error_message(), text))

static nash_net_opts small_opts(void)
{
    nash_net_opts opts = nash_net_opts_default();
    opts.input = (nash_shape){3, 8, 8};
    opts.widths[0] = 4;
    opts.widths[1] = 6;
    opts.widths[2] = 8;
    for (int i = 0; i < 3; i++) {
        opts.mean[i] = 100.0F + (float)i;
        opts.std[i] = 50.0F + (float)i;
    }
    return opts;
}

static nash_model *make_small(void)
{
    nash_net_opts opts = small_opts();
    nash_model *m;
    assert_int_equal(nash_net_start(&m, &opts), NASH_OK);
    return m;
}

static int32_t find_op(const nash_model *m, nash_op op)
{
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->op == op)
            return id;
    fail_msg("the network has no %s", nash_op_name(op));
    return -1;
}

static void assert_tensor(const nash_model *m, int32_t id, int32_t slot,
                          nash_role role, int32_t n_dims, int32_t d0,
                          int32_t d1, int32_t d2, int32_t d3)
{
    const int32_t dims[4] = {d0, d1, d2, d3};
    const nash_tensor *t = nash_model_tensor(m, id, slot);
    assert_non_null(t);
    assert_int_equal(t->role, role);
    assert_int_equal(t->n_dims, n_dims);
    int64_t count = 1;
    for (int32_t i = 0; i < n_dims; i++) {
        assert_int_equal(t->dims[i], dims[i]);
        count *= dims[i];
    }
    assert_int_equal(t->count, count);
}

static void assert_filled(const nash_model *m, int32_t id, int32_t slot,
                          float value)
{
    const nash_tensor *t = nash_model_tensor(m, id, slot);
    for (int64_t i = 0; i < t->count; i++)
        assert_true(t->data[i] == value);
}

/* input 4x5x5, conv (2 groups, bias), batch_norm, gate, global_pool, fc,
 * softmax */
static nash_graph *make_graph(void)
{
    nash_graph *g;
    int32_t last, pair[2] = {2, 1};
    nash_attrs input = {.out_channels = 4, .size = {5, 5}};
    nash_attrs conv = nash_attrs_window(3, 1), fc = nash_attrs_default();
    conv.out_channels = 6;
    conv.kernel[1] = 1;
    conv.pads[1] = conv.pads[3] = 0;
    conv.groups = 2;
    conv.bias = true;
    fc.out_channels = 3;
    assert_int_equal(nash_graph_create(&g), NASH_OK);
    nash_graph_append(&last, g, NASH_OP_INPUT, &input, NULL, 0);
    nash_graph_append(&last, g, NASH_OP_CONV, &conv, &last, 1);
    nash_graph_append(&last, g, NASH_OP_BATCH_NORM, NULL, &last, 1);
    nash_graph_append(&last, g, NASH_OP_GATE, NULL, pair, 2);
    nash_graph_append(&last, g, NASH_OP_GLOBAL_POOL, NULL, &last, 1);
    nash_graph_append(&last, g, NASH_OP_FC, &fc, &last, 1);
    nash_graph_append(&last, g, NASH_OP_SOFTMAX, NULL, &last, 1);
    assert_int_equal(nash_graph_check(g), NASH_OK);
    return g;
}

/* ---- tensors ------------------------------------------------------------ */

static void new_tensors_have_their_sizes_and_are_neutral(void **state)
{
    (void)state;
    nash_graph *g = make_graph();
    nash_model *m;
    assert_int_equal(nash_model_create(&m, &g), NASH_OK);
    assert_null(g);
    assert_tensor(m, 1, NASH_SLOT_WEIGHT, NASH_ROLE_WEIGHT, 4, 6, 2, 3, 1);
    assert_tensor(m, 1, NASH_SLOT_BIAS, NASH_ROLE_BIAS, 1, 6, 0, 0, 0);
    assert_tensor(m, 2, NASH_SLOT_GAMMA, NASH_ROLE_SCALE, 1, 6, 0, 0, 0);
    assert_tensor(m, 2, NASH_SLOT_BETA, NASH_ROLE_BIAS, 1, 6, 0, 0, 0);
    assert_tensor(m, 2, NASH_SLOT_MEAN, NASH_ROLE_STATISTIC, 1, 6, 0, 0, 0);
    assert_tensor(m, 2, NASH_SLOT_VAR, NASH_ROLE_STATISTIC, 1, 6, 0, 0, 0);
    assert_tensor(m, 3, NASH_SLOT_LAMBDA, NASH_ROLE_GATE, 1, 1, 0, 0, 0);
    assert_tensor(m, 5, NASH_SLOT_WEIGHT, NASH_ROLE_WEIGHT, 2, 3, 6, 0, 0);
    assert_null(nash_model_tensor(m, 5, NASH_SLOT_BIAS));
    assert_null(nash_model_tensor(m, 0, 0));
    assert_null(nash_model_tensor(m, 3, 1));
    assert_null(nash_model_tensor(m, 6, 0));
    assert_null(nash_model_tensor(m, 7, 0));
    assert_null(nash_model_tensor(m, -1, 0));
    assert_null(nash_model_tensor(m, 1, -1));
    assert_null(nash_model_tensor(m, 1, NASH_SLOT_COUNT));
    assert_filled(m, 1, NASH_SLOT_WEIGHT, 0);
    assert_filled(m, 2, NASH_SLOT_GAMMA, 1);
    assert_filled(m, 2, NASH_SLOT_BETA, 0);
    assert_filled(m, 2, NASH_SLOT_MEAN, 0);
    assert_filled(m, 2, NASH_SLOT_VAR, 1);
    assert_filled(m, 3, NASH_SLOT_LAMBDA, 1);
    nash_model_free(m);
}

static void trained_values_are_the_graphs_parameters(void **state)
{
    (void)state;
    nash_model *m = make_small();
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        int64_t trained = 0;
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(m, id, slot);
            bool fixed = !t || t->role == NASH_ROLE_STATISTIC ||
                         t->role == NASH_ROLE_CONSTANT;
            trained += fixed ? 0 : t->count;
        }
        assert_int_equal(trained, nash_node_params(g, id));
    }
    nash_model_free(m);
}

static void weights_are_drawn_with_the_right_spread(void **state)
{
    (void)state;
    nash_net_opts opts = nash_net_opts_default();
    nash_model *m;
    assert_int_equal(nash_net_start(&m, &opts), NASH_OK);
    int32_t conv = nash_graph_find(nash_model_graph(m), 6);
    const nash_tensor *t = nash_model_tensor(m, conv, NASH_SLOT_WEIGHT);
    double sum = 0, squares = 0;
    assert_int_equal(t->count, 128 * 64 * 9);
    for (int64_t i = 0; i < t->count; i++) {
        sum += (double)t->data[i];
        squares += (double)t->data[i] * (double)t->data[i];
    }
    double n = (double)t->count, std = sqrt(2.0 / (64 * 9));
    assert_true(fabs(sum / n) < 4 * std / sqrt(n));
    assert_true(fabs(sqrt(squares / n) / std - 1) < 0.02);
    t = nash_model_tensor(m, find_op(m, NASH_OP_FC), NASH_SLOT_WEIGHT);
    squares = 0;
    for (int64_t i = 0; i < t->count; i++)
        squares += (double)t->data[i] * (double)t->data[i];
    assert_true(fabs(sqrt(squares / (double)t->count) * 16 - 1) < 0.06);
    nash_model_free(m);
}

static void weights_depend_on_seed_and_tag_only(void **state)
{
    (void)state;
    nash_model *m = make_small(), *other = make_small();
    int32_t bn = find_op(m, NASH_OP_BATCH_NORM);
    uint64_t hash = nash_model_hash(m);
    nash_model_tensor(m, bn, NASH_SLOT_VAR)->data[0] = 5;
    nash_model_init(m, 0);
    assert_true(nash_model_hash(m) == hash);
    nash_model_init(m, 1);
    assert_true(nash_model_hash(m) != hash);

    assert_int_equal(ni_model_insert(other, 2, NASH_OP_CONV,
                                     &(nash_attrs){.out_channels = 3,
                                                   .kernel = {1, 1},
                                                   .stride = {1, 1},
                                                   .dilation = {1, 1},
                                                   .groups = 1},
                                     &(int32_t){1}, 1),
                     NASH_OK);
    nash_model_init(other, 1);
    const nash_tensor *a = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    const nash_tensor *b = nash_model_tensor(other, 3, NASH_SLOT_WEIGHT);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->data, b->data, (size_t)a->count * sizeof(float));
    nash_model_free(other);
    nash_model_free(m);
}

static void initialising_keeps_the_normalisation(void **state)
{
    (void)state;
    nash_model *m = make_small();
    nash_model_init(m, 9);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_CENTER)->data[2] == 102.0F);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_SCALE)->data[1] == 51.0F);
    assert_tensor(m, 1, NASH_SLOT_SCALE, NASH_ROLE_CONSTANT, 1, 3, 0, 0, 0);
    nash_model_free(m);
}

static void a_value_that_is_not_finite_is_found(void **state)
{
    (void)state;
    nash_model *m = make_small();
    assert_true(nash_model_is_finite(m));
    int32_t fc = find_op(m, NASH_OP_FC);
    nash_model_tensor(m, fc, NASH_SLOT_BIAS)->data[9] = INFINITY;
    assert_false(nash_model_is_finite(m));
    nash_model_tensor(m, fc, NASH_SLOT_BIAS)->data[9] = NAN;
    assert_false(nash_model_is_finite(m));
    nash_model_free(m);
}

/* ---- identity ----------------------------------------------------------- */

static void a_copy_is_equal_and_independent(void **state)
{
    (void)state;
    nash_model *m = make_small(), *copy;
    assert_int_equal(nash_model_set_meta(m, "b", "2"), NASH_OK);
    assert_int_equal(nash_model_set_meta(m, "a", "1"), NASH_OK);
    assert_int_equal(nash_model_dup(&copy, m), NASH_OK);
    uint64_t hash = nash_model_hash(m);
    assert_true(nash_model_hash(copy) == hash);
    assert_string_equal(nash_model_meta(copy, "a"), "1");
    assert_int_equal(nash_model_meta_count(copy), 2);
    nash_model_tensor(copy, 2, 0)->data[0] += 1;
    assert_true(nash_model_hash(copy) != hash);
    assert_true(nash_model_hash(m) == hash);
    nash_model_free(copy);
    nash_model_free(m);
}

static void the_hash_covers_the_bits_of_every_tensor(void **state)
{
    (void)state;
    nash_model *m = make_small();
    const nash_graph *g = nash_model_graph(m);
    uint64_t hash = nash_model_hash(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            nash_tensor *t = nash_model_tensor(m, id, slot);
            if (!t)
                continue;
            float old = t->data[t->count - 1];
            t->data[t->count - 1] = nextafterf(old, INFINITY);
            assert_true(nash_model_hash(m) != hash);
            t->data[t->count - 1] = old;
        }
    }
    assert_true(nash_model_hash(m) == hash);
    nash_tensor *bias = nash_model_tensor(m, find_op(m, NASH_OP_FC), 1);
    assert_true(bias->data[0] == 0);
    bias->data[0] = -0.0F;
    assert_true(nash_model_hash(m) != hash);
    bias->data[0] = 0;
    assert_int_equal(nash_model_set_meta(m, "k", "v"), NASH_OK);
    assert_true(nash_model_hash(m) == hash);
    ni_graph_set_tag(ni_model_graph(m), 3, 70);
    assert_true(nash_model_hash(m) != hash);
    nash_model_free(m);
}

static void metadata_is_sorted_replaced_and_removed(void **state)
{
    (void)state;
    static const char *const keys[] = {"m", "a", "z", "ma", "\u00e9"};
    nash_model *m = make_small();
    const char *key, *value, *before = NULL;
    for (int i = 0; i < 5; i++)
        assert_int_equal(nash_model_set_meta(m, keys[i], keys[i]), NASH_OK);
    assert_int_equal(nash_model_meta_count(m), 5);
    for (int32_t i = 0; i < 5; i++) {
        nash_model_meta_at(m, i, &key, &value);
        assert_string_equal(key, value);
        assert_true(!before || strcmp(before, key) < 0);
        before = key;
    }
    assert_int_equal(nash_model_set_meta(m, "m", "new"), NASH_OK);
    assert_string_equal(nash_model_meta(m, "m"), "new");
    assert_int_equal(nash_model_meta_count(m), 5);
    assert_int_equal(nash_model_set_meta(m, "a", NULL), NASH_OK);
    assert_int_equal(nash_model_set_meta(m, "absent", NULL), NASH_OK);
    assert_null(nash_model_meta(m, "a"));
    assert_null(nash_model_meta(m, "mb"));
    assert_int_equal(nash_model_meta_count(m), 4);
    nash_model_free(m);
}

static void metadata_are_text_with_a_key(void **state)
{
    (void)state;
    nash_model *m = make_small();
    int32_t entries = nash_model_meta_count(m);
    assert_int_equal(nash_model_set_meta(m, "", "x"), NASH_EINVAL);
    assert_int_equal(nash_model_set_meta(m, "caf\xe9", "x"), NASH_EINVAL);
    assert_int_equal(nash_model_set_meta(m, "k", "caf\xe9"), NASH_EINVAL);
    assert_int_equal(nash_model_meta_count(m), entries);
    assert_int_equal(nash_model_set_meta(m, "k", "two\nlines"), NASH_OK);
    assert_int_equal(nash_model_set_meta(m, "k", "\xff"), NASH_EINVAL);
    assert_string_equal(nash_model_meta(m, "k"), "two\nlines");
    nash_model_free(m);
}

/* ---- surgery ------------------------------------------------------------ */

static void an_inserted_node_brings_neutral_tensors(void **state)
{
    (void)state;
    nash_model *m = make_small(), *old = make_small();
    int32_t relu = find_op(m, NASH_OP_RELU);
    assert_int_equal(
        ni_model_insert(m, relu + 1, NASH_OP_BATCH_NORM, NULL, &relu, 1),
        NASH_OK);
    assert_filled(m, relu + 1, NASH_SLOT_VAR, 1);
    const nash_graph *g = nash_model_graph(old);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *a = nash_model_tensor(old, id, slot);
            const nash_tensor *b = nash_model_tensor(m, id + (id > relu), slot);
            assert_int_equal(!a, !b);
            if (a)
                assert_memory_equal(a->data, b->data,
                                    (size_t)a->count * sizeof(float));
        }
    }
    nash_model_free(old);
    nash_model_free(m);
}

static void resizing_replaces_only_what_no_longer_fits(void **state)
{
    (void)state;
    nash_model *m = make_small();
    int32_t conv = find_op(m, NASH_OP_CONV), fc = find_op(m, NASH_OP_FC);
    const float *kept = nash_model_tensor(m, fc, NASH_SLOT_WEIGHT)->data;
    ni_graph_attrs(ni_model_graph(m), conv)->out_channels = 5;
    assert_int_equal(ni_model_resize(m), NASH_OK);
    assert_tensor(m, conv, NASH_SLOT_WEIGHT, NASH_ROLE_WEIGHT, 4, 5, 3, 3, 3);
    assert_filled(m, conv, NASH_SLOT_WEIGHT, 0);
    assert_tensor(m, conv + 1, NASH_SLOT_VAR, NASH_ROLE_STATISTIC, 1, 5, 0, 0,
                  0);
    assert_filled(m, conv + 1, NASH_SLOT_VAR, 1);
    assert_ptr_equal(nash_model_tensor(m, fc, NASH_SLOT_WEIGHT)->data, kept);
    ni_graph_attrs(ni_model_graph(m), fc)->bias = false;
    assert_int_equal(ni_model_resize(m), NASH_OK);
    assert_null(nash_model_tensor(m, fc, NASH_SLOT_BIAS));
    assert_int_equal(nash_graph_check(nash_model_graph(m)), NASH_OK);
    nash_model_free(m);
}

static void swapped_models_exchange_everything(void **state)
{
    (void)state;
    nash_model *a = make_small(), *b = make_small();
    nash_model_init(b, 5);
    assert_int_equal(nash_model_set_meta(a, "who", "a"), NASH_OK);
    uint64_t hash_a = nash_model_hash(a), hash_b = nash_model_hash(b);
    ni_model_swap(a, b);
    assert_true(nash_model_hash(a) == hash_b);
    assert_true(nash_model_hash(b) == hash_a);
    assert_null(nash_model_meta(a, "who"));
    assert_string_equal(nash_model_meta(b, "who"), "a");
    nash_model_free(a);
    nash_model_free(b);
}

/* ---- starting networks -------------------------------------------------- */

/* Parameters and MACs computed by hand from the layers. */
static void the_networks_have_their_published_sizes(void **state)
{
    static const struct {
        nash_status (*make)(nash_model **, const nash_net_opts *);
        int64_t params, macs;
    } cases[] = {{nash_net_start, 373834, 39520768},
                 {nash_net_vgg, 1886922, 228264448},
                 {nash_net_resnet9, 6573130, 379261952}};
    (void)state;
    nash_net_opts opts = nash_net_opts_default();
    for (int i = 0; i < 3; i++) {
        nash_model *m;
        assert_int_equal(cases[i].make(&m, &opts), NASH_OK);
        const nash_graph *g = nash_model_graph(m);
        assert_int_equal(nash_graph_check(g), NASH_OK);
        assert_int_equal(nash_graph_params(g), cases[i].params);
        assert_int_equal(nash_graph_macs(g), cases[i].macs);
        assert_int_equal(nash_graph_node(g, 1)->op, NASH_OP_NORMALIZE);
        assert_true(nash_model_is_finite(m));
        nash_model_free(m);
    }
}

static int32_t smallest_side(const nash_model *m)
{
    const nash_graph *g = nash_model_graph(m);
    int32_t id = nash_graph_input(g, find_op(m, NASH_OP_GLOBAL_POOL), 0);
    nash_shape shape = nash_graph_node(g, id)->shape;
    return shape.h < shape.w ? shape.h : shape.w;
}

static void every_image_size_gets_a_network(void **state)
{
    static const struct {
        int32_t h, w, last;
    } cases[] = {{1, 1, 1},   {2, 7, 2},     {3, 3, 3},     {4, 4, 2},
                 {7, 7, 3},   {8, 8, 2},     {28, 28, 7},   {64, 64, 16},
                 {65, 65, 8}, {128, 96, 12}, {224, 300, 14}};
    (void)state;
    nash_net_opts opts = small_opts();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nash_model *m;
        opts.input = (nash_shape){1, cases[i].h, cases[i].w};
        assert_int_equal(nash_net_start(&m, &opts), NASH_OK);
        assert_int_equal(nash_graph_check(nash_model_graph(m)), NASH_OK);
        assert_int_equal(smallest_side(m), cases[i].last);
        nash_model_free(m);
        assert_int_equal(nash_net_resnet9(&m, &opts), NASH_OK);
        nash_model_free(m);
    }
}

static void a_whitening_layer_comes_first_and_strides_large_images(void **state)
{
    static const float filters[4 * 4] = {1, 2, 3, 4, -5};
    (void)state;
    nash_net_opts opts = small_opts();
    opts.whitening = filters;
    opts.whitening_kernel = 2;
    for (int large = 0; large < 2; large++) {
        nash_model *m;
        opts.input = (nash_shape){1, large ? 100 : 20, large ? 100 : 20};
        assert_int_equal(nash_net_start(&m, &opts), NASH_OK);
        const nash_node *conv = nash_graph_node(nash_model_graph(m), 2);
        const nash_tensor *weight = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
        assert_int_equal(conv->op, NASH_OP_CONV);
        assert_int_equal(conv->shape.c, 8);
        assert_int_equal(conv->shape.h, large ? 50 : 19);
        for (int i = 0; i < 16; i++) {
            assert_true(weight->data[i] == filters[i]);
            assert_true(weight->data[16 + i] == -filters[i]);
        }
        nash_model_free(m);
    }
    opts.input = (nash_shape){1, 20, 1};
    nash_model *m;
    assert_int_equal(nash_net_start(&m, &opts), NASH_EINVAL);
    assert_says("kernel is 2");
}

static void a_whitening_layer_may_have_the_first_filters_only(void **state)
{
    static const float filters[3 * 4] = {1, 2, 3, 4, -5};
    (void)state;
    nash_model *m;
    nash_net_opts opts = small_opts();
    opts.input = (nash_shape){1, 20, 20};
    opts.whitening = filters;
    opts.whitening_kernel = 2;
    opts.whitening_filters = 3;
    assert_int_equal(nash_net_start(&m, &opts), NASH_OK);
    const nash_tensor *weight = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    assert_int_equal(weight->dims[0], 6);
    for (int i = 0; i < 12; i++) {
        assert_true(weight->data[i] == filters[i]);
        assert_true(weight->data[12 + i] == -filters[i]);
    }
    nash_model_free(m);
    opts.whitening_filters = 5;
    assert_int_equal(nash_net_start(&m, &opts), NASH_EINVAL);
    assert_says("5 whitening filters were asked for, expected at most 4");
}

static void impossible_networks_are_refused(void **state)
{
    (void)state;
    nash_net_opts good = small_opts(), bad = good;
    nash_model *m;
    bad.input.c = 5;
    assert_int_equal(nash_net_start(&m, &bad), NASH_EINVAL);
    assert_null(m);
    assert_says("5 channels");
    bad = good, bad.input.w = 0;
    assert_int_equal(nash_net_start(&m, &bad), NASH_EINVAL);
    bad = good, bad.classes = 1;
    assert_int_equal(nash_net_vgg(&m, &bad), NASH_EINVAL);
    bad = good, bad.widths[2] = 0;
    assert_int_equal(nash_net_resnet9(&m, &bad), NASH_EINVAL);
    bad = good, bad.std[1] = 0;
    assert_int_equal(nash_net_start(&m, &bad), NASH_EINVAL);
    bad = good, bad.mean[1] = NAN;
    assert_int_equal(nash_net_start(&m, &bad), NASH_EINVAL);
    bad = good, bad.bn_momentum = 1.5F;
    assert_int_equal(nash_net_start(&m, &bad), NASH_EINVAL);
    assert_says("momentum 1.5");
    bad = good, bad.input.h = bad.input.w = NASH_MAX_DIM;
    assert_int_equal(nash_net_start(&m, &bad), NASH_ELIMIT);
}

/* ---- out of memory ------------------------------------------------------ */

static nash_status everything_once(void)
{
    nash_status status = NASH_OK;
    nash_net_opts opts = small_opts();
    nash_model *m = NULL, *copy = NULL;
    TRY(nash_net_resnet9(&m, &opts));
    TRY(nash_model_set_meta(m, "key", "value"));
    TRY(nash_model_set_meta(m, "another", "value"));
    TRY(nash_model_set_meta(m, "key", "other value"));
    TRY(nash_model_dup(&copy, m));
    TRY(ni_model_insert(copy, 5, NASH_OP_BATCH_NORM, NULL, &(int32_t){4}, 1));
    ni_graph_redirect(ni_model_graph(copy), 4, 5, 5);
    ni_graph_attrs(ni_model_graph(copy), 2)->out_channels = 7;
    TRY(ni_model_resize(copy));
    TRY(nash_graph_check(nash_model_graph(copy)));
done:
    nash_model_free(copy);
    nash_model_free(m);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    int64_t allowed = 0;
    for (; status != NASH_OK; allowed++) {
        ni_memory_fail_after(allowed);
        status = everything_once();
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_true(allowed > 100);
}

static void a_failed_metadata_change_changes_nothing(void **state)
{
    (void)state;
    nash_model *m = make_small();
    assert_int_equal(nash_model_set_meta(m, "a", "1"), NASH_OK);
    for (int64_t allowed = 0; allowed < 3; allowed++) {
        ni_memory_fail_after(allowed);
        nash_status status = nash_model_set_meta(m, "b", "2");
        ni_memory_fail_after(-1);
        assert_int_equal(status, NASH_ENOMEM);
        assert_int_equal(nash_model_meta_count(m), 1);
    }
    ni_memory_fail_after(0);
    nash_status status = nash_model_set_meta(m, "a", "2");
    ni_memory_fail_after(-1);
    assert_int_equal(status, NASH_ENOMEM);
    assert_string_equal(nash_model_meta(m, "a"), "1");
    nash_model_free(m);
}

static void a_graph_is_taken_even_by_a_failure(void **state)
{
    (void)state;
    int64_t blocks = ni_memory_live_blocks();
    nash_graph *g = make_graph();
    nash_model *m = NULL;
    ni_memory_fail_after(0);
    nash_status status = nash_model_create(&m, &g);
    ni_memory_fail_after(-1);
    assert_int_equal(status, NASH_ENOMEM);
    assert_null(g);
    assert_null(m);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_tensors_have_their_sizes_and_are_neutral),
        cmocka_unit_test(trained_values_are_the_graphs_parameters),
        cmocka_unit_test(weights_are_drawn_with_the_right_spread),
        cmocka_unit_test(weights_depend_on_seed_and_tag_only),
        cmocka_unit_test(initialising_keeps_the_normalisation),
        cmocka_unit_test(a_value_that_is_not_finite_is_found),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(the_hash_covers_the_bits_of_every_tensor),
        cmocka_unit_test(metadata_is_sorted_replaced_and_removed),
        cmocka_unit_test(metadata_are_text_with_a_key),
        cmocka_unit_test(an_inserted_node_brings_neutral_tensors),
        cmocka_unit_test(resizing_replaces_only_what_no_longer_fits),
        cmocka_unit_test(swapped_models_exchange_everything),
        cmocka_unit_test(the_networks_have_their_published_sizes),
        cmocka_unit_test(every_image_size_gets_a_network),
        cmocka_unit_test(
            a_whitening_layer_comes_first_and_strides_large_images),
        cmocka_unit_test(a_whitening_layer_may_have_the_first_filters_only),
        cmocka_unit_test(impossible_networks_are_refused),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
        cmocka_unit_test(a_failed_metadata_change_changes_nothing),
        cmocka_unit_test(a_graph_is_taken_even_by_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
