/*
 * Where tensors meet: addition, gate, concatenation, and the sums of
 * gradients. Sums are formed in float32 and rounded once.
 */

NI_INLINE void add_chunk(const ni_task *t, int64_t first, int64_t n, bool bf16)
{
    void *dst = ni_at(t->at[NI_DST], first, bf16);
    const void *a = ni_at_const(t->at[NI_SRC], first, bf16);
    const void *b = ni_at_const(t->at[NI_SRC + 1], first, bf16);
    if (t->n_src == 2) {
        for (int64_t i = 0; i < n; i++)
            ni_store(dst, i, ni_load(a, i, bf16) + ni_load(b, i, bf16), bf16);
        return;
    }
    float sum[NI_CHUNK];
    for (int64_t i = 0; i < n; i++)
        sum[i] = ni_load(a, i, bf16) + ni_load(b, i, bf16);
    for (int32_t k = 2; k < t->n_src; k++) {
        const void *c = ni_at_const(t->at[NI_SRC + k], first, bf16);
        for (int64_t i = 0; i < n; i++)
            sum[i] += ni_load(c, i, bf16);
    }
    for (int64_t i = 0; i < n; i++)
        ni_store(dst, i, sum[i], bf16);
}

static void add(const ni_task *t)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i += NI_CHUNK) {
        int64_t n = t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK;
        BY_TYPE(t->src.bf16, add_chunk, t, i, n);
    }
}

NI_INLINE void accumulate_chunk(void *sum, const void *src, int64_t n,
                                bool bf16)
{
    for (int64_t i = 0; i < n; i++)
        ni_store(sum, i, ni_load(sum, i, bf16) + ni_load(src, i, bf16), bf16);
}

static void accumulate(const ni_task *t)
{
    bool bf16 = t->src.bf16;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i += NI_CHUNK) {
        int64_t n = t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK;
        void *sum = ni_at(t->at[NI_D_SRC], i, bf16);
        const void *src = ni_at_const(t->at[NI_SRC], i, bf16);
        if (t->accumulate)
            BY_TYPE(bf16, accumulate_chunk, sum, src, n);
        else
            memcpy(sum, src, (size_t)n * (bf16 ? 2 : 4));
    }
}

/* ---- gate ------------------------------------------------------------- */

NI_INLINE void gate_chunk(void *dst, const void *f, const void *h, float lambda,
                          int64_t n, bool bf16)
{
    float rest = 1.0F - lambda;
    for (int64_t i = 0; i < n; i++) {
        float a = lambda * ni_load(f, i, bf16);
        float b = rest * ni_load(h, i, bf16);
        ni_store(dst, i, a + b, bf16);
    }
}

static void gate(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    float lambda = *(const float *)t->at[NI_WEIGHT];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i += NI_CHUNK) {
        int64_t n = t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK;
        BY_TYPE(bf16, gate_chunk, ni_at(t->at[NI_DST], i, bf16),
                ni_at_const(t->at[NI_SRC], i, bf16),
                ni_at_const(t->at[NI_SRC + 1], i, bf16), lambda, n);
    }
}

/* Sum of d (f - h), lane by lane, then over the lanes. */
NI_INLINE double gate_dot(const void *d, const void *f, const void *h,
                          int64_t n, bool bf16)
{
    float sum[NI_MAX_LANES] = {0};
    int64_t whole = n - n % NI_MAX_LANES;
    for (int64_t i = 0; i < whole; i += NI_MAX_LANES)
        for (int32_t l = 0; l < NI_MAX_LANES; l++) {
            float apart = ni_load(f, i + l, bf16) - ni_load(h, i + l, bf16);
            sum[l] += ni_load(d, i + l, bf16) * apart;
        }
    double total = 0.0;
    for (int64_t i = whole; i < n; i++) {
        float apart = ni_load(f, i, bf16) - ni_load(h, i, bf16);
        total += (double)(ni_load(d, i, bf16) * apart);
    }
    for (int32_t l = 0; l < NI_MAX_LANES; l++)
        total += (double)sum[l];
    return total;
}

NI_INLINE void gate_spread(void *to, const void *d, float factor, int64_t n,
                           bool add_up, bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        float x = factor * ni_load(d, i, bf16);
        if (add_up)
            x += ni_load(to, i, bf16);
        ni_store(to, i, x, bf16);
    }
}

/* D_SRC2 last: it may be D_DST itself. */
NI_INLINE void gate_backward_chunk(const ni_task *t, int64_t first, int64_t n,
                                   bool bf16)
{
    float lambda = *(const float *)t->at[NI_WEIGHT];
    const void *d = ni_at_const(t->at[NI_D_DST], first, bf16);
    ((double *)t->at[NI_PARTIAL])[first / NI_CHUNK] =
        gate_dot(d, ni_at_const(t->at[NI_SRC], first, bf16),
                 ni_at_const(t->at[NI_SRC + 1], first, bf16), n, bf16);
    if (t->at[NI_D_SRC])
        gate_spread(ni_at(t->at[NI_D_SRC], first, bf16), d, lambda, n,
                    t->accumulate, bf16);
    if (t->at[NI_D_SRC2])
        gate_spread(ni_at(t->at[NI_D_SRC2], first, bf16), d, 1.0F - lambda, n,
                    t->accumulate2, bf16);
}

