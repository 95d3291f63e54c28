/*
 * The pieces of a file being written: operators, attributes, initializers.
 * Tensors' data are borrowed from the model, everything else is small and
 * lives in the writer's pool.
 */
#include "writer.h"

#include <assert.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "raw_data is little-endian, and is copied as it stands");

nash_status ni_writer_node(ni_pb_node **out, ni_writer *w, const char *type,
                           char *name, int32_t inputs)
{
    nash_status status = NASH_OK;
    ni_pb_node *node = NULL;
    NEW_FROM(node, ni_pool_alloc(&w->pool, 1, sizeof *node));
    onnx__node_proto__init(node);
    node->name = name;
    NEW_FROM(node->op_type, ni_pool_strdup(&w->pool, type));
    NEW_FROM(node->input, ni_pool_pointers(&w->pool, inputs));
    NEW_FROM(node->output, ni_pool_pointers(&w->pool, 1));
    node->output[0] = name;
    node->n_output = 1;
    w->out->node[w->out->n_node++] = node;
    *out = node;
done:
    return status;
}

void ni_writer_input(ni_pb_node *node, char *name)
{
    node->input[node->n_input++] = name;
}

/* Room for the attributes of the operator that has most of them. */
enum { MAX_ATTRIBUTES = 8 };

static nash_status add_attribute(ni_pb_attribute **out, ni_writer *w,
                                 ni_pb_node *node, const char *name, int type)
{
    nash_status status = NASH_OK;
    ni_pb_attribute *attribute = NULL;
    assert(node->n_attribute < MAX_ATTRIBUTES);
    if (!node->attribute)
        NEW_FROM(node->attribute, ni_pool_pointers(&w->pool, MAX_ATTRIBUTES));
    NEW_FROM(attribute, ni_pool_alloc(&w->pool, 1, sizeof *attribute));
    onnx__attribute_proto__init(attribute);
    attribute->has_type = 1;
    attribute->type = (ni_pb_attribute_type)type;
    NEW_FROM(attribute->name, ni_pool_strdup(&w->pool, name));
    node->attribute[node->n_attribute++] = attribute;
    *out = attribute;
done:
    return status;
}

nash_status ni_writer_int(ni_writer *w, ni_pb_node *node, const char *name,
                          int64_t value)
{
    ni_pb_attribute *attribute = NULL;
    nash_status status =
        add_attribute(&attribute, w, node, name, NI_ATTRIBUTE_INT);
    if (status != NASH_OK)
        return status;
    attribute->has_i = 1;
    attribute->i = value;
    return NASH_OK;
}

nash_status ni_writer_text(ni_writer *w, ni_pb_node *node, const char *name,
                           const char *value)
{
    nash_status status = NASH_OK;
    ni_pb_attribute *attribute = NULL;
    char *own = NULL;
    NEW_FROM(own, ni_pool_strdup(&w->pool, value));
    TRY(add_attribute(&attribute, w, node, name, NI_ATTRIBUTE_STRING));
    attribute->has_s = 1;
    attribute->s.data = (uint8_t *)own;
    attribute->s.len = strlen(own);
done:
    return status;
}

nash_status ni_writer_float(ni_writer *w, ni_pb_node *node, const char *name,
                            float value)
{
    ni_pb_attribute *attribute = NULL;
    nash_status status =
        add_attribute(&attribute, w, node, name, NI_ATTRIBUTE_FLOAT);
    if (status != NASH_OK)
        return status;
    attribute->has_f = 1;
    attribute->f = value;
    return NASH_OK;
}

static nash_status copy_ints(int64_t **out, ni_writer *w, const int32_t *values,
                             size_t n)
{
    nash_status status = NASH_OK;
    NEW_FROM(*out, ni_pool_alloc(&w->pool, (int64_t)n, sizeof **out));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = values[i];
done:
    return status;
}

