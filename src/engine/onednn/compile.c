/*
 * From a graph to a program: what is fused with what, then the steps of every
 * operation, forward in the order of the graph and backward against it.
 */
#include "onednn.h"

#include "model/edit.h"

static const nash_node *node_of(const ni_onednn *p, int32_t id)
{
    return nash_graph_node(p->graph, id);
}

/* ---- what is known before any step ------------------------------------ */

static bool is_trained(nash_role role)
{
    return role != NASH_ROLE_STATISTIC && role != NASH_ROLE_CONSTANT;
}

static bool owns_trained(const ni_onednn *p, int32_t id)
{
    nash_tensor layout;
    float neutral;
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
        if (ni_tensor_layout(&layout, &neutral, p->graph, id, slot) &&
            is_trained(layout.role))
            return true;
    return false;
}

static nash_status prepare_states(ni_onednn *p)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(p->graph);
    bool *needed = NULL;
    NEW_ARRAY(needed, size);
    ni_plan_mark_needed(needed, p->graph, &p->base.opts);
    for (int32_t id = 0; id < size; id++) {
        ni_state *s = &p->states[id];
        s->layout = ni_node_layout(p, id);
        s->out = s->grad = s->fold = s->pool = -1;
        s->saved[0] = s->saved[1] = -1;
        s->tail = id;
        s->needed = needed[id];
        s->trains = owns_trained(p, id);
        for (int32_t k = 0; k < node_of(p, id)->n_inputs; k++) {
            ni_state *source = &p->states[nash_graph_input(p->graph, id, k)];
            s->trains |= source->trains;
            source->readers += needed[id] ? 1 : 0;
        }
    }
done:
    ni_free(needed);
    return status;
}

/* ---- fusion ----------------------------------------------------------- */

/* The one reader of a node's output, if it is of that kind and nobody else
 * wants to see the output; or -1. */
static int32_t lone_reader(const ni_onednn *p, const int32_t *reader,
                           int32_t id, nash_op op)
{
    if (p->states[id].readers != 1 || id == p->base.opts.watch)
        return -1;
    return node_of(p, reader[id])->op == op ? reader[id] : -1;
}

static void absorb(ni_onednn *p, int32_t head, int32_t next)
{
    p->states[next].absorbed = true;
    p->states[head].tail = next;
}

static void fuse_relu(ni_onednn *p, const int32_t *reader, int32_t id)
{
    int32_t relu = lone_reader(p, reader, p->states[id].tail, NASH_OP_RELU);
    if (relu < 0)
        return;
    p->states[id].relu = true;
    absorb(p, id, relu);
}

/* Whether a pool's windows tile its input without a gap or an overlap. */
static bool tiles(const ni_onednn *p, int32_t pool)
{
    const nash_attrs *a = &node_of(p, pool)->attrs;
    int32_t source = nash_graph_input(p->graph, pool, 0);
    const ni_layout *s = &p->states[source].layout;
    const ni_layout *d = &p->states[pool].layout;
    bool whole = s->h == d->h * a->kernel[0] && s->w == d->w * a->kernel[1];
    for (int i = 0; i < 2; i++)
        whole = whole && a->stride[i] == a->kernel[i] && a->dilation[i] == 1 &&
                a->pads[i] == 0;
    return whole && s->bf16 == d->bf16;
}

static void fuse_pool(ni_onednn *p, const int32_t *reader, int32_t id)
{
    int32_t pool = lone_reader(p, reader, p->states[id].tail, NASH_OP_MAX_POOL);
    if (!p->states[id].relu || pool < 0 || !tiles(p, pool))
        return;
    p->states[id].pool = pool;
    absorb(p, id, pool);
}

static void fuse_norm(ni_onednn *p, const int32_t *reader, int32_t id)
{
    fuse_relu(p, reader, id);
    fuse_pool(p, reader, id);
}

static void fuse_conv(ni_onednn *p, const int32_t *reader, int32_t id)
{
    int32_t norm = lone_reader(p, reader, id, NASH_OP_BATCH_NORM);
    if (norm >= 0) {
        p->states[id].fold = norm;
        absorb(p, id, norm);
    }
    fuse_relu(p, reader, id);
}

static nash_status fuse(ni_onednn *p)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(p->graph), *reader = NULL;
    NEW_ARRAY(reader, size);
    for (int32_t id = 0; id < size; id++)
        for (int32_t k = 0; k < node_of(p, id)->n_inputs; k++)
            if (p->states[id].needed)
                reader[nash_graph_input(p->graph, id, k)] = id;
    for (int32_t id = 0; id < size; id++) {
        if (!p->states[id].needed || p->states[id].absorbed)
            continue;
        if (node_of(p, id)->op == NASH_OP_BATCH_NORM)
            fuse_norm(p, reader, id);
        if (node_of(p, id)->op == NASH_OP_CONV &&
            p->base.opts.mode == NASH_MODE_INFER)
            fuse_conv(p, reader, id);
    }
done:
    ni_free(reader);
    return status;
}

/* ---- steps ------------------------------------------------------------ */

static nash_status keep_new_buffer(int32_t *id, ni_onednn *p, size_t bytes)
{
    nash_status status = ni_new_buffer(id, p, bytes);
    if (status == NASH_OK)
        p->buffers[*id].kept = true;
    return status;
}

static nash_status make_gradients(ni_onednn *p)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(p->graph);
    for (int32_t i = 0; i < size * NASH_SLOT_COUNT; i++) {
        nash_tensor layout;
        float neutral;
        p->gradients[i] = -1;
        if (p->base.opts.mode == NASH_MODE_TRAIN &&
            ni_tensor_layout(&layout, &neutral, p->graph, i / NASH_SLOT_COUNT,
                             i % NASH_SLOT_COUNT) &&
            is_trained(layout.role))
            TRY(keep_new_buffer(&p->gradients[i], p,
                                (size_t)layout.count * sizeof(float)));
    }
