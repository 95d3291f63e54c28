/*
 * nash bench: how many images a second this machine trains on, by a network
 * that every version has or one's own, and where the time goes. The images are
 * made up; nothing is written.
 */
#include "args.h"
#include "cli.h"
#include "json.h"
#include "limits.h"
#include "table.h"

#include <stdlib.h>

static const char *const nets[] = {"start", "vgg", "resnet9", NULL};

typedef struct request {
    const char *model; /* NULL: a network by name */
    int net;
    bool net_given, profile, json;
    double seconds;
    nash_train_opts train;
} request;

static int parse(request *ask, int argc, char **argv)
{
    int operands;
    const arg_option options[] = {
        {"net", ARG_CHOICE, &ask->net, "instead of MODEL", .choices = nets,
         .given = &ask->net_given},
        {"batch", ARG_INT, &ask->train.batch, "images per step", 1, 65536},
        {"precision", ARG_CHOICE, &ask->train.precision,
         "auto is bf16 where the chip computes it",
         .choices = nash_precision_names},
        {"threads", ARG_INT, &ask->train.threads, "to compute with", 1, 1024,
         .fallback = "all processors"},
        {"engine", ARG_CHOICE, &ask->train.engine, "what computes",
         .choices = nash_engine_names},
        {"seconds", ARG_REAL, &ask->seconds, "to measure for, at least", 0,
         3600},
        {"profile", ARG_FLAG, &ask->profile, "also print times by node"},
        {"json", ARG_FLAG, &ask->json, "print the result as JSON"},
        {NULL}};
    const arg_spec spec = {
        "bench",
        "--net NAME | MODEL",
        "Measure whole training steps (forward, loss, backward, update) on "
        "made-up images.",
        options,
        "Networks: start is the paper's starting network for 32 x 32 "
        "pixels, vgg a chain\nof eight convolutions, resnet9 the "
        "residual network of that name. Gflops counts\n6 operations "
        "per multiply-accumulate of the forward pass: 2 for it, 4 for "
        "its\ngradients.",
        0,
        1};
    int go = args_parse(&operands, &spec, argc, argv);
    ask->model = go == ARGS_GO && operands == 1 ? argv[1] : NULL;
    if (go == ARGS_GO && !!ask->model == ask->net_given)
        return cli_usage("bench", "expected either --net NAME or a MODEL");
    return go;
}

static nash_status make_model(nash_model **m, const request *ask)
{
    nash_net_opts opts = nash_net_opts_default();
    for (int c = 0; c < 3; c++) {
        opts.mean[c] = 127.5F;
        opts.std[c] = 64.0F;
    }
    if (ask->model)
        return nash_onnx_read(m, ask->model);
    if (ask->net == 0)
        return nash_net_start(m, &opts);
    if (ask->net == 1)
        return nash_net_vgg(m, &opts);
    return nash_net_resnet9(m, &opts);
}

/* ---- the result --------------------------------------------------------- */

static const char *name_of(const request *ask)
{
    return ask->model ? ask->model : nets[ask->net];
}

/* Operations per step in units of 1e9, of one direction. */
static double work(const request *ask, const nash_graph *g, int32_t id,
                   bool backward)
{
    double macs = (double)nash_node_macs(g, id) * ask->train.batch;
    return (backward ? 4e-9 : 2e-9) * macs;
}

static double rate(double gflop, double seconds)
{
    return seconds > 0.0 ? gflop / seconds : 0.0;
}

static void json_nodes(const request *ask, const nash_graph *g,
                       const double *nodes)
{
    json_array("nodes");
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        char name[32];
        nash_node_name(name, sizeof name, g, id);
        json_object(NULL);
        json_text("node", name);
        json_real("forward_ms", 1e3 * nodes[2 * id]);
        json_real("backward_ms", 1e3 * nodes[2 * id + 1]);
        json_real("forward_gflops",
                  rate(work(ask, g, id, false), nodes[2 * id]));
        json_real("backward_gflops",
                  rate(work(ask, g, id, true), nodes[2 * id + 1]));
        json_end();
    }
    json_end();
}

