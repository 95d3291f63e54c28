#ifndef TESTS_ONEDNN_FIXTURE_H
#define TESTS_ONEDNN_FIXTURE_H

#include <nash/plan.h>

/*
 * What the tests of the oneDNN engine stand on: networks built line by line,
 * plans that have run, and their deviation from other plans. A failure in here
 * is the running test's.
 *
 * Deviations are relative: |a - b| / |b| in the Euclidean norm of a tensor.
 */

#define OK(call)                                                               \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

/* ---- networks ---------------------------------------------------------- */

/** Input and normalisation. @return the normalisation's id */
int32_t net_begin(nash_graph **g, int32_t channels, int32_t h, int32_t w);

/** Append a node with one input, or none if it is negative. @return its id */
int32_t put(nash_graph *g, nash_op op, const nash_attrs *attrs, int32_t a);
/** Append a node with many inputs. @return its id */
int32_t put_many(nash_graph *g, nash_op op, const int32_t *inputs, int32_t n);
/** Append a node with two inputs. @return its id */
int32_t put_two(nash_graph *g, nash_op op, int32_t a, int32_t b);
/** Append a convolution that keeps the size. @return its id */
int32_t put_conv(nash_graph *g, int32_t input, int32_t channels,
                 int32_t kernel);
/** Append conv 3 x 3, batch_norm, relu. @return the relu's id */
int32_t put_block(nash_graph *g, int32_t input, int32_t channels);

/** Global pooling, four classes, random tensors. Takes @p g. */
nash_model *net_end(nash_graph *g, int32_t last, uint64_t seed);

/* ---- plans ------------------------------------------------------------- */

/** Whether this machine computes in bf16. */
bool has_bf16(void);

/** The default options but for these. */
nash_plan_opts opts_of(nash_mode mode, nash_precision precision, int32_t batch,
                       int32_t threads);

/** A plan that went forward over random pixels, and in training backward from
 * random d_logits; nash_plan_free() it. */
nash_plan *plan_for(nash_model *m, nash_plan_opts opts, uint64_t seed);

/* ---- comparison -------------------------------------------------------- */

typedef struct compared {
    double logits, statistic; /* largest relative deviations */
    double gradient;          /* likewise, of single tensors */
    double whole;             /* of all gradients as one vector */
    char where[64];           /* the tensor with the largest */
} compared;

/** |a - b| / |b|; values below the floor count as zero. */
double deviation(const float *a, const float *b, int64_t n, double floor);

/** Compare gradients and statistics, of plans that ran and their models. */
void compare_tensors(compared *c, const nash_plan *got, const nash_model *a,
                     const nash_plan *want, const nash_model *b);

#endif
