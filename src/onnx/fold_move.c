/* Operators over constants that only move values: slices, transposes, joins,
 * other dimensions for the same values. */
#include "fold.h"

#include <string.h>

/* ---- strided views ------------------------------------------------------ */

/* Elements offset + sum of index[i] * stride[i] of a constant. */
typedef struct view {
    int32_t n_dims;
    int64_t dims[NI_MAX_RANK], strides[NI_MAX_RANK], offset;
} view;

static view view_of(const ni_constant *c)
{
    view v = {.n_dims = c->n_dims};
    int64_t stride = 1;
    for (int32_t i = c->n_dims; i-- > 0;) {
        v.dims[i] = c->dims[i];
        v.strides[i] = stride;
        stride *= c->dims[i];
    }
    return v;
}

static int64_t place(const view *v, int64_t i)
{
    int64_t at = v->offset;
    for (int32_t k = v->n_dims; k-- > 0; i /= v->dims[k])
        at += i % v->dims[k] * v->strides[k];
    return at;
}

static nash_status fold_view(ni_reader *r, const ni_pb_node *node,
                             const ni_constant *in, const view *v)
{
    nash_status status = NASH_OK;
    ni_constant *out = NULL;
    TRY(ni_fold_create(&out, r, node, in->integral, v->dims, v->n_dims));
    for (int64_t i = 0; i < out->count; i++)
        ni_fold_move(out, i, in, place(v, i));
done:
    return status;
}

NI_FOLD(transpose)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL;
    const int64_t *perm = NULL;
    size_t n = 0;
    bool seen[NI_MAX_RANK] = {false};
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_attribute_ints(&perm, &n, node, "perm"));
    view from = view_of(in), to = from;
    REQUIRE(!perm || n == (size_t)in->n_dims, NASH_EFORMAT,
            "its perm has %zu axes, expected %d", n, in->n_dims);
    for (int32_t i = 0; i < in->n_dims; i++) {
        int32_t axis = in->n_dims - 1 - i;
        if (perm)
            TRY(ni_fold_axis(&axis, perm[i], in->n_dims));
        REQUIRE(!seen[axis], NASH_EFORMAT, "its perm names axis %d twice",
                axis);
        seen[axis] = true;
        to.dims[i] = from.dims[axis];
        to.strides[i] = from.strides[axis];
    }
    TRY(fold_view(r, node, in, &to));
done:
    return status;
}

static int64_t between(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Narrow one axis to start, start + step, ... before end. */
static nash_status narrow(view *v, int64_t axis, int64_t start, int64_t end,
                          int64_t step)
{
    nash_status status = NASH_OK;
    int32_t k;
    TRY(ni_fold_axis(&k, axis, v->n_dims));
    int64_t n = v->dims[k];
    REQUIRE(step != 0 && step > -NASH_MAX_DIM && step < NASH_MAX_DIM,
            NASH_EUNSUPPORTED, "its step is %lld", (long long)step);
    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    start = between(start, step > 0 ? 0 : low, high);
    end = between(end, low, high);
    int64_t span = step > 0 ? end - start : start - end;
    int64_t pace = step > 0 ? step : -step;
    v->dims[k] = span > 0 ? (span + pace - 1) / pace : 0;
    v->offset += v->dims[k] > 0 ? start * v->strides[k] : 0;
    v->strides[k] *= v->dims[k] > 1 ? step : 0;
done:
    return status;
}

NI_FOLD(slice)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL;
    int64_t starts[NI_MAX_RANK], ends[NI_MAX_RANK], axes[NI_MAX_RANK];
    int64_t steps[NI_MAX_RANK];
    int32_t n, n_ends, n_axes, n_steps;
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_reader_list(starts, &n, NI_MAX_RANK, r, node, "starts", 1));
    TRY(ni_reader_list(ends, &n_ends, NI_MAX_RANK, r, node, "ends", 2));
    TRY(ni_reader_list(axes, &n_axes, NI_MAX_RANK, r, node, "axes", 3));
    TRY(ni_reader_list(steps, &n_steps, NI_MAX_RANK, r, node, "steps", 4));
    REQUIRE(n >= 0 && n_ends == n && (n_axes < 0 || n_axes == n) &&
                (n_steps < 0 || n_steps == n),
            NASH_EFORMAT, "its starts, ends, axes and steps do not agree");
    view v = view_of(in);
    for (int32_t i = 0; i < n; i++)
        TRY(narrow(&v, n_axes < 0 ? i : axes[i], starts[i], ends[i],
                   n_steps < 0 ? 1 : steps[i]));
    TRY(fold_view(r, node, in, &v));
