/*
 * Winograd's F(4x4, 3x3) in float32: transforms by vectors of channels, and in
 * between, for each of the 36 places of a tile, a product of matrices. Tiles
 * are taken in chunks whose transforms stay in the cache. Included by
 * kernels_winograd_<set>.c, which is compiled for that set, with NI_WINOGRAD
 * naming the table to define. Refuses nothing: winograd.c checks what fits.
 */
#include "kernels_tiles.h"
#include "winograd.h"

enum {
    SIDE = 4, /* of a tile's outputs */
    EDGE = 6, /* of its inputs */
    PLACES = EDGE * EDGE,
    PANEL = 16,                 /* channels stored together */
    VECTORS = PANEL / NI_LANES, /* of a panel */
    FEW = 24,   /* tiles of a chunk whose transforms the second-level cache */
    MANY = 256, /* holds, up to so many channels, */
    MOST = 48,  /* and of others, which read the weights less often */
    PAD = 32    /* elements between planes, against conflicts in the cache */
};

/* Sums that a product holds in registers: TILES by COLUMNS vectors forward,
 * ROWS by COLUMNS for the weights' gradient. */
#if defined(__AVX512F__)
enum { COLUMNS = 4, TILES = 6, ROWS = 4 };
#else
enum { COLUMNS = 2, TILES = 6, ROWS = 6 };
#endif

/* ---- transforms ------------------------------------------------------- */

/* size x size pixels from (y, x) on; zero outside of the image. */
NI_INLINE void load_pixels(ni_v d[EDGE][EDGE], const float *src,
                           const ni_layout *l, int32_t y, int32_t x,
                           int32_t size)
{
    static const float zeros[NI_LANES];
    for (int32_t i = 0; i < size; i++) {
        bool row = y + i >= 0 && y + i < l->h;
        for (int32_t j = 0; j < size; j++) {
            int64_t at = ((int64_t)(y + i) * l->w + x + j) * NI_LANES;
            bool here = row & (x + j >= 0) & (x + j < l->w);
            d[i][j] = ni_vload(here ? src + at : zeros, 0, false);
        }
    }
}

/* Along one line of a square, whose elements are s apart. */
NI_INLINE void input_line(ni_v *d, int s)
{
    ni_v d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s];
    ni_v a = d[4 * s] - 4.0F * d2, b = d3 - 4.0F * d1;
    ni_v c = d[4 * s] - d2, e = 2.0F * (d3 - d1);
    d[0] = 4.0F * d0 + (d[4 * s] - 5.0F * d2);
    d[s] = a + b;
    d[2 * s] = a - b;
    d[3 * s] = c + e;
    d[4 * s] = c - e;
    d[5 * s] = 4.0F * d1 + (d[5 * s] - 5.0F * d3);
}

NI_INLINE void output_line(ni_v *m, int s)
{
    ni_v a = m[s] + m[2 * s], b = m[s] - m[2 * s];
    ni_v c = m[3 * s] + m[4 * s], e = m[3 * s] - m[4 * s];
    m[0] = m[0] + a + c;
    m[s] = b + 2.0F * e;
    m[2 * s] = a + 4.0F * c;
    m[3 * s] = m[5 * s] + (b + 8.0F * e);
}

NI_INLINE void d_output_line(ni_v *d, int s)
{
    ni_v y0 = d[0], y1 = d[s], y2 = d[2 * s], y3 = d[3 * s];
    ni_v a = y0 + y2, b = y1 + y3;
    ni_v c = y0 + 4.0F * y2, e = 2.0F * y1 + 8.0F * y3;
    d[s] = a + b;
    d[2 * s] = a - b;
    d[3 * s] = c + e;
    d[4 * s] = c - e;
    d[5 * s] = y3;
}

NI_INLINE void weights_line(ni_v *m, int s)
{
    ni_v g0 = m[0], g1 = m[s], g2 = m[2 * s];
    ni_v a = (-1.0F / 6) * (g0 + g2), b = (1.0F / 6) * g1;
    ni_v c = (1.0F / 24) * g0 + (1.0F / 6) * g2, e = (1.0F / 12) * g1;
    m[0] = 0.25F * g0;
    m[s] = a - b;
    m[2 * s] = a + b;
    m[3 * s] = c + e;
    m[4 * s] = c - e;
    m[5 * s] = g2;
}

