/*
 * The oracle's operations without windows or statistics. Each is its formula,
 * one line where it can be; d is the loss's derivative.
 */
#include "ops.h"

#include <math.h>
#include <string.h>

/* y = max(x, 0); a NaN stays */
void ni_ref_relu(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    EVERY (&k->y, e)
        k->y.x[e] = x->x[e] < 0 ? 0 : x->x[e];
}

void ni_ref_relu_back(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    EVERY (&k->y, e)
        x->d[e] += x->x[e] > 0 ? k->y.d[e] : 0;
}

/* y = min(max(x, low), high); a NaN stays */
void ni_ref_clip(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    double low = (double)k->attrs->low, high = (double)k->attrs->high;
    EVERY (&k->y, e)
        k->y.x[e] = x->x[e] < low ? low : x->x[e] > high ? high : x->x[e];
}

void ni_ref_clip_back(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    double low = (double)k->attrs->low, high = (double)k->attrs->high;
    EVERY (&k->y, e)
        x->d[e] += x->x[e] > low && x->x[e] < high ? k->y.d[e] : 0;
}

/* y[n,c] = mean over i, j of x[n,c,i,j] */
void ni_ref_global_pool(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    memset(k->y.x, 0, (size_t)ni_ref_count(&k->y) * sizeof *k->y.x);
    EACH (x, n, c, i, j)
        AT(&k->y, n, c, 0, 0) += AT(x, n, c, i, j) / ((double)x->h * x->w);
}

void ni_ref_global_pool_back(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    EACH (x, n, c, i, j)
        D_AT(x, n, c, i, j) += D_AT(&k->y, n, c, 0, 0) / ((double)x->h * x->w);
}

/* The same values under another shape. */
void ni_ref_flatten(const ni_ref_node *k)
{
    EVERY (&k->y, e)
        k->y.x[e] = k->in[0]->x[e];
}

void ni_ref_flatten_back(const ni_ref_node *k)
{
    EVERY (&k->y, e)
        k->in[0]->d[e] += k->y.d[e];
}

/* y[n,o] = b[o] + sum over c of w[o,c] x[n,c] */
void ni_ref_fc(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0], *y = &k->y;
    const double *w = k->w[NASH_SLOT_WEIGHT], *b = k->w[NASH_SLOT_BIAS];
    FOR (n, y->n) {
        FOR (o, y->c) {
            AT(y, n, o, 0, 0) = b ? b[o] : 0;
            FOR (c, x->c)
                AT(y, n, o, 0, 0) +=
                    w[(int64_t)o * x->c + c] * AT(x, n, c, 0, 0);
        }
    }
}

void ni_ref_fc_back(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0], *y = &k->y;
    const double *w = k->w[NASH_SLOT_WEIGHT];
    double *dw = k->dw[NASH_SLOT_WEIGHT], *db = k->dw[NASH_SLOT_BIAS];
    FOR (n, y->n) {
        FOR (o, y->c) {
            double d = D_AT(y, n, o, 0, 0);
            FOR (c, x->c) {
                D_AT(x, n, c, 0, 0) += w[(int64_t)o * x->c + c] * d;
                dw[(int64_t)o * x->c + c] += AT(x, n, c, 0, 0) * d;
            }
            if (db)
                db[o] += d;
        }
    }
}

/* y[n, first + c, i, j] = x[n,c,i,j], input after input */
void ni_ref_concat(const ni_ref_node *k)
{
    int32_t first = 0;
    FOR (m, k->n_inputs) {
        EACH (k->in[m], n, c, i, j)
            AT(&k->y, n, first + c, i, j) = AT(k->in[m], n, c, i, j);
        first += k->in[m]->c;
    }
}

void ni_ref_concat_back(const ni_ref_node *k)
{
    int32_t first = 0;
    FOR (m, k->n_inputs) {
        EACH (k->in[m], n, c, i, j)
            D_AT(k->in[m], n, c, i, j) += D_AT(&k->y, n, first + c, i, j);
        first += k->in[m]->c;
    }
}

/* y = sum of the inputs */
void ni_ref_add(const ni_ref_node *k)
{
    EVERY (&k->y, e) {
        k->y.x[e] = 0;
        FOR (m, k->n_inputs)
            k->y.x[e] += k->in[m]->x[e];
    }
}

void ni_ref_add_back(const ni_ref_node *k)
{
    EVERY (&k->y, e) {
        FOR (m, k->n_inputs)
            k->in[m]->d[e] += k->y.d[e];
    }
}

/* y = lambda f + (1 - lambda) h */
void ni_ref_gate(const ni_ref_node *k)
{
    const ni_ref_value *f = k->in[0], *h = k->in[1];
    double lambda = *k->w[NASH_SLOT_LAMBDA];
    EVERY (&k->y, e)
        k->y.x[e] = lambda * f->x[e] + (1 - lambda) * h->x[e];
}

/* dlambda = sum d (f - h) */
void ni_ref_gate_back(const ni_ref_node *k)
{
    const ni_ref_value *f = k->in[0], *h = k->in[1];
    double lambda = *k->w[NASH_SLOT_LAMBDA];
    EVERY (&k->y, e) {
        double d = k->y.d[e];
        f->d[e] += lambda * d;
        h->d[e] += (1 - lambda) * d;
        *k->dw[NASH_SLOT_LAMBDA] += d * (f->x[e] - h->x[e]);
    }
}

/* y[n,c] = exp(x[n,c] - m) / sum over c of the same, m = max over c */
void ni_ref_softmax(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0], *y = &k->y;
    FOR (n, y->n) {
        double most = -HUGE_VAL, sum = 0;
        FOR (c, y->c)
            most = fmax(most, AT(x, n, c, 0, 0));
        FOR (c, y->c)
            sum += exp(AT(x, n, c, 0, 0) - most);
        FOR (c, y->c)
            AT(y, n, c, 0, 0) = exp(AT(x, n, c, 0, 0) - most) / sum;
    }
}