static void gate_backward(const ni_task *t)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i += NI_CHUNK) {
        int64_t n = t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK;
        BY_TYPE(t->src.bf16, gate_backward_chunk, t, i, n);
    }
    double total = 0.0;
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        total += ((const double *)t->at[NI_PARTIAL])[i / NI_CHUNK];
    *(float *)t->at[NI_D_WEIGHT] = (float)total;
}

/* ---- concatenation ---------------------------------------------------- */

/* A stretch of channels that is contiguous in a pixel of both tensors. */
typedef struct concat_run {
    int64_t src, dst; /* offsets of its first channel in an image */
    int32_t length;
} concat_run;

NI_INLINE concat_run concat_run_at(const ni_task *t, int32_t c)
{
    int32_t lanes = t->src.lanes, out = c + t->offset;
    int64_t plane = (int64_t)t->src.h * t->src.w * lanes;
    int32_t here = lanes - c % lanes, there = lanes - out % lanes;
    concat_run run = {c / lanes * plane + c % lanes,
                      out / lanes * plane + out % lanes,
                      here < there ? here : there};
    if (run.length > t->src.c - c)
        run.length = t->src.c - c;
    return run;
}

/* Copy a run over all pixels; src and dst are images of the same lanes. */
NI_INLINE void concat_copy(void *dst, const void *src, int64_t pixels,
                           int32_t length, int32_t lanes, size_t item)
{
    if (length == lanes) {
        memcpy(dst, src, (size_t)(pixels * lanes) * item);
        return;
    }
    for (int64_t i = 0; i < pixels; i++)
        memcpy((char *)dst + (size_t)(i * lanes) * item,
               (const char *)src + (size_t)(i * lanes) * item,
               (size_t)length * item);
}

/* Zero the lanes beyond the last channel of dst. */
NI_INLINE void concat_clear(char *image, const ni_layout *d, size_t item)
{
    int32_t used = d->c % d->lanes;
    if (used == 0)
        return;
    int64_t pixels = (int64_t)d->h * d->w;
    char *block = image + (size_t)(d->c / d->lanes * pixels * d->lanes) * item;
    for (int64_t i = 0; i < pixels; i++)
        memset(block + (size_t)(i * d->lanes + used) * item, 0,
               (size_t)(d->lanes - used) * item);
}

static void concat(const ni_task *t)
{
    size_t item = t->src.bf16 ? 2 : 4;
    int64_t pixels = (int64_t)t->src.h * t->src.w;
    size_t src_bytes = ni_layout_bytes(&t->src) / (size_t)t->src.n;
    size_t dst_bytes = ni_layout_bytes(&t->dst) / (size_t)t->dst.n;
#pragma omp parallel for schedule(static)
    for (int32_t n = 0; n < t->src.n; n++) {
        const char *src = (const char *)t->at[NI_SRC] + (size_t)n * src_bytes;
        char *dst = (char *)t->at[NI_DST] + (size_t)n * dst_bytes;
        for (int32_t c = 0; c < t->src.c;) {
            concat_run run = concat_run_at(t, c);
            concat_copy(dst + (size_t)run.dst * item,
                        src + (size_t)run.src * item, pixels, run.length,
                        t->src.lanes, item);
            c += run.length;
        }
        if (t->offset + t->src.c == t->dst.c)
            concat_clear(dst, &t->dst, item);
    }
}

NI_INLINE void concat_sum(void *sum, const void *src, int64_t pixels,
                          int32_t length, int32_t lanes, bool bf16)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < length; l++) {
            int64_t at = i * lanes + l;
            ni_store(sum, at, ni_load(sum, at, bf16) + ni_load(src, at, bf16),
                     bf16);
        }
}

static void concat_backward(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    size_t item = bf16 ? 2 : 4;
    int64_t pixels = (int64_t)t->src.h * t->src.w;
    size_t src_bytes = ni_layout_bytes(&t->src) / (size_t)t->src.n;
    size_t dst_bytes = ni_layout_bytes(&t->dst) / (size_t)t->dst.n;
#pragma omp parallel for schedule(static)
    for (int32_t n = 0; n < t->src.n; n++) {
        char *to = (char *)t->at[NI_D_SRC] + (size_t)n * src_bytes;
        const char *d = (const char *)t->at[NI_D_DST] + (size_t)n * dst_bytes;
        for (int32_t c = 0; c < t->src.c;) {
            concat_run run = concat_run_at(t, c);
            char *sum = to + (size_t)run.src * item;
            const char *src = d + (size_t)run.dst * item;
            if (t->accumulate)
                BY_TYPE(bf16, concat_sum, sum, src, pixels, run.length,
                        t->src.lanes);
            else
                concat_copy(sum, src, pixels, run.length, t->src.lanes, item);
            c += run.length;
        }
        if (!t->accumulate)
            concat_clear(to, &t->src, item);
    }
}
