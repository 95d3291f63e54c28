/*
 * Derivatives by activations. The first contribution to a node's derivative
 * makes its buffer, or shares the one of the reader it comes from; later ones
 * are added in place. A shared buffer is copied before it is changed.
 */
#include "onednn.h"

int32_t ni_grad_of(const ni_program *p, int32_t id)
{
    return p->states[p->states[id].tail].grad;
}

bool ni_grad_wanted(const ni_program *p, int32_t id, int32_t k)
{
    return p->states[nash_graph_input(p->graph, id, k)].trains;
}

int32_t ni_gradient(const ni_program *p, int32_t id, int32_t slot)
{
    return p->gradients[(int64_t)id * NASH_SLOT_COUNT + slot];
}

static ni_state *input_state(const ni_program *p, int32_t id, int32_t k)
{
    return &p->states[nash_graph_input(p->graph, id, k)];
}

/* Add SRC to a derivative, or copy it there. */
static nash_status emit_sum(ni_program *p, int32_t id, const ni_layout *layout,
                            int32_t from, ni_target to)
{
    ni_task task = {.src = *layout,
                    .count = ni_layout_count(layout),
                    .accumulate = to.accumulate};
    return ni_emit_kernel(p, NI_BACKWARD, id, "sum of derivatives",
                          p->kernels->accumulate, &task,
                          REFS({from, NI_SRC}, {to.buffer, NI_D_SRC}));
}

static nash_status own_copy(ni_program *p, int32_t id, ni_state *source)
{
    nash_status status = NASH_OK;
    int32_t shared = source->grad;
    ni_target copy = {-1, false};
    TRY(ni_new_buffer(&copy.buffer, p, ni_layout_bytes(&source->layout)));
    TRY(emit_sum(p, id, &source->layout, shared, copy));
    p->buffers[shared].sharers--;
    source->grad = copy.buffer;
done:
    return status;
}

nash_status ni_grad_target(ni_target *target, ni_program *p, int32_t id,
                           int32_t k, bool in_place)
{
    nash_status status = NASH_OK;
    ni_state *source = input_state(p, id, k);
    int32_t own = ni_grad_of(p, id);
    bool there = source->grad >= 0;
    if (there && p->buffers[source->grad].sharers > 1) {
        TRY(own_copy(p, id, source));
    } else if (!there && in_place && p->buffers[own].sharers == 1 &&
               ni_layout_equal(&source->layout,
                               &p->states[p->states[id].tail].layout)) {
        source->grad = own;
        p->buffers[own].sharers++;
    } else if (!there) {
        TRY(ni_new_buffer(&source->grad, p, ni_layout_bytes(&source->layout)));
    }
    *target = (ni_target){source->grad, there};
done:
    return status;
}

/* Whether a node's own backward reads its output. */
static bool needs_output(const ni_program *p, int32_t id)
{
    nash_op op = nash_graph_node(p->graph, id)->op;
    return op == NASH_OP_RELU || op == NASH_OP_CLIP;
}

nash_status ni_grad_over_input(ni_target *target, ni_program *p, int32_t id,
                               int32_t k, bool in_place)
{
    int32_t source = nash_graph_input(p->graph, id, k);
    ni_state *s = &p->states[source];
    if (s->grad >= 0 || !ni_may_overwrite(p, id, k) || needs_output(p, source))
        return ni_grad_target(target, p, id, k, in_place);
    s->grad = s->out;
    *target = (ni_target){s->grad, false};
    return NASH_OK;
}

nash_status ni_grad_first(int32_t *buffer, bool *direct, ni_program *p,
                          int32_t id, const dnnl_memory_desc_t *gives)
{
    nash_status status = NASH_OK;
    const ni_state *source = input_state(p, id, 0);
    dnnl_memory_desc_t stored = ni_layout_desc(&source->layout);
    ni_target target;
    *direct = source->grad < 0 && ni_desc_equal(gives, &stored);
    if (*direct) {
        TRY(ni_grad_target(&target, p, id, 0, false));
        *buffer = target.buffer;
    } else {
        TRY(ni_new_buffer(buffer, p, dnnl_memory_desc_get_size(gives)));
    }
done:
    return status;
}

nash_status ni_grad_pass(ni_program *p, int32_t id, int32_t k)
{
    nash_status status = NASH_OK;
    ni_state *source = input_state(p, id, k);
    int32_t own = ni_grad_of(p, id);
    ni_target target;
    if (source->grad < 0) {
        source->grad = own;
        p->buffers[own].sharers++;
        goto done;
    }
    TRY(ni_grad_target(&target, p, id, k, false));
    TRY(emit_sum(p, id, &source->layout, own, target));
done:
    return status;
}

nash_status ni_grad_deliver(ni_program *p, int32_t id, int32_t k, int32_t from,
                            const dnnl_memory_desc_t *from_desc)
{
    nash_status status = NASH_OK;
    ni_state *source = input_state(p, id, k);
    dnnl_memory_desc_t desc = ni_layout_desc(&source->layout);
    int32_t ready;
    ni_target target;
    TRY(ni_convert(&ready, p, NI_BACKWARD, id, from, from_desc, &desc));
    if (ready == ni_grad_of(p, id)) {
        TRY(ni_grad_pass(p, id, k));
        goto done;
    }
    if (source->grad < 0) {
        source->grad = ready;
        goto done;
    }
    TRY(ni_grad_target(&target, p, id, k, false));
    TRY(emit_sum(p, id, &source->layout, ready, target));
done:
    return status;
}
