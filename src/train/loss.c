/*
 * Softmax cross-entropy, in double and in a fixed order: its cost is nothing
 * beside one convolution, and its bits decide which child wins.
 */
#include "loss.h"

#include <math.h>

int32_t ni_argmax(const float *values, int32_t k)
{
    int32_t best = 0;
    for (int32_t i = 1; i < k; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* -sum target log p, with log p = logit - peak - log(sum of exp) */
static double one_image(float *d, const float *logits, int32_t label,
                        int32_t classes, double smoothing, double share)
{
    double peak = (double)logits[ni_argmax(logits, classes)];
    double sum = 0.0, mean = 0.0;
    for (int32_t k = 0; k < classes; k++) {
        double z = (double)logits[k] - peak;
        sum += exp(z);
        mean += z / classes;
    }
    for (int32_t k = 0; k < classes; k++) {
        double p = exp((double)logits[k] - peak) / sum;
        double target = smoothing / classes + (k == label) * (1.0 - smoothing);
        d[k] = (float)((p - target) * share);
    }
    double own = (double)logits[label] - peak;
    return log(sum) - (1.0 - smoothing) * own - smoothing * mean;
}

ni_loss ni_softmax_loss(float *d_logits, const float *logits,
                        const int32_t *labels, int32_t n, int32_t classes,
                        double smoothing)
{
    ni_loss loss = {0};
    for (int64_t i = 0; i < n; i++) {
        const float *row = logits + i * classes;
        loss.sum += one_image(d_logits + i * classes, row, labels[i], classes,
                              smoothing, 1.0 / n);
        loss.wrong += ni_argmax(row, classes) != labels[i];
    }
    return loss;
}

void ni_entropies(float *each, const float *logits, const int32_t *labels,
                  int32_t n, int32_t classes)
{
    for (int32_t i = 0; i < n; i++, logits += classes) {
        double peak = (double)logits[ni_argmax(logits, classes)], sum = 0.0;
        for (int32_t k = 0; k < classes; k++)
            sum += exp((double)logits[k] - peak);
        each[i] = (float)(log(sum) - ((double)logits[labels[i]] - peak));
    }
}
