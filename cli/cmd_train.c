/*
 * nash train: train one network, a new one or a file's, and write it as ONNX.
 * What can be wrong is found before the first epoch, the output's folder
 * included; the file is written once, at the end.
 */
#include "adopt.h"
#include "args.h"
#include "cli.h"
#include "folder.h"
#include "json.h"
#include "limits.h"
#include "open.h"
#include "presets.h"
#include "progress.h"
#include "recipe.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FIRST_OPTIONS = 3,
    OWN_OPTIONS = 20,
    MOST_OPTIONS = FIRST_OPTIONS + RECIPE_OPTIONS + OWN_OPTIONS
};

/* What the command line asks for. */
typedef struct request {
    const char *model, *data, *output, *size;
    int preset; /* below 0: none */
    bool json, widths_given;
    int32_t widths[NASH_MAX_STAGES];
    bool identity_init, whiten, init_given;
    nash_looks looks; /* of what is written, given or the preset's */
    bool mirror_given, shift_given, pad_given, flip_given, cutout_given;
    double val_share;
    adoption adopt;
    nash_train_opts train;
} request;

/* A training under way. */
typedef struct training {
    request *ask;
    nash_model *model;
    nash_dataset *data;
    const nash_images *images;
    int32_t *train, *val; /* of the split; NULL: train on all */
    int32_t *all;         /* 0 .. n-1, where there is no split */
    int32_t n_train, n_val;
    int32_t n_epochs, n_snapshots;
    nash_epoch *epochs; /* [ask->train.epochs] */
    nash_score score;   /* of the trained model, on the validation images */
    double seconds;
} training;

static volatile sig_atomic_t stop_asked;

/* Launchers pass one Ctrl-C on several times; whoever insists gets their way.
 */
