/*
 * Pools and flattening. A pool computes in the layout of its input; where the
 * output has another one (a single pixel is plain float32), it is converted.
 */
#include "onednn.h"

ni_window ni_window_of(const nash_attrs *a)
{
    ni_window w = {.count_include_pad = a->count_include_pad};
    for (int i = 0; i < 4; i++)
        w.pads[i] = a->pads[i];
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = a->kernel[i];
        w.stride[i] = a->stride[i];
        w.dilation[i] = a->dilation[i];
    }
    return w;
}

/* The output of pool id before that conversion. */
static ni_layout pooled_layout(const ni_program *p, int32_t id,
                               const ni_layout *src)
{
    ni_layout layout = p->states[id].layout;
    layout.lanes = src->lanes;
    layout.bf16 = src->bf16;
    return layout;
}

static ni_layout operand_layout(const ni_program *p, int32_t id)
{
    int32_t source = nash_graph_input(p->graph, id, 0);
    return ni_layout_blocked(p, &p->states[source].layout);
}

static ni_task pool_task(const ni_program *p, int32_t id)
{
    const nash_attrs *a = &nash_graph_node(p->graph, id)->attrs;
    ni_task task = {.src = operand_layout(p, id)};
    task.dst = pooled_layout(p, id, &task.src);
    task.window = ni_window_of(a);
    return task;
}

static bool is_max(const ni_program *p, int32_t id)
{
    return nash_graph_node(p->graph, id)->op == NASH_OP_MAX_POOL;
}

nash_status ni_pool_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_state *s = &p->states[id];
    ni_task task = pool_task(p, id);
    int32_t src, out, dst, *index = &s->saved[0];
    TRY(ni_operand(&src, p, id, 0, &task.src));
    TRY(ni_output(&out, p, id));
    dst = out;
    if (!ni_layout_equal(&task.dst, &s->layout))
        TRY(ni_new_buffer(&dst, p, ni_layout_bytes(&task.dst)));
    if (is_max(p, id) && p->opts.mode == NASH_MODE_TRAIN)
        TRY(ni_new_buffer(index, p,
                          (size_t)ni_layout_count(&task.dst) *
                              ni_pool_index_bytes(&task.window)));
    TRY(ni_emit_kernel(
        p, NI_FORWARD, id, "pooling",
        is_max(p, id) ? p->kernels->max_pool : p->kernels->avg_pool, &task,
        REFS({src, NI_SRC}, {dst, NI_DST}, {*index, NI_INDEX})));
    if (dst != out) {
        dnnl_memory_desc_t from = ni_layout_desc(&task.dst);
        dnnl_memory_desc_t to = ni_layout_desc(&s->layout);
        TRY(ni_reorder(p, NI_FORWARD, id, dst, &from, out, &to));
    }
done:
    return status;
}

nash_status ni_pool_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    const ni_state *s = &p->states[id];
    ni_task task = pool_task(p, id);
    dnnl_memory_desc_t from = ni_layout_desc(&s->layout);
    dnnl_memory_desc_t to = ni_layout_desc(&task.dst);
    int32_t d_dst, partial;
    ni_target d_src;
    if (!ni_grad_wanted(p, id, 0))
        goto done;
    TRY(ni_convert(&d_dst, p, NI_BACKWARD, id, ni_grad_of(p, id), &from, &to));
    TRY(ni_grad_target(&d_src, p, id, 0, false));
    task.accumulate = d_src.accumulate;
    TRY(ni_new_buffer(&partial, p, ni_pool_partial_bytes(&task.src)));
    TRY(ni_emit_kernel(p, NI_BACKWARD, id, "pooling's gradient",
                       is_max(p, id) ? p->kernels->max_pool_backward
                                     : p->kernels->avg_pool_backward,
                       &task,
                       REFS({d_dst, NI_D_DST}, {s->saved[0], NI_INDEX},
                            {partial, NI_PARTIAL}, {d_src.buffer, NI_D_SRC})));
done:
    return status;
}

nash_status ni_global_pool_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_task task = {.src = operand_layout(p, id)};
    int32_t src, out;
    TRY(ni_operand(&src, p, id, 0, &task.src));
    TRY(ni_output(&out, p, id));
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "pooling", p->kernels->global_pool,
                       &task, REFS({src, NI_SRC}, {out, NI_DST})));
done:
    return status;
}

nash_status ni_global_pool_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_target d_src;
    if (!ni_grad_wanted(p, id, 0))
        goto done;
    TRY(ni_grad_target(&d_src, p, id, 0, false));
    ni_task task = {.src = operand_layout(p, id),
                    .accumulate = d_src.accumulate};
    TRY(ni_emit_kernel(
        p, NI_BACKWARD, id, "pooling's gradient",
        p->kernels->global_pool_backward, &task,
        REFS({ni_grad_of(p, id), NI_D_DST}, {d_src.buffer, NI_D_SRC})));
done:
    return status;
}

/* ---- flatten ---------------------------------------------------------- */

/* The plain values, seen with the input's shape and with the output's. */
static void flat_descs(dnnl_memory_desc_t *as_input,
                       dnnl_memory_desc_t *as_output, const ni_program *p,
                       int32_t id)
{
    int32_t source = nash_graph_input(p->graph, id, 0);
    ni_layout input = ni_layout_plain(&p->states[source].layout);
    ni_layout output = ni_layout_plain(&p->states[id].layout);
    *as_input = ni_layout_desc(&input);
    *as_output = ni_layout_desc(&output);
}

nash_status ni_flatten_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_memory_desc_t as_input, as_output;
    dnnl_memory_desc_t stored = ni_layout_desc(&p->states[id].layout);
    int32_t flat, out;
    flat_descs(&as_input, &as_output, p, id);
    TRY(ni_operand_as(&flat, p, id, 0, &as_input));
    TRY(ni_convert(&out, p, NI_FORWARD, id, flat, &as_output, &stored));
    ni_share_output(p, id, out);
done:
    return status;
}

nash_status ni_flatten_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_memory_desc_t as_input, as_output;
    dnnl_memory_desc_t stored = ni_layout_desc(&p->states[id].layout);
    int32_t flat;
    if (!ni_grad_wanted(p, id, 0))
        goto done;
    flat_descs(&as_input, &as_output, p, id);
    TRY(ni_convert(&flat, p, NI_BACKWARD, id, ni_grad_of(p, id), &stored,
                   &as_output));
    TRY(ni_grad_deliver(p, id, 0, flat, &as_input));
done:
    return status;
}
