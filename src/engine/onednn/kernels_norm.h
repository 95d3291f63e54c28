/*
 * Normalisation of the input, and batch normalisation alone, with a ReLU, or
 * with a ReLU and a max pool of windows that tile the plane.
 *
 * Batch statistics: mean and sum of squared deviations per row in float32 (two
 * passes over the row, which stays in cache), merged over the images in double,
 * always in the same order. What backward needs of ReLU and pool is computed
 * again from the normalisation's input, exactly as forward did.
 */
#include <math.h>

/* dst is plain or blocked; one channel after another. */
NI_INLINE void normalize_row(void *dst, const float *src, const float *center,
                             const float *scale, int64_t pixels, int32_t real,
                             int32_t lanes, bool bf16)
{
    for (int32_t l = 0; l < lanes; l++)
        for (int64_t i = 0; i < pixels; i++) {
            float x = 0.0F;
            if (l < real)
                x = (src[l * pixels + i] - center[l]) / scale[l];
            ni_store(dst, i * lanes + l, x, bf16);
        }
}

static void normalize(const ni_task *t)
{
    const ni_layout *d = &t->dst;
    const float *center = t->at[NI_WEIGHT], *scale = t->at[NI_BIAS];
    int32_t blocks = ni_layout_blocks(d), lanes = d->lanes;
    int64_t pixels = ni_pixels(d), rows = (int64_t)d->n * blocks;
    for (int64_t row = 0; row < rows; row++) {
        int32_t c = (int32_t)(row % blocks) * lanes;
        int32_t real = d->c - c < lanes ? d->c - c : lanes;
        const float *src =
            (const float *)t->at[NI_SRC] + (row / blocks * d->c + c) * pixels;
        void *dst = ni_at(t->at[NI_DST], row * pixels * lanes, d->bf16);
        if (lanes == 1)
            BY_TYPE(d->bf16, normalize_row, dst, src, center + c, scale + c,
                    pixels, real, 1);
        else
            BY_TYPE(d->bf16, normalize_row, dst, src, center + c, scale + c,
                    pixels, real, NI_LANES);
    }
}

NI_INLINE void normalize_backward_row(void *d_src, const void *d_dst,
                                      ni_v scale, int64_t pixels, bool add_up,
                                      bool bf16)
{
    for (int64_t i = 0; i < pixels; i++) {
        ni_v dx = ni_vload(d_dst, i, bf16) / scale;
        if (add_up)
            dx += ni_vload(d_src, i, bf16);
        ni_vstore(d_src, i, dx, bf16);
    }
}

static void normalize_backward(const ni_task *t)
{
    const ni_layout *s = &t->src;
    for (int64_t row = 0; row < ni_rows(s); row++) {
        int32_t first = ni_block_of(s, row) * NI_LANES;
        ni_v scale =
            ni_vload_some((const float *)t->at[NI_BIAS] + first, s->c - first);
        scale = ni_pick(scale == 0.0F, scale + 1.0F, scale);
        void *d_src = ni_row(t->at[NI_D_SRC], s, row);
        const void *d_dst = ni_row_const(t->at[NI_D_DST], s, row);
        BY_FLAG(t->accumulate, s->bf16, normalize_backward_row, d_src, d_dst,
                scale, ni_pixels(s));
    }
}

/* ---- statistics of the batch ------------------------------------------ */

NI_INLINE void measure_row(float *partial, const void *src, int64_t pixels,
                           bool bf16)
{
    ni_v sum[4] = {{0}}, squares[4] = {{0}};
    int64_t whole = pixels - pixels % 4;
    for (int64_t i = 0; i < whole; i += 4)
        for (int k = 0; k < 4; k++)
            sum[k] += ni_vload(src, i + k, bf16);
    for (int64_t i = whole; i < pixels; i++)
        sum[0] += ni_vload(src, i, bf16);
    ni_v mean = ((sum[0] + sum[1]) + (sum[2] + sum[3])) / (float)pixels;
    for (int64_t i = 0; i < whole; i += 4)
        for (int k = 0; k < 4; k++) {
            ni_v x = ni_vload(src, i + k, bf16) - mean;
            squares[k] += x * x;
        }
    for (int64_t i = whole; i < pixels; i++) {
        ni_v x = ni_vload(src, i, bf16) - mean;
        squares[0] += x * x;
    }
    ni_vstore(partial, 0, mean, false);
    ni_vstore(partial, 1, (squares[0] + squares[1]) + (squares[2] + squares[3]),
              false);
}

