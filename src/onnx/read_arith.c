/*
 * Add, Sub, Mul, Div: sums of tensors; the gate, lambda f + (1-lambda) h; a
 * bias; the normalisation of the image; and per-channel arithmetic at large,
 * which becomes a depthwise convolution. Two tensors are only ever added.
 */
#include "reader.h"

#include "graph/edit.h"

#include <math.h>

/* Steps that are kept open on top of each other; more settle on the way. */
enum { MAX_DEPTH = 32 };

bool ni_read_channels(float *dst, const ni_constant *c, int32_t channels,
                      int32_t rank)
{
    int64_t width = 1;
    /* aligned at the last dimension, only the channels' may exceed 1 */
    for (int32_t i = 0; i < c->n_dims; i++) {
        int32_t axis = rank - c->n_dims + i;
        if (axis == 1)
            width = c->dims[i];
        else if (c->dims[i] != 1)
            return false;
    }
    if (c->integral || c->n_dims > rank || (width != 1 && width != channels))
        return false;
    if (!dst)
        return true;
    ni_constant_floats(dst, c);
    for (int32_t i = 1; i < channels && width == 1; i++)
        dst[i] = dst[0];
    return true;
}

/* ---- settling ----------------------------------------------------------- */

/* Make one step part of y = mul x + add, where x is what the step gives. */
static void compose(double *mul, double *add, ni_arith arith, double k)
{
    switch (arith) {
    case NI_ARITH_ADD:
        *add += *mul * k;
        break;
    case NI_ARITH_SUB:
        *add -= *mul * k;
        break;
    case NI_ARITH_RSUB:
        *add += *mul * k;
        *mul = -*mul;
        break;
    case NI_ARITH_MUL:
        *mul *= k;
        break;
    case NI_ARITH_DIV:
        *mul /= k;
        break;
    }
}

/* mul and add over all steps down to the tensor below; k is scratch. */
static const ni_value *compose_steps(double *mul, double *add, float *k,
                                     const ni_value *value, int32_t channels)
{
    for (int32_t c = 0; c < channels; c++) {
        mul[c] = 1;
        add[c] = 0;
    }
    for (; value->kind == NI_VALUE_AFFINE; value = value->inner) {
        ni_read_channels(k, &value->operand->constant, channels, value->rank);
        for (int32_t c = 0; c < channels; c++)
            compose(&mul[c], &add[c], value->arith, (double)k[c]);
    }
    return value;
}

static bool can_normalize(const ni_reader *r, const ni_value *below,
                          const double *mul, int32_t channels)
{
    bool possible = nash_graph_node(r->graph, below->id)->op == NASH_OP_INPUT;
    for (int32_t c = 0; c < channels; c++)
        possible = possible && isfinite(1 / mul[c]);
    return possible;
}

static nash_status append_affine(int32_t *id, ni_reader *r,
                                 const ni_value *below, const double *mul,
                                 const double *add, int32_t channels)
{
    nash_status status = NASH_OK;
    bool normalize = can_normalize(r, below, mul, channels);
    nash_attrs attrs = nash_attrs_default();
    float *first = NULL, *second = NULL;
    attrs.out_channels = attrs.groups = channels;
    attrs.bias = true;
    TRY(ni_reader_append(id, r, NULL,
                         normalize ? NASH_OP_NORMALIZE : NASH_OP_CONV, &attrs,
                         &below->id, 1));
    TRY(ni_reader_computed(&first, r, *id, 0, channels));
    TRY(ni_reader_computed(&second, r, *id, 1, channels));
    for (int32_t c = 0; c < channels; c++) {
        first[c] = (float)(normalize ? -add[c] / mul[c] : mul[c]);
        second[c] = (float)(normalize ? 1 / mul[c] : add[c]);
    }
done:
    return status;
}

