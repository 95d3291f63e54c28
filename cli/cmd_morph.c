/*
 * nash morph: apply morphisms to a model, given by name or drawn at random, and
 * say how far the result is from where it began, over training images or noise.
 * Nothing is written unless all of them apply.
 */
#include "adopt.h"
#include "args.h"
#include "cli.h"
#include "draws.h"
#include "json.h"
#include "limits.h"
#include "open.h"
#include "progress.h"
#include "table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the command line asks for. */
typedef struct request {
    const char *model, *data, *output, *kinds;
    char **texts; /* [n_texts] morphisms by name */
    int32_t n_texts, n_random;
    int32_t n_images, batch, threads;
    adoption adopt;
    nash_morph_opts draw;
    bool draw_given; /* an option of random morphisms */
    bool json;
} request;

/* A morphism that was applied, and what the model costs with it. */
typedef struct step {
    nash_morph morph;
    char text[NASH_MORPH_TEXT_BYTES];
    int64_t params, macs;
} step;

typedef struct session {
    const request *ask;
    nash_model *parent, *child;
    float *pixels;      /* [n_images,C,H,W], until the probes have copies */
    nash_probe measure; /* one thread: its bits go into the model */
    nash_probe compare;
    step *steps; /* [n_texts + n_random] */
    int32_t n_steps;
    int64_t refused[NASH_MORPH_COUNT];
    nash_deviation deviation;
} session;

/* ---- the command line --------------------------------------------------- */

static const char notes[] =
    "A morphism OP is KIND:KEY=VALUE,...\n"
    "\n"
    "  conv:at=NODE,kernel=K              insert an identity convolution\n"
    "  fc:at=NODE                         insert an identity fully connected "
    "layer\n"
    "  batch_norm:at=NODE                 insert a batch normalisation, to no "
    "effect\n"
    "  relu:at=NODE                       insert a ReLU after what cannot be "
    "negative\n"
    "  deepen:at=NODE,kernel=K            insert a block of all three: "
    "Conv-BN-ReLU\n"
    "  widen:at=NODE,factor=F,mode=MODE,seed=S\n"
    "                                     multiply a layer's channels\n"
    "  gate:at=NODE,kernel=K,seed=S       gate a fresh block in beside a "
    "layer\n"
    "  add_skip:at=NODE,from=NODE,seed=S  add an earlier tensor through a "
    "gate\n"
    "  concat_skip:at=NODE,from=NODE,norm=0|1,seed=S\n"
    "                                     concatenate an earlier tensor\n"
    "\n"
    "NODE is a name that 'nash show MODEL' lists, like conv_3, or "
    "its number; it is\nthe node after which to insert, the layer "
    "to widen, or the end of a skip. Left\nout: K 3, F 2, MODE "
    "copy, S 0. MODE says what new channels are: copies of old\n"
    "ones or fresh, read by zero weights; fresh pairs that cancel "
    "out (pair); or\ncopies with noise, which do not quite keep "
    "the function. Morphisms given by name\ncome first, random "
    "ones after them.";

enum { OWN_OPTIONS = 13 };

/* @return their number */
static int own_options(arg_option *to, request *ask)
{
    const arg_option own[] = {
        {"output", ARG_TEXT, &ask->output, "file to write (or -o)"},
        {"data", ARG_TEXT, &ask->data,
         "data set whose training images measure statistics and deviation",
         .fallback = "noise images"},
        {"input-mean", ARG_TEXT, &ask->adopt.mean, ADOPT_MEAN_HELP,
         .fallback = "as it is"},
        {"input-std", ARG_TEXT, &ask->adopt.std, ADOPT_STD_HELP,
         .fallback = "as it is"},
        {"random", ARG_INT, &ask->n_random, "so many random morphisms", 0,
         10000},
        {"kinds", ARG_TEXT, &ask->kinds,
         "of random morphisms: names with commas between them, 'skip' for "
         "both skips, or 'all'",
         .given = &ask->draw_given},
        {"mode", ARG_CHOICE, &ask->draw.widen_mode,
         "what random widening makes new channels of",
         .choices = nash_widen_mode_names, .given = &ask->draw_given},
        {"seed", ARG_SEED, &ask->draw.seed, "of random morphisms and images"},
        {"images", ARG_INT, &ask->n_images, "to measure and compare on", 1,
         1 << 20},
        {"batch", ARG_INT, &ask->batch,
         "images whose statistics are taken together in training mode", 1,
         65536},
        {"threads", ARG_INT, &ask->threads, "to compare with", 1, 1024,
         .fallback = "all processors"},
        {"json", ARG_FLAG, &ask->json, "print the result as JSON"},
        {NULL}};
    static_assert(sizeof own / sizeof *own <= OWN_OPTIONS,
                  "OWN_OPTIONS is too small");
    memcpy(to, own, sizeof own);
    return (int)(sizeof own / sizeof *own) - 1;
}

