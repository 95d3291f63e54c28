/*
 * Pools. A row is one block of channels of one image. Backward sums into a
 * float32 row of scratch per thread, so that overlapping windows round once.
 */
#include <omp.h>

/* The part of a window that lies inside [0, size). */
typedef struct pool_span {
    int32_t first, last; /* kernel positions first .. last - 1 */
    int32_t start;       /* coordinate of kernel position 0 */
    int32_t counted;     /* positions that count when padding counts */
} pool_span;

NI_INLINE pool_span pool_span_of(const ni_window *w, int axis, int32_t out,
                                 int32_t size)
{
    int32_t step = w->dilation[axis], kernel = w->kernel[axis];
    int32_t start = out * w->stride[axis] - w->pads[axis];
    int32_t end = size + w->pads[axis + 2];
    pool_span s = {0, kernel, start, 0};
    if (start < 0)
        s.first = (-start + step - 1) / step;
    if (start + (kernel - 1) * step >= size)
        s.last = start >= size ? 0 : (size - start + step - 1) / step;
    if (s.first > s.last)
        s.first = s.last;
    s.counted = start >= end ? 0 : (end - start + step - 1) / step;
    if (s.counted > kernel)
        s.counted = kernel;
    return s;
}

NI_INLINE void pool_mark(void *index, int64_t i, uint32_t value, bool wide)
{
    if (wide)
        ((uint32_t *)index)[i] = value;
    else
        ((uint8_t *)index)[i] = (uint8_t)value;
}

NI_INLINE void max_pixel(float *best, uint32_t *winner, const void *src,
                         const ni_task *t, pool_span v, pool_span u,
                         int32_t lanes, bool bf16)
{
    const ni_window *w = &t->window;
    for (int32_t l = 0; l < lanes; l++) {
        best[l] = -__builtin_inff();
        winner[l] = (uint32_t)(v.first * w->kernel[1] + u.first);
    }
    for (int32_t y = v.first; y < v.last; y++)
        for (int32_t x = u.first; x < u.last; x++) {
            int64_t row = v.start + (int64_t)y * w->dilation[0];
            int64_t col = u.start + (int64_t)x * w->dilation[1];
            int64_t at = (row * t->src.w + col) * lanes;
            uint32_t place = (uint32_t)(y * w->kernel[1] + x);
            for (int32_t l = 0; l < lanes; l++) {
                float value = ni_load(src, at + l, bf16);
                bool wins = value > best[l] || value != value;
                winner[l] = wins ? place : winner[l];
                best[l] = wins ? value : best[l];
            }
        }
}

NI_INLINE void max_row(const ni_task *t, int64_t row, int32_t lanes, bool bf16)
{
    const ni_layout *s = &t->src, *d = &t->dst;
    const void *src =
        ni_at_const(t->at[NI_SRC], row * s->h * s->w * lanes, bf16);
    bool wide = ni_pool_index_bytes(&t->window) == 4;
    int64_t to = row * d->h * d->w * lanes;
    for (int32_t y = 0; y < d->h; y++) {
        pool_span v = pool_span_of(&t->window, 0, y, s->h);
        for (int32_t x = 0; x < d->w; x++, to += lanes) {
            pool_span u = pool_span_of(&t->window, 1, x, s->w);
            float best[NI_MAX_LANES];
            uint32_t winner[NI_MAX_LANES];
            max_pixel(best, winner, src, t, v, u, lanes, bf16);
            for (int32_t l = 0; l < lanes; l++)
                ni_store(t->at[NI_DST], to + l, best[l], bf16);
            if (t->at[NI_INDEX])
                for (int32_t l = 0; l < lanes; l++)
                    pool_mark(t->at[NI_INDEX], to + l, winner[l], wide);
        }
    }
}

static void max_pool(const ni_task *t)
{
    int64_t rows = (int64_t)t->src.n * ni_layout_blocks(&t->src);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        BY_LAYOUT(&t->src, max_row, t, row);
}

