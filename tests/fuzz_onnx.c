/*
 * libFuzzer: ONNX files. Whatever the bytes are, reading must end with a model
 * or with a sentence, and leak nothing; a model that was read must come back
 * from its own file. Mutations are of bytes and, more often, of the parsed
 * file: other operators, inputs, numbers and sizes, so that what is read
 * stays near what can be read.
 */
#include "base/memory.h"
#include "base/rng.h"
#include "onnx/pack.h"
#include "onnx/pool.h"
#include "onnx/proto.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size_bytes,
                               size_t max_bytes, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size_bytes, size_t max_bytes);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_return(const nash_model *m)
{
    void *bytes = NULL;
    size_t size_bytes;
    nash_model *back = NULL;
    require(nash_graph_check(nash_model_graph(m)) == NASH_OK);
    require(ni_onnx_pack(&bytes, &size_bytes, m) == NASH_OK);
    require(nash_onnx_parse(&back, bytes, size_bytes, "back") == NASH_OK);
    require(nash_model_hash(m) == nash_model_hash(back));
    nash_model_free(back);
    ni_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    int64_t blocks = ni_memory_live_blocks();
    nash_model *m = NULL;
    nash_status status = nash_onnx_parse(&m, bytes, size_bytes, "input");
    if (status == NASH_OK)
        check_return(m);
    else
        require(!m && nash_error_message()[0] != '\0');
    nash_model_free(m);
    require(ni_memory_live_blocks() == blocks);
    return 0;
}

/* ---- mutations of the parsed file --------------------------------------- */

static char operators[][20] = {"Add",
                               "AveragePool",
                               "BatchNormalization",
                               "Cast",
                               "Clip",
                               "Concat",
                               "Constant",
                               "ConstantOfShape",
                               "Conv",
                               "Div",
                               "Dropout",
                               "Flatten",
                               "Gather",
                               "Gemm",
                               "GlobalAveragePool",
                               "GlobalMaxPool",
                               "MatMul",
                               "MaxPool",
                               "Mul",
                               "Pad",
                               "Relu",
                               "ReduceMean",
                               "Reshape",
                               "Shape",
                               "Slice",
                               "Softmax",
                               "Squeeze",
                               "Sub",
                               "Sum",
                               "Transpose",
                               "Unsqueeze",
                               "LogSoftmax",
                               "Identity"};

static char attributes[][20] = {
    "axis", "axes", "pads", "strides",   "dilations", "kernel_shape", "group",
    "perm", "to",   "ends", "ceil_mode", "transB",    "starts",       "mode"};

typedef struct mutation {
    ni_pool pool;
    ni_rng rng;
    ni_pb_model *file;
} mutation;

static size_t below(mutation *m, size_t n)
{
    return n ? ni_rng_below(&m->rng, (uint32_t)n) : 0;
}

static int64_t draw_int(mutation *m)
{
    static const int64_t odd[] = {0,       1,         2,         3,        4,
                                  7,       -1,        -2,        13,       255,
                                  1 << 20, INT32_MAX, INT64_MAX, INT64_MIN};
    return odd[below(m, sizeof odd / sizeof *odd)];
}

/* The name of some value. */
static char *draw_name(mutation *m)
{
    ni_pb_graph *g = m->file->graph;
    if (g->n_initializer && below(m, 2))
        return g->initializer[below(m, g->n_initializer)]->name;
    ni_pb_node *node = g->node[below(m, g->n_node)];
    return node->n_output ? node->output[0] : NULL;
}

static void mutate_attribute(mutation *m, ni_pb_node *node)
{
    if (!node->n_attribute)
        return;
    ni_pb_attribute *a = node->attribute[below(m, node->n_attribute)];
    if (below(m, 4) == 0)
        a->name = attributes[below(m, sizeof attributes / sizeof *attributes)];
    else if (a->n_ints)
        a->ints[below(m, a->n_ints)] = draw_int(m);
    else
        a->i = draw_int(m);
}

static void mutate_node(mutation *m)
{
    ni_pb_graph *g = m->file->graph;
    size_t at = below(m, g->n_node), other = below(m, g->n_node);
    ni_pb_node *node = g->node[at];
    char *name = draw_name(m);
    switch (below(m, 6)) {
    case 0:
        node->op_type =
            operators[below(m, sizeof operators / sizeof *operators)];
        break;
    case 1:
        if (node->n_input && name)
            node->input[below(m, node->n_input)] = name;
        break;
    case 2:
        if (node->n_input)
            node->n_input--;
        break;
    case 3:
        g->node[at] = g->node[other];
        g->node[other] = node;
        break;
    default:
        mutate_attribute(m, node);
        break;
    }
}

static void mutate_tensor(mutation *m)
{
    ni_pb_graph *g = m->file->graph;
    if (!g->n_initializer)
        return;
    ni_pb_tensor *t = g->initializer[below(m, g->n_initializer)];
    switch (below(m, 4)) {
    case 0:
        if (t->n_dims)
            t->dims[below(m, t->n_dims)] = draw_int(m);
        break;
    case 1:
        if (t->n_dims > 1)
            t->n_dims--;
        break;
    case 2:
        t->data_type = (int32_t)below(m, 17);
        break;
    default:
        if (t->raw_data.len >= 8)
            memcpy(t->raw_data.data, &(int64_t){draw_int(m)}, 8);
        break;
    }
}

static void mutate(mutation *m)
{
    ni_pb_model *file = m->file;
    if (!file->graph || !file->graph->n_node)
        return;
    for (size_t n = 1 + below(m, 3); n > 0; n--) {
        size_t dice = below(m, 16);
        if (dice < 11)
            mutate_node(m);
        else if (dice < 15)
            mutate_tensor(m);
        else if (file->n_opset_import)
            file->opset_import[0]->version = (int64_t)below(m, 24);
    }
}

static void *pool_alloc(void *pool, size_t size_bytes)
{
    return ni_pool_alloc(pool, 1, size_bytes);
}

static void pool_free(void *pool, void *block)
{
    (void)pool;
    (void)block;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size_bytes,
                               size_t max_bytes, unsigned seed)
{
    mutation m = {.rng = ni_rng_make(seed, NI_RNG_TEST, 0, 0)};
    ProtobufCAllocator allocator = {pool_alloc, pool_free, &m.pool};
    size_t packed = 0;
    if (below(&m, 4))
        m.file = onnx__model_proto__unpack(&allocator, size_bytes, bytes);
    if (m.file) {
        mutate(&m);
        packed = onnx__model_proto__get_packed_size(m.file);
    }
    if (packed > 0 && packed <= max_bytes)
        onnx__model_proto__pack(m.file, bytes);
    else
        packed = LLVMFuzzerMutate(bytes, size_bytes, max_bytes);
    ni_pool_deinit(&m.pool);
    return packed;
}
