/*
 * nash report: write a run's page anew, also while the run is going on. Reads
 * the run, and writes nothing but the page.
 */
#include "args.h"
#include "cli.h"

#include <stdlib.h>
#include <unistd.h>

/* The result so far; none is no error. */
static int read_best(nash_model **best, const char *dir)
{
    char *path;
    int result = EXIT_OK;
    *best = NULL;
    if (asprintf(&path, "%s/best.onnx", dir) < 0)
        return cli_error("out of memory");
    if (access(path, F_OK) == 0 && nash_onnx_read(best, path) != NASH_OK)
        result = cli_fail(NULL);
    free(path);
    return result;
}

static int write_page(const char *path, const char *dir)
{
    nash_history *history = NULL;
    nash_model *best = NULL;
    if (nash_history_load(&history, dir) != NASH_OK)
        return cli_fail("'nash search DATA -o RUN' makes a run");
    int result = read_best(&best, dir);
    if (result == EXIT_OK && nash_report_write(path, history, best) != NASH_OK)
        result = cli_fail(NULL);
    if (result == EXIT_OK)
        printf("%s\n", path);
    nash_model_free(best);
    nash_history_free(history);
    return result;
}

int cmd_report(int argc, char **argv)
{
    const char *output = NULL;
    char *path = NULL;
    int operands;
    const arg_option options[] = {{"output", ARG_TEXT, &output,
                                   "file to write (or -o)",
                                   .fallback = "RUN/report.html"},
                                  {NULL}};
    const arg_spec spec = {
        "report",
        "RUN",
        "Write a run's report: one web page with everything in it.",
        options,
        "The page needs no network and no scripts. A run that is still going "
        "on can be\nreported too. Prints the page's path.",
        1,
        1};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    if (!output && asprintf(&path, "%s/report.html", argv[1]) < 0)
        return cli_error("out of memory");
    int result = write_page(output ? output : path, argv[1]);
    free(path);
    return result;
}
