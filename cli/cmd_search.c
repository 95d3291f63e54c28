/*
 * nash search: begin a run. Options given beside a preset override it wherever
 * they stand, so the command line is read twice: once for the preset alone.
 */
#include "args.h"
#include "cli.h"
#include "presets.h"
#include "run.h"
#include "settings.h"

#include <stdlib.h>

/* Parse into s; argv is permuted. */
static int parse(settings *s, const char **output, int argc, char **argv)
{
    arg_option options[2 * SETTINGS_MOST];
    const arg_option first = {"output", ARG_TEXT, output,
                              "directory to make for the run (or -o)"};
    int operands;
    int n = 1;
    options[0] = first;
    n += settings_options(options + n, s);
    settings_run_options(options + n, s);
    char *notes = preset_notes();
    const arg_spec spec = {
        "search", "DATA -o RUN", "Find a convolutional network for a data set.",
        options,  notes,         1,
        1};
    int go = args_parse(&operands, &spec, argc, argv);
    free(notes);
    return go;
}

/* The preset that the command line names. */
static int find_preset(int *preset, int argc, char **argv)
{
    settings scratch = settings_default();
    const char *output = NULL;
    char **copy = args_copy(argc, argv);
    if (!copy)
        return cli_error("out of memory");
    int go = parse(&scratch, &output, argc, copy);
    *preset = scratch.preset;
    free(copy);
    return go;
}

int cmd_search(int argc, char **argv)
{
    settings s = settings_default();
    const char *output = NULL;
    int preset = 0;
    int go = find_preset(&preset, argc, argv);
    if (go != ARGS_GO)
        return go;
    settings_apply_preset(&s, preset);
    parse(&s, &output, argc, argv);
    if (!output)
        return cli_usage("search", "-o is missing, expected a directory to "
                                   "make for the run");
    int result = settings_complete(&s, "search");
    return result == EXIT_OK ? run_begin(&s, argv[1], output) : result;
}
