/*
 * Softmax of logits, in double and shifted by the largest, so that it neither
 * overflows nor loses small probabilities. Costs one exp per value. A row with
 * a NaN or a positive infinity becomes NaN throughout.
 */
#include <nash/plan.h>

#include <math.h>

static void softmax_row(float *dst, const float *logits, int32_t classes)
{
    float largest = logits[0];
    for (int32_t k = 1; k < classes; k++)
        largest = logits[k] > largest ? logits[k] : largest;
    double sum = 0;
    for (int32_t k = 0; k < classes; k++)
        sum += exp((double)logits[k] - (double)largest);
    for (int32_t k = 0; k < classes; k++)
        dst[k] = (float)(exp((double)logits[k] - (double)largest) / sum);
}

void nash_softmax(float *dst, const float *logits, int64_t n, int32_t classes)
{
    for (int64_t i = 0; i < n; i++)
        softmax_row(dst + i * classes, logits + i * classes, classes);
}