static int parse(request *ask, int argc, char **argv)
{
    int operands;
    arg_option options[OWN_OPTIONS + DRAW_OPTIONS];
    int own = own_options(options, ask);
    int all = draw_options(options, own, &ask->draw);
    for (int i = own; i < all; i++)
        options[i].given = &ask->draw_given;
    const arg_spec spec = {
        "morph",
        "MODEL OP... -o FILE",
        "Change a network without changing its function: network morphisms, "
        "by name or at random. Prints the largest deviation from MODEL.",
        options,
        notes,
        1,
        -1};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    ask->model = argv[1];
    ask->texts = argv + 2;
    ask->n_texts = operands - 1;
    return ARGS_GO;
}

/* One name of --kinds; 0 if it is none. */
static uint32_t kind_bits(const char *name, size_t length)
{
    if (length == 3 && memcmp(name, "all", length) == 0)
        return (1u << NASH_MORPH_COUNT) - 1;
    if (length == 4 && memcmp(name, "skip", length) == 0)
        return 1u << NASH_MORPH_CONCAT_SKIP | 1u << NASH_MORPH_ADD_SKIP;
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++) {
        const char *known = nash_morph_name((nash_morph_kind)kind);
        if (strlen(known) == length && memcmp(name, known, length) == 0)
            return 1u << kind;
    }
    return 0;
}

static int parse_kinds(request *ask)
{
    const char *name = ask->kinds;
    ask->draw.kinds = 0;
    for (;; name++) {
        size_t length = strcspn(name, ",");
        uint32_t bits = kind_bits(name, length);
        if (bits == 0)
            return cli_usage("morph",
                             "--kinds has '%.*s', expected names of morphisms, "
                             "skip or all",
                             (int)length, name);
        ask->draw.kinds |= bits;
        name += length;
        if (!*name)
            return EXIT_OK;
    }
}

static int check_request(request *ask)
{
    if (!ask->output)
        return cli_usage("morph", "-o is missing, expected a file to write");
    if (ask->draw_given && ask->n_random == 0)
        return cli_usage("morph",
                         "--kinds, --mode, --skip-share, --norm-skips and the "
                         "limits --max-kernel, --max-share, --max-expansion, "
                         "--max-params and --max-macs are for --random");
    if (ask->n_texts == 0 && ask->n_random == 0)
        return cli_usage("morph",
                         "nothing to apply, expected morphisms or --random");
    if (draw_check(&ask->draw, "morph") != EXIT_OK)
        return EXIT_USAGE;
    int result = adopt_check(&ask->adopt, "morph", ask->model);
    return result == EXIT_OK ? parse_kinds(ask) : result;
}

/* ---- images ------------------------------------------------------------- */

/* splitmix64, for noise that nothing but a printed deviation depends on, and
 * statistics of models that have seen no data. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void fill_noise(session *s, int64_t values)
{
    uint64_t state = s->ask->draw.seed;
    for (int64_t i = 0; i < values; i++)
        s->pixels[i] = (float)(next_random(&state) >> 56);
}

/* Augmented as in training; those of as many epochs as it takes. */
static void augment(session *s, const nash_images *images, int32_t *labels,
                    int32_t *order, const int32_t *all)
{
    const nash_augment how = {.pad = 4, .flip = true};
    const nash_shape shape = images->shape;
    const int64_t per_image = (int64_t)shape.c * shape.h * shape.w;
    const int32_t n = s->ask->n_images;
    nash_batch_key key = {.seed = s->ask->draw.seed};
    float mean[4], std[4];
    nash_images_moments(images, NULL, images->n, mean, std);
    for (int32_t at = 0; at < n; at += images->n, key.epoch++) {
        int32_t take = images->n < n - at ? images->n : n - at;
        nash_batch_order(order, all, images->n, &key);
        nash_batch_fill(s->pixels + at * per_image, labels, images, order, take,
                        &how, mean, &key);
    }
}