static void print_json(const request *ask, const nash_model *m,
                       const nash_speed *speed, const double *nodes)
{
    const nash_graph *g = nash_model_graph(m);
    json_object(NULL);
    json_text("net", name_of(ask));
    json_text("engine", nash_engine_describe(ask->train.engine));
    json_text("precision", nash_precision_names[speed->precision]);
    json_int("batch", ask->train.batch);
    json_int("threads", ask->train.threads);
    json_int("steps", speed->steps);
    json_real("images_per_second", speed->images_per_second);
    json_real("gflops", speed->gflops);
    json_real("step_ms", speed->step_ms);
    json_real("forward_ms", speed->forward_ms);
    json_real("loss_ms", speed->loss_ms);
    json_real("backward_ms", speed->backward_ms);
    json_real("update_ms", speed->update_ms);
    json_int("bytes", (int64_t)speed->bytes);
    json_int("params", nash_graph_params(g));
    json_int("macs", nash_graph_macs(g));
    if (nodes)
        json_nodes(ask, g, nodes);
    json_end();
}

static void rate_cell(table *t, double gflop, double seconds)
{
    if (gflop > 0.0 && seconds > 0.0)
        table_cell(t, "%.0f", gflop / seconds);
    else
        table_cell(t, "%s", "");
}

static void print_nodes(const request *ask, const nash_graph *g,
                        const double *nodes)
{
    static const char *const columns[] = {
        "node",     ">forward ms", ">GFLOP/s", ">backward ms",
        ">GFLOP/s", ">share",      NULL};
    table *t = table_new(columns);
    double all = 0.0;
    for (int32_t i = 0; i < 2 * nash_graph_size(g); i++)
        all += nodes[i];
    for (int32_t id = 0; t && id < nash_graph_size(g); id++) {
        const double *spent = &nodes[2 * id];
        char name[32];
        if (spent[0] + spent[1] <= 0.0)
            continue;
        nash_node_name(name, sizeof name, g, id);
        table_cell(t, "%s", name);
        table_cell(t, "%.2f", 1e3 * spent[0]);
        rate_cell(t, work(ask, g, id, false), spent[0]);
        table_cell(t, "%.2f", 1e3 * spent[1]);
        rate_cell(t, work(ask, g, id, true), spent[1]);
        table_cell(t, "%.1f %%", 100.0 * (spent[0] + spent[1]) / all);
    }
    putchar('\n');
    table_print(t);
}

static void print_text(const request *ask, const nash_model *m,
                       const nash_speed *speed, const double *nodes)
{
    const nash_graph *g = nash_model_graph(m);
    char params[32], macs[32], bytes[32];
    printf("%s: %s parameters, %s MACs\n", name_of(ask),
           cli_count(params, (double)nash_graph_params(g)),
           cli_count(macs, (double)nash_graph_macs(g)));
    printf("%s, %s, batch %d, %d thread%s, %s\n",
           nash_engine_describe(ask->train.engine),
           nash_precision_names[speed->precision], ask->train.batch,
           ask->train.threads, ask->train.threads == 1 ? "" : "s",
           cli_bytes(bytes, (double)speed->bytes));
    printf("%.0f images/s, %.0f GFLOP/s\n", speed->images_per_second,
           speed->gflops);
    printf("%.2f ms a step: forward %.2f, loss %.2f, backward %.2f, update "
           "%.2f (medians of %d steps)\n",
           speed->step_ms, speed->forward_ms, speed->loss_ms,
           speed->backward_ms, speed->update_ms, speed->steps);
    if (nodes)
        print_nodes(ask, g, nodes);
}

static int measure(const request *ask, nash_model *m)
{
    nash_speed speed;
    double *nodes = NULL;
    int result = EXIT_OK;
    size_t size = (size_t)nash_graph_size(nash_model_graph(m));
    if (ask->profile)
        nodes = calloc(2 * size, sizeof *nodes);
    if (ask->profile && !nodes)
        result = cli_error("out of memory for %zu nodes", size);
    else if (nash_train_speed(&speed, nodes, m, &ask->train, ask->seconds,
                              NULL) != NASH_OK)
        result = cli_fail(NULL);
    else if (ask->json)
        print_json(ask, m, &speed, nodes);
    else
        print_text(ask, m, &speed, nodes);
    free(nodes);
    return result;
}

int cmd_bench(int argc, char **argv)
{
    request ask = {.seconds = 3.0, .train = nash_train_opts_default()};
    nash_model *m = NULL;
    ask.train.threads = limits_cpus();
    int result = parse(&ask, argc, argv);
    if (result != ARGS_GO)
        return result;
    if (make_model(&m, &ask) != NASH_OK)
        return cli_fail(NULL);
    result = measure(&ask, m);
    nash_model_free(m);
    return result;
}
