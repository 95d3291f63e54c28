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

/* Whole blocks of four words, which the compiler computes side by side. */
static void make_blocks(ni_rng *rng, uint32_t *words, int n)
{
    const ni_rng at = *rng; /* which the words do not overwrite */
    const philox4x32_key_t key = {{at.key[0], at.key[1]}};
    for (int i = 0; i < n; i++) {
        philox4x32_ctr_t counter = {{at.counter[0] + (uint32_t)i, at.counter[1],
                                     at.counter[2], at.counter[3]}};
        philox4x32_ctr_t out = philox4x32(counter, key);
        for (int w = 0; w < 4; w++)
            words[4 * i + w] = out.v[w];
    }
    rng->counter[0] = at.counter[0] + (uint32_t)n;
}

uint32_t ni_rng_u32(ni_rng *rng)
{
    if (rng->left == 0) {
        make_blocks(rng, rng->block, 1);
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

/* As many calls of ni_rng_u32(). */
static void make_words(ni_rng *rng, uint32_t *words, int n)
{
    int done = 0;
    while (done < n && rng->left > 0)
        words[done++] = ni_rng_u32(rng);
    int blocks = (n - done) / 4;
    make_blocks(rng, words + done, blocks);
    for (done += 4 * blocks; done < n; done++)
        words[done] = ni_rng_u32(rng);
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
 * equal intervals: Wichura, algorithm AS 241 (PPND7), 1988. In two parts: one
 * within 0.425 of the median, which vectors compute, and one for the tails. */
static const double median_part = 0.425;

static double from_median(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32 - 0.5;
}

static double normal_near(double q)
{
    static const double over[4] = {3.3871327179, 50.434271938, 159.29113202,
                                   59.109374720};
    static const double under[4] = {1.0, 17.895169469, 78.757757664,
                                    67.187563600};
    double r = 0.180625 - q * q;
    return q * cubic(over, r) / cubic(under, r);
}

static double normal_in_tail(double q)
{
    static const double over[4] = {1.4234372777, 2.7568153900, 1.3067284816,
                                   0.17023821103};
    static const double under[4] = {1.0, 0.73700164250, 0.12021132975, 0.0};
    double r = sqrt(-log(0.5 - fabs(q))) - 1.6;
    return copysign(cubic(over, r) / cubic(under, r), q);
}

double ni_rng_normal(ni_rng *rng)
{
    double q = from_median(ni_rng_u32(rng));
    return fabs(q) <= median_part ? normal_near(q) : normal_in_tail(q);
}

/* As ni_rng_normal() draws them, but in loops without branches. */
void ni_rng_normals(ni_rng *rng, double std, float *out, int64_t n)
{
    enum { CHUNK = UINT8_MAX + 1 };
    uint32_t words[CHUNK];
    double q[CHUNK], z[CHUNK];
    uint8_t tails[CHUNK]; /* where they are */
    for (int64_t done = 0; done < n; done += CHUNK) {
        int count = n - done < CHUNK ? (int)(n - done) : CHUNK;
        make_words(rng, words, count);
        for (int i = 0; i < count; i++)
            q[i] = from_median(words[i]);
        for (int i = 0; i < count; i++)
            z[i] = normal_near(q[i]);
        int n_tails = 0;
        for (int i = 0; i < count; i++) {
            tails[n_tails] = (uint8_t)i;
            n_tails += fabs(q[i]) > median_part;
        }
        for (int i = 0; i < n_tails; i++)
            z[tails[i]] = normal_in_tail(q[tails[i]]);
        for (int i = 0; i < count; i++)
            out[done + i] = (float)(std * z[i]);
    }
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
