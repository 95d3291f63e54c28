/*
 * Convolutions: oneDNN's direct algorithm, in the plan's precision, or in
 * float32 where that is all there is for a shape. Never its Winograd, so that
 * an identity kernel reproduces its input to the bit; our own (winograd.c)
 * takes what it can where that is not asked for. Inputs and outputs are
 * reordered only where the implementation for a shape refuses our layout.
 */
#include "onednn.h"

/* What a convolution's three primitives have in common. */
typedef struct conv_shape {
    dnnl_dims_t stride, dilation, before, after; /* dilation: 0 is dense */
    dnnl_memory_desc_t src, weight, bias, dst;   /* any layout */
    dnnl_memory_desc_t plain_weight;             /* as the model has it */
    bool has_bias;
} conv_shape;

static dnnl_memory_desc_t desc_of(int n_dims, const dnnl_dims_t dims,
                                  dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, n_dims, dims, type, tag);
    return desc;
}

static void describe_weight(conv_shape *c, const nash_attrs *a, int32_t inputs,
                            dnnl_data_type_t type)
{
    int32_t groups = a->groups;
    dnnl_dims_t dense = {a->out_channels, inputs, a->kernel[0], a->kernel[1]};
    dnnl_dims_t grouped = {groups, a->out_channels / groups, inputs / groups,
                           a->kernel[0], a->kernel[1]};
    if (groups == 1) {
        c->weight = desc_of(4, dense, type, dnnl_format_tag_any);
        c->plain_weight = desc_of(4, dense, dnnl_f32, dnnl_abcd);
    } else {
        c->weight = desc_of(5, grouped, type, dnnl_format_tag_any);
        c->plain_weight = desc_of(5, grouped, dnnl_f32, dnnl_abcde);
    }
}

static conv_shape describe(const ni_program *p, int32_t id,
                           dnnl_data_type_t type)
{
    const nash_node *node = nash_graph_node(p->graph, id);
    const nash_attrs *a = &node->attrs;
    int32_t source = nash_graph_input(p->graph, id, 0);
    nash_shape in = nash_graph_node(p->graph, source)->shape;
    nash_shape out = node->shape;
    conv_shape c = {.has_bias = a->bias || p->states[id].fold >= 0};
    for (int i = 0; i < 2; i++) {
        c.stride[i] = a->stride[i];
        c.dilation[i] = a->dilation[i] - 1;
        c.before[i] = a->pads[i];
        c.after[i] = a->pads[i + 2];
    }
    dnnl_dims_t src = {p->opts.batch, in.c, in.h, in.w};
    dnnl_dims_t dst = {p->opts.batch, out.c, out.h, out.w};
    dnnl_dims_t bias = {out.c};
    c.src = desc_of(4, src, type, dnnl_format_tag_any);
    c.dst = desc_of(4, dst, type, dnnl_format_tag_any);
    c.bias = desc_of(1, bias, dnnl_f32, dnnl_a);
    describe_weight(&c, a, in.c, type);
    return c;
}

typedef enum conv_kind { CONV_FORWARD, CONV_DATA, CONV_WEIGHTS } conv_kind;

static dnnl_status_t init_desc(dnnl_convolution_desc_t *desc,
                               const ni_program *p, const conv_shape *c,
                               conv_kind kind)
{
    const dnnl_memory_desc_t *bias = c->has_bias ? &c->bias : NULL;
    dnnl_memory_desc_t gradient = c->weight;
    gradient.data_type = dnnl_f32;
    switch (kind) {
    case CONV_FORWARD:
        return dnnl_dilated_convolution_forward_desc_init(
            desc,
            p->opts.mode == NASH_MODE_TRAIN ? dnnl_forward_training
                                            : dnnl_forward_inference,
            dnnl_convolution_direct, &c->src, &c->weight, bias, &c->dst,
            c->stride, c->dilation, c->before, c->after);
    case CONV_DATA:
        return dnnl_dilated_convolution_backward_data_desc_init(
            desc, dnnl_convolution_direct, &c->src, &c->weight, &c->dst,
            c->stride, c->dilation, c->before, c->after);
    case CONV_WEIGHTS:
        return dnnl_dilated_convolution_backward_weights_desc_init(
            desc, dnnl_convolution_direct, &c->src, &gradient, bias, &c->dst,
            c->stride, c->dilation, c->before, c->after);
    }
    return dnnl_invalid_arguments;
}

