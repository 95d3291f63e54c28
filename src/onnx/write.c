/*
 * Model to ONNX file. Costs one copy of the model's tensors, and the time of
 * writing the file. Equal models give equal bytes. Refuses graphs that are not
 * complete, and what opset 17 or a file of 2 GiB cannot hold.
 */
#include "note.h"
#include "pack.h"
#include "writer.h"

#include "base/file.h"

enum { OPSET = 17, IR_VERSION = 8 };

/* What a model of several looks has beside its nodes (write_looks.c), and the
 * constants that nodes share. */
enum { LOOK_OPERATORS = 9, LOOK_INITIALIZERS = 10, SHARED_INITIALIZERS = 2 };

/* Room for every operator and initializer the nodes may need: no node writes
 * more than four operators beside one for each input. */
static nash_status make_room(ni_writer *w)
{
    nash_status status = NASH_OK;
    int64_t n = nash_graph_size(w->graph), nodes = 4 * n + LOOK_OPERATORS;
    for (int32_t id = 0; id < n; id++)
        nodes += nash_graph_node(w->graph, id)->n_inputs;
    NEW_FROM(w->names, ni_pool_pointers(&w->pool, n));
    NEW_FROM(w->rank, ni_pool_alloc(&w->pool, n, sizeof *w->rank));
    NEW_FROM(w->out, ni_pool_alloc(&w->pool, 1, sizeof *w->out));
    onnx__graph_proto__init(w->out);
    NEW_FROM(w->out->node, ni_pool_pointers(&w->pool, nodes));
    NEW_FROM(w->out->initializer,
             ni_pool_pointers(&w->pool, NASH_SLOT_COUNT * n +
                                            SHARED_INITIALIZERS +
                                            LOOK_INITIALIZERS));
done:
    return status;
}

static nash_status name_values(ni_writer *w)
{
    nash_status status = NASH_OK;
    int32_t last = nash_graph_size(w->graph) - 1;
    char name[32];
    for (int32_t id = 1; id < last; id++) {
        nash_node_name(name, sizeof name, w->graph, id);
        NEW_FROM(w->names[id], ni_pool_strdup(&w->pool, name));
    }
    NEW_FROM(w->image, ni_pool_strdup(&w->pool, "image"));
    NEW_FROM(w->probabilities, ni_pool_strdup(&w->pool, "probabilities"));
    w->names[0] = w->image;
    w->names[last] = w->probabilities;
    w->rank[0] = 4;
done:
    return status;
}

static nash_status make_dims(ni_pb_shape *shape, ni_writer *w,
                             const int32_t *sizes, int32_t n)
{
    nash_status status = NASH_OK;
    NEW_FROM(shape->dim, ni_pool_pointers(&w->pool, n + 1));
    for (int32_t i = 0; i <= n; i++) {
        ni_pb_dim *dim = NULL;
        NEW_FROM(dim, ni_pool_alloc(&w->pool, 1, sizeof *dim));
        onnx__tensor_shape_proto__dimension__init(dim);
        shape->dim[shape->n_dim++] = dim;
        if (i == 0) {
            dim->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            NEW_FROM(dim->dim_param, ni_pool_strdup(&w->pool, "N"));
        } else {
            dim->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = sizes[i - 1];
        }
    }
done:
    return status;
}

/* A float32 value of the graph's face, [N, sizes...]. */
static nash_status make_face(ni_pb_value_info ***list, size_t *count,
                             ni_writer *w, char *name, const int32_t *sizes,
                             int32_t n)
{
    nash_status status = NASH_OK;
    Onnx__TypeProto__Tensor *tensor = NULL;
    ni_pb_value_info *face = NULL;
    NEW_FROM(*list, ni_pool_pointers(&w->pool, 1));
    NEW_FROM(face, ni_pool_alloc(&w->pool, 1, sizeof *face));
    onnx__value_info_proto__init(face);
    face->name = name;
    NEW_FROM(face->type, ni_pool_alloc(&w->pool, 1, sizeof *face->type));
    onnx__type_proto__init(face->type);
    NEW_FROM(tensor, ni_pool_alloc(&w->pool, 1, sizeof *tensor));
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = 1;
    tensor->elem_type = NI_DATA_FLOAT;
    NEW_FROM(tensor->shape, ni_pool_alloc(&w->pool, 1, sizeof *tensor->shape));
    onnx__tensor_shape_proto__init(tensor->shape);
    TRY(make_dims(tensor->shape, w, sizes, n));
    face->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    face->type->tensor_type = tensor;
    (*list)[0] = face;
    *count = 1;
done:
    return status;
}

