/*
 * Choosing costs a partial sort per pass: a thousandth of the cheapest epoch.
 * Losses are those that training computes anyway, of augmented images and of
 * weights that have moved since; a loss of long ago tends to be large, so that
 * an image comes back sooner or later. What is seen is biased towards hard
 * images, and not weighted back, which would only make the steps noisier.
 */
#include "focus.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>

struct ni_focus {
    int32_t n;
    double share;
    float *losses;  /* owned, [n] */
    int32_t *order; /* owned, [n] */
};

nash_status ni_focus_create(ni_focus **out, int32_t n, double share)
{
    nash_status status = NASH_OK;
    ni_focus *f = NULL;
    NEW(f);
    f->n = n;
    f->share = share;
    NEW_ARRAY(f->losses, n);
    NEW_ARRAY(f->order, n);
    for (int32_t i = 0; i < n; i++)
        f->losses[i] = INFINITY;
    *out = f;
    f = NULL;
done:
    ni_focus_free(f);
    return status;
}

void ni_focus_free(ni_focus *f)
{
    if (!f)
        return;
    ni_free(f->order);
    ni_free(f->losses);
    ni_free(f);
}

size_t ni_focus_bytes(int32_t n)
{
    return sizeof(ni_focus) + (size_t)n * (sizeof(float) + sizeof(int32_t));
}

int64_t ni_focus_steps(const ni_focus *f, int64_t per_epoch)
{
    int64_t steps = llround(f->share * (double)per_epoch);
    return steps < 1 ? 1 : steps;
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Bring the @p count places of the largest losses to the front, by Hoare's
 * selection. */
static void bring_forward(int32_t *order, int32_t n, int32_t count,
                          const float *losses)
{
    int32_t low = 0, high = n - 1;
    while (low < high) {
        float pivot = losses[order[low + (high - low) / 2]];
        int32_t i = low, j = high;
        while (i <= j) {
            while (losses[order[i]] > pivot)
                i++;
            while (losses[order[j]] < pivot)
                j--;
            if (i <= j)
                swap(&order[i++], &order[j--]);
        }
        if (count <= j)
            high = j;
        else if (count >= i)
            low = i;
        else
            return;
    }
}

/* Of the room for so many, what goes to the largest losses: all until every
 * image can have been seen; then so much that any other image is visited with
 * half the chance that it would have without a choice. */
static int32_t room_for_hard(const ni_focus *f, int32_t visits,
                             const nash_batch_key *key)
{
    if ((int64_t)key->epoch * visits < f->n)
        return visits;
    double chance = 0.5 * visits / f->n;
    return (int32_t)((visits - chance * f->n) / (1.0 - chance));
}

void ni_focus_choose(ni_focus *f, int32_t visits, const nash_batch_key *key)
{
    ni_rng rng = ni_rng_make(key->seed, NI_RNG_FOCUS, key->step, key->epoch);
    int32_t hard = room_for_hard(f, visits, key);
    for (int32_t i = 0; i < f->n; i++)
        f->order[i] = i;
    ni_rng_shuffle(&rng, f->order, f->n); /* among equals, any */
    bring_forward(f->order, f->n, hard, f->losses);
    ni_rng_shuffle(&rng, f->order + hard, f->n - hard);
    ni_rng_shuffle(&rng, f->order, visits);
}

int32_t *ni_focus_order(ni_focus *f)
{
    return f->order;
}

void ni_focus_saw(ni_focus *f, const int32_t *places, const float *losses,
                  int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        f->losses[places[i]] = losses[i];
}

float *ni_focus_losses(ni_focus *f)
{
    return f->losses;
}
