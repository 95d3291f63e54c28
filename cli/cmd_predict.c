/*
 * nash predict: what a model sees on picture files. Pictures are resized as in
 * training, judged in portions of a few hundred, and a file that cannot be read
 * does not keep the others from being judged.
 */
#include "adopt.h"
#include "args.h"
#include "cli.h"
#include "json.h"
#include "limits.h"
#include "open.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PORTION = 256, NAME_BYTES = 256, FILE_NAME_BYTES = 4096 };

typedef struct request {
    const char *model;
    char **files; /* [n_files] */
    int n_files;
    int32_t top;
    nash_looks looks; /* besides the model's own */
    bool json;
    adoption adopt;
    nash_plan_opts plan;
} request;

typedef struct prediction {
    const request *ask;
    nash_model *model;
    nash_shape shape;
    int32_t classes, top;
    char (*names)[NAME_BYTES]; /* [K] */
    uint8_t *pixels;           /* [PORTION,C,H,W] */
    int32_t *labels;           /* [PORTION] zeros: nobody knows them */
    float *p;                  /* [PORTION,K] */
    const char *file[PORTION]; /* of the images read */
    int32_t n;                 /* images in the portion */
} prediction;

static int parse(request *ask, int argc, char **argv)
{
    int operands;
    const arg_option options[] = {
        {"top", ARG_INT, &ask->top, "how many classes to name", 1, 1e6},
        {"mirror", ARG_FLAG, &ask->looks.mirrored,
         "average over each image and its mirror image"},
        {"shift", ARG_FLAG, &ask->looks.shifted,
         "average over each image as it is and shifted by a pixel, two ways"},
        {"input-mean", ARG_TEXT, &ask->adopt.mean, ADOPT_MEAN_HELP,
         .fallback = "as it is"},
        {"input-std", ARG_TEXT, &ask->adopt.std, ADOPT_STD_HELP,
         .fallback = "as it is"},
        {"precision", ARG_CHOICE, &ask->plan.precision,
         "f32 is what other runtimes compute", .choices = nash_precision_names},
        {"threads", ARG_INT, &ask->plan.threads, "to compute with", 1, 1024,
         .fallback = "all processors"},
        {"json", ARG_FLAG, &ask->json, "print the result as JSON"},
        {NULL}};
    const arg_spec spec = {
        "predict",
        "MODEL IMAGE...",
        "Name what is on PNG and JPEG files.",
        options,
        "A file that cannot be read is reported (--json: \"error\"), the "
        "others are judged, and\nthe exit status is 1.",
        2,
        -1};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    ask->model = argv[1];
    ask->files = argv + 2;
    ask->n_files = operands - 1;
    int result = adopt_check(&ask->adopt, "predict", ask->model);
    return result == EXIT_OK ? ARGS_GO : result;
}

static int prepare(prediction *w)
{
    const request *ask = w->ask;
    if (adopt_read(&w->model, ask->model, &ask->adopt, NULL) != EXIT_OK)
        return EXIT_FAILED;
    adopt_looks(w->model, ask->looks);
    const nash_graph *g = nash_model_graph(w->model);
    w->shape = nash_graph_input_shape(g);
    w->classes = nash_graph_classes(g);
    w->top = ask->top < w->classes ? ask->top : w->classes;
    if (open_check_channels(ask->model, w->shape.c) != EXIT_OK)
        return EXIT_FAILED;
    size_t bytes = (size_t)w->shape.c * (size_t)w->shape.h * (size_t)w->shape.w;
    w->names = calloc((size_t)w->classes, sizeof *w->names);
    w->pixels = calloc(PORTION, bytes);
    w->labels = calloc(PORTION, sizeof *w->labels);
    w->p = calloc((size_t)PORTION * (size_t)w->classes, sizeof *w->p);
    if (!w->names || !w->pixels || !w->labels || !w->p)
        return cli_error("out of memory");
    nash_class_names(w->names[0], NAME_BYTES, w->model);
    return EXIT_OK;
}

/* The most probable class below the last one named; order by probability, then
 * by number. */
static int32_t next_best(const float *p, int32_t classes, int32_t last)
{
    int32_t best = -1;
    for (int32_t k = 0; k < classes; k++) {
        bool below =
            last < 0 || p[k] < p[last] || (!(p[k] > p[last]) && k > last);
        if (below && (best < 0 || p[k] > p[best]))
            best = k;
    }
    return best;
}

