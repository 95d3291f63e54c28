/*
 * Convolutions by Winograd: 3x3, stride 1, one pixel of padding, and channels
 * in multiples of 16 on both sides. In training forward and both gradients, of
 * convolutions without a bias; in inference with the bias and the ReLU behind
 * it; in bf16 also the weights' gradient of images too small for that, by the
 * direct algorithm. Costs scratch for the transforms of a few dozen tiles, for
 * the weights' gradient 16 or 36 sums per pair of channels, and for that of
 * small images a copy of them and their derivatives. Statistics, and inference
 * that has to be exact, stay with the direct algorithm, which rounds nothing
 * but the result.
 */
#include "winograd.h"

#include "onednn.h"

enum { BLOCK = 16 };

static bool is_full(const ni_layout *l, const ni_winograd *w)
{
    return l->bf16 == w->bf16 && l->lanes == w->lanes && l->c % BLOCK == 0 &&
           l->c >= w->least_channels;
}

static bool is_large(const ni_layout *l, const ni_winograd *w)
{
    return l->h >= w->least_side && l->w >= w->least_side;
}

static bool is_small(const ni_layout *l, const ni_winograd *w)
{
    return l->h < w->least_side && l->w < w->least_side;
}

static const ni_layout *input_of(const ni_program *p, int32_t id)
{
    return &p->states[nash_graph_input(p->graph, id, 0)].layout;
}

static bool has_kernel(const ni_program *p, int32_t id)
{
    const nash_attrs *a = &nash_graph_node(p->graph, id)->attrs;
    bool wanted = p->opts.mode == NASH_MODE_INFER
                      ? !p->opts.exact
                      : p->opts.mode == NASH_MODE_TRAIN && !a->bias;
    bool fits = p->winograd && wanted && a->groups == 1;
    for (int i = 0; i < 2; i++)
        fits = fits && a->kernel[i] == 3 && a->stride[i] == 1 &&
               a->dilation[i] == 1;
    for (int i = 0; i < 4; i++)
        fits = fits && a->pads[i] == 1;
    return fits && is_full(input_of(p, id), p->winograd) &&
           is_full(&p->states[id].layout, p->winograd);
}

bool ni_winograd_fits(const ni_program *p, int32_t id)
{
    return has_kernel(p, id) && is_large(&p->states[id].layout, p->winograd);
}

bool ni_winograd_fits_weights(const ni_program *p, int32_t id)
{
    return ni_winograd_fits(p, id) ||
           (has_kernel(p, id) && p->winograd->small_weights &&
            is_small(&p->states[id].layout, p->winograd));
}

static ni_task task_of(const ni_program *p, int32_t id)
{
    const ni_state *s = &p->states[id];
    return (ni_task){
        .src = *input_of(p, id), .dst = s->layout, .relu = s->relu};
}

/* The transformed weights. @param bias  to be filled with them, or -1 */
static nash_status pack(int32_t *packed, ni_program *p, int32_t id,
                        int32_t bias, ni_weights what, ni_kernel kernel)
{
    nash_status status = NASH_OK;
    ni_task task = task_of(p, id);
    dnnl_dims_t count = {(dnnl_dim_t)p->winograd->places * task.src.c *
                         task.dst.c};
    dnnl_memory_desc_t desc;
    int32_t weight;
    bool mine;
    dnnl_memory_desc_init_by_tag(
        &desc, 1, count, p->winograd->bf16 ? dnnl_bf16 : dnnl_f32, dnnl_a);
    TRY(ni_shared_weights(packed, &mine, p, id, what, &desc));
    if (!mine)
        goto done;
    TRY(ni_conv_weight(&weight, p, id, bias));
    TRY(ni_emit_kernel(p, NI_PACK, id, "transformed weights", kernel, &task,
                       REFS({weight, NI_WEIGHT}, {*packed, NI_DST})));
done:
    return status;
}

nash_status ni_winograd_forward(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_task task = task_of(p, id);
    int32_t src, bias, packed, scratch, out;
    bool mine;
    TRY(ni_operand(&src, p, id, 0, &task.src));
    TRY(ni_conv_bias(&bias, &mine, p, id));
    TRY(pack(&packed, p, id, mine ? bias : -1, NI_WEIGHTS_FORWARD,
             p->winograd->pack));
    TRY(ni_output(&out, p, id));
    TRY(ni_new_buffer(&scratch, p,
                      p->winograd->forward_bytes(task.src.c, task.dst.c)));
    TRY(ni_emit_kernel(p, NI_FORWARD, id, "convolution", p->winograd->forward,
                       &task,
                       REFS({src, NI_SRC}, {packed, NI_WEIGHT}, {bias, NI_BIAS},
                            {scratch, NI_PARTIAL}, {out, NI_DST})));
done:
    return status;
}

nash_status ni_winograd_weights(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    const ni_winograd *w = p->winograd;
    ni_task task = task_of(p, id);
    bool large = is_large(&task.dst, w);
    int32_t scratch;
    TRY(ni_new_buffer(&scratch, p,
                      large ? w->weights_bytes(task.src.c, task.dst.c)
                            : w->small_weights_bytes(&task.src, &task.dst)));
    TRY(ni_emit_kernel(
        p, NI_BACKWARD, id, "convolution's weight gradient",
        large ? w->weights : w->small_weights, &task,
        REFS({ni_operand_of(p, id, 0), NI_SRC}, {ni_grad_of(p, id), NI_D_DST},
             {scratch, NI_PARTIAL},
             {ni_gradient(p, id, NASH_SLOT_WEIGHT), NI_D_WEIGHT})));
done:
    return status;
}

nash_status ni_winograd_data(ni_program *p, int32_t id)
{
    nash_status status = NASH_OK;
    ni_task task = task_of(p, id);
    ni_task back = {.src = task.dst, .dst = task.src};
    dnnl_memory_desc_t gives = ni_layout_desc(&task.src);
    int32_t packed, scratch, d_src;
    bool direct;
    TRY(pack(&packed, p, id, -1, NI_WEIGHTS_BACKWARD, p->winograd->pack_back));
    TRY(ni_grad_first(&d_src, &direct, p, id, &gives));
    TRY(ni_new_buffer(&scratch, p,
                      p->winograd->forward_bytes(back.src.c, back.dst.c)));
    TRY(ni_emit_kernel(p, NI_BACKWARD, id, "convolution's data gradient",
                       p->winograd->forward, &back,
                       REFS({ni_grad_of(p, id), NI_SRC}, {packed, NI_WEIGHT},
                            {scratch, NI_PARTIAL}, {d_src, NI_DST})));
    if (!direct)
        TRY(ni_grad_deliver(p, id, 0, d_src, &gives));
done:
    return status;
}