done:
    return status;
}

/* ---- blocks along an axis ----------------------------------------------- */

static int64_t product(const int64_t *dims, int32_t begin, int32_t end)
{
    int64_t count = 1;
    for (int32_t i = begin; i < end; i++)
        count *= dims[i];
    return count;
}

static nash_status gather_dims(int64_t *dims, int32_t *n, const ni_constant *in,
                               const ni_constant *index, int32_t axis)
{
    int32_t total = in->n_dims - 1 + index->n_dims;
    if (total > NI_MAX_RANK)
        return ni_fail(NASH_EUNSUPPORTED,
                       "it gives a constant of %d dimensions, at most %d are "
                       "expected",
                       total, NI_MAX_RANK);
    *n = 0;
    for (int32_t i = 0; i < axis; i++)
        dims[(*n)++] = in->dims[i];
    for (int32_t i = 0; i < index->n_dims; i++)
        dims[(*n)++] = index->dims[i];
    for (int32_t i = axis + 1; i < in->n_dims; i++)
        dims[(*n)++] = in->dims[i];
    return NASH_OK;
}

NI_FOLD(gather)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL, *index = NULL, *out = NULL;
    int64_t given, dims[NI_MAX_RANK];
    int32_t axis, n_dims = 0;
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_fold_operand(&index, r, node, 1));
    TRY(ni_attribute_int(&given, node, "axis", 0));
    TRY(ni_fold_axis(&axis, given, in->n_dims));
    REQUIRE(index->integral, NASH_EFORMAT, "its indices are not integers");
    TRY(gather_dims(dims, &n_dims, in, index, axis));
    TRY(ni_fold_create(&out, r, node, in->integral, dims, n_dims));
    int64_t width = in->dims[axis];
    int64_t inner = product(in->dims, axis + 1, in->n_dims);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = i / inner, at = index->ints[row % index->count];
        at = at < 0 ? at + width : at;
        REQUIRE(at >= 0 && at < width, NASH_EFORMAT,
                "its index is outside the %lld values", (long long)width);
        int64_t outer = row / index->count;
        ni_fold_move(out, i, in, (outer * width + at) * inner + i % inner);
    }
done:
    return status;
}

static nash_status joined_dims(int64_t *dims, ni_reader *r,
                               const ni_pb_node *node, int32_t axis)
{
    nash_status status = NASH_OK;
    ni_constant *first = NULL, *c = NULL;
    TRY(ni_fold_operand(&first, r, node, 0));
    memcpy(dims, first->dims, sizeof first->dims);
    for (size_t k = 1; k < node->n_input; k++) {
        TRY(ni_fold_operand(&c, r, node, k));
        bool fits =
            c->n_dims == first->n_dims && c->integral == first->integral;
        for (int32_t i = 0; fits && i < c->n_dims; i++)
            fits = i == axis || c->dims[i] == first->dims[i];
        REQUIRE(fits && !__builtin_add_overflow(dims[axis], c->dims[axis],
                                                &dims[axis]),
                NASH_EFORMAT, "it joins constants that do not fit together");
    }
done:
    return status;
}

NI_FOLD(concat)
{
    nash_status status = NASH_OK;
    ni_constant *c = NULL, *out = NULL;
    int64_t given, dims[NI_MAX_RANK], before = 0;
    int32_t axis;
    TRY(ni_fold_operand(&c, r, node, 0));
    TRY(ni_attribute_int(&given, node, "axis", 1));
    TRY(ni_fold_axis(&axis, given, c->n_dims));
    TRY(joined_dims(dims, r, node, axis));
    TRY(ni_fold_create(&out, r, node, c->integral, dims, c->n_dims));
    int64_t inner = product(dims, axis + 1, c->n_dims);
    int64_t row = dims[axis] * inner;
    for (size_t k = 0; k < node->n_input; k++) {
        TRY(ni_fold_operand(&c, r, node, k));
        int64_t part = c->dims[axis] * inner;
        for (int64_t i = 0; i < c->count; i++)
            ni_fold_move(out, i / part * row + before + i % part, c, i);
        before += part;
    }
done:
    return status;
}

