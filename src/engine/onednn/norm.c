/*
 * Normalisation of the input, batch normalisation, ReLU and clip. A ReLU that
 * alone reads a batch normalisation is computed with it, and so is a max pool
 * that alone reads that; what backward needs of them follows from the
 * normalisation's input, so nothing else is kept.
 */
#include "onednn.h"

nash_status ni_normalize_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_layout plain = ni_layout_plain(&p->states[id].layout);
    int32_t src, center, scale, out;
    TRY(ni_operand(&src, p, id, 0, &plain));
    TRY(ni_tensor_buffer(&center, p, id, NASH_SLOT_CENTER));
    TRY(ni_tensor_buffer(&scale, p, id, NASH_SLOT_SCALE));
    TRY(ni_output(&out, p, id));
    ni_task task = {.dst = p->states[id].layout};
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "normalisation",
                       p->kernels->normalize, &task,
                       REFS({src, NI_SRC}, {center, NI_WEIGHT},
                            {scale, NI_BIAS}, {out, NI_DST})));
done:
    return status;
}

nash_status ni_normalize_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_target d_src;
    int32_t scale;
    if (!ni_grad_wanted(p, id, 0))
        goto done;
    TRY(ni_tensor_buffer(&scale, p, id, NASH_SLOT_SCALE));
    TRY(ni_grad_target(&d_src, p, id, 0, true));
    ni_task task = {.src = p->states[id].layout,
                    .accumulate = d_src.accumulate};
    TRY(ni_emit_kernel(p, NI_BACKWARD, id, "normalisation's gradient",
                       p->kernels->normalize_backward, &task,
                       REFS({ni_grad_of(p, id), NI_D_DST}, {scale, NI_BIAS},
                            {d_src.buffer, NI_D_SRC})));
done:
    return status;
}

/* ---- batch normalisation ---------------------------------------------- */

static ni_task norm_task(const ni_program *p, int32_t id)
{
    const nash_attrs *a = &nash_graph_node(p->graph, id)->attrs;
    ni_task task = {.src = p->states[id].layout,
                    .eps = a->eps,
                    .momentum = a->momentum,
                    .relu = p->states[id].relu,
                    .first = p->first,
                    .all = p->shared->batch};
    int32_t pool = p->states[id].pool;
    if (pool >= 0) {
        task.dst = p->states[pool].layout;
        task.window = ni_window_of(&nash_graph_node(p->graph, pool)->attrs);
    }
    return task;
}

/* Mean and 1 / std: of the batch, or from the running statistics, which the
 * first program moves. */
static nash_status measure(ni_program *p, int32_t id, int32_t src)
{
    nash_status status = NASH_OK;
    ni_state *s = &p->states[id];
    ni_task task = norm_task(p, id);
    nash_mode mode = p->opts.mode;
    int32_t *saved = s->saved, mean = -1, var = -1, partial;
    size_t bytes = (size_t)ni_layout_blocks(&s->layout) *
                   (size_t)s->layout.lanes * sizeof(float);
    TRY(ni_new_buffer(&saved[0], p, bytes));
    TRY(ni_new_buffer(&saved[1], p, bytes));
    if (mode == NASH_MODE_INFER || (mode == NASH_MODE_TRAIN && p->index == 0)) {
        TRY(ni_tensor_buffer(&mean, p, id, NASH_SLOT_MEAN));
        TRY(ni_tensor_buffer(&var, p, id, NASH_SLOT_VAR));
    }
    if (mode == NASH_MODE_INFER) {
        p->buffers[saved[0]].kept = p->buffers[saved[1]].kept = true;
        TRY(ni_emit_kernel(p, NI_PACK, id, "statistics", ni_norm_prepare, &task,
                           REFS({mean, NI_RUNNING_MEAN}, {var, NI_RUNNING_VAR},
                                {saved[0], NI_MEAN}, {saved[1], NI_INV_STD})));
        goto done;
    }
    TRY(ni_shared_partial(&partial, p));
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "statistics",
                       p->kernels->norm_measure, &task,
                       REFS({src, NI_SRC}, {partial, NI_PARTIAL})));
    TRY(ni_emit_meeting(p, NI_FORWARD, id));
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "statistics", p->kernels->norm_merge,
                       &task,
                       REFS({partial, NI_PARTIAL}, {mean, NI_RUNNING_MEAN},
                            {var, NI_RUNNING_VAR}, {saved[0], NI_MEAN},
                            {saved[1], NI_INV_STD})));
done:
    return status;
}

nash_status ni_norm_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    const ni_state *s = &p->states[id];
    int32_t src, gamma, beta, out;
    TRY(ni_operand(&src, p, id, 0, &s->layout));
    TRY(measure(p, id, src));
    TRY(ni_tensor_buffer(&gamma, p, id, NASH_SLOT_GAMMA));
    TRY(ni_tensor_buffer(&beta, p, id, NASH_SLOT_BETA));
    if (p->opts.mode != NASH_MODE_TRAIN && s->pool < 0 &&
        ni_may_overwrite(p, id, 0))
        ni_share_output(p, id, out = src);
    else
        TRY(ni_output(&out, p, id));
    ni_task task = norm_task(p, id);
    TRY(ni_emit_kernel(
        p, NI_FORWARD, id, "batch normalisation",
        s->pool < 0 ? p->kernels->norm_forward : p->kernels->norm_pool, &task,
        REFS({src, NI_SRC}, {gamma, NI_GAMMA}, {beta, NI_BETA},
             {s->saved[0], NI_MEAN}, {s->saved[1], NI_INV_STD},
             {out, NI_DST})));