static nash_status make_faces(ni_writer *w)
{
    nash_status status = NASH_OK;
    nash_shape in = nash_graph_input_shape(w->graph);
    const int32_t sizes[3] = {in.c, in.h, in.w};
    const int32_t classes = nash_graph_classes(w->graph);
    TRY(make_face(&w->out->input, &w->out->n_input, w, w->image, sizes, 3));
    TRY(make_face(&w->out->output, &w->out->n_output, w, w->probabilities,
                  &classes, 1));
    NEW_FROM(w->out->input[0]->doc_string,
             ni_pool_format(&w->pool, NI_ONNX_INPUT_NOTE,
                            nash_graph_node(w->graph, 0)->tag));
done:
    return status;
}

static nash_status make_metadata(ni_pb_model *file, ni_writer *w)
{
    nash_status status = NASH_OK;
    int32_t n = nash_model_meta_count(w->model);
    NEW_FROM(file->metadata_props, ni_pool_pointers(&w->pool, n));
    for (int32_t i = 0; i < n; i++) {
        const char *key, *value;
        ni_pb_entry *entry = NULL;
        NEW_FROM(entry, ni_pool_alloc(&w->pool, 1, sizeof *entry));
        onnx__string_string_entry_proto__init(entry);
        nash_model_meta_at(w->model, i, &key, &value);
        NEW_FROM(entry->key, ni_pool_strdup(&w->pool, key));
        NEW_FROM(entry->value, ni_pool_strdup(&w->pool, value));
        file->metadata_props[file->n_metadata_props++] = entry;
    }
done:
    return status;
}

static nash_status make_header(ni_pb_model *file, ni_writer *w)
{
    nash_status status = NASH_OK;
    ni_pb_opset *opset = NULL;
    file->has_ir_version = 1;
    file->ir_version = IR_VERSION;
    NEW_FROM(file->producer_name, ni_pool_strdup(&w->pool, NI_ONNX_PRODUCER));
    NEW_FROM(file->opset_import, ni_pool_pointers(&w->pool, 1));
    NEW_FROM(opset, ni_pool_alloc(&w->pool, 1, sizeof *opset));
    onnx__operator_set_id_proto__init(opset);
    NEW_FROM(opset->domain, ni_pool_strdup(&w->pool, ""));
    opset->has_version = 1;
    opset->version = OPSET;
    file->opset_import[0] = opset;
    file->n_opset_import = 1;
    TRY(make_metadata(file, w));
done:
    return status;
}

static nash_status serialize(void **data, size_t *size_bytes,
                             const ni_pb_model *file)
{
    nash_status status = NASH_OK;
    uint8_t *bytes = NULL;
    size_t size = onnx__model_proto__get_packed_size(file);
    REQUIRE(size <= NI_ONNX_MAX_BYTES, NASH_ELIMIT,
            "the model needs a file of %zu bytes, more than the %zu that ONNX "
            "allows",
            size, NI_ONNX_MAX_BYTES);
    NEW_ARRAY(bytes, size);
    onnx__model_proto__pack(file, bytes);
    *data = bytes;
    *size_bytes = size;
done:
    return status;
}

nash_status ni_onnx_pack(void **data, size_t *size_bytes, const nash_model *m)
{
    nash_status status = NASH_OK;
    ni_writer w = {.model = m, .graph = nash_model_graph(m)};
    ni_pb_model file = ONNX__MODEL_PROTO__INIT;
    *data = NULL;
    TRY(nash_graph_check(w.graph));
    TRY(make_room(&w));
    TRY(name_values(&w));
    TRY(ni_write_nodes(&w));
    TRY(make_faces(&w));
    NEW_FROM(w.out->name, ni_pool_strdup(&w.pool, NI_ONNX_PRODUCER));
    file.graph = w.out;
    TRY(make_header(&file, &w));
    TRY(serialize(data, size_bytes, &file));
done:
    ni_pool_deinit(&w.pool);
    return status;
}

nash_status nash_onnx_write(const nash_model *m, const char *path)
{
    nash_status status = NASH_OK;
    void *data = NULL;
    size_t size_bytes = 0;
    TRY(ni_onnx_pack(&data, &size_bytes, m));
    TRY(ni_file_write_atomic(path, data, size_bytes));
done:
    ni_free(data);
    return status;
}