/* ---- the same values in other dimensions -------------------------------- */

static nash_status fold_dims(ni_reader *r, const ni_pb_node *node,
                             const ni_constant *in, const int64_t *dims,
                             int32_t n_dims)
{
    nash_status status = NASH_OK;
    ni_constant *out = NULL;
    TRY(ni_fold_create(&out, r, node, in->integral, dims, n_dims));
    REQUIRE(out->count == in->count, NASH_EFORMAT,
            "it gives %lld values the shape of %lld", (long long)in->count,
            (long long)out->count);
    for (int64_t i = 0; i < out->count; i++)
        ni_fold_move(out, i, in, i);
done:
    return status;
}

NI_FOLD(reshape)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL, *target = NULL;
    int64_t dims[NI_MAX_RANK], known = 1;
    int32_t open = -1;
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_fold_operand(&target, r, node, 1));
    REQUIRE(target->integral && target->n_dims == 1 &&
                target->count <= NI_MAX_RANK,
            NASH_EUNSUPPORTED, "its shape is not a list of at most %d sizes",
            NI_MAX_RANK);
    for (int32_t i = 0; i < (int32_t)target->count; i++) {
        dims[i] = target->ints[i];
        if (i < in->n_dims && dims[i] == 0)
            dims[i] = in->dims[i];
        if (dims[i] == -1 && open < 0)
            open = i;
        else
            REQUIRE(dims[i] > 0 &&
                        !__builtin_mul_overflow(known, dims[i], &known),
                    NASH_EUNSUPPORTED, "its shape has a size of %lld",
                    (long long)dims[i]);
    }
    if (open >= 0)
        dims[open] = in->count / known;
    TRY(fold_dims(r, node, in, dims, (int32_t)target->count));
done:
    return status;
}

NI_FOLD(unsqueeze)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL;
    int64_t axes[NI_MAX_RANK], dims[NI_MAX_RANK];
    bool fresh[NI_MAX_RANK] = {false};
    int32_t n, taken = 0;
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_reader_list(axes, &n, NI_MAX_RANK, r, node, "axes", 1));
    REQUIRE(n >= 0 && in->n_dims + n <= NI_MAX_RANK, NASH_EUNSUPPORTED,
            "it gives more than %d dimensions", NI_MAX_RANK);
    for (int32_t i = 0; i < n; i++) {
        int32_t axis;
        TRY(ni_fold_axis(&axis, axes[i], in->n_dims + n));
        REQUIRE(!fresh[axis], NASH_EFORMAT, "it adds axis %d twice", axis);
        fresh[axis] = true;
    }
    for (int32_t i = 0; i < in->n_dims + n; i++)
        dims[i] = fresh[i] ? 1 : in->dims[taken++];
    TRY(fold_dims(r, node, in, dims, in->n_dims + n));
done:
    return status;
}

NI_FOLD(squeeze)
{
    nash_status status = NASH_OK;
    ni_constant *in = NULL;
    int64_t axes[NI_MAX_RANK], dims[NI_MAX_RANK];
    bool gone[NI_MAX_RANK] = {false};
    int32_t n, left = 0;
    TRY(ni_fold_operand(&in, r, node, 0));
    TRY(ni_reader_list(axes, &n, NI_MAX_RANK, r, node, "axes", 1));
    for (int32_t i = 0; i < n; i++) {
        int32_t axis;
        TRY(ni_fold_axis(&axis, axes[i], in->n_dims));
        REQUIRE(in->dims[axis] == 1, NASH_EFORMAT,
                "it removes a dimension of %lld", (long long)in->dims[axis]);
        gone[axis] = true;
    }
    for (int32_t i = 0; i < in->n_dims; i++)
        if (!gone[i] && (n >= 0 || in->dims[i] != 1))
            dims[left++] = in->dims[i];
    TRY(fold_dims(r, node, in, dims, left));
done:
    return status;
}
