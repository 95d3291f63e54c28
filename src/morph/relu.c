/*
 * Type III (5): a ReLU after a tensor that is provably non-negative. ReLU is
 * idempotent, so this is exact in every arithmetic, and free of parameters.
 * Refuses tensors that may be negative, now or after training: a gate's above
 * all, whose lambda may leave [0, 1].
 */
#include "surgery.h"

#include "base/memory.h"

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    int32_t at;
    (void)probe;
    TRY(ni_morph_find_open(&at, g, morph->at, "at"));
    TRY(ni_require_nonnegative(g, at));
    TRY(ni_insert_after(m, at, NASH_OP_RELU, NULL));
done:
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    ni_nonnegative(fits, g);
    TRY(ni_draw_place(&out->at, g, fits, "a tensor that cannot be negative",
                      rng));
done:
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_relu = {.apply = apply, .draw = draw};
