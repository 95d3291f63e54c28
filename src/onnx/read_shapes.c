/*
 * Operators that only change how a tensor is seen: most leave no node behind.
 * Tensors of ours have height and width; in ONNX those of 1 x 1 may be [N,C] or
 * [N,C,1].
 */
#include "reader.h"

#include <string.h>

static bool is_flat(nash_shape shape)
{
    return shape.h == 1 && shape.w == 1;
}

/* [N,C,H,W] or [N,C] as [N,C*H*W]. */
static nash_status flatten(ni_reader *r, const ni_pb_node *node,
                           const ni_value *input)
{
    bool same = is_flat(ni_reader_shape(r, input->id)) &&
                !ni_reader_is_own(r, node, NASH_OP_FLATTEN);
    if (!same)
        return ni_reader_append_one(r, node, NASH_OP_FLATTEN, NULL, input, 2);
    ni_reader_set_view(r, node, input, 2);
    return NASH_OK;
}

NI_READ(flatten)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    int64_t axis;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_attribute_int(&axis, node, "axis", 1));
    REQUIRE(axis == 1 || axis == 1 - input->rank, NASH_EUNSUPPORTED,
            "its axis is %lld, expected 1", (long long)axis);
    TRY(flatten(r, node, input));
done:
    return status;
}

/* ---- reshape ------------------------------------------------------------ */

/* The target with 0 replaced by what the input has there. */
static nash_status copy_zeros(int64_t *target, int32_t n,
                              const ni_pb_node *node, const int64_t *dims,
                              int32_t rank)
{
    nash_status status = NASH_OK;
    int64_t allow_zero;
    TRY(ni_attribute_int(&allow_zero, node, "allowzero", 0));
    for (int32_t i = 0; i < n; i++) {
        REQUIRE(target[i] != 0 || (!allow_zero && i < rank), NASH_EUNSUPPORTED,
                "it gives dimension %d the size 0", i);
        if (target[i] == 0)
            target[i] = dims[i];
    }
done:
    return status;
}

/* Whether target is [N, ...] over the values of one image; a -1 is filled. */
static bool keeps_batch(int64_t *target, int32_t n, const ni_reader *r,
                        int64_t values)
{
    int64_t product = 1;
    int32_t open = -1;
    for (int32_t i = 1; i < n; i++) {
        if (target[i] == -1 && open < 0)
            open = i;
        else if (target[i] < 1 ||
                 __builtin_mul_overflow(product, target[i], &product))
            return false;
    }
    bool batch =
        target[0] == NI_BATCH || (r->batch > 0 && target[0] == r->batch);
    if (open > 0) {
        target[open] = values / product;
        return batch && values % product == 0;
    }
    return (batch || target[0] == -1) && product == values;
}

NI_READ(reshape)
{
    nash_status status = NASH_OK;
    const ni_constant *c = NULL;
    ni_value *input = NULL;
    int64_t target[4];
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_reader_constant(&c, r, node, 1, true, 1));
    if (ni_read_by_look(r, node, input, c))
        goto done;
    nash_shape in = ni_reader_shape(r, input->id);
    const int64_t dims[4] = {NI_BATCH, in.c, in.h, in.w};
    REQUIRE(c->count == 2 || c->count == 4, NASH_EUNSUPPORTED,
            "it gives a tensor of %lld dimensions, expected 2 or 4",
            (long long)c->count);
    int32_t n = (int32_t)c->count;
    ni_constant_ints(target, c);
    TRY(copy_zeros(target, n, node, dims, input->rank));
    REQUIRE(keeps_batch(target, n, r, (int64_t)in.c * in.h * in.w),
            NASH_EUNSUPPORTED,
            "its shape does not keep the batch and one image's values");
    if (n == 2) {
        TRY(flatten(r, node, input));
    } else {
        REQUIRE(memcmp(target + 1, dims + 1, 3 * sizeof *dims) == 0,
                NASH_EUNSUPPORTED,
                "it gives %lld x %lld x %lld instead of %d x %d x %d, which "
                "mixes channels and places",
                (long long)target[1], (long long)target[2],
                (long long)target[3], in.c, in.h, in.w);
        ni_reader_set_view(r, node, input, 4);
    }
done:
    return status;
}

/* ---- squeeze, unsqueeze, transpose -------------------------------------- */