/* Where the parts of a row go; they lie [images][blocks][2][lanes]. */
NI_INLINE float *norm_part(const ni_task *t, int64_t row)
{
    int64_t before = (int64_t)t->first * ni_layout_blocks(&t->src);
    return (float *)t->at[NI_PARTIAL] + (before + row) * NI_LANES * 2;
}

static void norm_measure(const ni_task *t)
{
    const ni_layout *s = &t->src;
    for (int64_t row = 0; row < ni_rows(s); row++) {
        const void *src = ni_row_const(t->at[NI_SRC], s, row);
        BY_TYPE(s->bf16, measure_row, norm_part(t, row), src, ni_pixels(s));
    }
}

/* Merge the images' rows of one block; all have the same weight. */
static void merge_block(ni_vd *mean, ni_vd *var, const ni_task *t,
                        int32_t block)
{
    const float *part = (const float *)t->at[NI_PARTIAL];
    int32_t blocks = ni_layout_blocks(&t->src);
    double pixels = (double)ni_pixels(&t->src);
    ni_vd squares = {0};
    *mean = squares;
    for (int64_t n = 0; n < t->all; n++)
        *mean += ni_vload_wide(part, (n * blocks + block) * 2);
    *mean /= (double)t->all;
    for (int64_t n = 0; n < t->all; n++) {
        int64_t at = (n * blocks + block) * 2;
        ni_vd off = ni_vload_wide(part, at) - *mean;
        squares += ni_vload_wide(part, at + 1) + off * off * pixels;
    }
    *var = squares / (pixels * t->all);
}

static void merge_channel(const ni_task *t, int32_t c, double mean, double var)
{
    float *running_mean = t->at[NI_RUNNING_MEAN];
    float *running_var = t->at[NI_RUNNING_VAR];
    ((float *)t->at[NI_MEAN])[c] = (float)mean;
    ((float *)t->at[NI_INV_STD])[c] = (float)(1.0 / sqrt(var + (double)t->eps));
    if (!running_mean || c >= t->src.c)
        return;
    double keep = (double)t->momentum;
    running_mean[c] =
        (float)(keep * (double)running_mean[c] + (1.0 - keep) * mean);
    running_var[c] =
        (float)(keep * (double)running_var[c] + (1.0 - keep) * var);
}

static void norm_merge(const ni_task *t)
{
    for (int32_t block = 0; block < ni_layout_blocks(&t->src); block++) {
        ni_vd mean, var;
        merge_block(&mean, &var, t, block);
        for (int32_t l = 0; l < NI_LANES; l++)
            merge_channel(t, block * NI_LANES + l, mean[l], var[l]);
    }
}

/* ---- forward ---------------------------------------------------------- */

/* A block's channels; zero beyond C, so that lanes there stay zero. */
typedef struct norm_block {
    ni_v mean, inv_std, scale, beta; /* scale: gamma / std */
    ni_v by_beta, by_gamma;          /* backward: d_beta, d_gamma per value */
} norm_block;

NI_INLINE norm_block norm_block_of(const ni_task *t, int64_t row)
{
    int32_t first = ni_block_of(&t->src, row) * NI_LANES;
    int32_t n = t->src.c - first;
    norm_block b = {.by_beta = {0}, .by_gamma = {0}};
    b.mean = ni_vload_some((const float *)t->at[NI_MEAN] + first, n);
    b.inv_std = ni_vload_some((const float *)t->at[NI_INV_STD] + first, n);
    b.scale = ni_vload_some((const float *)t->at[NI_GAMMA] + first, n);
    b.beta = ni_vload_some((const float *)t->at[NI_BETA] + first, n);
    b.scale *= b.inv_std;
    return b;
}

