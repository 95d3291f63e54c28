/*
 * nash eval: judge models on a data set, each alone and all as an ensemble,
 * whose probabilities are the mean of theirs. One model is in memory at a time.
 */
#include "adopt.h"
#include "args.h"
#include "cli.h"
#include "folder.h"
#include "json.h"
#include "limits.h"
#include "mistakes.h"
#include "open.h"
#include "progress.h"
#include "table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const parts[] = {"train", "test", "all", NULL};
enum { PART_ALL = 2 };

/* So many classes are listed; of more, those with the largest errors. */
enum { MOST_CLASSES = 100 };

typedef struct request {
    char **models; /* [n_models] files */
    int n_models;
    const char *data;
    int part;         /* of parts */
    nash_looks looks; /* besides the models' own */
    bool json;
    int32_t mistakes;  /* to list */
    const char *sheet; /* to draw them on; may be NULL */
    adoption adopt;
    nash_plan_opts plan;
} request;

typedef struct evaluation {
    const request *ask;
    nash_dataset *data; /* opened for the first model */
    const nash_images *images;
    float *single;         /* [n,K] probabilities of one model */
    float *mean;           /* [n,K] of all */
    nash_score *scores;    /* [n_models] of each alone */
    nash_score score;      /* of the ensemble */
    double *class_error;   /* [K] of the ensemble; NaN: no image */
    int32_t *class_images; /* [K] */
    mistakes wrong;        /* of the ensemble, if asked for */
} evaluation;

static int parse(request *ask, int argc, char **argv)
{
    int operands;
    const arg_option options[] = {
        {"part", ARG_CHOICE, &ask->part,
         "which images to judge on; all: nothing is held out of a data set "
         "without test images, such as one that was made for judging",
         .choices = parts},
        {"mirror", ARG_FLAG, &ask->looks.mirrored,
         "average over each image and its mirror image"},
        {"shift", ARG_FLAG, &ask->looks.shifted,
         "average over each image as it is and shifted by a pixel, two ways"},
        {"mistakes", ARG_INT, &ask->mistakes,
         "list so many images that are wrong, the most confident first", 1, 1e9,
         .fallback = ""},
        {"mistakes-sheet", ARG_TEXT, &ask->sheet,
         "PNG file to write with these images, ten a row"},
        {"input-mean", ARG_TEXT, &ask->adopt.mean, ADOPT_MEAN_HELP,
         .fallback = "as it is"},
        {"input-std", ARG_TEXT, &ask->adopt.std, ADOPT_STD_HELP,
         .fallback = "as it is"},
        {"batch", ARG_INT, &ask->plan.batch, "images at once", 1, 65536},
        {"precision", ARG_CHOICE, &ask->plan.precision,
         "f32 is what other runtimes compute", .choices = nash_precision_names},
        {"threads", ARG_INT, &ask->plan.threads, "to compute with", 1, 1024,
         .fallback = "all processors"},
        {"json", ARG_FLAG, &ask->json, "print the result as JSON"},
        {NULL}};
    const arg_spec spec = {
        "eval",
        "MODEL... DATA",
        "Judge a model on the test images of a data set; several models also "
        "as an ensemble.",
        options,
        "The balanced error is the mean of the classes' errors. A data set "
        "without test\nimages is judged on those that training holds out.",
        2,
        -1};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    ask->models = argv + 1;
    ask->n_models = operands - 1;
    ask->data = argv[operands];
    if (ask->sheet && ask->mistakes == 0)
        return cli_usage("eval",
                         "--mistakes-sheet is for the images of --mistakes");
    int result = adopt_check(&ask->adopt, "eval", ask->models[0]);
    if (result == EXIT_OK && ask->sheet)
        result = folder_check_output("--mistakes-sheet", ask->sheet);
    return result == EXIT_OK ? ARGS_GO : result;
}

/* ---- judging ----------------------------------------------------------- */

static int make_room(evaluation *e)
{
    size_t n = (size_t)e->images->n, classes = (size_t)e->images->classes;
    e->single = calloc(n * classes, sizeof *e->single);
    e->mean = calloc(n * classes, sizeof *e->mean);
    e->scores = calloc((size_t)e->ask->n_models, sizeof *e->scores);
    e->class_error = calloc(classes, sizeof *e->class_error);
    e->class_images = calloc(classes, sizeof *e->class_images);
    if (!e->single || !e->mean || !e->scores || !e->class_error ||
        !e->class_images)
        return cli_error("out of memory");
    for (size_t i = 0; i < n; i++)
        e->class_images[e->images->labels[i]]++;
    return EXIT_OK;
}

static bool is_open_for(const evaluation *e, const nash_model *m)
{
    nash_shape want = nash_graph_input_shape(nash_model_graph(m));
    return e->data && e->images->shape.c == want.c &&
           e->images->shape.h == want.h && e->images->shape.w == want.w;
}

