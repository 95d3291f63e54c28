/*
 * Type IV (6): lambda f(x) + (1 - lambda) h(x) at lambda = 1, where f is a
 * chain of layers and h its input, pooled as the chain is, and through a fresh
 * 1 x 1 convolution where the channels differ: the additive skip. Exact in
 * every arithmetic as long as h is finite. Costs one parameter, or C_in C_out
 * more. Refuses ends that no way connects, or before the normalisation.
 */
#include "skip.h"

#include "graph/edit.h"
#include "model/edit.h"

static nash_status match_channels(int32_t *h, int32_t *n, nash_model *m,
                                  int32_t at, uint64_t seed)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    int32_t channels = nash_graph_node(g, at)->shape.c;
    if (nash_graph_node(g, *h)->shape.c == channels)
        goto done;
    nash_attrs attrs = ni_conv_attrs(channels, 1);
    ++*n;
    TRY(ni_insert(m, at + *n, NASH_OP_CONV, &attrs, *h));
    ni_model_init_slot(m, at + *n, NASH_SLOT_WEIGHT, seed);
    *h = at + *n;
done:
    return status;
}

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    int32_t ends[2], from, n;
    (void)probe;
    TRY(ni_skip_ends(&from, &ends[0], nash_model_graph(m), morph));
    TRY(ni_skip_route(&ends[1], &n, m, from, ends[0]));
    TRY(match_channels(&ends[1], &n, m, ends[0], morph->seed));
    int32_t gate = ends[0] + n + 1;
    TRY(ni_model_insert(m, gate, NASH_OP_GATE, NULL, ends, 2));
    ni_graph_redirect(ni_model_graph(m), ends[0], gate, gate);
done:
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = ni_skip_draw(out, g, rng);
    if (status != NASH_OK)
        return status;
    nash_shape from = nash_graph_node(g, nash_graph_find(g, out->from))->shape;
    nash_shape at = nash_graph_node(g, nash_graph_find(g, out->at))->shape;
    if (from.c != at.c)
        out->seed = ni_rng_u32(rng);
    return NASH_OK;
}

const ni_morphism ni_morph_add_skip = {
    .keys = NI_KEY_FROM | NI_KEY_SEED, .apply = apply, .draw = draw};