static nash_status settle_steps(int32_t *id, ni_reader *r,
                                const ni_value *value)
{
    nash_status status = NASH_OK;
    int32_t channels = ni_reader_shape(r, value->id).c;
    double *mul = NULL, *add = NULL;
    float *k = NULL;
    NEW_ARRAY(mul, channels);
    NEW_ARRAY(add, channels);
    NEW_ARRAY(k, channels);
    const ni_value *below = compose_steps(mul, add, k, value, channels);
    TRY(append_affine(id, r, below, mul, add, channels));
done:
    ni_free(mul);
    ni_free(add);
    ni_free(k);
    return status;
}

/* (x - mean) / std with one of each per channel, whose bits are kept. */
static bool is_normalize(const ni_reader *r, const ni_pb_node *node,
                         const ni_value *value)
{
    const ni_value *inner = value->inner;
    int32_t channels = ni_reader_shape(r, value->id).c;
    return value->arith == NI_ARITH_DIV && inner->kind == NI_VALUE_AFFINE &&
           inner->arith == NI_ARITH_SUB &&
           inner->inner->kind == NI_VALUE_TENSOR &&
           value->operand->constant.count == channels &&
           inner->operand->constant.count == channels &&
           (ni_reader_is_own(r, node, NASH_OP_NORMALIZE) ||
            nash_graph_node(r->graph, inner->inner->id)->op == NASH_OP_INPUT);
}

static nash_status settle_normalize(int32_t *id, ni_reader *r,
                                    const ni_pb_node *node,
                                    const ni_value *value)
{
    nash_status status = NASH_OK;
    const ni_value *inner = value->inner;
    TRY(ni_reader_append(id, r, node, NASH_OP_NORMALIZE, NULL,
                         &inner->inner->id, 1));
    TRY(ni_reader_source(r, *id, NASH_SLOT_CENTER, &inner->operand->constant));
    TRY(ni_reader_source(r, *id, NASH_SLOT_SCALE, &value->operand->constant));
done:
    return status;
}

nash_status ni_reader_settle(ni_reader *r, const ni_pb_node *node,
                             ni_value *value)
{
    nash_status status = NASH_OK;
    int32_t id;
    if (is_normalize(r, node, value))
        TRY(settle_normalize(&id, r, node, value));
    else
        TRY(settle_steps(&id, r, value));
    value->kind = NI_VALUE_TENSOR;
    value->id = id;
done:
    return status;
}

/* ---- one step ----------------------------------------------------------- */

/* A bias that comes as an Add behind a layer without one. */
static nash_status take_bias(bool *taken, ni_reader *r, const ni_pb_node *node,
                             ni_value *x, const ni_constant *k)
{
    nash_status status = NASH_OK;
    const nash_node *layer = nash_graph_node(r->graph, x->id);
    bool linear = layer->op == NASH_OP_CONV || layer->op == NASH_OP_FC;
    float *values = NULL;
    *taken = linear && !layer->attrs.bias && x->kind == NI_VALUE_TENSOR &&
             x->readers == 1;
    if (!*taken)
        goto done;
    TRY(ni_reader_computed(&values, r, x->id, NASH_SLOT_BIAS, layer->shape.c));
    ni_read_channels(values, k, layer->shape.c, x->rank);
    ni_graph_attrs(r->graph, x->id)->bias = true;
    ni_reader_set_alias(r, node, x);
done:
    return status;
}

static nash_status read_step(ni_reader *r, const ni_pb_node *node,
                             ni_arith arith, ni_value *x, ni_value *k)
{
    nash_status status = NASH_OK;
    ni_value *output = ni_reader_output(r, node);
    bool taken = false;
    REQUIRE(x->kind != NI_VALUE_PADDED, NASH_EUNSUPPORTED,
            "it reads a padded tensor, which only a convolution or pool does");
    REQUIRE(
        x->kind == NI_VALUE_TENSOR || x->kind == NI_VALUE_AFFINE,
        NASH_EUNSUPPORTED,
        "it computes with a look at the image, expected at most their mean");
    int32_t channels = ni_reader_shape(r, x->id).c;
    REQUIRE(ni_read_channels(NULL, &k->constant, channels, x->rank),
            NASH_EUNSUPPORTED,
            "its constant of %lld values is not one per channel, of which "
            "there are %d",
            (long long)k->constant.count, channels);
    if (arith == NI_ARITH_ADD)
        TRY(take_bias(&taken, r, node, x, &k->constant));
    if (taken)
        goto done;
    if (x->kind == NI_VALUE_AFFINE && x->depth == MAX_DEPTH)
        TRY(ni_reader_settle(r, NULL, x));
    output->kind = NI_VALUE_AFFINE;
    output->arith = arith;
    output->inner = x;
    output->operand = k;
    output->id = x->id;
    output->rank = x->rank;
    output->depth = x->kind == NI_VALUE_AFFINE ? x->depth + 1 : 1;
    if (ni_reader_is_own(r, node, NASH_OP_NORMALIZE))
        TRY(ni_reader_settle(r, node, output));
done:
    return status;
}

