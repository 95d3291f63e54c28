/* Our own ONNX files: without loss, equal for equal models, and not written if
 * ONNX cannot say it. */
#include "onnx_fixture.h"

#include "base/file.h"
#include "base/memory.h"
#include "graph/edit.h"
#include "onnx/pack.h"
#include "onnx_made.h"
#include "onnx_pools.h"
#include "random_graph.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- models to write ---------------------------------------------------- */

static nash_graph *new_graph(int32_t c, int32_t h, int32_t w)
{
    nash_attrs attrs = {.out_channels = c, .size = {h, w}};
    nash_graph *g = NULL;
    assert_ok(nash_graph_create(&g));
    assert_ok(nash_graph_append(NULL, g, NASH_OP_INPUT, &attrs, NULL, 0));
    return g;
}

static int32_t append(nash_graph *g, nash_op op, const nash_attrs *attrs,
                      int32_t input)
{
    int32_t id = 0;
    assert_ok(nash_graph_append(&id, g, op, attrs, &input, 1));
    return id;
}

static int32_t join(nash_graph *g, nash_op op, int32_t a, int32_t b)
{
    const int32_t pair[2] = {a, b};
    int32_t id = 0;
    assert_ok(nash_graph_append(&id, g, op, NULL, pair, 2));
    return id;
}

static nash_attrs channels(int32_t n, bool bias)
{
    nash_attrs attrs = nash_attrs_default();
    attrs.out_channels = n;
    attrs.bias = bias;
    return attrs;
}

static nash_model *finish(nash_graph *g, uint64_t seed)
{
    nash_model *m = NULL;
    append(g, NASH_OP_SOFTMAX, NULL, nash_graph_size(g) - 1);
    assert_ok(nash_graph_check(g));
    assert_ok(nash_model_create(&m, &g));
    random_tensors(m, seed);
    return m;
}

/* ---- comparison --------------------------------------------------------- */

static void assert_same_meta(const nash_model *a, const nash_model *b)
{
    assert_int_equal(nash_model_meta_count(a), nash_model_meta_count(b));
    for (int32_t i = 0; i < nash_model_meta_count(a); i++) {
        const char *key[2], *value[2];
        nash_model_meta_at(a, i, &key[0], &value[0]);
        nash_model_meta_at(b, i, &key[1], &value[1]);
        assert_string_equal(key[0], key[1]);
        assert_string_equal(value[0], value[1]);
    }
}

static void assert_same_graph(const nash_graph *a, const nash_graph *b)
{
    if (nash_graph_hash(a) == nash_graph_hash(b))
        return;
    random_graph_print(a);
    random_graph_print(b);
    fail_msg("the graph that was read is another one");
}

static void assert_returns_as_it_is(const nash_model *m)
{
    void *first = NULL, *second = NULL;
    size_t n_first, n_second;
    nash_model *back = NULL;
    assert_ok(ni_onnx_pack(&first, &n_first, m));
    assert_ok(nash_onnx_parse(&back, first, n_first, "own.onnx"));
    assert_same_graph(nash_model_graph(m), nash_model_graph(back));
    assert_true(nash_model_hash(m) == nash_model_hash(back));
    assert_same_meta(m, back);
    nash_looks looks = nash_model_looks(m), same = nash_model_looks(back);
    assert_int_equal(looks.mirrored, same.mirrored);
    assert_int_equal(looks.shifted, same.shifted);
    assert_ok(ni_onnx_pack(&second, &n_second, back));
    assert_int_equal(n_first, n_second);
    assert_memory_equal(first, second, n_first);
    nash_model_free(back);
    ni_free(first);
    ni_free(second);
}

/* Written, read and written again: the same model, the same bytes, however it
 * looks at images. */
static void assert_returns(const nash_model *m)
{
    nash_model *looking;
    assert_ok(nash_model_dup(&looking, m));
    for (int i = 0; i < 4; i++) {
        nash_model_set_looks(looking, (nash_looks){i % 2 > 0, i / 2 > 0});
        assert_returns_as_it_is(looking);
    }
    nash_model_free(looking);
}

