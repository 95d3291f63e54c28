/* ONNX files made line by line; see onnx_made.h. */
#include "onnx_made.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 64 };

static void *room(made *m, int64_t count, size_t size)
{
    void *block = ni_pool_alloc(&m->pool, count, size);
    assert_non_null(block);
    return block;
}

static char *text(made *m, const char *value)
{
    char *copy = ni_pool_strdup(&m->pool, value);
    assert_non_null(copy);
    return copy;
}

/* Integers between blanks. */
static size_t read_ints(int64_t *out, const char *values)
{
    size_t n = 0;
    char *end;
    for (const char *at = values; *at; at = end) {
        assert_true(n < MOST);
        out[n++] = strtoll(at, &end, 10);
        assert_true(end != at);
        while (*end == ' ')
            end++;
    }
    return n;
}

static ni_pb_value_info *face(made *m, const char *name, const int32_t *sizes,
                              size_t n)
{
    ni_pb_value_info *info = room(m, 1, sizeof *info);
    Onnx__TypeProto__Tensor *tensor = room(m, 1, sizeof *tensor);
    onnx__value_info_proto__init(info);
    onnx__type_proto__tensor__init(tensor);
    info->name = text(m, name);
    info->type = room(m, 1, sizeof *info->type);
    onnx__type_proto__init(info->type);
    info->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    info->type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = NI_DATA_FLOAT;
    tensor->shape = room(m, 1, sizeof *tensor->shape);
    onnx__tensor_shape_proto__init(tensor->shape);
    tensor->shape->dim = room(m, MOST, sizeof *tensor->shape->dim);
    for (size_t i = 0; i < n; i++) {
        ni_pb_dim *dim = room(m, 1, sizeof *dim);
        onnx__tensor_shape_proto__dimension__init(dim);
        if (sizes[i] >= 0) {
            dim->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = sizes[i];
        }
        tensor->shape->dim[tensor->shape->n_dim++] = dim;
    }
    return info;
}

made made_new(int64_t opset, int32_t c, int32_t h, int32_t w)
{
    made m = {.file = ONNX__MODEL_PROTO__INIT};
    const int32_t sizes[4] = {-1, c, h, w};
    m.graph = room(&m, 1, sizeof *m.graph);
    onnx__graph_proto__init(m.graph);
    m.graph->node = room(&m, MOST, sizeof *m.graph->node);
    m.graph->initializer = room(&m, MOST, sizeof *m.graph->initializer);
    m.graph->input = room(&m, MOST, sizeof *m.graph->input);
    m.graph->output = room(&m, MOST, sizeof *m.graph->output);
    m.graph->input[m.graph->n_input++] = face(&m, "x", sizes, 4);
    m.graph->output[m.graph->n_output++] = face(&m, "y", NULL, 0);
    m.file.graph = m.graph;
    m.file.has_ir_version = 1;
    m.file.ir_version = 8;
    m.file.producer_name = text(&m, "test");
    m.file.opset_import = room(&m, MOST, sizeof *m.file.opset_import);
    m.file.opset_import[0] = room(&m, 1, sizeof **m.file.opset_import);
    onnx__operator_set_id_proto__init(m.file.opset_import[0]);
    m.file.opset_import[0]->has_version = 1;
    m.file.opset_import[0]->version = opset;
    m.file.n_opset_import = 1;
    return m;
}

void made_free(made *m)
{
    ni_pool_deinit(&m->pool);
}

