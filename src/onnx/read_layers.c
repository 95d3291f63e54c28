/* Operators without a window: normalisation, activations, joins, means. */
#include "reader.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- batch normalisation ------------------------------------------------ */

/* Before opset 14 the training mode had no attribute: it was meant where more
 * than the first output had a name. */
static bool gives_statistics(const ni_reader *r, const ni_pb_node *node)
{
    for (size_t k = 1; k < node->n_output; k++)
        if (*node->output[k] && r->opset < 14)
            return true;
    return false;
}

static nash_status read_batch_norm_attrs(nash_attrs *attrs, const ni_reader *r,
                                         const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    int64_t training, spatial;
    REQUIRE(!gives_statistics(r, node), NASH_EUNSUPPORTED,
            "it gives the batch's statistics (training mode), expected an "
            "inference graph");
    TRY(ni_attribute_float(&attrs->eps, node, "epsilon", 1e-5F));
    TRY(ni_attribute_float(&attrs->momentum, node, "momentum", 0.9F));
    TRY(ni_attribute_int(&training, node, "training_mode", 0));
    TRY(ni_attribute_int(&spatial, node, "spatial", 1));
    REQUIRE(training == 0, NASH_EUNSUPPORTED,
            "training_mode is on, expected an inference graph");
    REQUIRE(spatial == 1, NASH_EUNSUPPORTED,
            "spatial is %lld, expected statistics per channel",
            (long long)spatial);
done:
    return status;
}

NI_READ(batch_norm)
{
    static const int32_t slots[4] = {NASH_SLOT_GAMMA, NASH_SLOT_BETA,
                                     NASH_SLOT_MEAN, NASH_SLOT_VAR};
    nash_status status = NASH_OK;
    nash_attrs attrs = nash_attrs_default();
    const ni_constant *tensors[4] = {NULL};
    ni_value *input = NULL;
    int32_t id;
    TRY(read_batch_norm_attrs(&attrs, r, node));
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    int64_t channels = ni_reader_shape(r, input->id).c;
    for (size_t i = 0; i < 4; i++) {
        TRY(ni_reader_constant(&tensors[i], r, node, i + 1, false, 1));
        REQUIRE(tensors[i]->count == channels, NASH_EFORMAT,
                "input %zu has %lld values, its channels are %lld", i + 2,
                (long long)tensors[i]->count, (long long)channels);
    }
    TRY(ni_reader_append(&id, r, node, NASH_OP_BATCH_NORM, &attrs, &input->id,
                         1));
    for (size_t i = 0; i < 4; i++)
        TRY(ni_reader_source(r, id, slots[i], tensors[i]));
    ni_reader_set_tensor(r, node, id, input->rank);
done:
    return status;
}

/* ---- activations -------------------------------------------------------- */

NI_READ(relu)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_reader_append_one(r, node, NASH_OP_RELU, NULL, input, input->rank));
done:
    return status;
}

/* A limit of Clip: an attribute before opset 11, an input since. */
static nash_status read_limit(float *limit, const ni_reader *r,
                              const ni_pb_node *node, const char *name,
                              size_t k)
{
    nash_status status = NASH_OK;
    const ni_constant *c = NULL;
    TRY(ni_attribute_float(limit, node, name, *limit));
    if (!ni_reader_input(r, node, k))
        goto done;
    TRY(ni_reader_constant(&c, r, node, k, false, -1));
    REQUIRE(ni_constant_is_scalar(limit, c), NASH_EFORMAT,
            "its %s has %lld values, expected one", name, (long long)c->count);
done:
    return status;
}

/* Open limits are as far away as they can be. */
static nash_status read_limits(ni_reader *r, const ni_pb_node *node, float low,
                               float high)
{
    nash_status status = NASH_OK;
    nash_attrs attrs = nash_attrs_default();
    ni_value *input = NULL;
    attrs.low = low < -FLT_MAX ? -FLT_MAX : low;
    attrs.high = high > FLT_MAX ? FLT_MAX : high;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_reader_append_one(r, node, NASH_OP_CLIP, &attrs, input,
                             input->rank));
done:
    return status;
}