/* ---- round trips -------------------------------------------------------- */

static void starting_networks_come_back_without_loss(void **state)
{
    (void)state;
    nash_status (*const nets[])(nash_model **, const nash_net_opts *) = {
        nash_net_start, nash_net_vgg, nash_net_resnet9};
    for (int i = 0; i < 3; i++) {
        nash_net_opts opts = nash_net_opts_default();
        nash_model *m = NULL;
        opts.widths[0] = opts.widths[1] = opts.widths[2] = 12;
        assert_ok(nets[i](&m, &opts));
        assert_returns(m);
        nash_model_free(m);
    }
}

static void random_networks_come_back_without_loss(void **state)
{
    (void)state;
    random_graph_opts plain = random_graph_opts_default();
    plain.exotic = false;
    for (uint64_t seed = 0; seed < 400; seed++) {
        nash_model *m = random_model(seed, seed % 4 ? NULL : &plain);
        assert_returns(m);
        nash_model_free(m);
    }
}

/* Pools whose last window lies at the edge are written with other attributes
 * or behind a Pad; theirs come back all the same. */
static void pools_of_every_edge_come_back_without_loss(void **state)
{
    (void)state;
    int count = 0, padded = 0, noted = 0;
    for (uint32_t draw = 0; draw < 1500; draw++) {
        nash_model *m = pool_model(draw);
        void *bytes = NULL;
        size_t n;
        if (!m)
            continue;
        assert_returns(m);
        assert_ok(ni_onnx_pack(&bytes, &n, m));
        padded += memmem(bytes, n, "/pad", 4) != NULL;
        noted += memmem(bytes, n, "ceil_mode=1", 11) != NULL;
        count++;
        ni_free(bytes);
        nash_model_free(m);
    }
    assert_true(count > 500 && noted > 50 && padded > 20 && noted > padded);
}

/* Values of height and width 1 go through operators that need two or four
 * dimensions in ONNX, alone and together. */
static void flat_tensors_come_back_without_loss(void **state)
{
    (void)state;
    nash_attrs six = channels(6, true), conv = channels(6, false);
    nash_graph *g = new_graph(6, 1, 1);
    int32_t four = append(g, NASH_OP_RELU, NULL, 0);
    int32_t two = append(g, NASH_OP_FC, &six, four);
    int32_t norm = append(g, NASH_OP_BATCH_NORM, NULL, two);
    int32_t sum = join(g, NASH_OP_ADD, norm, four);
    int32_t gate = join(g, NASH_OP_GATE, two, norm);
    int32_t mixed = join(g, NASH_OP_GATE, sum, gate);
    int32_t relu = append(g, NASH_OP_RELU, NULL, gate);
    int32_t cat = join(g, NASH_OP_CONCAT, relu, two);
    int32_t flat = append(g, NASH_OP_FLATTEN, NULL, cat);
    int32_t again = append(g, NASH_OP_FLATTEN, NULL, flat);
    int32_t back = append(g, NASH_OP_CONV, &conv, again);
    int32_t pooled = append(g, NASH_OP_MAX_POOL, NULL, gate);
    int32_t mean = append(g, NASH_OP_GLOBAL_POOL, NULL, two);
    int32_t scaled = append(g, NASH_OP_NORMALIZE, NULL, two);
    const int32_t all[5] = {back, pooled, mean, scaled, mixed};
    assert_ok(nash_graph_append(NULL, g, NASH_OP_ADD, NULL, all, 5));
    nash_model *m = finish(g, 3);
    assert_returns(m);
    nash_model_free(m);
}