/* Words between blanks; "-" is "". */
static size_t split(char ***out, made *m, const char *words)
{
    size_t n = 0;
    char **list = room(m, MOST, sizeof *list);
    char *save, *copy = text(m, words);
    for (char *word = strtok_r(copy, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(n < MOST);
        list[n++] = text(m, strcmp(word, "-") ? word : "");
    }
    *out = list;
    return n;
}

ni_pb_node *made_node(made *m, const char *type, const char *inputs,
                      const char *outputs)
{
    ni_pb_node *node = room(m, 1, sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = text(m, type);
    node->n_input = split(&node->input, m, inputs);
    node->n_output = split(&node->output, m, outputs);
    node->attribute = room(m, MOST, sizeof *node->attribute);
    assert_true(m->graph->n_node < MOST);
    m->graph->node[m->graph->n_node++] = node;
    m->node = node;
    return node;
}

/* ---- attributes --------------------------------------------------------- */

static ni_pb_attribute *attribute(made *m, const char *name, int type)
{
    ni_pb_attribute *a = room(m, 1, sizeof *a);
    onnx__attribute_proto__init(a);
    a->name = text(m, name);
    a->has_type = 1;
    a->type = (ni_pb_attribute_type)type;
    m->node->attribute[m->node->n_attribute++] = a;
    return a;
}

void made_int(made *m, const char *name, int64_t value)
{
    ni_pb_attribute *a = attribute(m, name, NI_ATTRIBUTE_INT);
    a->has_i = 1;
    a->i = value;
}

void made_float(made *m, const char *name, float value)
{
    ni_pb_attribute *a = attribute(m, name, NI_ATTRIBUTE_FLOAT);
    a->has_f = 1;
    a->f = value;
}

void made_text(made *m, const char *name, const char *value)
{
    ni_pb_attribute *a = attribute(m, name, NI_ATTRIBUTE_STRING);
    a->has_s = 1;
    a->s.len = strlen(value);
    a->s.data = (uint8_t *)text(m, value);
}

void made_ints(made *m, const char *name, const char *values)
{
    ni_pb_attribute *a = attribute(m, name, NI_ATTRIBUTE_INTS);
    a->ints = room(m, MOST, sizeof *a->ints);
    a->n_ints = read_ints(a->ints, values);
}

void made_tensor(made *m, const char *name, ni_pb_tensor *tensor)
{
    attribute(m, name, NI_ATTRIBUTE_TENSOR)->t = tensor;
}

/* ---- tensors ------------------------------------------------------------ */

ni_pb_tensor *made_dims(made *m, int32_t type, const char *dims)
{
    ni_pb_tensor *tensor = room(m, 1, sizeof *tensor);
    onnx__tensor_proto__init(tensor);
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->dims = room(m, MOST, sizeof *tensor->dims);
    tensor->n_dims = read_ints(tensor->dims, dims);
    return tensor;
}

void made_initializer(made *m, const char *name, ni_pb_tensor *tensor)
{
    tensor->name = text(m, name);
    assert_true(m->graph->n_initializer < MOST);
    m->graph->initializer[m->graph->n_initializer++] = tensor;
}

static int64_t count_of(const ni_pb_tensor *tensor)
{
    int64_t count = 1;
    for (size_t i = 0; i < tensor->n_dims; i++)
        count *= tensor->dims[i];
    return count;
}

ni_pb_tensor *made_floats(made *m, const char *name, const char *dims,
                          float base, float step)
{
    ni_pb_tensor *tensor = made_dims(m, NI_DATA_FLOAT, dims);
    int64_t count = count_of(tensor);
    float *values = room(m, count, sizeof *values);
    for (int64_t i = 0; i < count; i++)
        values[i] = base + step * (float)i;
    tensor->has_raw_data = 1;
    tensor->raw_data.data = (uint8_t *)values;
    tensor->raw_data.len = (size_t)count * sizeof *values;
    made_initializer(m, name, tensor);
    return tensor;
}

ni_pb_tensor *made_ints64(made *m, const char *name, const char *values)
{
    int64_t ints[MOST];
    bool scalar = *values == '=';
    size_t n = read_ints(ints, values + scalar);
    ni_pb_tensor *tensor = made_dims(m, NI_DATA_INT64, "");
    tensor->dims[0] = (int64_t)n;
    tensor->n_dims = !scalar;
    tensor->int64_data = room(m, (int64_t)n, sizeof *ints);
    memcpy(tensor->int64_data, ints, n * sizeof *ints);
    tensor->n_int64_data = n;
    made_initializer(m, name, tensor);
    return tensor;
}

void made_end(made *m, const char *input)
{
    char pooled[64];
    snprintf(pooled, sizeof pooled, "%s_pooled", input);
    made_node(m, "GlobalAveragePool", input, pooled);
    made_node(m, "Flatten", pooled, "y");
}

/* ---- reading ------------------------------------------------------------ */

nash_status made_read(nash_model **out, const made *m)
{
    nash_status status = NASH_OK;
    uint8_t *bytes = NULL;
    size_t size_bytes = onnx__model_proto__get_packed_size(&m->file);
    NEW_ARRAY(bytes, size_bytes);
    onnx__model_proto__pack(&m->file, bytes);
    TRY(nash_onnx_parse(out, bytes, size_bytes, "made.onnx"));
done:
    ni_free(bytes);
    return status;
}

nash_model *made_finish(made *m)
{
    nash_model *out = NULL;
    if (made_read(&out, m) != NASH_OK)
        fail_msg("%s", nash_error_message());
    made_free(m);
    return out;
}

void made_refuse(made *m, nash_status expected, const char *words)
{
    nash_model *out = NULL;
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = made_read(&out, m);
    const char *said = nash_error_message();
    assert_null(out);
    assert_int_equal(ni_memory_live_blocks(), blocks);
    if (status != expected || strncmp(said, "made.onnx", 9) != 0 ||
        !strstr(said, words))
        fail_msg("status %d: %s; expected %d: ...%s...", (int)status, said,
                 (int)expected, words);
    made_free(m);
}

/* ---- looking at what was read ------------------------------------------- */

void assert_ops(const nash_model *m, const char *expected)
{
    const nash_graph *g = nash_model_graph(m);
    char ops[512] = "";
    size_t n = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        n += (size_t)snprintf(ops + n, sizeof ops - n, "%s%s", id ? " " : "",
                              nash_op_name(nash_graph_node(g, id)->op));
    assert_string_equal(ops, expected);
}

const nash_attrs *attrs_of(const nash_model *m, int32_t id)
{
    return &nash_graph_node(nash_model_graph(m), id)->attrs;
}

void assert_values(const nash_model *m, int32_t id, int32_t slot, int64_t count,
                   float base, float step)
{
    const nash_tensor *t = nash_model_tensor(m, id, slot);
    assert_non_null(t);
    assert_int_equal(t->count, count);
    for (int64_t i = 0; i < count; i++)
        if (fabsf(t->data[i] - (base + step * (float)i)) > 1e-6F)
            fail_msg("value %d is %g, expected %g", (int)i, (double)t->data[i],
                     (double)(base + step * (float)i));
}
