#ifndef NASH_TEST_RANDOM_GRAPH_H
#define NASH_TEST_RANDOM_GRAPH_H

#include <nash/model.h>

/*
 * Random networks for tests, keyed by a seed: chains, diamonds and skips of
 * every operation, with random sizes, weights, BN statistics and lambdas. Two
 * calls with equal arguments give equal models. A network that cannot be made
 * fails the running test with the seed in the message.
 */

typedef struct random_graph_opts {
    int32_t nodes;        /* about so many before the head */
    int32_t max_channels; /* of convolutions */
    int32_t max_side;     /* of the input; its sides need not be equal */
    bool exotic; /* also what no morphism makes: groups, dilation, asymmetric
                    padding, odd strides and pools, sums, constants missing */
} random_graph_opts;

/** 14 nodes, 20 channels, 12 pixels, exotic. */
random_graph_opts random_graph_opts_default(void);

/** A complete model; nash_model_free() it. @param opts  NULL: the default */
nash_model *random_model(uint64_t seed, const random_graph_opts *opts);

/** Draw every tensor anew, none of them neutral. */
void random_tensors(nash_model *m, uint64_t seed);

/** Fill with pixels: uniform in 0..255, integers. */
void random_pixels(float *pixels, int64_t count, uint64_t seed);

/** Fill with standard normal deviates. */
void random_normal(float *values, int64_t count, uint64_t seed);

/** Print a graph to standard error, one line per node: for failures. */
void random_graph_print(const nash_graph *g);

#endif
