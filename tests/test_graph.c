/* Graphs: costs, validity, identity, surgery, memory. */
#include "made_graph.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/edit.h"

#include <string.h>

/* ---- a graph as a whole ------------------------------------------------- */

static void nodes_have_tags_and_names(void **state)
{
    (void)state;
    char name[32];
    nash_graph *g = made_small();
    assert_int_equal(nash_graph_size(g), 8);
    assert_int_equal(nash_graph_classes(g), 10);
    assert_int_equal(nash_graph_find(g, 4), 4);
    assert_int_equal(nash_graph_find(g, 8), -1);
    assert_int_equal(nash_graph_input(g, 4, 0), 3);
    assert_int_equal(nash_graph_input(g, 4, 1), 2);
    nash_node_name(name, sizeof name, g, 5);
    assert_string_equal(name, "global_pool_5");
    assert_string_equal(nash_op_name((nash_op)-1), "?");
    assert_string_equal(nash_op_name(NASH_OP_COUNT), "?");
    nash_graph_free(g);
}

static void costs_add_up(void **state)
{
    (void)state;
    nash_graph *g = made_small();
    assert_int_equal(nash_graph_params(g), 3 * 4 * 9 + 4 * 4 * 9 + 1 + 50);
    assert_int_equal(nash_graph_macs(g), (3 * 4 * 9 + 4 * 4 * 9) * 64 + 40);
    nash_graph_free(g);
}

static void an_incomplete_graph_is_told_from_a_complete_one(void **state)
{
    (void)state;
    nash_graph *g;
    assert_int_equal(nash_graph_create(&g), NASH_OK);
    assert_int_equal(nash_graph_check(g), NASH_EINVAL);
    assert_int_equal(nash_graph_input_shape(g).c, 0);
    assert_int_equal(nash_graph_classes(g), 0);
    nash_graph_free(g);

    g = made_input(3, 1, 1);
    made_node(g, NASH_OP_RELU, NULL, 0);
    assert_int_equal(nash_graph_check(g), NASH_EINVAL);
    assert_says("relu_1 is the last node");
    int32_t softmax = made_node(g, NASH_OP_SOFTMAX, NULL, 0);
    assert_int_equal(nash_graph_check(g), NASH_EINVAL);
    assert_says("relu_1 is read by no other node");
    made_node(g, NASH_OP_SOFTMAX, NULL,
              made_node(g, NASH_OP_RELU, NULL, softmax));
    assert_int_equal(nash_graph_check(g), NASH_EINVAL);
    nash_graph_free(g);

    g = made_small();
    ni_graph_set_tag(g, 3, 5);
    assert_int_equal(nash_graph_check(g), NASH_EINVAL);
    assert_says("tag 5");
    ni_graph_set_tag(g, 3, 3);
    ni_graph_attrs(g, 1)->stride[0] = 2;
    assert_int_equal(nash_graph_check(g), NASH_EINVAL);
    assert_says("conv_1 is recorded with output 4 x 8 x 8");
    nash_graph_free(g);
}

static void a_copy_is_equal_and_independent(void **state)
{
    (void)state;
    nash_graph *g = made_small(), *copy;
    assert_int_equal(nash_graph_dup(&copy, g), NASH_OK);
    assert_true(nash_graph_hash(copy) == nash_graph_hash(g));
    assert_int_equal(nash_graph_size(copy), 8);
    int32_t relu = made_node(copy, NASH_OP_RELU, NULL, 2);
    assert_int_equal(nash_graph_node(copy, relu)->tag, 8);
    assert_int_equal(nash_graph_size(g), 8);
    nash_graph_free(copy);
    nash_graph_free(g);
}

