/*
 * nash data: what a directory holds, and what is wrong with it. Reads training
 * and test images; changes nothing.
 */
#include "args.h"
#include "cli.h"
#include "folder.h"
#include "json.h"
#include "open.h"
#include "table.h"

#include <stdlib.h>

enum { MOST_PROBLEMS = 1000, MOST_CHANNELS = 3 };

/* What is known of a data set. */
typedef struct findings {
    const char *dir;
    nash_dataset *ds;
    const nash_images *parts[2];                   /* NULL: no such part */
    int32_t *counts[2];                            /* [classes], owned */
    float mean[MOST_CHANNELS], std[MOST_CHANNELS]; /* of training images */
    nash_data_problem *problems;                   /* [MOST_PROBLEMS], owned */
    int32_t n_problems;
} findings;

static void release(findings *f)
{
    nash_dataset_close(f->ds);
    free(f->counts[0]);
    free(f->counts[1]);
    free(f->problems);
}

static int count_classes(findings *f, int part)
{
    const nash_images *images = f->parts[part];
    f->counts[part] = calloc((size_t)f->parts[0]->classes, sizeof(int32_t));
    if (!f->counts[part])
        return cli_error("out of memory");
    for (int32_t i = 0; images && i < images->n; i++)
        f->counts[part][images->labels[i]]++;
    return EXIT_OK;
}

static int look(findings *f, const nash_dataset_opts *opts)
{
    if (open_dataset(&f->ds, f->dir, opts) != EXIT_OK)
        return EXIT_FAILED;
    if (nash_dataset_images(&f->parts[0], f->ds, NASH_PART_TRAIN) != NASH_OK)
        return cli_fail(NULL);
    f->problems = calloc(MOST_PROBLEMS, sizeof *f->problems);
    if (!f->problems)
        return cli_error("out of memory");
    if (nash_dataset_examine(f->problems, MOST_PROBLEMS, &f->n_problems,
                             f->ds) != NASH_OK)
        return cli_fail(NULL);
    if (nash_dataset_images(&f->parts[1], f->ds, NASH_PART_TEST) != NASH_OK)
        f->parts[1] = NULL; /* none, and examining has said so */
    for (int part = 0; part < 2; part++)
        if (count_classes(f, part) != EXIT_OK)
            return EXIT_FAILED;
    nash_images_moments(f->parts[0], NULL, 0, f->mean, f->std);
    return EXIT_OK;
}

static int32_t images_in(const findings *f, int part)
{
    return f->parts[part] ? f->parts[part]->n : 0;
}

static void print_list(const char *name, const float *values, int32_t n)
{
    printf("%s", name);
    for (int32_t c = 0; c < n; c++)
        printf(" %.2f", (double)values[c]);
}

static void print_classes(const findings *f)
{
    table *t = table_new((const char *[]){"class", ">training", ">test", NULL});
    for (int32_t k = 0; t && k < f->parts[0]->classes; k++) {
        table_cell(t, "%s", nash_dataset_class(f->ds, k));
        table_cell(t, "%d", f->counts[0][k]);
        table_cell(t, "%d", f->counts[1][k]);
    }
    table_print(t);
}

static void print_text(const findings *f)
{
    nash_shape s = f->parts[0]->shape;
    printf("%s: %s, %d classes, images %d pixels high, %d wide, %s\n", f->dir,
           nash_dataset_format(f->ds), f->parts[0]->classes, s.h, s.w,
           s.c == 1 ? "grey" : "colour");
    printf("%d training image%s, %d test image%s%s\n", images_in(f, 0),
           images_in(f, 0) == 1 ? "" : "s", images_in(f, 1),
           images_in(f, 1) == 1 ? "" : "s",
           nash_dataset_is_holdout(f->ds) ? " held out of the given ones" : "");
    print_list("mean", f->mean, s.c);
    print_list(", standard deviation", f->std, s.c);
    printf(" (of 0..255, training images)\n\n");
    print_classes(f);
    printf("\n%s\n", f->n_problems ? "problems:" : "no problems found");
    for (int32_t i = 0; i < f->n_problems && i < MOST_PROBLEMS; i++)
        printf("- %s\n", f->problems[i].text);
    if (f->n_problems > MOST_PROBLEMS)
        printf("- and %d more\n", f->n_problems - MOST_PROBLEMS);
}

