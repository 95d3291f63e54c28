#ifndef NI_RNG_H
#define NI_RNG_H

#include <stdint.h>

/*
 * Counter-based random numbers (Philox4x32-10 of Random123).
 *
 * A stream is named by what it is for, never by when it is used: the seed and
 * a purpose with up to two indices. Equal names give equal numbers in any
 * order, thread or process.
 */

typedef enum ni_rng_purpose {
    NI_RNG_SPLIT = 1, /* train / validation split, hold-out */
    NI_RNG_ORDER,     /* data order of an epoch */
    NI_RNG_AUGMENT,   /* augmentation of one image in one epoch */
    NI_RNG_WEIGHTS,   /* a node's initial weights */
    NI_RNG_MORPH,     /* draws of a child's morphisms */
    NI_RNG_PROBE,     /* images that measure statistics and deviations */
    NI_RNG_TEST,      /* tests */
    NI_RNG_FOCUS      /* images of a pass */
} ni_rng_purpose;

typedef struct ni_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    uint32_t left; /* unused words in block */
} ni_rng;

/** The stream (seed, purpose, a, b), at its beginning. At most 2^32 blocks of
 * four words are in it. */
ni_rng ni_rng_make(uint64_t seed, ni_rng_purpose purpose, uint32_t a,
                   uint32_t b);

/** 32 uniform bits. */
uint32_t ni_rng_u32(ni_rng *rng);

/** 64 uniform bits. */
uint64_t ni_rng_u64(ni_rng *rng);

/** Uniform in [0, n), without bias; n >= 1. */
uint32_t ni_rng_below(ni_rng *rng, uint32_t n);

/** Uniform in [0, 1), 53 bits. */
double ni_rng_uniform(ni_rng *rng);

/** Standard normal; one word each, values exact to 1.2e-7 and below 6.34. */
double ni_rng_normal(ni_rng *rng);

/** @p n normal values with standard deviation @p std. */
void ni_rng_normals(ni_rng *rng, double std, float *out, int64_t n);

/** Fisher-Yates shuffle of @p n indices. */
void ni_rng_shuffle(ni_rng *rng, int32_t *items, int32_t n);

#endif