static void ask_to_stop(int signal_number)
{
    (void)signal_number;
    if (++stop_asked > 3)
        _exit(EXIT_FAILED);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = ask_to_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- the command line -------------------------------------------------- */

/* On which images, which network, and how to compute. */
static void own_options(arg_option *to, request *ask)
{
    nash_train_opts *t = &ask->train;
    const arg_option own[] = {
        {"epochs", ARG_INT, &t->epochs, "of as many images as there are", 0,
         1e6},
        {"seed", ARG_SEED, &t->seed,
         "of weights, split, order and augmentation"},
        {"val-share", ARG_REAL, &ask->val_share,
         "of the training images, to judge by; 0: train on all", 0, 0.9},
        {"size", ARG_TEXT, &ask->size,
         "HxW or N, input size of a new network; images are resized to it",
         .fallback = "the images' own"},
        {"identity-init", ARG_YESNO, &ask->identity_init,
         "the first filters of layers drawn anew pass their channel on",
         .given = &ask->init_given},
        {"whiten", ARG_YESNO, &ask->whiten,
         "a new network begins with a layer that whitens small patches; with "
         "--reinit, MODEL's first layer does if it can",
         .given = &ask->init_given},
        {"input-mean", ARG_TEXT, &ask->adopt.mean, ADOPT_MEAN_HELP,
         .fallback = "as it is"},
        {"input-std", ARG_TEXT, &ask->adopt.std, ADOPT_STD_HELP,
         .fallback = "as it is"},
        {"new-head", ARG_FLAG, &ask->adopt.new_head, ADOPT_HEAD_HELP},
        {"widths", ARG_INTS, ask->widths, "channels of 'start'",
         .most = NASH_MAX_STAGES, .given = &ask->widths_given},
        {"precision", ARG_CHOICE, &t->precision,
         "auto is bf16 where the chip computes it fast",
         .choices = nash_precision_names},
        {"threads", ARG_INT, &t->threads, "a part of what fixes the result", 1,
         1024, .fallback = "all processors"},
        {"mirror", ARG_YESNO, &ask->looks.mirrored,
         "what is written averages over each image and its mirror image",
         .given = &ask->mirror_given,
         .fallback = "as MODEL does; a new network does not"},
        {"shift", ARG_YESNO, &ask->looks.shifted,
         "what is written averages over each image as it is and shifted by a "
         "pixel, two ways",
         .given = &ask->shift_given,
         .fallback = "as MODEL does; a new network does not"},
        {"max-memory", ARG_BYTES, &t->max_bytes,
         "refuse to train if it would take more", .fallback = "no limit"},
        {"snapshots", ARG_INT, &t->snapshots,
         "also write the model at the ends of the last N cosines; without "
         "--cycle, of N equal ones",
         0, 1000},
        {"json", ARG_FLAG, &ask->json, "print the result as JSON"},
        {NULL}};
    memcpy(to, own, sizeof own);
}

static void all_options(arg_option options[MOST_OPTIONS], request *ask)
{
    const arg_option first[FIRST_OPTIONS] = {
        {"output", ARG_TEXT, &ask->output, "file to write (or -o)"},
        {"reinit", ARG_FLAG, &ask->adopt.reinit,
         "draw the weights of MODEL anew instead of going on with them"},
        {"preset", ARG_CHOICE, &ask->preset,
         "train as a search with this preset trains its result; see 'nash "
         "search --help' for what it sets",
         .choices = preset_names, .fallback = "none"}};
    memcpy(options, first, sizeof first);
    int n = recipe_options(options, FIRST_OPTIONS, &ask->train);
    own_options(options + n, ask);
    for (arg_option *o = options; o->name; o++)
        if (strcmp(o->name, "pad") == 0)
            o->given = &ask->pad_given;
        else if (strcmp(o->name, "flip") == 0)
            o->given = &ask->flip_given;
        else if (strcmp(o->name, "cutout") == 0)
            o->given = &ask->cutout_given;
}

static int parse(request *ask, int argc, char **argv)
{
    int operands;
    arg_option options[MOST_OPTIONS];
    all_options(options, ask);
    const arg_spec spec = {
        "train",
        "MODEL DATA -o FILE",
        "Train a network: an ONNX file, or a new one by name: start (the "
        "paper's), vgg, resnet9.",
        options,
        "Equal options give equal bits on equal chips. The test images are not "
        "touched:\n'nash eval' is for them.",
        2,
        2};
    int go = args_parse(&operands, &spec, argc, argv);
    if (go != ARGS_GO)
        return go;
    ask->model = argv[1];
    ask->data = argv[2];
    return ARGS_GO;
}

static request request_default(void)
{
    request ask = {.preset = -1,
                   .train = nash_train_opts_default(),
                   .widths = {64, 128, 256},
                   .val_share = 0.1};
    ask.train.epochs = 20;
    ask.train.threads = limits_cpus();
    return ask;
}

/* Options beside a preset override it wherever they stand, so the command line
 * is read once for the preset alone. */
static int apply_preset(request *ask, int argc, char **argv)
{
    arg_option options[MOST_OPTIONS];
    request scratch = *ask;
    char **copy = args_copy(argc, argv);
    if (!copy)
        return cli_error("out of memory");
    int go = parse(&scratch, argc, copy);
    free(copy);
    if (go == ARGS_GO && scratch.preset >= 0) {
        all_options(options, ask);
        preset_set_result(options, scratch.preset);
    }
    return go;
}

static bool is_built_in(const char *name)
{
    return strcmp(name, "start") == 0 || strcmp(name, "vgg") == 0 ||
           strcmp(name, "resnet9") == 0;
}

static int check_request(const request *ask)
{
    if (!ask->output)
        return cli_usage("train", "-o is missing, expected a file to write");
    if (ask->widths_given && strcmp(ask->model, "start") != 0)
        return cli_usage("train",
                         "--widths is for the network 'start' only, "
                         "not for %s",
                         ask->model);
    if (ask->init_given && !ask->adopt.reinit && !is_built_in(ask->model))
        return cli_usage("train",
                         "--identity-init and --whiten are for weights that "
                         "are drawn anew; those of %s are gone on with, "
                         "unless --reinit is given",
                         ask->model);
    if (ask->size && !is_built_in(ask->model))
        return cli_usage("train",
                         "--size is for new networks only; %s has its "
                         "own",
                         ask->model);
    if (adopt_check(&ask->adopt, "train",
                    is_built_in(ask->model) ? NULL : ask->model) != EXIT_OK)
        return EXIT_USAGE;
    if (ask->train.snapshots > ask->train.epochs)
        return cli_usage("train",
                         "--snapshots is %d, expected at most the %d "
                         "epochs",
                         ask->train.snapshots, ask->train.epochs);
    return folder_check_output("--output", ask->output);
}

/* ---- model and data ---------------------------------------------------- */

static nash_net_opts net_opts(const request *ask)
{
    nash_net_opts net = nash_net_opts_default();
    net.seed = ask->train.seed;
    net.identity = ask->identity_init;
    net.whiten = ask->whiten;
    if (strcmp(ask->model, "start") == 0)
        memcpy(net.widths, ask->widths, sizeof net.widths);
    return net;
}

static int make_model(training *t)
{
    const request *ask = t->ask;
    nash_dataset_opts data = nash_dataset_opts_default();
    nash_net_opts net = net_opts(ask);
    if (ask->size) {
        int result = cli_size(&data.height, &data.width, "train", ask->size);
        if (result != EXIT_OK)
            return result;
    }
    if (open_dataset(&t->data, ask->data, &data) != EXIT_OK)
        return EXIT_FAILED;
    if (nash_net_for_data(&t->model, ask->model, t->data, &net) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

static int redraw(training *t)
{
    nash_net_opts net = net_opts(t->ask);
    if (nash_net_redraw(t->model, t->data, &net) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

static int read_model(training *t)
{
    const request *ask = t->ask;
    bool there = access(ask->model, F_OK) == 0;
    int result = adopt_read(
        &t->model, ask->model, &ask->adopt,
        there ? NULL : "start, vgg and resnet9 are names of new networks");
    if (result == EXIT_OK)
        result = adopt_data(&t->data, ask->data, t->model, ask->model,
                            &ask->adopt, ask->val_share, ask->train.seed);
    if (result != EXIT_OK)
        return result;
    return ask->adopt.reinit ? redraw(t) : EXIT_OK;
}

static int split(training *t)
{
    const request *ask = t->ask;
    if (nash_dataset_images(&t->images, t->data, NASH_PART_TRAIN) != NASH_OK)
        return cli_fail(NULL);
    if (ask->val_share > 0.0) {
        nash_status status =
            nash_run_split(&t->train, &t->n_train, &t->val, &t->n_val,
                           t->images, ask->val_share, 0, ask->train.seed);
        return status == NASH_OK ? EXIT_OK : open_cannot_split(status);
    }
    t->n_train = t->images->n;
    t->all = calloc((size_t)t->n_train, sizeof *t->all);
    if (!t->all)
        return cli_error("out of memory");
    for (int32_t i = 0; i < t->n_train; i++)
        t->all[i] = i;
    return EXIT_OK;
}

/* ---- while it trains --------------------------------------------------- */

static void print_epoch(const training *t, const nash_epoch *e)
{
    char time[32];
    progress_clear();
    printf("epoch %3d of %d   rate %.5f   train loss %.4f error %5.2f %%",
           e->epoch + 1, t->ask->train.epochs, e->lr, e->train_loss,
           100.0 * e->train_error);
    if (!isnan(e->val_error))
        printf("   val loss %.4f error %5.2f %%", e->val_loss,
               100.0 * e->val_error);
    printf("   %s\n", cli_time(time, e->seconds));
    fflush(stdout);
}

static nash_status on_epoch(void *ctx, const nash_epoch *epoch)
{
    training *t = ctx;
    t->epochs[t->n_epochs++] = *epoch;
    t->seconds += epoch->seconds;
    if (!t->ask->json)
        print_epoch(t, epoch);
    return stop_asked ? NASH_ESTOP : NASH_OK;
}

static nash_status on_progress(void *ctx, double share,
                               double images_per_second)
{
    const training *t = ctx;
    char label[64], rate[64];
    snprintf(label, sizeof label, "epoch %d of %d", t->n_epochs + 1,
             t->ask->train.epochs);
    snprintf(rate, sizeof rate, "%.0f images/s", images_per_second);
    progress_show(label, share, rate);
    return stop_asked ? NASH_ESTOP : NASH_OK;
}

/* "dir/name.onnx" -> "dir/name.snapshot-2.onnx"; yours to free */
static char *snapshot_path(const char *output, int32_t number)
{
    char *path;
    size_t length = strlen(output);
    if (length > 5 && strcmp(output + length - 5, ".onnx") == 0)
        length -= 5;
    if (asprintf(&path, "%.*s.snapshot-%d.onnx", (int)length, output, number) <
        0)
        return NULL;
    return path;
}

/* What an earlier training of the same name had more of. */
static nash_status remove_old_snapshots(const training *t)
{
    int removed = 0;
    for (int32_t number = t->n_snapshots + 1; removed == 0; number++) {
        char *path = snapshot_path(t->ask->output, number);
        if (!path)
            return NASH_ENOMEM;
        removed = remove(path);
        free(path);
    }
    return NASH_OK;
}

/* From the first on, those that are there are of one training. */
static nash_status on_snapshot(void *ctx, int32_t i, const nash_model *m)
{
    (void)i;
    training *t = ctx;
    nash_model *copy = NULL;
    char *path = snapshot_path(t->ask->output, ++t->n_snapshots);
    nash_status status = path ? nash_model_dup(&copy, m) : NASH_ENOMEM;
    if (status == NASH_OK)
        status =
            nash_describe_training(copy, &t->ask->train, t->n_train, 0.0, NULL);
    if (status == NASH_OK)
        status = nash_onnx_write(copy, path);
    if (status == NASH_OK && t->n_snapshots == 1)
        status = remove_old_snapshots(t);
    nash_model_free(copy);
    free(path);
    return status;
}

static int say_stopped(const training *t)
{
    return cli_error("stopped after %d of %d epochs; %s is not written%s",
                     t->n_epochs, t->ask->train.epochs, t->ask->output,
                     t->n_snapshots > 0 ? ", but its snapshots so far are"
                                        : "");
}

static int run(training *t)
{
    const nash_train_opts *opts = &t->ask->train;
    nash_train_hooks hooks = {.ctx = t,
                              .epoch = on_epoch,
                              .progress = on_progress,
                              .snapshot = on_snapshot};
    t->epochs = calloc((size_t)opts->epochs + 1, sizeof *t->epochs);
    if (!t->epochs)
        return cli_error("out of memory");
    catch_signals();
    nash_status status =
        nash_train(t->model, t->images, t->all ? t->all : t->train, t->n_train,
                   t->val, t->n_val, opts, &hooks);
    progress_clear();
    if (status == NASH_ESTOP)
        return say_stopped(t);
    if (status == NASH_EDIVERGED)
        return cli_fail("a smaller --lr-start, or some --warmup, may help");
    return status == NASH_OK ? EXIT_OK : cli_fail(NULL);
}

/* ---- the result -------------------------------------------------------- */

static int judge(training *t)
{
    int result = EXIT_FAILED;
    int32_t classes = t->images->classes;
    nash_plan_opts plan = recipe_judging(&t->ask->train, t->ask->train.threads);
    size_t n = (size_t)t->n_val;
    float *p = calloc(n * (size_t)classes, sizeof *p);
    int32_t *labels = calloc(n, sizeof *labels);
    if (!p || !labels) {
        cli_error("out of memory");
        goto done;
    }
    for (int32_t i = 0; i < t->n_val; i++)
        labels[i] = t->images->labels[t->val[i]];
    if (nash_predict(p, &t->model, 1, t->images, t->val, t->n_val, &plan) !=
        NASH_OK) {
        cli_fail(NULL);
        goto done;
    }
    nash_score_of(&t->score, NULL, p, labels, t->n_val, classes);
    result = EXIT_OK;
done:
    free(labels);
    free(p);
    return result;
}

static int save(training *t)
{
    if (t->val && judge(t) != EXIT_OK)
        return EXIT_FAILED;
    if (nash_describe_training(t->model, &t->ask->train, t->n_train, 0.0,
                               t->val ? &t->score : NULL) != NASH_OK ||
        nash_onnx_write(t->model, t->ask->output) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

static void print_json_epoch(const nash_epoch *e)
{
    json_object(NULL);
    json_int("epoch", e->epoch + 1);
    json_real("lr", e->lr);
    json_real("train_loss", e->train_loss);
    json_real("train_error", e->train_error);
    json_real("val_loss", e->val_loss);
    json_real("val_error", e->val_error);
    json_real("val_balanced_error", e->val_balanced_error);
    json_real("seconds", e->seconds);
    json_end();
}

static void print_json(const training *t)
{
    const nash_graph *g = nash_model_graph(t->model);
    json_object(NULL);
    json_text("output", t->ask->output);
    json_int("params", nash_graph_params(g));
    json_int("macs", nash_graph_macs(g));
    json_int("images", t->n_train);
    json_int("val_images", t->n_val);
    json_real("val_loss", t->val ? t->score.loss : nan(""));
    json_real("val_error", t->val ? t->score.error : nan(""));
    json_real("val_balanced_error", t->val ? t->score.balanced_error : nan(""));
    json_real("seconds", t->seconds);
    json_array("epochs");
    for (int32_t i = 0; i < t->n_epochs; i++)
        print_json_epoch(&t->epochs[i]);
    json_end();
    json_end();
}

static void print_text(const training *t)
{
    char params[32], macs[32], time[32];
    const nash_graph *g = nash_model_graph(t->model);
    if (t->val)
        printf("val error %.2f %%, balanced %.2f %%, loss %.4f on %d images\n",
               100.0 * t->score.error, 100.0 * t->score.balanced_error,
               t->score.loss, t->n_val);
    printf("%s: %s parameters, %s MACs, trained in %s\n", t->ask->output,
           cli_count(params, (double)nash_graph_params(g)),
           cli_count(macs, (double)nash_graph_macs(g)),
           cli_time(time, t->seconds));
}

/* What a preset has for other images and networks than those it was made for.
 */
static void fit_preset(training *t)
{
    request *ask = t->ask;
    nash_augment *augment = &ask->train.augment;
    nash_shape image = t->images->shape;
    int64_t params = nash_graph_params(nash_model_graph(t->model));
    if (!ask->flip_given && nash_was_unflipped(t->model))
        augment->flip = false; /* as a search has found out */
    if (!ask->pad_given)
        augment->pad = preset_pad(ask->preset, augment->pad, image);
    if (!ask->cutout_given)
        augment->cutout =
            preset_cutout(ask->preset, image, ask->train.epochs, params);
    if (!ask->mirror_given)
        ask->looks.mirrored = ask->looks.mirrored && augment->flip;
    if (!ask->shift_given)
        ask->looks.shifted = ask->looks.shifted && augment->pad > 0;
}

/* As the options or the preset say, or else as they are. */
static void set_looks(training *t)
{
    const request *ask = t->ask;
    bool preset = ask->preset >= 0;
    nash_looks looks = nash_model_looks(t->model);
    if (preset || ask->mirror_given)
        looks.mirrored = ask->looks.mirrored;
    if (preset || ask->shift_given)
        looks.shifted = ask->looks.shifted;
    nash_model_set_looks(t->model, looks);
}

static int train(training *t)
{
    int result = is_built_in(t->ask->model) ? make_model(t) : read_model(t);
    if (result == EXIT_OK)
        result = split(t);
    if (result == EXIT_OK && t->ask->preset >= 0)
        fit_preset(t);
    if (result == EXIT_OK)
        set_looks(t);
    if (result == EXIT_OK)
        result = run(t);
    if (result == EXIT_OK)
        result = save(t);
    if (result != EXIT_OK)
        return result;
    if (t->ask->json)
        print_json(t);
    else
        print_text(t);
    return EXIT_OK;
}

int cmd_train(int argc, char **argv)
{
    request ask = request_default();
    training t = {.ask = &ask};
    int result = apply_preset(&ask, argc, argv);
    if (result != ARGS_GO)
        return result;
    parse(&ask, argc, argv);
    result = check_request(&ask);
    if (result != EXIT_OK)
        return result;
    result = train(&t);
    free(t.epochs);
    free(t.all);
    nash_split_free(t.val);
    nash_split_free(t.train);
    nash_model_free(t.model);
    nash_dataset_close(t.data);
    return result;
}
