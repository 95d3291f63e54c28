/*
 * Normalisation of the input, batch normalisation, ReLU. A row is one block of
 * channels of one image: h * w pixels of `lanes` values, which stay in the
 * first two levels of cache while they are read twice.
 *
 * Batch statistics: mean and sum of squared deviations per row in float32
 * (two passes over the row), merged over the images in double, always in the
 * same order.
 */
#include <math.h>

NI_INLINE void normalize_row(void *dst, const float *src, float *const mul[2],
                             int64_t pixels, int32_t real, int32_t lanes,
                             bool bf16)
{
    for (int32_t l = 0; l < lanes; l++) {
        float center = l < real ? mul[0][l] : 0.0F;
        float scale = l < real ? mul[1][l] : 1.0F;
        for (int64_t i = 0; i < pixels; i++) {
            float x = l < real ? (src[l * pixels + i] - center) / scale : 0.0F;
            ni_store(dst, i * lanes + l, x, bf16);
        }
    }
}

static void normalize(const ni_task *t)
{
    const ni_layout *d = &t->dst;
    const float *src = t->at[NI_SRC];
    float *center = t->at[NI_WEIGHT], *scale = t->at[NI_BIAS];
    int32_t blocks = ni_layout_blocks(d);
    int64_t pixels = (int64_t)d->h * d->w, rows = (int64_t)d->n * blocks;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int32_t c = (int32_t)(row % blocks) * d->lanes;
        int32_t real = d->c - c < d->lanes ? d->c - c : d->lanes;
        float *const constants[2] = {center + c, scale + c};
        const float *image = src + (row / blocks * d->c + c) * pixels;
        void *out = ni_at(t->at[NI_DST], row * pixels * d->lanes, d->bf16);
        BY_LAYOUT(d, normalize_row, out, image, constants, pixels, real);
    }
}

NI_INLINE void normalize_backward_row(void *d_src, const void *d_dst,
                                      const float *scale, int64_t pixels,
                                      bool add_up, int32_t lanes, bool bf16)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++) {
            int64_t at = i * lanes + l;
            float dx = ni_load(d_dst, at, bf16) / scale[l];
            if (add_up)
                dx += ni_load(d_src, at, bf16);
            ni_store(d_src, at, dx, bf16);
        }
}

static void normalize_backward(const ni_task *t)
{
    const ni_layout *s = &t->src;
    int32_t blocks = ni_layout_blocks(s);
    int64_t pixels = (int64_t)s->h * s->w, rows = (int64_t)s->n * blocks;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int32_t first = (int32_t)(row % blocks) * s->lanes;
        int64_t at = row * pixels * s->lanes;
        float scale[NI_MAX_LANES];
        for (int32_t l = 0; l < s->lanes; l++)
            scale[l] = first + l < s->c
                           ? ((const float *)t->at[NI_BIAS])[first + l]
                           : 1.0F;
        void *d_src = ni_at(t->at[NI_D_SRC], at, s->bf16);
        const void *d_dst = ni_at_const(t->at[NI_D_DST], at, s->bf16);
        BY_LAYOUT(s, normalize_backward_row, d_src, d_dst, scale, pixels,
                  t->accumulate);
    }
}

/* ---- batch normalisation ---------------------------------------------- */

NI_INLINE void measure_row(float *partial, const void *src, int64_t pixels,
                           int32_t lanes, bool bf16)
{
    float sum[NI_MAX_LANES] = {0}, squares[NI_MAX_LANES] = {0};
    float mean[NI_MAX_LANES];
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++)
            sum[l] += ni_load(src, i * lanes + l, bf16);
    for (int32_t l = 0; l < lanes; l++)
        mean[l] = sum[l] / (float)pixels;
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++) {
            float x = ni_load(src, i * lanes + l, bf16) - mean[l];
            squares[l] += x * x;
        }
    for (int32_t l = 0; l < lanes; l++) {
        partial[l] = mean[l];
        partial[lanes + l] = squares[l];
    }
}

/* Merge the images' rows of one channel; all have the same weight. */
NI_INLINE void measure_channel(const ni_task *t, int32_t c)
{
    const ni_layout *s = &t->src;
    const float *partial = t->at[NI_PARTIAL];
    int32_t lanes = s->lanes;
    int64_t stride = (int64_t)ni_layout_blocks(s) * lanes * 2;
    int64_t at = (int64_t)(c / lanes) * lanes * 2 + c % lanes;
    double pixels = (double)s->h * s->w, mean = 0.0, squares = 0.0;
    for (int32_t n = 0; n < s->n; n++)
        mean += (double)partial[at + n * stride];
    mean /= s->n;
    for (int32_t n = 0; n < s->n; n++) {
        double off = (double)partial[at + n * stride] - mean;
        squares +=
            (double)partial[at + lanes + n * stride] + off * off * pixels;
    }
    double var = squares / (pixels * s->n);
    ((float *)t->at[NI_MEAN])[c] = (float)mean;
    ((float *)t->at[NI_INV_STD])[c] = (float)(1.0 / sqrt(var + (double)t->eps));
    float *running_mean = t->at[NI_RUNNING_MEAN];
    float *running_var = t->at[NI_RUNNING_VAR];
    if (running_mean && c < s->c) {
        double keep = (double)t->momentum;
        running_mean[c] =
            (float)(keep * (double)running_mean[c] + (1.0 - keep) * mean);
        running_var[c] =
            (float)(keep * (double)running_var[c] + (1.0 - keep) * var);
    }
}

