/*
 * ReLU and clip, and where tensors meet: addition, gate, concatenation, and the
 * sums of derivatives. Sums are formed in float32 and rounded once. All but the
 * concatenation are blind to layouts and go by pieces of NI_CHUNK elements.
 */

/* Vectors in the piece that begins at element i. */
NI_INLINE int64_t chunk_vectors(const ni_task *t, int64_t i)
{
    return (t->count - i < NI_CHUNK ? t->count - i : NI_CHUNK) / NI_LANES;
}

/* ---- ReLU ------------------------------------------------------------- */

NI_INLINE void relu_chunk(void *dst, const void *src, int64_t n, bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        ni_v x = ni_vload(src, i, bf16);
        ni_vstore(dst, i, ni_keep(~(x < 0.0F), x), bf16);
    }
}

static void relu(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_TYPE(bf16, relu_chunk, ni_at(t->at[NI_DST], i, bf16),
                ni_at_const(t->at[NI_SRC], i, bf16), chunk_vectors(t, i));
}

NI_INLINE void relu_backward_chunk(void *d_src, const void *d_dst,
                                   const void *dst, int64_t n, bool add_up,
                                   bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        ni_v passed = ni_vload(dst, i, bf16);
        ni_v dx = ni_keep(passed > 0.0F, ni_vload(d_dst, i, bf16));
        if (add_up)
            dx += ni_vload(d_src, i, bf16);
        ni_vstore(d_src, i, dx, bf16);
    }
}

static void relu_backward(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_FLAG(t->accumulate, bf16, relu_backward_chunk,
                ni_at(t->at[NI_D_SRC], i, bf16),
                ni_at_const(t->at[NI_D_DST], i, bf16),
                ni_at_const(t->at[NI_DST], i, bf16), chunk_vectors(t, i));
}

/* ---- clip ------------------------------------------------------------- */

/* Limits as they are stored: what was cut off is then equal to them. */
NI_INLINE ni_v clip_limit(float limit, bool bf16)
{
    return (bf16 ? ni_from_bf16(ni_to_bf16(limit)) : limit) - (ni_v){0};
}

NI_INLINE void clip_chunk(const ni_task *t, int64_t at, bool bf16)
{
    void *dst = ni_at(t->at[NI_DST], at, bf16);
    const void *src = ni_at_const(t->at[NI_SRC], at, bf16);
    ni_v low = clip_limit(t->low, bf16), high = clip_limit(t->high, bf16);
    for (int64_t i = 0; i < chunk_vectors(t, at); i++) {
        ni_v x = ni_vload(src, i, bf16);
        x = ni_pick(x < low, low, ni_pick(x > high, high, x));
        ni_vstore(dst, i, x, bf16);
    }
}

static void clip(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_TYPE(bf16, clip_chunk, t, i);
}

NI_INLINE void clip_backward_chunk(const ni_task *t, int64_t at, bool add_up,
                                   bool bf16)
{
    void *d_src = ni_at(t->at[NI_D_SRC], at, bf16);
    const void *d_dst = ni_at_const(t->at[NI_D_DST], at, bf16);
    const void *dst = ni_at_const(t->at[NI_DST], at, bf16);
    ni_v low = clip_limit(t->low, bf16), high = clip_limit(t->high, bf16);
    for (int64_t i = 0; i < chunk_vectors(t, at); i++) {
        ni_v y = ni_vload(dst, i, bf16);
        ni_vi passed = (y > low) & (y < high);
        ni_v dx = ni_keep(passed, ni_vload(d_dst, i, bf16));
        if (add_up)
            dx += ni_vload(d_src, i, bf16);
        ni_vstore(d_src, i, dx, bf16);
    }
}

static void clip_backward(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_FLAG(t->accumulate, bf16, clip_backward_chunk, t, i);
}

/* ---- sums ------------------------------------------------------------- */

NI_INLINE void add_chunk(const ni_task *t, int64_t first, bool bf16)
{
    const void *src[NI_SRC_LAST - NI_SRC + 1];
    void *dst = ni_at(t->at[NI_DST], first, bf16);
    for (int32_t k = 0; k < t->n_src; k++)
        src[k] = ni_at_const(t->at[NI_SRC + k], first, bf16);
    for (int64_t i = 0; i < chunk_vectors(t, first); i++) {
        ni_v sum = ni_vload(src[0], i, bf16) + ni_vload(src[1], i, bf16);
        for (int32_t k = 2; k < t->n_src; k++)
            sum += ni_vload(src[k], i, bf16);
        ni_vstore(dst, i, sum, bf16);
    }
}

static void add(const ni_task *t)
{
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_TYPE(t->src.bf16, add_chunk, t, i);
}

NI_INLINE void accumulate_chunk(void *sum, const void *src, int64_t n,
                                bool add_up, bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        ni_v x = ni_vload(src, i, bf16);
        ni_vstore(sum, i, add_up ? x + ni_vload(sum, i, bf16) : x, bf16);
    }
}

static void accumulate(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_FLAG(t->accumulate, bf16, accumulate_chunk,
                ni_at(t->at[NI_D_SRC], i, bf16),
                ni_at_const(t->at[NI_SRC], i, bf16), chunk_vectors(t, i));
}

static void sum_parts(const ni_task *t)
{
    float *sum = t->at[NI_D_SRC];
    for (int64_t i = 0; i < t->count / NI_LANES; i++) {
        ni_v x = ni_vload(sum, i, false);
        for (int32_t k = 1; k < t->n_src; k++)
            x += ni_vload(sum + k * t->stride, i, false);
        ni_vstore(sum, i, x, false);
    }
}