/* Round a finished row of sums into D_SRC. */
NI_INLINE void pool_finish_row(const ni_task *t, const float *sum, int64_t row,
                               int32_t lanes, bool bf16)
{
    int64_t n = (int64_t)t->src.h * t->src.w * lanes;
    void *d_src = ni_at(t->at[NI_D_SRC], row * n, bf16);
    if (t->accumulate)
        for (int64_t i = 0; i < n; i++)
            ni_store(d_src, i, sum[i] + ni_load(d_src, i, bf16), bf16);
    else
        for (int64_t i = 0; i < n; i++)
            ni_store(d_src, i, sum[i], bf16);
}

NI_INLINE void max_backward_row(const ni_task *t, float *sum, int64_t row,
                                int32_t lanes, bool bf16)
{
    const ni_layout *s = &t->src, *d = &t->dst;
    const ni_window *w = &t->window;
    const uint8_t *narrow = t->at[NI_INDEX];
    const uint32_t *broad = t->at[NI_INDEX];
    bool wide = ni_pool_index_bytes(w) == 4;
    int64_t at = row * d->h * d->w * lanes;
    memset(sum, 0, (size_t)s->h * (size_t)s->w * (size_t)lanes * sizeof *sum);
    for (int64_t i = 0; i < (int64_t)d->h * d->w; i++) {
        pool_span v = pool_span_of(w, 0, (int32_t)(i / d->w), s->h);
        pool_span u = pool_span_of(w, 1, (int32_t)(i % d->w), s->w);
        if (v.first == v.last || u.first == u.last)
            continue;
        for (int32_t l = 0; l < lanes; l++) {
            int64_t from = at + i * lanes + l;
            int32_t place = wide ? (int32_t)broad[from] : narrow[from];
            int64_t y = v.start + place / w->kernel[1] * w->dilation[0];
            int64_t x = u.start + place % w->kernel[1] * w->dilation[1];
            sum[(y * s->w + x) * lanes + l] +=
                ni_load(t->at[NI_D_DST], from, bf16);
        }
    }
    pool_finish_row(t, sum, row, lanes, bf16);
}

NI_INLINE float *pool_scratch(const ni_task *t)
{
    return (float *)t->at[NI_PARTIAL] +
           (int64_t)omp_get_thread_num() * t->src.h * t->src.w * t->src.lanes;
}

static void max_pool_backward(const ni_task *t)
{
    int64_t rows = (int64_t)t->src.n * ni_layout_blocks(&t->src);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        BY_LAYOUT(&t->src, max_backward_row, t, pool_scratch(t), row);
}

/* ---- average ---------------------------------------------------------- */

NI_INLINE float avg_divisor(const ni_window *w, pool_span v, pool_span u)
{
    int64_t count = w->count_include_pad
                        ? (int64_t)v.counted * u.counted
                        : (int64_t)(v.last - v.first) * (u.last - u.first);
    return count > 0 ? (float)count : 1.0F;
}

NI_INLINE void avg_row(const ni_task *t, int64_t row, int32_t lanes, bool bf16)
{
    const ni_layout *s = &t->src, *d = &t->dst;
    const ni_window *w = &t->window;
    const void *src =
        ni_at_const(t->at[NI_SRC], row * s->h * s->w * lanes, bf16);
    for (int64_t i = 0; i < (int64_t)d->h * d->w; i++) {
        pool_span v = pool_span_of(w, 0, (int32_t)(i / d->w), s->h);
        pool_span u = pool_span_of(w, 1, (int32_t)(i % d->w), s->w);
        float divisor = avg_divisor(w, v, u), sum[NI_MAX_LANES] = {0};
        for (int32_t y = v.first; y < v.last; y++)
            for (int32_t x = u.first; x < u.last; x++) {
                int64_t at = (int64_t)(v.start + y * w->dilation[0]) * s->w +
                             u.start + x * w->dilation[1];
                for (int32_t l = 0; l < lanes; l++)
                    sum[l] += ni_load(src, at * lanes + l, bf16);
            }
        int64_t to = (row * d->h * d->w + i) * lanes;
        for (int32_t l = 0; l < lanes; l++)
            ni_store(t->at[NI_DST], to + l, sum[l] / divisor, bf16);
    }
}

