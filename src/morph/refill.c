/*
 * The tensors of a model that has grown. Old values are copied where they
 * belong; a new channel is a copy of an old one (copy; noise adds some) or
 * fresh (fresh, pair); weights of old channels that read new ones are zero,
 * opposite for the two of a pair, or noise. A copy reads new channels with
 * zeros like the channel it copies, so the two stay equal. Fresh channels of a
 * batch normalisation begin at the scale that the old ones have. Costs a pass
 * over the weights, and a forward of the probe for each batch normalisation
 * with fresh channels.
 */
#include "grow.h"

#include "base/memory.h"
#include "graph/edit.h"
#include "model/edit.h"

#include <math.h>

/* Marks the streams of columns; those of rows are named by the channel alone.
 */
static const uint32_t columns = 1u << 31;

/* Of noise, in standard deviations of the weights; EAS's (Cai et al. 2017). */
static const double noise_share = 0.01;

/* A weight [rows, cols, taps], before and after. */
typedef struct block {
    const float *src;
    float *dst;
    int32_t rows, cols;
    int32_t old_cols;
    int64_t taps;
    const ni_channel *out; /* [rows] NULL: all old */
    const ni_channel *in;  /* [cols] NULL: all old */
    double std;            /* of drawn weights: fresh ones, or noise */
    uint64_t seed;
    uint32_t tag;
} block;

static bool is_copied(nash_widen_mode mode)
{
    return mode == NASH_WIDEN_COPY || mode == NASH_WIDEN_NOISE;
}

/* Standard deviation of what is drawn for a weight: He's and its like, or a
 * share of what the weights have. */
static double drawn_std(const nash_tensor *old, nash_op op, int64_t fan_in,
                        nash_widen_mode mode)
{
    double sum = 0, squares = 0, n = (double)old->count;
    if (mode != NASH_WIDEN_NOISE)
        return sqrt((op == NASH_OP_CONV ? 2.0 : 1.0) / (double)fan_in);
    for (int64_t i = 0; i < old->count; i++) {
        sum += (double)old->data[i];
        squares += (double)old->data[i] * (double)old->data[i];
    }
    return noise_share * sqrt(fmax(0, squares / n - sum / n * (sum / n)));
}

static void copy_row(const block *b, int32_t row, int32_t old_row)
{
    for (int32_t c = 0; c < b->cols; c++) {
        int32_t old = b->in ? b->in[c].old : c;
        if (old < 0)
            continue;
        const float *src =
            b->src + ((int64_t)old_row * b->old_cols + old) * b->taps;
        float *dst = b->dst + ((int64_t)row * b->cols + c) * b->taps;
        for (int64_t t = 0; t < b->taps; t++)
            dst[t] = src[t];
    }
}

/* Add drawn values to a row, which is zero unless it was copied. */
static void draw_row(const block *b, int32_t row)
{
    uint32_t key = (uint32_t)b->out[row].key;
    ni_rng rng = ni_rng_make(b->seed, NI_RNG_WEIGHTS, b->tag, key);
    float *dst = b->dst + (int64_t)row * b->cols * b->taps;
    for (int64_t i = 0; i < b->cols * b->taps; i++)
        dst[i] = (float)((double)dst[i] + b->std * ni_rng_normal(&rng));
}

/* Weights by which old channels read a twin, or a noisy copy. */
static void draw_column(const block *b, int32_t col)
{
    uint32_t key = columns | (uint32_t)b->in[col].key;
    ni_rng rng = ni_rng_make(b->seed, NI_RNG_WEIGHTS, b->tag, key);
    for (int32_t row = 0; row < b->rows; row++) {
        if (b->out && b->out[row].old < 0)
            continue;
        float *dst = b->dst + ((int64_t)row * b->cols + col) * b->taps;
        for (int64_t t = 0; t < b->taps; t++)
            dst[t] = (float)(b->in[col].sign * b->std * ni_rng_normal(&rng));
    }
}

static void refill_block(const block *b, nash_widen_mode mode)
{
    for (int32_t row = 0; row < b->rows; row++) {
        if (!b->out || b->out[row].old >= 0)
            copy_row(b, row, b->out ? b->out[row].old : row);
        else if (is_copied(mode))
            copy_row(b, row, b->out[row].source);
        if (b->out && b->out[row].old < 0 && mode != NASH_WIDEN_COPY)
            draw_row(b, row);
    }
    for (int32_t c = 0; b->in && c < b->cols; c++)
        if (b->in[c].old < 0 && b->in[c].sign != 0)
            draw_column(b, c);
}

/* One value per channel; fresh channels keep the neutral one. */
static void refill_vector(nash_tensor *dst, const nash_tensor *src,
                          const ni_channel *map, nash_widen_mode mode)
{
    for (int64_t c = 0; dst && c < dst->count; c++) {
        if (map[c].old >= 0)
            dst->data[c] = src->data[map[c].old];
        else if (is_copied(mode))
            dst->data[c] = src->data[map[c].source];
    }
}

