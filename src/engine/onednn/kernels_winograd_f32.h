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
    AHEAD = 2,  /* tiles that memory is asked for before they are needed */
    LINE = 16,  /* elements that memory gives at a time */
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

/*
 * Of a square: a transform of lines, along the columns and then along the rows.
 * A line is an array of its own, so that it stays in registers.
 */
typedef void (*line_transform)(ni_v v[EDGE]);

/* B' of six inputs */
NI_INLINE void input_line(ni_v v[EDGE])
{
    ni_v d0 = v[0], d1 = v[1], d2 = v[2], d3 = v[3];
    ni_v a = v[4] - 4.0F * d2, b = d3 - 4.0F * d1;
    ni_v c = v[4] - d2, e = 2.0F * (d3 - d1);
    v[0] = 4.0F * d0 + (v[4] - 5.0F * d2);
    v[1] = a + b;
    v[2] = a - b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = 4.0F * d1 + (v[5] - 5.0F * d3);
}

/* A' of six products: four outputs */
NI_INLINE void output_line(ni_v v[EDGE])
{
    ni_v a = v[1] + v[2], b = v[1] - v[2];
    ni_v c = v[3] + v[4], e = v[3] - v[4];
    v[0] = v[0] + a + c;
    v[1] = b + 2.0F * e;
    v[2] = a + 4.0F * c;
    v[3] = v[5] + (b + 8.0F * e);
}

/* A of derivatives by four outputs */
NI_INLINE void d_output_line(ni_v v[EDGE])
{
    ni_v y0 = v[0], y1 = v[1], y2 = v[2], y3 = v[3];
    ni_v a = y0 + y2, b = y1 + y3;
    ni_v c = y0 + 4.0F * y2, e = 2.0F * y1 + 8.0F * y3;
    v[1] = a + b;
    v[2] = a - b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = y3;
}

/* G of three weights */
NI_INLINE void weights_line(ni_v v[EDGE])
{
    ni_v g0 = v[0], g1 = v[1], g2 = v[2];
    ni_v a = (-1.0F / 6) * (g0 + g2), b = (1.0F / 6) * g1;
    ni_v c = (1.0F / 24) * g0 + (1.0F / 6) * g2, e = (1.0F / 12) * g1;
    v[0] = 0.25F * g0;
    v[1] = a - b;
    v[2] = a + b;
    v[3] = c + e;
    v[4] = c - e;
    v[5] = g2;
}

/* G' of six derivatives: by three weights */
NI_INLINE void d_weights_line(ni_v v[EDGE])
{
    ni_v a = (1.0F / 6) * (v[1] + v[2]), b = (1.0F / 6) * (v[2] - v[1]);
    ni_v c = v[3] + v[4], e = v[3] - v[4];
    v[0] = 0.25F * v[0] + ((1.0F / 24) * c - a);
    v[1] = b + (1.0F / 12) * e;
    v[2] = v[5] + ((1.0F / 6) * c - a);
}

/* The columns of the square whose vectors (y, x) are at src + y * row + x *
 * column elements: `from` in each become `to`. */
NI_INLINE void transform_columns(ni_v square[EDGE][EDGE], int to,
                                 const float *src, int64_t row, int64_t column,
                                 int from, line_transform line)
{
#pragma GCC unroll 6
    for (int x = 0; x < from; x++) {
        ni_v v[EDGE];
        for (int y = 0; y < from; y++)
            v[y] = ni_vload(src + y * row + x * column, 0, false);
        line(v);
        for (int y = 0; y < to; y++)
            square[y][x] = v[y];
    }
}

NI_INLINE void transform_row(ni_v v[EDGE], const ni_v row[EDGE], int from,
                             line_transform line)
{
    for (int x = 0; x < from; x++)
        v[x] = row[x];
    line(v);
}

NI_INLINE void transform_rows(ni_v square[EDGE][EDGE], int to, int from,
                              line_transform line)
{
#pragma GCC unroll 6
    for (int y = 0; y < to; y++) {
        ni_v v[EDGE];
        transform_row(v, square[y], from, line);
        for (int x = 0; x < to; x++)
            square[y][x] = v[x];
    }
}

