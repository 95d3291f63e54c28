/*
 * Morphisms, place by place: what each makes of a network, where it goes, what
 * it refuses; always with the oracle's word, in double, that the function is
 * the parent's bit for bit (but for batch normalisations and pairs, which have
 * stated bounds).
 */
#include "morph_fixture.h"

#include "base/memory.h"
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

static nash_op op_of(const nash_model *m, int32_t id)
{
    return nash_graph_node(nash_model_graph(m), id)->op;
}

static int32_t input_of(const nash_model *m, int32_t id, int32_t k)
{
    return nash_graph_input(nash_model_graph(m), id, k);
}

/* input_0 normalize_1, conv_2 batch_norm_3 relu_4, max_pool_5, conv_6
 * batch_norm_7 relu_8, global_pool_9, fc_10, softmax_11 */
static nash_model *make_chain(void)
{
    nash_graph *g = net_new(3, 8, 6);
    int32_t id = net_block(g, 1, 4, 3, 1);
    id = net_block(g, net_pool(g, NASH_OP_MAX_POOL, id), 6, 3, 1);
    return net_finish(g, net_op(g, NASH_OP_GLOBAL_POOL, id), 5, 1);
}

/* Two branches, each behind a normalisation of its own; the second's comes
 * after the first's layers. */
static void only_what_a_normalisation_reads_is_before_it(void **state)
{
    (void)state;
    nash_graph *g = net_new(3, 8, 6);
    int32_t a = net_block(g, 1, 4, 3, 1);
    int32_t b = net_block(g, net_op(g, NASH_OP_NORMALIZE, 0), 4, 3, 1);
    int32_t sum = net_join(g, NASH_OP_ADD, a, b);
    nash_model *m = net_finish(g, net_op(g, NASH_OP_GLOBAL_POOL, sum), 5, 1);
    nash_model_free(morphed(m, "widen:at=conv_2,factor=2"));
    nash_model_free(morphed(m, "conv:at=relu_8"));
    assert_refused(try_morph(m, "conv:at=input_0"), "no morphism goes");
    nash_model_free(m);
}

static void values_outside_the_lists_are_question_marks(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    char text[NASH_MORPH_TEXT_BYTES];
    nash_morph morph = {.kind = NASH_MORPH_WIDEN, .at = 2, .factor = 2};
    static const int kinds[] = {-1, NASH_MORPH_COUNT, 99};
    morph.mode = (nash_widen_mode)9;
    nash_morph_format(text, sizeof text, &morph, m);
    assert_string_equal(text, "widen:at=conv_2,factor=2,mode=?");
    for (int i = 0; i < 3; i++) {
        morph.kind = (nash_morph_kind)kinds[i];
        assert_string_equal(nash_morph_name(morph.kind), "?");
        assert_string_equal(nash_morph_type(morph.kind), "?");
        assert_string_equal(nash_morph_text(morph.kind), "?");
        nash_morph_format(text, sizeof text, &morph, m);
        assert_string_equal(text, "?:at=conv_2");
    }
    nash_model_free(m);
}

/* ---- type I ------------------------------------------------------------ */

