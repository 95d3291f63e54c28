/*
 * Pools by themselves. Backward sums into a float32 row of scratch, so that
 * overlapping windows round once.
 */

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
    pool_span s = {0, kernel, start, kernel};
    if (start < 0)
        s.first = (-start + step - 1) / step;
    if (start + (kernel - 1) * step >= size)
        s.last = start >= size ? 0 : (size - start + step - 1) / step;
    if (s.first > s.last)
        s.first = s.last;
    if (start + (kernel - 1) * step >= end)
        s.counted = start >= end ? 0 : (end - start + step - 1) / step;
    return s;
}

/* Spans of output pixel i of a row. */
NI_INLINE void pool_spans(pool_span *v, pool_span *u, const ni_task *t,
                          int32_t i)
{
    *v = pool_span_of(&t->window, 0, i / t->dst.w, t->src.h);
    *u = pool_span_of(&t->window, 1, i % t->dst.w, t->src.w);
}

/* Pixel of the input under position (y, x) of the kernel. */
NI_INLINE int64_t pool_pixel(const ni_task *t, const pool_span *v,
                             const pool_span *u, int32_t y, int32_t x)
{
    int64_t row = v->start + (int64_t)y * t->window.dilation[0];
    return row * t->src.w + u->start + (int64_t)x * t->window.dilation[1];
}

/* ---- largest ---------------------------------------------------------- */

NI_INLINE void pool_mark(void *index, int64_t i, ni_vi winner, bool wide)
{
    ni_vb narrow = __builtin_convertvector(winner, ni_vb);
    if (wide)
        memcpy((uint32_t *)index + i * NI_LANES, &winner, sizeof winner);
    else
        memcpy((uint8_t *)index + i * NI_LANES, &narrow, sizeof narrow);
}

NI_INLINE ni_vi pool_winner(const void *index, int64_t i, bool wide)
{
    ni_vb narrow;
    ni_vi winner;
    if (wide) {
        memcpy(&winner, (const uint32_t *)index + i * NI_LANES, sizeof winner);
        return winner;
    }
    memcpy(&narrow, (const uint8_t *)index + i * NI_LANES, sizeof narrow);
    return __builtin_convertvector(narrow, ni_vi);
}

/* The first of equal values wins; a NaN wins over numbers. */
NI_INLINE ni_v max_pixel(ni_vi *winner, const ni_task *t, const void *src,
                         const pool_span *v, const pool_span *u, bool bf16)
{
    ni_v best = (ni_v){0} - __builtin_inff();
    *winner = (ni_vi){0};
    for (int32_t y = v->first; y < v->last; y++)
        for (int32_t x = u->first; x < u->last; x++) {
            ni_v value = ni_vload(src, pool_pixel(t, v, u, y, x), bf16);
            ni_vi place = (ni_vi){0} + (y * t->window.kernel[1] + x);
            ni_vi first =
                (ni_vi){0} == (y == v->first && x == u->first ? 0 : 1);
            ni_vi wins = (value > best) | (value != value) | first;
            wins &= best == best;
            best = ni_pick(wins, value, best);
            *winner = (wins & place) | (~wins & *winner);
        }
    return best;
}

NI_INLINE void max_row(const ni_task *t, int64_t row, bool bf16)
{
    const ni_layout *d = &t->dst;
    const void *src = ni_row_const(t->at[NI_SRC], &t->src, row);
    void *dst = ni_row(t->at[NI_DST], d, row);
    bool wide = ni_pool_index_bytes(&t->window) == 4;
    for (int32_t i = 0; i < ni_pixels(d); i++) {
        pool_span v, u;
        ni_vi winner;
        pool_spans(&v, &u, t, i);
        ni_vstore(dst, i, max_pixel(&winner, t, src, &v, &u, bf16), bf16);
        if (t->at[NI_INDEX])
            pool_mark(t->at[NI_INDEX], row * ni_pixels(d) + i, winner, wide);
    }
}

static void max_pool(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_TYPE(t->src.bf16, max_row, t, row);
}

/* Round a finished row of sums into D_SRC. */
NI_INLINE void pool_finish_row(const ni_task *t, const float *sum, int64_t row,
                               bool bf16)
{
    void *d_src = ni_row(t->at[NI_D_SRC], &t->src, row);
    for (int64_t i = 0; i < ni_pixels(&t->src); i++) {
        ni_v dx = ni_vload(sum, i, false);
        if (t->accumulate)
            dx += ni_vload(d_src, i, bf16);
        ni_vstore(d_src, i, dx, bf16);
    }
}