done:
    return status;
}

/* The sums over the batch that the derivative needs. */
static nash_status reduce(int32_t *partial, ni_program *p, int32_t id,
                          int32_t gamma, int32_t beta)
{
    nash_status status = NASH_OK;
    const ni_state *s = &p->states[id];
    ni_task task = norm_task(p, id);
    TRY(ni_shared_partial(partial, p));
    TRY(ni_emit_kernel(
        p, NI_BACKWARD, id, "batch normalisation's sums",
        s->pool < 0 ? p->kernels->norm_reduce : p->kernels->norm_pool_reduce,
        &task,
        REFS({ni_operand_of(p, id, 0), NI_SRC}, {ni_grad_of(p, id), NI_D_DST},
             {gamma, NI_GAMMA}, {beta, NI_BETA}, {s->saved[0], NI_MEAN},
             {s->saved[1], NI_INV_STD}, {*partial, NI_PARTIAL})));
    TRY(ni_emit_meeting(p, NI_BACKWARD, id));
done:
    return status;
}

nash_status ni_norm_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    const ni_state *s = &p->states[id];
    ni_task task = norm_task(p, id);
    ni_target d_src = {-1, false};
    int32_t gamma, beta, partial;
    TRY(ni_tensor_buffer(&gamma, p, id, NASH_SLOT_GAMMA));
    TRY(ni_tensor_buffer(&beta, p, id, NASH_SLOT_BETA));
    TRY(reduce(&partial, p, id, gamma, beta));
    if (ni_grad_wanted(p, id, 0))
        TRY(ni_grad_over_input(&d_src, p, id, 0, s->pool < 0));
    task.accumulate = d_src.accumulate;
    TRY(ni_emit_kernel(p, NI_BACKWARD, id, "batch normalisation's gradient",
                       s->pool < 0 ? p->kernels->norm_backward
                                   : p->kernels->norm_pool_backward,
                       &task,
                       REFS({ni_operand_of(p, id, 0), NI_SRC},
                            {ni_grad_of(p, id), NI_D_DST}, {gamma, NI_GAMMA},
                            {beta, NI_BETA}, {s->saved[0], NI_MEAN},
                            {s->saved[1], NI_INV_STD}, {partial, NI_PARTIAL},
                            {ni_gradient(p, id, NASH_SLOT_GAMMA), NI_D_GAMMA},
                            {ni_gradient(p, id, NASH_SLOT_BETA), NI_D_BETA},
                            {d_src.buffer, NI_D_SRC})));
done:
    return status;
}

/* ---- ReLU and clip ---------------------------------------------------- */

static ni_task activation_task(const ni_program *p, int32_t id)
{
    const nash_attrs *a = &nash_graph_node(p->graph, id)->attrs;
    const ni_layout *layout = &p->states[id].layout;
    return (ni_task){.src = *layout,
                     .count = ni_layout_count(layout),
                     .low = a->low,
                     .high = a->high};
}

static nash_status activate(ni_program *p, int32_t id, const char *what,
                            ni_kernel kernel)
{
    nash_status status = NASH_OK;
    int32_t src, out;
    TRY(ni_operand(&src, p, id, 0, &p->states[id].layout));
    if (ni_may_overwrite(p, id, 0))
        ni_share_output(p, id, out = src);
    else
        TRY(ni_output(&out, p, id));
    ni_task task = activation_task(p, id);
    TRY(ni_emit_kernel(p, NI_FORWARD, id, what, kernel, &task,
                       REFS({src, NI_SRC}, {out, NI_DST})));
done:
    return status;
}

static nash_status activate_back(ni_program *p, int32_t id, const char *what,
                                 ni_kernel kernel)
{
    nash_status status = NASH_OK;
    ni_target d_src;
    ni_task task = activation_task(p, id);
    if (!ni_grad_wanted(p, id, 0))
        goto done;
    TRY(ni_grad_target(&d_src, p, id, 0, true));
    task.accumulate = d_src.accumulate;
    TRY(ni_emit_kernel(p, NI_BACKWARD, id, what, kernel, &task,
                       REFS({ni_grad_of(p, id), NI_D_DST},
                            {p->states[id].out, NI_DST},
                            {d_src.buffer, NI_D_SRC})));
done:
    return status;
}

nash_status ni_relu_forward(ni_program *p, int32_t id)
{
    return activate(p, id, "ReLU", p->kernels->relu);
}

nash_status ni_relu_backward(ni_program *p, int32_t id)
{
    return activate_back(p, id, "ReLU's gradient", p->kernels->relu_backward);
}

nash_status ni_clip_forward(ni_program *p, int32_t id)
{
    return activate(p, id, "clip", p->kernels->clip);
}

nash_status ni_clip_backward(ni_program *p, int32_t id)
{
    return activate_back(p, id, "clip's gradient", p->kernels->clip_backward);
}