static void an_identity_convolution_keeps_the_function(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    static const char *const texts[] = {
        "conv:at=normalize_1",  "conv:at=conv_2,kernel=1",
        "conv:at=relu_4",       "conv:at=relu_8,kernel=5",
        "conv:at=max_pool_5",   "conv:at=global_pool_9,kernel=3",
        "conv:at=batch_norm_7", "conv:at=fc_10,kernel=1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        nash_model_free(morphed(m, texts[i]));
    assert_refused(try_morph(m, "conv:at=input_0"), "before the normalisation");
    assert_refused(try_morph(m, "conv:at=softmax_11"), "output");
    nash_model_free(m);
}

static void
a_fully_connected_layer_goes_only_where_height_and_width_are_1(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    nash_model_free(morphed(m, "fc:at=global_pool_9"));
    nash_model_free(morphed(m, "fc:at=fc_10"));
    assert_refused(try_morph(m, "fc:at=relu_8"), "both are 1");
    nash_model_free(m);
}

/* Insert a batch normalisation (or a block with one) and return its id. */
static int32_t insert_norm(nash_model **child, const nash_model *m,
                           const char *text)
{
    nash_morph morph;
    nash_probe probe = open_probe(m, 5);
    assert_ok(nash_model_dup(child, m));
    assert_ok(nash_morph_parse(&morph, text, m));
    assert_ok(nash_morph_apply(*child, &morph, &probe));
    assert_ok(nash_graph_check(nash_model_graph(*child)));
    nash_probe_close(&probe);
    int32_t id = nash_graph_find(nash_model_graph(m), morph.at) + 1;
    while (op_of(*child, id) != NASH_OP_BATCH_NORM)
        id++;
    return id;
}

static void batch_normalisation_undoes_the_statistics_it_measures(void **state)
{
    (void)state;
    nash_model *m = make_chain(), *child;
    int32_t at = 4, id = insert_norm(&child, m, "batch_norm:at=relu_4");
    int64_t n, plane;
    double *values = outputs(m, NASH_MODE_STATS, at, 5, &n);
    plane = n / IMAGES / channels(m, at);
    float eps = nash_graph_node(nash_model_graph(child), id)->attrs.eps;
    for (int32_t c = 0; c < channels(m, at); c++) {
        double mean = 0, var = 0;
        for (int64_t i = 0; i < IMAGES * plane; i++)
            mean +=
                values[(i / plane * channels(m, at) + c) * plane + i % plane];
        mean /= (double)(IMAGES * plane);
        for (int64_t i = 0; i < IMAGES * plane; i++)
            var += pow(
                values[(i / plane * channels(m, at) + c) * plane + i % plane] -
                    mean,
                2);
        var /= (double)(IMAGES * plane);
        float *slot[NASH_SLOT_COUNT];
        for (int32_t s = 0; s < NASH_SLOT_COUNT; s++)
            slot[s] = nash_model_tensor(child, id, s)->data;
        assert_true(fabs((double)slot[NASH_SLOT_MEAN][c] - mean) <
                    1e-6 * (1 + fabs(mean)));
        assert_true(fabs((double)slot[NASH_SLOT_VAR][c] - var) < 1e-6 * var);
        assert_true(slot[NASH_SLOT_BETA][c] == slot[NASH_SLOT_MEAN][c]);
        assert_true(slot[NASH_SLOT_GAMMA][c] ==
                    (float)sqrt((double)slot[NASH_SLOT_VAR][c] + (double)eps));
    }
    ni_free(values);
    nash_model_free(child);
    nash_model_free(m);
}

static void batch_normalisation_is_exact_to_the_rounding_of_gamma(void **state)
{
    (void)state;
    nash_model *m = make_chain(), *child;
    static const char *const texts[] = {
        "batch_norm:at=relu_4", "batch_norm:at=conv_2",
        "batch_norm:at=fc_10",  "batch_norm:at=normalize_1",
        "deepen:at=relu_4",     "deepen:at=relu_8"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t id = insert_norm(&child, m, texts[i]);
        nash_morph morph;
        assert_ok(nash_morph_parse(&morph, texts[i], m));
        int32_t at = id_of(m, morph.at);
        /* at inference on any images; in training on the probe's */
        assert_true(distance(m, at, child, id, NASH_MODE_INFER, 9) <= 1e-7);
        assert_true(distance(m, at, child, id, NASH_MODE_STATS, 5) <= 4e-7);
        assert_true(distance(m, -1, child, -1, NASH_MODE_INFER, 9) <= 1e-6);
        assert_true(distance(m, -1, child, -1, NASH_MODE_STATS, 5) <= 1e-5);
        nash_model_free(child);
    }
    nash_model_free(m);
}

static void statistics_are_a_matter_of_a_probe(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    nash_morph morph = {.kind = NASH_MORPH_DEEPEN, .at = 4, .kernel = 3};
    assert_int_equal(nash_morph_apply(m, &morph, NULL), NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), "need a probe"));
    nash_model_free(m);
}

static nash_status odd_moments(void *ctx, const nash_model *m, int32_t id,
                               double *mean, double *var)
{
    for (int32_t c = 0; c < channels(m, id); c++) {
        mean[c] = 0;
        var[c] = c == 1 ? *(const double *)ctx : 1;
    }
    return NASH_OK;
}