static int fill_from_images(session *s, const nash_images *images)
{
    size_t n = (size_t)images->n;
    int32_t *labels = calloc((size_t)s->ask->n_images, sizeof *labels);
    int32_t *order = calloc(n, sizeof *order), *all = calloc(n, sizeof *all);
    int result = EXIT_OK;
    for (int32_t i = 0; all && i < images->n; i++)
        all[i] = i;
    if (labels && order && all)
        augment(s, images, labels, order, all);
    else
        result = cli_error("out of memory");
    free(labels);
    free(order);
    free(all);
    return result;
}

static int fill_from_data(session *s)
{
    nash_dataset *data = NULL;
    const nash_images *images;
    int result =
        open_for_model(&data, s->ask->data, s->parent, s->ask->model, NULL);
    if (result == EXIT_OK &&
        nash_dataset_images(&images, data, NASH_PART_TRAIN) != NASH_OK)
        result = cli_fail(NULL);
    if (result == EXIT_OK)
        result = fill_from_images(s, images);
    nash_dataset_close(data);
    return result;
}

static int open_probes(session *s)
{
    const request *ask = s->ask;
    nash_shape shape = nash_graph_input_shape(nash_model_graph(s->parent));
    nash_plan_opts opts = nash_plan_opts_default();
    int64_t per_image = (int64_t)shape.c * shape.h * shape.w;
    s->pixels =
        calloc((size_t)ask->n_images, (size_t)per_image * sizeof(float));
    if (!s->pixels)
        return cli_error("out of memory for %d images", ask->n_images);
    if (!ask->data)
        fill_noise(s, ask->n_images * per_image);
    else if (fill_from_data(s) != EXIT_OK)
        return EXIT_FAILED;
    opts.precision = NASH_PRECISION_F32;
    opts.batch = ask->batch < ask->n_images ? ask->batch : ask->n_images;
    if (nash_probe_open(&s->measure, s->pixels, ask->n_images, shape, &opts) !=
        NASH_OK)
        return cli_fail(NULL);
    opts.threads = ask->threads;
    if (nash_probe_open(&s->compare, s->pixels, ask->n_images, shape, &opts) !=
        NASH_OK)
        return cli_fail(NULL);
    free(s->pixels); /* both have copies */
    s->pixels = NULL;
    return EXIT_OK;
}

/* ---- morphisms ---------------------------------------------------------- */

static nash_status record(session *s, const nash_morph *morph)
{
    step *next = &s->steps[s->n_steps++];
    const nash_graph *g = nash_model_graph(s->child);
    next->morph = *morph;
    nash_morph_format(next->text, sizeof next->text, morph, s->child);
    next->params = nash_graph_params(g);
    next->macs = nash_graph_macs(g);
    return nash_morph_record(s->child, morph);
}

static int apply_text(session *s, const char *text)
{
    nash_morph morph;
    if (nash_morph_parse(&morph, text, s->child) != NASH_OK)
        return cli_usage("morph", "%s: %s", text, nash_error_message());
    nash_status status = nash_morph_apply(s->child, &morph, &s->measure);
    if (status == NASH_EREFUSED)
        return cli_error("%s is refused: %s", text, nash_error_message());
    if (status != NASH_OK)
        return cli_error("%s: %s", text, nash_error_message());
    return record(s, &morph) == NASH_OK ? EXIT_OK : cli_fail(NULL);
}