/* ---- two tensors -------------------------------------------------------- */

static bool is_scaled(const ni_value *value)
{
    return value->kind == NI_VALUE_AFFINE && value->arith == NI_ARITH_MUL &&
           value->operand->constant.count == 1;
}

/* Whether b's factor was computed as 1 - a's. */
static bool is_complement(const ni_value *b, const ni_value *a)
{
    return b->operand->complement == a->operand;
}

/* Whether it happens to be. */
static bool adds_to_one(const ni_value *b, const ni_value *a)
{
    float x = 0, y = 0;
    ni_constant_floats(&x, &a->operand->constant);
    ni_constant_floats(&y, &b->operand->constant);
    return y == 1 - x;
}

static nash_status read_gate(ni_reader *r, const ni_pb_node *node,
                             const ni_value *f, const ni_value *h)
{
    nash_status status = NASH_OK;
    ni_value *const parts[2] = {f->inner, h->inner};
    int32_t ids[2], id;
    for (int i = 0; i < 2; i++) {
        if (parts[i]->kind == NI_VALUE_AFFINE)
            TRY(ni_reader_settle(r, NULL, parts[i]));
        ids[i] = parts[i]->id;
    }
    TRY(ni_reader_append(&id, r, node, NASH_OP_GATE, NULL, ids, 2));
    TRY(ni_reader_source(r, id, NASH_SLOT_LAMBDA, &f->operand->constant));
    ni_reader_set_tensor(r, node, id, f->rank);
done:
    return status;
}

static nash_status read_two(ni_reader *r, const ni_pb_node *node,
                            ni_arith arith, const ni_value *a,
                            const ni_value *b)
{
    if (arith != NI_ARITH_ADD)
        return ni_fail(NASH_EUNSUPPORTED,
                       "it combines two tensors that the network computes, "
                       "expected a constant");
    if (is_scaled(a) && is_scaled(b) && a->rank == b->rank) {
        if (is_complement(a, b))
            return read_gate(r, node, b, a);
        if (is_complement(b, a) || adds_to_one(b, a))
            return read_gate(r, node, a, b);
    }
    return ni_read_sum(r, node);
}

static nash_status read_arith(ni_reader *r, const ni_pb_node *node,
                              ni_arith arith, bool commutes)
{
    nash_status status = NASH_OK;
    ni_value *a = ni_reader_input(r, node, 0), *b = ni_reader_input(r, node, 1);
    REQUIRE(a && b, NASH_EFORMAT, "one of its inputs is left out");
    if (b->kind == NI_VALUE_CONSTANT)
        TRY(read_step(r, node, arith, a, b));
    else if (a->kind != NI_VALUE_CONSTANT)
        TRY(read_two(r, node, arith, a, b));
    else if (commutes || arith == NI_ARITH_SUB)
        TRY(read_step(r, node, commutes ? arith : NI_ARITH_RSUB, b, a));
    else
        REQUIRE(false, NASH_EUNSUPPORTED,
                "it divides a constant by what the network computes");
done:
    return status;
}

NI_READ(add)
{
    return read_arith(r, node, NI_ARITH_ADD, true);
}

NI_READ(sub)
{
    return read_arith(r, node, NI_ARITH_SUB, false);
}

NI_READ(mul)
{
    return read_arith(r, node, NI_ARITH_MUL, true);
}

NI_READ(div)
{
    return read_arith(r, node, NI_ARITH_DIV, false);
}
