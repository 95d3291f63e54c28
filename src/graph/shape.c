/*
 * Attributes and output shapes, operation by operation, as ONNX has them.
 * Everything is computed in 64 bits; no size beyond NASH_MAX_DIM or tensor
 * beyond NASH_MAX_VALUES gets through, so later products need no check.
 */
#include "internal.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>

/* A node's name, as nash_node_name() gives it, for sentences. */
typedef struct label {
    char text[32];
} label;

static label name_of(const nash_node *node)
{
    label name;
    snprintf(name.text, sizeof name.text, "%s_%d", nash_op_name(node->op),
             node->tag);
    return name;
}

/* ---- attributes --------------------------------------------------------- */

static nash_status check_range(const nash_node *node, const char *what,
                               const int32_t *values, int n, int32_t least)
{
    for (int i = 0; i < n; i++)
        if (values[i] < least || values[i] > NASH_MAX_DIM)
            return ni_fail(values[i] < least ? NASH_EINVAL : NASH_ELIMIT,
                           "%s has %s %d, expected %d to %d",
                           name_of(node).text, what, values[i], least,
                           NASH_MAX_DIM);
    return NASH_OK;
}

static nash_status check_window(const nash_node *node)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    TRY(check_range(node, "kernel", a->kernel, 2, 1));
    TRY(check_range(node, "stride", a->stride, 2, 1));
    TRY(check_range(node, "dilation", a->dilation, 2, 1));
    TRY(check_range(node, "padding", a->pads, 4, 0));
done:
    return status;
}

static void copy_window(nash_attrs *dst, const nash_attrs *src)
{
    for (int i = 0; i < 2; i++) {
        dst->kernel[i] = src->kernel[i];
        dst->stride[i] = src->stride[i];
        dst->dilation[i] = src->dilation[i];
    }
    for (int i = 0; i < 4; i++)
        dst->pads[i] = src->pads[i];
}

static nash_status normalize_conv(nash_attrs *used, const nash_node *node)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    TRY(check_range(node, "output channels", &a->out_channels, 1, 1));
    TRY(check_range(node, "groups", &a->groups, 1, 1));
    TRY(check_window(node));
    copy_window(used, a);
    used->out_channels = a->out_channels;
    used->groups = a->groups;
    used->bias = a->bias;
done:
    return status;
}

static nash_status normalize_pool(nash_attrs *used, const nash_node *node)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    TRY(check_window(node));
    for (int i = 0; i < 4; i++)
        REQUIRE(a->pads[i] < a->kernel[i % 2], NASH_EINVAL,
                "%s has padding %d, expected less than its kernel %d",
                name_of(node).text, a->pads[i], a->kernel[i % 2]);
    copy_window(used, a);
    used->ceil_mode = a->ceil_mode;
    used->count_include_pad =
        node->op == NASH_OP_AVG_POOL && a->count_include_pad;
done:
    return status;
}

static nash_status normalize_batch_norm(nash_attrs *used, const nash_node *node)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    REQUIRE(isfinite(a->eps) && a->eps >= 0, NASH_EINVAL,
            "%s has eps %g, expected a number of at least 0",
            name_of(node).text, (double)a->eps);
    REQUIRE(a->momentum >= 0 && a->momentum <= 1, NASH_EINVAL,
            "%s has momentum %g, expected 0 to 1", name_of(node).text,
            (double)a->momentum);
    used->eps = a->eps;
    used->momentum = a->momentum;
done:
    return status;
}

/* Zero stays what it is, so that engines may pad with it. */
static nash_status normalize_clip(nash_attrs *used, const nash_node *node)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    REQUIRE(isfinite(a->low) && isfinite(a->high) && a->low <= 0 &&
                a->high >= 0 && a->low < a->high,
            NASH_EINVAL,
            "%s has limits %g .. %g, expected finite ones with 0 between them",
            name_of(node).text, (double)a->low, (double)a->high);
    used->low = a->low;
    used->high = a->high;
done:
    return status;
}

nash_status ni_node_normalize(nash_node *node)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    nash_attrs used = {0};
    switch (node->op) {
    case NASH_OP_INPUT:
        TRY(check_range(node, "channels", &a->out_channels, 1, 1));
        TRY(check_range(node, "size", a->size, 2, 1));
        used.out_channels = a->out_channels;
        used.size[0] = a->size[0];
        used.size[1] = a->size[1];
        break;
    case NASH_OP_CONV:
        TRY(normalize_conv(&used, node));
        break;
    case NASH_OP_BATCH_NORM:
        TRY(normalize_batch_norm(&used, node));
        break;
    case NASH_OP_CLIP:
        TRY(normalize_clip(&used, node));
        break;
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
        TRY(normalize_pool(&used, node));
        break;
    case NASH_OP_FC:
        TRY(check_range(node, "output channels", &a->out_channels, 1, 1));
        used.out_channels = a->out_channels;
        used.bias = a->bias;
        break;
    case NASH_OP_NORMALIZE:
    case NASH_OP_RELU:
    case NASH_OP_GLOBAL_POOL:
    case NASH_OP_FLATTEN:
    case NASH_OP_CONCAT:
    case NASH_OP_ADD:
    case NASH_OP_GATE:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        break;
    }
    node->attrs = used;
