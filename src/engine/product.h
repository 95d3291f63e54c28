#ifndef NI_PRODUCT_H
#define NI_PRODUCT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* A dense matrix [rows, columns], row by row. */
typedef struct ni_matrix {
    float *values; /* borrowed */
    int64_t rows, columns;
    bool transposed; /* stands for [columns, rows] */
} ni_matrix;

/**
 * c = alpha a b + beta c, computed by the calling thread alone.
 *
 *     [M,K] x [K,N] -> [M,N], after transposition
 *
 * @param c  not transposed, and neither a nor b
 * @return NASH_OK or NASH_EENGINE
 */
nash_status ni_product(const ni_matrix *c, float alpha, const ni_matrix *a,
                       const ni_matrix *b, float beta);

#endif