/* Whether all axes are different ones behind the channels, within a rank. */
static bool are_behind_channels(const int64_t *axes, int32_t n, int32_t rank)
{
    bool seen[4] = {true, true, false, false};
    for (int32_t i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank || seen[axis])
            return false;
        seen[axis] = true;
    }
    return true;
}

/* Left-out axes are all of size 1, the batch not among them. */
NI_READ(squeeze)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    int64_t axes[NI_MAX_RANK];
    int32_t n;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_reader_list(axes, &n, NI_MAX_RANK, r, node, "axes", 1));
    nash_shape shape = ni_reader_shape(r, input->id);
    REQUIRE(
        is_flat(shape) &&
            (n < 0 ? shape.c > 1 : are_behind_channels(axes, n, input->rank)),
        NASH_EUNSUPPORTED,
        "it removes other axes than a height and width of 1");
    ni_reader_set_view(r, node, input, n < 0 ? 2 : input->rank - n);
done:
    return status;
}

NI_READ(unsqueeze)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    int64_t axes[NI_MAX_RANK];
    int32_t n;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_reader_list(axes, &n, NI_MAX_RANK, r, node, "axes", 1));
    REQUIRE(n > 0 && input->rank + n <= 4 &&
                are_behind_channels(axes, n, input->rank + n),
            NASH_EUNSUPPORTED, "it adds other axes than height and width");
    ni_reader_set_view(r, node, input, input->rank + n);
done:
    return status;
}

NI_READ(transpose)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    const int64_t *perm = NULL;
    size_t n = 0;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_attribute_ints(&perm, &n, node, "perm"));
    bool same = n == (size_t)input->rank;
    for (size_t i = 0; i < n && same; i++)
        same = perm[i] == (int64_t)i;
    REQUIRE(same, NASH_EUNSUPPORTED,
            "it exchanges axes, expected images as [N,C,H,W] throughout");
    ni_reader_set_alias(r, node, input);
done:
    return status;
}

/* ---- operators that do nothing ------------------------------------------ */

NI_READ(identity)
{
    ni_value *input = ni_reader_input(r, node, 0);
    if (!input)
        return ni_fail(NASH_EFORMAT, "input 1 is left out");
    ni_reader_set_alias(r, node, input);
    return NASH_OK;
}

NI_READ(cast)
{
    nash_status status = NASH_OK;
    int64_t to;
    TRY(ni_attribute_int(&to, node, "to", 0));
    REQUIRE(to == NI_DATA_FLOAT || to == NI_DATA_FLOAT16 ||
                to == NI_DATA_BFLOAT16 || to == NI_DATA_DOUBLE,
            NASH_EUNSUPPORTED, "it casts to type %lld, expected floats",
            (long long)to);
    TRY(ni_read_identity(r, node));
done:
    return status;
}

NI_READ(dropout)
{
    nash_status status = NASH_OK;
    const ni_constant *mode = NULL;
    if (ni_reader_input(r, node, 2)) {
        int64_t training;
        TRY(ni_reader_constant(&mode, r, node, 2, true, -1));
        REQUIRE(mode->count == 1, NASH_EFORMAT,
                "its training_mode has %lld values, expected one",
                (long long)mode->count);
        ni_constant_ints(&training, mode);
        REQUIRE(training == 0, NASH_EUNSUPPORTED,
                "training_mode is on, expected an inference graph");
    }
    TRY(ni_read_identity(r, node));
done:
    return status;
}

/* ---- pad ---------------------------------------------------------------- */

static nash_status read_fill(float *fill, const ni_reader *r,
                             const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const ni_constant *c = NULL;
    bool differs;
    TRY(ni_attribute_differs(&differs, node, "mode", "constant"));
    REQUIRE(!differs, NASH_EUNSUPPORTED,
            "its mode is another one than constant, or \"edge\" with a pixel "
            "around the image");
    TRY(ni_attribute_float(fill, node, "value", 0));
    if (!ni_reader_input(r, node, 2))
        goto done;
    TRY(ni_reader_constant(&c, r, node, 2, false, -1));
    REQUIRE(ni_constant_is_scalar(fill, c), NASH_EFORMAT,
            "its value has %lld numbers, expected one", (long long)c->count);
done:
    return status;
}

/* Padding of all four dimensions, at their beginnings and then their ends; of
 * those that a fourth input names, or of all. */
