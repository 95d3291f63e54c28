/*
 * Scores of probabilities: sums in double in image order, so that equal
 * probabilities give equal bits. Allocates nothing: classes are counted one
 * after the other, which is cheap as only labels are looked at.
 */
#include "loss.h"

#include <nash/train.h>

#include <float.h>
#include <math.h>

static bool is_wrong(const float *row, int32_t label, int32_t classes)
{
    return ni_argmax(row, classes) != label || isnan(row[label]);
}

/* Share of class k's images that are wrong; NaN if it has none. */
static double error_of_class(const float *probabilities, const int32_t *labels,
                             int32_t n, int32_t classes, int32_t k)
{
    int32_t seen = 0, wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        if (labels[i] != k)
            continue;
        seen++;
        wrong += is_wrong(probabilities + i * classes, k, classes);
    }
    return seen ? (double)wrong / seen : (double)NAN;
}

static double loss_of(float probability)
{
    return -log(probability < FLT_MIN ? (double)FLT_MIN : (double)probability);
}

void nash_score_of(nash_score *out, double *class_error,
                   const float *probabilities, const int32_t *labels, int32_t n,
                   int32_t classes)
{
    double loss = 0.0, balanced = 0.0;
    int32_t wrong = 0, present = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = probabilities + i * classes;
        loss += loss_of(row[labels[i]]);
        wrong += is_wrong(row, labels[i], classes);
    }
    for (int32_t k = 0; k < classes; k++) {
        double error = error_of_class(probabilities, labels, n, classes, k);
        if (class_error)
            class_error[k] = error;
        if (isnan(error))
            continue;
        balanced += error;
        present++;
    }
    *out = (nash_score){.loss = loss / n,
                        .error = (double)wrong / n,
                        .balanced_error = balanced / present,
                        .images = n};
}
