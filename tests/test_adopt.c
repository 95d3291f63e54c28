/* Networks from elsewhere: a normalisation put in, a head made anew. */
#include "base/memory.h"

#include <nash/model.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(call) assert_int_equal((call), NASH_OK)
#define assert_says(text) assert_non_null(strstr(nash_error_message(), text))

static const float mean[3] = {120, 110, 100}, std[3] = {60, 50, 40};

static int32_t put(nash_graph *g, nash_op op, int32_t channels, int32_t input)
{
    nash_attrs attrs = nash_attrs_window(3, 1);
    int32_t id;
    attrs.out_channels = channels;
    attrs.bias = true;
    assert_ok(nash_graph_append(&id, g, op, &attrs, &input, 1));
    return id;
}

/* input 3x6x6, conv of 4 channels that is read twice, add */
static nash_graph *begin(int32_t *last)
{
    nash_graph *g;
    nash_attrs input = {.out_channels = 3, .size = {6, 6}};
    assert_ok(nash_graph_create(&g));
    assert_ok(nash_graph_append(NULL, g, NASH_OP_INPUT, &input, NULL, 0));
    int32_t conv = put(g, NASH_OP_CONV, 4, 0);
    const int32_t both[2] = {conv, put(g, NASH_OP_RELU, 0, conv)};
    assert_ok(nash_graph_append(last, g, NASH_OP_ADD, NULL, both, 2));
    return g;
}

static nash_model *finish(nash_graph *g, int32_t last)
{
    nash_model *m;
    put(g, NASH_OP_SOFTMAX, 0, last);
    assert_ok(nash_graph_check(g));
    assert_ok(nash_model_create(&m, &g));
    nash_model_init(m, 5);
    return m;
}

static nash_model *with_fc(void)
{
    int32_t last;
    nash_graph *g = begin(&last);
    return finish(g,
                  put(g, NASH_OP_FC, 7, put(g, NASH_OP_GLOBAL_POOL, 0, last)));
}

static nash_op op_of(const nash_model *m, int32_t id)
{
    return nash_graph_node(nash_model_graph(m), id)->op;
}

/* ---- normalisation ------------------------------------------------------ */

static void all_readers_of_the_image_read_it_normalised(void **state)
{
    (void)state;
    int32_t last;
    nash_graph *g = begin(&last);
    const int32_t both[2] = {0, 0};
    int32_t twice;
    assert_ok(nash_graph_append(&twice, g, NASH_OP_CONCAT, NULL, both, 2));
    const int32_t all[2] = {twice, last};
    assert_ok(nash_graph_append(&last, g, NASH_OP_CONCAT, NULL, all, 2));
    nash_model *m = finish(g, put(g, NASH_OP_GLOBAL_POOL, 0, last));
    const float *conv = nash_model_tensor(m, 1, NASH_SLOT_WEIGHT)->data;
    assert_ok(nash_model_normalize(m, mean, std));
    assert_ok(nash_graph_check(nash_model_graph(m)));
    assert_int_equal(op_of(m, 1), NASH_OP_NORMALIZE);
    for (int32_t id = 2; id < nash_graph_size(nash_model_graph(m)); id++)
        for (int32_t k = 0;
             k < nash_graph_node(nash_model_graph(m), id)->n_inputs; k++)
            assert_true(nash_graph_input(nash_model_graph(m), id, k) > 0);
    for (int c = 0; c < 3; c++) {
        assert_true(nash_model_tensor(m, 1, NASH_SLOT_CENTER)->data[c] ==
                    mean[c]);
        assert_true(nash_model_tensor(m, 1, NASH_SLOT_SCALE)->data[c] ==
                    std[c]);
    }
    assert_ptr_not_equal(nash_model_tensor(m, 2, NASH_SLOT_WEIGHT)->data, conv);
    nash_model_free(m);
}