static nash_part judged(const request *ask)
{
    return ask->part == NASH_PART_TEST ? NASH_PART_TEST : NASH_PART_TRAIN;
}

/* Open the data for a model, unless the one before takes images of its size. */
static int open_data(evaluation *e, const nash_model *m, const char *name)
{
    if (is_open_for(e, m))
        return open_check_classes(m, name, e->data, e->ask->data);
    int32_t n = e->data ? e->images->n : 0; /* for the models before */
    nash_dataset_close(e->data);
    bool all = e->ask->part == PART_ALL;
    nash_dataset_opts opts = nash_dataset_opts_default();
    opts.lazy = true;
    if (all)
        opts.holdout = 0.0;
    int result = open_to_judge(&e->data, e->ask->data, m, name, &opts);
    if (result != EXIT_OK)
        return result;
    if (all && nash_dataset_count(e->data, NASH_PART_TEST) > 0)
        return cli_error("%s has test images of its own, expected --part test "
                         "or --part train",
                         e->ask->data);
    if (nash_dataset_images(&e->images, e->data, judged(e->ask)) != NASH_OK)
        return cli_fail(NULL);
    if (n > 0 && e->images->n != n)
        return cli_error("%s has %d images now, it had %d a moment ago",
                         e->ask->data, e->images->n, n);
    return e->single ? EXIT_OK : make_room(e);
}

/* What training holds out says little about other images. */
static int say_what_is_held_out(const evaluation *e, const nash_model *m,
                                const char *name)
{
    const nash_images *train; /* by which the data is known */
    if (e->ask->part != NASH_PART_TEST || !nash_dataset_is_holdout(e->data))
        return EXIT_OK;
    if (nash_dataset_images(&train, e->data, NASH_PART_TRAIN) != NASH_OK)
        return cli_fail(NULL);
    if (!nash_is_of_data(m, e->data))
        progress_line("%s has no test images, so those that training holds out "
                      "of it are judged; %s was trained on other images, or "
                      "before these were changed, when it may have learned "
                      "some of them: --part all judges all",
                      e->ask->data, name);
    return EXIT_OK;
}

static int judge_one(evaluation *e, int which)
{
    const request *ask = e->ask;
    nash_model *m;
    int result = adopt_read(&m, ask->models[which], &ask->adopt, NULL);
    if (result == EXIT_OK)
        result = open_data(e, m, ask->models[which]);
    if (result == EXIT_OK)
        result = say_what_is_held_out(e, m, ask->models[which]);
    if (result == EXIT_OK) {
        adopt_looks(m, ask->looks);
        if (nash_predict(e->single, &m, 1, e->images, NULL, e->images->n,
                         &ask->plan) != NASH_OK)
            result =
                cli_error("%s: %s", ask->models[which], nash_error_message());
    }
    nash_model_free(m);
    return result;
}

static int judge(evaluation *e)
{
    int n_models = e->ask->n_models;
    for (int which = 0; which < n_models; which++) {
        int result = judge_one(e, which);
        if (result != EXIT_OK)
            return result;
        const nash_images *images = e->images;
        nash_score_of(&e->scores[which], NULL, e->single, images->labels,
                      images->n, images->classes);
        if (isnan(e->scores[which].loss))
            return cli_error("%s gives probabilities that are not finite",
                             e->ask->models[which]);
        for (int64_t i = 0; i < (int64_t)images->n * images->classes; i++)
            e->mean[i] += e->single[i] / (float)n_models;
    }
    assert(e->images); /* the first model opened them */
    nash_score_of(&e->score, e->class_error, e->mean, e->images->labels,
                  e->images->n, e->images->classes);
    e->wrong = (mistakes){
        .data = e->data, .images = e->images, .part = judged(e->ask)};
    return e->ask->mistakes > 0 ? mistakes_find(&e->wrong, e->mean) : EXIT_OK;
}

/* ---- the result -------------------------------------------------------- */

static void json_score(const nash_score *score)
{
    json_real("error", score->error);
    json_real("loss", score->loss);
    json_real("balanced_error", score->balanced_error);
}

static void print_json(const evaluation *e)
{
    const request *ask = e->ask;
    json_object(NULL);
    json_score(&e->score);
    json_int("images", e->score.images);
    json_text("part", parts[ask->part]);
    json_bool("holdout", nash_dataset_is_holdout(e->data));
    json_bool("mirror", ask->looks.mirrored);
    json_bool("shift", ask->looks.shifted);
    json_array("per_class");
    for (int32_t k = 0; k < e->images->classes; k++) {
        json_object(NULL);
        json_text("class", nash_dataset_class(e->data, k));
        json_int("images", e->class_images[k]);
        json_real("error", e->class_error[k]);
        json_end();
    }
    json_end();
    json_array("models");
    for (int i = 0; i < ask->n_models; i++) {
        json_object(NULL);
        json_text("model", ask->models[i]);
        json_score(&e->scores[i]);
        json_end();
    }
    json_end();
    if (ask->mistakes > 0)
        mistakes_json(&e->wrong, ask->mistakes);
    json_end();
}

