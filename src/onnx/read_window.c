/*
 * Convolutions and pools: windows in all the ways that ONNX can say them, with
 * a Pad in front taken up where it means the same.
 */
#include "note.h"
#include "reader.h"

#include <float.h>

nash_status ni_read_size(int32_t *out, int64_t value, int32_t least,
                         const char *what)
{
    if (value < least || value > NASH_MAX_DIM)
        return ni_fail(NASH_EUNSUPPORTED, "%s is %lld, expected %d to %d", what,
                       (long long)value, least, NASH_MAX_DIM);
    *out = (int32_t)value;
    return NASH_OK;
}

/* A list of exactly n sizes; left out, dst keeps what it has. */
static nash_status read_sizes(int32_t *dst, size_t n, const ni_pb_node *node,
                              const char *name, int32_t least)
{
    nash_status status = NASH_OK;
    const int64_t *values = NULL;
    size_t count = 0;
    TRY(ni_attribute_ints(&values, &count, node, name));
    if (!values)
        goto done;
    REQUIRE(count == n, NASH_EUNSUPPORTED,
            "%s has %zu sizes, expected the %zu of an image", name, count, n);
    for (size_t i = 0; i < n; i++)
        TRY(ni_read_size(&dst[i], values[i], least, name));
done:
    return status;
}

/* SAME: as many outputs as strides fit, the padding shared out. */
static nash_status pad_same(nash_attrs *attrs, nash_shape in, bool upper)
{
    nash_status status = NASH_OK;
    for (int i = 0; i < 2; i++) {
        int64_t size = i == 0 ? in.h : in.w, stride = attrs->stride[i];
        int64_t reach =
            (int64_t)attrs->dilation[i] * (attrs->kernel[i] - 1) + 1;
        int64_t out = (size + stride - 1) / stride;
        int64_t total = (out - 1) * stride + reach - size;
        REQUIRE(total >= -1, NASH_EUNSUPPORTED,
                "auto_pad leaves out %lld pixels, and runtimes differ in which",
                (long long)-total);
        int64_t less = total > 0 ? total / 2 : 0;
        int64_t more = total > 0 ? total - less : 0;
        TRY(ni_read_size(&attrs->pads[i], upper ? less : more, 0, "pads"));
        TRY(ni_read_size(&attrs->pads[i + 2], upper ? more : less, 0, "pads"));
    }
done:
    return status;
}

static nash_status read_pads(nash_attrs *attrs, const ni_pb_node *node,
                             nash_shape in)
{
    nash_status status = NASH_OK;
    bool differs[4];
    TRY(ni_attribute_differs(&differs[0], node, "auto_pad", "NOTSET"));
    TRY(ni_attribute_differs(&differs[1], node, "auto_pad", "VALID"));
    TRY(ni_attribute_differs(&differs[2], node, "auto_pad", "SAME_UPPER"));
    TRY(ni_attribute_differs(&differs[3], node, "auto_pad", "SAME_LOWER"));
    if (!differs[0])
        TRY(read_sizes(attrs->pads, 4, node, "pads", 0));
    else if (!differs[2] || !differs[3])
        TRY(pad_same(attrs, in, !differs[2]));
    else
        REQUIRE(!differs[1], NASH_EFORMAT,
                "auto_pad is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER");
done:
    return status;
}

/* Sizes of a convolution's or pool's window, for the input that it sees.
 * attrs->kernel must be set. */
static nash_status read_window(nash_attrs *attrs, const ni_pb_node *node,
                               nash_shape in)
{
    nash_status status = NASH_OK;
    TRY(read_sizes(attrs->kernel, 2, node, "kernel_shape", 1));
    TRY(read_sizes(attrs->stride, 2, node, "strides", 1));
    TRY(read_sizes(attrs->dilation, 2, node, "dilations", 1));
    TRY(read_pads(attrs, node, in));
done:
    return status;
}

/* The input of a window; a padded one as the tensor below and its pads. */
static nash_status read_input(ni_value *out, nash_shape *seen, ni_reader *r,
                              const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    ni_value *value = ni_reader_input(r, node, 0);
    if (!value || value->kind != NI_VALUE_PADDED)
        TRY(ni_reader_tensor(&value, r, node, 0, 4));
    *out = *value;
    *seen = ni_reader_shape(r, value->id);
    if (value->kind == NI_VALUE_PADDED) {
        seen->h += value->pads[0] + value->pads[2];
        seen->w += value->pads[1] + value->pads[3];
    }
done:
    return status;
}