static void statistics_that_are_not_finite_change_nothing(void **state)
{
    (void)state;
    double bad[] = {nan(""), HUGE_VAL, -1, 1e60};
    nash_model *m = make_chain();
    uint64_t hash = nash_model_hash(m);
    nash_morph morph = {.kind = NASH_MORPH_DEEPEN, .at = 4, .kernel = 3};
    for (int i = 0; i < 4; i++) {
        nash_probe probe = {.ctx = &bad[i], .moments = odd_moments};
        assert_int_equal(nash_morph_apply(m, &morph, &probe), NASH_EDIVERGED);
        assert_int_equal(nash_model_hash(m), hash);
    }
    nash_model_free(m);
}

/* Cross-entropy of labels 0, 1, 2, ... over the batch's own statistics. */
static double batch_loss(const nash_model *m, uint64_t seed)
{
    double *logits = outputs(m, NASH_MODE_STATS, -1, seed, NULL), loss = 0;
    int32_t k = nash_graph_classes(nash_model_graph(m));
    for (int32_t i = 0; i < IMAGES; i++) {
        double sum = 0;
        for (int32_t j = 0; j < k; j++)
            sum += exp(logits[i * k + j] - logits[i * k + i % k]);
        loss += log(sum) / IMAGES;
    }
    ni_free(logits);
    return loss;
}

/* One of every kind; those that round are told by their bound. */
static const struct {
    const char *text;
    double bound; /* on the images that were measured, relative */
} every_kind[] = {
    {"conv:at=relu_4,kernel=5", 0},
    {"fc:at=global_pool_9", 0},
    {"relu:at=relu_8", 0},
    {"gate:at=relu_8,seed=1", 0},
    {"add_skip:at=relu_8,from=relu_4,seed=1", 0},
    {"concat_skip:at=relu_8,from=relu_4", 0},
    {"concat_skip:at=relu_8,from=relu_4,norm=1", 0},
    {"widen:at=conv_2,mode=copy", 0},
    {"widen:at=conv_6,mode=fresh,factor=4,seed=1", 0},
    {"widen:at=conv_6,mode=pair,factor=4,seed=1", 1e-12},
    {"batch_norm:at=relu_4", 1e-6},
    {"deepen:at=relu_4,kernel=5", 1e-6},
    {"deepen:at=relu_8", 1e-6},
};

static nash_model *apply_text(const nash_model *m, const char *text)
{
    nash_model *child;
    nash_morph morph;
    nash_probe probe = open_probe(m, 5);
    assert_ok(nash_model_dup(&child, m));
    assert_ok(nash_morph_parse(&morph, text, child));
    assert_ok(nash_morph_apply(child, &morph, &probe));
    nash_probe_close(&probe);
    return child;
}

/* Root of the mean square of what a(seed) - b is over other batches. */
static double spread(const nash_model *a, const nash_model *b, double level)
{
    enum { BATCHES = 40 };
    double squares = 0;
    for (uint64_t seed = 100; seed < 100 + BATCHES; seed++) {
        double reference = b ? batch_loss(b, seed) : level;
        squares += pow(batch_loss(a, seed) - reference, 2) / BATCHES;
    }
    return sqrt(squares);
}

/*
 * On the images whose statistics an inserted batch normalisation has, the loss
 * is the parent's. On others it differs by the sampling noise of a batch's
 * statistics: by less than a quarter of what the parent's own loss varies by
 * from batch to batch.
 */
static void the_first_batch_of_training_has_the_parents_loss(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    double loss = batch_loss(m, 5);
    double noise = spread(m, NULL, loss) / 4;
    for (size_t i = 0; i < sizeof every_kind / sizeof *every_kind; i++) {
        double bound = every_kind[i].bound;
        nash_model *child = apply_text(m, every_kind[i].text);
        double apart = fabs(batch_loss(child, 5) - loss);
        double others = spread(child, m, 0);
        if (!(apart <= bound * loss) ||
            !(others <= (bound > 1e-9 ? noise : bound * loss)))
            fail_msg("%s: the loss %g is off by %g, over other batches by %g "
                     "of %g",
                     every_kind[i].text, loss, apart, others, noise);
        nash_model_free(child);
    }
    nash_model_free(m);
}

/* ---- type III and deepen ------------------------------------------------ */

