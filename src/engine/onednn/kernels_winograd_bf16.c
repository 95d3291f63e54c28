/*
 * Winograd's F(2x2, 3x3) in bf16: transforms by vectors of 16 channels, and in
 * between, for each of the 16 places of a tile, a product of matrices with 24
 * accumulators. Tiles are taken in chunks whose transforms stay in the cache.
 * Compiled for AVX-512 with bf16, which the caller has to have; CMakeLists.txt
 * sets the flags. Refuses nothing: winograd.c checks what fits.
 */
#include "winograd.h"

#if defined(__x86_64__)

#include "kernels_bf16.h"
#include "kernels_tiles.h"

enum {
    SIDE = 2,    /* of a tile's outputs */
    PLACES = 16, /* of a transformed tile */
    STEP = 24,   /* tiles that every size of product divides */
    MANY = 256,  /* inputs from which on a chunk has fewer tiles */
    PAIRS = 96,  /* of tiles, in a chunk of the weights' gradient */
    PAD = 32     /* between planes, so that they do not meet in the cache */
};

/* ---- tiles ------------------------------------------------------------ */

/* size x size pixels from (y, x) on; zero outside of the image. */
NI_INLINE void load_pixels(vec d[4][4], const uint16_t *src, const ni_layout *l,
                           int32_t y, int32_t x, int32_t size)
{
    bool inside = y >= 0 && x >= 0 && y + size <= l->h && x + size <= l->w;
    for (int32_t i = 0; i < size; i++)
        for (int32_t j = 0; j < size; j++) {
            int64_t at = ((int64_t)(y + i) * l->w + x + j) * LANES;
            bool here = inside || (y + i >= 0 && y + i < l->h && x + j >= 0 &&
                                   x + j < l->w);
            d[i][j] = here ? load(src + at) : _mm512_setzero_ps();
        }
}

/* d = B' d B */
NI_INLINE void transform_input(vec d[4][4])
{
    vec t[4][4];
    for (int j = 0; j < 4; j++) {
        t[0][j] = d[0][j] - d[2][j];
        t[1][j] = d[1][j] + d[2][j];
        t[2][j] = d[2][j] - d[1][j];
        t[3][j] = d[1][j] - d[3][j];
    }
    for (int i = 0; i < 4; i++) {
        d[i][0] = t[i][0] - t[i][2];
        d[i][1] = t[i][1] + t[i][2];
        d[i][2] = t[i][2] - t[i][1];
        d[i][3] = t[i][1] - t[i][3];
    }
}

/* y = A' m A */
NI_INLINE void transform_output(vec y[2][2], vec m[4][4])
{
    vec t[2][4];
    for (int j = 0; j < 4; j++) {
        t[0][j] = m[0][j] + m[1][j] + m[2][j];
        t[1][j] = m[1][j] - m[2][j] - m[3][j];
    }
    for (int i = 0; i < 2; i++) {
        y[i][0] = t[i][0] + t[i][1] + t[i][2];
        y[i][1] = t[i][1] - t[i][2] - t[i][3];
    }
}

/* d = A y A', of the 2x2 in d's corner: the output's transform, transposed */
NI_INLINE void transform_d_output(vec d[4][4])
{
    vec t[4][2];
    for (int j = 0; j < 2; j++) {
        t[0][j] = d[0][j];
        t[1][j] = d[0][j] + d[1][j];
        t[2][j] = d[0][j] - d[1][j];
        t[3][j] = _mm512_setzero_ps() - d[1][j];
    }
    for (int i = 0; i < 4; i++) {
        d[i][0] = t[i][0];
        d[i][1] = t[i][0] + t[i][1];
        d[i][2] = t[i][0] - t[i][1];
        d[i][3] = _mm512_setzero_ps() - t[i][1];
    }
}

/* m = G g G' */
NI_INLINE void transform_weights(vec m[4][4], vec g[3][3])
{
    vec t[4][3], half = _mm512_set1_ps(0.5F);
    for (int j = 0; j < 3; j++) {
        t[0][j] = g[0][j];
        t[1][j] = half * (g[0][j] + g[1][j] + g[2][j]);
        t[2][j] = half * (g[0][j] - g[1][j] + g[2][j]);
        t[3][j] = g[2][j];
    }
    for (int i = 0; i < 4; i++) {
        m[i][0] = t[i][0];
        m[i][1] = half * (t[i][0] + t[i][1] + t[i][2]);
        m[i][2] = half * (t[i][0] - t[i][1] + t[i][2]);
        m[i][3] = t[i][2];
    }
}

