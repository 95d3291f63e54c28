/*
 * Type II (4): an earlier tensor, pooled as the chain beside it is, goes
 * behind the channels of a later one, and the weights that read them are zero.
 * Exact in every arithmetic as long as the earlier tensor is finite. Costs as
 * many parameters as zero weights.
 *
 * A concatenation can serve only readers in which more channels end at weights.
 * A reader that leads to a sum, a gate or the output goes on reading the
 * later tensor itself; the skip is refused only if all of them do.
 *
 * Values far larger than those beside them, as pools in a row leave them, make
 * a training with a high rate unstable as soon as their weights move. With
 * `norm` the earlier tensor goes through a batch normalisation whose scale
 * makes its mean square that of the later one, or as much smaller as it has
 * more channels (1 behind a tensor of zeros). h~ in (4) may be any function, so
 * that this is as exact.
 */
#include "grow.h"
#include "skip.h"

#include "base/memory.h"
#include "graph/edit.h"
#include "model/edit.h"

#include <math.h>

/* Whether a node may get more input channels. @p spreads: all readers of its
 * output may. */
static bool takes_more(const nash_graph *g, int32_t id, bool spreads)
{
    switch (nash_graph_node(g, id)->op) {
    case NASH_OP_CONV:
        return nash_graph_node(g, id)->attrs.groups == 1 ||
               (ni_is_depthwise(g, id) && spreads);
    case NASH_OP_FC:
        return true;
    case NASH_OP_BATCH_NORM:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
    case NASH_OP_GLOBAL_POOL:
    case NASH_OP_FLATTEN:
    case NASH_OP_CONCAT:
        return spreads;
    case NASH_OP_INPUT:
    case NASH_OP_NORMALIZE:
    case NASH_OP_ADD:
    case NASH_OP_GATE:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        return false;
    }
    return false;
}

/* Which nodes may get more input channels. */
static nash_status find_takers(bool *takes, const nash_graph *g)
{
    nash_status status = NASH_OK;
    bool *spreads = NULL;
    NEW_ARRAY(spreads, nash_graph_size(g));
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        spreads[id] = true;
    for (int32_t id = nash_graph_size(g) - 1; id >= 0; id--) {
        takes[id] = takes_more(g, id, spreads[id]);
        for (int32_t k = 0; k < nash_graph_node(g, id)->n_inputs; k++)
            spreads[nash_graph_input(g, id, k)] &= takes[id];
    }
done:
    ni_free(spreads);
    return status;
}

/* Let the readers of a tensor that take more channels read @p to instead.
 * @return how many edges moved */
static int32_t move_takers(nash_graph *g, const bool *takes, int32_t from,
                           int32_t to)
{
    int32_t moved = 0;
    for (int32_t id = to + 1; id < nash_graph_size(g); id++)
        for (int32_t k = 0; k < nash_graph_node(g, id)->n_inputs; k++)
            if (takes[id] && nash_graph_input(g, id, k) == from) {
                ni_graph_set_input(g, id, k, to);
                moved++;
            }
    return moved;
}

/* Concatenate node @p h to @p at. The model before, as growth wants it, has a
 * concatenation of @p at alone in the same place. */
static nash_status concatenate(nash_model *m, nash_model *base, int32_t at,
                               int32_t h, int32_t id, uint64_t seed,
                               const nash_probe *probe)
{
    nash_status status = NASH_OK;
    ni_growth growth = {0};
    bool *takes = NULL;
    int32_t parts[2] = {at, h};
    int32_t added = nash_graph_node(nash_model_graph(m), h)->shape.c;
    char name[32];
    TRY(ni_model_insert(m, id, NASH_OP_CONCAT, NULL, parts, 2));
    TRY(ni_model_insert(base, id, NASH_OP_CONCAT, NULL, parts, 1));
    const nash_graph *g = nash_model_graph(base);
    NEW_ARRAY(takes, nash_graph_size(g));
    TRY(find_takers(takes, g));
    nash_node_name(name, sizeof name, g, at);
    REQUIRE(move_takers(ni_model_graph(base), takes, at, id) > 0, NASH_EREFUSED,
            "every reader of %s ties its channels to a sum, a gate or the "
            "output",
            name);
    move_takers(ni_model_graph(m), takes, at, id);
    TRY(ni_growth_init(&growth, g, id, added, NASH_WIDEN_FRESH, true));
    TRY(ni_growth_apply(m, base, &growth, seed, probe));
done:
    ni_free(takes);
    ni_growth_deinit(&growth);
    return status;
}

/* Mean square of a node's output, over images, places and channels. */
static nash_status mean_square(double *out, const nash_model *m, int32_t id,
                               const nash_probe *probe)
{
    nash_status status = NASH_OK;
    int32_t channels = nash_graph_node(nash_model_graph(m), id)->shape.c;
    double *mean = NULL, *var = NULL;
    NEW_ARRAY(mean, channels);
    NEW_ARRAY(var, channels);
    TRY(ni_moments(mean, var, m, id, probe));
    *out = 0.0;
    for (int32_t c = 0; c < channels; c++)
        *out += (mean[c] * mean[c] + var[c]) / channels;
done:
    ni_free(mean);
    ni_free(var);
    return status;
}

/* Insert a batch normalisation of node @p h at @p id, whose output has, per
 * channel, this mean square. Its statistics are to be measured. */
static nash_status normalise(nash_model *m, int32_t h, int32_t id,
                             double square)
{
    const nash_graph *g = nash_model_graph(m);
    nash_attrs attrs = ni_batch_norm_attrs(g);
    nash_status status = ni_insert(m, id, NASH_OP_BATCH_NORM, &attrs, h);
    if (status != NASH_OK)
        return status;
    nash_tensor *gamma = nash_model_tensor(m, id, NASH_SLOT_GAMMA);
    float scale = (float)sqrt(square);
    for (int64_t c = 0; c < gamma->count; c++)
        gamma->data[c] = scale > 0 ? scale : 1; /* 0 would never learn */
    return NASH_OK;
}

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    nash_model *base = NULL;
    const nash_graph *g = nash_model_graph(m);
    int32_t from, at, h, n;
    double square = 0.0;
    TRY(ni_skip_ends(&from, &at, g, morph));
    if (morph->norm)
        TRY(mean_square(&square, m, at, probe));
    TRY(ni_skip_route(&h, &n, m, from, at));
    if (morph->norm) {
        double there = nash_graph_node(g, h)->shape.c;
        double share = nash_graph_node(g, at)->shape.c / there;
        ++n;
        TRY(normalise(m, h, at + n, square * fmin(share, 1.0)));
        h = at + n;
    }
    TRY(nash_model_dup(&base, m));
    TRY(concatenate(m, base, at, h, at + n + 1, morph->seed, probe));
    if (morph->norm)
        TRY(ni_measure(m, h, false, probe));
done:
    nash_model_free(base);
    return status;
}

/* Fresh weights are needed only in depthwise convolutions behind the skip. */
static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = ni_skip_draw(out, g, rng);
    uint64_t seed = ni_rng_u32(rng);
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->attrs.groups > 1)
            out->seed = seed;
    return status;
}

const ni_morphism ni_morph_concat_skip = {
    .keys = NI_KEY_FROM | NI_KEY_SEED | NI_KEY_NORM,
    .apply = apply,
    .draw = draw,
};