/* Attributes: scratchpads from the arena, and perhaps a ReLU. */
static dnnl_status_t init_attr(dnnl_primitive_attr_t *attr, bool relu)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t result = dnnl_primitive_attr_create(attr);
    if (result == dnnl_success)
        result = dnnl_primitive_attr_set_scratchpad_mode(
            *attr, dnnl_scratchpad_mode_user);
    if (result == dnnl_success && relu) {
        result = dnnl_post_ops_create(&ops);
        if (result == dnnl_success)
            result = dnnl_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_relu,
                                                  0, 0);
        if (result == dnnl_success)
            result = dnnl_primitive_attr_set_post_ops(*attr, ops);
    }
    if (ops)
        dnnl_post_ops_destroy(ops);
    return result;
}

static dnnl_status_t create_desc(dnnl_primitive_desc_t *out,
                                 const ni_program *p, const conv_shape *c,
                                 conv_kind kind, bool relu)
{
    dnnl_convolution_desc_t desc;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t result = dnnl_success;
    *out = NULL;
    if (kind != CONV_FORWARD)
        result = create_desc(&hint, p, c, CONV_FORWARD, false);
    if (result == dnnl_success)
        result = init_attr(&attr, relu);
    if (result == dnnl_success)
        result = init_desc(&desc, p, c, kind);
    if (result == dnnl_success)
        result = dnnl_primitive_desc_create(out, &desc, attr, p->engine, hint);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return result;
}

/* oneDNN 2.6's bf16 weight gradient reads scratch memory that it never wrote
 * where a stride is wider than the input. */
static bool bf16_is_sound(const conv_shape *c, conv_kind kind)
{
    return kind != CONV_WEIGHTS || c->stride[1] <= c->src.dims[3];
}

/* The best primitive there is: in bf16 if the plan is, else in float32. */
static nash_status choose(dnnl_primitive_desc_t *out, conv_shape *c,
                          const ni_program *p, int32_t id, conv_kind kind,
                          bool relu)
{
    static const char *const names[] = {"forward convolution",
                                        "convolution's data gradient",
                                        "convolution's weight gradient"};
    dnnl_status_t result = dnnl_unimplemented;
    if (p->bf16) {
        *c = describe(p, id, dnnl_bf16);
        if (bf16_is_sound(c, kind))
            result = create_desc(out, p, c, kind, relu);
    }
    if (result == dnnl_unimplemented) {
        *c = describe(p, id, dnnl_f32);
        result = create_desc(out, p, c, kind, relu);
    }
    return ni_dnnl_check(p, id, names[kind], result);
}

static dnnl_memory_desc_t md(const_dnnl_primitive_desc_t desc, int arg)
{
    return *dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, arg);
}

nash_status ni_conv_bias(int32_t *bias, bool *mine, ni_program *p, int32_t id)
{
    const nash_node *node = nash_graph_node(p->graph, id);
    dnnl_dims_t outputs = {node->shape.c};
    dnnl_memory_desc_t desc = desc_of(1, outputs, dnnl_f32, dnnl_a);
    *bias = -1;
    *mine = false;
    if (p->states[id].fold >= 0)
        return ni_shared_weights(bias, mine, p, id, NI_WEIGHTS_BIAS, &desc);
    if (!node->attrs.bias)
        return NASH_OK;
    return ni_tensor_buffer(bias, p, id, NASH_SLOT_BIAS);
}

