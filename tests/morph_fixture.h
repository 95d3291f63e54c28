#ifndef NASH_TEST_MORPH_FIXTURE_H
#define NASH_TEST_MORPH_FIXTURE_H

#include <nash/morph.h>
#include <nash/plan.h>

/*
 * What the tests of morphisms stand on: networks built line by line, the
 * oracle's outputs in double, and the comparison of parent and child.
 */

#define assert_ok(call)                                                        \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

#define assert_refused(call, text)                                             \
    do {                                                                       \
        assert_int_equal((call), NASH_EREFUSED);                               \
        if (!strstr(nash_error_message(), (text)))                             \
            fail_msg("refused with: %s", nash_error_message());                \
    } while (0)

/* ---- networks ---------------------------------------------------------- */

/* Each call appends a node and returns its id, which is also its tag less one
 * (net_new() makes input_1 and normalize_2). */
nash_graph *net_new(int32_t channels, int32_t height, int32_t width);
int32_t net_conv(nash_graph *g, int32_t input, int32_t channels, int32_t kernel,
                 int32_t stride);
int32_t net_fc(nash_graph *g, int32_t input, int32_t channels);
int32_t net_op(nash_graph *g, nash_op op, int32_t input);
/* 2 x 2, stride 2 */
int32_t net_pool(nash_graph *g, nash_op op, int32_t input);
int32_t net_join(nash_graph *g, nash_op op, int32_t a, int32_t b);
/* conv, batch_norm, relu; the relu's id */
int32_t net_block(nash_graph *g, int32_t input, int32_t channels,
                  int32_t kernel, int32_t stride);

/** End in fully connected, softmax, and draw all tensors. Takes @p g. */
nash_model *net_finish(nash_graph *g, int32_t input, int32_t classes,
                       uint64_t seed);

/** A starting network of so many narrow stages, with random tensors. */
nash_model *make_stages(int stages, uint64_t seed);
/** One of three stages. */
nash_model *make_start(uint64_t seed);
/** A copy; nash_model_free() it. */
nash_model *dup_model(const nash_model *m);

/** Tag of a node. */
int32_t tag_of(const nash_model *m, int32_t id);
/** Id of the node with that tag. */
int32_t id_of(const nash_model *m, int32_t tag);
/** Id of the i-th node of an operation, counted from 0. */
int32_t nth(const nash_model *m, nash_op op, int32_t i);
/** How many nodes of an operation there are. */
int32_t count_op(const nash_model *m, nash_op op);

/* ---- comparison -------------------------------------------------------- */

enum { IMAGES = 6 };

/** A probe on the oracle over IMAGES random images, one batch. */
nash_probe open_probe(const nash_model *m, uint64_t seed);

/**
 * A node's output in double over the same images; ni_free() it.
 *
 * @param id     -1: the logits
 * @param count  receives how many values; may be NULL
 */
double *outputs(const nash_model *m, nash_mode mode, int32_t id, uint64_t seed,
                int64_t *count);

/** Largest difference of node @p a of the parent and @p b of the child,
 * relative to the parent's largest value. */
double distance(const nash_model *parent, int32_t a, const nash_model *child,
                int32_t b, nash_mode mode, uint64_t seed);

/** Likewise at inference, relative to the largest value that the parent's node
 * has there or in training mode: an inserted batch normalisation rounds what it
 * measured in training, and its input may vanish at inference. */
double local_distance(const nash_model *parent, int32_t a,
                      const nash_model *child, int32_t b, uint64_t seed);

/** The child is complete, finite, and gives exactly the parent's logits, in
 * double, at inference and by batch statistics. */
void assert_same_function(const nash_model *parent, const nash_model *child,
                          uint64_t seed);

/** Apply "kind:..." to a copy that keeps the function exactly. */
nash_model *morphed(const nash_model *parent, const char *text);

/** The status of applying "kind:..."; the model stays as it is. */
nash_status try_morph(const nash_model *m, const char *text);

#endif