/* ---- gate ------------------------------------------------------------- */

NI_INLINE void gate_chunk(void *dst, const void *f, const void *h, float lambda,
                          int64_t n, bool bf16)
{
    float rest = 1.0F - lambda;
    for (int64_t i = 0; i < n; i++) {
        ni_v a = lambda * ni_vload(f, i, bf16);
        ni_v b = rest * ni_vload(h, i, bf16);
        ni_vstore(dst, i, a + b, bf16);
    }
}

static void gate(const ni_task *t)
{
    bool bf16 = t->src.bf16;
    float lambda = *(const float *)t->at[NI_WEIGHT];
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_TYPE(bf16, gate_chunk, ni_at(t->at[NI_DST], i, bf16),
                ni_at_const(t->at[NI_SRC], i, bf16),
                ni_at_const(t->at[NI_SRC + 1], i, bf16), lambda,
                chunk_vectors(t, i));
}

/* Sum of d (f - h), lane by lane, then over the lanes. */
NI_INLINE double gate_dot(const void *d, const void *f, const void *h,
                          int64_t n, bool bf16)
{
    ni_v sum = {0};
    for (int64_t i = 0; i < n; i++) {
        ni_v apart = ni_vload(f, i, bf16) - ni_vload(h, i, bf16);
        sum += ni_vload(d, i, bf16) * apart;
    }
    double total = 0.0;
    for (int32_t l = 0; l < NI_LANES; l++)
        total += (double)sum[l];
    return total;
}

NI_INLINE void gate_spread(void *to, const void *d, float factor, int64_t n,
                           bool add_up, bool bf16)
{
    for (int64_t i = 0; i < n; i++) {
        ni_v x = factor * ni_vload(d, i, bf16);
        if (add_up)
            x += ni_vload(to, i, bf16);
        ni_vstore(to, i, x, bf16);
    }
}

/* D_SRC2 last: it may be D_DST itself. */
NI_INLINE void gate_backward_chunk(const ni_task *t, int64_t first, bool bf16)
{
    float lambda = *(const float *)t->at[NI_WEIGHT];
    const void *d = ni_at_const(t->at[NI_D_DST], first, bf16);
    int64_t n = chunk_vectors(t, first);
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
    for (int64_t i = 0; i < t->count; i += NI_CHUNK)
        BY_TYPE(t->src.bf16, gate_backward_chunk, t, i);
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
    int32_t lanes = NI_LANES, out = c + t->offset;
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
                           int32_t length, size_t item)
{
    if (length == NI_LANES) {
        memcpy(dst, src, (size_t)pixels * NI_LANES * item);
        return;
    }
    for (int64_t i = 0; i < pixels; i++)
        memcpy((char *)dst + (size_t)i * NI_LANES * item,
               (const char *)src + (size_t)i * NI_LANES * item,
               (size_t)length * item);
}

/* Zero the lanes beyond the last channel of dst. */
NI_INLINE void concat_clear(char *image, const ni_layout *d, size_t item)
{
    int32_t used = d->c % NI_LANES;
    if (used == 0)
        return;
    int64_t pixels = (int64_t)d->h * d->w;
    char *block = image + (size_t)(d->c / NI_LANES * pixels * NI_LANES) * item;
    for (int64_t i = 0; i < pixels; i++)
        memset(block + (size_t)(i * NI_LANES + used) * item, 0,
               (size_t)(NI_LANES - used) * item);
}

static void concat(const ni_task *t)
{
    size_t item = t->src.bf16 ? 2 : 4;
    int64_t pixels = (int64_t)t->src.h * t->src.w;
    size_t src_bytes = ni_layout_bytes(&t->src) / (size_t)t->src.n;
    size_t dst_bytes = ni_layout_bytes(&t->dst) / (size_t)t->dst.n;
    for (int32_t n = 0; n < t->src.n; n++) {
        const char *src = (const char *)t->at[NI_SRC] + (size_t)n * src_bytes;
        char *dst = (char *)t->at[NI_DST] + (size_t)n * dst_bytes;
        for (int32_t c = 0; c < t->src.c;) {
            concat_run run = concat_run_at(t, c);
            concat_copy(dst + (size_t)run.dst * item,
                        src + (size_t)run.src * item, pixels, run.length, item);
            c += run.length;
        }
        if (t->offset + t->src.c == t->dst.c)
            concat_clear(dst, &t->dst, item);
    }
}

NI_INLINE void concat_sum(void *sum, const void *src, int64_t pixels,
                          int32_t length, bool bf16)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int32_t l = 0; l < length; l++) {
            int64_t at = i * NI_LANES + l;
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
    for (int32_t n = 0; n < t->src.n; n++) {
        char *to = (char *)t->at[NI_D_SRC] + (size_t)n * src_bytes;
        const char *d = (const char *)t->at[NI_D_DST] + (size_t)n * dst_bytes;
        for (int32_t c = 0; c < t->src.c;) {
            concat_run run = concat_run_at(t, c);
            char *sum = to + (size_t)run.src * item;
            const char *src = d + (size_t)run.dst * item;
            if (t->accumulate)
                BY_TYPE(bf16, concat_sum, sum, src, pixels, run.length);
            else
                concat_copy(sum, src, pixels, run.length, item);
            c += run.length;
        }
        if (!t->accumulate)
            concat_clear(to, &t->src, item);
    }
}