static void the_hash_sees_the_architecture_only(void **state)
{
    (void)state;
    nash_graph *g = made_small(), *other = made_small();
    uint64_t hash = nash_graph_hash(g);
    ni_graph_set_tag(other, 2, 99);
    assert_true(nash_graph_hash(other) == hash);
    ni_graph_set_input(other, 4, 0, 2);
    ni_graph_set_input(other, 4, 1, 3);
    assert_true(nash_graph_hash(other) != hash);
    nash_graph_free(other);

    /* what an operation does not use is dropped, also from the hash */
    nash_graph *plain = made_input(1, 4, 4), *noisy = made_input(1, 4, 4);
    nash_attrs noise = nash_attrs_window(5, 3);
    noise.out_channels = 12;
    noise.ceil_mode = true;
    made_node(plain, NASH_OP_RELU, NULL, 0);
    made_node(noisy, NASH_OP_RELU, &noise, 0);
    assert_true(nash_graph_hash(plain) == nash_graph_hash(noisy));
    noise = nash_attrs_window(3, 1);
    made_node(plain, NASH_OP_AVG_POOL, &noise, 0);
    noise.count_include_pad = true;
    made_node(noisy, NASH_OP_AVG_POOL, &noise, 0);
    assert_true(nash_graph_hash(plain) != nash_graph_hash(noisy));
    nash_graph_free(plain);
    nash_graph_free(noisy);
    nash_graph_free(g);
}

static void long_graphs_grow_to_their_limit(void **state)
{
    (void)state;
    nash_graph *g = made_input(1, 1, 1);
    for (int32_t i = 1; i < NASH_MAX_NODES; i++)
        assert_int_equal(made_node(g, NASH_OP_RELU, NULL, i - 1), i);
    int32_t last = NASH_MAX_NODES - 1;
    assert_refused(g, NASH_ELIMIT, NASH_OP_RELU, NULL, &last, 1);
    assert_int_equal(nash_graph_input(g, last, 0), last - 1);
    nash_graph_free(g);
}

static void a_node_may_be_made_with_the_sizes_of_another(void **state)
{
    (void)state;
    nash_graph *g = made_input(1, 8, 8);
    nash_attrs window = nash_attrs_window(3, 1);
    int32_t id = made_node(g, NASH_OP_MAX_POOL, &window, 0);
    for (int i = 0; i < 100; i++) {
        id = made_node(g, NASH_OP_MAX_POOL, &nash_graph_node(g, id)->attrs, id);
        assert_int_equal(nash_graph_node(g, id)->attrs.kernel[1], 3);
        assert_int_equal(nash_graph_node(g, id)->shape.h, 8);
    }
    nash_graph_free(g);
}

/* ---- surgery ------------------------------------------------------------ */

static void an_inserted_node_moves_the_later_ones_up(void **state)
{
    (void)state;
    nash_graph *g = made_small();
    int32_t two = 2;
    assert_int_equal(ni_graph_insert(g, 3, NASH_OP_BATCH_NORM, NULL, &two, 1),
                     NASH_OK);
    assert_int_equal(nash_graph_node(g, 3)->tag, 8);
    assert_int_equal(nash_graph_find(g, 3), 4);
    assert_int_equal(nash_graph_input(g, 4, 0), 2);
    assert_int_equal(nash_graph_input(g, 5, 0), 4);
    assert_int_equal(nash_graph_input(g, 5, 1), 2);
    assert_int_equal(ni_graph_reader_count(g, 3), 0);
    assert_int_equal(ni_graph_infer(g), NASH_OK);
    assert_shape(g, 3, 4, 8, 8);

    ni_graph_redirect(g, 2, 3, 3);
    assert_int_equal(nash_graph_input(g, 3, 0), 2);
    assert_int_equal(nash_graph_input(g, 4, 0), 3);
    assert_int_equal(nash_graph_input(g, 5, 1), 3);
    assert_int_equal(ni_graph_reader_count(g, 2), 1);
    assert_int_equal(ni_graph_reader_count(g, 3), 2);
    assert_int_equal(nash_graph_check(g), NASH_OK);
    nash_graph_free(g);
}