/* g = G' m G */
NI_INLINE void transform_d_weights(vec g[3][3], vec m[4][4])
{
    vec t[3][4], half = _mm512_set1_ps(0.5F);
    for (int j = 0; j < 4; j++) {
        vec sum = half * (m[1][j] + m[2][j]);
        t[0][j] = m[0][j] + sum;
        t[1][j] = half * (m[1][j] - m[2][j]);
        t[2][j] = m[3][j] + sum;
    }
    for (int i = 0; i < 3; i++) {
        vec sum = half * (t[i][1] + t[i][2]);
        g[i][0] = t[i][0] + sum;
        g[i][1] = half * (t[i][1] - t[i][2]);
        g[i][2] = t[i][3] + sum;
    }
}

/* ---- weights ---------------------------------------------------------- */

/* Of 16 outputs the weights by one input: g[k] has `stride` floats between
 * lanes; turned by half a turn if they are for the derivative. */
NI_INLINE void gather_weights(vec g[3][3], const float *from, int32_t stride,
                              bool back)
{
    __m512i lane =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32(stride));
    for (int k = 0; k < 9; k++)
        g[k / 3][k % 3] = _mm512_i32gather_ps(at, from + (back ? 8 - k : k), 4);
}

/* DST [places][to / 16][from / 2][16][2], where `to` and `from` are outputs and
 * inputs, or the other way round. */
NI_INLINE void pack_weights(const ni_task *t, bool back)
{
    const float *weight = t->at[NI_WEIGHT];
    uint16_t *dst = t->at[NI_DST];
    int32_t inputs = t->src.c, outputs = t->dst.c;
    int32_t from = back ? outputs : inputs, to = back ? inputs : outputs;
    int64_t from_step = 9 * (back ? (int64_t)inputs : 1);
    int64_t to_step = 9 * (back ? 1 : (int64_t)inputs);
    for (int32_t o = 0; o < to; o += LANES)
        for (int32_t c = 0; c < from; c += 2) {
            vec g[3][3], a[4][4], b[4][4];
            const float *at = weight + o * to_step + c * from_step;
            gather_weights(g, at, (int32_t)to_step, back);
            transform_weights(a, g);
            gather_weights(g, at + from_step, (int32_t)to_step, back);
            transform_weights(b, g);
            for (int p = 0; p < PLACES; p++)
                store_pair(dst + ((int64_t)p * to + o) * from + c * LANES,
                           a[p / 4][p % 4], b[p / 4][p % 4]);
        }
}

static void pack(const ni_task *t)
{
    pack_weights(t, false);
}

static void pack_back(const ni_task *t)
{
    pack_weights(t, true);
}

/* ---- forward ---------------------------------------------------------- */

/* A chunk: the transformed inputs [places][tiles][C], and the products
 * [places][tiles][GROUP * 16]. */
typedef struct chunk {
    int64_t first;
    int32_t n, most; /* tiles */
    uint16_t *inputs;
    float *products;
    int64_t input_plane, product_plane; /* elements */
} chunk;

/* Its sizes; it has no memory yet. */
static chunk sized_chunk(int32_t inputs)
{
    chunk c = {.most = inputs > MANY ? STEP : 2 * STEP};
    c.input_plane = (int64_t)c.most * inputs + PAD;
    c.product_plane = (int64_t)c.most * GROUP * LANES + PAD;
    return c;
}

static chunk chunk_of(int32_t inputs, void *scratch)
{
    chunk c = sized_chunk(inputs);
    c.products = scratch;
    c.inputs = (uint16_t *)(void *)(c.products + PLACES * c.product_plane);
    return c;
}

static size_t forward_bytes(int32_t inputs, int32_t outputs)
{
    (void)outputs;
    chunk c = sized_chunk(inputs);
    return (size_t)PLACES * ((size_t)c.input_plane * sizeof(uint16_t) +
                             (size_t)c.product_plane * sizeof(float));
}