static nash_status read_padding(int64_t all[8], const ni_reader *r,
                                const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    int64_t given[8], axes[4] = {0, 1, 2, 3};
    int32_t n, n_axes;
    TRY(ni_reader_list(given, &n, 8, r, node, "pads", 1));
    TRY(ni_reader_list(axes, &n_axes, 4, r, node, "axes", 3));
    n_axes = n_axes < 0 ? 4 : n_axes;
    REQUIRE(n == 2 * n_axes, NASH_EUNSUPPORTED,
            "it has %d numbers of padding for %d dimensions", n < 0 ? 0 : n,
            n_axes);
    memset(all, 0, 8 * sizeof *all);
    for (int32_t i = 0; i < n_axes; i++) {
        REQUIRE(axes[i] >= -4 && axes[i] < 4, NASH_EFORMAT,
                "it pads axis %lld of four", (long long)axes[i]);
        int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
        all[axis] = given[i];
        all[4 + axis] = given[n_axes + i];
    }
done:
    return status;
}

/* Kept open for the convolution or pool behind it. */
NI_READ(pad)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL, *output = ni_reader_output(r, node);
    int64_t all[8];
    int32_t pads[4];
    float fill;
    bool differs;
    TRY(ni_reader_tensor(&input, r, node, 0, 4));
    TRY(read_padding(all, r, node));
    TRY(ni_attribute_differs(&differs, node, "mode", "edge"));
    if (ni_attribute_exists(node, "mode") && !differs &&
        ni_read_margin(r, node, input, all))
        goto done;
    TRY(read_fill(&fill, r, node));
    REQUIRE(all[0] == 0 && all[1] == 0 && all[4] == 0 && all[5] == 0,
            NASH_EUNSUPPORTED,
            "it pads the batch or the channels, expected height and width");
    TRY(ni_read_size(&pads[0], all[2], 0, "padding"));
    TRY(ni_read_size(&pads[1], all[3], 0, "padding"));
    TRY(ni_read_size(&pads[2], all[6], 0, "padding"));
    TRY(ni_read_size(&pads[3], all[7], 0, "padding"));
    if (pads[0] + pads[1] + pads[2] + pads[3] == 0) {
        ni_reader_set_alias(r, node, input);
        goto done;
    }
    output->kind = NI_VALUE_PADDED;
    output->id = input->id;
    output->rank = 4;
    output->fill = fill;
    memcpy(output->pads, pads, sizeof pads);
done:
    return status;
}

/* ---- the shape itself --------------------------------------------------- */

static int64_t clamp(int64_t at, int64_t n)
{
    at = at < 0 && at != INT64_MIN ? at + n : at;
    return at < 0 ? 0 : at > n ? n : at;
}

/* The dimensions from "start" to "end", as a constant. */
static nash_status set_shape(const ni_reader *r, const ni_pb_node *node,
                             const int64_t *dims, int32_t rank)
{
    nash_status status = NASH_OK;
    ni_value *output = ni_reader_output(r, node);
    int64_t start, end;
    TRY(ni_attribute_int(&start, node, "start", 0));
    TRY(ni_attribute_int(&end, node, "end", rank));
    start = clamp(start, rank);
    end = clamp(end, rank);
    const int64_t n = end > start ? end - start : 0;
    TRY(ni_constant_create(&output->constant, true, &n, 1));
    for (int64_t i = 0; i < n; i++)
        output->constant.ints[i] = dims[start + i];
    output->kind = NI_VALUE_CONSTANT;
done:
    return status;
}

NI_READ(shape)
{
    ni_value *input = ni_reader_input(r, node, 0);
    if (!input ||
        (input->kind != NI_VALUE_TENSOR && input->kind != NI_VALUE_AFFINE))
        return ni_fail(
            NASH_EUNSUPPORTED,
            "it asks the shape of a padded tensor, or of a look at the image");
    nash_shape in = ni_reader_shape(r, input->id);
    const int64_t dims[4] = {NI_BATCH, in.c, in.h, in.w};
    return set_shape(r, node, dims, input->rank);
}

NI_FOLD(shape)
{
    ni_value *input = ni_reader_input(r, node, 0);
    if (!input)
        return ni_fail(NASH_EFORMAT, "input 1 is left out");
    return set_shape(r, node, input->constant.dims, input->constant.n_dims);
}
