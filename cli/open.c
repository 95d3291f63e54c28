/*
 * Models meet data sets. Refuses a model whose number of classes, or whose
 * class names, are not the data set's.
 */
#include "open.h"

#include "cli.h"
#include "limits.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256 };

/* The classes of a model; a model from elsewhere names none. */
typedef struct class_names {
    char (*names)[NAME_BYTES]; /* [n] */
    int32_t n;
    bool given;
} class_names;

/* The first class that model and data set name differently, or -1. */
static int32_t first_foreign_class(const class_names *own,
                                   const nash_dataset *ds)
{
    char name[NAME_BYTES];
    for (int32_t k = 0; own->given && k < own->n; k++) {
        snprintf(name, sizeof name, "%s", nash_dataset_class(ds, k));
        if (strcmp(own->names[k], name) != 0)
            return k;
    }
    return -1;
}

static bool has_class(const nash_dataset *ds, const char *name)
{
    for (int32_t k = 0; k < nash_dataset_classes(ds); k++)
        if (strcmp(nash_dataset_class(ds, k), name) == 0)
            return true;
    return false;
}

/* The classes that only the model knows, the first few of them. @return how
 * many there are; 0: it knows none, or the data has others, too */
static int32_t find_missing(char *text, size_t size, const class_names *own,
                            const nash_dataset *ds)
{
    enum { MOST_NAMED = 5 };
    size_t n = 0;
    int32_t missing = 0;
    text[0] = '\0';
    for (int32_t k = 0; k < own->n; k++) {
        const char *name = own->names[k];
        if (has_class(ds, name) || ++missing > MOST_NAMED || n >= size)
            continue;
        n += (size_t)snprintf(text + n, size - n, "%s'%s'",
                              missing > 1 ? ", " : "", name);
    }
    if (missing > MOST_NAMED && n < size)
        snprintf(text + n, size - n, " and %d more", missing - MOST_NAMED);
    bool subset = own->n - missing == nash_dataset_classes(ds);
    return subset && own->given ? missing : 0;
}

static int compare_classes(const class_names *own, const char *name,
                           const nash_dataset *ds, const char *dir)
{
    char missing[1024];
    int32_t classes = nash_dataset_classes(ds);
    if (own->n != classes && find_missing(missing, sizeof missing, own, ds) > 0)
        return cli_error(
            "%s tells %d classes apart, %s has %d of them; missing: "
            "%s",
            name, own->n, dir, classes, missing);
    if (own->n != classes)
        return cli_error("%s tells %d classes apart, %s has %d; 'nash train' "
                         "and 'nash search' take --new-head",
                         name, own->n, dir, classes);
    int32_t k = first_foreign_class(own, ds);
    if (k < 0)
        return EXIT_OK;
    return cli_error("%s calls class %d '%s', in %s it is '%s': it was trained "
                     "for other data",
                     name, k, own->names[k], dir, nash_dataset_class(ds, k));
}

/* Release with free(own->names). */
static int read_classes(class_names *own, const nash_model *m)
{
    own->n = nash_graph_classes(nash_model_graph(m));
    own->given = nash_model_meta(m, NASH_META_CLASSES) != NULL;
    own->names = calloc((size_t)own->n, sizeof *own->names);
    if (!own->names)
        return cli_error("out of memory");
    nash_class_names(own->names[0], NAME_BYTES, m);
    return EXIT_OK;
}

int open_check_classes(const nash_model *m, const char *name,
                       const nash_dataset *ds, const char *dir)
{
    class_names own;
    int result = read_classes(&own, m);
    if (result == EXIT_OK)
        result = compare_classes(&own, name, ds, dir);
    free(own.names);
    return result;
}

int open_check_channels(const char *name, int32_t channels)
{
    if (channels == 1 || channels == 3)
        return EXIT_OK;
    return cli_error("%s takes images with %d channels, pictures have 1 or 3",
                     name, channels);
}

