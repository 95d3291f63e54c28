#ifndef NI_ONEDNN_KERNELS_COMMON_H
#define NI_ONEDNN_KERNELS_COMMON_H

/*
 * What the kernels are made of. A vector holds the channels of one block at
 * one pixel, in float32; it is loaded from and rounded to the stored type. The
 * type of elements becomes a constant once a row function is inlined into the
 * branch that knows it (BY_TYPE).
 */

#include "kernels.h"

#include <string.h>

#define NI_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
enum { NI_LANES = 16 };
#else
enum { NI_LANES = 8 };
#endif

/* Elements per piece of work where no layout matters. */
enum { NI_CHUNK = 8192 };

typedef float ni_v __attribute__((vector_size(4 * NI_LANES)));
typedef int32_t ni_vi __attribute__((vector_size(4 * NI_LANES)));
typedef uint32_t ni_vu __attribute__((vector_size(4 * NI_LANES)));
typedef uint16_t ni_vh __attribute__((vector_size(2 * NI_LANES)));
typedef uint8_t ni_vb __attribute__((vector_size(NI_LANES)));
typedef double ni_vd __attribute__((vector_size(8 * NI_LANES)));

/* ---- one element ------------------------------------------------------ */

NI_INLINE float ni_from_bf16(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Round to nearest even; a NaN stays one. */
NI_INLINE uint16_t ni_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
    uint32_t nan = (bits >> 16) | 0x40U;
    return (uint16_t)((bits & 0x7fffffffU) > 0x7f800000U ? nan : rounded);
}

NI_INLINE float ni_load(const void *data, int64_t i, bool bf16)
{
    return bf16 ? ni_from_bf16(((const uint16_t *)data)[i])
                : ((const float *)data)[i];
}

NI_INLINE void ni_store(void *data, int64_t i, float value, bool bf16)
{
    if (bf16)
        ((uint16_t *)data)[i] = ni_to_bf16(value);
    else
        ((float *)data)[i] = value;
}

/* A pointer to element i. */
NI_INLINE void *ni_at(void *data, int64_t i, bool bf16)
{
    return (char *)data + i * (bf16 ? 2 : 4);
}

NI_INLINE const void *ni_at_const(const void *data, int64_t i, bool bf16)
{
    return (const char *)data + i * (bf16 ? 2 : 4);
}

/* ---- one vector; i counts vectors ------------------------------------- */

NI_INLINE ni_v ni_vload(const void *data, int64_t i, bool bf16)
{
    ni_v x;
    if (bf16) {
        ni_vh half;
        memcpy(&half, (const uint16_t *)data + i * NI_LANES, sizeof half);
        return (ni_v)(__builtin_convertvector(half, ni_vu) << 16);
    }
    memcpy(&x, (const float *)data + i * NI_LANES, sizeof x);
    return x;
}

NI_INLINE void ni_vstore(void *data, int64_t i, ni_v x, bool bf16)
{
    if (bf16) {
        ni_vu bits = (ni_vu)x;
        ni_vu rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
        ni_vu nan = (bits >> 16) | 0x40U, is_nan = (ni_vu)(x != x);
        ni_vu all = (is_nan & nan) | (~is_nan & rounded);
        ni_vh half = __builtin_convertvector(all, ni_vh);
        memcpy((uint16_t *)data + i * NI_LANES, &half, sizeof half);
    } else {
        memcpy((float *)data + i * NI_LANES, &x, sizeof x);
    }
}

/* Vector i of a float32 array, widened. */
NI_INLINE ni_vd ni_vload_wide(const float *data, int64_t i)
{
    return __builtin_convertvector(ni_vload(data, i, false), ni_vd);
}

/* The first n of a plain array, zero beyond. */
NI_INLINE ni_v ni_vload_some(const float *data, int32_t n)
{
    ni_v x = {0};
    if (n >= NI_LANES)
        memcpy(&x, data, sizeof x);
    else
        memcpy(&x, data, (size_t)n * sizeof *data);
    return x;
}

/* a where the mask is set, b elsewhere. */
NI_INLINE ni_v ni_pick(ni_vi mask, ni_v a, ni_v b)
{
    return (ni_v)((mask & (ni_vi)a) | (~mask & (ni_vi)b));
}

/* x where the mask is set, else 0. */
NI_INLINE ni_v ni_keep(ni_vi mask, ni_v x)
{
    return (ni_v)(mask & (ni_vi)x);
}

/* ---- rows ------------------------------------------------------------- */

/* A row is one block of channels of one image; these count in vectors. */
NI_INLINE int64_t ni_pixels(const ni_layout *layout)
{
    return (int64_t)layout->h * layout->w;
}

NI_INLINE int64_t ni_rows(const ni_layout *layout)
{
    return (int64_t)layout->n * ((layout->c + NI_LANES - 1) / NI_LANES);
}

NI_INLINE int32_t ni_block_of(const ni_layout *layout, int64_t row)
{
    return (int32_t)(row % ((layout->c + NI_LANES - 1) / NI_LANES));
}

NI_INLINE void *ni_row(void *data, const ni_layout *layout, int64_t row)
{
    return ni_at(data, row * ni_pixels(layout) * NI_LANES, layout->bf16);
}

NI_INLINE const void *ni_row_const(const void *data, const ni_layout *layout,
                                   int64_t row)
{
    return ni_at_const(data, row * ni_pixels(layout) * NI_LANES, layout->bf16);
}

/* call(..., bf16) with bf16 a constant */
#define BY_TYPE(is_bf16, call, ...)                                            \
    do {                                                                       \
        if (is_bf16)                                                           \
            call(__VA_ARGS__, true);                                           \
        else                                                                   \
            call(__VA_ARGS__, false);                                          \
    } while (0)

/* call(..., flag, bf16) with both of them constants */
#define BY_FLAG(flag, is_bf16, call, ...)                                      \
    do {                                                                       \
        if (flag)                                                              \
            BY_TYPE(is_bf16, call, __VA_ARGS__, true);                         \
        else                                                                   \
            BY_TYPE(is_bf16, call, __VA_ARGS__, false);                        \
    } while (0)

#endif
