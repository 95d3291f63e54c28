/*
 * ONNX file to model. Costs one copy of the file and one of its tensors beside
 * the model. Reads opsets 7 to 20, inference graphs with one image input and
 * one output; refuses the rest by naming the first operator that does not fit.
 * A graph that ends without a softmax gets one; a log-softmax is read as one.
 */
#include "external.h"
#include "note.h"
#include "reader.h"
#include "wire.h"

#include "base/file.h"
#include "base/utf8.h"
#include "graph/edit.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_OPSET = 7, MOST_OPSET = 20, MAX_METADATA = 4096 };

/* ---- parsing ------------------------------------------------------------ */

static void *parser_alloc(void *is_out, size_t size_bytes)
{
    void *block = ni_alloc((int64_t)size_bytes, 1);
    if (!block)
        *(bool *)is_out = true;
    return block;
}

static void parser_free(void *is_out, void *block)
{
    (void)is_out;
    ni_free(block);
}

static nash_status parse(ni_pb_model **out, const uint8_t *data,
                         size_t size_bytes, const char *name)
{
    bool is_out = false;
    ProtobufCAllocator allocator = {parser_alloc, parser_free, &is_out};
    if (size_bytes > NI_ONNX_MAX_BYTES)
        return ni_fail(NASH_ELIMIT, "%s has %zu bytes, more than ONNX allows",
                       name, size_bytes);
    nash_status status = ni_onnx_check_wire(data, size_bytes, name);
    if (status != NASH_OK)
        return status;
    *out = onnx__model_proto__unpack(&allocator, size_bytes, data);
    if (*out)
        return NASH_OK;
    return is_out ? NASH_ENOMEM
                  : ni_fail(NASH_EFORMAT,
                            "%s is not an ONNX file: protobuf cannot parse it",
                            name);
}

static void free_parsed(ni_pb_model *file)
{
    bool unused = false;
    ProtobufCAllocator allocator = {parser_alloc, parser_free, &unused};
    onnx__model_proto__free_unpacked(file, &allocator);
}

static bool is_default_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static nash_status check_header(ni_reader *r)
{
    nash_status status = NASH_OK;
    const ni_pb_model *file = r->file;
    REQUIRE(file && file->graph, NASH_EFORMAT, "%s holds no ONNX graph",
            r->name);
    for (size_t i = 0; i < file->n_opset_import; i++)
        if (is_default_domain(file->opset_import[i]->domain))
            r->opset = file->opset_import[i]->version;
    REQUIRE(r->opset >= LEAST_OPSET && r->opset <= MOST_OPSET,
            NASH_EUNSUPPORTED, "%s has ONNX opset %lld, expected %d to %d",
            r->name, (long long)r->opset, LEAST_OPSET, MOST_OPSET);
    REQUIRE(file->graph->n_sparse_initializer == 0, NASH_EUNSUPPORTED,
            "%s has sparse initializers, expected dense ones", r->name);
    r->proto = file->graph;
    r->ours = file->producer_name &&
              strcmp(file->producer_name, NI_ONNX_PRODUCER) == 0;
done:
    return status;
}

/* ---- operators ---------------------------------------------------------- */

static nash_status open_inputs(bool *constant, const ni_reader *r,
                               const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    *constant = true;
    for (size_t k = 0; k < node->n_input; k++) {
        if (!*node->input[k])
            continue;
        ni_print name = ni_onnx_print(node->input[k]);
        ni_value *value = ni_reader_find(r, node->input[k]);
        REQUIRE(value, NASH_EFORMAT, "nothing gives its input \"%s\"",
                name.text);
        if (value->kind == NI_VALUE_UNSET && value->constant.proto) {
            TRY(ni_constant_open(&value->constant, value->constant.proto));
            value->kind = NI_VALUE_CONSTANT;
        }
        REQUIRE(value->kind != NI_VALUE_UNSET, NASH_EFORMAT,
                "nothing before it gives its input \"%s\"", name.text);
        *constant = *constant && value->kind == NI_VALUE_CONSTANT;
    }
done:
    return status;
}

static nash_status check_operator(const ni_operator *op, const ni_reader *r,
                                  const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const char *domain = is_default_domain(node->domain) ? NULL : node->domain;
    REQUIRE(op && !domain, NASH_EUNSUPPORTED,
            "no operation of ours corresponds to this operator%s%s",
            domain ? " of domain " : "", ni_onnx_print(domain).text);
    REQUIRE(node->n_input >= op->least, NASH_EUNSUPPORTED,
            "it has %zu inputs, expected at least %zu", node->n_input,
            op->least);
    REQUIRE(node->n_input <= op->most, NASH_EUNSUPPORTED,
            "it has %zu inputs, expected at most %zu", node->n_input, op->most);
    for (size_t k = 1; k < node->n_output; k++) {
        const ni_value *value = ni_reader_find(r, node->output[k]);
        REQUIRE(!value || !value->needed, NASH_EUNSUPPORTED,
                "its output \"%s\" is used, expected only the first one to be",
                ni_onnx_print(node->output[k]).text);
    }
    TRY(ni_attribute_check(node, op->attributes));
done:
    return status;
}

