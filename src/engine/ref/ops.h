#ifndef NI_REF_OPS_H
#define NI_REF_OPS_H

#include <nash/model.h>

/*
 * The operations of the oracle: a forward and a backward each, in double, by
 * plain loops, without any speed in mind. Backward functions add to the
 * gradients of inputs and tensors, which the plan has zeroed.
 */

/* A node's output [n,c,h,w], row-major, and the loss's derivative by it. */
typedef struct ni_ref_value {
    int32_t n, c, h, w;
    double *x;
    double *d; /* NULL unless training */
} ni_ref_value;

typedef struct ni_ref_node {
    nash_op op;
    const nash_attrs *attrs;
    ni_ref_value y;
    int32_t n_inputs;
    const ni_ref_value **in;     /* [n_inputs] */
    double *w[NASH_SLOT_COUNT];  /* its tensors; NULL: empty slot */
    double *dw[NASH_SLOT_COUNT]; /* NULL: no gradient */
    double *mean, *var;          /* batch_norm [C]: what it normalised by */
} ni_ref_node;

#define FOR(i, count) for (int32_t i = 0; i < (count); i++)

/* All positions of a value; e counts them, as n, c, i, j name them. */
#define EVERY(v, e) for (int64_t e = 0; e < ni_ref_count(v); e++)
#define EACH(v, n_, c_, i_, j_)                                                \
    FOR (n_, (v)->n)                                                           \
        FOR (c_, (v)->c)                                                       \
            FOR (i_, (v)->h)                                                   \
                FOR (j_, (v)->w)

#define AT(v, n_, c_, i_, j_) (v)->x[ni_ref_index(v, n_, c_, i_, j_)]
#define D_AT(v, n_, c_, i_, j_) (v)->d[ni_ref_index(v, n_, c_, i_, j_)]

static inline int64_t ni_ref_count(const ni_ref_value *v)
{
    return (int64_t)v->n * v->c * v->h * v->w;
}

static inline int64_t ni_ref_index(const ni_ref_value *v, int32_t n, int32_t c,
                                   int32_t i, int32_t j)
{
    return (((int64_t)n * v->c + c) * v->h + i) * v->w + j;
}

/* windows.c */
void ni_ref_conv(const ni_ref_node *k);
void ni_ref_conv_back(const ni_ref_node *k);
void ni_ref_max_pool(const ni_ref_node *k);
void ni_ref_max_pool_back(const ni_ref_node *k);
void ni_ref_avg_pool(const ni_ref_node *k);
void ni_ref_avg_pool_back(const ni_ref_node *k);

/* norms.c */
void ni_ref_normalize(const ni_ref_node *k);
void ni_ref_normalize_back(const ni_ref_node *k);
/** Measure mean and variance (biased) of the batch into k->mean, k->var. */
void ni_ref_measure(const ni_ref_node *k);
/** Move the running statistics towards k->mean, k->var. */
void ni_ref_move_statistics(const ni_ref_node *k);
/** Normalise by k->mean, k->var, whatever their origin. */
void ni_ref_batch_norm(const ni_ref_node *k);
/** Where k->mean and k->var are the batch's own. */
void ni_ref_batch_norm_back(const ni_ref_node *k);

/* ops.c */
void ni_ref_relu(const ni_ref_node *k);
void ni_ref_relu_back(const ni_ref_node *k);
void ni_ref_clip(const ni_ref_node *k);
void ni_ref_clip_back(const ni_ref_node *k);
void ni_ref_global_pool(const ni_ref_node *k);
void ni_ref_global_pool_back(const ni_ref_node *k);
void ni_ref_flatten(const ni_ref_node *k);
void ni_ref_flatten_back(const ni_ref_node *k);
void ni_ref_fc(const ni_ref_node *k);
void ni_ref_fc_back(const ni_ref_node *k);
void ni_ref_concat(const ni_ref_node *k);
void ni_ref_concat_back(const ni_ref_node *k);
void ni_ref_add(const ni_ref_node *k);
void ni_ref_add_back(const ni_ref_node *k);
void ni_ref_gate(const ni_ref_node *k);
void ni_ref_gate_back(const ni_ref_node *k);
void ni_ref_softmax(const ni_ref_node *k);

#endif