/* relu_4 and relu_7 of equal shape from conv_2 and conv_5, joined */
static nash_model *make_join(nash_op op)
{
    nash_graph *g = net_new(2, 6, 6);
    int32_t a = net_block(g, 1, 4, 3, 1), b = net_block(g, a, 4, 3, 1);
    int32_t id = net_join(g, op, a, b);
    id = net_pool(g, NASH_OP_AVG_POOL, id);
    return net_finish(g, net_op(g, NASH_OP_FLATTEN, id), 4, 2);
}

static void
deepening_goes_only_after_tensors_that_cannot_be_negative(void **state)
{
    (void)state;
    char text[64];
    nash_model *m = make_join(NASH_OP_CONCAT);
    static const char *const good[] = {"relu_4", "concat_8", "avg_pool_9",
                                       "flatten_10"};
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "deepen:at=%s", good[i]);
        assert_ok(try_morph(m, text));
        snprintf(text, sizeof text, "relu:at=%s", good[i]);
        nash_model_free(morphed(m, text));
    }
    static const char *const bad[] = {"normalize_1", "conv_2", "batch_norm_3",
                                      "fc_11"};
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "deepen:at=%s", bad[i]);
        assert_refused(try_morph(m, text), "may be negative");
        snprintf(text, sizeof text, "relu:at=%s", bad[i]);
        assert_refused(try_morph(m, text), "may be negative");
    }
    nash_model_free(m);
}

static void deepening_goes_after_a_sum_but_never_after_a_gate(void **state)
{
    (void)state;
    nash_model *sum = make_join(NASH_OP_ADD), *gate = make_join(NASH_OP_GATE);
    nash_model_free(morphed(sum, "relu:at=add_8"));
    assert_ok(try_morph(sum, "deepen:at=avg_pool_9"));
    assert_refused(try_morph(gate, "relu:at=gate_8"), "may be negative");
    assert_refused(try_morph(gate, "deepen:at=avg_pool_9"), "may be negative");
    nash_model_free(sum);
    nash_model_free(gate);
}

static void a_deepened_tensor_can_be_deepened_again(void **state)
{
    (void)state;
    nash_model *m = make_chain(), *child, *grandchild;
    int32_t id = insert_norm(&child, m, "deepen:at=relu_4,kernel=5");
    char text[64];
    snprintf(text, sizeof text, "deepen:at=%d", tag_of(child, id + 1));
    insert_norm(&grandchild, child, text);
    assert_int_equal(count_op(grandchild, NASH_OP_CONV), 4);
    assert_true(distance(m, -1, grandchild, -1, NASH_MODE_INFER, 9) < 1e-6);
    nash_model_free(grandchild);
    nash_model_free(child);
    nash_model_free(m);
}

/* ---- type IV ------------------------------------------------------------ */

static void a_gate_lets_a_fresh_branch_in_beside_a_layer(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    static const char *const texts[] = {
        "gate:at=relu_4,seed=7", "gate:at=conv_2,kernel=5,seed=7",
        "gate:at=batch_norm_7,kernel=1,seed=7", "gate:at=relu_8,seed=7"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nash_model *child = morphed(m, texts[i]);
        int32_t gate = nth(child, NASH_OP_GATE, 0);
        assert_true(nash_model_tensor(child, gate, 0)->data[0] == 1);
        int32_t relu = input_of(child, gate, 1);
        assert_int_equal(op_of(child, relu), NASH_OP_RELU);
        /* the branch is alive, and normalised by what was measured, where the
         * layers before it went by the batch */
        int64_t n;
        double *h = outputs(child, NASH_MODE_INFER, relu, 5, &n), sum = 0;
        for (int64_t j = 0; j < n; j++)
            sum += h[j] * h[j] / (double)n;
        assert_true(sum > 0.1 && sum < 4);
        ni_free(h);
        nash_model_free(child);
    }
    assert_refused(try_morph(m, "gate:at=max_pool_5"), "does not end a layer");
    assert_refused(try_morph(m, "gate:at=fc_10"), "does not end a layer");
    nash_model_free(m);
}