static nash_status read_operator(ni_reader *r, const ni_pb_node *node)
{
    nash_status status = NASH_OK;
    const ni_operator *op =
        ni_operator_find(node->op_type ? node->op_type : "");
    bool constant;
    TRY(check_operator(op, r, node));
    TRY(open_inputs(&constant, r, node));
    REQUIRE(constant ? op->fold != NULL : op->read != NULL, NASH_EUNSUPPORTED,
            "it reads %s, for which this operator is not supported",
            constant ? "only constants" : "what the network computes");
    TRY(constant ? op->fold(r, node) : op->read(r, node));
done:
    return status;
}

static nash_status blame(const ni_reader *r, const ni_pb_node *node,
                         nash_status status)
{
    ni_print name = ni_onnx_print_node(node);
    ni_print type = ni_onnx_print(node->op_type);
    char what[200];
    snprintf(what, sizeof what, "node %s (%s)", name.text, type.text);
    return ni_reader_blame(r, what, status);
}

static nash_status read_operators(ni_reader *r)
{
    nash_status status = NASH_OK;
    for (size_t i = 0; i < r->proto->n_node; i++)
        if (r->needed[i])
            TRY(blame(r, r->proto->node[i],
                      read_operator(r, r->proto->node[i])));
done:
    return status;
}

/* ---- the end ------------------------------------------------------------ */

/* The output as the softmax's, @p id; one is appended where there is none. */
static nash_status finish_output(int32_t *id, ni_reader *r)
{
    nash_status status = NASH_OK;
    ni_value *output = ni_reader_find(r, r->proto->output[0]->name);
    REQUIRE((nash_looks_count(r->looks) > 1) == r->averaged, NASH_EUNSUPPORTED,
            "it is not the mean over the looks at an image");
    REQUIRE(output->kind == NI_VALUE_TENSOR || output->kind == NI_VALUE_AFFINE,
            NASH_EUNSUPPORTED, "it is not computed from the image");
    if (output->kind == NI_VALUE_AFFINE)
        TRY(ni_reader_settle(r, NULL, output));
    nash_shape shape = ni_reader_shape(r, output->id);
    REQUIRE(shape.h == 1 && shape.w == 1, NASH_EUNSUPPORTED,
            "it is %d x %d x %d for an image, expected one number per class",
            shape.c, shape.h, shape.w);
    REQUIRE(shape.c >= 2, NASH_EUNSUPPORTED,
            "it is one number for an image, expected one per class, at least "
            "2");
    *id = output->id;
    if (nash_graph_node(r->graph, output->id)->op != NASH_OP_SOFTMAX)
        TRY(ni_reader_append(id, r, NULL, NASH_OP_SOFTMAX, NULL, &output->id,
                             1));
done:
    return status;
}

/* @return how many nodes the output needs, itself included */
static int32_t mark_read(bool *read, const nash_graph *g, int32_t output)
{
    int32_t count = 0;
    read[output] = true;
    for (int32_t id = output; id >= 0; id--) {
        for (int32_t k = 0; read[id] && k < nash_graph_node(g, id)->n_inputs;
             k++)
            read[nash_graph_input(g, id, k)] = true;
        count += read[id];
    }
    return count;
}

static nash_status copy_node(int32_t *ids, nash_graph *to, const nash_graph *g,
                             int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    int32_t inputs[NASH_MAX_INPUTS];
    for (int32_t k = 0; k < node->n_inputs; k++)
        inputs[k] = ids[nash_graph_input(g, id, k)];
    return nash_graph_append(&ids[id], to, node->op, &node->attrs, inputs,
                             node->n_inputs);
}

/* Nodes may be left without a reader: where nothing but an output's shape was
 * asked for. */
static nash_status drop_unread(ni_reader *r, int32_t output)
{
    nash_status status = NASH_OK;
    const int32_t n = nash_graph_size(r->graph);
    nash_graph *kept = NULL;
    int32_t *ids = NULL;
    bool *read = NULL;
    NEW_ARRAY(read, n);
    NEW_ARRAY(ids, n);
    if (mark_read(read, r->graph, output) == n)
        goto done;
    TRY(nash_graph_create(&kept));
    for (int32_t id = 0; id < n; id++) {
        ni_built built = r->built[id];
        if (read[id])
            TRY(copy_node(ids, kept, r->graph, id));
        else
            ni_built_deinit(&built);
        r->built[id] = (ni_built){0};
        if (read[id])
            r->built[ids[id]] = built;
    }
    nash_graph_free(r->graph);
    r->graph = kept;
    kept = NULL;
done:
    nash_graph_free(kept);
    ni_free(read);
    ni_free(ids);
    return status;
}