static void avg_pool(const ni_task *t)
{
    int64_t rows = (int64_t)t->src.n * ni_layout_blocks(&t->src);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        BY_LAYOUT(&t->src, avg_row, t, row);
}

NI_INLINE void avg_backward_row(const ni_task *t, float *sum, int64_t row,
                                int32_t lanes, bool bf16)
{
    const ni_layout *s = &t->src, *d = &t->dst;
    const ni_window *w = &t->window;
    memset(sum, 0, (size_t)s->h * (size_t)s->w * (size_t)lanes * sizeof *sum);
    for (int64_t i = 0; i < (int64_t)d->h * d->w; i++) {
        pool_span v = pool_span_of(w, 0, (int32_t)(i / d->w), s->h);
        pool_span u = pool_span_of(w, 1, (int32_t)(i % d->w), s->w);
        float divisor = avg_divisor(w, v, u), share[NI_MAX_LANES];
        int64_t from = (row * d->h * d->w + i) * lanes;
        for (int32_t l = 0; l < lanes; l++)
            share[l] = ni_load(t->at[NI_D_DST], from + l, bf16) / divisor;
        for (int32_t y = v.first; y < v.last; y++)
            for (int32_t x = u.first; x < u.last; x++) {
                int64_t at = (int64_t)(v.start + y * w->dilation[0]) * s->w +
                             u.start + x * w->dilation[1];
                for (int32_t l = 0; l < lanes; l++)
                    sum[at * lanes + l] += share[l];
            }
    }
    pool_finish_row(t, sum, row, lanes, bf16);
}

static void avg_pool_backward(const ni_task *t)
{
    int64_t rows = (int64_t)t->src.n * ni_layout_blocks(&t->src);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        BY_LAYOUT(&t->src, avg_backward_row, t, pool_scratch(t), row);
}

/* ---- global average: to and from plain float32 [N,C] ------------------- */

NI_INLINE void global_row(const ni_task *t, int64_t row, int32_t lanes,
                          bool bf16)
{
    const ni_layout *s = &t->src;
    int64_t pixels = (int64_t)s->h * s->w;
    int32_t blocks = ni_layout_blocks(s);
    int32_t c = (int32_t)(row % blocks) * lanes;
    const void *src = ni_at_const(t->at[NI_SRC], row * pixels * lanes, bf16);
    float *dst = (float *)t->at[NI_DST] + row / blocks * s->c + c;
    float sum[NI_MAX_LANES] = {0};
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++)
            sum[l] += ni_load(src, i * lanes + l, bf16);
    for (int32_t l = 0; l < lanes && c + l < s->c; l++)
        dst[l] = sum[l] / (float)pixels;
}

static void global_pool(const ni_task *t)
{
    int64_t rows = (int64_t)t->src.n * ni_layout_blocks(&t->src);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        BY_LAYOUT(&t->src, global_row, t, row);
}

NI_INLINE void global_backward_row(const ni_task *t, int64_t row, int32_t lanes,
                                   bool bf16)
{
    const ni_layout *s = &t->src;
    int64_t pixels = (int64_t)s->h * s->w;
    int32_t blocks = ni_layout_blocks(s);
    int32_t c = (int32_t)(row % blocks) * lanes;
    const float *d = (const float *)t->at[NI_D_DST] + row / blocks * s->c + c;
    void *d_src = ni_at(t->at[NI_D_SRC], row * pixels * lanes, bf16);
    float share[NI_MAX_LANES] = {0};
    for (int32_t l = 0; l < lanes && c + l < s->c; l++)
        share[l] = d[l] / (float)pixels;
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < lanes; l++) {
            int64_t at = i * lanes + l;
            float x = share[l];
            if (t->accumulate)
                x += ni_load(d_src, at, bf16);
            ni_store(d_src, at, x, bf16);
        }
}

static void global_pool_backward(const ni_task *t)
{
    int64_t rows = (int64_t)t->src.n * ni_layout_blocks(&t->src);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        BY_LAYOUT(&t->src, global_backward_row, t, row);
}