/* ---- convolution -------------------------------------------------------- */

static nash_status check_weight(const ni_constant *weight, nash_attrs *attrs,
                                nash_shape in)
{
    nash_status status = NASH_OK;
    TRY(ni_read_size(&attrs->out_channels, weight->dims[0], 1, "the weight"));
    TRY(ni_read_size(&attrs->kernel[0], weight->dims[2], 1, "the weight"));
    TRY(ni_read_size(&attrs->kernel[1], weight->dims[3], 1, "the weight"));
    REQUIRE(weight->dims[1] <= NASH_MAX_DIM &&
                weight->dims[1] * attrs->groups == in.c,
            NASH_EUNSUPPORTED,
            "its weight reads %lld channels in %d groups, its input has %d",
            (long long)weight->dims[1], attrs->groups, in.c);
done:
    return status;
}

static nash_status read_conv_attrs(nash_attrs *attrs, const ni_pb_node *node,
                                   const ni_constant *weight, nash_shape in)
{
    nash_status status = NASH_OK;
    int64_t groups;
    TRY(ni_attribute_int(&groups, node, "group", 1));
    TRY(ni_read_size(&attrs->groups, groups, 1, "group"));
    TRY(check_weight(weight, attrs, in));
    TRY(read_window(attrs, node, in));
    REQUIRE(attrs->kernel[0] == weight->dims[2] &&
                attrs->kernel[1] == weight->dims[3],
            NASH_EFORMAT, "kernel_shape is %d x %d, its weight %lld x %lld",
            attrs->kernel[0], attrs->kernel[1], (long long)weight->dims[2],
            (long long)weight->dims[3]);
done:
    return status;
}

/* The sum of a padding and what a Pad in front of it does. */
static nash_status take_pads(nash_attrs *attrs, const ni_value *padded)
{
    nash_status status = NASH_OK;
    for (int i = 0; i < 4; i++)
        TRY(ni_read_size(&attrs->pads[i],
                         (int64_t)attrs->pads[i] + padded->pads[i], 0,
                         "the padding"));
done:
    return status;
}

NI_READ(conv)
{
    nash_status status = NASH_OK;
    const ni_constant *weight = NULL, *bias = NULL;
    nash_attrs attrs = nash_attrs_default();
    nash_shape seen;
    ni_value input;
    int32_t id;
    TRY(read_input(&input, &seen, r, node));
    TRY(ni_reader_constant(&weight, r, node, 1, false, 4));
    attrs.bias = ni_reader_input(r, node, 2) != NULL;
    if (attrs.bias)
        TRY(ni_reader_constant(&bias, r, node, 2, false, 1));
    TRY(read_conv_attrs(&attrs, node, weight, seen));
    REQUIRE(!bias || bias->count == attrs.out_channels, NASH_EFORMAT,
            "its bias has %lld values, its weight gives %d channels",
            (long long)bias->count, attrs.out_channels);
    if (input.kind == NI_VALUE_PADDED) {
        REQUIRE(input.fill == 0, NASH_EUNSUPPORTED,
                "the Pad in front of it fills with %g, expected 0",
                (double)input.fill);
        TRY(take_pads(&attrs, &input));
    }
    TRY(ni_reader_append(&id, r, node, NASH_OP_CONV, &attrs, &input.id, 1));
    TRY(ni_reader_source(r, id, NASH_SLOT_WEIGHT, weight));
    if (bias)
        TRY(ni_reader_source(r, id, NASH_SLOT_BIAS, bias));
    ni_reader_set_tensor(r, node, id, 4);
done:
    return status;
}

/* ---- pools -------------------------------------------------------------- */

/* Padding that wins no maximum; or zeros below what is never negative. */
static bool never_wins(const ni_reader *r, const ni_value *padded)
{
    return padded->fill <= -FLT_MAX ||
           (padded->fill == 0 &&
            nash_graph_node(r->graph, padded->id)->op == NASH_OP_RELU);
}

