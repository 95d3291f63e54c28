/*
 * Muon. Costs a step, whatever the batch: per block of filters two products of
 * it with a square matrix on its smaller side, and nine of such squares.
 * Refuses nothing: a gradient that is not finite gives weights that are not,
 * which the training notices.
 */
#include "muon.h"

#include "length.h"

#include "engine/product.h"

#include <math.h>

enum {
    SQUARES = 4, /* of a bank's scratch, beside two of its own size */
    BLOCK = 256, /* filters that are made orthogonal to each other: beyond, the
                    cost of a square would outgrow that of the training */
};

/* Whether nothing but pools and the like lies between a convolution and the
 * softmax: it tells the classes apart, and its length is how sure it is. */
static bool classifies(const nash_graph *g, int32_t id)
{
    int32_t at = nash_graph_size(g) - 1;
    for (;;) {
        const nash_node *node = nash_graph_node(g, at);
        if (node->n_inputs != 1 || node->op == NASH_OP_CONV ||
            node->op == NASH_OP_FC || node->op == NASH_OP_BATCH_NORM)
            return at == id;
        at = nash_graph_input(g, at, 0);
    }
}

int32_t ni_muon_rows(const nash_graph *g, int32_t id, int32_t slot)
{
    const nash_node *node = nash_graph_node(g, id);
    if (node->op != NASH_OP_CONV || slot != NASH_SLOT_WEIGHT ||
        node->attrs.groups != 1)
        return 0;
    nash_op read = nash_graph_node(g, nash_graph_input(g, id, 0))->op;
    if (read == NASH_OP_INPUT || read == NASH_OP_NORMALIZE || classifies(g, id))
        return 0;
    return node->shape.c;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t side_of(int64_t rows, int64_t columns)
{
    return smaller(smaller(rows, BLOCK), columns);
}

int64_t ni_muon_scratch(int64_t rows, int64_t columns)
{
    int64_t side = side_of(rows, columns);
    return 2 * rows * columns + SQUARES * side * side;
}

double ni_muon_work(int64_t rows, int64_t columns)
{
    return (double)(rows * columns * side_of(rows, columns));
}

static const double least = 1e-20; /* of a length to divide by */

static double length_of(const float *x, int64_t n)
{
    return sqrt(ni_squares(x, n));
}

static void scale(float *x, int64_t n, double by)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= (float)by;
}

/* Square matrices on the bank's smaller side. */
typedef struct squares {
    ni_matrix gram, factor, total, spare;
} squares;

static void swap(ni_matrix *a, ni_matrix *b)
{
    ni_matrix swapped = *a;
    *a = *b;
    *b = swapped;
}

/* factor = a + b gram + c gram^2 */
static nash_status find_factor(squares *s)
{
    static const float a = 3.4445F, b = -4.7750F, c = 2.0315F;
    nash_status status = NASH_OK;
    int64_t side = s->gram.rows;
    for (int64_t i = 0; i < side * side; i++)
        s->factor.values[i] = b * s->gram.values[i];
    for (int64_t i = 0; i < side; i++)
        s->factor.values[i * side + i] += a;
    TRY(ni_product(&s->factor, c, &s->gram, &s->gram, 1.0F));
done:
    return status;
}

/* Newton and Schulz: x = (a + b X + c X^2) x with X = x x^T, an odd polynomial
 * of the singular values, three times over, which brings them near 1. All of it
 * commutes with the first X: the factors are multiplied, and X follows as
 * factor^2 X, so that x itself, which is several times as wide, is read and
 * written once. From the right where x is taller than wide. [y] receives it. */
static nash_status orthogonalise(ni_matrix *y, const ni_matrix *x, squares *s)
{
    enum { STEPS = 3 };
    nash_status status = NASH_OK;
    bool wide = x->rows == s->gram.rows;
    ni_matrix flipped = *x;
    flipped.transposed = true;
    TRY(wide ? ni_product(&s->gram, 1.0F, x, &flipped, 0.0F)
             : ni_product(&s->gram, 1.0F, &flipped, x, 0.0F));
    TRY(find_factor(s));
    for (int i = 1; i < STEPS; i++) {
        TRY(ni_product(&s->spare, 1.0F, &s->factor, &s->gram, 0.0F));
        TRY(ni_product(&s->gram, 1.0F, &s->factor, &s->spare, 0.0F));
        if (i == 1)
            swap(&s->total, &s->factor);
        TRY(find_factor(s));
        TRY(ni_product(&s->spare, 1.0F, &s->factor, &s->total, 0.0F));
        swap(&s->total, &s->spare);
    }
    TRY(wide ? ni_product(y, 1.0F, &s->total, x, 0.0F)
             : ni_product(y, 1.0F, x, &s->total, 0.0F));
done:
    return status;
}

static squares squares_at(float *values, int64_t side)
{
    squares s;
    ni_matrix *all[] = {&s.gram, &s.factor, &s.total, &s.spare};
    for (int i = 0; i < SQUARES; i++)
        *all[i] = (ni_matrix){
            .values = values + i * side * side, .rows = side, .columns = side};
    return s;
}

/* u, likewise [rows, columns], of x, which is made as long as 1: every block of
 * filters by itself. */
static nash_status orthogonalise_blocks(float *u, float *x, int64_t rows,
                                        int64_t columns, float *scratch)
{
    nash_status status = NASH_OK;
    for (int64_t at = 0; at < rows; at += BLOCK) {
        int64_t n = smaller(rows - at, BLOCK);
        ni_matrix from = {x + at * columns, n, columns, false};
        ni_matrix to = {u + at * columns, n, columns, false};
        squares s = squares_at(scratch, smaller(n, columns));
        scale(from.values, n * columns,
              1.0 / (length_of(from.values, n * columns) + least));
        TRY(orthogonalise(&to, &from, &s));
    }
done:
    return status;
}

nash_status ni_muon_step(float *w, float *v, const float *gradient,
                         int64_t rows, int64_t columns, float shorten,
                         float rate, float momentum, float *scratch)
{
    nash_status status = NASH_OK;
    int64_t n = rows * columns;
    float *x = scratch, *u = scratch + n;
    for (int64_t i = 0; i < n; i++) {
        float g = shorten * gradient[i];
        v[i] = momentum * v[i] + g;
        x[i] = g + momentum * v[i];
    }
    TRY(orthogonalise_blocks(u, x, rows, columns, scratch + 2 * n));
    double before = length_of(w, n), length = before > 0.0 ? before : 1.0;
    float by = (float)((double)rate * length / (length_of(u, n) + least));
    for (int64_t i = 0; i < n; i++)
        w[i] -= by * u[i];
    if (before > 0.0)
        scale(w, n, before / (length_of(w, n) + least));
done:
    return status;
}