/* Even where another file would give a ReLU, or nothing. */
static void clips_come_back_without_loss(void **state)
{
    (void)state;
    static const float limits[][2] = {{0, 6},        {-0.0F, 1e-40F},
                                      {0, FLT_MAX},  {-FLT_MAX, FLT_MAX},
                                      {-FLT_MAX, 0}, {-0.1F, 0.3F}};
    nash_graph *g = new_graph(2, 3, 3);
    int32_t at = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        nash_attrs a = nash_attrs_default();
        a.low = limits[i][0];
        a.high = limits[i][1];
        at = append(g, NASH_OP_CLIP, &a, at);
    }
    nash_attrs six = nash_attrs_default();
    append(g, NASH_OP_CLIP, &six, append(g, NASH_OP_GLOBAL_POOL, NULL, at));
    nash_model *m = finish(g, 1);
    assert_returns(m);
    nash_model_free(m);
}

static void joins_of_one_and_many_come_back_without_loss(void **state)
{
    (void)state;
    nash_graph *g = new_graph(2, 1, 1);
    int32_t many[NASH_MAX_INPUTS];
    int32_t one = append(g, NASH_OP_CONCAT, NULL, 0);
    int32_t single = append(g, NASH_OP_ADD, NULL, one);
    int32_t twice = join(g, NASH_OP_ADD, single, single);
    for (int i = 0; i < NASH_MAX_INPUTS; i++)
        many[i] = twice;
    assert_ok(nash_graph_append(NULL, g, NASH_OP_CONCAT, NULL, many,
                                NASH_MAX_INPUTS));
    nash_model *m = finish(g, 1);
    assert_returns(m);
    nash_model_free(m);
}

/* Normalisations that lie about and on top of each other, whose order and
 * number only their names tell. */
static void any_normalisation_comes_back_without_loss(void **state)
{
    (void)state;
    nash_attrs conv = channels(3, true);
    nash_graph *g = new_graph(3, 4, 4);
    int32_t first = append(g, NASH_OP_NORMALIZE, NULL, 0);
    int32_t raw = append(g, NASH_OP_CONV, &conv, 0);
    int32_t second = append(g, NASH_OP_NORMALIZE, NULL, first);
    int32_t later = append(g, NASH_OP_NORMALIZE, NULL, raw);
    int32_t sum = join(g, NASH_OP_ADD, second, later);
    append(g, NASH_OP_GLOBAL_POOL, NULL, sum);
    nash_model *m = finish(g, 5);
    assert_returns(m);
    nash_model_free(m);
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void every_bit_of_every_tensor_comes_back(void **state)
{
    (void)state;
    const uint32_t odd[] = {0x80000000, 0x7F800001, 0xFFC12345, 0x7F800000,
                            0xFF800000, 0x00000001, 0x80000001, 0x7F7FFFFF};
    nash_model *m = random_model(4, NULL);
    const nash_graph *g = nash_model_graph(m);
    uint32_t next = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            nash_tensor *t = nash_model_tensor(m, id, slot);
            for (int64_t i = 0; t && i < t->count; i++)
                t->data[i] = from_bits(odd[next++ % 8]);
        }
    assert_returns(m);
    nash_model_free(m);
}

static void odd_gates_come_back_without_loss(void **state)
{
    (void)state;
    const uint32_t lambdas[] = {0x3F800000, 0,          0x80000000, 0x3F000000,
                                0x7FC00001, 0x7F800000, 0x40490FDB, 0xBF800000};
    nash_graph *g = new_graph(3, 2, 2);
    int32_t f = append(g, NASH_OP_RELU, NULL, 0), ids[8];
    for (int i = 0; i < 8; i++)
        f = ids[i] = join(g, NASH_OP_GATE, i % 2 ? f : 0, i % 3 ? 0 : f);
    const int32_t all[8] = {ids[0], ids[1], ids[2], ids[3],
                            ids[4], ids[5], ids[6], ids[7]};
    int32_t sum;
    assert_ok(nash_graph_append(&sum, g, NASH_OP_ADD, NULL, all, 8));
    append(g, NASH_OP_GLOBAL_POOL, NULL, sum);
    nash_model *m = finish(g, 1);
    for (int i = 0; i < 8; i++)
        nash_model_tensor(m, ids[i], NASH_SLOT_LAMBDA)->data[0] =
            from_bits(lambdas[i]);
    assert_returns(m);
    nash_model_free(m);
}

