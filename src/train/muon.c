/*
 * Muon. Costs three products of the bank with a square matrix and its own
 * transpose per step, whatever the batch. Refuses nothing: a gradient that is
 * not finite gives weights that are not, which the training notices.
 */
#include "muon.h"

#include "engine/product.h"

#include <math.h>
#include <string.h>

int32_t ni_muon_rows(const nash_graph *g, int32_t id, int32_t slot)
{
    const nash_node *node = nash_graph_node(g, id);
    if (node->op != NASH_OP_CONV || slot != NASH_SLOT_WEIGHT ||
        node->attrs.groups != 1)
        return 0;
    nash_op read = nash_graph_node(g, nash_graph_input(g, id, 0))->op;
    if (read == NASH_OP_INPUT || read == NASH_OP_NORMALIZE)
        return 0;
    return node->shape.c;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t ni_muon_scratch(int64_t rows, int64_t columns)
{
    int64_t side = smaller(rows, columns);
    return 2 * rows * columns + 2 * side * side;
}

static double length_of(const float *x, int64_t n)
{
    double squares = 0.0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    return sqrt(squares);
}

static void scale(float *x, int64_t n, double by)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= (float)by;
}

/* A step of Newton and Schulz, x = (a + b X + c X^2) x with X = x x^T, or from
 * the right where x is taller than wide: the odd polynomial of the singular
 * values that three steps bring near 1. [y] receives it. */
static nash_status iterate(ni_matrix *x, ni_matrix *y, float *squares)
{
    static const float a = 3.4445F, b = -4.7750F, c = 2.0315F;
    nash_status status = NASH_OK;
    int64_t side = smaller(x->rows, x->columns);
    bool wide = x->rows == side;
    ni_matrix flipped = *x;
    ni_matrix once = {.values = squares, .rows = side, .columns = side};
    ni_matrix both = once;
    flipped.transposed = true;
    both.values = squares + side * side;
    TRY(wide ? ni_product(&once, 1.0F, x, &flipped, 0.0F)
             : ni_product(&once, 1.0F, &flipped, x, 0.0F));
    memcpy(both.values, once.values, (size_t)(side * side) * sizeof(float));
    TRY(ni_product(&both, c, &once, &once, b));
    memcpy(y->values, x->values,
           (size_t)(x->rows * x->columns) * sizeof(float));
    TRY(wide ? ni_product(y, 1.0F, &both, x, a)
             : ni_product(y, 1.0F, x, &both, a));
done:
    return status;
}

nash_status ni_muon_step(float *w, float *v, const float *gradient,
                         int64_t rows, int64_t columns, float shorten,
                         float rate, float momentum, float *scratch)
{
    enum { ITERATIONS = 3 };
    nash_status status = NASH_OK;
    const double least = 1e-20; /* of a length to divide by */
    int64_t n = rows * columns;
    ni_matrix x = {.values = scratch, .rows = rows, .columns = columns};
    ni_matrix y = {.values = scratch + n, .rows = rows, .columns = columns};
    for (int64_t i = 0; i < n; i++) {
        float g = shorten * gradient[i];
        v[i] = momentum * v[i] + g;
        x.values[i] = g + momentum * v[i];
    }
    scale(x.values, n, 1.0 / (length_of(x.values, n) + least));
    for (int i = 0; i < ITERATIONS; i++) {
        TRY(iterate(&x, &y, scratch + 2 * n));
        ni_matrix swapped = x;
        x = y;
        y = swapped;
    }
    double before = length_of(w, n), length = before > 0.0 ? before : 1.0;
    float by =
        (float)((double)rate * length / (length_of(x.values, n) + least));
    for (int64_t i = 0; i < n; i++)
        w[i] -= by * x.values[i];
    if (before > 0.0)
        scale(w, n, before / (length_of(w, n) + least));
done:
    return status;
}
