/*
 * Choosing costs a shuffle and two partial sorts of all places, which a pass
 * has to wait for: next to nothing but for passes of a step or two. Losses are
 * those that training computes anyway, of augmented images and of weights that
 * have moved since. What is seen is biased towards hard images, and not
 * weighted back (docs/research.md).
 */
#include "focus.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

struct ni_focus {
    const int32_t *labels; /* of all images */
    const int32_t *index;  /* [n] */
    int32_t n, classes;
    double share;
    int32_t *seen, *missed; /* owned, [classes]: scratch */
    float *losses;          /* owned, [n] */
    float *ages;    /* owned, [n]: -1 minus the epoch of the last visit; 0: none
                       yet. Exact for 2^24 epochs */
    int32_t *order; /* owned, [n] */
};

nash_status ni_focus_create(ni_focus **out, const nash_images *images,
                            const int32_t *index, int32_t n, double share)
{
    nash_status status = NASH_OK;
    ni_focus *f = NULL;
    NEW(f);
    f->labels = images->labels;
    f->index = index;
    f->n = n;
    f->classes = images->classes;
    f->share = share;
    NEW_ARRAY(f->seen, f->classes);
    NEW_ARRAY(f->missed, f->classes);
    NEW_ARRAY(f->losses, n);
    NEW_ARRAY(f->ages, n);
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
    ni_free(f->ages);
    ni_free(f->losses);
    ni_free(f->missed);
    ni_free(f->seen);
    ni_free(f);
}

size_t ni_focus_bytes(int32_t n, int32_t classes)
{
    return sizeof(ni_focus) +
           (size_t)n * (2 * sizeof(float) + sizeof(int32_t)) +
           2 * (size_t)classes * sizeof(int32_t);
}

int64_t ni_focus_steps(const ni_focus *f, int64_t per_epoch)
{
    int64_t steps = llround(f->share * (double)per_epoch);
    return steps < 1 ? 1 : steps;
}

uint32_t ni_focus_epoch(int64_t pass, int64_t per_pass, int64_t per_epoch)
{
    int64_t turn = (per_epoch + per_pass / 2) / per_pass; /* passes */
    return (uint32_t)(turn % 2 ? pass : pass + pass / turn);
}

static void swap(int32_t *a, int32_t *b)
{
    int32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Bring the @p count places of the largest values to the front, by Hoare's
 * selection. */
static void bring_forward(int32_t *order, int32_t n, int32_t count,
                          const float *values)
{
    int32_t low = 0, high = n - 1;
    while (low < high) {
        float pivot = values[order[low + (high - low) / 2]];
        int32_t i = low, j = high;
        while (i <= j) {
            while (values[order[i]] > pivot)
                i++;
            while (values[order[j]] < pivot)
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

/* The mean over the classes: of one that most images belong to, most are
 * learned by saying nothing else. */
static double share_not_learned(const ni_focus *f)
{
    const float even = 0.693F; /* as likely wrong as right */
    double sum = 0.0;
    int32_t classes = 0;
    memset(f->seen, 0, (size_t)f->classes * sizeof *f->seen);
    memset(f->missed, 0, (size_t)f->classes * sizeof *f->missed);
    for (int32_t i = 0; i < f->n; i++) {
        int32_t k = f->labels[f->index[i]];
        f->seen[k]++;
        f->missed[k] += f->losses[i] > even;
    }
    for (int32_t k = 0; k < f->classes; k++) {
        sum += f->seen[k] ? (double)f->missed[k] / f->seen[k] : 0.0;
        classes += f->seen[k] > 0;
    }
    return sum / classes;
}

/* Of the room for so many, what goes to the largest losses: so much that any
 * other image is visited with half the chance that it would have without a
 * choice. Nothing as long as many are not learned: there is enough to learn
 * from all, and where many labels are wrong it stays so. */
static int32_t room_for_hard(const ni_focus *f, int32_t visits)
{
    static const double many = 0.1;
    if (share_not_learned(f) > many)
        return 0;
    double chance = 0.5 * visits / f->n;
    return (int32_t)((visits - chance * f->n) / (1.0 - chance));
}

void ni_focus_choose(ni_focus *f, int32_t visits, const nash_batch_key *key)
{
    ni_rng rng = ni_rng_make(key->seed, NI_RNG_FOCUS, key->step, key->epoch);
    int32_t hard = room_for_hard(f, visits);
    for (int32_t i = 0; i < f->n; i++)
        f->order[i] = i;
    ni_rng_shuffle(&rng, f->order, f->n); /* among equals, any */
    if (hard > 0) /* or all that learn these images see the same ones */
        bring_forward(f->order, f->n, hard, f->losses);
    bring_forward(f->order + hard, f->n - hard, visits - hard, f->ages);
    ni_rng_shuffle(&rng, f->order, visits);
    for (int32_t i = 0; i < visits; i++)
        f->ages[f->order[i]] = -1.0F - (float)key->epoch;
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

float *ni_focus_ages(ni_focus *f)
{
    return f->ages;
}