static void tags_come_back_in_any_order(void **state)
{
    (void)state;
    const int32_t tags[] = {7, INT32_MAX, 0, 123456, 5, 1, 44, 3};
    nash_graph *g = new_graph(2, 6, 6);
    nash_attrs pool = nash_attrs_window(2, 2);
    int32_t norm = append(g, NASH_OP_NORMALIZE, NULL, 0);
    int32_t left = append(g, NASH_OP_MAX_POOL, &pool, norm);
    int32_t right = append(g, NASH_OP_AVG_POOL, &pool, norm);
    int32_t gate = join(g, NASH_OP_GATE, left, right);
    int32_t sum = join(g, NASH_OP_ADD, gate, left);
    append(g, NASH_OP_GLOBAL_POOL, NULL, sum);
    append(g, NASH_OP_SOFTMAX, NULL, 6);
    for (int32_t id = 0; id < 8; id++)
        ni_graph_set_tag(g, id, tags[id]);
    nash_model *m = NULL;
    assert_ok(nash_model_create(&m, &g));
    assert_returns(m);
    nash_model_free(m);
}

/* As if somebody had cut the softmax off; the one that is appended gets a tag
 * that no node has. */
static void a_file_of_ours_without_its_softmax_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"conv_3", "global_pool_0", "flatten_4"};
    static const int32_t tags[] = {1, 3, 0, 4, 5};
    made m = made_new(17, 3, 6, 6);
    m.file.producer_name = (char *)(uintptr_t) "nash";
    made_floats(&m, "w", "2 3 2 2", 1, 1);
    made_node(&m, "Conv", "x w", "c");
    made_end(&m, "c");
    for (size_t i = 0; i < m.graph->n_node; i++)
        m.graph->node[i]->name = (char *)(uintptr_t)names[i];
    m.graph->input[0]->doc_string = (char *)(uintptr_t) "input_1";
    nash_model *read = made_finish(&m);
    const nash_graph *g = nash_model_graph(read);
    assert_ops(read, "input conv global_pool flatten softmax");
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        assert_int_equal(nash_graph_node(g, id)->tag, tags[id]);
    assert_returns(read);
    nash_model_free(read);
}

static void a_file_whose_tags_leave_none_is_refused(void **state)
{
    (void)state;
    made m = made_new(17, 3, 1, 1);
    m.file.producer_name = (char *)(uintptr_t) "nash";
    made_node(&m, "GlobalAveragePool", "x", "p")->name =
        (char *)(uintptr_t) "global_pool_2147483647";
    made_node(&m, "Flatten", "p", "y");
    made_refuse(&m, NASH_ELIMIT, "no tag");
}

static void metadata_comes_back(void **state)
{
    (void)state;
    nash_model *m = make_small();
    char *large = ni_alloc(100001, 1);
    assert_non_null(large);
    memset(large, 'x', 100000);
    assert_ok(nash_model_set_meta(m, NASH_META_CLASSES, "[\"Katze\",\"\"]"));
    assert_ok(nash_model_set_meta(m, "empty", ""));
    assert_ok(nash_model_set_meta(m, "large", large));
    assert_returns(m);
    ni_free(large);
    nash_model_free(m);
}

/* As others write them. */
static void metadata_that_are_no_text_are_left_out(void **state)
{
    (void)state;
    nash_model *m = make_small(), *back = NULL;
    void *bytes = NULL;
    size_t n;
    assert_ok(nash_model_set_meta(m, "kept", "text"));
    assert_ok(nash_model_set_meta(m, "other", "bytes-to-be"));
    assert_ok(nash_model_set_meta(m, "key-to-be", "other"));
    assert_ok(ni_onnx_pack(&bytes, &n, m));
    *(char *)memmem(bytes, n, "bytes-to-be", 11) = '\xff';
    *(char *)memmem(bytes, n, "key-to-be", 9) = '\xff';
    assert_ok(nash_onnx_parse(&back, bytes, n, "bytes.onnx"));
    assert_int_equal(nash_model_meta_count(back), 1);
    assert_string_equal(nash_model_meta(back, "kept"), "text");
    nash_model_free(back);
    nash_model_free(m);
    ni_free(bytes);
}

