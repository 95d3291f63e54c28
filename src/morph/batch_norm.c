/*
 * Type I (3): a batch normalisation whose learned scale and shift undo its
 * measured statistics: gamma = sqrt(var + eps), beta = mean. At inference
 * exact up to the rounding of gamma to float32 (6e-8 of the tensor's values);
 * in training up to the difference between a batch's statistics and the
 * probe's. Costs 2 C parameters and one forward of the probe.
 */
#include "surgery.h"

#include "base/memory.h"

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    nash_attrs attrs = ni_batch_norm_attrs(g);
    int32_t at;
    TRY(ni_morph_find_open(&at, g, morph->at, "at"));
    TRY(ni_insert_after(m, at, NASH_OP_BATCH_NORM, &attrs));
    TRY(ni_measure(m, at + 1, true, probe));
done:
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        fits[id] = ni_is_open(g, id);
    TRY(ni_draw_place(&out->at, g, fits, "a tensor to normalise", rng));
done:
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_batch_norm = {
    .measures = true, .apply = apply, .draw = draw};
