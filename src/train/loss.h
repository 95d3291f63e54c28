#ifndef NI_TRAIN_LOSS_H
#define NI_TRAIN_LOSS_H

#include <stdint.h>

/* What a batch gave, summed over its images. */
typedef struct ni_loss {
    double sum;    /* of cross-entropies; not finite if a logit is not */
    int32_t wrong; /* images whose largest logit is not their label's */
} ni_loss;

/**
 * Cross-entropy of softmax(logits) with smoothed labels, averaged over the
 * batch, and its derivative.
 *
 *     target = (1 - smoothing) [k == label] + smoothing / K
 *     d_logits = (softmax(logits) - target) / n
 *
 * @param d_logits  receives [n,K]
 * @param logits    [n,K]
 * @param labels    [n] in 0 .. K-1
 */
ni_loss ni_softmax_loss(float *d_logits, const float *logits,
                        const int32_t *labels, int32_t n, int32_t classes,
                        double smoothing);

/** Cross-entropies of [n] images without smoothing. @param each  receives [n]
 */
void ni_entropies(float *each, const float *logits, const int32_t *labels,
                  int32_t n, int32_t classes);

/** The position of the largest of @p k values, the first of equals. */
int32_t ni_argmax(const float *values, int32_t k);

#endif
