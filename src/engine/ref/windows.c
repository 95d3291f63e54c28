/*
 * Convolution and pooling of the oracle: every window position, every tap,
 * with the test whether it falls into padding. Costs one branch and two
 * multiplications' worth of index arithmetic per multiply-accumulate.
 */
#include "ops.h"

#include <math.h>

/* A tap (p, q) of the window at (i, j) reads row r, column s of the input. */
typedef struct tap {
    int32_t r, s;
    bool inside; /* the input; else it is padding */
} tap;

static tap tap_at(const ni_ref_node *k, int32_t i, int32_t j, int32_t p,
                  int32_t q)
{
    const nash_attrs *a = k->attrs;
    const ni_ref_value *x = k->in[0];
    tap t = {.r = i * a->stride[0] - a->pads[0] + p * a->dilation[0],
             .s = j * a->stride[1] - a->pads[1] + q * a->dilation[1]};
    t.inside = t.r >= 0 && t.r < x->h && t.s >= 0 && t.s < x->w;
    return t;
}

#define EACH_TAP(k, p, q)                                                      \
    FOR (p, (k)->attrs->kernel[0])                                             \
        FOR (q, (k)->attrs->kernel[1])

/* ---- convolution ------------------------------------------------------ */

/* Input channels per group, and the first that output channel o reads. */
static int32_t group_channels(const ni_ref_node *k)
{
    return k->in[0]->c / k->attrs->groups;
}

static int32_t first_channel(const ni_ref_node *k, int32_t o)
{
    return o / (k->y.c / k->attrs->groups) * group_channels(k);
}

/* Position in the weights [O, I/groups, KH, KW]. */
static int64_t weight_index(const ni_ref_node *k, int32_t o, int32_t c,
                            int32_t p, int32_t q)
{
    const int32_t *kernel = k->attrs->kernel;
    return (((int64_t)o * group_channels(k) + c) * kernel[0] + p) * kernel[1] +
           q;
}

/* sum over c, p, q of w[o,c,p,q] x[n, first + c, r, s] */
static double conv_sum(const ni_ref_node *k, int32_t n, int32_t o, int32_t i,
                       int32_t j)
{
    const double *w = k->w[NASH_SLOT_WEIGHT];
    int32_t first = first_channel(k, o);
    double sum = 0;
    FOR (c, group_channels(k)) {
        EACH_TAP (k, p, q) {
            tap t = tap_at(k, i, j, p, q);
            if (t.inside)
                sum += w[weight_index(k, o, c, p, q)] *
                       AT(k->in[0], n, first + c, t.r, t.s);
        }
    }
    return sum;
}

/* The same products, each factor's derivative being the other one times d. */
static void conv_sum_back(const ni_ref_node *k, int32_t n, int32_t o, int32_t i,
                          int32_t j, double d)
{
    const double *w = k->w[NASH_SLOT_WEIGHT];
    double *dw = k->dw[NASH_SLOT_WEIGHT];
    int32_t first = first_channel(k, o);
    FOR (c, group_channels(k)) {
        EACH_TAP (k, p, q) {
            tap t = tap_at(k, i, j, p, q);
            if (!t.inside)
                continue;
            int64_t at = weight_index(k, o, c, p, q);
            D_AT(k->in[0], n, first + c, t.r, t.s) += w[at] * d;
            dw[at] += AT(k->in[0], n, first + c, t.r, t.s) * d;
        }
    }
}

/* y[n,o,i,j] = b[o] + conv_sum */
void ni_ref_conv(const ni_ref_node *k)
{
    const double *b = k->w[NASH_SLOT_BIAS];
    EACH (&k->y, n, o, i, j)
        AT(&k->y, n, o, i, j) = (b ? b[o] : 0) + conv_sum(k, n, o, i, j);
}

void ni_ref_conv_back(const ni_ref_node *k)
{
    double *db = k->dw[NASH_SLOT_BIAS];
    EACH (&k->y, n, o, i, j) {
        double d = D_AT(&k->y, n, o, i, j);
        conv_sum_back(k, n, o, i, j, d);
        if (db)
            db[o] += d;
    }
}

/* ---- pooling ---------------------------------------------------------- */

/* Position of the window's largest input, the first in row-major order; a NaN
 * is larger than any number. -1 if the window lies in padding altogether. */
static int64_t largest(const ni_ref_node *k, int32_t n, int32_t c, int32_t i,
                       int32_t j)
{
    const ni_ref_value *x = k->in[0];
    int64_t best = -1;
    EACH_TAP (k, p, q) {
        tap t = tap_at(k, i, j, p, q);
        if (!t.inside)
            continue;
        int64_t at = ni_ref_index(x, n, c, t.r, t.s);
        if (best < 0 || x->x[at] > x->x[best] || isnan(x->x[at]))
            best = at;
    }
    return best;
}

/* y[n,c,i,j] = max over the window */
void ni_ref_max_pool(const ni_ref_node *k)
{
    EACH (&k->y, n, c, i, j) {
        int64_t at = largest(k, n, c, i, j);
        AT(&k->y, n, c, i, j) = at < 0 ? -HUGE_VAL : k->in[0]->x[at];
    }
}

void ni_ref_max_pool_back(const ni_ref_node *k)
{
    EACH (&k->y, n, c, i, j) {
        int64_t at = largest(k, n, c, i, j);
        if (at >= 0)
            k->in[0]->d[at] += D_AT(&k->y, n, c, i, j);
    }
}

/* How many taps the mean is over: those in the input or, where padding counts,
 * in the padded input. A ceil_mode window sticks out of both. */
static int32_t divisor(const ni_ref_node *k, int32_t i, int32_t j)
{
    const nash_attrs *a = k->attrs;
    int32_t bottom = k->in[0]->h + a->pads[2];
    int32_t right = k->in[0]->w + a->pads[3];
    int32_t count = 0;
    EACH_TAP (k, p, q) {
        tap t = tap_at(k, i, j, p, q);
        bool padded = t.r < bottom && t.s < right;
        count += a->count_include_pad ? padded : t.inside;
    }
    return count > 0 ? count : 1;
}

/* y[n,c,i,j] = sum over the window / divisor */
void ni_ref_avg_pool(const ni_ref_node *k)
{
    EACH (&k->y, n, c, i, j) {
        double sum = 0;
        EACH_TAP (k, p, q) {
            tap t = tap_at(k, i, j, p, q);
            sum += t.inside ? AT(k->in[0], n, c, t.r, t.s) : 0;
        }
        AT(&k->y, n, c, i, j) = sum / divisor(k, i, j);
    }
}

void ni_ref_avg_pool_back(const ni_ref_node *k)
{
    EACH (&k->y, n, c, i, j) {
        double share = D_AT(&k->y, n, c, i, j) / divisor(k, i, j);
        EACH_TAP (k, p, q) {
            tap t = tap_at(k, i, j, p, q);
            if (t.inside)
                D_AT(k->in[0], n, c, t.r, t.s) += share;
        }
    }
}
