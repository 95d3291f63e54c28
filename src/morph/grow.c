/*
 * How growth spreads. A gap is the place behind one channel of one tensor; all
 * gaps that are tied get the same number of new channels (a flattening's, that
 * many times height x width). Each gap is visited once, so this costs
 * O(grown gaps + edges). Refuses growth that reaches the network's input, its
 * output, a grouped convolution that is not depthwise, or one gap in two
 * numbers.
 */
#include "grow.h"

#include "base/memory.h"

typedef struct ni_gap {
    int32_t id, channel, amount;
} ni_gap;

/* How a node's output channels hang together with its input's. */
typedef enum link {
    LINK_NONE,    /* the input, the normalisation, the softmax: fixed */
    LINK_GROUPED, /* a grouped convolution: fixed */
    LINK_WEIGHT,  /* not at all: a full matrix lies between */
    LINK_EQUAL,   /* channel by channel */
    LINK_FLATTEN, /* each channel is height x width channels */
    LINK_CONCAT   /* one input after the other */
} link;

static link link_of_conv(const nash_graph *g, int32_t id)
{
    if (nash_graph_node(g, id)->attrs.groups == 1)
        return LINK_WEIGHT;
    return ni_is_depthwise(g, id) ? LINK_EQUAL : LINK_GROUPED;
}

static link link_of(const nash_graph *g, int32_t id)
{
    switch (nash_graph_node(g, id)->op) {
    case NASH_OP_CONV:
        return link_of_conv(g, id);
    case NASH_OP_FC:
        return LINK_WEIGHT;
    case NASH_OP_BATCH_NORM:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
    case NASH_OP_GLOBAL_POOL:
    case NASH_OP_ADD:
    case NASH_OP_GATE:
        return LINK_EQUAL;
    case NASH_OP_FLATTEN:
        return LINK_FLATTEN;
    case NASH_OP_CONCAT:
        return LINK_CONCAT;
    case NASH_OP_INPUT:
    case NASH_OP_NORMALIZE:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        return LINK_NONE;
    }
    return LINK_NONE;
}

static nash_status refuse(const nash_graph *g, int32_t id, const char *why)
{
    char name[32];
    nash_node_name(name, sizeof name, g, id);
    return ni_fail(NASH_EREFUSED, "its channels are tied to %s, %s", name, why);
}

static nash_status refuse_link(const nash_graph *g, int32_t id)
{
    if (link_of(g, id) == LINK_GROUPED)
        return refuse(g, id, "a grouped convolution");
    return refuse(g, id,
                  nash_graph_node(g, id)->op == NASH_OP_SOFTMAX
                      ? "the network's output"
                      : "the network's input");
}

/* ---- spreading ---------------------------------------------------------- */

static nash_status push(ni_growth *growth, ni_gap gap)
{
    if (growth->n_pending == growth->room) {
        int32_t room = 2 * growth->room + 16;
        ni_gap *more = ni_realloc(growth->pending, room, sizeof *more);
        if (!more)
            return NASH_ENOMEM;
        growth->pending = more;
        growth->room = room;
    }
    growth->pending[growth->n_pending++] = gap;
    return NASH_OK;
}

static nash_status mark(ni_growth *growth, const nash_graph *g, int32_t id,
                        int32_t channel, int64_t amount)
{
    nash_status status = NASH_OK;
    char name[32];
    nash_node_name(name, sizeof name, g, id);
    REQUIRE(amount <= NASH_MAX_DIM, NASH_ELIMIT,
            "%s would get %lld more channels, more than the %d that are "
            "allowed",
            name, (long long)amount, NASH_MAX_DIM);
    if (!growth->after[id])
        NEW_ARRAY(growth->after[id], nash_graph_node(g, id)->shape.c);
    int32_t *after = &growth->after[id][channel];
    if (*after == amount)
        goto done;
    if (*after != 0) {
        status = refuse(g, id, "which would need two numbers of channels");
        goto done;
    }
    *after = (int32_t)amount;
    TRY(push(growth, (ni_gap){id, channel, (int32_t)amount}));
done:
    return status;
}

/* From a flattened tensor back to the one it came from. */
static nash_status unflatten(ni_growth *growth, const nash_graph *g, ni_gap gap,
                             int32_t input)
{
    nash_shape shape = nash_graph_node(g, input)->shape;
    int64_t area = (int64_t)shape.h * shape.w;
    if ((gap.channel + 1) % area != 0 || gap.amount % area != 0 ||
        gap.amount / area % growth->added != 0)
        return refuse(g, gap.id, "a flattening that they do not divide into");
    return mark(growth, g, input, (int32_t)(gap.channel / area),
                gap.amount / area);
}

/* From a concatenation back to the part that holds the channel. */
static nash_status split(ni_growth *growth, const nash_graph *g, ni_gap gap)
{
    int32_t k = 0, channel = gap.channel;
    int32_t part = nash_graph_input(g, gap.id, k);
    while (channel >= nash_graph_node(g, part)->shape.c) {
        channel -= nash_graph_node(g, part)->shape.c;
        part = nash_graph_input(g, gap.id, ++k);
    }
    return mark(growth, g, part, channel, gap.amount);
}

static nash_status spread_back(ni_growth *growth, const nash_graph *g,
                               ni_gap gap)
{
    nash_status status = NASH_OK;
    switch (link_of(g, gap.id)) {
    case LINK_NONE:
    case LINK_GROUPED:
        return refuse_link(g, gap.id);
    case LINK_WEIGHT:
        break;
    case LINK_EQUAL:
        for (int32_t k = 0; k < nash_graph_node(g, gap.id)->n_inputs; k++)
            TRY(mark(growth, g, nash_graph_input(g, gap.id, k), gap.channel,
                     gap.amount));
        break;
    case LINK_FLATTEN:
        return unflatten(growth, g, gap, nash_graph_input(g, gap.id, 0));
    case LINK_CONCAT:
        return split(growth, g, gap);
    }
done:
    return status;
}

