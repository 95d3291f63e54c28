/*
 * From a graph to a program: what is fused with what, then the steps of every
 * operation, forward in the order of the graph and backward against it.
 */
#include "onednn.h"

static const nash_node *node_of(const ni_program *p, int32_t id)
{
    return nash_graph_node(p->graph, id);
}

/* ---- what is known before any step ------------------------------------ */

static bool owns_trained(const ni_program *p, int32_t id)
{
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
        if (ni_trained_bytes(p->graph, id, slot) > 0)
            return true;
    return false;
}

static nash_status prepare_states(ni_program *p)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(p->graph);
    bool *needed = NULL;
    NEW_ARRAY(needed, size);
    ni_plan_mark_needed(needed, p->graph, &p->opts);
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
static int32_t lone_reader(const ni_program *p, const int32_t *reader,
                           int32_t id, nash_op op)
{
    if (p->states[id].readers != 1 || id == p->opts.watch)
        return -1;
    return node_of(p, reader[id])->op == op ? reader[id] : -1;
}

static void absorb(ni_program *p, int32_t head, int32_t next)
{
    p->states[next].absorbed = true;
    p->states[head].tail = next;
}

static void fuse_relu(ni_program *p, const int32_t *reader, int32_t id)
{
    int32_t relu = lone_reader(p, reader, p->states[id].tail, NASH_OP_RELU);
    if (relu < 0)
        return;
    p->states[id].relu = true;
    absorb(p, id, relu);
}

/* Whether a pool's windows tile its input without a gap or an overlap. */
static bool tiles(const ni_program *p, int32_t pool)
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

static void fuse_pool(ni_program *p, const int32_t *reader, int32_t id)
{
    int32_t pool = lone_reader(p, reader, p->states[id].tail, NASH_OP_MAX_POOL);
    if (!p->states[id].relu || pool < 0 || !tiles(p, pool))
        return;
    p->states[id].pool = pool;
    absorb(p, id, pool);
}

static void fuse_norm(ni_program *p, const int32_t *reader, int32_t id)
{
    fuse_relu(p, reader, id);
    fuse_pool(p, reader, id);
}

static void fuse_conv(ni_program *p, const int32_t *reader, int32_t id)
{
    int32_t norm = lone_reader(p, reader, id, NASH_OP_BATCH_NORM);
    if (norm >= 0 && !p->opts.exact) { /* it rounds the weights */
        p->states[id].fold = norm;
        absorb(p, id, norm);
    }
    fuse_relu(p, reader, id);
}

static nash_status fuse(ni_program *p)
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
            p->opts.mode == NASH_MODE_INFER)
            fuse_conv(p, reader, id);
    }
done:
    ni_free(reader);
    return status;
}

/* ---- steps ------------------------------------------------------------ */

static nash_status make_gradients(ni_program *p)
{
    nash_status status = NASH_OK;
    int32_t slots = nash_graph_size(p->graph) * NASH_SLOT_COUNT;
    for (int32_t i = 0; i < slots; i++)
        p->gradients[i] = -1;
    for (int32_t i = 0; i < slots && p->opts.mode == NASH_MODE_TRAIN; i++) {
        int32_t node = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        if (ni_trained_bytes(p->graph, node, slot) > 0)
            TRY(ni_shared_gradient(&p->gradients[i], p, node, slot));
    }
done:
    return status;
}

static nash_status forward_input(ni_program *p, int32_t id)
{
    return ni_shared_images(&p->states[id].out, p, p->shared->input,
                            node_of(p, id)->shape);
}

static nash_status forward_softmax(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_memory_desc_t plain = ni_layout_desc(&p->states[id].layout);
    int32_t src, logits;
    TRY(ni_operand_as(&src, p, id, 0, &plain));
    ni_share_output(p, id, src);
    TRY(ni_shared_images(&logits, p, p->shared->logits, node_of(p, id)->shape));
    TRY(ni_reorder(p, NI_FORWARD, id, src, &plain, logits, &plain));
done:
    return status;
}

static nash_status forward_node(ni_program *p, int32_t id)
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

static nash_status backward_node(ni_program *p, int32_t id)
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
static nash_status make_d_logits(ni_program *p)
{
    nash_status status = NASH_OK;
    int32_t last = nash_graph_size(p->graph) - 1, d_logits;
    const ni_layout *plain = &p->states[last].layout;
    ni_state *logits = &p->states[nash_graph_input(p->graph, last, 0)];
    dnnl_memory_desc_t from = ni_layout_desc(plain);
    dnnl_memory_desc_t to = ni_layout_desc(&logits->layout);
    TRY(ni_shared_images(&d_logits, p, p->shared->d_logits,
                         node_of(p, last)->shape));
    p->buffers[d_logits].sharers++;
    TRY(ni_convert(&logits->grad, p, NI_BACKWARD, last, d_logits, &from, &to));
done:
    return status;
}

static nash_status backward_all(ni_program *p)
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
    TRY(ni_sum_gradients(p));
done:
    return status;
}

nash_status ni_compile(ni_program *p)
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
    if (p->opts.watch >= 0)
        p->buffers[p->states[p->opts.watch].out].kept = true;
    if (p->opts.mode == NASH_MODE_TRAIN)
        TRY(backward_all(p));
done:
    return status;
}
