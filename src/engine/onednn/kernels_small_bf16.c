/*
 * The gradient of a 3x3 convolution's weights in bf16, of images of few pixels,
 * by the direct algorithm: for every tap a product of matrices over all pixels
 * that it reaches and all images, two at a time, in registers from beginning to
 * end. Taps beyond the border are left out: for images of 3x3 pixels 49 of 81
 * products are computed, by Winograd's tiles it would be 64. Costs a copy of
 * inputs and derivatives. Compiled as kernels_winograd_bf16.c, and refuses as
 * little.
 */
#include "winograd.h"

#if defined(__x86_64__)

#include "kernels_bf16.h"

enum {
    TAPS = 9,
    ROWS = 4 /* inputs computed together */
};

/* Pairs of images: inputs and derivatives as [C / 16][pixels][pairs][16][2]. */
typedef struct small {
    int32_t pairs, pixels;
    uint16_t *inputs, *outputs;
} small;

static void pair_images(uint16_t *to, const uint16_t *src, const ni_layout *l)
{
    const __m256i none = _mm256_setzero_si256();
    int32_t pixels = l->h * l->w, blocks = l->c / LANES;
    int64_t image = (int64_t)blocks * pixels * LANES;
    for (int32_t at = 0; at < blocks * pixels; at++)
        for (int32_t n = 0; n < l->n; n += 2, to += 2 * LANES) {
            const uint16_t *from = src + n * image + (int64_t)at * LANES;
            __m256i a = _mm256_loadu_si256((const void *)from);
            __m256i b = n + 1 < l->n
                            ? _mm256_loadu_si256((const void *)(from + image))
                            : none;
            store_joined(to, a, b);
        }
}

/* Sums of ROWS inputs and `blocks` blocks of outputs for one tap. */
NI_INLINE void sum_tap(vec sum[ROWS * GROUP], const small *s,
                       const ni_layout *l, int32_t input, int32_t block,
                       int blocks, int tap)
{
    int dy = tap / 3 - 1, dx = tap % 3 - 1;
    int64_t pixel = (int64_t)s->pairs * 2 * LANES;
    const uint16_t *x = s->inputs +
                        (int64_t)(input / LANES) * s->pixels * pixel +
                        input % LANES * 2;
    const uint16_t *y = s->outputs + (int64_t)block * s->pixels * pixel;
    for (int i = 0; i < ROWS * blocks; i++)
        sum[i] = _mm512_setzero_ps();
    for (int32_t at = 0; at < s->pixels; at++) {
        int32_t row = at / l->w + dy, column = at % l->w + dx;
        if (row < 0 || row >= l->h || column < 0 || column >= l->w)
            continue;
        const uint16_t *xs = x + (row * l->w + column) * pixel;
        const uint16_t *ys = y + at * pixel;
        for (int32_t k = 0; k < s->pairs; k++) {
            __m512bh w[GROUP];
            for (int b = 0; b < blocks; b++)
                w[b] = load_pairs(ys + b * s->pixels * pixel + k * 2 * LANES);
            for (int i = 0; i < ROWS; i++) {
                __m512bh spread = spread_pair(xs + (k * LANES + i) * 2);
                for (int b = 0; b < blocks; b++)
                    sum[i * blocks + b] =
                        _mm512_dpbf16_ps(sum[i * blocks + b], w[b], spread);
            }
        }
    }
}

/* 16 inputs by `blocks` blocks of outputs. */
NI_INLINE void small_block(const small *s, const ni_task *t, int32_t input,
                           int32_t block, int blocks)
{
    float sums[LANES][TAPS][GROUP * LANES];
    for (int32_t i = 0; i < LANES; i += ROWS)
        for (int tap = 0; tap < TAPS; tap++) {
            vec sum[ROWS * GROUP];
            sum_tap(sum, s, &t->src, input + i, block, blocks, tap);
            for (int r = 0; r < ROWS; r++)
                for (int b = 0; b < blocks; b++)
                    _mm512_storeu_ps(sums[i + r][tap] + b * LANES,
                                     sum[r * blocks + b]);
        }
    for (int o = 0; o < blocks * LANES; o++) {
        float *to = (float *)t->at[NI_D_WEIGHT] +
                    ((int64_t)(block * LANES + o) * t->src.c + input) * TAPS;
        for (int i = 0; i < LANES; i++)
            for (int k = 0; k < TAPS; k++)
                *to++ = sums[i][k][o];
    }
}

void ni_small_weights(const ni_task *t)
{
    int32_t all = t->dst.c / LANES;
    small s = {.pairs = (t->src.n + 1) / 2,
               .pixels = t->src.h * t->src.w,
               .inputs = t->at[NI_PARTIAL]};
    s.outputs = s.inputs + (int64_t)s.pixels * s.pairs * 2 * t->src.c;
    pair_images(s.inputs, t->at[NI_SRC], &t->src);
    pair_images(s.outputs, t->at[NI_D_DST], &t->dst);
    for (int32_t block = 0; block < all; block += GROUP)
        for (int32_t i = 0; i < t->src.c; i += LANES) {
            if (all - block >= 4)
                small_block(&s, t, i, block, 4);
            else if (all - block == 3)
                small_block(&s, t, i, block, 3);
            else if (all - block == 2)
                small_block(&s, t, i, block, 2);
            else
                small_block(&s, t, i, block, 1);
        }
}

size_t ni_small_weights_bytes(const ni_layout *src, const ni_layout *dst)
{
    size_t images = (size_t)(src->n + 1) / 2 * 2;
    size_t pixels = (size_t)src->h * (size_t)src->w;
    return images * pixels * (size_t)(src->c + dst->c) * sizeof(uint16_t);
}

#endif
