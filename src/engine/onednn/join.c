/*
 * Operations with several inputs: concatenation, addition and the gate. A
 * concatenation copies its inputs into their slices; an addition of more than
 * eight inputs is a chain.
 */
#include "onednn.h"

static int32_t input_count(const ni_program *p, int32_t id)
{
    return nash_graph_node(p->graph, id)->n_inputs;
}

static nash_status pass_input(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    int32_t src;
    TRY(ni_operand(&src, p, id, 0, &p->states[id].layout));
    ni_share_output(p, id, src);
done:
    return status;
}

/* ---- concatenation ---------------------------------------------------- */

/* The k-th input's slice: in the layout of the whole, but for the channels. */
static ni_task slice_task(const ni_program *p, int32_t id, int32_t k)
{
    ni_task task = {.src = p->states[id].layout, .dst = p->states[id].layout};
    for (int32_t i = 0; i <= k; i++) {
        int32_t source = nash_graph_input(p->graph, id, i);
        task.offset += i < k ? p->states[source].layout.c : 0;
        task.src.c = p->states[source].layout.c;
    }
    return task;
}

nash_status ni_concat_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    int32_t out;
    if (input_count(p, id) == 1) {
        TRY(pass_input(p, id));
        goto done;
    }
    TRY(ni_output(&out, p, id));
    for (int32_t k = 0; k < input_count(p, id); k++) {
        ni_task task = slice_task(p, id, k);
        int32_t src;
        TRY(ni_operand(&src, p, id, k, &task.src));
        TRY(ni_emit_kernel(p, NI_FORWARD, id, "concatenation",
                           p->kernels->concat, &task,
                           REFS({src, NI_SRC}, {out, NI_DST})));
    }
done:
    return status;
}

nash_status ni_concat_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    for (int32_t k = 0; k < input_count(p, id); k++) {
        ni_task task = slice_task(p, id, k);
        ni_target d_src;
        if (!ni_grad_wanted(p, id, k))
            continue;
        if (input_count(p, id) == 1) {
            TRY(ni_grad_pass(p, id, 0));
            continue;
        }
        TRY(ni_grad_target(&d_src, p, id, k, false));
        task.accumulate = d_src.accumulate;
        TRY(ni_emit_kernel(
            p, NI_BACKWARD, id, "concatenation's gradient",
            p->kernels->concat_backward, &task,
            REFS({ni_grad_of(p, id), NI_D_DST}, {d_src.buffer, NI_D_SRC})));
    }
done:
    return status;
}

/* ---- addition --------------------------------------------------------- */

/* out = sum of inputs first .. last, and of out itself unless first is 0. */
static nash_status add_some(ni_program *p, int32_t id, int32_t first,
                            int32_t last, int32_t out)
{
    nash_status status = NASH_OK;
    const ni_layout *layout = &p->states[id].layout;
    ni_task task = {.src = *layout, .count = ni_layout_count(layout)};
    ni_ref refs[NI_ROLES];
    if (first > 0) {
        refs[task.n_src].buffer = out;
        refs[task.n_src].what = NI_SRC + task.n_src;
        task.n_src++;
    }
    for (int32_t k = first; k <= last; k++, task.n_src++) {
        TRY(ni_operand(&refs[task.n_src].buffer, p, id, k, layout));
        refs[task.n_src].what = NI_SRC + task.n_src;
    }
    refs[task.n_src] = (ni_ref){out, NI_DST};
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "addition", p->kernels->add, &task,
                       refs, task.n_src + 1));
done:
    return status;
}

nash_status ni_add_forward(ni_program *p, int32_t id)
{
    enum { AT_ONCE = NI_SRC_LAST - NI_SRC + 1 };
    nash_status status = NASH_OK;
    int32_t n = input_count(p, id), out;
    if (n == 1) {
        TRY(pass_input(p, id));
        goto done;
    }
    TRY(ni_output(&out, p, id));
    for (int32_t first = 0; first < n;) {
        int32_t last = first + AT_ONCE - (first > 0 ? 2 : 1);
        if (last >= n)
            last = n - 1;
        TRY(add_some(p, id, first, last, out));
        first = last + 1;
    }
done:
    return status;
}

nash_status ni_add_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    for (int32_t k = 0; k < input_count(p, id); k++)
        if (ni_grad_wanted(p, id, k))
            TRY(ni_grad_pass(p, id, k));
done:
    return status;
}

/* ---- gate ------------------------------------------------------------- */

nash_status ni_gate_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    const ni_layout *layout = &p->states[id].layout;
    int32_t f, h, lambda, out;
    TRY(ni_operand(&f, p, id, 0, layout));
    TRY(ni_operand(&h, p, id, 1, layout));
    TRY(ni_tensor_buffer(&lambda, p, id, NASH_SLOT_LAMBDA));
    TRY(ni_output(&out, p, id));
    ni_task task = {.src = *layout, .count = ni_layout_count(layout)};
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "gate", p->kernels->gate, &task,
                       REFS({f, NI_SRC}, {h, NI_SRC + 1}, {lambda, NI_WEIGHT},
                            {out, NI_DST})));
done:
    return status;
}

nash_status ni_gate_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    const ni_layout *layout = &p->states[id].layout;
    ni_target d_f = {-1, false}, d_h = {-1, false};
    int32_t lambda, partial;
    ni_task task = {.src = *layout, .count = ni_layout_count(layout)};
    TRY(ni_tensor_buffer(&lambda, p, id, NASH_SLOT_LAMBDA));
    TRY(ni_new_buffer(&partial, p, ni_gate_partial_bytes(task.count)));
    if (ni_grad_wanted(p, id, 0))
        TRY(ni_grad_target(&d_f, p, id, 0, false));
    if (ni_grad_wanted(p, id, 1))
        TRY(ni_grad_target(&d_h, p, id, 1, true));
    task.accumulate = d_f.accumulate;
    task.accumulate2 = d_h.accumulate;
    TRY(ni_emit_kernel(
        p, NI_BACKWARD, id, "gate's gradient", p->kernels->gate_backward, &task,
        REFS({ni_operand_of(p, id, 0), NI_SRC},
             {ni_operand_of(p, id, 1), NI_SRC + 1}, {lambda, NI_WEIGHT},
             {ni_grad_of(p, id), NI_D_DST}, {d_f.buffer, NI_D_SRC},
             {d_h.buffer, NI_D_SRC2}, {partial, NI_PARTIAL},
             {ni_gradient(p, id, NASH_SLOT_LAMBDA), NI_D_WEIGHT})));
done:
    return status;
}