static void json_reals(const char *key, const float *values, int32_t n)
{
    json_array(key);
    for (int32_t c = 0; c < n; c++)
        json_real(NULL, (double)values[c]);
    json_end();
}

static void print_json(const findings *f)
{
    nash_shape s = f->parts[0]->shape;
    json_object(NULL);
    json_text("data", f->dir);
    json_text("format", nash_dataset_format(f->ds));
    json_int("height", s.h);
    json_int("width", s.w);
    json_int("channels", s.c);
    json_int("train", images_in(f, 0));
    json_int("test", images_in(f, 1));
    json_bool("holdout", nash_dataset_is_holdout(f->ds));
    json_hex("hash", nash_dataset_hash(f->ds));
    json_reals("mean", f->mean, s.c);
    json_reals("std", f->std, s.c);
    json_array("classes");
    for (int32_t k = 0; k < f->parts[0]->classes; k++) {
        json_object(NULL);
        json_text("name", nash_dataset_class(f->ds, k));
        json_int("train", f->counts[0][k]);
        json_int("test", f->counts[1][k]);
        json_end();
    }
    json_end();
    json_int("problem_count", f->n_problems);
    json_array("problems");
    for (int32_t i = 0; i < f->n_problems && i < MOST_PROBLEMS; i++)
        json_text(NULL, f->problems[i].text);
    json_end();
    json_end();
}

int cmd_data(int argc, char **argv)
{
    findings f = {0};
    const char *sheet = NULL, *size = NULL;
    int32_t per_class = 10;
    bool json = false, per_class_given = false;
    int operands;
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.max_skipped = 1.0; /* to list them all */
    const arg_option options[] = {
        {"sheet", ARG_TEXT, &sheet,
         "PNG file to write with the first images of each class, a row each"},
        {"per-class", ARG_INT, &per_class, "images in a row of the sheet", 1,
         1000, .given = &per_class_given},
        {"size", ARG_TEXT, &size,
         "HxW or N, look at the images as resized to it",
         .fallback = "the images' own"},
        {"json", ARG_FLAG, &json, "print the result as JSON"},
        {NULL}};
    const arg_spec spec = {
        "data",
        "DATA",
        "Describes a data set: format, classes, counts, size, mean, and what "
        "is wrong with it.",
        options,
        "DATA is a directory with CIFAR-10 or CIFAR-100 in binary "
        "form, IDX files\n(MNIST's format), or folders of PNG and JPEG "
        "files train/CLASS/, with or without\ntest/CLASS/.",
        1,
        1,
    };
    int result = args_parse(&operands, &spec, argc, argv);
    if (result != ARGS_GO)
        return result;
    if (per_class_given && !sheet)
        return cli_usage("data", "--per-class is for the picture of --sheet");
    if (size && cli_size(&opts.height, &opts.width, "data", size) != EXIT_OK)
        return EXIT_USAGE;
    if (sheet && folder_check_output("--sheet", sheet) != EXIT_OK)
        return EXIT_FAILED;
    nash_log_set_hook(NULL, NULL); /* warnings become problems in the list */
    f.dir = argv[1];
    result = look(&f, &opts);
    if (result == EXIT_OK && json)
        print_json(&f);
    else if (result == EXIT_OK)
        print_text(&f);
    if (result == EXIT_OK && sheet &&
        nash_images_contact_sheet(f.parts[0], per_class, sheet) != NASH_OK)
        result = cli_fail(NULL);
    release(&f);
    return result;
}
