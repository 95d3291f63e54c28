#ifndef NI_TRAIN_LENGTH_H
#define NI_TRAIN_LENGTH_H

#include <stdint.h>

/**
 * The sum of the squares of [n] values, in double. It is 16 sums side by side,
 * which are added at last, so that they need not wait for each other; its bits
 * depend on nothing but the values.
 */
double ni_squares(const float *x, int64_t n);

#endif