/* Tags that the file gives stay; the other nodes' follow the largest of them,
 * in order. */
static nash_status set_tags(ni_reader *r)
{
    nash_status status = NASH_OK;
    int32_t top = -1;
    for (int32_t id = 0; id < nash_graph_size(r->graph); id++)
        top = r->built[id].tag > top ? r->built[id].tag : top;
    for (int32_t id = 0; id < nash_graph_size(r->graph); id++) {
        int32_t tag = r->built[id].tag;
        REQUIRE(tag >= 0 || top < INT32_MAX, NASH_ELIMIT,
                "%s: the largest tag is %d, which leaves no tag for nodes "
                "without one",
                r->name, top);
        ni_graph_set_tag(r->graph, id, tag >= 0 ? tag : ++top);
    }
done:
    return status;
}

static nash_status finish_graph(ni_reader *r)
{
    nash_status status = NASH_OK;
    int32_t output;
    TRY(ni_reader_blame(r, "the output", finish_output(&output, r)));
    TRY(drop_unread(r, output));
    TRY(set_tags(r));
    status = nash_graph_check(r->graph);
    if (status != NASH_OK && status != NASH_ENOMEM)
        status = ni_fail(NASH_EFORMAT, "%s: %s", r->name, nash_error_message());
done:
    return status;
}

static nash_status fill_tensors(const nash_model *m, const ni_reader *r)
{
    nash_status status = NASH_OK;
    char name[32];
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(m)); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            nash_tensor *t = nash_model_tensor(m, id, slot);
            const ni_source *source = &r->built[id].sources[slot];
            if (!t)
                continue;
            nash_node_name(name, sizeof name, nash_model_graph(m), id);
            REQUIRE(source->count == t->count, NASH_EFORMAT,
                    "%s: a tensor of %s has %lld values, expected %lld",
                    r->name, name, (long long)source->count,
                    (long long)t->count);
            if (source->constant)
                ni_constant_floats(t->data, source->constant);
            else
                memcpy(t->data, source->values,
                       (size_t)t->count * sizeof *t->data);
        }
    }
done:
    return status;
}

static bool is_text(const char *s)
{
    return s && ni_utf8_is_valid(s);
}

/* Entries without a key mean nothing; what is not UTF-8 is no text. */
static nash_status copy_metadata(nash_model *m, const ni_reader *r)
{
    nash_status status = NASH_OK;
    const ni_pb_model *file = r->file;
    REQUIRE(file->n_metadata_props <= MAX_METADATA, NASH_ELIMIT,
            "%s has %zu metadata entries, at most %d are read", r->name,
            file->n_metadata_props, MAX_METADATA);
    for (size_t i = 0; i < file->n_metadata_props; i++) {
        const ni_pb_entry *entry = file->metadata_props[i];
        const char *value = entry->value ? entry->value : "";
        if (is_text(entry->key) && *entry->key && is_text(value))
            TRY(nash_model_set_meta(m, entry->key, value));
    }
done:
    return status;
}

static nash_status build(nash_model **out, ni_reader *r)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    TRY(ni_reader_open(r));
    TRY(read_operators(r));
    TRY(finish_graph(r));
    TRY(nash_model_create(&m, &r->graph));
    nash_model_set_looks(m, r->looks);
    TRY(fill_tensors(m, r));
    TRY(copy_metadata(m, r));
    *out = m;
    m = NULL;
done:
    nash_model_free(m);
    return status;
}

/* @param path  of the file, whose folder may hold more; NULL: there is none */
static nash_status read_bytes(nash_model **out, const void *data,
                              size_t size_bytes, const char *name,
                              const char *path)
{
    nash_status status = NASH_OK;
    ni_pb_model *file = NULL;
    ni_reader r = {.name = name};
    int64_t fetched = 0;
    *out = NULL;
    TRY(parse(&file, data, size_bytes, name));
    r.file = file;
    TRY(check_header(&r));
    if (path)
        TRY(ni_external_fetch(&fetched, file->graph, path));
    /* Weights of a byte each, or such that dozens of layers share, still fit.
     */
    r.allowance = 16 * ((int64_t)size_bytes + fetched) + (1 << 20);
    TRY(build(out, &r));
done:
    ni_reader_deinit(&r);
    free_parsed(file);
    return status;
}

nash_status nash_onnx_parse(nash_model **out, const void *data,
                            size_t size_bytes, const char *name)
{
    return read_bytes(out, data, size_bytes, name, NULL);
}

nash_status nash_onnx_read(nash_model **out, const char *path)
{
    nash_status status = NASH_OK;
    char *data = NULL;
    size_t size_bytes = 0;
    *out = NULL;
    TRY(ni_file_read(&data, &size_bytes, path, NI_ONNX_MAX_BYTES));
    TRY(read_bytes(out, data, size_bytes, path, path));
done:
    ni_free(data);
    return status;
}