NI_INLINE void max_backward_row(const ni_task *t, float *sum, int64_t row,
                                bool bf16)
{
    int64_t n = ni_pixels(&t->dst);
    const void *d_dst = ni_row_const(t->at[NI_D_DST], &t->dst, row);
    bool wide = ni_pool_index_bytes(&t->window) == 4;
    memset(sum, 0, (size_t)ni_pixels(&t->src) * sizeof(ni_v));
    for (int32_t i = 0; i < n; i++) {
        pool_span v, u;
        ni_vi winner = pool_winner(t->at[NI_INDEX], row * n + i, wide);
        ni_v d = ni_vload(d_dst, i, bf16);
        pool_spans(&v, &u, t, i);
        for (int32_t y = v.first; y < v.last; y++)
            for (int32_t x = u.first; x < u.last; x++) {
                int64_t at = pool_pixel(t, &v, &u, y, x);
                ni_vi wins = winner == y * t->window.kernel[1] + x;
                ni_v dx = ni_vload(sum, at, false) + ni_keep(wins, d);
                ni_vstore(sum, at, dx, false);
            }
    }
    pool_finish_row(t, sum, row, bf16);
}

static void max_pool_backward(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_TYPE(t->src.bf16, max_backward_row, t, t->at[NI_PARTIAL], row);
}

/* ---- average ---------------------------------------------------------- */

NI_INLINE float avg_divisor(const ni_window *w, const pool_span *v,
                            const pool_span *u)
{
    int64_t count = (int64_t)(v->last - v->first) * (u->last - u->first);
    if (w->count_include_pad)
        count = (int64_t)v->counted * u->counted;
    return count > 0 ? (float)count : 1.0F;
}

NI_INLINE void avg_row(const ni_task *t, int64_t row, bool bf16)
{
    const void *src = ni_row_const(t->at[NI_SRC], &t->src, row);
    void *dst = ni_row(t->at[NI_DST], &t->dst, row);
    for (int32_t i = 0; i < ni_pixels(&t->dst); i++) {
        pool_span v, u;
        ni_v sum = {0};
        pool_spans(&v, &u, t, i);
        for (int32_t y = v.first; y < v.last; y++)
            for (int32_t x = u.first; x < u.last; x++)
                sum += ni_vload(src, pool_pixel(t, &v, &u, y, x), bf16);
        ni_vstore(dst, i, sum / avg_divisor(&t->window, &v, &u), bf16);
    }
}

static void avg_pool(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_TYPE(t->src.bf16, avg_row, t, row);
}

NI_INLINE void avg_backward_row(const ni_task *t, float *sum, int64_t row,
                                bool bf16)
{
    const void *d_dst = ni_row_const(t->at[NI_D_DST], &t->dst, row);
    memset(sum, 0, (size_t)ni_pixels(&t->src) * sizeof(ni_v));
    for (int32_t i = 0; i < ni_pixels(&t->dst); i++) {
        pool_span v, u;
        pool_spans(&v, &u, t, i);
        ni_v share = ni_vload(d_dst, i, bf16) / avg_divisor(&t->window, &v, &u);
        for (int32_t y = v.first; y < v.last; y++)
            for (int32_t x = u.first; x < u.last; x++) {
                int64_t at = pool_pixel(t, &v, &u, y, x);
                ni_vstore(sum, at, ni_vload(sum, at, false) + share, false);
            }
    }
    pool_finish_row(t, sum, row, bf16);
}

static void avg_pool_backward(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_TYPE(t->src.bf16, avg_backward_row, t, t->at[NI_PARTIAL], row);
}

/* ---- global average: to and from float32 ------------------------------- */

NI_INLINE void global_row(const ni_task *t, int64_t row, bool bf16)
{
    const void *src = ni_row_const(t->at[NI_SRC], &t->src, row);
    int64_t pixels = ni_pixels(&t->src);
    ni_v sum = {0};
    for (int64_t i = 0; i < pixels; i++)
        sum += ni_vload(src, i, bf16);
    ni_vstore(t->at[NI_DST], row, sum / (float)pixels, false);
}

static void global_pool(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_TYPE(t->src.bf16, global_row, t, row);
}

NI_INLINE void global_backward_row(const ni_task *t, int64_t row, bool add_up,
                                   bool bf16)
{
    void *d_src = ni_row(t->at[NI_D_SRC], &t->src, row);
    int64_t pixels = ni_pixels(&t->src);
    ni_v share = ni_vload(t->at[NI_D_DST], row, false) / (float)pixels;
    for (int64_t i = 0; i < pixels; i++)
        ni_vstore(d_src, i, add_up ? share + ni_vload(d_src, i, bf16) : share,
                  bf16);
}

static void global_pool_backward(const ni_task *t)
{
    for (int64_t row = 0; row < ni_rows(&t->src); row++)
        BY_FLAG(t->accumulate, t->src.bf16, global_backward_row, t, row);
}