NI_INLINE void d_weights_line(ni_v *m, int s)
{
    ni_v a = (1.0F / 6) * (m[s] + m[2 * s]), b = (1.0F / 6) * (m[2 * s] - m[s]);
    ni_v c = m[3 * s] + m[4 * s], e = m[3 * s] - m[4 * s];
    m[0] = 0.25F * m[0] + ((1.0F / 24) * c - a);
    m[s] = b + (1.0F / 12) * e;
    m[2 * s] = m[5 * s] + ((1.0F / 6) * c - a);
}

/* d = B' d B */
NI_INLINE void transform_input(ni_v d[EDGE][EDGE])
{
    for (int k = 0; k < EDGE; k++)
        input_line(&d[0][k], EDGE);
    for (int k = 0; k < EDGE; k++)
        input_line(d[k], 1);
}

/* The first SIDE rows and columns of m become A' m A. */
NI_INLINE void transform_output(ni_v m[EDGE][EDGE])
{
    for (int k = 0; k < EDGE; k++)
        output_line(&m[0][k], EDGE);
    for (int k = 0; k < SIDE; k++)
        output_line(m[k], 1);
}

/* d = A y A', of the 4x4 in d's corner: the output's transform, transposed */
NI_INLINE void transform_d_output(ni_v d[EDGE][EDGE])
{
    for (int k = 0; k < SIDE; k++)
        d_output_line(&d[0][k], EDGE);
    for (int k = 0; k < EDGE; k++)
        d_output_line(d[k], 1);
}

/* m = G g G', of the 3x3 in m's corner */
NI_INLINE void transform_weights(ni_v m[EDGE][EDGE])
{
    for (int k = 0; k < 3; k++)
        weights_line(&m[0][k], EDGE);
    for (int k = 0; k < EDGE; k++)
        weights_line(m[k], 1);
}

/* The first 3 rows and columns of m become G' m G. */
NI_INLINE void transform_d_weights(ni_v m[EDGE][EDGE])
{
    for (int k = 0; k < EDGE; k++)
        d_weights_line(&m[0][k], EDGE);
    for (int k = 0; k < 3; k++)
        d_weights_line(m[k], 1);
}

/* ---- weights ---------------------------------------------------------- */

/* Outputs that are multiplied together from one on, in vectors; since channels
 * are multiples of 16, always COLUMNS where a vector has 8. */
NI_INLINE int columns_from(int32_t output, int32_t outputs)
{
    int32_t left = (outputs - output) / NI_LANES;
    return left < COLUMNS ? (int)left : COLUMNS;
}

/* Where the vector of `to` channels from `o` on, by the channel c, is in
 * [groups of COLUMNS vectors of `to`][from][vectors]. */
NI_INLINE int64_t packed_at(int32_t c, int32_t o, int32_t from, int32_t to)
{
    int32_t group = o / (COLUMNS * NI_LANES) * COLUMNS * NI_LANES;
    return (int64_t)group * from +
           (int64_t)c * columns_from(group, to) * NI_LANES + (o - group);
}

/* DST [places][packed], where `to` and `from` are outputs and inputs, or the
 * other way round; then filters are turned by half a turn. */