done:
    return status;
}

/* ---- shapes ------------------------------------------------------------- */

static nash_shape input_shape(const nash_graph *g, const nash_node *node,
                              int32_t k)
{
    return g->nodes[g->edges[node->first_input + k]].shape;
}

/* Output size of a window along one axis (0 vertical, 1 horizontal). */
static nash_status window_size(int64_t *out, const nash_node *node, int32_t in,
                               int axis)
{
    const nash_attrs *a = &node->attrs;
    int64_t before = a->pads[axis], stride = a->stride[axis];
    int64_t padded = in + before + a->pads[axis + 2];
    int64_t reach = (int64_t)a->dilation[axis] * (a->kernel[axis] - 1) + 1;
    int64_t room = padded - reach + (a->ceil_mode ? stride - 1 : 0);
    if (room < 0)
        return ni_fail(NASH_ESHAPE,
                       "%s has a window of %lld on an axis of %lld, padding "
                       "included",
                       name_of(node).text, (long long)reach, (long long)padded);
    *out = room / stride + 1;
    /* A window that would start in the padding at the end is dropped. */
    if (a->ceil_mode && (*out - 1) * stride >= in + before)
        --*out;
    return NASH_OK;
}

/* With gaps wider than the input, a padded window could see nothing of it. */
static nash_status check_gaps(const nash_node *node, nash_shape in)
{
    const int32_t size[2] = {in.h, in.w};
    for (int axis = 0; axis < 2; axis++) {
        const nash_attrs *a = &node->attrs;
        bool padded = a->pads[axis] > 0 || a->pads[axis + 2] > 0;
        if (padded && a->dilation[axis] > size[axis])
            return ni_fail(NASH_ESHAPE,
                           "%s has dilation %d and padding on an axis of %d, "
                           "expected a dilation of at most that",
                           name_of(node).text, a->dilation[axis], size[axis]);
    }
    return NASH_OK;
}

static nash_status set_shape(nash_shape *out, const nash_node *node, int64_t c,
                             int64_t h, int64_t w)
{
    if (c > NASH_MAX_DIM || h > NASH_MAX_DIM || w > NASH_MAX_DIM ||
        c * h * w > NASH_MAX_VALUES)
        return ni_fail(NASH_ELIMIT,
                       "%s has an output of %lld x %lld x %lld, more than is "
                       "allowed",
                       name_of(node).text, (long long)c, (long long)h,
                       (long long)w);
    *out = (nash_shape){(int32_t)c, (int32_t)h, (int32_t)w};
    return NASH_OK;
}

static nash_status check_weights(const nash_node *node, int64_t out_channels,
                                 int64_t fan_in)
{
    if (fan_in > NASH_MAX_VALUES / out_channels)
        return ni_fail(NASH_ELIMIT,
                       "%s has %lld x %lld weights, more than %lld",
                       name_of(node).text, (long long)out_channels,
                       (long long)fan_in, (long long)NASH_MAX_VALUES);
    return NASH_OK;
}

static nash_status infer_window(nash_shape *out, const nash_node *node,
                                nash_shape in, int64_t channels)
{
    nash_status status = NASH_OK;
    int64_t h = 0, w = 0;
    TRY(window_size(&h, node, in.h, 0));
    TRY(window_size(&w, node, in.w, 1));
    TRY(set_shape(out, node, channels, h, w));
done:
    return status;
}

static nash_status infer_conv(nash_shape *out, const nash_node *node,
                              nash_shape in)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &node->attrs;
    REQUIRE(in.c % a->groups == 0 && a->out_channels % a->groups == 0,
            NASH_ESHAPE,
            "%s has %d groups, which do not divide %d input and %d output "
            "channels",
            name_of(node).text, a->groups, in.c, a->out_channels);
    int64_t area = (int64_t)a->kernel[0] * a->kernel[1];
    REQUIRE(area <= NASH_MAX_VALUES, NASH_ELIMIT,
            "%s has a kernel of %d x %d, more than is allowed",
            name_of(node).text, a->kernel[0], a->kernel[1]);
    TRY(check_weights(node, a->out_channels, in.c / a->groups * area));
    TRY(infer_window(out, node, in, a->out_channels));