NI_INLINE ni_v norm_value(const norm_block *b, ni_v x)
{
    return (x - b->mean) * b->scale + b->beta;
}

NI_INLINE void norm_row(void *dst, const void *src, const norm_block *b,
                        int64_t pixels, bool rectify, bool bf16)
{
    const norm_block block = *b;
    for (int64_t i = 0; i < pixels; i++) {
        ni_v y = norm_value(&block, ni_vload(src, i, bf16));
        ni_vstore(dst, i, rectify ? ni_keep(~(y < 0.0F), y) : y, bf16);
    }
}

static void norm_forward(const ni_task *t)
{
    const ni_layout *s = &t->src;
    for (int64_t row = 0; row < ni_rows(s); row++) {
        norm_block b = norm_block_of(t, row);
        const void *src = ni_row_const(t->at[NI_SRC], s, row);
        void *dst = ni_row(t->at[NI_DST], s, row);
        BY_FLAG(t->relu, s->bf16, norm_row, dst, src, &b, ni_pixels(s));
    }
}

/* ---- backward --------------------------------------------------------- */

/* dy where the ReLU let x pass. */
NI_INLINE ni_v norm_passed(const norm_block *b, ni_v x, ni_v dy, bool rectify)
{
    return rectify ? ni_keep(norm_value(b, x) > 0.0F, dy) : dy;
}

NI_INLINE void norm_reduce_row(float *partial, const void *d_dst,
                               const void *src, const norm_block *b,
                               int64_t pixels, bool rectify, bool bf16)
{
    const norm_block block = *b;
    ni_v by_beta[2] = {{0}}, by_gamma[2] = {{0}};
    for (int64_t i = 0; i < pixels; i += 2)
        for (int k = 0; k < 2 && i + k < pixels; k++) {
            ni_v x = ni_vload(src, i + k, bf16);
            ni_v dy = ni_vload(d_dst, i + k, bf16);
            ni_v g = norm_passed(&block, x, dy, rectify);
            by_beta[k] += g;
            by_gamma[k] += g * ((x - block.mean) * block.inv_std);
        }
    ni_vstore(partial, 0, by_beta[0] + by_beta[1], false);
    ni_vstore(partial, 1, by_gamma[0] + by_gamma[1], false);
}

static void norm_reduce(const ni_task *t)
{
    const ni_layout *s = &t->src;
    for (int64_t row = 0; row < ni_rows(s); row++) {
        norm_block b = norm_block_of(t, row);
        const void *src = ni_row_const(t->at[NI_SRC], s, row);
        const void *dy = ni_row_const(t->at[NI_D_DST], s, row);
        BY_FLAG(t->relu, s->bf16, norm_reduce_row, norm_part(t, row), dy, src,
                &b, ni_pixels(s));
    }
}

/* Sum the rows' parts over the images. */
static void norm_reduce_channels(const ni_task *t)
{
    const float *part = (const float *)t->at[NI_PARTIAL];
    float *d_gamma = t->at[NI_D_GAMMA], *d_beta = t->at[NI_D_BETA];
    int32_t blocks = ni_layout_blocks(&t->src);
    for (int32_t block = 0; block < blocks; block++) {
        ni_vd beta = {0}, gamma = {0};
        int32_t c = block * NI_LANES;
        for (int64_t n = 0; n < t->all; n++) {
            beta += ni_vload_wide(part, (n * blocks + block) * 2);
            gamma += ni_vload_wide(part, (n * blocks + block) * 2 + 1);
        }
        for (int32_t l = 0; l < NI_LANES && c + l < t->src.c; l++) {
            d_beta[c + l] = (float)beta[l];
            d_gamma[c + l] = (float)gamma[l];
        }
    }
}

