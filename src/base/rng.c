/*
 * Random streams over Philox4x32-10. A stream costs nothing to make; a word
 * costs about a nanosecond. Not for secrets.
 */
#include "rng.h"

#include <math.h>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wundef"
#endif
#include <Random123/philox.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

ni_rng ni_rng_make(uint64_t seed, ni_rng_purpose purpose, uint32_t a,
                   uint32_t b)
{
    ni_rng rng = {
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)purpose, a, b},
    };
    return rng;
}

static void refill(ni_rng *rng)
{
    philox4x32_ctr_t counter = {
        {rng->counter[0], rng->counter[1], rng->counter[2], rng->counter[3]}};
    philox4x32_key_t key = {{rng->key[0], rng->key[1]}};
    philox4x32_ctr_t out = philox4x32(counter, key);
    for (int i = 0; i < 4; i++)
        rng->block[i] = out.v[i];
    rng->counter[0]++;
    rng->left = 4;
}

uint32_t ni_rng_u32(ni_rng *rng)
{
    if (rng->left == 0)
        refill(rng);
    return rng->block[4 - rng->left--];
}

uint64_t ni_rng_u64(ni_rng *rng)
{
    uint64_t high = ni_rng_u32(rng);
    return high << 32 | ni_rng_u32(rng);
}

uint32_t ni_rng_below(ni_rng *rng, uint32_t n)
{
    /* Lemire: multiply, reject the few products that would bias. */
    uint64_t product = (uint64_t)ni_rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)-n % n;
        while ((uint32_t)product < threshold)
            product = (uint64_t)ni_rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

double ni_rng_uniform(ni_rng *rng)
{
    return (double)(ni_rng_u64(rng) >> 11) * 0x1p-53;
}

/* c[0] + c[1] x + c[2] x^2 + c[3] x^3 */
static double cubic(const double c[4], double x)
{
    return ((c[3] * x + c[2]) * x + c[1]) * x + c[0];
}

/* The inverse of the normal distribution function at the middle of one of 2^32
 * equal intervals: Wichura, algorithm AS 241 (PPND7), 1988. */
double ni_rng_normal(ni_rng *rng)
{
    static const double near[4] = {3.3871327179, 50.434271938, 159.29113202,
                                   59.109374720};
    static const double near_by[4] = {1.0, 17.895169469, 78.757757664,
                                      67.187563600};
    static const double tail[4] = {1.4234372777, 2.7568153900, 1.3067284816,
                                   0.17023821103};
    static const double tail_by[4] = {1.0, 0.73700164250, 0.12021132975, 0.0};
    double q = ((double)ni_rng_u32(rng) + 0.5) * 0x1p-32 - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * cubic(near, r) / cubic(near_by, r);
    }
    double r = sqrt(-log(0.5 - fabs(q))) - 1.6;
    return copysign(cubic(tail, r) / cubic(tail_by, r), q);
}

void ni_rng_normals(ni_rng *rng, double std, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(std * ni_rng_normal(rng));
}

void ni_rng_shuffle(ni_rng *rng, int32_t *items, int32_t n)
{
    for (int32_t i = n - 1; i > 0; i--) {
        uint32_t j = ni_rng_below(rng, (uint32_t)i + 1);
        int32_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}
