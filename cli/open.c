/*
 * Models meet data sets. Refuses a model whose number of classes, or whose
 * class names, are not the data set's.
 */
#include "open.h"

#include "cli.h"

#include <string.h>

/* The first class that model and data set name differently, or -1. A model from
 * elsewhere names none: then nothing differs. */
static int32_t first_foreign_class(const nash_model *m, const nash_dataset *ds)
{
    char name[128], own[128];
    int32_t classes = nash_graph_classes(nash_model_graph(m));
    if (!nash_model_meta(m, NASH_META_CLASSES))
        return -1;
    for (int32_t k = 0; k < classes; k++) {
        nash_class_name(name, sizeof name, m, k);
        snprintf(own, sizeof own, "%s", nash_dataset_class(ds, k));
        if (strcmp(name, own) != 0)
            return k;
    }
    return -1;
}

static int check_classes(const nash_model *m, const char *name,
                         const nash_dataset *ds, const char *dir,
                         int32_t classes)
{
    char class_name[128];
    int32_t own = nash_graph_classes(nash_model_graph(m));
    if (own != classes)
        return cli_error("%s tells %d classes apart, %s has %d; --new-head "
                         "trains it for those",
                         name, own, dir, classes);
    int32_t k = first_foreign_class(m, ds);
    if (k < 0)
        return EXIT_OK;
    nash_class_name(class_name, sizeof class_name, m, k);
    return cli_error("%s calls class %d '%s', in %s it is '%s': it was trained "
                     "for other data",
                     name, k, class_name, dir, nash_dataset_class(ds, k));
}

static bool same_shape(nash_shape a, nash_shape b)
{
    return a.c == b.c && a.h == b.h && a.w == b.w;
}

/* @param size  to resize to; NULL: the images' own */
static int open_sized(nash_dataset **out, const nash_images **images,
                      const char *dir, const nash_shape *size)
{
    nash_dataset_opts opts = nash_dataset_opts_default();
    if (size) {
        opts.height = size->h;
        opts.width = size->w;
        opts.channels = size->c;
    }
    *out = NULL;
    if (nash_dataset_open(out, dir, &opts) == NASH_OK &&
        nash_dataset_images(images, *out, NASH_PART_TRAIN) == NASH_OK)
        return EXIT_OK;
    nash_dataset_close(*out);
    *out = NULL;
    return cli_fail(NULL);
}

static int refuse_shape(const char *name, nash_shape want, const char *dir,
                        nash_shape have)
{
    return cli_error("%s takes images of %d x %d pixels with %d channels, "
                     "those of %s have %d x %d with %d",
                     name, want.h, want.w, want.c, dir, have.h, have.w, have.c);
}

/* Resize the images to the model's input if they have another size. */
static int fit_images(nash_dataset **ds, const nash_images *images,
                      const char *dir, const nash_model *m, const char *name,
                      bool resizable)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    nash_shape have = images->shape;
    if (same_shape(have, want))
        return EXIT_OK;
    resizable = resizable || nash_model_meta(m, NASH_META_CLASSES) ||
                strcmp(nash_dataset_format(*ds), "folder") == 0;
    nash_dataset_close(*ds);
    *ds = NULL;
    return resizable ? open_sized(ds, &images, dir, &want)
                     : refuse_shape(name, want, dir, have);
}

int open_for_model(nash_dataset **out, const char *dir, const nash_model *m,
                   const char *name)
{
    const nash_images *images = NULL;
    int result = open_sized(out, &images, dir, NULL);
    if (result == EXIT_OK)
        result = check_classes(m, name, *out, dir, images->classes);
    if (result == EXIT_OK)
        result = fit_images(out, images, dir, m, name, false);
    if (result != EXIT_OK) {
        nash_dataset_close(*out);
        *out = NULL;
    }
    return result;
}

int open_for_new_head(nash_dataset **out, const char *dir, nash_model *m,
                      const char *name, uint64_t seed)
{
    const nash_images *images = NULL;
    int result = open_sized(out, &images, dir, NULL);
    if (result == EXIT_OK &&
        nash_model_new_head(m, images->classes, seed) != NASH_OK)
        result = cli_error("--new-head is not possible for %s: %s", name,
                           nash_error_message());
    if (result == EXIT_OK)
        result = fit_images(out, images, dir, m, name, true);
    if (result != EXIT_OK) {
        nash_dataset_close(*out);
        *out = NULL;
    }
    return result;
}