NI_INLINE norm_block norm_backward_block(const ni_task *t, int64_t row)
{
    const ni_layout *s = &t->src;
    norm_block b = norm_block_of(t, row);
    float count = (float)((double)t->all * (double)ni_pixels(s));
    int32_t first = ni_block_of(s, row) * NI_LANES, n = s->c - first;
    b.by_beta = ni_vload_some((const float *)t->at[NI_D_BETA] + first, n);
    b.by_gamma = ni_vload_some((const float *)t->at[NI_D_GAMMA] + first, n);
    b.by_beta /= count;
    b.by_gamma /= count;
    return b;
}

/* dx = scale (g - mean of g - hat(x) mean of g hat(x)) */
NI_INLINE ni_v norm_derivative(const norm_block *b, ni_v x, ni_v g)
{
    ni_v hat = (x - b->mean) * b->inv_std;
    return b->scale * (g - b->by_beta - hat * b->by_gamma);
}

NI_INLINE void norm_backward_row(void *d_src, const void *d_dst,
                                 const void *src, const norm_block *b,
                                 int64_t pixels, bool add_up, bool rectify,
                                 bool bf16)
{
    const norm_block block = *b;
    for (int64_t i = 0; i < pixels; i++) {
        ni_v x = ni_vload(src, i, bf16);
        ni_v g = norm_passed(&block, x, ni_vload(d_dst, i, bf16), rectify);
        ni_v dx = norm_derivative(&block, x, g);
        if (add_up)
            dx += ni_vload(d_src, i, bf16);
        ni_vstore(d_src, i, dx, bf16);
    }
}

static void norm_backward(const ni_task *t)
{
    const ni_layout *s = &t->src;
    norm_reduce_channels(t);
    if (!t->at[NI_D_SRC])
        return;
    for (int64_t row = 0; row < ni_rows(s); row++) {
        norm_block b = norm_backward_block(t, row);
        const void *src = ni_row_const(t->at[NI_SRC], s, row);
        const void *dy = ni_row_const(t->at[NI_D_DST], s, row);
        void *dx = ni_row(t->at[NI_D_SRC], s, row);
        int64_t pixels = ni_pixels(s);
        if (t->accumulate)
            BY_FLAG(t->relu, s->bf16, norm_backward_row, dx, dy, src, &b,
                    pixels, true);
        else
            BY_FLAG(t->relu, s->bf16, norm_backward_row, dx, dy, src, &b,
                    pixels, false);
    }
}

/* ---- with a ReLU and a max pool --------------------------------------- */

/* The windows of a row: `first` is the pixel of the input where one begins, `i`
 * the output's; and the pixels `at` of a window. */
#define EACH_WINDOW(t, first, i)                                               \
    for (int64_t y_ = 0, i = 0; y_ < (t)->dst.h; y_++)                         \
        for (int64_t x_ = 0, first = y_ * (t)->window.kernel[0] * (t)->src.w;  \
             x_ < (t)->dst.w; x_++, i++, first += (t)->window.kernel[1])

#define EACH_PLACE(t, first, at, size)                                         \
    for (int32_t row_ = 0; row_ < (size).h; row_++)                            \
        for (int64_t at = (first) + row_ * (t)->src.w, end_ = at + (size).w;   \
             at < end_; at++)

/* Windows of two by two are most of them: they get code of their own. */
typedef struct pool_size {
    int32_t h, w;
} pool_size;

#define BY_SIZE(window, flag, is_bf16, call, ...)                              \
    do {                                                                       \
        pool_size two_ = {2, 2},                                               \
                  any_ = {(window)->kernel[0], (window)->kernel[1]};           \
        if (any_.h == 2 && any_.w == 2)                                        \
            BY_FLAG(flag, is_bf16, call, __VA_ARGS__, two_);                   \
        else                                                                   \
            BY_FLAG(flag, is_bf16, call, __VA_ARGS__, any_);                   \
    } while (0)