typedef struct class_row {
    int32_t k;
    double error;
} class_row;

/* The largest error first, classes without an image last. */
static int by_error(const void *a, const void *b)
{
    const class_row *x = a, *y = b;
    if (isnan(x->error) != isnan(y->error))
        return isnan(x->error) ? 1 : -1;
    if (x->error > y->error || x->error < y->error)
        return x->error > y->error ? -1 : 1;
    return (x->k > y->k) - (x->k < y->k);
}

static void print_class(table *t, const evaluation *e, int32_t k)
{
    table_cell(t, "%s", nash_dataset_class(e->data, k));
    table_cell(t, "%d", e->class_images[k]);
    if (e->class_images[k] > 0)
        table_cell(t, "%.2f %%", 100.0 * e->class_error[k]);
    else
        table_cell(t, "-");
}

static int print_classes(const evaluation *e)
{
    static const char *const columns[] = {"class", ">images", ">error", NULL};
    int32_t classes = e->images->classes, shown = classes;
    class_row *rows = calloc((size_t)classes, sizeof *rows);
    if (!rows)
        return cli_error("out of memory");
    for (int32_t k = 0; k < classes; k++)
        rows[k] = (class_row){k, e->class_error[k]};
    if (classes > MOST_CLASSES) {
        shown = MOST_CLASSES;
        qsort(rows, (size_t)classes, sizeof *rows, by_error);
    }
    table *t = table_new(columns);
    for (int32_t i = 0; i < shown; i++)
        print_class(t, e, rows[i].k);
    table_print(t);
    if (shown < classes)
        printf("the %d of %d classes with the largest errors; --json has "
               "all\n",
               shown, classes);
    free(rows);
    return EXIT_OK;
}

static void print_models(const evaluation *e)
{
    static const char *const columns[] = {"model", ">error", ">balanced",
                                          ">loss", NULL};
    table *t = table_new(columns);
    for (int i = 0; i <= e->ask->n_models; i++) {
        bool last = i == e->ask->n_models;
        const nash_score *score = last ? &e->score : &e->scores[i];
        table_cell(t, "%s", last ? "ensemble" : e->ask->models[i]);
        table_cell(t, "%.2f %%", 100.0 * score->error);
        table_cell(t, "%.2f %%", 100.0 * score->balanced_error);
        table_cell(t, "%.4f", score->loss);
    }
    table_print(t);
}

/* " (2 of 3 classes)", where some have no image */
static void print_coverage(const evaluation *e)
{
    int32_t classes = e->images->classes, present = 0;
    for (int32_t k = 0; k < classes; k++)
        present += e->class_images[k] > 0;
    if (present < classes)
        printf(" (%d of %d classes)", present, classes);
}

static const char *name_of_images(const evaluation *e)
{
    if (e->ask->part == PART_ALL)
        return "given";
    bool held = nash_dataset_is_holdout(e->data);
    return held && e->ask->part == NASH_PART_TEST ? "held-out"
                                                  : parts[e->ask->part];
}

static int print_text(const evaluation *e)
{
    const request *ask = e->ask;
    int result = print_classes(e);
    putchar('\n');
    if (ask->n_models > 1) {
        print_models(e);
        putchar('\n');
    }
    if (ask->part != PART_ALL)
        printf("%s ", parts[ask->part]);
    printf("error %.2f %%, balanced %.2f %%", 100.0 * e->score.error,
           100.0 * e->score.balanced_error);
    print_coverage(e);
    printf(", loss %.4f on %d %s images\n", e->score.loss, e->score.images,
           name_of_images(e));
    if (ask->mistakes > 0) {
        putchar('\n');
        mistakes_print(&e->wrong, ask->mistakes);
    }
    return result;
}

int cmd_eval(int argc, char **argv)
{
    request ask = {.part = NASH_PART_TEST, .plan = nash_plan_opts_default()};
    evaluation e = {.ask = &ask};
    ask.plan.precision = NASH_PRECISION_F32;
    ask.plan.threads = limits_cpus();
    int result = parse(&ask, argc, argv);
    if (result != ARGS_GO)
        return result;
    result = judge(&e);
    if (result == EXIT_OK && ask.json)
        print_json(&e);
    else if (result == EXIT_OK)
        result = print_text(&e);
    if (result == EXIT_OK && ask.sheet)
        result = mistakes_draw(&e.wrong, ask.mistakes, ask.sheet);
    free(e.wrong.list);
    free(e.class_images);
    free(e.class_error);
    free(e.scores);
    free(e.mean);
    free(e.single);
    nash_dataset_close(e.data);
    return result;
}
