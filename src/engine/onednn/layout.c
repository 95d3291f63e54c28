/*
 * How tensors are stored, and conversions where an operation wants it
 * otherwise. Activations are blocked by channels in the plan's precision; where
 * there is one value per channel they are float32. Plain row-major float32 are
 * the input, the logits, and what a last fully connected layer gives them; and
 * a first normalisation of few channels stays plain, because oneDNN's
 * convolutions read it best that way.
 */
#include "onednn.h"

enum { FEW_CHANNELS = 3 };

static bool is_plain(const ni_program *p, int32_t id)
{
    const nash_node *node = nash_graph_node(p->graph, id);
    int32_t last = nash_graph_size(p->graph) - 1;
    if (node->op == NASH_OP_INPUT || node->op == NASH_OP_SOFTMAX)
        return true;
    if (node->op == NASH_OP_FC)
        return nash_graph_input(p->graph, last, 0) == id;
    if (node->op != NASH_OP_NORMALIZE || node->shape.c > FEW_CHANNELS)
        return false;
    int32_t source = nash_graph_input(p->graph, id, 0);
    return nash_graph_node(p->graph, source)->op == NASH_OP_INPUT;
}

ni_layout ni_node_layout(const ni_program *p, int32_t id)
{
    const nash_node *node = nash_graph_node(p->graph, id);
    nash_shape s = node->shape;
    bool vector = s.h == 1 && s.w == 1;
    ni_layout layout = {.n = p->opts.batch,
                        .c = s.c,
                        .h = s.h,
                        .w = s.w,
                        .lanes = is_plain(p, id) ? 1 : p->lanes};
    layout.bf16 = p->bf16 && !vector && node->op != NASH_OP_INPUT;
    return layout;
}

ni_layout ni_layout_plain(const ni_layout *layout)
{
    ni_layout plain = *layout;
    plain.lanes = 1;
    plain.bf16 = false;
    return plain;
}

ni_layout ni_layout_blocked(const ni_program *p, const ni_layout *layout)
{
    ni_layout blocked = *layout;
    blocked.lanes = p->lanes;
    blocked.bf16 = p->bf16 && (layout->h > 1 || layout->w > 1);
    return blocked;
}

dnnl_memory_desc_t ni_layout_desc(const ni_layout *layout)
{
    dnnl_dims_t dims = {layout->n, layout->c, layout->h, layout->w};
    dnnl_format_tag_t tag = layout->lanes == 16  ? dnnl_aBcd16b
                            : layout->lanes == 8 ? dnnl_aBcd8b
                                                 : dnnl_abcd;
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, 4, dims,
                                 layout->bf16 ? dnnl_bf16 : dnnl_f32, tag);
    return desc;
}

bool ni_layout_equal(const ni_layout *a, const ni_layout *b)
{
    return a->n == b->n && a->c == b->c && a->h == b->h && a->w == b->w &&
           a->lanes == b->lanes && a->bf16 == b->bf16;
}

/* Whether these are the values [N,C] one after another: one pixel, and blocks
 * that are full. */
static bool is_dense_vector(const dnnl_memory_desc_t *d)
{
    const dnnl_blocking_desc_t *b = &d->format_desc.blocking;
    if (d->format_kind != dnnl_blocked || d->ndims != 4 || d->dims[2] != 1 ||
        d->dims[3] != 1 || b->strides[0] != d->dims[1])
        return false;
    if (b->inner_nblks == 0)
        return b->strides[1] == 1;
    return b->inner_nblks == 1 && b->inner_idxs[0] == 1 &&
           d->dims[1] % b->inner_blks[0] == 0 &&
           b->strides[1] == b->inner_blks[0];
}

bool ni_desc_equal(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b)
{
    if (dnnl_memory_desc_equal(a, b))
        return true;
    return is_dense_vector(a) && is_dense_vector(b) &&
           a->data_type == b->data_type && a->dims[0] == b->dims[0] &&
           a->dims[1] == b->dims[1];
}

nash_status ni_reorder(ni_program *p, ni_phase phase, int32_t node,
                       int32_t from, const dnnl_memory_desc_t *from_desc,
                       int32_t to, const dnnl_memory_desc_t *to_desc)
{
    nash_status status = NASH_OK;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    TRY(ni_dnnl_check(p, node, "reorder", dnnl_primitive_attr_create(&attr)));
    TRY(ni_dnnl_check(p, node, "reorder",
                      dnnl_primitive_attr_set_scratchpad_mode(
                          attr, dnnl_scratchpad_mode_user)));
    TRY(ni_dnnl_check(p, node, "reorder",
                      dnnl_reorder_primitive_desc_create(&desc, from_desc,
                                                         p->engine, to_desc,
                                                         p->engine, attr)));
    TRY(ni_emit_primitive(p, phase, node, "reorder", desc,
                          REFS({from, DNNL_ARG_FROM}, {to, DNNL_ARG_TO})));
done:
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

nash_status ni_convert(int32_t *to, ni_program *p, ni_phase phase, int32_t node,
                       int32_t from, const dnnl_memory_desc_t *from_desc,
                       const dnnl_memory_desc_t *to_desc)
{
    nash_status status = NASH_OK;
    int32_t fresh = from;
    if (!ni_desc_equal(from_desc, to_desc)) {
        TRY(ni_new_buffer(&fresh, p, dnnl_memory_desc_get_size(to_desc)));
        TRY(ni_reorder(p, phase, node, from, from_desc, fresh, to_desc));
    }
    *to = fresh;
done:
    return status;
}

int32_t ni_operand_of(const ni_program *p, int32_t id, int32_t k)
{
    return p->operands[nash_graph_node(p->graph, id)->first_input + k];
}

nash_status ni_operand_as(int32_t *buffer, ni_program *p, int32_t id, int32_t k,
                          const dnnl_memory_desc_t *desc)
{
    nash_status status = NASH_OK;
    const ni_state *source = &p->states[nash_graph_input(p->graph, id, k)];
    dnnl_memory_desc_t has = ni_layout_desc(&source->layout);
    int32_t found;
    TRY(ni_convert(&found, p, NI_FORWARD, id, source->out, &has, desc));
    p->operands[nash_graph_node(p->graph, id)->first_input + k] = found;
    *buffer = found;
done:
    return status;
}

nash_status ni_operand(int32_t *buffer, ni_program *p, int32_t id, int32_t k,
                       const ni_layout *layout)
{
    dnnl_memory_desc_t desc = ni_layout_desc(layout);
    return ni_operand_as(buffer, p, id, k, &desc);
}

nash_status ni_output(int32_t *buffer, ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_state *tail = &p->states[p->states[id].tail];
    TRY(ni_new_buffer(&tail->out, p, ni_layout_bytes(&tail->layout)));
    *buffer = tail->out;
done:
    return status;
}

bool ni_may_overwrite(const ni_program *p, int32_t id, int32_t k)
{
    int32_t source = nash_graph_input(p->graph, id, k);
    const ni_state *s = &p->states[source];
    return s->readers == 1 && source != p->opts.watch &&
           nash_graph_node(p->graph, source)->op != NASH_OP_INPUT &&
           ni_operand_of(p, id, k) == s->out && p->buffers[s->out].sharers == 1;
}

void ni_share_output(ni_program *p, int32_t id, int32_t buffer)
{
    p->buffers[buffer].sharers++;
    p->states[p->states[id].tail].out = buffer;
}
