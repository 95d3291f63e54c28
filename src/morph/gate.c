/*
 * Type IV (6): lambda f(x) + (1 - lambda) h(x) at lambda = 1, where f is a
 * layer, that is Conv, Conv-BN or Conv-BN-ReLU, and h a fresh Conv-BN-ReLU
 * beside it, from the same input to the same size. Exact in every arithmetic
 * as long as h is finite. Costs C_in C_out K^2 + 2 C_out + 1 parameters, and
 * with a probe one forward, which gives h's statistics; without, they are 0
 * and 1. Refuses places that do not end a convolution's layer, and kernels
 * that cannot give the layer's size at its stride.
 */
#include "surgery.h"

#include "base/memory.h"
#include "graph/edit.h"
#include "model/edit.h"

/* The convolution that begins the layer which ends at a node, or -1. */
static int32_t layer_conv(const nash_graph *g, int32_t at)
{
    int32_t id = at;
    if (ni_is_activation(nash_graph_node(g, id)->op))
        id = nash_graph_input(g, id, 0);
    if (nash_graph_node(g, id)->op == NASH_OP_BATCH_NORM)
        id = nash_graph_input(g, id, 0);
    return nash_graph_node(g, id)->op == NASH_OP_CONV ? id : -1;
}

/* Padding that takes an axis from in to out; false if there is none. */
static bool fit_axis(nash_attrs *attrs, int axis, int32_t in, int32_t out)
{
    int64_t stride = attrs->stride[axis], kernel = attrs->kernel[axis];
    int64_t pads = (out - 1) * stride + kernel - in;
    if (pads < 0) {
        attrs->pads[axis] = attrs->pads[axis + 2] = 0;
        return -pads < stride;
    }
    attrs->pads[axis] = (int32_t)(pads / 2);
    attrs->pads[axis + 2] = (int32_t)(pads - pads / 2);
    return pads - pads / 2 < kernel;
}

static nash_status branch_attrs(nash_attrs *attrs, const nash_graph *g,
                                int32_t conv, int32_t kernel)
{
    nash_status status = NASH_OK;
    const nash_node *node = nash_graph_node(g, conv);
    nash_shape in = nash_graph_node(g, nash_graph_input(g, conv, 0))->shape;
    char name[32];
    nash_node_name(name, sizeof name, g, conv);
    *attrs = ni_conv_attrs(node->shape.c, kernel);
    attrs->stride[0] = node->attrs.stride[0];
    attrs->stride[1] = node->attrs.stride[1];
    REQUIRE(fit_axis(attrs, 0, in.h, node->shape.h) &&
                fit_axis(attrs, 1, in.w, node->shape.w),
            NASH_EREFUSED,
            "a kernel of %d does not take %d x %d to the %d x %d of %s", kernel,
            in.h, in.w, node->shape.h, node->shape.w, name);
done:
    return status;
}

static nash_status insert(nash_model *m, int32_t at, int32_t input,
                          const nash_attrs *attrs)
{
    nash_status status = NASH_OK;
    nash_attrs norm = ni_batch_norm_attrs(nash_model_graph(m));
    int32_t ends[2] = {at, at + 3};
    TRY(ni_insert(m, at + 1, NASH_OP_CONV, attrs, input));
    TRY(ni_insert(m, at + 2, NASH_OP_BATCH_NORM, &norm, at + 1));
    TRY(ni_insert(m, at + 3, NASH_OP_RELU, NULL, at + 2));
    TRY(ni_model_insert(m, at + 4, NASH_OP_GATE, NULL, ends, 2));
    ni_graph_redirect(ni_model_graph(m), at, at + 4, at + 4);
done:
    return status;
}

static nash_status apply(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    nash_attrs attrs;
    char name[32];
    int32_t at;
    TRY(ni_morph_find_open(&at, g, morph->at, "at"));
    nash_node_name(name, sizeof name, g, at);
    int32_t conv = layer_conv(g, at);
    REQUIRE(conv >= 0, NASH_EREFUSED,
            "%s does not end a layer that begins with a convolution", name);
    TRY(branch_attrs(&attrs, g, conv, morph->kernel));
    TRY(insert(m, at, nash_graph_input(g, conv, 0), &attrs));
    ni_model_init_slot(m, at + 1, NASH_SLOT_WEIGHT, morph->seed);
    if (probe)
        TRY(ni_measure(m, at + 2, false, probe));
done:
    return status;
}

static nash_status draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    bool *fits = NULL;
    NEW_ARRAY(fits, nash_graph_size(g));
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        fits[id] =
            ni_is_open(g, id) && !ni_is_inner(g, id) && layer_conv(g, id) >= 0;
    TRY(ni_draw_place(&out->at, g, fits, "a convolution's layer", rng));
    out->kernel = ni_draw_kernel(rng);
    out->seed = ni_rng_u32(rng);
done:
    ni_free(fits);
    return status;
}

const ni_morphism ni_morph_gate = {
    .keys = NI_KEY_KERNEL | NI_KEY_SEED, .apply = apply, .draw = draw};
