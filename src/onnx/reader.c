/*
 * Names, values and the graph under construction, for the files that read
 * operators. Names are sorted once and found by bisection, so hostile names
 * cost no more than others. What a file can make us allocate is bounded by its
 * size.
 */
#include "note.h"
#include "reader.h"

#include <stdlib.h>
#include <string.h>

/* ---- names -------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const ni_named *)a)->name, ((const ni_named *)b)->name);
}

static ni_named *find_named(const ni_reader *r, const char *name)
{
    if (!name || !*name)
        return NULL;
    const ni_named key = {.name = name};
    return bsearch(&key, r->names, (size_t)r->n_values, sizeof key, compare);
}

ni_value *ni_reader_find(const ni_reader *r, const char *name)
{
    ni_named *found = find_named(r, name);
    if (!found)
        return NULL;
    return found->value->kind == NI_VALUE_ALIAS ? found->value->target
                                                : found->value;
}

static ni_value *add_name(ni_reader *r, const char *name)
{
    ni_value *value = &r->values[r->n_values];
    r->names[r->n_values++] = (ni_named){name, value};
    return value;
}

static void collect_names(ni_reader *r)
{
    const ni_pb_graph *g = r->proto;
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name && *g->initializer[i]->name)
            add_name(r, g->initializer[i]->name)->constant.proto =
                g->initializer[i];
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            if (*g->node[i]->output[k])
                add_name(r, g->node[i]->output[k]);
}

static nash_status sort_names(ni_reader *r)
{
    qsort(r->names, (size_t)r->n_values, sizeof *r->names, compare);
    for (int64_t i = 1; i < r->n_values; i++)
        if (strcmp(r->names[i - 1].name, r->names[i].name) == 0)
            return ni_fail(NASH_EFORMAT, "%s: the value \"%s\" is given twice",
                           r->name, ni_onnx_print(r->names[i].name).text);
    return NASH_OK;
}

static int64_t count_names(const ni_pb_graph *g)
{
    int64_t count = (int64_t)(g->n_initializer + g->n_input);
    for (size_t i = 0; i < g->n_node; i++)
        count += (int64_t)g->node[i]->n_output;
    return count;
}

nash_status ni_reader_blame(const ni_reader *r, const char *what,
                            nash_status status)
{
    if (status == NASH_OK || status == NASH_ENOMEM)
        return status;
    if (status == NASH_EINVAL || status == NASH_ESHAPE)
        status = NASH_EUNSUPPORTED;
    return ni_fail(status, "%s: %s: %s", r->name, what, nash_error_message());
}

/* ---- the graph's face --------------------------------------------------- */

static nash_status read_dim(int32_t *out, const ni_reader *r,
                            const ni_pb_dim *dim, const char *axis)
{
    nash_status status = NASH_OK;
    REQUIRE(dim->value_case ==
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE,
            NASH_EUNSUPPORTED,
            "%s: the input's %s is left open, expected a fixed size", r->name,
            axis);
    REQUIRE(dim->dim_value >= 1 && dim->dim_value <= NASH_MAX_DIM,
            NASH_EUNSUPPORTED, "%s: the input's %s is %lld, expected 1 to %d",
            r->name, axis, (long long)dim->dim_value, NASH_MAX_DIM);
    *out = (int32_t)dim->dim_value;
done:
    return status;
}

static bool is_pixel_type(int32_t type)
{
    return type == NI_DATA_FLOAT || type == NI_DATA_FLOAT16 ||
           type == NI_DATA_BFLOAT16 || type == NI_DATA_DOUBLE ||
           type == NI_DATA_UINT8;
}