/* To a reader, whose input number k begins at channel offset of its output if
 * it concatenates. */
static nash_status spread_to(ni_growth *growth, const nash_graph *g, ni_gap gap,
                             int32_t reader, int32_t offset)
{
    nash_shape shape = nash_graph_node(g, gap.id)->shape;
    int64_t area = (int64_t)shape.h * shape.w;
    switch (link_of(g, reader)) {
    case LINK_NONE:
    case LINK_GROUPED:
        return refuse_link(g, reader);
    case LINK_WEIGHT:
        break;
    case LINK_EQUAL:
        return mark(growth, g, reader, gap.channel, gap.amount);
    case LINK_FLATTEN:
        return mark(growth, g, reader, (int32_t)((gap.channel + 1) * area - 1),
                    gap.amount * area);
    case LINK_CONCAT:
        return mark(growth, g, reader, offset + gap.channel, gap.amount);
    }
    return NASH_OK;
}

static nash_status spread_on(ni_growth *growth, const nash_graph *g, ni_gap gap)
{
    nash_status status = NASH_OK;
    for (int32_t id = gap.id + 1; id < nash_graph_size(g); id++) {
        int32_t offset = 0;
        for (int32_t k = 0; k < nash_graph_node(g, id)->n_inputs; k++) {
            int32_t input = nash_graph_input(g, id, k);
            if (input == gap.id)
                TRY(spread_to(growth, g, gap, id, offset));
            offset += nash_graph_node(g, input)->shape.c;
        }
    }
done:
    return status;
}

/* ---- maps --------------------------------------------------------------- */

/* New channel number i of those in a gap. */
static ni_channel new_channel(const ni_growth *growth, ni_gap gap, int32_t base,
                              int32_t i)
{
    int32_t unit = gap.amount / growth->added; /* by flattening */
    int32_t s = i / unit, r = i % unit;
    int32_t back =
        (growth->block - 1 - s % growth->block) * unit + unit - 1 - r;
    bool twin = growth->mode == NASH_WIDEN_PAIR && (s | 1) < growth->added;
    ni_channel channel = {
        .old = -1,
        .source = gap.channel - back % (gap.channel + 1),
        .key = base + (twin ? s & ~1 : s) * unit + r,
        .sign = growth->mode == NASH_WIDEN_NOISE ? 1
                : !twin                          ? 0
                : (s & 1)                        ? -1
                                                 : 1,
    };
    return channel;
}

static nash_status build_map(ni_growth *growth, const nash_graph *g, int32_t id)
{
    nash_status status = NASH_OK;
    int32_t channels = nash_graph_node(g, id)->shape.c;
    const int32_t *after = growth->after[id];
    int64_t size = channels;
    char name[32];
    nash_node_name(name, sizeof name, g, id);
    for (int32_t c = 0; c < channels; c++)
        size += after[c];
    REQUIRE(size <= NASH_MAX_DIM, NASH_ELIMIT,
            "%s would have %lld channels, more than the %d that are allowed",
            name, (long long)size, NASH_MAX_DIM);
    NEW_ARRAY(growth->map[id], size);
    growth->size[id] = (int32_t)size;
    for (int32_t c = 0, n = 0; c < channels; c++) {
        growth->map[id][n++] = (ni_channel){.old = c};
        ni_gap gap = {id, c, after[c]};
        int32_t base = n;
        for (int32_t i = 0; i < after[c]; i++)
            growth->map[id][n++] = new_channel(growth, gap, base, i);
    }
done:
    return status;
}

static nash_status spread(ni_growth *growth, const nash_graph *g, int32_t root,
                          bool forward)
{
    nash_status status = NASH_OK;
    while (growth->n_pending > 0) {
        ni_gap gap = growth->pending[--growth->n_pending];
        if (gap.id != root || !forward)
            TRY(spread_back(growth, g, gap));
        TRY(spread_on(growth, g, gap));
    }
    for (int32_t id = 0; id < growth->n_nodes; id++)
        if (growth->after[id])
            TRY(build_map(growth, g, id));
done:
    return status;
}

nash_status ni_growth_init(ni_growth *growth, const nash_graph *g, int32_t id,
                           int32_t added, nash_widen_mode mode, bool forward)
{
    nash_status status = NASH_OK;
    *growth = (ni_growth){
        .n_nodes = nash_graph_size(g),
        .block = nash_graph_node(g, id)->shape.c,
        .added = added,
        .mode = mode,
    };
    NEW_ARRAY(growth->after, growth->n_nodes);
    NEW_ARRAY(growth->map, growth->n_nodes);
    NEW_ARRAY(growth->size, growth->n_nodes);
    TRY(mark(growth, g, id, growth->block - 1, added));
    TRY(spread(growth, g, id, forward));
done:
    if (status != NASH_OK)
        ni_growth_deinit(growth);
    return status;
}

void ni_growth_deinit(ni_growth *growth)
{
    for (int32_t id = 0; id < growth->n_nodes; id++) {
        if (growth->after)
            ni_free(growth->after[id]);
        if (growth->map)
            ni_free(growth->map[id]);
    }
    ni_free(growth->after);
    ni_free(growth->map);
    ni_free(growth->size);
    ni_free(growth->pending);
    *growth = (ni_growth){0};
}