static void print_text(const prediction *w, int32_t i)
{
    const float *p = w->p + (size_t)i * (size_t)w->classes;
    int32_t k = -1;
    char name[FILE_NAME_BYTES];
    snprintf(name, sizeof name, "%s", w->file[i]);
    nash_hide_controls(name);
    printf("%s:", name);
    for (int32_t at = 0; at < w->top; at++) {
        k = next_best(p, w->classes, k);
        printf("%s %s %.1f %%", at ? "," : "", w->names[k],
               100.0 * (double)p[k]);
    }
    putchar('\n');
}

static void print_json(const prediction *w, int32_t i)
{
    const float *p = w->p + (size_t)i * (size_t)w->classes;
    int32_t k = -1;
    json_object(NULL);
    json_text("file", w->file[i]);
    json_array("classes");
    for (int32_t at = 0; at < w->top; at++) {
        k = next_best(p, w->classes, k);
        json_object(NULL);
        json_text("class", w->names[k]);
        json_real("probability", (double)p[k]);
        json_end();
    }
    json_end();
    json_end();
}

static int check_finite(const prediction *w)
{
    for (int64_t i = 0; i < (int64_t)w->n * w->classes; i++)
        if (!isfinite(w->p[i]))
            return cli_error("%s gives probabilities that are not finite",
                             w->ask->model);
    return EXIT_OK;
}

/* Judge and print the images read so far. */
static int flush(prediction *w)
{
    const request *ask = w->ask;
    const nash_images images = {.shape = w->shape,
                                .n = w->n,
                                .classes = w->classes,
                                .pixels = w->pixels,
                                .labels = w->labels};
    if (nash_predict(w->p, &w->model, 1, &images, NULL, w->n, &ask->plan) !=
        NASH_OK)
        return cli_fail(NULL);
    if (check_finite(w) != EXIT_OK)
        return EXIT_FAILED;
    for (int32_t i = 0; i < w->n; i++) {
        if (ask->json)
            print_json(w, i);
        else
            print_text(w, i);
    }
    w->n = 0;
    return EXIT_OK;
}

/* Among the results, too, in its place. */
static int report_unread(prediction *w, const char *file)
{
    char reason[512], hint[512];
    struct stat info;
    snprintf(reason, sizeof reason, "%s", nash_error_message());
    snprintf(hint, sizeof hint, "give its files: %s/*", file);
    bool folder = stat(file, &info) == 0 && S_ISDIR(info.st_mode);
    cli_fail(folder ? hint : NULL);
    if (!w->ask->json)
        return EXIT_OK;
    if (w->n > 0 && flush(w) != EXIT_OK)
        return EXIT_FAILED;
    json_object(NULL);
    json_text("file", file);
    json_text("error", reason);
    json_end();
    return EXIT_OK;
}

static int predict(prediction *w)
{
    const request *ask = w->ask;
    int result = EXIT_OK;
    size_t bytes = (size_t)w->shape.c * (size_t)w->shape.h * (size_t)w->shape.w;
    for (int i = 0; i < ask->n_files; i++) {
        uint8_t *dst = w->pixels + (size_t)w->n * bytes;
        if (nash_image_read(dst, w->shape, ask->files[i]) == NASH_OK) {
            w->file[w->n++] = ask->files[i];
        } else {
            result = EXIT_FAILED;
            if (report_unread(w, ask->files[i]) != EXIT_OK)
                return EXIT_FAILED;
        }
        bool last = i == ask->n_files - 1;
        if (w->n == PORTION || (last && w->n > 0)) {
            if (flush(w) != EXIT_OK)
                return EXIT_FAILED;
        }
    }
    return result;
}

int cmd_predict(int argc, char **argv)
{
    request ask = {.top = 3, .plan = nash_plan_opts_default()};
    prediction w = {.ask = &ask};
    ask.plan.precision = NASH_PRECISION_F32;
    ask.plan.batch = 32;
    ask.plan.threads = limits_cpus();
    int result = parse(&ask, argc, argv);
    if (result != ARGS_GO)
        return result;
    result = prepare(&w);
    if (result == EXIT_OK) {
        if (ask.json)
            json_array(NULL);
        result = predict(&w);
        if (ask.json)
            json_end();
    }
    free(w.p);
    free(w.labels);
    free(w.pixels);
    free(w.names);
    nash_model_free(w.model);
    return result;
}