static void read_tiles(const chunk *c, const ni_task *t)
{
    const uint16_t *src = t->at[NI_SRC];
    for (int32_t i = 0; i < c->n; i++) {
        ni_tile it = ni_tile_at(&t->src, c->first + i, SIDE);
        for (int32_t b = 0; b < t->src.c / LANES; b++) {
            vec d[4][4];
            uint16_t *to = c->inputs + (int64_t)i * t->src.c + b * LANES;
            load_pixels(d, src + ni_tile_block(&t->src, &it, b), &t->src,
                        it.y - 1, it.x - 1, 4);
            transform_input(d);
            for (int p = 0; p < PLACES; p++)
                store(to + p * c->input_plane, d[p / 4][p % 4]);
        }
    }
}

/* The products of `tiles` tiles and `blocks` blocks of outputs. */
NI_INLINE void multiply(float *product, const uint16_t *input,
                        const uint16_t *weight, int32_t inputs, int blocks,
                        int tiles)
{
    vec sum[STEP];
    for (int i = 0; i < tiles * blocks; i++)
        sum[i] = _mm512_setzero_ps();
    for (int32_t c = 0; c < inputs; c += 2) {
        __m512bh w[GROUP];
        for (int b = 0; b < blocks; b++)
            w[b] = load_pairs(weight + ((int64_t)b * inputs + c) * LANES);
        for (int i = 0; i < tiles; i++) {
            __m512bh x = spread_pair(input + (int64_t)i * inputs + c);
            for (int b = 0; b < blocks; b++)
                sum[i * blocks + b] =
                    _mm512_dpbf16_ps(sum[i * blocks + b], w[b], x);
        }
    }
    for (int i = 0; i < tiles * blocks; i++)
        _mm512_storeu_ps(product + i * LANES, sum[i]);
}

/* All products of a chunk for the blocks from `block` on. */
NI_INLINE void multiply_chunk(const chunk *c, const ni_task *t, int32_t block,
                              int blocks)
{
    int tiles = STEP / blocks;
    int32_t inputs = t->src.c, outputs = t->dst.c;
    const uint16_t *weight = t->at[NI_WEIGHT];
    for (int p = 0; p < PLACES; p++) {
        const uint16_t *w =
            weight + ((int64_t)p * outputs + block * LANES) * inputs;
        const uint16_t *input = c->inputs + p * c->input_plane;
        float *product = c->products + p * c->product_plane;
        for (int32_t i = 0; i < c->n; i += tiles)
            multiply(product + (int64_t)i * blocks * LANES,
                     input + (int64_t)i * inputs, w, inputs, blocks, tiles);
    }
}

/* Bias (may be NULL) and ReLU of the outputs y, of one block; a NaN stays. */
NI_INLINE void finish(vec y[2][2], const float *bias, int32_t block, bool relu)
{
    vec zero = _mm512_setzero_ps();
    vec b = bias ? _mm512_loadu_ps(bias + (int64_t)block * LANES) : zero;
    for (int k = 0; k < 4; k++) {
        y[k / 2][k % 2] += b;
        if (relu)
            y[k / 2][k % 2] = _mm512_max_ps(zero, y[k / 2][k % 2]);
    }
}

static void write_tiles(const chunk *c, const ni_task *t, int32_t block,
                        int32_t blocks)
{
    const ni_layout *l = &t->dst;
    const float *bias = t->at[NI_BIAS];
    for (int32_t i = 0; i < c->n; i++) {
        ni_tile it = ni_tile_at(l, c->first + i, SIDE);
        for (int32_t b = 0; b < blocks; b++) {
            vec m[4][4], y[2][2];
            const float *from = c->products + ((int64_t)i * blocks + b) * LANES;
            uint16_t *dst =
                (uint16_t *)t->at[NI_DST] + ni_tile_block(l, &it, block + b);
            for (int p = 0; p < PLACES; p++)
                m[p / 4][p % 4] = _mm512_loadu_ps(from + p * c->product_plane);
            transform_output(y, m);
            if (bias || t->relu)
                finish(y, bias, block + b, t->relu);
            for (int32_t k = 0; k < 4; k++) {
                int32_t row = it.y + k / 2, column = it.x + k % 2;
                if (row < l->h && column < l->w)
                    store(dst + ((int64_t)row * l->w + column) * LANES,
                          y[k / 2][k % 2]);
            }
        }
    }
}