static void norm_measure(const ni_task *t)
{
    const ni_layout *s = &t->src;
    int32_t blocks = ni_layout_blocks(s);
    int64_t pixels = (int64_t)s->h * s->w, rows = (int64_t)s->n * blocks;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *partial = (float *)t->at[NI_PARTIAL] + row * s->lanes * 2;
        const void *src =
            ni_at_const(t->at[NI_SRC], row * pixels * s->lanes, s->bf16);
        BY_LAYOUT(s, measure_row, partial, src, pixels);
    }
#pragma omp parallel for schedule(static)
    for (int32_t c = 0; c < blocks * s->lanes; c++)
        measure_channel(t, c);
}

/* A block's channels as the row functions want them; zero beyond C. */
typedef struct norm_block {
    float mean[NI_MAX_LANES], inv_std[NI_MAX_LANES];
    float scale[NI_MAX_LANES]; /* gamma / std */
    float beta[NI_MAX_LANES];
    float by_beta[NI_MAX_LANES];  /* backward: d_beta / count */
    float by_gamma[NI_MAX_LANES]; /* backward: d_gamma / count */
} norm_block;

static norm_block norm_block_of(const ni_task *t, int32_t block)
{
    const float *mean = t->at[NI_MEAN], *inv_std = t->at[NI_INV_STD];
    const float *gamma = t->at[NI_GAMMA], *beta = t->at[NI_BETA];
    norm_block b = {0};
    int32_t first = block * t->src.lanes;
    for (int32_t l = 0; l < t->src.lanes && first + l < t->src.c; l++) {
        b.mean[l] = mean[first + l];
        b.inv_std[l] = inv_std[first + l];
        b.scale[l] = gamma[first + l] * inv_std[first + l];
        b.beta[l] = beta[first + l];
    }
    return b;
}

NI_INLINE void norm_row(void *dst, const void *src, const norm_block *b,
                        int64_t pixels, bool rectify, int32_t lanes, bool bf16)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++) {
            float x = ni_load(src, i * lanes + l, bf16);
            float y = (x - b->mean[l]) * b->scale[l] + b->beta[l];
            ni_store(dst, i * lanes + l, rectify && y < 0.0F ? 0.0F : y, bf16);
        }
}

static void norm_forward(const ni_task *t)
{
    const ni_layout *s = &t->src;
    int32_t blocks = ni_layout_blocks(s);
    int64_t pixels = (int64_t)s->h * s->w, rows = (int64_t)s->n * blocks;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        norm_block b = norm_block_of(t, (int32_t)(row % blocks));
        int64_t at = row * pixels * s->lanes;
        const void *src = ni_at_const(t->at[NI_SRC], at, s->bf16);
        void *dst = ni_at(t->at[NI_DST], at, s->bf16);
        if (t->relu)
            BY_LAYOUT(s, norm_row, dst, src, &b, pixels, true);
        else
            BY_LAYOUT(s, norm_row, dst, src, &b, pixels, false);
    }
}

/* dy where the ReLU let x pass; its sign is computed as forward did. */
NI_INLINE float norm_passed(const norm_block *b, float x, float dy, int32_t l,
                            bool rectify)
{
    float y = (x - b->mean[l]) * b->scale[l] + b->beta[l];
    return rectify && !(y > 0.0F) ? 0.0F : dy;
}

NI_INLINE void norm_reduce_row(float *partial, const void *d_dst,
                               const void *src, const norm_block *b,
                               int64_t pixels, bool rectify, int32_t lanes,
                               bool bf16)
{
    float by_beta[NI_MAX_LANES] = {0}, by_gamma[NI_MAX_LANES] = {0};
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++) {
            float x = ni_load(src, i * lanes + l, bf16);
            float dy = ni_load(d_dst, i * lanes + l, bf16);
            float g = norm_passed(b, x, dy, l, rectify);
            by_beta[l] += g;
            by_gamma[l] += g * ((x - b->mean[l]) * b->inv_std[l]);
        }
    for (int32_t l = 0; l < lanes; l++) {
        partial[l] = by_beta[l];
        partial[lanes + l] = by_gamma[l];
    }
}

