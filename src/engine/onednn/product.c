/*
 * Products of matrices in float32, by oneDNN's sgemm on one thread: whoever has
 * several products to make gives each to a thread of a crew. It takes small
 * buffers of its own, which oneDNN allocates.
 */
#include "engine/product.h"

#include <assert.h>

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

nash_status ni_product(const ni_matrix *c, float alpha, const ni_matrix *a,
                       const ni_matrix *b, float beta)
{
    int64_t inner = a->transposed ? a->rows : a->columns;
    int threads = omp_get_max_threads();
    assert(!c->transposed);
    assert(c->rows == (a->transposed ? a->columns : a->rows));
    assert(c->columns == (b->transposed ? b->rows : b->columns));
    assert(inner == (b->transposed ? b->columns : b->rows));
    omp_set_num_threads(1);
    dnnl_status_t result =
        dnnl_sgemm(a->transposed ? 'T' : 'N', b->transposed ? 'T' : 'N',
                   c->rows, c->columns, inner, alpha, a->values, a->columns,
                   b->values, b->columns, beta, c->values, c->columns);
    omp_set_num_threads(threads);
    if (result == dnnl_success)
        return NASH_OK;
    return ni_fail(NASH_EENGINE,
                   "oneDNN could not multiply matrices: status %d",
                   (int)result);
}