NI_INLINE void norm_pool_row(const ni_task *t, int64_t row, pool_size size,
                             bool unused, bool bf16)
{
    const norm_block b = norm_block_of(t, row);
    const void *src = ni_row_const(t->at[NI_SRC], &t->src, row);
    void *dst = ni_row(t->at[NI_DST], &t->dst, row);
    (void)unused;
    EACH_WINDOW(t, first, i)
    {
        ni_v best = {0};
        EACH_PLACE(t, first, at, size)
        {
            ni_v y = norm_value(&b, ni_vload(src, at, bf16));
            best = ni_pick((y > best) | (y != y), y, best);
        }
        ni_vstore(dst, i, best, bf16);
    }
}

static void norm_pool(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_SIZE(&t->window, false, t->src.bf16, norm_pool_row, t, row);
}

/* The largest value of a window above zero, or zero, and its x. */
NI_INLINE ni_v pool_best(const ni_task *t, const norm_block *b, ni_v *x_best,
                         const void *src, int64_t first, pool_size size,
                         bool bf16)
{
    ni_v best = {0};
    *x_best = best;
    EACH_PLACE(t, first, at, size)
    {
        ni_v x = ni_vload(src, at, bf16), y = norm_value(b, x);
        ni_vi wins = y > best;
        best = ni_pick(wins, y, best);
        *x_best = ni_pick(wins, x, *x_best);
    }
    return best;
}

NI_INLINE void pool_reduce_row(const ni_task *t, int64_t row, pool_size size,
                               bool unused, bool bf16)
{
    const norm_block b = norm_block_of(t, row);
    const void *src = ni_row_const(t->at[NI_SRC], &t->src, row);
    const void *d_dst = ni_row_const(t->at[NI_D_DST], &t->dst, row);
    float *partial = norm_part(t, row);
    ni_v by_beta = {0}, by_gamma = {0};
    (void)unused;
    EACH_WINDOW(t, first, i)
    {
        ni_v x, best = pool_best(t, &b, &x, src, first, size, bf16);
        ni_v g = ni_keep(best > 0.0F, ni_vload(d_dst, i, bf16));
        by_beta += g;
        by_gamma += g * ((x - b.mean) * b.inv_std);
    }
    ni_vstore(partial, 0, by_beta, false);
    ni_vstore(partial, 1, by_gamma, false);
}

/* d_src may be src itself. The first of equal values gets the gradient. */
NI_INLINE void pool_backward_row(const ni_task *t, int64_t row, pool_size size,
                                 bool add_up, bool bf16)
{
    const norm_block b = norm_backward_block(t, row);
    const void *src = ni_row_const(t->at[NI_SRC], &t->src, row);
    const void *d_dst = ni_row_const(t->at[NI_D_DST], &t->dst, row);
    void *d_src = ni_row(t->at[NI_D_SRC], &t->src, row);
    EACH_WINDOW(t, first, i)
    {
        ni_v unused, best = pool_best(t, &b, &unused, src, first, size, bf16);
        ni_v g = ni_keep(best > 0.0F, ni_vload(d_dst, i, bf16));
        EACH_PLACE(t, first, at, size)
        {
            ni_v x = ni_vload(src, at, bf16);
            ni_vi wins = norm_value(&b, x) == best;
            ni_v dx = norm_derivative(&b, x, ni_keep(wins, g));
            g = ni_keep(~wins, g);
            if (add_up)
                dx += ni_vload(d_src, at, bf16);
            ni_vstore(d_src, at, dx, bf16);
        }
    }
}

static void norm_pool_reduce(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_SIZE(&t->window, false, t->src.bf16, pool_reduce_row, t, row);
}

static void norm_pool_backward(const ni_task *t)
{
    norm_reduce_channels(t);
    if (!t->at[NI_D_SRC])
        return;
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_SIZE(&t->window, t->accumulate, t->src.bf16, pool_backward_row, t,
                row);
}
