/*
 * A node of ours as ONNX operators. Values of height and width 1 have rank 2
 * once a Flatten or Gemm made them so, and are unsqueezed for operators that
 * need rank 4.
 */
#include "writer.h"

#include <string.h>

/* An operator with the node's own name that reads its k-th inputs. */
static nash_status add_operator(ni_pb_node **out, ni_writer *w, int32_t id,
                                const char *type, int32_t rank)
{
    nash_status status = NASH_OK;
    int32_t n = nash_graph_node(w->graph, id)->n_inputs;
    char **names = NULL;
    NEW_FROM(names, ni_pool_pointers(&w->pool, n));
    for (int32_t k = 0; k < n; k++)
        TRY(ni_writer_source(&names[k], w, id, k, rank));
    /* room for the tensors that a layer reads beside its inputs */
    TRY(ni_writer_node(out, w, type, w->names[id], n + NASH_SLOT_COUNT));
    for (int32_t k = 0; k < n; k++)
        ni_writer_input(*out, names[k]);
    w->rank[id] = rank;
done:
    return status;
}

/* Write the tensor of a slot as "NAME.part", and let the operator read it. An
 * empty slot is left out. @p dims NULL: as the tensor has them. */
static nash_status add_tensor(ni_writer *w, ni_pb_node *node, int32_t id,
                              int32_t slot, const char *part,
                              const int32_t *dims, int32_t n_dims)
{
    nash_status status = NASH_OK;
    const nash_tensor *t = nash_model_tensor(w->model, id, slot);
    char own[32], *name = NULL;
    if (!t)
        goto done;
    nash_node_name(own, sizeof own, w->graph, id);
    NEW_FROM(name, ni_pool_format(&w->pool, "%s.%s", own, part));
    TRY(ni_writer_floats(w, name, dims ? dims : t->dims,
                         dims ? n_dims : t->n_dims, t->data, t->count));
    ni_writer_input(node, name);
done:
    return status;
}

/* An operator whose name is "NAME/part", not connected yet. */
static nash_status add_part(ni_pb_node **out, ni_writer *w, int32_t id,
                            const char *type, const char *part)
{
    nash_status status = NASH_OK;
    char own[32], *name = NULL;
    nash_node_name(own, sizeof own, w->graph, id);
    NEW_FROM(name, ni_pool_format(&w->pool, "%s/%s", own, part));
    TRY(ni_writer_node(out, w, type, name, 2));
done:
    return status;
}

/* Whether all inputs have rank 2, so that the node can stay there. */
static int32_t common_rank(const ni_writer *w, int32_t id)
{
    for (int32_t k = 0; k < nash_graph_node(w->graph, id)->n_inputs; k++)
        if (w->rank[nash_graph_input(w->graph, id, k)] != 2)
            return 4;
    return 2;
}

static nash_status write_plain(ni_writer *w, int32_t id, const char *type,
                               int32_t rank)
{
    ni_pb_node *node = NULL;
    return add_operator(&node, w, id, type, rank);
}

/* With the axis that Concat and Flatten have: the channels. */
static nash_status write_axis(ni_writer *w, int32_t id, const char *type,
                              int32_t rank)
{
    nash_status status = NASH_OK;
    ni_pb_node *node = NULL;
    TRY(add_operator(&node, w, id, type, rank));
    TRY(ni_writer_int(w, node, "axis", 1));
done:
    return status;
}

static nash_status write_flatten(ni_writer *w, int32_t id)
{
    nash_status status = write_axis(w, id, "Flatten", 0);
    w->rank[id] = 2;
    return status;
}