static void norm_reduce(const ni_task *t)
{
    const ni_layout *s = &t->src;
    int32_t blocks = ni_layout_blocks(s);
    int64_t pixels = (int64_t)s->h * s->w, rows = (int64_t)s->n * blocks;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        norm_block b = norm_block_of(t, (int32_t)(row % blocks));
        int64_t at = row * pixels * s->lanes;
        float *partial = (float *)t->at[NI_PARTIAL] + row * s->lanes * 2;
        const void *src = ni_at_const(t->at[NI_SRC], at, s->bf16);
        const void *dy = ni_at_const(t->at[NI_D_DST], at, s->bf16);
        if (t->relu)
            BY_LAYOUT(s, norm_reduce_row, partial, dy, src, &b, pixels, true);
        else
            BY_LAYOUT(s, norm_reduce_row, partial, dy, src, &b, pixels, false);
    }
    float *d_gamma = t->at[NI_D_GAMMA], *d_beta = t->at[NI_D_BETA];
    int64_t stride = (int64_t)blocks * s->lanes * 2;
    for (int32_t c = 0; c < s->c; c++) {
        const float *partial = (const float *)t->at[NI_PARTIAL] +
                               (int64_t)(c / s->lanes) * s->lanes * 2 +
                               c % s->lanes;
        double beta = 0.0, gamma = 0.0;
        for (int32_t n = 0; n < s->n; n++) {
            beta += (double)partial[n * stride];
            gamma += (double)partial[n * stride + s->lanes];
        }
        d_beta[c] = (float)beta;
        d_gamma[c] = (float)gamma;
    }
}

NI_INLINE void norm_backward_row(void *d_src, const void *d_dst,
                                 const void *src, const norm_block *b,
                                 int64_t pixels, const bool flags[2],
                                 int32_t lanes, bool bf16)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++) {
            int64_t at = i * lanes + l;
            float x = ni_load(src, at, bf16);
            float g = norm_passed(b, x, ni_load(d_dst, at, bf16), l, flags[0]);
            float hat = (x - b->mean[l]) * b->inv_std[l];
            float dx = b->scale[l] * (g - b->by_beta[l] - hat * b->by_gamma[l]);
            if (flags[1])
                dx += ni_load(d_src, at, bf16);
            ni_store(d_src, at, dx, bf16);
        }
}

static norm_block norm_backward_block(const ni_task *t, int32_t block)
{
    const ni_layout *s = &t->src;
    const float *d_gamma = t->at[NI_D_GAMMA], *d_beta = t->at[NI_D_BETA];
    norm_block b = norm_block_of(t, block);
    float count = (float)((double)s->n * s->h * s->w);
    int32_t first = block * s->lanes;
    for (int32_t l = 0; l < s->lanes && first + l < s->c; l++) {
        b.by_beta[l] = d_beta[first + l] / count;
        b.by_gamma[l] = d_gamma[first + l] / count;
    }
    return b;
}

static void norm_backward(const ni_task *t)
{
    static const bool flags[4][2] = {
        {false, false}, {false, true}, {true, false}, {true, true}};
    const ni_layout *s = &t->src;
    norm_reduce(t);
    if (!t->at[NI_D_SRC])
        return;
    int32_t blocks = ni_layout_blocks(s);
    int64_t pixels = (int64_t)s->h * s->w, rows = (int64_t)s->n * blocks;
    const bool *how = flags[(t->relu ? 2 : 0) + (t->accumulate ? 1 : 0)];
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        norm_block b = norm_backward_block(t, (int32_t)(row % blocks));
        int64_t at = row * pixels * s->lanes;
        const void *src = ni_at_const(t->at[NI_SRC], at, s->bf16);
        const void *dy = ni_at_const(t->at[NI_D_DST], at, s->bf16);
        void *dx = ni_at(t->at[NI_D_SRC], at, s->bf16);
        BY_LAYOUT(s, norm_backward_row, dx, dy, src, &b, pixels, how);
    }
}

/* ---- ReLU ------------------------------------------------------------- */

NI_INLINE void relu_chunk(void *dst, const void *src, int64_t n, bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        float x = ni_load(src, i, bf16);
        ni_store(dst, i, x < 0.0F ? 0.0F : x, bf16);
    }
}

static void relu(const ni_task *t)
{
    bool bf16 = t->src.bf16;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i += NI_CHUNK) {
        int64_t n = t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK;
        BY_TYPE(bf16, relu_chunk, ni_at(t->at[NI_DST], i, bf16),
                ni_at_const(t->at[NI_SRC], i, bf16), n);
    }
}

NI_INLINE void relu_backward_chunk(void *d_src, const void *d_dst,
                                   const void *dst, int64_t n, bool add_up,
                                   bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        float dy = ni_load(d_dst, i, bf16);
        float dx = ni_load(dst, i, bf16) > 0.0F ? dy : 0.0F;
        if (add_up)
            dx += ni_load(d_src, i, bf16);
        ni_store(d_src, i, dx, bf16);
    }
}

static void relu_backward(const ni_task *t)
{
    bool bf16 = t->src.bf16;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i += NI_CHUNK) {
        int64_t n = t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK;
        void *d_src = ni_at(t->at[NI_D_SRC], i, bf16);
        const void *d_dst = ni_at_const(t->at[NI_D_DST], i, bf16);
        const void *dst = ni_at_const(t->at[NI_DST], i, bf16);
        if (t->accumulate)
            BY_TYPE(bf16, relu_backward_chunk, d_src, d_dst, dst, n, true);
        else
            BY_TYPE(bf16, relu_backward_chunk, d_src, d_dst, dst, n, false);
    }
}