static void a_gate_beside_a_strided_layer_has_its_stride(void **state)
{
    (void)state;
    for (int32_t kernel = 1; kernel <= 5; kernel += 2) {
        nash_graph *g = net_new(2, 9, 7);
        int32_t id = net_block(g, 1, 4, kernel, 2);
        id = net_op(g, NASH_OP_GLOBAL_POOL, net_block(g, id, 3, 3, 3));
        nash_model *m = net_finish(g, id, 3, 3);
        nash_model_free(morphed(m, "gate:at=relu_4,kernel=1"));
        nash_model_free(morphed(m, "gate:at=relu_4,kernel=3,seed=3"));
        nash_model_free(morphed(m, "gate:at=relu_7,kernel=5,seed=3"));
        nash_model_free(m);
    }
}

/* ---- skips -------------------------------------------------------------- */

static void skips_cross_pools_strides_and_flattenings(void **state)
{
    (void)state;
    nash_graph *g = net_new(3, 12, 10);
    int32_t id = net_block(g, 1, 4, 3, 1);
    id = net_pool(g, NASH_OP_MAX_POOL, id);
    id = net_block(g, id, 5, 3, 2);
    id = net_pool(g, NASH_OP_AVG_POOL, net_block(g, id, 4, 3, 1));
    id = net_fc(g, net_op(g, NASH_OP_FLATTEN, id), 6);
    nash_model *m = net_finish(g, net_op(g, NASH_OP_RELU, id), 3, 4);
    static const char *const ends[][2] = {
        {"normalize_1", "relu_4"},   {"normalize_1", "max_pool_5"},
        {"relu_4", "relu_8"},        {"relu_4", "relu_11"},
        {"normalize_1", "relu_11"},  {"max_pool_5", "avg_pool_12"},
        {"relu_4", "flatten_13"},    {"normalize_1", "relu_15"},
        {"batch_norm_3", "conv_9"},  {"relu_8", "fc_14"},
        {"conv_2", "batch_norm_10"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char text[96];
        snprintf(text, sizeof text, "add_skip:at=%s,from=%s,seed=3", ends[i][1],
                 ends[i][0]);
        nash_model_free(morphed(m, text));
        snprintf(text, sizeof text, "concat_skip:at=%s,from=%s", ends[i][1],
                 ends[i][0]);
        nash_model_free(morphed(m, text));
    }
    nash_model *child = morphed(m, "add_skip:at=relu_8,from=relu_4,seed=3");
    assert_int_equal(count_op(child, NASH_OP_MAX_POOL), 2);
    assert_int_equal(count_op(child, NASH_OP_AVG_POOL), 2);
    assert_int_equal(count_op(child, NASH_OP_CONV), 4);
    nash_model_free(child);
    nash_model_free(m);
}

static void
skips_start_after_the_normalisation_and_follow_the_network(void **state)
{
    (void)state;
    nash_model *m = make_chain();
    assert_refused(try_morph(m, "add_skip:at=relu_8,from=input_0"),
                   "before the normalisation");
    assert_refused(try_morph(m, "concat_skip:at=relu_8,from=input_0"),
                   "before the normalisation");
    assert_refused(try_morph(m, "add_skip:at=relu_4,from=relu_8"), "no way");
    assert_refused(try_morph(m, "add_skip:at=relu_4,from=relu_4"), "no way");
    assert_refused(try_morph(m, "concat_skip:at=softmax_11,from=relu_4"),
                   "output");
    assert_refused(try_morph(m, "concat_skip:at=fc_10,from=relu_4"), "tie");
    nash_model_free(m);
}

static void skips_that_nothing_connects_are_refused(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 6, 6);
    int32_t a = net_block(g, 1, 4, 3, 1), b = net_block(g, 1, 4, 3, 1);
    int32_t id =
        net_op(g, NASH_OP_GLOBAL_POOL, net_join(g, NASH_OP_CONCAT, a, b));
    nash_model *m = net_finish(g, id, 3, 2);
    assert_refused(try_morph(m, "add_skip:at=relu_7,from=relu_4"), "no way");
    nash_model_free(m);
}

