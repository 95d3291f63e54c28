/*
 * Fully connected layers: oneDNN's inner product, in float32 also in bf16
 * plans, since one value per channel costs next to nothing and the logits keep
 * their precision.
 */
#include "onednn.h"

typedef struct fc_shape {
    dnnl_memory_desc_t src, weight, plain_weight, bias, dst;
    bool has_bias;
} fc_shape;

static fc_shape describe(const ni_program *p, int32_t id)
{
    const nash_node *node = nash_graph_node(p->graph, id);
    int32_t source = nash_graph_input(p->graph, id, 0);
    int32_t inputs = nash_graph_node(p->graph, source)->shape.c;
    dnnl_dims_t src = {p->opts.batch, inputs};
    dnnl_dims_t weight = {node->shape.c, inputs};
    dnnl_dims_t dst = {p->opts.batch, node->shape.c};
    dnnl_dims_t bias = {node->shape.c};
    fc_shape f = {.has_bias = node->attrs.bias};
    dnnl_memory_desc_init_by_tag(&f.src, 2, src, dnnl_f32, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&f.dst, 2, dst, dnnl_f32, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&f.weight, 2, weight, dnnl_f32,
                                 dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&f.plain_weight, 2, weight, dnnl_f32, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&f.bias, 1, bias, dnnl_f32, dnnl_a);
    return f;
}

static nash_status create_desc(dnnl_primitive_desc_t *out, const ni_program *p,
                               int32_t id,
                               const dnnl_inner_product_desc_t *desc,
                               const char *what,
                               const_dnnl_primitive_desc_t hint)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t result = dnnl_primitive_attr_create(&attr);
    if (result == dnnl_success)
        result = dnnl_primitive_attr_set_scratchpad_mode(
            attr, dnnl_scratchpad_mode_user);
    if (result == dnnl_success)
        result = dnnl_primitive_desc_create(out, desc, attr, p->engine, hint);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return ni_dnnl_check(p, id, what, result);
}

static nash_status forward_desc(dnnl_primitive_desc_t *out, const ni_program *p,
                                int32_t id, const fc_shape *f)
{
    dnnl_inner_product_desc_t desc;
    dnnl_status_t result = dnnl_inner_product_forward_desc_init(
        &desc,
        p->opts.mode == NASH_MODE_TRAIN ? dnnl_forward_training
                                        : dnnl_forward_inference,
        &f->src, &f->weight, f->has_bias ? &f->bias : NULL, &f->dst);
    if (result != dnnl_success)
        return ni_dnnl_check(p, id, "forward product", result);
    return create_desc(out, p, id, &desc, "forward product", NULL);
}

nash_status ni_fc_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_primitive_desc_t desc = NULL;
    fc_shape f = describe(p, id);
    int32_t source = nash_graph_input(p->graph, id, 0);
    ni_layout read = ni_layout_plain(&p->states[source].layout);
    ni_layout gives = ni_layout_plain(&p->states[id].layout);
    dnnl_memory_desc_t plain = ni_layout_desc(&gives);
    dnnl_memory_desc_t stored = ni_layout_desc(&p->states[id].layout);
    int32_t src, weight, packed, bias = -1, out, dst;
    TRY(forward_desc(&desc, p, id, &f));
    TRY(ni_operand(&src, p, id, 0, &read));
    TRY(ni_tensor_buffer(&weight, p, id, NASH_SLOT_WEIGHT));
    if (f.has_bias)
        TRY(ni_tensor_buffer(&bias, p, id, NASH_SLOT_BIAS));
    TRY(ni_pack(&packed, p, id, NI_WEIGHTS_FORWARD, weight, &f.plain_weight,
                dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0)));
    TRY(ni_output(&out, p, id));
    dst = out;
    if (!ni_desc_equal(&plain, &stored))
        TRY(ni_new_buffer(&dst, p, ni_layout_bytes(&gives)));
    dnnl_primitive_desc_t taken = desc;
    desc = NULL;
    TRY(ni_emit_primitive(p, NI_FORWARD, id, "forward product", taken,
                          REFS({src, DNNL_ARG_SRC}, {packed, DNNL_ARG_WEIGHTS},
                               {bias, DNNL_ARG_BIAS}, {dst, DNNL_ARG_DST})));
    if (dst != out)
        TRY(ni_reorder(p, NI_FORWARD, id, dst, &plain, out, &stored));