static void the_file_depends_on_the_model_alone(void **state)
{
    (void)state;
    char path[] = "/tmp/nash-onnx-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    nash_model *m = make_small();
    void *packed = NULL;
    char *read = NULL;
    size_t n_packed, n_read;
    assert_ok(nash_onnx_write(m, path));
    assert_ok(ni_onnx_pack(&packed, &n_packed, m));
    assert_ok(ni_file_read(&read, &n_read, path, SIZE_MAX));
    assert_int_equal(n_packed, n_read);
    assert_memory_equal(packed, read, n_read);
    nash_model *back = NULL;
    assert_ok(nash_onnx_read(&back, path));
    assert_true(nash_model_hash(m) == nash_model_hash(back));
    unlink(path);
    nash_model_free(back);
    nash_model_free(m);
    ni_free(packed);
    ni_free(read);
}

/* ---- what cannot be written --------------------------------------------- */

static void an_incomplete_graph_is_not_written(void **state)
{
    (void)state;
    nash_graph *g = new_graph(2, 3, 3);
    nash_model *m = NULL;
    assert_ok(nash_model_create(&m, &g));
    assert_int_equal(nash_onnx_write(m, "/tmp/never.onnx"), NASH_EINVAL);
    assert_says("softmax");
    assert_int_not_equal(access("/tmp/never.onnx", F_OK), 0);
    nash_model_free(m);
}

static void a_dilated_average_is_not_written(void **state)
{
    (void)state;
    nash_attrs attrs = nash_attrs_default();
    nash_graph *g = new_graph(2, 5, 5);
    attrs.kernel[0] = attrs.dilation[0] = 2;
    append(g, NASH_OP_GLOBAL_POOL, NULL,
           append(g, NASH_OP_AVG_POOL, &attrs, 0));
    nash_model *m = finish(g, 1);
    assert_int_equal(nash_onnx_write(m, "/tmp/never.onnx"), NASH_EUNSUPPORTED);
    assert_says("avg_pool_1 has dilation 2 x 1");
    nash_model_free(m);
}

static void an_unwritable_path_is_named(void **state)
{
    (void)state;
    nash_model *m = make_small();
    assert_int_equal(nash_onnx_write(m, "/nowhere/at/all.onnx"), NASH_EIO);
    assert_says("/nowhere/at/all.onnx");
    nash_model_free(m);
    assert_int_equal(nash_onnx_read(&m, "/nowhere/at/all.onnx"),
                     NASH_ENOTFOUND);
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_networks_come_back_without_loss),
        cmocka_unit_test(random_networks_come_back_without_loss),
        cmocka_unit_test(pools_of_every_edge_come_back_without_loss),
        cmocka_unit_test(flat_tensors_come_back_without_loss),
        cmocka_unit_test(clips_come_back_without_loss),
        cmocka_unit_test(joins_of_one_and_many_come_back_without_loss),
        cmocka_unit_test(any_normalisation_comes_back_without_loss),
        cmocka_unit_test(every_bit_of_every_tensor_comes_back),
        cmocka_unit_test(odd_gates_come_back_without_loss),
        cmocka_unit_test(tags_come_back_in_any_order),
        cmocka_unit_test(a_file_of_ours_without_its_softmax_is_read),
        cmocka_unit_test(a_file_whose_tags_leave_none_is_refused),
        cmocka_unit_test(metadata_comes_back),
        cmocka_unit_test(metadata_that_are_no_text_are_left_out),
        cmocka_unit_test(the_file_depends_on_the_model_alone),
        cmocka_unit_test(an_incomplete_graph_is_not_written),
        cmocka_unit_test(a_dilated_average_is_not_written),
        cmocka_unit_test(an_unwritable_path_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