static void forward(const ni_task *t)
{
    chunk c = chunk_of(t->src.c, t->at[NI_PARTIAL]);
    int64_t tiles = ni_tiles(&t->src, SIDE);
    int32_t all = t->dst.c / LANES;
    for (; c.first < tiles; c.first += c.most) {
        int64_t left = tiles - c.first;
        c.n = left < c.most ? (int32_t)left : c.most;
        read_tiles(&c, t);
        for (int32_t block = 0; block < all; block += GROUP) {
            int32_t blocks = all - block < GROUP ? all - block : GROUP;
            if (blocks == 4)
                multiply_chunk(&c, t, block, 4);
            else if (blocks == 3)
                multiply_chunk(&c, t, block, 3);
            else if (blocks == 2)
                multiply_chunk(&c, t, block, 2);
            else
                multiply_chunk(&c, t, block, 1);
            write_tiles(&c, t, block, blocks);
        }
    }
}

/* ---- the weights' gradient -------------------------------------------- */

/* Pairs of tiles: transformed inputs [places][pairs][I][2] and derivatives
 * [places][pairs][O][2], and the sums of their products [places][I][O]. */
typedef struct pairs {
    int64_t first; /* tile */
    int32_t n;     /* pairs */
    uint16_t *inputs, *outputs;
    float *sums;
    int64_t input_plane, output_plane;
} pairs;

static pairs pairs_of(int32_t inputs, int32_t outputs, void *scratch)
{
    pairs c = {.input_plane = (int64_t)PAIRS * 2 * inputs + PAD,
               .output_plane = (int64_t)PAIRS * 2 * outputs + PAD,
               .sums = scratch};
    c.inputs =
        (uint16_t *)(void *)(c.sums + (int64_t)PLACES * inputs * outputs);
    c.outputs = c.inputs + PLACES * c.input_plane;
    return c;
}

static size_t weights_bytes(int32_t inputs, int32_t outputs)
{
    pairs c = pairs_of(inputs, outputs, NULL);
    size_t planes = (size_t)PLACES * (size_t)(c.input_plane + c.output_plane);
    return (size_t)PLACES * (size_t)inputs * (size_t)outputs * sizeof(float) +
           planes * sizeof(uint16_t);
}

/* One block of a tile, transformed; zero beyond the last tile. */
NI_INLINE void read_tile(vec d[4][4], const uint16_t *src, const ni_layout *l,
                         int64_t i, int32_t block, bool derivative)
{
    if (i >= ni_tiles(l, SIDE)) {
        for (int p = 0; p < PLACES; p++)
            d[p / 4][p % 4] = _mm512_setzero_ps();
        return;
    }
    ni_tile it = ni_tile_at(l, i, SIDE);
    src += ni_tile_block(l, &it, block);
    if (derivative) {
        load_pixels(d, src, l, it.y, it.x, 2);
        transform_d_output(d);
    } else {
        load_pixels(d, src, l, it.y - 1, it.x - 1, 4);
        transform_input(d);
    }
}

NI_INLINE void read_pairs(const pairs *c, uint16_t *to, int64_t plane,
                          const uint16_t *src, const ni_layout *l,
                          bool derivative)
{
    for (int32_t i = 0; i < c->n; i++)
        for (int32_t b = 0; b < l->c / LANES; b++, to += 2 * LANES) {
            vec x[4][4], y[4][4];
            read_tile(x, src, l, c->first + 2 * i, b, derivative);
            read_tile(y, src, l, c->first + 2 * i + 1, b, derivative);
            for (int p = 0; p < PLACES; p++)
                store_pair(to + p * plane, x[p / 4][p % 4], y[p / 4][p % 4]);
        }
}

/* Add to the sums of `rows` inputs and `blocks` blocks of outputs. */
NI_INLINE void gather_sums(float *sums, const uint16_t *input,
                           const uint16_t *output, const ni_task *t, int32_t n,
                           int rows, int blocks)
{
    vec sum[STEP];
    int64_t inputs = t->src.c, outputs = t->dst.c;
    const float *next = sums + rows * outputs; /* beyond the last, harmless */
    for (int i = 0; i < rows * blocks; i++)
        __builtin_prefetch(next + i / blocks * outputs + i % blocks * LANES, 1);
    for (int i = 0; i < rows * blocks; i++)
        sum[i] =
            _mm512_loadu_ps(sums + i / blocks * outputs + i % blocks * LANES);
    for (int32_t k = 0; k < n; k++) {
        __m512bh y[GROUP];
        for (int b = 0; b < blocks; b++)
            y[b] = load_pairs(output + (k * outputs + b * LANES) * 2);
        for (int i = 0; i < rows; i++) {
            __m512bh x = spread_pair(input + (k * inputs + i) * 2);
            for (int b = 0; b < blocks; b++)
                sum[i * blocks + b] =
                    _mm512_dpbf16_ps(sum[i * blocks + b], y[b], x);
        }
    }
    for (int i = 0; i < rows * blocks; i++)
        _mm512_storeu_ps(sums + i / blocks * outputs + i % blocks * LANES,
                         sum[i]);
}

