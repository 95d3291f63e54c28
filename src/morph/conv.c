/*
 * Type I (2): an identity convolution, one 1 at the centre of each channel's
 * kernel and zeros elsewhere, "same"-padded, without bias. Exact in every
 * arithmetic: zeros add exactly. Costs C^2 K^2 parameters on a tensor of C
 * channels. Goes after any tensor behind the normalisation.
 */
#include "surgery.h"

#include "base/memory.h"

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    int32_t at;
    (void)probe;
    TRY(ni_morph_find_open(&at, nash_model_graph(m), morph->at, "at"));
    TRY(ni_insert_identity_conv(m, at, morph->kernel));
done:
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        fits[id] = ni_is_open(g, id) && !ni_is_flat(g, id);
    TRY(ni_draw_place(&out->at, g, fits, "a tensor with height and width",
                      rng));
    out->kernel = ni_draw_kernel(rng);
done:
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_conv = {
    .keys = NI_KEY_KERNEL, .apply = apply, .draw = draw};