done:
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

static nash_status backward_weights(ni_program *p, int32_t id, int32_t d_dst,
                                    const fc_shape *f,
                                    const_dnnl_primitive_desc_t hint)
{
    static const char what[] = "product's weight gradient";
    nash_status status = NASH_OK;
    dnnl_inner_product_desc_t init;
    dnnl_primitive_desc_t desc = NULL;
    int32_t d_bias = f->has_bias ? ni_gradient(p, id, NASH_SLOT_BIAS) : -1;
    TRY(ni_dnnl_check(p, id, what,
                      dnnl_inner_product_backward_weights_desc_init(
                          &init, &f->src, &f->plain_weight,
                          f->has_bias ? &f->bias : NULL, &f->dst)));
    TRY(create_desc(&desc, p, id, &init, what, hint));
    TRY(ni_emit_primitive(
        p, NI_BACKWARD, id, what, desc,
        REFS({ni_operand_of(p, id, 0), DNNL_ARG_SRC},
             {d_dst, DNNL_ARG_DIFF_DST},
             {ni_gradient(p, id, NASH_SLOT_WEIGHT), DNNL_ARG_DIFF_WEIGHTS},
             {d_bias, DNNL_ARG_DIFF_BIAS})));
done:
    return status;
}

static nash_status backward_data(ni_program *p, int32_t id, int32_t d_dst,
                                 const fc_shape *f,
                                 const_dnnl_primitive_desc_t hint)
{
    static const char what[] = "product's data gradient";
    nash_status status = NASH_OK;
    dnnl_inner_product_desc_t init;
    dnnl_primitive_desc_t desc = NULL;
    const ni_state *source = &p->states[nash_graph_input(p->graph, id, 0)];
    ni_layout gives = ni_layout_plain(&source->layout);
    dnnl_memory_desc_t plain = ni_layout_desc(&gives);
    int32_t weight, packed, d_src;
    TRY(ni_dnnl_check(p, id, what,
                      dnnl_inner_product_backward_data_desc_init(
                          &init, &f->src, &f->weight, &f->dst)));
    TRY(create_desc(&desc, p, id, &init, what, hint));
    TRY(ni_tensor_buffer(&weight, p, id, NASH_SLOT_WEIGHT));
    TRY(ni_pack(&packed, p, id, NI_WEIGHTS_BACKWARD, weight, &f->plain_weight,
                dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0)));
    TRY(ni_new_buffer(&d_src, p, ni_layout_bytes(&gives)));
    dnnl_primitive_desc_t taken = desc;
    desc = NULL;
    TRY(ni_emit_primitive(p, NI_BACKWARD, id, what, taken,
                          REFS({d_dst, DNNL_ARG_DIFF_DST},
                               {packed, DNNL_ARG_WEIGHTS},
                               {d_src, DNNL_ARG_DIFF_SRC})));
    TRY(ni_grad_deliver(p, id, 0, d_src, &plain));
done:
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

nash_status ni_fc_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_primitive_desc_t hint = NULL;
    fc_shape f = describe(p, id);
    ni_layout wants = ni_layout_plain(&p->states[id].layout);
    dnnl_memory_desc_t plain = ni_layout_desc(&wants);
    dnnl_memory_desc_t stored = ni_layout_desc(&p->states[id].layout);
    int32_t d_dst;
    TRY(ni_convert(&d_dst, p, NI_BACKWARD, id, ni_grad_of(p, id), &stored,
                   &plain));
    TRY(forward_desc(&hint, p, id, &f));
    TRY(backward_weights(p, id, d_dst, &f, hint));
    if (ni_grad_wanted(p, id, 0))
        TRY(backward_data(p, id, d_dst, &f, hint));
done:
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status;
}