NI_INLINE void pack_weights(const ni_task *t, bool back)
{
    const float *weight = t->at[NI_WEIGHT];
    float *dst = t->at[NI_DST];
    int32_t inputs = t->src.c, outputs = t->dst.c;
    int32_t from = back ? outputs : inputs, to = back ? inputs : outputs;
    int64_t from_step = 9 * (back ? (int64_t)inputs : 1);
    int64_t to_step = 9 * (back ? 1 : (int64_t)inputs);
    for (int32_t o = 0; o < to; o += NI_LANES)
        for (int32_t c = 0; c < from; c++) {
            ni_v m[EDGE][EDGE];
            const float *at = weight + o * to_step + c * from_step;
            float *place = dst + packed_at(c, o, from, to);
            for (int k = 0; k < 9; k++)
                for (int lane = 0; lane < NI_LANES; lane++)
                    m[k / 3][k % 3][lane] =
                        at[lane * to_step + (back ? 8 - k : k)];
            transform_weights(m);
            for (int p = 0; p < PLACES; p++)
                ni_vstore(place + (int64_t)p * to * from, 0, m[p / 6][p % 6],
                          false);
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

/* ---- chunks ----------------------------------------------------------- */

/* Transformed tiles [places][C / PANEL][most][PANEL]. */
typedef struct chunk {
    float *at;
    int64_t plane; /* elements of a place */
    int32_t n;     /* tiles, of */
    int32_t most;
} chunk;

static int32_t tiles_of_chunk(int32_t inputs, int32_t outputs)
{
    return inputs + outputs > MANY ? MOST : FEW;
}

static int64_t plane_of(int32_t channels, int32_t most)
{
    return (int64_t)channels * most + PAD;
}

static chunk chunk_in(float *memory, int32_t channels, int32_t most)
{
    return (chunk){memory, plane_of(channels, most), 0, most};
}

/* Of tile i of a chunk, the block of channels that begins with `channel`. */
NI_INLINE float *chunk_at(const chunk *c, int32_t i, int32_t channel)
{
    return c->at + (int64_t)(channel / PANEL) * c->most * PANEL + i * PANEL +
           channel % PANEL;
}

/* Read the tiles from `first` on: inputs, or derivatives by the outputs. */
NI_INLINE void read_tiles(const chunk *c, const float *src, const ni_layout *l,
                          int64_t first, bool derivative)
{
    for (int32_t k = 0; k < l->c / PANEL * c->n; k++) {
        int32_t panel = k / c->n, i = k % c->n;
        ni_tile it = ni_tile_at(l, first + i, SIDE);
        for (int32_t b = 0; b < VECTORS; b++) {
            ni_v d[EDGE][EDGE];
            const float *from =
                src + ni_tile_block(l, &it, panel * VECTORS + b);
            float *to = chunk_at(c, i, panel * PANEL + b * NI_LANES);
            if (derivative) {
                load_pixels(d, from, l, it.y, it.x, SIDE);
                transform_d_output(d);
            } else {
                load_pixels(d, from, l, it.y - 1, it.x - 1, EDGE);
                transform_input(d);
            }
            for (int p = 0; p < PLACES; p++)
                ni_vstore(to + p * c->plane, 0, d[p / 6][p % 6], false);
        }
    }
}

/* ---- forward ---------------------------------------------------------- */

static size_t forward_bytes(int32_t inputs, int32_t outputs)
{
    int32_t most = tiles_of_chunk(inputs, outputs);
    return (size_t)PLACES * sizeof(float) *
           (size_t)(plane_of(inputs, most) + plane_of(outputs, most));
}

/* One product: `to` [tiles][PANEL] of the first vector, others a panel of the
 * chunk further, of inputs whose panels are as far apart. */
typedef void (*multiplier)(float *to, const float *input, const float *weight,
                           int64_t panel, int32_t inputs);

NI_INLINE void multiply(float *to, const float *input, const float *weight,
                        int64_t panel, int32_t inputs, int columns)
{
    int tiles = TILES * COLUMNS / columns;
    ni_v sum[TILES * COLUMNS];
    for (int i = 0; i < tiles * columns; i++)
        sum[i] = (ni_v){0};
    for (int32_t k = 0; k < inputs; k += PANEL, input += panel)
        for (int32_t c = 0; c < PANEL; c++, weight += columns * NI_LANES) {
            ni_v w[COLUMNS];
            for (int b = 0; b < columns; b++)
                w[b] = ni_vload(weight, b, false);
            for (int i = 0; i < tiles; i++)
                for (int b = 0; b < columns; b++)
                    sum[i * columns + b] += w[b] * input[i * PANEL + c];
        }
    for (int i = 0; i < tiles * columns; i++)
        ni_vstore(to + i % columns / VECTORS * panel + i / columns * PANEL,
                  i % columns % VECTORS, sum[i], false);
}

/* Functions of their own, so that the compiler keeps sums in registers. */
#define MULTIPLIER(columns)                                                    \
    static __attribute__((noinline)) void multiply_##columns(                  \
        float *to, const float *input, const float *weight, int64_t panel,     \
        int32_t inputs)                                                        \
    {                                                                          \
        multiply(to, input, weight, panel, inputs, columns);                   \
    }

MULTIPLIER(2)
#if defined(__AVX512F__)
MULTIPLIER(1)
MULTIPLIER(3)
MULTIPLIER(4)
static const multiplier multipliers[] = {NULL, multiply_1, multiply_2,
                                         multiply_3, multiply_4};
#else
static const multiplier multipliers[] = {NULL, NULL, multiply_2};
#endif

static void multiply_chunk(chunk to, chunk input, const ni_task *t)
{
    int32_t inputs = t->src.c, outputs = t->dst.c;
    int64_t panel = (int64_t)to.most * PANEL;
    const float *weight = t->at[NI_WEIGHT];
    for (int p = 0; p < PLACES; p++) {
        int columns;
        for (int32_t o = 0; o < outputs; o += columns * NI_LANES) {
            columns = columns_from(o, outputs);
            int tiles = TILES * COLUMNS / columns;
            for (int32_t i = 0; i < input.n; i += tiles)
                multipliers[columns](chunk_at(&to, i, o),
                                     chunk_at(&input, i, 0), weight, panel,
                                     inputs);
            weight += (int64_t)columns * NI_LANES * inputs;
        }
        to.at += to.plane;
        input.at += input.plane;
    }
}

/* Bias (may be NULL) and ReLU of the outputs in m, of one block. */
NI_INLINE void finish(ni_v m[EDGE][EDGE], const float *bias, int32_t block,
                      bool relu)
{
    ni_v b = bias ? ni_vload(bias, block, false) : (ni_v){0};
    for (int k = 0; k < SIDE * SIDE; k++) {
        ni_v *y = &m[k / SIDE][k % SIDE];
        *y += b;
        *y = relu ? ni_keep(~(*y < 0), *y) : *y; /* a NaN stays */
    }
}

static void write_tiles(const chunk *c, const ni_task *t, int64_t first)
{
    const ni_layout *l = &t->dst;
    const float *bias = t->at[NI_BIAS];
    for (int32_t k = 0; k < l->c / PANEL * c->n; k++) {
        int32_t panel = k / c->n, i = k % c->n;
        ni_tile it = ni_tile_at(l, first + i, SIDE);
        int32_t rows = l->h - it.y < SIDE ? l->h - it.y : SIDE;
        int32_t columns = l->w - it.x < SIDE ? l->w - it.x : SIDE;
        for (int32_t b = 0; b < VECTORS; b++) {
            ni_v m[EDGE][EDGE];
            const float *from = chunk_at(c, i, panel * PANEL + b * NI_LANES);
            float *dst = (float *)t->at[NI_DST] +
                         ni_tile_block(l, &it, panel * VECTORS + b);
            for (int p = 0; p < PLACES; p++)
                m[p / 6][p % 6] = ni_vload(from + p * c->plane, 0, false);
            transform_output(m);
            if (bias || t->relu)
                finish(m, bias, panel * VECTORS + b, t->relu);
            for (int32_t y = 0; y < rows; y++)
                for (int32_t x = 0; x < columns; x++)
                    ni_vstore(dst, (int64_t)(it.y + y) * l->w + it.x + x,
                              m[y][x], false);
        }
    }
}

static void forward(const ni_task *t)
{
    int32_t most = tiles_of_chunk(t->src.c, t->dst.c);
    chunk input = chunk_in(t->at[NI_PARTIAL], t->src.c, most);
    chunk product = chunk_in(input.at + PLACES * input.plane, t->dst.c, most);
    int64_t tiles = ni_tiles(&t->src, SIDE);
    for (int64_t first = 0; first < tiles; first += most) {
        int64_t left = tiles - first;
        input.n = product.n = left < most ? (int32_t)left : most;
        read_tiles(&input, t->at[NI_SRC], &t->src, first, false);
        multiply_chunk(product, input, t);
        write_tiles(&product, t, first);
    }
}

/* ---- the weights' gradient -------------------------------------------- */

static size_t weights_bytes(int32_t inputs, int32_t outputs)
{
    int64_t sums = (int64_t)PLACES * inputs * outputs;
    return forward_bytes(inputs, outputs) + (size_t)sums * sizeof(float);
}

/* Sums [places][groups of COLUMNS vectors of outputs][I][vectors]. Add to those
 * of `rows` inputs and `columns` vectors what the tiles give. */
NI_INLINE void gather_sums(float *sums, const float *x, const chunk *output,
                           int32_t from, int rows, int columns)
{
    ni_v sum[PANEL * COLUMNS];
    const float *y[COLUMNS];
    for (int b = 0; b < columns; b++)
        y[b] = chunk_at(output, 0, from + b * NI_LANES);
    for (int i = 0; i < rows * columns; i++)
        sum[i] = ni_vload(sums, i, false);
    for (int32_t k = 0; k < output->n; k++)
        for (int i = 0; i < rows; i++)
            for (int b = 0; b < columns; b++)
                sum[i * columns + b] +=
                    ni_vload(y[b] + k * PANEL, 0, false) * x[k * PANEL + i];
    for (int i = 0; i < rows * columns; i++)
        ni_vstore(sums, i, sum[i], false);
}

NI_INLINE void gather_columns(float *sums, const chunk *input,
                              const chunk *output, const ni_task *t,
                              int32_t from, int rows, int columns)
{
    int rest = PANEL % rows;
    for (int32_t panel = 0; panel < t->src.c; panel += PANEL) {
        const float *x = chunk_at(input, 0, panel);
        for (int i = 0; i + rows <= PANEL; i += rows) {
            gather_sums(sums, x + i, output, from, rows, columns);
            sums += rows * columns * NI_LANES;
        }
        if (rest) {
            gather_sums(sums, x + PANEL - rest, output, from, rest, columns);
            sums += rest * columns * NI_LANES;
        }
    }
}

static void gather_chunk(float *sums, chunk input, chunk output,
                         const ni_task *t)
{
    for (int p = 0; p < PLACES; p++) {
        for (int32_t o = 0; o < t->dst.c;) {
            int columns = columns_from(o, t->dst.c);
            if (columns == COLUMNS)
                gather_columns(sums, &input, &output, t, o, ROWS, COLUMNS);
#if defined(__AVX512F__)
            else if (columns == 3)
                gather_columns(sums, &input, &output, t, o, 8, 3);
            else if (columns == 2)
                gather_columns(sums, &input, &output, t, o, 8, 2);
            else
                gather_columns(sums, &input, &output, t, o, 16, 1);
#endif
            o += columns * NI_LANES;
            sums += (int64_t)columns * NI_LANES * t->src.c;
        }
        input.at += input.plane;
        output.at += output.plane;
    }
}

/* From the sums to D_WEIGHT [O,I,3,3], a vector of outputs at a time. */
static void write_weights(const float *sums, const ni_task *t)
{
    int32_t inputs = t->src.c, outputs = t->dst.c;
    float *dst = t->at[NI_D_WEIGHT];
    for (int32_t o = 0; o < outputs; o += NI_LANES)
        for (int32_t i = 0; i < inputs; i++) {
            ni_v m[EDGE][EDGE];
            const float *from = sums + packed_at(i, o, inputs, outputs);
            for (int p = 0; p < PLACES; p++)
                m[p / 6][p % 6] =
                    ni_vload(from + (int64_t)p * inputs * outputs, 0, false);
            transform_d_weights(m);
            for (int lane = 0; lane < NI_LANES; lane++)
                for (int k = 0; k < 9; k++)
                    dst[((int64_t)(o + lane) * inputs + i) * 9 + k] =
                        m[k / 3][k % 3][lane];
        }
}

static void weights(const ni_task *t)
{
    int32_t most = tiles_of_chunk(t->src.c, t->dst.c);
    size_t sums = (size_t)PLACES * (size_t)t->src.c * (size_t)t->dst.c;
    float *sum = t->at[NI_PARTIAL];
    chunk input = chunk_in(sum + sums, t->src.c, most);
    chunk output = chunk_in(input.at + PLACES * input.plane, t->dst.c, most);
    int64_t tiles = ni_tiles(&t->src, SIDE);
    memset(sum, 0, sums * sizeof *sum);
    for (int64_t first = 0; first < tiles; first += most) {
        int64_t left = tiles - first;
        input.n = output.n = left < most ? (int32_t)left : most;
        read_tiles(&input, t->at[NI_SRC], &t->src, first, false);
        read_tiles(&output, t->at[NI_D_DST], &t->dst, first, true);
        gather_chunk(sum, input, output, t);
    }
    write_weights(sum, t);
}

const ni_winograd NI_WINOGRAD = {
    .lanes = NI_LANES,
    .least_side = 3,
    .places = PLACES,
    .forward_bytes = forward_bytes,
    .weights_bytes = weights_bytes,
    .pack = pack,
    .pack_back = pack_back,
    .forward = forward,
    .weights = weights,
};