static void a_second_normalisation_or_a_useless_one_is_refused(void **state)
{
    (void)state;
    nash_model *m = with_fc();
    uint64_t hash = nash_model_hash(m);
    const float bad[][3] = {
        {1, 0, 1}, {1, 1, -1}, {1, NAN, 1}, {INFINITY, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(nash_model_normalize(m, mean, bad[i]), NASH_EINVAL);
        assert_says("expected finite ones");
    }
    assert_int_equal(nash_model_hash(m), hash);
    assert_ok(nash_model_normalize(m, mean, std));
    hash = nash_model_hash(m);
    assert_int_equal(nash_model_normalize(m, mean, std), NASH_EINVAL);
    assert_says("a normalisation already, normalize_7");
    assert_int_equal(nash_model_hash(m), hash);
    nash_model_free(m);
}

/* ---- the head ----------------------------------------------------------- */

static void the_last_layer_is_made_anew_and_nothing_else(void **state)
{
    (void)state;
    nash_model *m = with_fc(), *before;
    assert_ok(nash_model_set_meta(m, NASH_META_CLASSES, "[\"a\"]"));
    assert_ok(nash_model_set_meta(m, NASH_META_SCORES, "{}"));
    assert_ok(nash_model_set_meta(m, "kept", "yes"));
    for (int32_t classes = 3; classes <= 7; classes += 4) { /* 7: as before */
        assert_ok(nash_model_dup(&before, m));
        nash_model_tensor(m, 5, NASH_SLOT_BIAS)->data[0] = 9;
        assert_ok(nash_model_new_head(m, classes, 8));
        assert_ok(nash_graph_check(nash_model_graph(m)));
        assert_int_equal(nash_graph_classes(nash_model_graph(m)), classes);
        const nash_tensor *conv = nash_model_tensor(m, 1, NASH_SLOT_WEIGHT);
        assert_memory_equal(conv->data, nash_model_tensor(before, 1, 0)->data,
                            (size_t)conv->count * sizeof(float));
        const nash_tensor *fc = nash_model_tensor(m, 5, NASH_SLOT_WEIGHT);
        assert_int_equal(fc->count, classes * 4);
        assert_true(fc->data[0] != 0 &&
                    fc->data[0] != nash_model_tensor(before, 5, 0)->data[0]);
        assert_true(nash_model_tensor(m, 5, NASH_SLOT_BIAS)->data[0] == 0);
        nash_model_free(before);
        nash_model_init(m, 5);
    }
    assert_null(nash_model_meta(m, NASH_META_CLASSES));
    assert_null(nash_model_meta(m, NASH_META_SCORES));
    assert_string_equal(nash_model_meta(m, "kept"), "yes");
    nash_model_free(m);
}

/* As fully convolutional networks end. */
static void a_head_may_be_a_convolution_with_more_behind_it(void **state)
{
    (void)state;
    int32_t last;
    nash_graph *g = begin(&last);
    last = put(g, NASH_OP_CONV, 7, last);
    last = put(g, NASH_OP_BATCH_NORM, 0, last);
    last = put(g, NASH_OP_RELU, 0, last);
    last = put(g, NASH_OP_GLOBAL_POOL, 0, last);
    nash_model *m = finish(g, put(g, NASH_OP_FLATTEN, 0, last));
    nash_model_tensor(m, 5, NASH_SLOT_MEAN)->data[2] = 3;
    assert_ok(nash_model_new_head(m, 7, 8));
    assert_true(nash_model_tensor(m, 5, NASH_SLOT_MEAN)->data[2] == 0);
    assert_ok(nash_model_new_head(m, 2, 8));
    assert_int_equal(nash_graph_classes(nash_model_graph(m)), 2);
    assert_int_equal(nash_model_tensor(m, 5, NASH_SLOT_GAMMA)->count, 2);
    assert_int_equal(nash_model_new_head(m, 1, 8), NASH_EINVAL);
    assert_says("classes is 1");
    nash_model_free(m);
}

static void a_head_that_is_not_a_layers_own_is_refused(void **state)
{
    (void)state;
    static const nash_op joins[] = {NASH_OP_GATE, NASH_OP_CONCAT};
    for (int i = 0; i < 2; i++) {
        int32_t last;
        nash_graph *g = begin(&last);
        int32_t pool = put(g, NASH_OP_GLOBAL_POOL, 0, last);
        const int32_t both[2] = {put(g, NASH_OP_FC, 4, pool), pool};
        assert_ok(nash_graph_append(&last, g, joins[i], NULL, both, 2));
        nash_model *m = finish(g, put(g, NASH_OP_RELU, 0, last));
        uint64_t hash = nash_model_hash(m);
        assert_int_equal(nash_model_new_head(m, 5, 1), NASH_EUNSUPPORTED);
        assert_says("the classes come from");
        assert_says(nash_op_name(joins[i]));
        assert_int_equal(nash_model_hash(m), hash);
        nash_model_free(m);
    }
}

static void a_convolution_in_groups_is_no_head(void **state)
{
    (void)state;
    int32_t last;
    nash_graph *g = begin(&last);
    nash_attrs attrs = nash_attrs_window(1, 1);
    attrs.out_channels = attrs.groups = 4;
    assert_ok(nash_graph_append(&last, g, NASH_OP_CONV, &attrs, &last, 1));
    nash_model *m = finish(g, put(g, NASH_OP_GLOBAL_POOL, 0, last));
    assert_int_equal(nash_model_new_head(m, 5, 1), NASH_EUNSUPPORTED);
    assert_says("the classes come from conv_4, a convolution in 4 groups, "
                "expected a layer of their own, fully connected or a "
                "convolution in one group");
    nash_model_free(m);
}

static void a_flattened_plane_is_no_head(void **state)
{
    (void)state;
    int32_t last;
    nash_graph *g = begin(&last);
    nash_model *m = finish(g, put(g, NASH_OP_FLATTEN, 0, last));
    assert_int_equal(nash_model_new_head(m, 5, 1), NASH_EUNSUPPORTED);
    assert_says("the classes come from flatten_4, expected a layer");
    nash_model_free(m);
}

/* An image, and at times a layer, but no output. */
static void a_network_that_is_not_complete_gets_no_head(void **state)
{
    (void)state;
    for (int layers = 0; layers < 2; layers++) {
        nash_graph *g;
        nash_model *m;
        nash_attrs input = {.out_channels = 3, .size = {6, 6}};
        assert_ok(nash_graph_create(&g));
        assert_ok(nash_graph_append(NULL, g, NASH_OP_INPUT, &input, NULL, 0));
        if (layers > 0)
            put(g, NASH_OP_CONV, 4, 0);
        assert_ok(nash_model_create(&m, &g));
        assert_int_equal(nash_model_new_head(m, 5, 1), NASH_EINVAL);
        assert_says("expected exactly one softmax");
        nash_model_free(m);
    }
}

/* ---- memory ------------------------------------------------------------- */

static void a_network_without_a_layer_has_no_head(void **state)
{
    (void)state;
    nash_graph *g;
    nash_attrs input = {.out_channels = 3, .size = {6, 6}};
    assert_ok(nash_graph_create(&g));
    assert_ok(nash_graph_append(NULL, g, NASH_OP_INPUT, &input, NULL, 0));
    nash_model *m = finish(g, put(g, NASH_OP_GLOBAL_POOL, 0, 0));
    assert_int_equal(nash_model_new_head(m, 5, 1), NASH_EUNSUPPORTED);
    assert_non_null(strstr(nash_error_message(), "input_0"));
    nash_model_free(m);
}

static void running_out_of_memory_changes_nothing(void **state)
{
    (void)state;
    int64_t blocks = ni_memory_live_blocks();
    for (int head = 0; head < 2; head++) {
        nash_model *m = with_fc();
        uint64_t hash = nash_model_hash(m);
        nash_status status = NASH_ENOMEM;
        for (int64_t n = 0; status != NASH_OK; n++) {
            ni_memory_fail_after(n);
            status = head ? nash_model_new_head(m, 5, 1)
                          : nash_model_normalize(m, mean, std);
            ni_memory_fail_after(-1);
            assert_true(status == NASH_OK || status == NASH_ENOMEM);
            assert_true((nash_model_hash(m) == hash) == (status != NASH_OK));
        }
        nash_model_free(m);
    }
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_readers_of_the_image_read_it_normalised),
        cmocka_unit_test(a_second_normalisation_or_a_useless_one_is_refused),
        cmocka_unit_test(the_last_layer_is_made_anew_and_nothing_else),
        cmocka_unit_test(a_head_may_be_a_convolution_with_more_behind_it),
        cmocka_unit_test(a_head_that_is_not_a_layers_own_is_refused),
        cmocka_unit_test(a_convolution_in_groups_is_no_head),
        cmocka_unit_test(a_flattened_plane_is_no_head),
        cmocka_unit_test(a_network_without_a_layer_has_no_head),
        cmocka_unit_test(a_network_that_is_not_complete_gets_no_head),
        cmocka_unit_test(running_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
