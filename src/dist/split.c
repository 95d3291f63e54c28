/* A run's split of the training images, the same in every process. */
#include <nash/dist.h>

#include "base/memory.h"

#include <math.h>

nash_status nash_run_split(int32_t **train, int32_t *n_train, int32_t **val,
                           int32_t *n_val, const nash_images *images,
                           double val_share, uint64_t seed)
{
    nash_status status = NASH_OK;
    int32_t *first = NULL, *second = NULL;
    int32_t n_second = (int32_t)lround(val_share * images->n);
    int32_t n_first = images->n - n_second;
    REQUIRE(n_first > 0 && n_second > 0, NASH_EINVAL,
            "%g of %d images for validation leaves %d and %d, expected at "
            "least one of each",
            val_share, images->n, n_first, n_second);
    NEW_ARRAY(first, n_first);
    NEW_ARRAY(second, n_second);
    TRY(nash_split(first, n_first, second, images->labels, images->n,
                   images->classes, seed));
    *train = first;
    *val = second;
    *n_train = n_first;
    *n_val = n_second;
    first = second = NULL;
done:
    ni_free(second);
    ni_free(first);
    return status;
}

void nash_split_free(int32_t *index)
{
    ni_free(index);
}