/* Fresh channels get the root mean square of the old scales: 1 would be large
 * beside what training leaves, or beside a normalised skip's. If all are 0 the
 * new ones keep 1: what is 0 and read by zeros never learns. */
static void refill_scale(nash_tensor *dst, const nash_tensor *src,
                         const ni_channel *map)
{
    double squares = 0;
    for (int64_t c = 0; c < src->count; c++)
        squares += (double)src->data[c] * (double)src->data[c];
    for (int64_t c = 0; squares > 0 && c < dst->count; c++)
        if (map[c].old < 0)
            dst->data[c] = (float)sqrt(squares / (double)src->count);
}

static void refill_weight(nash_model *m, const nash_model *base, int32_t id,
                          const ni_growth *growth, uint64_t seed)
{
    const nash_node *node = nash_graph_node(nash_model_graph(m), id);
    const nash_tensor *src = nash_model_tensor(base, id, NASH_SLOT_WEIGHT);
    nash_tensor *dst = nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
    int32_t input = nash_graph_input(nash_model_graph(m), id, 0);
    bool depthwise = node->attrs.groups > 1;
    block b = {
        .src = src->data,
        .dst = dst->data,
        .rows = dst->dims[0],
        .cols = dst->dims[1],
        .old_cols = src->dims[1],
        .taps = dst->count / dst->dims[0] / dst->dims[1],
        .out = growth->map[id],
        .in = depthwise ? NULL : growth->map[input],
        .std =
            drawn_std(src, node->op, dst->count / dst->dims[0], growth->mode),
        .seed = seed,
        .tag = (uint32_t)node->tag,
    };
    refill_block(&b, growth->mode);
    if (growth->map[id])
        refill_vector(nash_model_tensor(m, id, NASH_SLOT_BIAS),
                      nash_model_tensor(base, id, NASH_SLOT_BIAS),
                      growth->map[id], growth->mode);
}

static void refill(nash_model *m, const nash_model *base, int32_t id,
                   const ni_growth *growth, uint64_t seed)
{
    nash_op op = nash_graph_node(nash_model_graph(m), id)->op;
    if (op == NASH_OP_CONV || op == NASH_OP_FC) {
        int32_t input = nash_graph_input(nash_model_graph(m), id, 0);
        if (growth->map[id] || growth->map[input])
            refill_weight(m, base, id, growth, seed);
    } else if (op == NASH_OP_BATCH_NORM && growth->map[id]) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
            refill_vector(nash_model_tensor(m, id, slot),
                          nash_model_tensor(base, id, slot), growth->map[id],
                          growth->mode);
        if (!is_copied(growth->mode))
            refill_scale(nash_model_tensor(m, id, NASH_SLOT_GAMMA),
                         nash_model_tensor(base, id, NASH_SLOT_GAMMA),
                         growth->map[id]);
    }
}

/* Statistics of a batch normalisation's new channels; twins share theirs, so
 * that they stay equal. */
static nash_status measure_new(nash_model *m, int32_t id, const ni_channel *map,
                               int32_t size, const nash_probe *probe)
{
    nash_status status = NASH_OK;
    int32_t input = nash_graph_input(nash_model_graph(m), id, 0);
    double *mean = NULL, *var = NULL;
    NEW_ARRAY(mean, size);
    NEW_ARRAY(var, size);
    TRY(ni_moments(mean, var, m, input, probe));
    for (int32_t c = 0; c < size; c++) {
        if (map[c].old >= 0)
            continue;
        nash_model_tensor(m, id, NASH_SLOT_MEAN)->data[c] =
            (float)mean[map[c].key];
        nash_model_tensor(m, id, NASH_SLOT_VAR)->data[c] =
            (float)var[map[c].key];
    }
done:
    ni_free(mean);
    ni_free(var);
    return status;
}

static void set_sizes(nash_graph *g, const ni_growth *growth)
{
    for (int32_t id = 0; id < growth->n_nodes; id++) {
        nash_op op = nash_graph_node(g, id)->op;
        if (!growth->map[id] || (op != NASH_OP_CONV && op != NASH_OP_FC))
            continue;
        nash_attrs *attrs = ni_graph_attrs(g, id);
        attrs->out_channels = growth->size[id];
        if (attrs->groups > 1)
            attrs->groups = growth->size[id];
    }
}

nash_status ni_growth_apply(nash_model *m, const nash_model *base,
                            const ni_growth *growth, uint64_t seed,
                            const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = ni_model_graph(m);
    set_sizes(ni_model_graph(m), growth);
    TRY(ni_model_resize(m));
    for (int32_t id = 0; id < growth->n_nodes; id++)
        refill(m, base, id, growth, seed);
    if (!probe || is_copied(growth->mode))
        goto done;
    for (int32_t id = 0; id < growth->n_nodes; id++)
        if (growth->map[id] && nash_graph_node(g, id)->op == NASH_OP_BATCH_NORM)
            TRY(measure_new(m, id, growth->map[id], growth->size[id], probe));
done:
    return status;
}
