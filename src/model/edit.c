/*
 * Surgery on models. A failed insertion or resize leaves a model that can only
 * be freed safely, which is why morphisms work on copies.
 */
#include "edit.h"

#include "base/error.h"
#include "base/memory.h"
#include "graph/edit.h"
#include "internal.h"

#include <string.h>

nash_graph *ni_model_graph(nash_model *m)
{
    return m->graph;
}

/* Before anything is allocated for them. */
static nash_status check_params(const nash_graph *g)
{
    int64_t params = nash_graph_params(g);
    if (params <= NASH_MAX_PARAMS)
        return NASH_OK;
    return ni_fail(NASH_ELIMIT,
                   "the network would have %lld parameters, more than the %lld "
                   "that are accepted",
                   (long long)params, (long long)NASH_MAX_PARAMS);
}

nash_status ni_model_insert(nash_model *m, int32_t id, nash_op op,
                            const nash_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs)
{
    nash_status status = NASH_OK;
    int64_t n = (int64_t)nash_graph_size(m->graph) * NASH_SLOT_COUNT;
    nash_tensor *tensors = NULL;
    NEW_FROM(tensors,
             ni_realloc(m->tensors, n + NASH_SLOT_COUNT, sizeof *tensors));
    m->tensors = tensors;
    TRY(ni_graph_insert(m->graph, id, op, attrs, inputs, n_inputs));
    nash_tensor *fresh = &tensors[(int64_t)id * NASH_SLOT_COUNT];
    memmove(fresh + NASH_SLOT_COUNT, fresh,
            (size_t)(n - (int64_t)id * NASH_SLOT_COUNT) * sizeof *fresh);
    memset(fresh, 0, NASH_SLOT_COUNT * sizeof *fresh);
    TRY(ni_graph_infer(m->graph));
    TRY(check_params(m->graph));
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
        TRY(ni_model_fit(m, id, slot));
done:
    return status;
}

nash_status ni_model_resize(nash_model *m)
{
    nash_status status = NASH_OK;
    TRY(ni_graph_infer(m->graph));
    TRY(check_params(m->graph));
    for (int32_t id = 0; id < nash_graph_size(m->graph); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
            TRY(ni_model_fit(m, id, slot));
done:
    return status;
}

void ni_model_swap(nash_model *a, nash_model *b)
{
    nash_model kept = *a;
    *a = *b;
    *b = kept;
}
