/*
 * nash candidate: train one candidate of a search. `nash search` starts it; by
 * hand it repeats a candidate whose job.json is there.
 */
#include "args.h"
#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t asked_to_end;

/* As when standard input ends: training writes its state first. */
static void end_input(int signal_number)
{
    (void)signal_number;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    asked_to_end = 1;
    if (nothing >= 0)
        dup2(nothing, STDIN_FILENO);
}

static void catch_end(void)
{
    const struct sigaction action = {.sa_handler = end_input,
                                     .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
}

int cmd_candidate(int argc, char **argv)
{
    bool encoded = false;
    double checkpoint_every = 60.0, until = 0.0, epochs_after = 0.0;
    int operands;
    const arg_option options[] = {
        {"encoded", ARG_FLAG, &encoded,
         "DIR is percent-encoded, to pass through remote shells"},
        {"checkpoint-every", ARG_REAL, &checkpoint_every,
         "seconds between two states of the training, which it goes on from "
         "after a crash; 0: none",
         0, 1e9},
        {"until", ARG_REAL, &until,
         "when the training has to be done, of fewer epochs if need be, in "
         "seconds since 1970; 0: whenever",
         0, 1e12},
        {"epochs-after", ARG_REAL, &epochs_after,
         "of whose time to leave until then for what comes after", 0, 1e6},
        {NULL}};
    const arg_spec spec = {
        "candidate",
        "DIR",
        "Train the candidate of a search whose directory is DIR.",
        options,
        "Progress is written to standard output, a line at a time; the result "
        "is\nDIR/result.json. Training is given up, and its state written, "
        "when standard\ninput ends.",
        1,
        1};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    if (encoded && nash_candidate_decode(argv[1]) != NASH_OK)
        return cli_fail(NULL);
    catch_end();
    nash_status status =
        nash_candidate_run(argv[1], STDOUT_FILENO, STDIN_FILENO,
                           checkpoint_every, until, epochs_after);
    if (status != NASH_OK)
        cli_fail(NULL);
    if (asked_to_end) {
        signal(SIGTERM, SIG_DFL);
        raise(SIGTERM);
    }
    return nash_candidate_exit(status);
}
