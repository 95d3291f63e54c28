/*
 * Operators over constants: arithmetic, casts, new constants. Exporters leave
 * chains of them in front of Reshape and Pad. What may be computed is bounded
 * by the reader's allowance; the open batch size takes part in nothing.
 */
#include "fold.h"

#include <math.h>

nash_status ni_fold_operand(ni_constant **out, ni_reader *r,
                            const ni_pb_node *node, size_t k)
{
    nash_status status = NASH_OK;
    ni_value *value = ni_reader_input(r, node, k);
    REQUIRE(value, NASH_EFORMAT, "input %zu is left out", k + 1);
    if (value->constant.proto)
        TRY(ni_reader_spend(r, value->constant.count));
    TRY(ni_constant_load(&value->constant));
    *out = &value->constant;
done:
    return status;
}

nash_status ni_fold_create(ni_constant **out, ni_reader *r,
                           const ni_pb_node *node, bool integral,
                           const int64_t *dims, int32_t n_dims)
{
    nash_status status = NASH_OK;
    ni_value *output = ni_reader_output(r, node);
    int64_t count = 1; /* the sizes of 0 left out: no part may overflow */
    bool empty = false;
    REQUIRE(n_dims <= NI_MAX_RANK, NASH_EUNSUPPORTED,
            "it gives a constant of %d dimensions, at most %d are expected",
            n_dims, NI_MAX_RANK);
    for (int32_t i = 0; i < n_dims; i++) {
        empty = empty || dims[i] == 0;
        REQUIRE(dims[i] != NI_BATCH, NASH_EUNSUPPORTED,
                "it computes with the batch size");
        REQUIRE(dims[i] == 0 || (dims[i] > 0 && !__builtin_mul_overflow(
                                                    count, dims[i], &count)),
                NASH_EUNSUPPORTED, "it gives a constant with a size of %lld",
                (long long)dims[i]);
    }
    count = empty ? 0 : count;
    /* an integer takes the place of two floats, and time besides */
    REQUIRE(count <= NASH_MAX_VALUES, NASH_ELIMIT,
            "it gives a constant of %lld values, more than is allowed",
            (long long)count);
    TRY(ni_reader_spend(r, 2 * count + 16));
    TRY(ni_constant_create(&output->constant, integral, dims, n_dims));
    output->kind = NI_VALUE_CONSTANT;
    *out = &output->constant;
done:
    return status;
}

void ni_fold_move(ni_constant *dst, int64_t to, const ni_constant *src,
                  int64_t from)
{
    if (dst->integral)
        dst->ints[to] = src->ints[from];
    else
        dst->floats[to] = src->floats[from];
}

nash_status ni_fold_axis(int32_t *out, int64_t axis, int32_t n_dims)
{
    int64_t from_start = axis < 0 ? axis + n_dims : axis;
    if (from_start < 0 || from_start >= n_dims)
        return ni_fail(NASH_EFORMAT, "its axis is %lld of %d", (long long)axis,
                       n_dims);
    *out = (int32_t)from_start;
    return NASH_OK;
}

/* ---- arithmetic --------------------------------------------------------- */

static float compute_float(ni_arith arith, float a, float b)
{
    switch (arith) {
    case NI_ARITH_ADD:
        return a + b;
    case NI_ARITH_SUB:
        return a - b;
    case NI_ARITH_RSUB:
        return b - a;
    case NI_ARITH_MUL:
        return a * b;
    case NI_ARITH_DIV:
        return a / b;
    }
    return 0;
}

static bool compute_int(int64_t *out, ni_arith arith, int64_t a, int64_t b)
{
    if (a == NI_BATCH || b == NI_BATCH)
        return false;
    switch (arith) {
    case NI_ARITH_ADD:
        return !__builtin_add_overflow(a, b, out);
    case NI_ARITH_SUB:
        return !__builtin_sub_overflow(a, b, out);
    case NI_ARITH_RSUB:
        return !__builtin_sub_overflow(b, a, out);
    case NI_ARITH_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case NI_ARITH_DIV:
        *out = b ? a / b : 0;
        return b != 0;
    }
    return false;
}

