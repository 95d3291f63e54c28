/*
 * The composite of three morphisms, I + I + III: an identity convolution (2),
 * a batch normalisation with measured statistics (3) and a ReLU (5), inserted
 * as one Conv-BN-ReLU block with as many channels as the tensor it goes after.
 * Exact as its batch normalisation is. Costs C^2 K^2 + 2 C parameters and one
 * forward of the probe. Refuses tensors that may be negative.
 */
#include "surgery.h"

#include "base/memory.h"

static nash_status insert(nash_model *m, int32_t at, int32_t kernel)
{
    nash_status status = NASH_OK;
    nash_attrs attrs = ni_batch_norm_attrs(nash_model_graph(m));
    TRY(ni_insert_identity_conv(m, at, kernel));
    TRY(ni_insert_after(m, at + 1, NASH_OP_BATCH_NORM, &attrs));
    TRY(ni_insert_after(m, at + 2, NASH_OP_RELU, NULL));
done:
    return status;
}

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    int32_t at;
    TRY(ni_morph_find_open(&at, g, morph->at, "at"));
    TRY(ni_require_nonnegative(g, at));
    TRY(insert(m, at, morph->kernel));
    TRY(ni_measure(m, at + 2, true, probe));
done:
    return status;
}

/* Uniform over the non-negative tensors that have a neighbourhood: on 1 x 1,
 * all of the kernel but its centre would only ever see padding. */
static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    ni_nonnegative(fits, g);
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        fits[id] = fits[id] && !ni_is_flat(g, id);
    TRY(ni_draw_place(&out->at, g, fits,
                      "a tensor with height and width that cannot be negative",
                      rng));
    out->kernel = ni_draw_kernel(rng);
done:
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_deepen = {
    .keys = NI_KEY_KERNEL, .measures = true, .apply = apply, .draw = draw};
