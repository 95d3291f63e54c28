/* Lengths of vectors. Costs one pass over them, at the speed of memory. */
#include "length.h"

double ni_squares(const float *x, int64_t n)
{
    enum { LANES = 16 };
    double sums[LANES] = {0}, sum = 0.0;
    int64_t at = 0;
    for (; at + LANES <= n; at += LANES)
        for (int k = 0; k < LANES; k++)
            sums[k] += (double)x[at + k] * (double)x[at + k];
    for (; at < n; at++)
        sum += (double)x[at] * (double)x[at];
    for (int k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}
