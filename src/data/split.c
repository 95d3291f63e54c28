/*
 * Stratified splits. Every class gives its exact share rounded down, and the
 * classes with the largest remainders one more until the sum is right; which
 * images is drawn per class, so that one class's size does not move another's
 * draw; or given by a rank, so that another image moves one of a class at most.
 */
#include "reader.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdlib.h>

/* A class's members and how many of them go to the first side. */
typedef struct stratum {
    int32_t label, n, quota, start;
    int64_t remainder; /* of n * n_first / total, in 1/total */
} stratum;

static int by_remainder(const void *a, const void *b)
{
    const stratum *x = a, *y = b;
    if (x->remainder != y->remainder)
        return x->remainder < y->remainder ? 1 : -1;
    return (x->label > y->label) - (x->label < y->label);
}

static int by_label(const void *a, const void *b)
{
    const stratum *x = a, *y = b;
    return (x->label > y->label) - (x->label < y->label);
}

static void set_quotas(stratum *strata, int32_t classes, int32_t n_first,
                       int32_t total)
{
    int32_t left = n_first;
    for (int32_t k = 0; k < classes; k++) {
        int64_t share = (int64_t)strata[k].n * n_first;
        strata[k].quota = (int32_t)(share / total);
        strata[k].remainder = share % total;
        left -= strata[k].quota;
    }
    qsort(strata, (size_t)classes, sizeof *strata, by_remainder);
    for (int32_t k = 0; k < left; k++)
        strata[k].quota++;
    qsort(strata, (size_t)classes, sizeof *strata, by_label);
}

/* Small classes: one image at least on either side, a lone one on the first,
 * unless all are lone. @return what the first side gets */
static int32_t spread_quotas(stratum *strata, int32_t classes)
{
    int32_t sum = 0;
    bool lone = true;
    for (int32_t k = 0; k < classes; k++)
        lone &= strata[k].n < 2;
    for (int32_t k = 0; k < classes; k++) {
        stratum *s = &strata[k];
        if (s->quota == s->n && s->n > 1)
            s->quota--;
        if (s->quota == 0 && s->n > 0 && !lone)
            s->quota = 1;
        sum += s->quota;
    }
    return sum;
}

/* Mark the images that go to the first side: the first of a class's members,
 * which are shuffled before unless they stand by their keys. */
static void draw(bool *chosen, int32_t *members, const stratum *s,
                 uint64_t seed, bool ranked)
{
    ni_rng rng = ni_rng_make(seed, NI_RNG_SPLIT, (uint32_t)s->label, 0);
    if (!ranked)
        ni_rng_shuffle(&rng, members + s->start, s->n);
    for (int32_t i = 0; i < s->quota; i++)
        chosen[members[s->start + i]] = true;
}

/* An image and what it is ranked by. */
typedef struct keyed {
    uint64_t key;
    int32_t i;
} keyed;

static int by_key(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static nash_status count_labels(stratum *strata, const int32_t *labels,
                                int32_t n, int32_t classes)
{
    nash_status status = NASH_OK;
    for (int32_t i = 0; i < n; i++) {
        REQUIRE(labels[i] >= 0 && labels[i] < classes, NASH_EINVAL,
                "image %d has label %d, expected 0 .. %d", i, labels[i],
                classes - 1);
        strata[labels[i]].n++;
    }
    for (int32_t k = 0, start = 0; k < classes; k++) {
        strata[k].label = k;
        strata[k].start = start;
        start += strata[k].n;
    }
done:
    return status;
}

/* What is split. */
typedef struct population {
    const int32_t *labels; /* [n] */
    const uint64_t *keys;  /* [n] to rank by; NULL: drawn by the seed */
    int32_t n, classes;
    uint64_t seed;
} population;

/* The images class by class, within a class by their keys or as they come. */
static nash_status group(int32_t *members, const stratum *strata,
                         const population *p)
{
    nash_status status = NASH_OK;
    keyed *order = NULL;
    int32_t *filled = NULL;
    NEW_ARRAY(order, p->n);
    NEW_ARRAY(filled, p->classes);
    for (int32_t i = 0; i < p->n; i++)
        order[i] = (keyed){p->keys ? p->keys[i] : 0, i};
    if (p->keys)
        qsort(order, (size_t)p->n, sizeof *order, by_key);
    for (int32_t k = 0; k < p->n; k++) {
        int32_t label = p->labels[order[k].i];
        members[strata[label].start + filled[label]++] = order[k].i;
    }
done:
    ni_free(filled);
    ni_free(order);
    return status;
}

static nash_status split(int32_t *first, int32_t *n_first, int32_t *second,
                         const population *p)
{
    nash_status status = NASH_OK;
    stratum *strata = NULL;
    int32_t *members = NULL;
    bool *chosen = NULL;
    REQUIRE(p->n >= 1 && p->classes >= 1 && *n_first >= 0 && *n_first <= p->n,
            NASH_EINVAL,
            "a split of %d images of %d classes with %d on one side", p->n,
            p->classes, *n_first);
    NEW_ARRAY(strata, p->classes);
    NEW_ARRAY(members, p->n);
    NEW_ARRAY(chosen, p->n);
    TRY(count_labels(strata, p->labels, p->n, p->classes));
    TRY(group(members, strata, p));
    set_quotas(strata, p->classes, *n_first, p->n);
    *n_first = spread_quotas(strata, p->classes);
    for (int32_t k = 0; k < p->classes; k++)
        draw(chosen, members, &strata[k], p->seed, p->keys != NULL);
    for (int32_t i = 0; i < p->n; i++)
        *(chosen[i] ? first++ : second++) = i;
done:
    ni_free(strata);
    ni_free(members);
    ni_free(chosen);
    return status;
}

nash_status nash_split(int32_t *first, int32_t *n_first, int32_t *second,
                       const int32_t *labels, const uint64_t *keys, int32_t n,
                       int32_t classes, uint64_t seed)
{
    const population p = {labels, keys, n, classes, seed};
    return split(first, n_first, second, &p);
}