static int apply_random(session *s, int32_t i)
{
    nash_morph_opts opts = s->ask->draw;
    nash_morph morph;
    opts.n = 1;
    opts.child = (uint32_t)i;
    if (nash_morph_random(s->child, &opts, &s->measure, &morph, NULL,
                          s->refused) != NASH_OK ||
        record(s, &morph) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

static int apply_all(session *s)
{
    const request *ask = s->ask;
    int32_t n = ask->n_texts + ask->n_random;
    int result = EXIT_OK;
    s->steps = calloc((size_t)n, sizeof *s->steps);
    if (!s->steps)
        return cli_error("out of memory");
    for (int32_t i = 0; i < n && result == EXIT_OK; i++) {
        char label[64];
        snprintf(label, sizeof label, "morphism %d of %d", i + 1, n);
        progress_show(label, (double)i / n, NULL);
        result = i < ask->n_texts ? apply_text(s, ask->texts[i])
                                  : apply_random(s, i - ask->n_texts);
    }
    progress_clear();
    return result;
}

/* ---- the result --------------------------------------------------------- */

static void print_counts(table *t, const char *text, int64_t params,
                         int64_t macs)
{
    char number[32];
    table_cell(t, "%s", text);
    table_cell(t, "%s", cli_count(number, (double)params));
    table_cell(t, "%s", cli_count(number, (double)macs));
}

static void print_refused(const session *s)
{
    const char *before = "draws refused:";
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++) {
        if (s->refused[kind] == 0)
            continue;
        printf("%s %s %lld", before, nash_morph_name((nash_morph_kind)kind),
               (long long)s->refused[kind]);
        before = ",";
    }
    if (*before == ',')
        putchar('\n');
}

static void print_text(const session *s)
{
    const nash_graph *g = nash_model_graph(s->parent);
    const nash_deviation *d = &s->deviation;
    table *t =
        table_new((const char *[]){"morphism", ">parameters", ">MACs", NULL});
    if (t)
        print_counts(t, s->ask->model, nash_graph_params(g),
                     nash_graph_macs(g));
    for (int32_t i = 0; t && i < s->n_steps; i++)
        print_counts(t, s->steps[i].text, s->steps[i].params, s->steps[i].macs);
    table_print(t);
    print_refused(s);
    printf("\nlargest deviation of a logit over %d %s:\n", s->ask->n_images,
           s->ask->data ? "augmented training images"
                        : "noise images (no --data was given)");
    printf("  inference  %.2g (%.2g of the largest logit)\n", d->infer,
           d->infer_relative);
    printf("  training   %.2g (%.2g of the largest logit)\n", d->train,
           d->train_relative);
    printf("%s written\n", s->ask->output);
}

static void print_json(const session *s)
{
    const nash_graph *g = nash_model_graph(s->parent);
    int64_t params = nash_graph_params(g), macs = nash_graph_macs(g);
    json_object(NULL);
    json_text("model", s->ask->model);
    json_text("output", s->ask->output);
    json_int("params", params);
    json_int("macs", macs);
    json_array("morphisms");
    for (int32_t i = 0; i < s->n_steps; i++) {
        json_object(NULL);
        json_text("morphism", s->steps[i].text);
        json_text("type", nash_morph_type(s->steps[i].morph.kind));
        json_int("params_before", params);
        json_int("params", params = s->steps[i].params);
        json_int("macs_before", macs);
        json_int("macs", macs = s->steps[i].macs);
        json_end();
    }
    json_end();
    json_object("refused");
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++)
        json_int(nash_morph_name((nash_morph_kind)kind), s->refused[kind]);
    json_end();
    json_object("deviation");
    json_text("images", s->ask->data ? s->ask->data : "noise");
    json_int("n_images", s->ask->n_images);
    json_real("inference", s->deviation.infer);
    json_real("training", s->deviation.train);
    json_real("inference_relative", s->deviation.infer_relative);
    json_real("training_relative", s->deviation.train_relative);
    json_end();
    json_end();
}

static int compare_and_write(session *s)
{
    if (nash_morph_deviation(&s->deviation, s->parent, s->child, &s->compare) !=
        NASH_OK)
        return cli_fail(NULL);
    if (isinf(s->deviation.infer))
        return cli_error("%s or what was made of it gives logits that are not "
                         "finite; %s is not written",
                         s->ask->model, s->ask->output);
    /* those of the parent, and the child may differ */
    if (nash_model_set_meta(s->child, NASH_META_SCORES, NULL) != NASH_OK ||
        nash_onnx_write(s->child, s->ask->output) != NASH_OK)
        return cli_fail(NULL);
    if (s->ask->json)
        print_json(s);
    else
        print_text(s);
    return EXIT_OK;
}

static int run(session *s)
{
    int result = adopt_read(&s->parent, s->ask->model, &s->ask->adopt, NULL);
    if (result == EXIT_OK && nash_model_dup(&s->child, s->parent) != NASH_OK)
        result = cli_fail(NULL);
    if (result == EXIT_OK)
        result = open_probes(s);
    if (result == EXIT_OK)
        result = apply_all(s);
    if (result == EXIT_OK)
        result = compare_and_write(s);
    return result;
}

int cmd_morph(int argc, char **argv)
{
    request ask = {.kinds = "deepen,widen,skip",
                   .n_images = 1024,
                   .batch = 128,
                   .threads = limits_cpus(),
                   .draw = nash_morph_opts_default()};
    session s = {.ask = &ask};
    ask.draw.max_kernel = 5; /* the largest that is drawn */
    int result = parse(&ask, argc, argv);
    if (result != ARGS_GO)
        return result;
    result = check_request(&ask);
    if (result == EXIT_OK)
        result = run(&s);
    if (s.measure.ctx)
        nash_probe_close(&s.measure);
    if (s.compare.ctx)
        nash_probe_close(&s.compare);
    nash_model_free(s.parent);
    nash_model_free(s.child);
    free(s.pixels);
    free(s.steps);
    return result;
}