nash_status ni_conv_weight(int32_t *weight, ni_program *p, int32_t id,
                           int32_t bias)
{
    nash_status status = NASH_OK;
    const nash_node *node = nash_graph_node(p->graph, id);
    int32_t fold = p->states[id].fold, out = node->shape.c;
    int32_t own, own_bias = -1, norm[4];
    size_t bytes = ni_trained_bytes(p->graph, id, NASH_SLOT_WEIGHT);
    TRY(ni_tensor_buffer(&own, p, id, NASH_SLOT_WEIGHT));
    *weight = own;
    if (fold < 0)
        goto done;
    if (node->attrs.bias)
        TRY(ni_tensor_buffer(&own_bias, p, id, NASH_SLOT_BIAS));
    TRY(ni_new_buffer(weight, p, bytes));
    for (int32_t slot = 0; slot < 4; slot++)
        TRY(ni_tensor_buffer(&norm[slot], p, fold, slot));
    ni_task task = {
        .src.n = out,
        .count = (int64_t)(bytes / sizeof(float)) / out,
        .eps = nash_graph_node(p->graph, fold)->attrs.eps,
    };
    TRY(ni_emit_kernel(p, NI_PACK, id, "folding", ni_norm_fold, &task,
                       REFS({own, NI_WEIGHT}, {own_bias, NI_BIAS},
                            {norm[NASH_SLOT_GAMMA], NI_GAMMA},
                            {norm[NASH_SLOT_BETA], NI_BETA},
                            {norm[NASH_SLOT_MEAN], NI_RUNNING_MEAN},
                            {norm[NASH_SLOT_VAR], NI_RUNNING_VAR},
                            {*weight, NI_SRC}, {bias, NI_DST})));
done:
    return status;
}

/* What forward uses. Folded weights are stored even where the primitive takes
 * them as they lie: they have to outlast the packing. */
static nash_status forward_weights(int32_t *packed, int32_t *bias,
                                   ni_program *p, int32_t id,
                                   const conv_shape *c,
                                   const dnnl_memory_desc_t *wants)
{
    nash_status status = NASH_OK;
    int32_t weight;
    bool mine, mine_too;
    TRY(ni_conv_bias(bias, &mine_too, p, id));
    if (p->states[id].fold < 0) {
        TRY(ni_conv_weight(&weight, p, id, -1));
        TRY(ni_pack(packed, p, id, NI_WEIGHTS_FORWARD, weight, &c->plain_weight,
                    wants));
        goto done;
    }
    TRY(ni_shared_weights(packed, &mine, p, id, NI_WEIGHTS_FORWARD, wants));
    if (!mine)
        goto done;
    TRY(ni_conv_weight(&weight, p, id, mine_too ? *bias : -1));
    TRY(ni_reorder(p, NI_PACK, id, weight, &c->plain_weight, *packed, wants));
done:
    return status;
}

nash_status ni_conv_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_state *s = &p->states[id];
    dnnl_primitive_desc_t desc = NULL;
    conv_shape c;
    int32_t src, bias, packed, dst, out;
    if (ni_winograd_fits(p, id))
        return ni_winograd_forward(p, id);
    TRY(choose(&desc, &c, p, id, CONV_FORWARD, s->relu));
    dnnl_memory_desc_t wants = md(desc, DNNL_ARG_WEIGHTS);
    dnnl_memory_desc_t gives = md(desc, DNNL_ARG_DST);
    dnnl_memory_desc_t stored = ni_layout_desc(&s->layout);
    s->src = md(desc, DNNL_ARG_SRC);
    TRY(ni_operand_as(&src, p, id, 0, &s->src));
    TRY(forward_weights(&packed, &bias, p, id, &c, &wants));
    TRY(ni_output(&out, p, id));
    dst = out;
    if (!ni_desc_equal(&gives, &stored))
        TRY(ni_new_buffer(&dst, p, dnnl_memory_desc_get_size(&gives)));
    dnnl_primitive_desc_t taken = desc;
    desc = NULL;
    TRY(ni_emit_primitive(p, NI_FORWARD, id, "forward convolution", taken,
                          REFS({src, DNNL_ARG_SRC}, {packed, DNNL_ARG_WEIGHTS},
                               {bias, DNNL_ARG_BIAS}, {dst, DNNL_ARG_DST})));
    if (dst != out)
        TRY(ni_reorder(p, NI_FORWARD, id, dst, &gives, out, &stored));
done:
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