static void skips_parallel_to_and_into_skips_keep_the_function(void **state)
{
    (void)state;
    static const char *const first[] = {
        "concat_skip:at=relu_8,from=relu_4", "add_skip:at=relu_8,from=relu_4",
        "add_skip:at=max_pool_5,from=normalize_1,seed=1"};
    /* the place goes behind those that end in "=" */
    static const char *const then[] = {"concat_skip:at=relu_8,from=",
                                       "add_skip:at=relu_8,from=",
                                       "concat_skip:at=relu_8,from=normalize_1",
                                       "conv:at=",
                                       "add_skip:at=relu_8,from=conv_2,seed=4",
                                       "widen:at=conv_2",
                                       "widen:at=conv_6",
                                       "add_skip:at=global_pool_9,from=",
                                       "concat_skip:at=global_pool_9,from="};
    nash_model *m = make_chain();
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        nash_model *child = morphed(m, first[i]);
        /* the pool of the skip: a node inside the branch */
        char name[32] = "relu_4", text[96];
        if (i < 2)
            nash_node_name(name, sizeof name, nash_model_graph(child),
                           nth(child, NASH_OP_MAX_POOL, 1));
        for (size_t j = 0; j < sizeof then / sizeof *then; j++) {
            size_t end = strlen(then[j]) - 1;
            snprintf(text, sizeof text, "%s%s", then[j],
                     then[j][end] == '=' ? name : "");
            if (i < 2 && j < 2) /* out of the branch */
                assert_refused(try_morph(child, text), "no way");
            else if (i == 1 && j == 2) /* only the gate reads relu_8 */
                assert_refused(try_morph(child, text), "a gate");
            else
                nash_model_free(morphed(child, text));
        }
        nash_model_free(child);
    }
    nash_model_free(m);
}

static void a_concatenation_serves_the_readers_that_can_take_it(void **state)
{
    (void)state;
    nash_graph *g = net_new(2, 6, 6);
    int32_t a = net_block(g, 1, 4, 3, 1), b = net_block(g, a, 4, 3, 1);
    int32_t c = net_conv(g, b, 4, 3, 1);
    int32_t id = net_join(g, NASH_OP_ADD, b, c); /* ties b */
    nash_model *m = net_finish(g, net_op(g, NASH_OP_GLOBAL_POOL, id), 3, 2);
    nash_model *child = morphed(m, "concat_skip:at=relu_7,from=relu_4");
    int32_t concat = nth(child, NASH_OP_CONCAT, 0);
    assert_int_equal(input_of(child, nth(child, NASH_OP_CONV, 2), 0), concat);
    assert_int_equal(input_of(child, nth(child, NASH_OP_ADD, 0), 0),
                     id_of(child, b));
    assert_refused(try_morph(m, "concat_skip:at=conv_8,from=relu_4"), "tie");
    nash_model_free(child);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_a_normalisation_reads_is_before_it),
        cmocka_unit_test(values_outside_the_lists_are_question_marks),
        cmocka_unit_test(an_identity_convolution_keeps_the_function),
        cmocka_unit_test(
            a_fully_connected_layer_goes_only_where_height_and_width_are_1),
        cmocka_unit_test(batch_normalisation_undoes_the_statistics_it_measures),
        cmocka_unit_test(batch_normalisation_is_exact_to_the_rounding_of_gamma),
        cmocka_unit_test(statistics_are_a_matter_of_a_probe),
        cmocka_unit_test(statistics_that_are_not_finite_change_nothing),
        cmocka_unit_test(the_first_batch_of_training_has_the_parents_loss),
        cmocka_unit_test(
            deepening_goes_only_after_tensors_that_cannot_be_negative),
        cmocka_unit_test(deepening_goes_after_a_sum_but_never_after_a_gate),
        cmocka_unit_test(a_deepened_tensor_can_be_deepened_again),
        cmocka_unit_test(a_gate_lets_a_fresh_branch_in_beside_a_layer),
        cmocka_unit_test(a_gate_beside_a_strided_layer_has_its_stride),
        cmocka_unit_test(skips_cross_pools_strides_and_flattenings),
        cmocka_unit_test(
            skips_start_after_the_normalisation_and_follow_the_network),
        cmocka_unit_test(skips_that_nothing_connects_are_refused),
        cmocka_unit_test(skips_parallel_to_and_into_skips_keep_the_function),
        cmocka_unit_test(a_concatenation_serves_the_readers_that_can_take_it),
    };
    return cmocka_run_group_tests_name("morph", tests, NULL, NULL);
}
