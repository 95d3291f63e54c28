/*
 * Normalisations of the oracle: by constants, and by the batch or the running
 * statistics. Three passes over the data; the variance in two, about its mean.
 */
#include "ops.h"

#include <math.h>
#include <string.h>

/* y = (x - center[c]) / scale[c] */
void ni_ref_normalize(const ni_ref_node *k)
{
    const double *center = k->w[NASH_SLOT_CENTER];
    const double *scale = k->w[NASH_SLOT_SCALE];
    EACH (&k->y, n, c, i, j)
        AT(&k->y, n, c, i, j) =
            (AT(k->in[0], n, c, i, j) - center[c]) / scale[c];
}

void ni_ref_normalize_back(const ni_ref_node *k)
{
    const double *scale = k->w[NASH_SLOT_SCALE];
    EACH (&k->y, n, c, i, j)
        D_AT(k->in[0], n, c, i, j) += D_AT(&k->y, n, c, i, j) / scale[c];
}

/* Values per channel in a batch. */
static double per_channel(const ni_ref_value *x)
{
    return (double)x->n * x->h * x->w;
}

static double inverse_deviation(const ni_ref_node *k, int32_t c)
{
    return 1 / sqrt(k->var[c] + (double)k->attrs->eps);
}

/* mean[c] = E x, var[c] = E (x - mean[c])^2 over n, i, j */
void ni_ref_measure(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0];
    memset(k->mean, 0, (size_t)x->c * sizeof *k->mean);
    memset(k->var, 0, (size_t)x->c * sizeof *k->var);
    EACH (x, n, c, i, j)
        k->mean[c] += AT(x, n, c, i, j) / per_channel(x);
    EACH (x, n, c, i, j) {
        double off = AT(x, n, c, i, j) - k->mean[c];
        k->var[c] += off * off / per_channel(x);
    }
}

/* running = momentum running + (1 - momentum) batch */
void ni_ref_move_statistics(const ni_ref_node *k)
{
    double *mean = k->w[NASH_SLOT_MEAN], *var = k->w[NASH_SLOT_VAR];
    double keep = (double)k->attrs->momentum;
    FOR (c, k->y.c) {
        mean[c] = keep * mean[c] + (1 - keep) * k->mean[c];
        var[c] = keep * var[c] + (1 - keep) * k->var[c];
    }
}

/* y = gamma[c] (x - mean[c]) / sqrt(var[c] + eps) + beta[c] */
void ni_ref_batch_norm(const ni_ref_node *k)
{
    const double *gamma = k->w[NASH_SLOT_GAMMA], *beta = k->w[NASH_SLOT_BETA];
    EACH (&k->y, n, c, i, j)
        AT(&k->y, n, c, i, j) = gamma[c] *
                                    (AT(k->in[0], n, c, i, j) - k->mean[c]) *
                                    inverse_deviation(k, c) +
                                beta[c];
}

/*
 * With x^ = (x - mean) / sqrt(var + eps) and m values per channel:
 *     dbeta = sum d,  dgamma = sum d x^,
 *     dx = gamma / sqrt(var + eps) (d - dbeta / m - x^ dgamma / m)
 */
void ni_ref_batch_norm_back(const ni_ref_node *k)
{
    const ni_ref_value *x = k->in[0], *y = &k->y;
    const double *gamma = k->w[NASH_SLOT_GAMMA];
    double *dgamma = k->dw[NASH_SLOT_GAMMA], *dbeta = k->dw[NASH_SLOT_BETA];
    EACH (y, n, c, i, j) {
        double off = AT(x, n, c, i, j) - k->mean[c];
        dgamma[c] += D_AT(y, n, c, i, j) * off * inverse_deviation(k, c);
        dbeta[c] += D_AT(y, n, c, i, j);
    }
    EACH (y, n, c, i, j) {
        double inverse = inverse_deviation(k, c);
        double hat = (AT(x, n, c, i, j) - k->mean[c]) * inverse;
        double mean_d = (dbeta[c] + hat * dgamma[c]) / per_channel(x);
        D_AT(x, n, c, i, j) +=
            gamma[c] * inverse * (D_AT(y, n, c, i, j) - mean_d);
    }
}
