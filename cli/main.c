/*
 * The program: picks the verb. Each verb is cmd_<verb>.c, a table of options
 * and a function.
 */
#include "cli.h"
#include "progress.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} verb;

static const verb verbs[] = {
    {"fetch", cmd_fetch, "get a public data set"},
    {"data", cmd_data, "describe a data set, and what is wrong with it"},
    {"search", cmd_search, "find a network for a data set"},
    {"resume", cmd_resume, "go on with an interrupted search"},
    {"train", cmd_train, "train one network"},
    {"eval", cmd_eval, "judge a network, or an ensemble, on a data set"},
    {"predict", cmd_predict, "name what is on a picture"},
    {"morph", cmd_morph, "change a network without changing its function"},
    {"show", cmd_show, "print a network's layers, or a run's attempts"},
    {"report", cmd_report, "write a run's report as a web page"},
    {"bench", cmd_bench, "measure how fast this machine trains"},
    {"candidate", cmd_candidate, "train one candidate of a search (internal)"},
};

enum { N_VERBS = sizeof verbs / sizeof *verbs };

static int help(void)
{
    printf("usage: nash VERB [options] ...\n\n"
           "Finds a convolutional network for your images by hill-climbing "
           "over network\nmorphisms.\n\n");
    for (int i = 0; i < N_VERBS; i++)
        printf("  %-10s %s\n", verbs[i].name, verbs[i].text);
    printf("\n'nash VERB --help' lists a verb's options; 'nash --version' says "
           "which nash this is.\n");
    return cli_finish(EXIT_OK);
}

static int version(void)
{
    printf("nash %s, %s\n", nash_version(),
           nash_engine_describe(NASH_ENGINE_ONEDNN));
    return cli_finish(EXIT_OK);
}

static void show_log(void *ctx, nash_log_level level, const char *line)
{
    (void)ctx;
    if (level == NASH_LOG_WARNING)
        progress_line("nash: warning: %s", line);
    else if (level == NASH_LOG_INFO)
        progress_line("nash: %s", line);
}

/* Where one of the three standard descriptors is closed, the next file would
 * get its number, and what is said would go into that. What is written to
 * standard output is still an error then. */
static void reserve_descriptors(void)
{
    static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", modes[fd]); /* gets the least, which is fd */
}

int main(int argc, char **argv)
{
    reserve_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error to report */
    nash_log_set_hook(show_log, NULL);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return argc < 2 ? (help(), EXIT_USAGE) : help();
    if (strcmp(argv[1], "--version") == 0)
        return version();
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return cli_finish(verbs[i].run(argc - 1, argv + 1));
    return cli_usage("", "'%s' is not a verb of nash", argv[1]);
}