int open_dataset(nash_dataset **out, const char *dir,
                 const nash_dataset_opts *given)
{
    nash_dataset_opts opts = *given;
    opts.max_bytes = (int64_t)(limits_memory() / 2); /* candidates need room */
    opts.threads = limits_cpus();
    progress_busy("reading %s", dir);
    nash_status status = nash_dataset_open(out, dir, &opts);
    progress_clear();
    return status == NASH_OK ? EXIT_OK : cli_fail(NULL);
}

/* @param size  to resize to; NULL: the images' own
 * @param name  of the model that wants it */
static int open_sized(nash_dataset **out, const char *dir,
                      const nash_shape *size, const char *name,
                      const nash_dataset_opts *given)
{
    nash_dataset_opts opts = given ? *given : nash_dataset_opts_default();
    *out = NULL;
    if (size) {
        if (open_check_channels(name, size->c) != EXIT_OK)
            return EXIT_FAILED;
        opts.height = size->h;
        opts.width = size->w;
        opts.channels = size->c;
    }
    return open_dataset(out, dir, &opts);
}

/* The images as they are, which have to be as the model takes them. */
static int open_exact(nash_dataset **out, const char *dir, const nash_model *m,
                      const char *name)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    const nash_images *images;
    if (nash_dataset_images(&images, *out, NASH_PART_TRAIN) != NASH_OK)
        return cli_fail(NULL);
    nash_shape have = images->shape;
    if (have.c == want.c && have.h == want.h && have.w == want.w)
        return EXIT_OK;
    return cli_error("%s takes images of %d x %d pixels with %d channels, "
                     "those of %s have %d x %d with %d",
                     name, want.h, want.w, want.c, dir, have.h, have.w, have.c);
}

/* A network from elsewhere may want its images just so, but for pictures. */
static int open_for_foreign(nash_dataset **out, const char *dir,
                            const nash_model *m, const char *name,
                            const nash_dataset_opts *given)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    nash_dataset_opts opts = given ? *given : nash_dataset_opts_default();
    opts.lazy = true; /* it may be closed at once */
    int result = open_sized(out, dir, NULL, name, &opts);
    if (result != EXIT_OK)
        return result;
    if (strcmp(nash_dataset_format(*out), "folder") != 0)
        return open_exact(out, dir, m, name);
    nash_dataset_close(*out);
    return open_sized(out, dir, &want, name, given);
}

static int give_up(nash_dataset **out, int result)
{
    if (result != EXIT_OK) {
        nash_dataset_close(*out);
        *out = NULL;
    }
    return result;
}

int open_for_model(nash_dataset **out, const char *dir, const nash_model *m,
                   const char *name, const nash_dataset_opts *opts)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    int result = nash_model_meta(m, NASH_META_CLASSES)
                     ? open_sized(out, dir, &want, name, opts)
                     : open_for_foreign(out, dir, m, name, opts);
    if (result == EXIT_OK)
        result = open_check_classes(m, name, *out, dir);
    return give_up(out, result);
}

int open_to_judge(nash_dataset **out, const char *dir, const nash_model *m,
                  const char *name, const nash_dataset_opts *given)
{
    nash_dataset_opts opts = *given;
    class_names own;
    int result = read_classes(&own, m);
    const char **names =
        result == EXIT_OK ? calloc((size_t)own.n, sizeof *names) : NULL;
    if (result == EXIT_OK && !names)
        result = cli_error("out of memory");
    for (int32_t k = 0; names && k < own.n; k++)
        names[k] = own.names[k];
    if (own.given) {
        opts.classes = names;
        opts.n_classes = own.n;
    }
    if (result == EXIT_OK)
        result = open_for_model(out, dir, m, name, &opts);
    free(names);
    free(own.names);
    return result;
}

int open_for_new_head(nash_dataset **out, const char *dir, nash_model *m,
                      const char *name, uint64_t seed)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    int result = open_sized(out, dir, &want, name, NULL);
    if (result == EXIT_OK &&
        nash_model_new_head(m, nash_dataset_classes(*out), seed) != NASH_OK)
        result = cli_error("--new-head is not possible for %s: %s", name,
                           nash_error_message());
    return give_up(out, result);
}

int open_cannot_split(nash_status status)
{
    return cli_fail(status == NASH_EINVAL
                        ? "more images, or a larger --val-share, are what helps"
                        : NULL);
}
