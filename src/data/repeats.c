/* Images that are the same as others, pixel by pixel: those of equal hash are
 * compared. */
#include <nash/dataset.h>

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct print {
    uint64_t hash;
    const uint8_t *pixels;
} print;

static print print_of(const nash_images *images, int32_t i, int64_t bytes)
{
    const uint8_t *pixels = images->pixels + i * bytes;
    return (print){ni_hash(pixels, (size_t)bytes, 0), pixels};
}

static int by_hash(const void *a, const void *b)
{
    const print *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* The first of prints [n], sorted, whose hash is not below this one. */
static int32_t find_first(const print *prints, int32_t n, uint64_t hash)
{
    int32_t low = 0, high = n;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (prints[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_among(const print *prints, int32_t n, const print *one,
                     size_t bytes)
{
    for (int32_t i = find_first(prints, n, one->hash);
         i < n && prints[i].hash == one->hash; i++)
        if (memcmp(prints[i].pixels, one->pixels, bytes) == 0)
            return true;
    return false;
}

nash_status nash_images_repeated(bool *repeated, const nash_images *images,
                                 const int32_t *index, int32_t n,
                                 const nash_images *others,
                                 const int32_t *other_index, int32_t n_others)
{
    nash_status status = NASH_OK;
    print *prints = NULL;
    const nash_shape a = images->shape, b = others->shape;
    const int64_t bytes = (int64_t)a.c * a.h * a.w;
    REQUIRE(a.c == b.c && a.h == b.h && a.w == b.w, NASH_EINVAL,
            "images of %dx%dx%d pixels cannot equal ones of %dx%dx%d", a.c, a.h,
            a.w, b.c, b.h, b.w);
    NEW_ARRAY(prints, n_others);
    for (int32_t k = 0; k < n_others; k++)
        prints[k] = print_of(others, other_index ? other_index[k] : k, bytes);
    qsort(prints, (size_t)n_others, sizeof *prints, by_hash);
    for (int32_t k = 0; k < n; k++) {
        print one = print_of(images, index ? index[k] : k, bytes);
        repeated[k] = is_among(prints, n_others, &one, (size_t)bytes);
    }
done:
    ni_free(prints);
    return status;
}
