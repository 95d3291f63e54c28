/* A run's split of the training images, the same in every process. */
#include <nash/dist.h>

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* What equals an image on the first side goes there, if any is left then.
 * @param first  [*n_first], with room for [*n_second] more */
static nash_status join_repeated(int32_t *first, int32_t *n_first,
                                 int32_t *second, int32_t *n_second,
                                 const nash_images *images)
{
    nash_status status = NASH_OK;
    bool *repeated = NULL;
    int32_t left = 0, n = *n_second;
    NEW_ARRAY(repeated, n);
    TRY(nash_images_repeated(repeated, images, second, n, images, first,
                             *n_first));
    for (int32_t i = 0; i < n; i++)
        left += !repeated[i];
    if (left == 0 || left == n)
        goto done;
    *n_second = 0;
    for (int32_t i = 0; i < n; i++)
        if (repeated[i])
            first[(*n_first)++] = second[i];
        else
            second[(*n_second)++] = second[i];
    qsort(first, (size_t)*n_first, sizeof *first, ascending);
done:
    ni_free(repeated);
    return status;
}

/* Keep so many of some images, by class. */
static nash_status thin_out(int32_t *index, int32_t *n, int32_t most,
                            const nash_images *images, uint64_t seed)
{
    nash_status status = NASH_OK;
    int32_t *labels = NULL, *kept = NULL, *left = NULL;
    int32_t n_kept = most;
    if (*n <= most)
        goto done;
    NEW_ARRAY(labels, *n);
    NEW_ARRAY(kept, *n);
    NEW_ARRAY(left, *n);
    for (int32_t i = 0; i < *n; i++)
        labels[i] = images->labels[index[i]];
    TRY(nash_split(kept, &n_kept, left, labels, NULL, *n, images->classes,
                   seed));
    for (int32_t i = 0; i < n_kept; i++) /* ascending: none is overwritten */
        index[i] = index[kept[i]];
    *n = n_kept;
done:
    ni_free(left);
    ni_free(kept);
    ni_free(labels);
    return status;
}

nash_status nash_run_split(int32_t **train, int32_t *n_train, int32_t **val,
                           int32_t *n_val, const nash_images *images,
                           double val_share, int32_t most, uint64_t seed)
{
    nash_status status = NASH_OK;
    int32_t *first = NULL, *second = NULL;
    int32_t n_second = (int32_t)lround(val_share * images->n);
    int32_t n_first = images->n - n_second;
    REQUIRE(n_first > 0 && n_second > 0, NASH_EINVAL,
            "%g of %d images for validation leaves %d and %d, expected at "
            "least one of each",
            val_share, images->n, n_first, n_second);
    NEW_ARRAY(first, images->n);
    NEW_ARRAY(second, images->n);
    TRY(nash_split(first, &n_first, second, images->labels, NULL, images->n,
                   images->classes, seed));
    n_second = images->n - n_first;
    TRY(join_repeated(first, &n_first, second, &n_second, images));
    if (most > 0) {
        TRY(thin_out(first, &n_first, most, images, ~seed));
        TRY(thin_out(second, &n_second, most / 4 > 0 ? most / 4 : 1, images,
                     ~seed));
    }
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