static nash_status read_face(nash_attrs *attrs, ni_reader *r,
                             const ni_pb_value_info *face)
{
    nash_status status = NASH_OK;
    const ni_pb_type *type = face->type;
    ni_print name = ni_onnx_print(face->name);
    REQUIRE(type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
                type->tensor_type->shape,
            NASH_EUNSUPPORTED,
            "%s: the input \"%s\" has no shape, expected [N,C,H,W]", r->name,
            name.text);
    const ni_pb_shape *shape = type->tensor_type->shape;
    REQUIRE(is_pixel_type(type->tensor_type->elem_type), NASH_EUNSUPPORTED,
            "%s: the input \"%s\" has data type %d, expected floats or bytes",
            r->name, name.text, (int)type->tensor_type->elem_type);
    REQUIRE(shape->n_dim == 4, NASH_EUNSUPPORTED,
            "%s: the input \"%s\" has %zu dimensions, expected [N,C,H,W]",
            r->name, name.text, shape->n_dim);
    if (shape->dim[0]->value_case ==
        ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
        r->batch = shape->dim[0]->dim_value;
    TRY(read_dim(&attrs->out_channels, r, shape->dim[1], "channels"));
    TRY(read_dim(&attrs->size[0], r, shape->dim[2], "height"));
    TRY(read_dim(&attrs->size[1], r, shape->dim[3], "width"));
done:
    return status;
}

/* The one input that no initializer fills; NULL if there is none. */
static nash_status find_input(const ni_pb_value_info **out, const ni_reader *r)
{
    const ni_pb_graph *g = r->proto;
    *out = NULL;
    for (size_t i = 0; i < g->n_input; i++) {
        const ni_pb_value_info *face = g->input[i];
        if (find_named(r, face->name))
            continue;
        if (*out)
            return ni_fail(NASH_EUNSUPPORTED,
                           "%s: it has inputs \"%s\" and \"%s\", expected one",
                           r->name, ni_onnx_print((*out)->name).text,
                           ni_onnx_print(face->name).text);
        *out = face;
    }
    return NASH_OK;
}

static nash_status open_input(ni_reader *r)
{
    nash_status status = NASH_OK;
    nash_attrs attrs = nash_attrs_default();
    const ni_pb_value_info *face;
    TRY(find_input(&face, r));
    REQUIRE(face && face->name && *face->name, NASH_EFORMAT,
            "%s: it has no input", r->name);
    TRY(read_face(&attrs, r, face));
    ni_value *value = add_name(r, face->name);
    TRY(ni_reader_blame(
        r, "the input",
        ni_reader_append(&value->id, r, NULL, NASH_OP_INPUT, &attrs, NULL, 0)));
    value->kind = NI_VALUE_TENSOR;
    value->rank = 4;
    TRY(sort_names(r));
    int32_t tag;
    if (r->ours && ni_onnx_scan(&tag, face->doc_string, NI_ONNX_INPUT_NOTE))
        r->built[0].tag = tag;
done:
    return status;
}

/* What the output needs, backwards; the rest of the file is not read. */
static nash_status mark_needed(ni_reader *r)
{
    const ni_pb_graph *g = r->proto;
    if (g->n_output != 1)
        return ni_fail(NASH_EUNSUPPORTED, "%s: it has %zu outputs, expected 1",
                       r->name, g->n_output);
    ni_value *output = ni_reader_find(r, g->output[0]->name);
    if (!output)
        return ni_fail(NASH_EFORMAT, "%s: no operator gives the output \"%s\"",
                       r->name, ni_onnx_print(g->output[0]->name).text);
    output->needed = true;
    output->readers = 1;
    for (size_t i = g->n_node; i-- > 0;) {
        const ni_pb_node *node = g->node[i];
        for (size_t k = 0; k < node->n_output; k++) {
            const ni_value *value = ni_reader_find(r, node->output[k]);
            r->needed[i] = r->needed[i] || (value && value->needed);
        }
        for (size_t k = 0; k < node->n_input && r->needed[i]; k++) {
            ni_value *value = ni_reader_find(r, node->input[k]);
            if (value) {
                value->needed = true;
                value->readers++;
            }
        }
    }
    return NASH_OK;
}

nash_status ni_reader_open(ni_reader *r)
{
    nash_status status = NASH_OK;
    int64_t n = count_names(r->proto);
    NEW_ARRAY(r->values, n);
    NEW_ARRAY(r->names, n);
    NEW_ARRAY(r->needed, r->proto->n_node);
    TRY(nash_graph_create(&r->graph));
    collect_names(r);
    TRY(sort_names(r));
    TRY(open_input(r));
    TRY(mark_needed(r));
done:
    return status;
}

void ni_built_deinit(ni_built *built)
{
    for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
        ni_free(built->sources[slot].values);
}

void ni_reader_deinit(ni_reader *r)
{
    for (int64_t i = 0; i < r->n_values; i++)
        ni_constant_deinit(&r->values[i].constant);
    for (int32_t id = 0; id < r->cap_built; id++)
        ni_built_deinit(&r->built[id]);
    ni_free(r->values);
    ni_free(r->names);
    ni_free(r->needed);
    ni_free(r->built);
    nash_graph_free(r->graph);
}

/* ---- values ------------------------------------------------------------- */

ni_value *ni_reader_input(const ni_reader *r, const ni_pb_node *node, size_t k)
{
    return k < node->n_input ? ni_reader_find(r, node->input[k]) : NULL;
}

ni_value *ni_reader_output(const ni_reader *r, const ni_pb_node *node)
{
    return ni_reader_find(r, node->output[0]);
}

void ni_reader_set_tensor(const ni_reader *r, const ni_pb_node *node,
                          int32_t id, int32_t rank)
{
    ni_value *output = ni_reader_output(r, node);
    output->kind = NI_VALUE_TENSOR;
    output->id = id;
    output->rank = rank;
}

void ni_reader_set_alias(const ni_reader *r, const ni_pb_node *node,
                         ni_value *value)
{
    ni_value *output = ni_reader_output(r, node);
    value->readers += output->readers - 1;
    output->kind = NI_VALUE_ALIAS;
    output->target = value;
}

void ni_reader_set_view(const ni_reader *r, const ni_pb_node *node,
                        const ni_value *tensor, int32_t rank)
{
    ni_value *output = ni_reader_output(r, node);
    if (tensor->readers > 1)
        output->readers = tensor->readers;
    ni_reader_set_tensor(r, node, tensor->id, rank);
}

nash_status ni_reader_tensor(ni_value **out, ni_reader *r,
                             const ni_pb_node *node, size_t k, int32_t rank)
{
    nash_status status = NASH_OK;
    ni_value *value = ni_reader_input(r, node, k);
    REQUIRE(value, NASH_EFORMAT, "input %zu is left out", k + 1);
    REQUIRE(value->kind != NI_VALUE_CONSTANT, NASH_EUNSUPPORTED,
            "input \"%s\" is a constant, expected what the network computes",
            ni_onnx_print(node->input[k]).text);
    REQUIRE(value->kind != NI_VALUE_PADDED, NASH_EUNSUPPORTED,
            "input \"%s\" is padded, which only a convolution or pool takes up",
            ni_onnx_print(node->input[k]).text);
    REQUIRE(value->kind != NI_VALUE_MARGIN && value->kind != NI_VALUE_LOOK &&
                value->kind != NI_VALUE_BY_LOOK,
            NASH_EUNSUPPORTED,
            "input \"%s\" is %s, which only the averaging of looks uses",
            ni_onnx_print(node->input[k]).text,
            value->kind == NI_VALUE_MARGIN ? "the image with a repeated border"
            : value->kind == NI_VALUE_LOOK ? "the image mirrored or shifted"
                                           : "split by looks");
    if (value->kind == NI_VALUE_AFFINE)
        TRY(ni_reader_settle(r, node, value));
    REQUIRE(rank == 0 || value->rank == rank, NASH_EUNSUPPORTED,
            "input \"%s\" has %d dimensions, expected %d",
            ni_onnx_print(node->input[k]).text, value->rank, rank);
    *out = value;
done:
    return status;
}

nash_status ni_reader_constant(const ni_constant **out, const ni_reader *r,
                               const ni_pb_node *node, size_t k, bool integral,
                               int32_t n_dims)
{
    nash_status status = NASH_OK;
    const ni_value *value = ni_reader_input(r, node, k);
    REQUIRE(value, NASH_EFORMAT, "input %zu is left out", k + 1);
    ni_print name = ni_onnx_print(node->input[k]);
    REQUIRE(value->kind == NI_VALUE_CONSTANT, NASH_EUNSUPPORTED,
            "input \"%s\" is computed by the network, expected a constant",
            name.text);
    REQUIRE(value->constant.integral == integral, NASH_EUNSUPPORTED,
            "input \"%s\" is of another type, expected %s", name.text,
            integral ? "integers" : "floats");
    REQUIRE(n_dims < 0 || value->constant.n_dims == n_dims, NASH_EUNSUPPORTED,
            "input \"%s\" has %d dimensions, expected %d", name.text,
            value->constant.n_dims, n_dims);
    *out = &value->constant;
done:
    return status;
}

static nash_status copy_list(int64_t *values, int32_t *n, int32_t most,
                             const int64_t *from, size_t count)
{
    if (count > (size_t)most)
        return ni_fail(NASH_EUNSUPPORTED,
                       "a list has %zu integers, expected at most %d", count,
                       most);
    if (count > 0)
        memcpy(values, from, count * sizeof *values);
    *n = (int32_t)count;
    return NASH_OK;
}

nash_status ni_reader_list(int64_t *values, int32_t *n, int32_t most,
                           const ni_reader *r, const ni_pb_node *node,
                           const char *attribute, size_t k)
{
    nash_status status = NASH_OK;
    const int64_t *from = NULL;
    const ni_constant *c = NULL;
    size_t count = 0;
    *n = -1;
    TRY(ni_attribute_ints(&from, &count, node, attribute));
    if (from) {
        TRY(copy_list(values, n, most, from, count));
    } else if (ni_reader_input(r, node, k)) {
        TRY(ni_reader_constant(&c, r, node, k, true, -1));
        REQUIRE(c->n_dims <= 1 && c->count <= most, NASH_EUNSUPPORTED,
                "\"%s\" has %lld integers, expected a list of at most %d",
                attribute, (long long)c->count, most);
        ni_constant_ints(values, c);
        *n = (int32_t)c->count;
    }
done:
    return status;
}

nash_shape ni_reader_shape(const ni_reader *r, int32_t id)
{
    return nash_graph_node(r->graph, id)->shape;
}

/* ---- building ----------------------------------------------------------- */

static nash_status make_room(ni_reader *r, int32_t nodes)
{
    nash_status status = NASH_OK;
    ni_built *grown = NULL;
    if (nodes <= r->cap_built)
        goto done;
    int32_t capacity = nodes < 32 ? 32 : 2 * nodes;
    NEW_FROM(grown, ni_realloc(r->built, capacity, sizeof *grown));
    r->built = grown;
    r->cap_built = capacity;
done:
    return status;
}

bool ni_reader_is_own(const ni_reader *r, const ni_pb_node *node, nash_op op)
{
    return r->ours && node && ni_onnx_tag(node->name, op) >= 0;
}

nash_status ni_reader_append(int32_t *id, ni_reader *r, const ni_pb_node *node,
                             nash_op op, const nash_attrs *attrs,
                             const int32_t *inputs, int32_t n_inputs)
{
    nash_status status = NASH_OK;
    int32_t fresh = nash_graph_size(r->graph);
    for (int32_t k = 0; k < n_inputs; k++)
        REQUIRE(nash_graph_node(r->graph, inputs[k])->op != NASH_OP_SOFTMAX,
                NASH_EUNSUPPORTED,
                "it reads the softmax, which is expected to come last");
    TRY(make_room(r, fresh + 1));
    TRY(nash_graph_append(id, r->graph, op, attrs, inputs, n_inputs));
    r->built[fresh].tag =
        ni_reader_is_own(r, node, op) ? ni_onnx_tag(node->name, op) : -1;
done:
    return status;
}

nash_status ni_reader_append_one(ni_reader *r, const ni_pb_node *node,
                                 nash_op op, const nash_attrs *attrs,
                                 const ni_value *input, int32_t rank)
{
    int32_t id;
    nash_status status =
        ni_reader_append(&id, r, node, op, attrs, &input->id, 1);
    if (status == NASH_OK)
        ni_reader_set_tensor(r, node, id, rank);
    return status;
}

nash_status ni_reader_spend(ni_reader *r, int64_t count)
{
    if (count > r->allowance)
        return ni_fail(NASH_ELIMIT,
                       "the network's tensors are many times larger than its "
                       "file");
    r->allowance -= count;
    return NASH_OK;
}

nash_status ni_reader_source(ni_reader *r, int32_t id, int32_t slot,
                             const ni_constant *constant)
{
    nash_status status = ni_reader_spend(r, constant->count);
    if (status == NASH_OK)
        r->built[id].sources[slot] =
            (ni_source){.constant = constant, .count = constant->count};
    return status;
}

nash_status ni_reader_computed(float **values, ni_reader *r, int32_t id,
                               int32_t slot, int64_t count)
{
    nash_status status = NASH_OK;
    ni_source *source = &r->built[id].sources[slot];
    TRY(ni_reader_spend(r, 2 * count));
    NEW_ARRAY(source->values, count);
    source->count = count;
    *values = source->values;
done:
    return status;
}