static bool same_dims(const ni_constant *a, const ni_constant *b)
{
    bool same = a->n_dims == b->n_dims;
    for (int32_t i = 0; same && i < a->n_dims; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

/* Equal shapes, or one value with any shape. */
static nash_status fold_arith(ni_reader *r, const ni_pb_node *node,
                              ni_arith arith)
{
    nash_status status = NASH_OK;
    ni_constant *a = NULL, *b = NULL, *out = NULL;
    TRY(ni_fold_operand(&a, r, node, 0));
    TRY(ni_fold_operand(&b, r, node, 1));
    bool a_wide = a->count != 1 || (b->count == 1 && a->n_dims >= b->n_dims);
    const ni_constant *wide = a_wide ? a : b;
    REQUIRE(a->integral == b->integral &&
                (a->count == 1 || b->count == 1 || same_dims(a, b)),
            NASH_EUNSUPPORTED,
            "it combines constants of different types or shapes");
    TRY(ni_fold_create(&out, r, node, a->integral, wide->dims, wide->n_dims));
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at_a = a->count == 1 ? 0 : i, at_b = b->count == 1 ? 0 : i;
        if (!out->integral)
            out->floats[i] =
                compute_float(arith, a->floats[at_a], b->floats[at_b]);
        else
            REQUIRE(
                compute_int(&out->ints[i], arith, a->ints[at_a], b->ints[at_b]),
                NASH_EUNSUPPORTED,
                "it computes with the batch size, or overflows");
    }
done:
    return status;
}

NI_FOLD(add)
{
    return fold_arith(r, node, NI_ARITH_ADD);
}

NI_FOLD(mul)
{
    return fold_arith(r, node, NI_ARITH_MUL);
}

NI_FOLD(div)
{
    return fold_arith(r, node, NI_ARITH_DIV);
}

/* 1 - lambda remembers lambda: half a gate. */
NI_FOLD(sub)
{
    nash_status status = NASH_OK;
    float one, lambda;
    TRY(fold_arith(r, node, NI_ARITH_SUB));
    ni_value *a = ni_reader_input(r, node, 0), *b = ni_reader_input(r, node, 1);
    if (ni_constant_is_scalar(&one, &a->constant) && one == 1 &&
        ni_constant_is_scalar(&lambda, &b->constant))
        ni_reader_output(r, node)->complement = b;
done:
    return status;
}

/* ---- casts -------------------------------------------------------------- */

static bool is_integral(int64_t type)
{
    return type == NI_DATA_INT64 || type == NI_DATA_INT32 ||
           type == NI_DATA_BOOL;
}

static bool is_floating(int64_t type)
{
    return type == NI_DATA_FLOAT || type == NI_DATA_FLOAT16 ||
           type == NI_DATA_BFLOAT16 || type == NI_DATA_DOUBLE;
}

static nash_status cast_value(ni_constant *out, const ni_constant *in,
                              int64_t i, bool to_bool)
{
    if (to_bool) {
        out->ints[i] = in->integral ? in->ints[i] != 0 : in->floats[i] != 0;
    } else if (out->integral && in->integral) {
        out->ints[i] = in->ints[i];
    } else if (in->integral) {
        if (in->ints[i] == NI_BATCH)
            return ni_fail(NASH_EUNSUPPORTED,
                           "it computes with the batch size");
        out->floats[i] = (float)in->ints[i];
    } else if (!out->integral) {
        out->floats[i] = in->floats[i];
    } else {
        if (!(fabsf(in->floats[i]) < 0x1p62F))
            return ni_fail(NASH_EUNSUPPORTED,
                           "it casts %g, which no integer can hold",
                           (double)in->floats[i]);
        out->ints[i] = (int64_t)in->floats[i];
    }
    return NASH_OK;
}

NI_FOLD(cast)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL, *out = NULL;
    int64_t to;
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_attribute_int(&to, node, "to", 0));
    REQUIRE(is_integral(to) || is_floating(to), NASH_EUNSUPPORTED,
            "it casts to type %lld, expected floats or integers",
            (long long)to);
    TRY(ni_fold_create(&out, r, node, is_integral(to), in->dims, in->n_dims));
    for (int64_t i = 0; i < out->count; i++)
        TRY(cast_value(out, in, i, to == NI_DATA_BOOL));
done:
    return status;
}

/* ---- new constants ------------------------------------------------------ */

static nash_status fold_numbers(ni_reader *r, const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const int64_t *ints = NULL;
    const float *floats = NULL;
    size_t n_ints = 0, n_floats = 0;
    ni_constant *out = NULL;
    TRY(ni_attribute_ints(&ints, &n_ints, node, "value_ints"));
    TRY(ni_attribute_floats(&floats, &n_floats, node, "value_floats"));
    REQUIRE(ints || floats, NASH_EFORMAT, "it has no value");
    const int64_t n = (int64_t)(ints ? n_ints : n_floats);
    TRY(ni_fold_create(&out, r, node, ints != NULL, &n, 1));
    for (int64_t i = 0; i < n; i++) {
        if (ints)
            out->ints[i] = ints[i];
        else
            out->floats[i] = floats[i];
    }
done:
    return status;
}

NI_FOLD(constant)
{
    nash_status status = NASH_OK;
    ni_value *output = ni_reader_output(r, node);
    const ni_pb_tensor *tensor = NULL;
    ni_constant *out = NULL;
    TRY(ni_attribute_tensor(&tensor, node, "value"));
    if (tensor) {
        TRY(ni_constant_open(&output->constant, tensor));
        output->kind = NI_VALUE_CONSTANT;
    } else if (ni_attribute_exists(node, "value_float")) {
        TRY(ni_fold_create(&out, r, node, false, NULL, 0));
        TRY(ni_attribute_float(out->floats, node, "value_float", 0));
    } else if (ni_attribute_exists(node, "value_int")) {
        TRY(ni_fold_create(&out, r, node, true, NULL, 0));
        TRY(ni_attribute_int(out->ints, node, "value_int", 0));
    } else {
        TRY(fold_numbers(r, node));
    }
done:
    return status;
}

NI_FOLD(constant_of_shape)
{
    nash_status status = NASH_OK;
    ni_constant value = {0}, *shape = NULL, *out = NULL;
    const ni_pb_tensor *tensor = NULL;
    TRY(ni_fold_operand(&shape, r, node, 0));
    REQUIRE(shape->integral && shape->n_dims == 1, NASH_EFORMAT,
            "its input is not a list of sizes");
    REQUIRE(shape->count <= NI_MAX_RANK, NASH_EUNSUPPORTED,
            "it gives a constant of %lld dimensions, at most %d are expected",
            (long long)shape->count, NI_MAX_RANK);
    TRY(ni_attribute_tensor(&tensor, node, "value"));
    if (tensor) {
        TRY(ni_constant_open(&value, tensor));
        REQUIRE(value.count == 1, NASH_EFORMAT,
                "its value has %lld numbers, expected one",
                (long long)value.count);
        TRY(ni_constant_load(&value));
    }
    TRY(ni_fold_create(&out, r, node, value.integral, shape->ints,
                       (int32_t)shape->count));
    for (int64_t i = 0; i < out->count && tensor; i++)
        ni_fold_move(out, i, &value, 0);
done:
    ni_constant_deinit(&value);
    return status;
}