/* To the places of a tile, `plane` elements apart. */
NI_INLINE void transform_rows_to_places(float *to, int64_t plane,
                                        ni_v square[EDGE][EDGE], int from,
                                        line_transform line)
{
#pragma GCC unroll 6
    for (int y = 0; y < EDGE; y++) {
        ni_v v[EDGE];
        transform_row(v, square[y], from, line);
        for (int x = 0; x < EDGE; x++)
            ni_vstore(to + (y * EDGE + x) * plane, 0, v[x], false);
    }
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
            float filters[9][NI_LANES];
            const float *at = weight + o * to_step + c * from_step;
            for (int k = 0; k < 9; k++)
                for (int lane = 0; lane < NI_LANES; lane++)
                    filters[k][lane] = at[lane * to_step + (back ? 8 - k : k)];
            transform_columns(m, EDGE, filters[0], 3 * NI_LANES, NI_LANES, 3,
                              weights_line);
            transform_rows_to_places(dst + packed_at(c, o, from, to),
                                     (int64_t)to * from, m, 3, weights_line);
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

/* Some tiles in a row, and the first of them once more behind the last, for
 * those who look ahead. */
typedef struct span {
    ni_tile at[MOST + AHEAD];
    int32_t n;
} span;

static void span_from(span *t, const ni_layout *l, int64_t first, int32_t most)
{
    int64_t left = ni_tiles(l, SIDE) - first;
    t->n = left < most ? (int32_t)left : most;
    for (int32_t i = 0; i < t->n + AHEAD; i++)
        t->at[i] = ni_tile_at(l, first + i % t->n, SIDE);
}

/* Transformed tiles [places][C / PANEL][most][PANEL]. */
typedef struct chunk {
    float *at;
    int64_t plane; /* elements of a place */
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
    return (chunk){memory, plane_of(channels, most), most};
}

/* Of tile i of a chunk, the block of channels that begins with `channel`. */
NI_INLINE float *chunk_at(const chunk *c, int32_t i, int32_t channel)
{
    return c->at + (int64_t)(channel / PANEL) * c->most * PANEL + i * PANEL +
           channel % PANEL;
}

/* Have pixels in the cache when the turn comes to the tile of a panel that is
 * AHEAD of tile i: `rows` of them, from its row y on. */
NI_INLINE void look_ahead(const float *data, const ni_layout *l, const span *t,
                          int32_t panel, int32_t i, int32_t y, int32_t rows)
{
    const ni_tile *next = &t->at[i + AHEAD];
    panel += i + AHEAD >= t->n;
    if (panel * PANEL >= l->c)
        return;
    int64_t row = (int64_t)l->w * NI_LANES;
    for (int32_t b = 0; b < VECTORS; b++) {
        const float *from = data + ni_tile_block(l, next, panel * VECTORS + b) +
                            (next->y + y) * row + next->x * NI_LANES;
        for (int32_t k = 0; k < rows; k++, from += row)
            for (int32_t e = 0; e < SIDE * NI_LANES; e += LINE)
                __builtin_prefetch(from + e);
    }
}

/* Pixels of a block of channels; outside of the image they are zero. */
typedef struct window {
    const float *rows[EDGE];
    int32_t begin, end; /* of the columns inside */
} window;

NI_INLINE window window_of(const float *block, const ni_layout *l, int32_t y,
                           int32_t x, int32_t size)
{
    static const float zeros[EDGE * NI_LANES];
    window w = {.begin = x < 0 ? -x : 0,
                .end = x + size > l->w ? l->w - x : size};
    for (int32_t i = 0; i < size; i++)
        w.rows[i] = y + i >= 0 && y + i < l->h
                        ? block + ((int64_t)(y + i) * l->w + x) * NI_LANES
                        : zeros;
    return w;
}

NI_INLINE void transform_window(ni_v square[EDGE][EDGE], const window *w,
                                int size, line_transform line)
{
#pragma GCC unroll 6
    for (int x = 0; x < size; x++) {
        ni_v v[EDGE];
        if (x >= w->begin && x < w->end)
            for (int y = 0; y < size; y++)
                v[y] = ni_vload(w->rows[y], x, false);
        else
            for (int y = 0; y < size; y++)
                v[y] = (ni_v){0};
        line(v);
        for (int y = 0; y < EDGE; y++)
            square[y][x] = v[y];
    }
}

/* Inputs, or derivatives by the outputs. */
NI_INLINE void read_tiles(const chunk *c, const float *src, const ni_layout *l,
                          const span *t, bool derivative)
{
    int32_t size = derivative ? SIDE : EDGE, before = derivative ? 0 : 1;
    line_transform line = derivative ? d_output_line : input_line;
    for (int32_t panel = 0; panel < l->c / PANEL; panel++)
        for (int32_t i = 0; i < t->n; i++) {
            const ni_tile *it = &t->at[i];
            look_ahead(src, l, t, panel, i, -before, size);
            for (int32_t b = 0; b < VECTORS; b++) {
                const float *block =
                    src + ni_tile_block(l, it, panel * VECTORS + b);
                window w =
                    window_of(block, l, it->y - before, it->x - before, size);
                ni_v square[EDGE][EDGE];
                transform_window(square, &w, size, line);
                transform_rows_to_places(
                    chunk_at(c, i, panel * PANEL + b * NI_LANES), c->plane,
                    square, size, line);
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

static void multiply_chunk(chunk to, chunk input, int32_t n, const ni_task *t)
{
    int32_t inputs = t->src.c, outputs = t->dst.c;
    int64_t panel = (int64_t)to.most * PANEL;
    const float *weight = t->at[NI_WEIGHT];
    for (int p = 0; p < PLACES; p++) {
        int columns;
        for (int32_t o = 0; o < outputs; o += columns * NI_LANES) {
            columns = columns_from(o, outputs);
            int tiles = TILES * COLUMNS / columns;
            for (int32_t i = 0; i < n; i += tiles)
                multipliers[columns](chunk_at(&to, i, o),
                                     chunk_at(&input, i, 0), weight, panel,
                                     inputs);
            weight += (int64_t)columns * NI_LANES * inputs;
        }
        to.at += to.plane;
        input.at += input.plane;
    }
}

/* Bias (may be NULL) and ReLU of the outputs in the square, of one block. */
NI_INLINE void finish(ni_v square[EDGE][EDGE], const float *bias, int32_t block,
                      bool relu)
{
    ni_v b = bias ? ni_vload(bias, block, false) : (ni_v){0};
    for (int k = 0; k < SIDE * SIDE; k++) {
        ni_v *y = &square[k / SIDE][k % SIDE];
        *y += b;
        *y = relu ? ni_keep(~(*y < 0), *y) : *y; /* a NaN stays */
    }
}

static void write_tiles(const chunk *c, const ni_task *t, const span *from)
{
    const ni_layout *l = &t->dst;
    float *dst = t->at[NI_DST];
    const float *bias = t->at[NI_BIAS];
    for (int32_t panel = 0; panel < l->c / PANEL; panel++)
        for (int32_t i = 0; i < from->n; i++) {
            const ni_tile *it = &from->at[i];
            int32_t rows = l->h - it->y < SIDE ? l->h - it->y : SIDE;
            int32_t columns = l->w - it->x < SIDE ? l->w - it->x : SIDE;
            look_ahead(dst, l, from, panel, i, 0, SIDE);
            for (int32_t b = 0; b < VECTORS; b++) {
                ni_v square[EDGE][EDGE];
                int32_t block = panel * VECTORS + b;
                const float *at = chunk_at(c, i, panel * PANEL + b * NI_LANES);
                float *to = dst + ni_tile_block(l, it, block) +
                            ((int64_t)it->y * l->w + it->x) * NI_LANES;
                transform_columns(square, SIDE, at, EDGE * c->plane, c->plane,
                                  EDGE, output_line);
                transform_rows(square, SIDE, EDGE, output_line);
                if (bias || t->relu)
                    finish(square, bias, block, t->relu);
                for (int32_t y = 0; y < rows; y++)
                    for (int32_t x = 0; x < columns; x++)
                        ni_vstore(to, (int64_t)y * l->w + x, square[y][x],
                                  false);
            }
        }
}

static void forward(const ni_task *t)
{
    int32_t most = tiles_of_chunk(t->src.c, t->dst.c);
    chunk input = chunk_in(t->at[NI_PARTIAL], t->src.c, most);
    chunk product = chunk_in(input.at + PLACES * input.plane, t->dst.c, most);
    span some;
    for (int64_t first = 0; first < ni_tiles(&t->src, SIDE); first += most) {
        span_from(&some, &t->src, first, most);
        read_tiles(&input, t->at[NI_SRC], &t->src, &some, false);
        multiply_chunk(product, input, some.n, t);
        write_tiles(&product, t, &some);
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
                           int32_t n, int32_t from, int rows, int columns)
{
    ni_v sum[PANEL * COLUMNS];
    const float *y[COLUMNS];
    for (int b = 0; b < columns; b++)
        y[b] = chunk_at(output, 0, from + b * NI_LANES);
    for (int i = 0; i < rows * columns; i++)
        sum[i] = ni_vload(sums, i, false);
    for (int32_t k = 0; k < n; k++)
        for (int i = 0; i < rows; i++)
            for (int b = 0; b < columns; b++)
                sum[i * columns + b] +=
                    ni_vload(y[b] + k * PANEL, 0, false) * x[k * PANEL + i];
    for (int i = 0; i < rows * columns; i++)
        ni_vstore(sums, i, sum[i], false);
}

NI_INLINE void gather_columns(float *sums, const chunk *input,
                              const chunk *output, int32_t n, const ni_task *t,
                              int32_t from, int rows, int columns)
{
    int rest = PANEL % rows;
    for (int32_t panel = 0; panel < t->src.c; panel += PANEL) {
        const float *x = chunk_at(input, 0, panel);
        for (int i = 0; i + rows <= PANEL; i += rows) {
            gather_sums(sums, x + i, output, n, from, rows, columns);
            sums += rows * columns * NI_LANES;
        }
        if (rest) {
            gather_sums(sums, x + PANEL - rest, output, n, from, rest, columns);
            sums += rest * columns * NI_LANES;
        }
    }
}

static void gather_chunk(float *sums, chunk input, chunk output, int32_t n,
                         const ni_task *t)
{
    for (int p = 0; p < PLACES; p++) {
        for (int32_t o = 0; o < t->dst.c;) {
            int columns = columns_from(o, t->dst.c);
            if (columns == COLUMNS)
                gather_columns(sums, &input, &output, n, t, o, ROWS, COLUMNS);
#if defined(__AVX512F__)
            else if (columns == 3)
                gather_columns(sums, &input, &output, n, t, o, 8, 3);
            else if (columns == 2)
                gather_columns(sums, &input, &output, n, t, o, 8, 2);
            else
                gather_columns(sums, &input, &output, n, t, o, 16, 1);
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
            ni_v square[EDGE][EDGE];
            int64_t plane = (int64_t)inputs * outputs;
            const float *from = sums + packed_at(i, o, inputs, outputs);
            float *to = dst + ((int64_t)o * inputs + i) * 9;
            transform_columns(square, 3, from, EDGE * plane, plane, EDGE,
                              d_weights_line);
            transform_rows(square, 3, EDGE, d_weights_line);
            for (int lane = 0; lane < NI_LANES; lane++)
                for (int k = 0; k < 9; k++)
                    to[(int64_t)lane * inputs * 9 + k] =
                        square[k / 3][k % 3][lane];
        }
}

static void weights(const ni_task *t)
{
    int32_t most = tiles_of_chunk(t->src.c, t->dst.c);
    size_t sums = (size_t)PLACES * (size_t)t->src.c * (size_t)t->dst.c;
    float *sum = t->at[NI_PARTIAL];
    chunk input = chunk_in(sum + sums, t->src.c, most);
    chunk output = chunk_in(input.at + PLACES * input.plane, t->dst.c, most);
    span some;
    memset(sum, 0, sums * sizeof *sum);
    for (int64_t first = 0; first < ni_tiles(&t->src, SIDE); first += most) {
        span_from(&some, &t->src, first, most);
        read_tiles(&input, t->at[NI_SRC], &t->src, &some, false);
        read_tiles(&output, t->at[NI_D_DST], &t->dst, &some, true);
        gather_chunk(sum, input, output, some.n, t);
    }
    write_weights(sum, t);
}

const ni_winograd NI_WINOGRAD = {
    .lanes = NI_LANES,
    .least_side = 3,
    .least_channels = 16,
    .places = PLACES,
    .forward_bytes = forward_bytes,
    .weights_bytes = weights_bytes,
    .pack = pack,
    .pack_back = pack_back,
    .forward = forward,
    .weights = weights,
};
