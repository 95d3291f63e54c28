/* A model in text and JSON. Long metadata, but for scores, is cut in text and
 * whole in JSON. */
#include "show.h"

#include "cli.h"
#include "json.h"
#include "table.h"

#include <string.h>

enum { LONGEST_VALUE = 100 };

/* ---- text --------------------------------------------------------------- */

static void name_inputs(char *text, size_t size, const nash_graph *g,
                        int32_t id)
{
    size_t n = 0;
    text[0] = '\0';
    for (int32_t k = 0; k < nash_graph_node(g, id)->n_inputs && n < size; k++) {
        char name[32];
        nash_node_name(name, sizeof name, g, nash_graph_input(g, id, k));
        n += (size_t)snprintf(text + n, size - n, "%s%s", k ? ", " : "", name);
    }
}

static void put_count(table *t, int64_t count)
{
    char text[32];
    table_cell(t, "%s", count ? cli_count(text, (double)count) : "");
}

static void print_layers(const nash_graph *g)
{
    static const char *const columns[] = {
        "layer", "operation", "inputs", "output", ">parameters", ">MACs", NULL};
    table *t = table_new(columns);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_shape shape = nash_graph_node(g, id)->shape;
        char name[32], operation[96], inputs[2400];
        nash_node_name(name, sizeof name, g, id);
        nash_node_describe(operation, sizeof operation, g, id);
        name_inputs(inputs, sizeof inputs, g, id);
        table_cell(t, "%s", name);
        table_cell(t, "%s", operation);
        table_cell(t, "%s", inputs);
        table_cell(t, "%d x %d x %d", shape.c, shape.h, shape.w);
        put_count(t, nash_node_params(g, id));
        put_count(t, nash_node_macs(g, id));
    }
    table_print(t);
}

static void print_value(const char *value)
{
    cli_print(value, LONGEST_VALUE);
    puts(strlen(value) > LONGEST_VALUE ? "..." : "");
}

/* {"val_error":0.1,"val_images":9} as "val_error 0.1, val_images 9". */
static void print_scores(const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (strchr("{}\"", c))
            continue;
        putchar(c == ':' || c < 0x20 || c == 0x7f ? ' ' : c);
        if (c == ',')
            putchar(' ');
    }
    putchar('\n');
}

static void print_metadata(const nash_model *m)
{
    for (int32_t i = 0; i < nash_model_meta_count(m); i++) {
        const char *key, *value;
        nash_model_meta_at(m, i, &key, &value);
        cli_print(key, SIZE_MAX);
        printf(": ");
        if (strcmp(key, NASH_META_SCORES) == 0)
            print_scores(value);
        else
            print_value(value);
    }
}

static void print_text(const nash_model *m)
{
    const nash_graph *g = nash_model_graph(m);
    char params[32], macs[32];
    print_layers(g);
    printf("\n%d layers, %d classes, %s parameters (%lld), %s "
           "multiply-accumulates per image\n",
           nash_graph_size(g), nash_graph_classes(g),
           cli_count(params, (double)nash_graph_params(g)),
           (long long)nash_graph_params(g),
           cli_count(macs, (double)nash_graph_macs(g)));
    nash_looks looks = nash_model_looks(m);
    if (nash_looks_count(looks) > 1)
        printf("It averages over each image%s%s, which takes %d times as "
               "many.\n",
               looks.shifted ? " as it is and shifted by a pixel, two ways"
                             : "",
               !looks.mirrored ? ""
               : looks.shifted ? ", and their mirror images"
                               : " and its mirror image",
               nash_looks_count(looks));
    print_metadata(m);
}

/* ---- JSON --------------------------------------------------------------- */

static void json_shape(const char *key, nash_shape shape)
{
    json_array(key);
    json_int(NULL, shape.c);
    json_int(NULL, shape.h);
    json_int(NULL, shape.w);
    json_end();
}

static void json_ints(const char *key, const int32_t *values, int n)
{
    json_array(key);
    for (int i = 0; i < n; i++)
        json_int(NULL, values[i]);
    json_end();
}

static void json_attributes(const nash_node *node)
{
    const nash_attrs *a = &node->attrs;
    if (a->kernel[0] > 0) {
        json_ints("kernel", a->kernel, 2);
        json_ints("stride", a->stride, 2);
        json_ints("dilation", a->dilation, 2);
        json_ints("pads", a->pads, 4);
    }
    if (a->groups > 1)
        json_int("groups", a->groups);
    if (node->op == NASH_OP_CONV || node->op == NASH_OP_FC)
        json_bool("bias", a->bias);
    if (node->op == NASH_OP_MAX_POOL || node->op == NASH_OP_AVG_POOL)
        json_bool("ceil_mode", a->ceil_mode);
    if (node->op == NASH_OP_AVG_POOL)
        json_bool("count_include_pad", a->count_include_pad);
    if (node->op == NASH_OP_BATCH_NORM) {
        json_real("eps", (double)a->eps);
        json_real("momentum", (double)a->momentum);
    }
    if (node->op == NASH_OP_CLIP) {
        json_real("low", (double)a->low);
        json_real("high", (double)a->high);
    }
}

static void json_layer(const nash_graph *g, int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    char name[32];
    nash_node_name(name, sizeof name, g, id);
    json_object(NULL);
    json_text("name", name);
    json_text("op", nash_op_name(node->op));
    json_array("inputs");
    for (int32_t k = 0; k < node->n_inputs; k++) {
        nash_node_name(name, sizeof name, g, nash_graph_input(g, id, k));
        json_text(NULL, name);
    }
    json_end();
    json_shape("output", node->shape);
    json_attributes(node);
    json_int("params", nash_node_params(g, id));
    json_int("macs", nash_node_macs(g, id));
    json_end();
}

static void print_json(const nash_model *m, const char *name)
{
    const nash_graph *g = nash_model_graph(m);
    json_object(NULL);
    json_text("model", name);
    json_shape("input", nash_graph_input_shape(g));
    json_int("classes", nash_graph_classes(g));
    json_int("params", nash_graph_params(g));
    json_int("macs", nash_graph_macs(g));
    json_bool("mirrored", nash_model_looks(m).mirrored);
    json_bool("shifted", nash_model_looks(m).shifted);
    json_hex("graph_hash", nash_graph_hash(g));
    json_hex("model_hash", nash_model_hash(m));
    json_array("layers");
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        json_layer(g, id);
    json_end();
    json_object("metadata");
    for (int32_t i = 0; i < nash_model_meta_count(m); i++) {
        const char *key, *value;
        nash_model_meta_at(m, i, &key, &value);
        json_text(key, value);
    }
    json_end();
    json_end();
}

void show_model(const nash_model *m, const char *name, bool json)
{
    if (json)
        print_json(m, name);
    else
        print_text(m);
}