/* At one place. */
NI_INLINE void gather_blocks(const pairs *c, const ni_task *t, int p,
                             int32_t block, int blocks)
{
    int rows = blocks == 3 ? 8 : LANES / blocks; /* divides the inputs */
    const uint16_t *input = c->inputs + p * c->input_plane;
    const uint16_t *output =
        c->outputs + p * c->output_plane + block * LANES * 2;
    float *sums =
        c->sums + (int64_t)p * t->src.c * t->dst.c + (int64_t)block * LANES;
    for (int32_t i = 0; i < t->src.c; i += rows)
        gather_sums(sums + (int64_t)i * t->dst.c, input + i * 2, output, t,
                    c->n, rows, blocks);
}

static void gather_place(const pairs *c, const ni_task *t, int p)
{
    int32_t all = t->dst.c / LANES;
    for (int32_t block = 0; block < all; block += GROUP) {
        if (all - block >= 4)
            gather_blocks(c, t, p, block, 4);
        else if (all - block == 3)
            gather_blocks(c, t, p, block, 3);
        else if (all - block == 2)
            gather_blocks(c, t, p, block, 2);
        else
            gather_blocks(c, t, p, block, 1);
    }
}

/* From the sums to D_WEIGHT [O,I,3,3], 16 inputs by 16 outputs at a time. */
static void write_block(const pairs *c, const ni_task *t, int32_t input,
                        int32_t output)
{
    float block[LANES][9][LANES]; /* by input, place, output */
    int64_t plane = (int64_t)t->src.c * t->dst.c;
    for (int i = 0; i < LANES; i++) {
        const float *from = c->sums + (input + i) * (int64_t)t->dst.c + output;
        vec m[4][4], g[3][3];
        for (int p = 0; p < PLACES; p++)
            m[p / 4][p % 4] = _mm512_loadu_ps(from + p * plane);
        transform_d_weights(g, m);
        for (int k = 0; k < 9; k++)
            _mm512_storeu_ps(block[i][k], g[k / 3][k % 3]);
    }
    for (int o = 0; o < LANES; o++) {
        float *to = (float *)t->at[NI_D_WEIGHT] +
                    ((int64_t)(output + o) * t->src.c + input) * 9;
        for (int i = 0; i < LANES; i++)
            for (int k = 0; k < 9; k++)
                *to++ = block[i][k][o];
    }
}

static void weights(const ni_task *t)
{
    const ni_layout *s = &t->src, *d = &t->dst;
    pairs c = pairs_of(s->c, d->c, t->at[NI_PARTIAL]);
    int64_t all = (ni_tiles(s, SIDE) + 1) / 2;
    memset(c.sums, 0,
           (size_t)PLACES * (size_t)s->c * (size_t)d->c * sizeof(float));
    for (int64_t done = 0; done < all; done += PAIRS) {
        c.first = 2 * done;
        c.n = all - done < PAIRS ? (int32_t)(all - done) : PAIRS;
        read_pairs(&c, c.inputs, c.input_plane, t->at[NI_SRC], s, false);
        read_pairs(&c, c.outputs, c.output_plane, t->at[NI_D_DST], d, true);
        for (int p = 0; p < PLACES; p++)
            gather_place(&c, t, p);
    }
    for (int32_t i = 0; i < s->c; i += LANES)
        for (int32_t o = 0; o < d->c; o += LANES)
            write_block(&c, t, i, o);
}

const ni_winograd ni_winograd_bf16 = {
    .lanes = LANES,
    .bf16 = true,
    .least_side = 4,
    .least_channels = 32,
    .places = PLACES,
    .forward_bytes = forward_bytes,
    .weights_bytes = weights_bytes,
    .pack = pack,
    .pack_back = pack_back,
    .forward = forward,
    .weights = weights,
    .small_weights_bytes = ni_small_weights_bytes,
    .small_weights = ni_small_weights,
};

#endif
