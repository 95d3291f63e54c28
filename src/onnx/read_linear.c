/* Fully connected layers: Gemm, and MatMul (whose bias an Add may bring). */
#include "reader.h"

/* A weight [out, in], or [in, out] for turned, times a factor, as ours. */
static nash_status set_weight(ni_reader *r, int32_t id, const ni_constant *c,
                              bool turned, float factor)
{
    nash_status status = NASH_OK;
    float *given = NULL, *values = NULL;
    if (!turned && factor == 1)
        return ni_reader_source(r, id, NASH_SLOT_WEIGHT, c);
    int64_t out = c->dims[turned ? 1 : 0], in = c->dims[turned ? 0 : 1];
    TRY(ni_reader_computed(&values, r, id, NASH_SLOT_WEIGHT, c->count));
    NEW_ARRAY(given, c->count);
    ni_constant_floats(given, c);
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            values[o * in + i] =
                factor * given[turned ? i * out + o : o * in + i];
done:
    ni_free(given);
    return status;
}

static nash_status set_bias(ni_reader *r, int32_t id, const ni_constant *c,
                            int32_t out, float factor)
{
    nash_status status = NASH_OK;
    float *values = NULL;
    if (c->count == out && factor == 1)
        return ni_reader_source(r, id, NASH_SLOT_BIAS, c);
    TRY(ni_reader_computed(&values, r, id, NASH_SLOT_BIAS, out));
    ni_read_channels(values, c, out, 2);
    for (int32_t o = 0; o < out; o++)
        values[o] *= factor;
done:
    return status;
}

/* An fc node over [N,in] with a weight that must read so many. */
static nash_status append_fc(int32_t *id, ni_reader *r, const ni_pb_node *node,
                             const ni_value *input, const ni_constant *weight,
                             bool turned, bool bias)
{
    nash_status status = NASH_OK;
    nash_attrs attrs = nash_attrs_default();
    int64_t out = weight->dims[turned ? 1 : 0];
    int64_t in = weight->dims[turned ? 0 : 1];
    nash_shape shape = ni_reader_shape(r, input->id);
    REQUIRE(in == shape.c, NASH_EFORMAT,
            "its weight reads %lld values, its input has %d", (long long)in,
            shape.c);
    TRY(ni_read_size(&attrs.out_channels, out, 1, "the weight"));
    attrs.bias = bias;
    TRY(ni_reader_append(id, r, node, NASH_OP_FC, &attrs, &input->id, 1));
    ni_reader_set_tensor(r, node, *id, 2);
done:
    return status;
}

typedef struct gemm {
    float alpha, beta;
    int64_t turn_a, turn_b;
    const ni_constant *weight, *bias;
} gemm;

static nash_status read_gemm_attrs(gemm *g, const ni_reader *r,
                                   const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    TRY(ni_attribute_float(&g->alpha, node, "alpha", 1));
    TRY(ni_attribute_float(&g->beta, node, "beta", 1));
    TRY(ni_attribute_int(&g->turn_a, node, "transA", 0));
    TRY(ni_attribute_int(&g->turn_b, node, "transB", 0));
    REQUIRE(g->turn_a == 0, NASH_EUNSUPPORTED,
            "transA turns the batch, expected 0");
    TRY(ni_reader_constant(&g->weight, r, node, 1, false, 2));
    if (!ni_reader_input(r, node, 2) || g->beta == 0)
        goto done;
    TRY(ni_reader_constant(&g->bias, r, node, 2, false, -1));
    int64_t out = g->weight->dims[g->turn_b ? 0 : 1];
    REQUIRE(out <= NASH_MAX_DIM &&
                ni_read_channels(NULL, g->bias, (int32_t)out, 2),
            NASH_EUNSUPPORTED,
            "its bias has %lld values, expected one for each of %lld outputs",
            (long long)g->bias->count, (long long)out);
done:
    return status;
}

NI_READ(gemm)
{
    nash_status status = NASH_OK;
    gemm g = {.alpha = 1};
    ni_value *input = NULL;
    int32_t id;
    TRY(ni_reader_tensor(&input, r, node, 0, 2));
    TRY(read_gemm_attrs(&g, r, node));
    TRY(append_fc(&id, r, node, input, g.weight, !g.turn_b, g.bias != NULL));
    TRY(set_weight(r, id, g.weight, !g.turn_b, g.alpha));
    if (g.bias)
        TRY(set_bias(r, id, g.bias,
                     nash_graph_node(r->graph, id)->attrs.out_channels,
                     g.beta));
done:
    return status;
}

NI_READ(matmul)
{
    nash_status status = NASH_OK;
    const ni_constant *weight = NULL;
    ni_value *input = NULL;
    int32_t id;
    TRY(ni_reader_tensor(&input, r, node, 0, 2));
    TRY(ni_reader_constant(&weight, r, node, 1, false, 2));
    TRY(append_fc(&id, r, node, input, weight, true, false));
    TRY(set_weight(r, id, weight, true, 1));
done:
    return status;
}