/* Input k's values as forward read them, in a layout; k is 0. */
static nash_status operand_again(int32_t *src, ni_program *p, int32_t id,
                                 const dnnl_memory_desc_t *wants)
{
    const ni_state *source = &p->states[nash_graph_input(p->graph, id, 0)];
    dnnl_memory_desc_t stored = ni_layout_desc(&source->layout);
    *src = ni_operand_of(p, id, 0);
    if (ni_desc_equal(&p->states[id].src, wants))
        return NASH_OK;
    return ni_convert(src, p, NI_BACKWARD, id, source->out, &stored, wants);
}

static nash_status backward_weights(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_primitive_desc_t desc = NULL;
    conv_shape c;
    int32_t src, d_dst, d_weight;
    dnnl_memory_desc_t stored = ni_layout_desc(&p->states[id].layout);
    int32_t gradient = ni_gradient(p, id, NASH_SLOT_WEIGHT);
    TRY(choose(&desc, &c, p, id, CONV_WEIGHTS, false));
    dnnl_memory_desc_t wants_src = md(desc, DNNL_ARG_SRC);
    dnnl_memory_desc_t wants_dst = md(desc, DNNL_ARG_DIFF_DST);
    dnnl_memory_desc_t gives = md(desc, DNNL_ARG_DIFF_WEIGHTS);
    TRY(operand_again(&src, p, id, &wants_src));
    TRY(ni_convert(&d_dst, p, NI_BACKWARD, id, ni_grad_of(p, id), &stored,
                   &wants_dst));
    d_weight = gradient;
    if (!ni_desc_equal(&gives, &c.plain_weight))
        TRY(ni_new_buffer(&d_weight, p, dnnl_memory_desc_get_size(&gives)));
    int32_t d_bias = c.has_bias ? ni_gradient(p, id, NASH_SLOT_BIAS) : -1;
    dnnl_primitive_desc_t taken = desc;
    desc = NULL;
    TRY(ni_emit_primitive(
        p, NI_BACKWARD, id, "convolution's weight gradient", taken,
        REFS({src, DNNL_ARG_SRC}, {d_dst, DNNL_ARG_DIFF_DST},
             {d_weight, DNNL_ARG_DIFF_WEIGHTS}, {d_bias, DNNL_ARG_DIFF_BIAS})));
    if (d_weight != gradient)
        TRY(ni_reorder(p, NI_BACKWARD, id, d_weight, &gives, gradient,
                       &c.plain_weight));
done:
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

static nash_status backward_data(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    dnnl_primitive_desc_t desc = NULL;
    conv_shape c;
    int32_t weight, packed, d_dst, d_src;
    bool direct;
    dnnl_memory_desc_t stored = ni_layout_desc(&p->states[id].layout);
    TRY(choose(&desc, &c, p, id, CONV_DATA, false));
    dnnl_memory_desc_t wants_weight = md(desc, DNNL_ARG_WEIGHTS);
    dnnl_memory_desc_t wants_dst = md(desc, DNNL_ARG_DIFF_DST);
    dnnl_memory_desc_t gives = md(desc, DNNL_ARG_DIFF_SRC);
    TRY(ni_tensor_buffer(&weight, p, id, NASH_SLOT_WEIGHT));
    TRY(ni_pack(&packed, p, id, NI_WEIGHTS_BACKWARD, weight, &c.plain_weight,
                &wants_weight));
    TRY(ni_convert(&d_dst, p, NI_BACKWARD, id, ni_grad_of(p, id), &stored,
                   &wants_dst));
    TRY(ni_grad_first(&d_src, &direct, p, id, &gives));
    dnnl_primitive_desc_t taken = desc;
    desc = NULL;
    TRY(ni_emit_primitive(
        p, NI_BACKWARD, id, "convolution's data gradient", taken,
        REFS({d_dst, DNNL_ARG_DIFF_DST}, {packed, DNNL_ARG_WEIGHTS},
             {d_src, DNNL_ARG_DIFF_SRC})));
    if (!direct)
        TRY(ni_grad_deliver(p, id, 0, d_src, &gives));
done:
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

nash_status ni_conv_backward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    TRY(ni_winograd_fits_weights(p, id) ? ni_winograd_weights(p, id)
                                        : backward_weights(p, id));
    if (ni_grad_wanted(p, id, 0))
        TRY(ni_winograd_fits(p, id) ? ni_winograd_data(p, id)
                                    : backward_data(p, id));
done:
    return status;
}