static nash_status write_normalize(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    const int32_t dims[4] = {1, nash_graph_node(w->graph, id)->shape.c, 1, 1};
    char *source = NULL;
    ni_pb_node *sub = NULL, *div = NULL;
    TRY(ni_writer_source(&source, w, id, 0, 4));
    TRY(add_part(&sub, w, id, "Sub", "center"));
    ni_writer_input(sub, source);
    TRY(add_tensor(w, sub, id, NASH_SLOT_CENTER, "mean", dims, 4));
    TRY(ni_writer_node(&div, w, "Div", w->names[id], 2));
    ni_writer_input(div, sub->name);
    TRY(add_tensor(w, div, id, NASH_SLOT_SCALE, "std", dims, 4));
    w->rank[id] = 4;
done:
    return status;
}

static nash_status write_conv(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &nash_graph_node(w->graph, id)->attrs;
    ni_pb_node *node = NULL;
    TRY(add_operator(&node, w, id, "Conv", 4));
    TRY(add_tensor(w, node, id, NASH_SLOT_WEIGHT, "weight", NULL, 0));
    TRY(add_tensor(w, node, id, NASH_SLOT_BIAS, "bias", NULL, 0));
    TRY(ni_writer_ints(w, node, "dilations", a->dilation, 2));
    TRY(ni_writer_int(w, node, "group", a->groups));
    TRY(ni_writer_ints(w, node, "kernel_shape", a->kernel, 2));
    TRY(ni_writer_ints(w, node, "pads", a->pads, 4));
    TRY(ni_writer_ints(w, node, "strides", a->stride, 2));
done:
    return status;
}

/* A limit of Clip as a scalar "NAME.part" that the operator reads. */
static nash_status add_limit(ni_writer *w, ni_pb_node *node, int32_t id,
                             const char *part, float limit)
{
    nash_status status = NASH_OK;
    char own[32], *name = NULL;
    float *value = NULL;
    nash_node_name(own, sizeof own, w->graph, id);
    NEW_FROM(name, ni_pool_format(&w->pool, "%s.%s", own, part));
    NEW_FROM(value, ni_pool_alloc(&w->pool, 1, sizeof *value));
    *value = limit;
    TRY(ni_writer_floats(w, name, NULL, 0, value, 1));
    ni_writer_input(node, name);
done:
    return status;
}

static nash_status write_clip(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &nash_graph_node(w->graph, id)->attrs;
    ni_pb_node *node = NULL;
    TRY(add_operator(&node, w, id, "Clip", common_rank(w, id)));
    TRY(add_limit(w, node, id, "min", a->low));
    TRY(add_limit(w, node, id, "max", a->high));
done:
    return status;
}

static nash_status write_batch_norm(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    const nash_attrs *a = &nash_graph_node(w->graph, id)->attrs;
    ni_pb_node *node = NULL;
    TRY(add_operator(&node, w, id, "BatchNormalization", common_rank(w, id)));
    TRY(add_tensor(w, node, id, NASH_SLOT_GAMMA, "gamma", NULL, 0));
    TRY(add_tensor(w, node, id, NASH_SLOT_BETA, "beta", NULL, 0));
    TRY(add_tensor(w, node, id, NASH_SLOT_MEAN, "mean", NULL, 0));
    TRY(add_tensor(w, node, id, NASH_SLOT_VAR, "var", NULL, 0));
    TRY(ni_writer_float(w, node, "epsilon", a->eps));
    TRY(ni_writer_float(w, node, "momentum", a->momentum));
done:
    return status;
}

static nash_status write_fc(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    ni_pb_node *node = NULL;
    TRY(add_operator(&node, w, id, "Gemm", 2));
    TRY(add_tensor(w, node, id, NASH_SLOT_WEIGHT, "weight", NULL, 0));
    TRY(add_tensor(w, node, id, NASH_SLOT_BIAS, "bias", NULL, 0));
    TRY(ni_writer_int(w, node, "transB", 1));
done:
    return status;
}

/* The one operator whose output is not named after it. */
static nash_status write_softmax(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    char own[32];
    ni_pb_node *node = NULL;
    nash_node_name(own, sizeof own, w->graph, id);
    TRY(add_operator(&node, w, id, "Softmax", 2));
    NEW_FROM(node->name, ni_pool_strdup(&w->pool, own));
    TRY(ni_writer_int(w, node, "axis", 1));
done:
    return status;
}

