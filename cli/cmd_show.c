/*
 * nash show: print what a model file or a run's directory holds, or draw it.
 * Reads only.
 */
#include "show.h"

#include "args.h"
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int write_svg(const char *path, char *svg)
{
    int result = EXIT_OK;
    FILE *file = fopen(path, "w");
    if (!file) {
        result = cli_error("%s: %s", path, strerror(errno));
    } else {
        bool written = fputs(svg, file) >= 0;
        if (fclose(file) != 0 || !written)
            result = cli_error("%s: %s", path, strerror(errno));
        else
            printf("%s\n", path);
    }
    nash_text_free(svg);
    return result;
}

static int show_file(const char *name, const char *svg_path, bool json)
{
    nash_model *m = NULL;
    char *svg = NULL;
    int result = EXIT_OK;
    if (nash_onnx_read(&m, name) != NASH_OK)
        return cli_fail(NULL);
    if (!svg_path)
        show_model(m, name, json);
    else if (nash_graph_svg(&svg, nash_model_graph(m)) != NASH_OK)
        result = cli_fail(NULL);
    else
        result = write_svg(svg_path, svg);
    nash_model_free(m);
    return result;
}

static int show_directory(const char *name, const char *svg_path, bool json)
{
    nash_history *history = NULL;
    char *svg = NULL;
    int result = EXIT_OK;
    if (nash_history_load(&history, name) != NASH_OK)
        return cli_fail("expected a model file, or a directory that 'nash "
                        "search' made");
    if (!svg_path)
        show_run(history, name, json);
    else if (nash_lineage_svg(&svg, history) != NASH_OK)
        result = cli_fail(NULL);
    else
        result = write_svg(svg_path, svg);
    nash_history_free(history);
    return result;
}

int cmd_show(int argc, char **argv)
{
    const char *svg = NULL;
    bool json = false;
    struct stat info;
    int operands;
    const arg_option options[] = {
        {"svg", ARG_TEXT, &svg,
         "draw the network, or the run's lineage, into this file instead",
         .fallback = ""},
        {"json", ARG_FLAG, &json, "print as JSON, all of it"},
        {NULL}};
    const arg_spec spec = {
        "show",
        "MODEL | RUN",
        "Print a network's layers, or every attempt of a run.",
        options,
        "Of a model: layers, output sizes, parameters, multiply-accumulates, "
        "metadata.\nOf a run: whether it is finished, lineage, changes, "
        "scores, "
        "costs, failures, and\nwhich candidates were chosen.",
        1,
        1};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    if (svg && json)
        return cli_usage("show", "--svg and --json exclude each other");
    int result = stat(argv[1], &info) == 0 && S_ISDIR(info.st_mode)
                     ? show_directory(argv[1], svg, json)
                     : show_file(argv[1], svg, json);
    return result;
}