done:
    return status;
}

static nash_status forward_input(ni_onednn *p, int32_t id)
{
    nash_status status = NASH_OK;
    TRY(ni_output(&p->input, p, id));
    p->buffers[p->input].kept = true;
done:
    return status;
}

static nash_status forward_softmax(ni_onednn *p, int32_t id)
{
    nash_status status = NASH_OK;
    TRY(ni_operand(&p->logits, p, id, 0, &p->states[id].layout));
    p->buffers[p->logits].kept = true;
    ni_share_output(p, id, p->logits);
done:
    return status;
}

static nash_status forward_node(ni_onednn *p, int32_t id)
{
    switch (node_of(p, id)->op) {
    case NASH_OP_INPUT:
        return forward_input(p, id);
    case NASH_OP_NORMALIZE:
        return ni_normalize_forward(p, id);
    case NASH_OP_CONV:
        return ni_conv_forward(p, id);
    case NASH_OP_BATCH_NORM:
        return ni_norm_forward(p, id);
    case NASH_OP_RELU:
        return ni_relu_forward(p, id);
    case NASH_OP_CLIP:
        return ni_clip_forward(p, id);
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
        return ni_pool_forward(p, id);
    case NASH_OP_GLOBAL_POOL:
        return ni_global_pool_forward(p, id);
    case NASH_OP_FLATTEN:
        return ni_flatten_forward(p, id);
    case NASH_OP_FC:
        return ni_fc_forward(p, id);
    case NASH_OP_CONCAT:
        return ni_concat_forward(p, id);
    case NASH_OP_ADD:
        return ni_add_forward(p, id);
    case NASH_OP_GATE:
        return ni_gate_forward(p, id);
    case NASH_OP_SOFTMAX:
        return forward_softmax(p, id);
    case NASH_OP_COUNT:
        break;
    }
    return NASH_OK;
}

static nash_status backward_node(ni_onednn *p, int32_t id)
{
    switch (node_of(p, id)->op) {
    case NASH_OP_NORMALIZE:
        return ni_normalize_backward(p, id);
    case NASH_OP_CONV:
        return ni_conv_backward(p, id);
    case NASH_OP_BATCH_NORM:
        return ni_norm_backward(p, id);
    case NASH_OP_RELU:
        return ni_relu_backward(p, id);
    case NASH_OP_CLIP:
        return ni_clip_backward(p, id);
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
        return ni_pool_backward(p, id);
    case NASH_OP_GLOBAL_POOL:
        return ni_global_pool_backward(p, id);
    case NASH_OP_FLATTEN:
        return ni_flatten_backward(p, id);
    case NASH_OP_FC:
        return ni_fc_backward(p, id);
    case NASH_OP_CONCAT:
        return ni_concat_backward(p, id);
    case NASH_OP_ADD:
        return ni_add_backward(p, id);
    case NASH_OP_GATE:
        return ni_gate_backward(p, id);
    case NASH_OP_INPUT:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        break;
    }
    return NASH_OK;
}

/* The caller's d_logits are the derivative by what the softmax reads. They are
 * shared for good, because they must survive. */
static nash_status make_d_logits(ni_onednn *p)
{
    nash_status status = NASH_OK;
    int32_t last = nash_graph_size(p->graph) - 1;
    const ni_layout *plain = &p->states[last].layout;
    ni_state *logits = &p->states[nash_graph_input(p->graph, last, 0)];
    dnnl_memory_desc_t from = ni_layout_desc(plain);
    dnnl_memory_desc_t to = ni_layout_desc(&logits->layout);
    TRY(keep_new_buffer(&p->d_logits, p, ni_layout_bytes(plain)));
    p->buffers[p->d_logits].sharers++;
    TRY(ni_convert(&logits->grad, p, NI_BACKWARD, last, p->d_logits, &from,
                   &to));
done:
    return status;
}

static nash_status backward_all(ni_onednn *p)
{
    nash_status status = NASH_OK;
    TRY(make_d_logits(p));
    for (int32_t id = nash_graph_size(p->graph) - 1; id >= 0; id--) {
        const ni_state *s = &p->states[id];
        int32_t grad = ni_grad_of(p, id);
        if (s->absorbed || !s->trains || grad < 0)
            continue;
        TRY(backward_node(p, id));
        p->buffers[grad].sharers--;
    }
done:
    return status;
}

nash_status ni_compile(ni_onednn *p)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(p->graph), edges = 0;
    for (int32_t id = 0; id < size; id++) {
        const nash_node *node = node_of(p, id);
        int32_t end = node->first_input + node->n_inputs;
        edges = end > edges ? end : edges;
    }
    NEW_ARRAY(p->states, size);
    NEW_ARRAY(p->operands, edges);
    NEW_ARRAY(p->gradients, (int64_t)size * NASH_SLOT_COUNT);
    TRY(prepare_states(p));
    TRY(fuse(p));
    TRY(make_gradients(p));
    for (int32_t id = 0; id < size; id++)
        if (p->states[id].needed && !p->states[id].absorbed)
            TRY(forward_node(p, id));
    if (p->base.opts.watch >= 0)
        p->buffers[p->states[p->base.opts.watch].out].kept = true;
    if (p->base.opts.mode == NASH_MODE_TRAIN)
        TRY(backward_all(p));
done:
    return status;
}