static void a_refused_insertion_changes_nothing(void **state)
{
    (void)state;
    nash_graph *g = made_small();
    uint64_t hash = nash_graph_hash(g);
    int32_t two = 2, three = 3;
    nash_attrs bad = nash_attrs_window(0, 1);
    assert_int_equal(ni_graph_insert(g, 3, NASH_OP_RELU, NULL, &three, 1),
                     NASH_EINVAL);
    assert_int_equal(ni_graph_insert(g, 9, NASH_OP_RELU, NULL, &two, 1),
                     NASH_EINVAL);
    assert_int_equal(ni_graph_insert(g, 3, NASH_OP_CONV, &bad, &two, 1),
                     NASH_EINVAL);
    ni_graph_set_tag(g, 7, INT32_MAX);
    assert_int_equal(ni_graph_insert(g, 3, NASH_OP_RELU, NULL, &two, 1),
                     NASH_ELIMIT);
    assert_true(nash_graph_hash(g) == hash);
    nash_graph_free(g);
}

static void forward_edges_and_stale_sizes_are_found(void **state)
{
    (void)state;
    nash_graph *g = made_small();
    ni_graph_set_input(g, 2, 0, 5);
    assert_int_equal(ni_graph_infer(g), NASH_EINVAL);
    assert_says("relu_2 is node 2 and reads node 5");
    ni_graph_set_input(g, 2, 0, 1);
    ni_graph_attrs(g, 1)->out_channels = 12;
    assert_int_equal(ni_graph_infer(g), NASH_ESHAPE);
    assert_says("gate_4");
    ni_graph_attrs(g, 3)->out_channels = 12;
    assert_int_equal(ni_graph_infer(g), NASH_OK);
    assert_shape(g, 5, 12, 1, 1);
    assert_int_equal(nash_graph_check(g), NASH_OK);
    nash_graph_free(g);
}

/* ---- out of memory ------------------------------------------------------ */

static nash_status build_and_copy(void)
{
    nash_status status = NASH_OK;
    nash_graph *g = NULL, *copy = NULL;
    nash_attrs input = {.out_channels = 3, .size = {1, 1}};
    TRY(nash_graph_create(&g));
    TRY(nash_graph_append(NULL, g, NASH_OP_INPUT, &input, NULL, 0));
    for (int32_t i = 0; i < 100; i++)
        TRY(nash_graph_append(NULL, g, NASH_OP_RELU, NULL, &i, 1));
    int32_t last = 100;
    TRY(nash_graph_append(NULL, g, NASH_OP_SOFTMAX, NULL, &last, 1));
    TRY(nash_graph_dup(&copy, g));
    for (int32_t i = 0; i < 100; i++)
        TRY(ni_graph_insert(copy, 1, NASH_OP_RELU, NULL, &(int32_t){0}, 1));
    TRY(nash_graph_check(g));
done:
    nash_graph_free(copy);
    nash_graph_free(g);
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
        status = build_and_copy();
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_true(allowed > 6);
}

static void a_failed_growth_leaves_the_graph_as_it_was(void **state)
{
    (void)state;
    nash_graph *g = made_small();
    nash_status status = NASH_OK;
    uint64_t hash = 0;
    ni_memory_fail_after(0);
    for (int i = 0; i < 100 && status == NASH_OK; i++) {
        hash = nash_graph_hash(g);
        status =
            nash_graph_append(NULL, g, NASH_OP_RELU, NULL, &(int32_t){0}, 1);
    }
    ni_memory_fail_after(-1);
    assert_int_equal(status, NASH_ENOMEM);
    assert_true(nash_graph_hash(g) == hash);
    nash_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_have_tags_and_names),
        cmocka_unit_test(costs_add_up),
        cmocka_unit_test(an_incomplete_graph_is_told_from_a_complete_one),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(the_hash_sees_the_architecture_only),
        cmocka_unit_test(long_graphs_grow_to_their_limit),
        cmocka_unit_test(a_node_may_be_made_with_the_sizes_of_another),
        cmocka_unit_test(an_inserted_node_moves_the_later_ones_up),
        cmocka_unit_test(a_refused_insertion_changes_nothing),
        cmocka_unit_test(forward_edges_and_stale_sizes_are_found),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
        cmocka_unit_test(a_failed_growth_leaves_the_graph_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