NI_READ(clip)
{
    nash_status status = NASH_OK;
    ni_value *input = ni_reader_input(r, node, 0);
    float low = -INFINITY, high = INFINITY;
    TRY(read_limit(&low, r, node, "min", 1));
    TRY(read_limit(&high, r, node, "max", 2));
    bool open = high >= FLT_MAX && !ni_reader_is_own(r, node, NASH_OP_CLIP);
    if (open && low <= -FLT_MAX && input)
        ni_reader_set_alias(r, node, input);
    else if (open && low == 0)
        TRY(ni_read_relu(r, node));
    else
        TRY(read_limits(r, node, low, high));
done:
    return status;
}

/* Softmax and LogSoftmax alike: ours is the network's last operation, and the
 * softmax of a log-softmax is that of what went into it. The mean over looks is
 * one of probabilities. */
NI_READ(softmax)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    int64_t axis;
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_attribute_int(&axis, node, "axis", r->opset < 13 ? 1 : -1));
    REQUIRE(axis == 1 || axis == 1 - input->rank, NASH_EUNSUPPORTED,
            "its axis is %lld, expected the channels", (long long)axis);
    REQUIRE(nash_looks_count(r->looks) == 1 ||
                strcmp(node->op_type, "Softmax") == 0,
            NASH_EUNSUPPORTED,
            "it gives logarithms, expected probabilities to average over "
            "looks");
    TRY(ni_reader_append_one(r, node, NASH_OP_SOFTMAX, NULL, input,
                             input->rank));
done:
    return status;
}

/* ---- joins -------------------------------------------------------------- */

/* All inputs as tensors of one rank, then one node that reads them. */
static nash_status read_join(ni_reader *r, const ni_pb_node *node, nash_op op)
{
    nash_status status = NASH_OK;
    int32_t ids[NASH_MAX_INPUTS], id, rank = 0;
    REQUIRE(node->n_input <= NASH_MAX_INPUTS, NASH_EUNSUPPORTED,
            "it has %zu inputs, expected at most %d", node->n_input,
            NASH_MAX_INPUTS);
    for (size_t k = 0; k < node->n_input; k++) {
        ni_value *input = NULL;
        TRY(ni_reader_tensor(&input, r, node, k, rank));
        rank = input->rank;
        ids[k] = input->id;
    }
    TRY(ni_reader_append(&id, r, node, op, NULL, ids, (int32_t)node->n_input));
    ni_reader_set_tensor(r, node, id, rank);
done:
    return status;
}

NI_READ(concat)
{
    nash_status status = NASH_OK;
    int64_t axis;
    TRY(ni_attribute_int(&axis, node, "axis", 1));
    if (axis == 0)
        return ni_read_looks(r, node);
    TRY(read_join(r, node, NASH_OP_CONCAT));
    int32_t rank = ni_reader_output(r, node)->rank;
    REQUIRE(axis == 1 || axis == 1 - rank, NASH_EUNSUPPORTED,
            "its axis is %lld, expected the channels", (long long)axis);
done:
    return status;
}

NI_READ(sum)
{
    return read_join(r, node, NASH_OP_ADD);
}

/* ---- the mean over height and width ------------------------------------- */

static bool is_height_and_width(const int64_t *axes, int32_t n, int32_t rank)
{
    if (n != 2 || rank != 4)
        return false;
    int64_t a = axes[0] < 0 ? axes[0] + 4 : axes[0];
    int64_t b = axes[1] < 0 ? axes[1] + 4 : axes[1];
    return (a == 2 && b == 3) || (a == 3 && b == 2);
}

NI_READ(reduce_mean)
{
    nash_status status = NASH_OK;
    ni_value *input = NULL;
    int64_t axes[NI_MAX_RANK], keep;
    int32_t n;
    input = ni_reader_input(r, node, 0);
    if (input && input->kind == NI_VALUE_BY_LOOK)
        return ni_read_mean_of_looks(r, node);
    TRY(ni_reader_tensor(&input, r, node, 0, 0));
    TRY(ni_reader_list(axes, &n, NI_MAX_RANK, r, node, "axes", 1));
    TRY(ni_attribute_int(&keep, node, "keepdims", 1));
    REQUIRE(is_height_and_width(axes, n, input->rank), NASH_EUNSUPPORTED,
            "it takes the mean over other axes than height and width");
    TRY(ni_reader_append_one(r, node, NASH_OP_GLOBAL_POOL, NULL, input,
                             keep ? 4 : 2));
done:
    return status;
}