static nash_status take_pad(nash_attrs *attrs, const ni_reader *r, nash_op op,
                            const ni_value *padded)
{
    nash_status status = NASH_OK;
    bool own =
        attrs->pads[0] || attrs->pads[1] || attrs->pads[2] || attrs->pads[3];
    if (op == NASH_OP_MAX_POOL) {
        REQUIRE(never_wins(r, padded), NASH_EUNSUPPORTED,
                "the Pad in front of it fills with %g, which can be the "
                "largest value",
                (double)padded->fill);
    } else {
        REQUIRE(padded->fill == 0 && !own, NASH_EUNSUPPORTED,
                "the Pad in front of it and its own padding cannot be one");
        attrs->count_include_pad = true;
    }
    /* a window may begin in what a Pad adds, but not in a pool's own */
    REQUIRE(!attrs->ceil_mode || (padded->pads[2] == 0 && padded->pads[3] == 0),
            NASH_EUNSUPPORTED,
            "the Pad in front of it and its ceil_mode cannot be one");
    TRY(take_pads(attrs, padded));
done:
    return status;
}

/* The attributes that a pool of ours has, if it was written with others. */
static bool read_note(nash_attrs *attrs, const ni_reader *r,
                      const ni_pb_node *node, nash_op op)
{
    int32_t noted[5];
    if (!ni_reader_is_own(r, node, op) ||
        !ni_onnx_scan(noted, node->doc_string, NI_ONNX_POOL_NOTE))
        return false;
    for (int i = 0; i < 4; i++)
        attrs->pads[i] = noted[1 + i];
    attrs->ceil_mode = true;
    attrs->count_include_pad = noted[0] != 0;
    return true;
}

static nash_status read_pool_attrs(nash_attrs *attrs, const ni_pb_node *node,
                                   nash_op op, nash_shape in)
{
    nash_status status = NASH_OK;
    int64_t ceil_mode, include;
    REQUIRE(ni_attribute_exists(node, "kernel_shape"), NASH_EFORMAT,
            "it has no kernel_shape");
    TRY(ni_attribute_int(&ceil_mode, node, "ceil_mode", 0));
    TRY(ni_attribute_int(&include, node, "count_include_pad", 0));
    TRY(read_window(attrs, node, in));
    REQUIRE(op == NASH_OP_MAX_POOL ||
                (attrs->dilation[0] == 1 && attrs->dilation[1] == 1),
            NASH_EUNSUPPORTED, "it has dilation %d x %d, expected none",
            attrs->dilation[0], attrs->dilation[1]);
    attrs->ceil_mode = ceil_mode != 0;
    attrs->count_include_pad = include != 0;
done:
    return status;
}

static nash_status read_pool(ni_reader *r, const ni_pb_node *node, nash_op op)
{
    nash_status status = NASH_OK;
    nash_attrs attrs = nash_attrs_default();
    nash_shape seen;
    ni_value input;
    TRY(read_input(&input, &seen, r, node));
    TRY(read_pool_attrs(&attrs, node, op, seen));
    if (!read_note(&attrs, r, node, op) && input.kind == NI_VALUE_PADDED)
        TRY(take_pad(&attrs, r, op, &input));
    TRY(ni_reader_append_one(r, node, op, &attrs, &input, 4));
done:
    return status;
}

NI_READ(max_pool)
{
    return read_pool(r, node, NASH_OP_MAX_POOL);
}

NI_READ(average_pool)
{
    return read_pool(r, node, NASH_OP_AVG_POOL);
}

NI_READ(global_average_pool)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    TRY(ni_reader_tensor(&input, r, node, 0, 4));
    TRY(ni_reader_append_one(r, node, NASH_OP_GLOBAL_POOL, NULL, input, 4));
done:
    return status;
}

/* As a max pool whose window is the whole image. */
NI_READ(global_max_pool)
{
    nash_status status = NASH_OK;
    nash_attrs attrs = nash_attrs_default();
    ni_value *input = NULL;
    TRY(ni_reader_tensor(&input, r, node, 0, 4));
    nash_shape in = ni_reader_shape(r, input->id);
    attrs.kernel[0] = in.h;
    attrs.kernel[1] = in.w;
    TRY(ni_reader_append_one(r, node, NASH_OP_MAX_POOL, &attrs, input, 4));
done:
    return status;
}
