#ifndef NI_ONEDNN_KERNELS_COMMON_H
#define NI_ONEDNN_KERNELS_COMMON_H

/*
 * What the kernels are made of. Loops over lanes have a constant length and
 * the element type is a constant too, once a row function is inlined into the
 * branch that knows them (BY_TYPE, BY_LAYOUT): the compiler makes vector code
 * of them. The branch stands inside the parallel loop, because OpenMP's
 * outlining loses constants from outside.
 */

#include "kernels.h"

#include <string.h>

#define NI_INLINE static inline __attribute__((always_inline))

/* Elements per piece of work where no layout matters. */
enum { NI_CHUNK = 8192, NI_MAX_LANES = 16 };

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

/* call(..., bf16) with bf16 a constant */
#define BY_TYPE(is_bf16, call, ...)                                            \
    do {                                                                       \
        if (is_bf16)                                                           \
            call(__VA_ARGS__, true);                                           \
        else                                                                   \
            call(__VA_ARGS__, false);                                          \
    } while (0)

/* call(..., lanes, bf16) with both of them constants */
#define BY_LAYOUT(layout, call, ...)                                           \
    do {                                                                       \
        if ((layout)->lanes == 16)                                             \
            BY_TYPE((layout)->bf16, call, __VA_ARGS__, 16);                    \
        else if ((layout)->lanes == 8)                                         \
            BY_TYPE((layout)->bf16, call, __VA_ARGS__, 8);                     \
        else                                                                   \
            BY_TYPE((layout)->bf16, call, __VA_ARGS__, 1);                     \
    } while (0)

#endif