/* The constant 1 that gates subtract lambda from. */
static nash_status one_name(char **name, ni_writer *w)
{
    static const int32_t dim = 1;
    nash_status status = NASH_OK;
    float *one = NULL;
    NEW_FROM(*name, ni_pool_strdup(&w->pool, "one"));
    if (w->has_one)
        goto done;
    NEW_FROM(one, ni_pool_alloc(&w->pool, 1, sizeof *one));
    *one = 1.0F;
    TRY(ni_writer_floats(w, *name, &dim, 1, one, 1));
    w->has_one = true;
done:
    return status;
}

/* lambda f + (1 - lambda) h as Sub, Mul, Mul, Add. */
static nash_status write_gate(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    int32_t rank = common_rank(w, id);
    char *f = NULL, *h = NULL, *one = NULL;
    ni_pb_node *complement = NULL, *left = NULL, *right = NULL, *sum = NULL;
    TRY(ni_writer_source(&f, w, id, 0, rank));
    TRY(ni_writer_source(&h, w, id, 1, rank));
    TRY(one_name(&one, w));
    TRY(add_part(&complement, w, id, "Sub", "complement"));
    ni_writer_input(complement, one);
    TRY(add_tensor(w, complement, id, NASH_SLOT_LAMBDA, "lambda", NULL, 0));
    TRY(add_part(&left, w, id, "Mul", "f"));
    ni_writer_input(left, complement->input[1]);
    ni_writer_input(left, f);
    TRY(add_part(&right, w, id, "Mul", "h"));
    ni_writer_input(right, complement->name);
    ni_writer_input(right, h);
    TRY(ni_writer_node(&sum, w, "Add", w->names[id], 2));
    ni_writer_input(sum, left->name);
    ni_writer_input(sum, right->name);
    w->rank[id] = rank;
done:
    return status;
}

static nash_status write_add(ni_writer *w, int32_t id)
{
    bool two = nash_graph_node(w->graph, id)->n_inputs == 2;
    return write_plain(w, id, two ? "Add" : "Sum", common_rank(w, id));
}

static nash_status write_node(ni_writer *w, int32_t id)
{
    switch (nash_graph_node(w->graph, id)->op) {
    case NASH_OP_NORMALIZE:
        return write_normalize(w, id);
    case NASH_OP_CONV:
        return write_conv(w, id);
    case NASH_OP_BATCH_NORM:
        return write_batch_norm(w, id);
    case NASH_OP_RELU:
        return write_plain(w, id, "Relu", common_rank(w, id));
    case NASH_OP_CLIP:
        return write_clip(w, id);
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
        return ni_write_pool(w, id);
    case NASH_OP_GLOBAL_POOL:
        return write_plain(w, id, "GlobalAveragePool", 4);
    case NASH_OP_FLATTEN:
        return write_flatten(w, id);
    case NASH_OP_FC:
        return write_fc(w, id);
    case NASH_OP_CONCAT:
        return write_axis(w, id, "Concat", common_rank(w, id));
    case NASH_OP_ADD:
        return write_add(w, id);
    case NASH_OP_GATE:
        return write_gate(w, id);
    case NASH_OP_SOFTMAX:
        return write_softmax(w, id);
    case NASH_OP_INPUT:
    case NASH_OP_COUNT:
        break;
    }
    return NASH_OK;
}

nash_status ni_write_nodes(ni_writer *w)
{
    nash_status status = NASH_OK;
    bool joined = nash_looks_count(nash_model_looks(w->model)) > 1;
    if (joined)
        TRY(ni_write_looks(w));
    for (int32_t id = 0; id < nash_graph_size(w->graph); id++)
        TRY(write_node(w, id));
    if (joined)
        TRY(ni_write_mean_of_looks(w));
done:
    return status;
}