nash_status ni_writer_ints(ni_writer *w, ni_pb_node *node, const char *name,
                           const int32_t *values, size_t n)
{
    nash_status status = NASH_OK;
    ni_pb_attribute *attribute = NULL;
    TRY(add_attribute(&attribute, w, node, name, NI_ATTRIBUTE_INTS));
    TRY(copy_ints(&attribute->ints, w, values, n));
    attribute->n_ints = n;
done:
    return status;
}

static nash_status add_initializer(ni_pb_tensor **out, ni_writer *w, char *name,
                                   int32_t type, const int32_t *dims,
                                   int32_t n_dims)
{
    nash_status status = NASH_OK;
    ni_pb_tensor *tensor = NULL;
    NEW_FROM(tensor, ni_pool_alloc(&w->pool, 1, sizeof *tensor));
    onnx__tensor_proto__init(tensor);
    tensor->name = name;
    tensor->has_data_type = 1;
    tensor->data_type = type;
    TRY(copy_ints(&tensor->dims, w, dims, (size_t)n_dims));
    tensor->n_dims = (size_t)n_dims;
    tensor->has_raw_data = 1;
    w->out->initializer[w->out->n_initializer++] = tensor;
    *out = tensor;
done:
    return status;
}

nash_status ni_writer_floats(ni_writer *w, char *name, const int32_t *dims,
                             int32_t n_dims, float *data, int64_t count)
{
    ni_pb_tensor *tensor = NULL;
    nash_status status =
        add_initializer(&tensor, w, name, NI_DATA_FLOAT, dims, n_dims);
    if (status != NASH_OK)
        return status;
    tensor->raw_data.data = (uint8_t *)data;
    tensor->raw_data.len = (size_t)count * sizeof *data;
    return NASH_OK;
}

nash_status ni_writer_int64s(ni_writer *w, char *name, const int32_t *values,
                             size_t n)
{
    nash_status status = NASH_OK;
    const int32_t dim = (int32_t)n;
    ni_pb_tensor *tensor = NULL;
    int64_t *copy = NULL;
    TRY(add_initializer(&tensor, w, name, NI_DATA_INT64, &dim, 1));
    TRY(copy_ints(&copy, w, values, n));
    tensor->raw_data.data = (uint8_t *)copy;
    tensor->raw_data.len = n * sizeof *copy;
done:
    return status;
}

/* The axes of height and width, for every Unsqueeze. */
static nash_status axes_name(char **name, ni_writer *w)
{
    static const int32_t axes[2] = {2, 3};
    nash_status status = NASH_OK;
    NEW_FROM(*name, ni_pool_strdup(&w->pool, "axes"));
    if (!w->has_axes)
        TRY(ni_writer_int64s(w, *name, axes, 2));
    w->has_axes = true;
done:
    return status;
}

nash_status ni_writer_source(char **name, ni_writer *w, int32_t id, int32_t k,
                             int32_t rank)
{
    nash_status status = NASH_OK;
    int32_t source = nash_graph_input(w->graph, id, k);
    bool single = nash_graph_node(w->graph, id)->n_inputs == 1;
    bool flatten = rank == 2;
    ni_pb_node *node = NULL;
    char *part = NULL, *axes = NULL;
    *name = w->names[source];
    if (rank == 0 || rank == w->rank[source])
        goto done;
    const char *type = flatten ? "Flatten" : "Unsqueeze";
    const char *what = flatten ? "flatten" : "unsqueeze";
    char own[32];
    nash_node_name(own, sizeof own, w->graph, id);
    NEW_FROM(part, single ? ni_pool_format(&w->pool, "%s/%s", own, what)
                          : ni_pool_format(&w->pool, "%s/%s_%d", own, what, k));
    TRY(ni_writer_node(&node, w, type, part, 2));
    ni_writer_input(node, *name);
    if (flatten) {
        TRY(ni_writer_int(w, node, "axis", 1));
    } else {
        TRY(axes_name(&axes, w));
        ni_writer_input(node, axes);
    }
    *name = part;
done:
    return status;
}
