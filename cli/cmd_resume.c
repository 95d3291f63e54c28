/*
 * nash resume: go on with an interrupted search. Its settings come from the
 * run; only what changes nothing about the result can be chosen anew, and what
 * is not is as the search was given it.
 */
#include "args.h"
#include "cli.h"
#include "run.h"
#include "settings.h"

int cmd_resume(int argc, char **argv)
{
    settings s = settings_default();
    arg_option options[SETTINGS_MOST];
    int operands;
    settings_run_options(options, &s);
    const arg_spec spec = {
        "resume",
        "RUN",
        "Go on with an interrupted search.",
        options,
        "Candidates that were finished are not trained again; the result is "
        "the same as\nwithout the interruption. What is not given here is as "
        "the search was given it.",
        1,
        1};
    int go = args_parse(&operands, &spec, argc, argv);
    return go == ARGS_GO ? run_resume(&s, argv[1]) : go;
}
