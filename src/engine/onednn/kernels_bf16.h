#ifndef NI_ONEDNN_KERNELS_BF16_H
#define NI_ONEDNN_KERNELS_BF16_H

/*
 * What kernels of AVX-512 with bf16 are made of: vectors of the 16 channels of
 * a block in float32, and of 16 pairs in bf16, whose products each lane adds
 * up. Included only where the flags for that chip are set.
 */

#include "kernels_common.h"

#include <immintrin.h>

enum {
    LANES = NI_LANES,
    GROUP = 4 /* blocks of outputs computed together, at most */
};

typedef __m512 vec;

NI_INLINE vec load(const uint16_t *p)
{
    __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

NI_INLINE __m256i narrow(vec x)
{
    return (__m256i)_mm512_cvtneps_pbh(x);
}

NI_INLINE void store(uint16_t *p, vec x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, narrow(x));
}

/* Lane by lane (a, b) as a pair, of bf16 and of float32. */
NI_INLINE void store_joined(uint16_t *p, __m256i a, __m256i b)
{
    __m512i low = _mm512_cvtepu16_epi32(a);
    __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16);
    _mm512_storeu_si512(p, _mm512_or_si512(low, high));
}

NI_INLINE void store_pair(uint16_t *p, vec a, vec b)
{
    store_joined(p, narrow(a), narrow(b));
}

NI_INLINE __m512bh load_pairs(const uint16_t *p)
{
    return (__m512bh)_mm512_loadu_si512(p);
}

/* The pair at p in every lane. */
NI_INLINE __m512bh spread_pair(const uint16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/** The weights' gradient of 3x3 convolutions over small images, and the bytes
 * of its PARTIAL; see ni_winograd. */
void ni_small_weights(const ni_task *t);
size_t ni_small_weights_bytes(const ni_layout *src, const ni_layout *dst);

#endif
