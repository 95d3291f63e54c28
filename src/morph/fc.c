/*
 * Type I (2): an identity fully connected layer, weight 1 and bias 0. Exact in
 * every arithmetic. Costs C^2 + C parameters. Goes only where height and width
 * are 1: elsewhere a fully connected layer is no map from a tensor to itself.
 */
#include "surgery.h"

#include "base/memory.h"

static nash_status insert(nash_model *m, int32_t at)
{
    nash_status status = NASH_OK;
    nash_shape shape = nash_graph_node(nash_model_graph(m), at)->shape;
    nash_attrs attrs = nash_attrs_default();
    attrs.out_channels = shape.c;
    attrs.bias = true;
    TRY(ni_insert_after(m, at, NASH_OP_FC, &attrs));
    float *weight = nash_model_tensor(m, at + 1, NASH_SLOT_WEIGHT)->data;
    for (int64_t c = 0; c < shape.c; c++)
        weight[c * shape.c + c] = 1;
done:
    return status;
}

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    char name[32];
    int32_t at;
    (void)probe;
    TRY(ni_morph_find_open(&at, g, morph->at, "at"));
    nash_node_name(name, sizeof name, g, at);
    nash_shape shape = nash_graph_node(g, at)->shape;
    REQUIRE(ni_is_flat(g, at), NASH_EREFUSED,
            "%s has height %d and width %d, and a fully connected layer goes "
            "only where both are 1",
            name, shape.h, shape.w);
    TRY(insert(m, at));
done:
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        fits[id] = ni_is_open(g, id) && ni_is_flat(g, id);
    TRY(ni_draw_place(&out->at, g, fits, "a tensor with height and width 1",
                      rng));
done:
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_fc = {.apply = apply, .draw = draw};
