/*
 * Type II (4): more channels for a convolution or a hidden fully connected
 * layer, and for all that its channels are tied to. The layers that read the
 * new channels get zero weights for them, so this is exact in every arithmetic;
 * pairs get opposite weights, which is exact up to the rounding of sums; noise
 * is not exact. Costs (factor - 1) times the parameters of the layers that
 * grow, and those of their readers. Refuses channels that are tied to the
 * network's input or output, or to a grouped convolution that is not depthwise.
 */
#include "grow.h"

#include "base/memory.h"
#include "model/edit.h"

static nash_status find_growth(ni_growth *growth, const nash_graph *g,
                               const nash_morph *morph)
{
    nash_status status = NASH_OK;
    char name[32];
    int32_t at;
    TRY(ni_morph_find_open(&at, g, morph->at, "at"));
    const nash_node *node = nash_graph_node(g, at);
    nash_node_name(name, sizeof name, g, at);
    REQUIRE(node->op == NASH_OP_CONV || node->op == NASH_OP_FC, NASH_EREFUSED,
            "%s has no channels of its own to widen, expected a convolution or "
            "a fully connected layer",
            name);
    int64_t added = (int64_t)node->shape.c * (morph->factor - 1);
    REQUIRE(added <= NASH_MAX_DIM, NASH_ELIMIT,
            "%s would get %lld more channels, more than the %d that are "
            "allowed",
            name, (long long)added, NASH_MAX_DIM);
    TRY(ni_growth_init(growth, g, at, (int32_t)added, morph->mode, false));
done:
    return status;
}

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    ni_growth growth = {0};
    nash_model *base = NULL;
    TRY(find_growth(&growth, nash_model_graph(m), morph));
    TRY(nash_model_dup(&base, m));
    TRY(ni_growth_apply(m, base, &growth, morph->seed, probe));
done:
    nash_model_free(base);
    ni_growth_deinit(&growth);
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    ni_growth growth = {0};
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        fits[id] = nash_graph_node(g, id)->op == NASH_OP_CONV;
    TRY(ni_draw_place(&out->at, g, fits, "a convolution", rng));
    out->factor = ni_rng_below(rng, 2) ? 4 : 2;
    out->seed = ni_rng_u32(rng);
    TRY(find_growth(&growth, g, out));
done:
    ni_growth_deinit(&growth);
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_widen = {.keys = NI_KEY_FACTOR | NI_KEY_MODE |
                                            NI_KEY_SEED,
                                    .apply = apply,
                                    .draw = draw};