done:
    return status;
}

static nash_status infer_pool(nash_shape *out, const nash_node *node,
                              nash_shape in)
{
    nash_status status = check_gaps(node, in);
    return status == NASH_OK ? infer_window(out, node, in, in.c) : status;
}

static nash_status require_flat(const nash_node *node, nash_shape in)
{
    if (in.h != 1 || in.w != 1)
        return ni_fail(NASH_ESHAPE,
                       "%s reads %d x %d x %d, expected height and width 1",
                       name_of(node).text, in.c, in.h, in.w);
    return NASH_OK;
}

static nash_status infer_fc(nash_shape *out, const nash_node *node,
                            nash_shape in)
{
    nash_status status = NASH_OK;
    TRY(require_flat(node, in));
    TRY(check_weights(node, node->attrs.out_channels, in.c));
    TRY(set_shape(out, node, node->attrs.out_channels, 1, 1));
done:
    return status;
}

static nash_status infer_concat(nash_shape *out, const nash_graph *g,
                                const nash_node *node)
{
    nash_status status = NASH_OK;
    nash_shape first = input_shape(g, node, 0);
    int64_t channels = 0;
    for (int32_t k = 0; k < node->n_inputs; k++) {
        nash_shape in = input_shape(g, node, k);
        REQUIRE(in.h == first.h && in.w == first.w, NASH_ESHAPE,
                "%s joins %d x %d with %d x %d, expected equal height and "
                "width",
                name_of(node).text, first.h, first.w, in.h, in.w);
        channels += in.c;
    }
    TRY(set_shape(out, node, channels, first.h, first.w));
done:
    return status;
}

static nash_status infer_equal(nash_shape *out, const nash_graph *g,
                               const nash_node *node)
{
    nash_shape first = input_shape(g, node, 0);
    for (int32_t k = 1; k < node->n_inputs; k++) {
        nash_shape in = input_shape(g, node, k);
        if (in.c != first.c || in.h != first.h || in.w != first.w)
            return ni_fail(NASH_ESHAPE,
                           "%s adds %d x %d x %d and %d x %d x %d, expected "
                           "equal shapes",
                           name_of(node).text, first.c, first.h, first.w, in.c,
                           in.h, in.w);
    }
    *out = first;
    return NASH_OK;
}

static nash_status check_edges(const nash_graph *g, const nash_node *node,
                               int32_t id)
{
    if ((node->op == NASH_OP_INPUT) != (id == 0))
        return ni_fail(NASH_EINVAL,
                       "%s is node %d, expected the input, and only it, to be "
                       "node 0",
                       name_of(node).text, id);
    for (int32_t k = 0; k < node->n_inputs; k++) {
        int32_t source = g->edges[node->first_input + k];
        if (source < 0 || source >= id)
            return ni_fail(NASH_EINVAL,
                           "%s is node %d and reads node %d, expected a lower "
                           "one",
                           name_of(node).text, id, source);
    }
    return NASH_OK;
}

static nash_status infer_single(nash_shape *out, const nash_graph *g,
                                const nash_node *node)
{
    nash_status status = NASH_OK;
    nash_shape in = input_shape(g, node, 0);
    switch (node->op) {
    case NASH_OP_CONV:
        return infer_conv(out, node, in);
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
        return infer_pool(out, node, in);
    case NASH_OP_GLOBAL_POOL:
        return set_shape(out, node, in.c, 1, 1);
    case NASH_OP_FLATTEN:
        return set_shape(out, node, (int64_t)in.c * in.h * in.w, 1, 1);
    case NASH_OP_FC:
        return infer_fc(out, node, in);
    case NASH_OP_SOFTMAX:
        status = require_flat(node, in);
        break;
    case NASH_OP_NORMALIZE:
    case NASH_OP_BATCH_NORM:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_INPUT:
    case NASH_OP_CONCAT:
    case NASH_OP_ADD:
    case NASH_OP_GATE:
    case NASH_OP_COUNT:
        break;
    }
    *out = in;
    return status;
}

nash_status ni_node_infer(nash_shape *out, const nash_graph *g,
                          const nash_node *node, int32_t id)
{
    nash_status status = check_edges(g, node, id);
    if (status != NASH_OK)
        return status;
    if (node->op == NASH_OP_INPUT)
        return set_shape(out, node, node->attrs.out_channels,
                         node->attrs.size[0], node->attrs.size[1]);
    if (node->op == NASH_OP_CONCAT)
        return infer_concat(out, g, node);
    if (node->op == NASH_OP_ADD || node->op == NASH_OP_GATE)
        return infer_equal(out, g, node);
    return infer_single(out, g, node);
}
