/*
 * --input-mean and --input-std: numbers as their owners have them, who mostly
 * think of pixels as 0..1, checked against the network they are for.
 */
#include "adopt.h"

#include "cli.h"
#include "open.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CHANNELS = 4 };

/* ---- numbers ------------------------------------------------------------ */

/* @return how many there are; 0: the text is something else */
static int parse(float values[MOST_CHANNELS], const char *text)
{
    for (int n = 0; n < MOST_CHANNELS; n++) {
        char *end;
        values[n] = strtof(text, &end);
        if (end == text || !isfinite(values[n]) ||
            (*end != ',' && *end != '\0'))
            return 0;
        if (*end == '\0')
            return n + 1;
        text = end + 1;
    }
    return 0;
}

static int check_text(const char *verb, const char *option, const char *text,
                      bool positive)
{
    float values[MOST_CHANNELS];
    int n = parse(values, text);
    bool good = n > 0;
    for (int i = 0; i < n; i++)
        good = good && (!positive || values[i] > 0);
    if (good)
        return EXIT_OK;
    return cli_usage(verb,
                     "--%s is '%s', expected up to %d numbers%s with commas "
                     "between them",
                     option, text, MOST_CHANNELS, positive ? " above 0" : "");
}

int adopt_check(const adoption *a, const char *verb, const char *network)
{
    const char *lone = a->mean ? "mean" : "std",
               *other = a->mean ? "std" : "mean";
    if (!network && (a->mean || a->std || a->new_head))
        return cli_usage(
            verb, "--%s%s is for a network that is read from a file",
            a->new_head ? "new-head" : "input-", a->new_head ? "" : lone);
    if (!a->mean != !a->std)
        return cli_usage(verb, "--input-%s is given without --input-%s", lone,
                         other);
    if (!a->mean)
        return EXIT_OK;
    int result = check_text(verb, "input-mean", a->mean, false);
    return result == EXIT_OK ? check_text(verb, "input-std", a->std, true)
                             : result;
}

/* ---- putting it in ------------------------------------------------------ */

static int spread(float values[MOST_CHANNELS], const char *option,
                  const char *text, const char *path, int32_t channels)
{
    int n = parse(values, text);
    if (n != 1 && n != channels)
        return cli_error("--%s has %d values, but %s takes images with %d "
                         "channels",
                         option, n, path, channels);
    for (int i = n; i < channels; i++)
        values[i] = values[0];
    return EXIT_OK;
}

/* From 0..1 to 0..255, unless they are of 0..255 already. */
static void scale(float *mean, float *std, int32_t channels)
{
    for (int32_t c = 0; c < channels; c++)
        if (mean[c] > 1.0F || std[c] > 1.0F)
            return;
    for (int32_t c = 0; c < channels; c++) {
        mean[c] *= 255.0F;
        std[c] *= 255.0F;
    }
}

static int normalize(nash_model *m, const char *path, const adoption *a)
{
    float mean[MOST_CHANNELS], std[MOST_CHANNELS];
    int32_t channels = nash_graph_input_shape(nash_model_graph(m)).c;
    if (channels > MOST_CHANNELS)
        return cli_error("%s takes images with %d channels, expected at most "
                         "%d for --input-mean",
                         path, channels, MOST_CHANNELS);
    if (spread(mean, "input-mean", a->mean, path, channels) != EXIT_OK ||
        spread(std, "input-std", a->std, path, channels) != EXIT_OK)
        return EXIT_FAILED;
    scale(mean, std, channels);
    if (nash_model_normalize(m, mean, std) == NASH_OK)
        return EXIT_OK;
    return cli_error("--input-mean is of no use for %s: %s", path,
                     nash_error_message());
}

/* Whether a node divides by nothing, or by the root of less: what comes of that
 * may be hidden by a ReLU. */
static bool divides_by_nothing(const nash_model *m, int32_t id)
{
    const nash_node *node = nash_graph_node(nash_model_graph(m), id);
    bool norm = node->op == NASH_OP_BATCH_NORM;
    if (!norm && node->op != NASH_OP_NORMALIZE)
        return false;
    const nash_tensor *t =
        nash_model_tensor(m, id, norm ? NASH_SLOT_VAR : NASH_SLOT_SCALE);
    for (int64_t c = 0; c < t->count; c++)
        if (norm ? !(t->data[c] + node->attrs.eps > 0) : t->data[c] == 0)
            return true;
    return false;
}

static int check_weights(const nash_model *m, const char *path)
{
    const nash_graph *g = nash_model_graph(m);
    char name[32];
    if (!nash_model_is_finite(m))
        return cli_error("%s has weights or statistics that are not finite",
                         path);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        if (!divides_by_nothing(m, id))
            continue;
        nash_node_name(name, sizeof name, g, id);
        return cli_error("%s: %s has a variance or standard deviation that "
                         "nothing can be divided by",
                         path, name);
    }
    return EXIT_OK;
}

static bool has(const nash_model *m, nash_op op)
{
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->op == op)
            return true;
    return false;
}

static int cannot_read(const char *path, const char *hint)
{
    char meant[4200];
    snprintf(meant, sizeof meant, "%s/best.onnx", path);
    if (access(meant, F_OK) != 0)
        return cli_fail(hint);
    snprintf(meant, sizeof meant, "did you mean %s/best.onnx?", path);
    return cli_fail(meant);
}

int adopt_read(nash_model **out, const char *path, const adoption *a,
               const char *hint)
{
    *out = NULL;
    if (nash_onnx_read(out, path) != NASH_OK)
        return cannot_read(path, hint);
    if (check_weights(*out, path) != EXIT_OK)
        return EXIT_FAILED;
    if (a->mean)
        return normalize(*out, path, a);
    if (!has(*out, NASH_OP_NORMALIZE))
        progress_line("%s has no normalisation inside: it gets pixels of 0 to "
                      "255, unless --input-mean and --input-std say otherwise",
                      path);
    return EXIT_OK;
}

/* What cannot be split is refused later, by who splits it. */
static bool has_learned(const nash_model *m, nash_dataset *ds, double val_share,
                        uint64_t seed)
{
    const nash_images *all;
    int32_t *train = NULL, *val = NULL, n_train, n_val;
    bool learned = nash_dataset_images(&all, ds, NASH_PART_TRAIN) == NASH_OK &&
                   nash_run_split(&train, &n_train, &val, &n_val, all,
                                  val_share, 0, seed) == NASH_OK &&
                   nash_has_learned(m, ds, n_train, seed);
    nash_split_free(val);
    nash_split_free(train);
    return learned;
}

void adopt_looks(nash_model *m, nash_looks looks)
{
    nash_looks own = nash_model_looks(m);
    nash_model_set_looks(m, (nash_looks){own.mirrored || looks.mirrored,
                                         own.shifted || looks.shifted});
}

int adopt_data(nash_dataset **out, const char *dir, nash_model *m,
               const char *path, const adoption *a, double val_share,
               uint64_t seed)
{
    int result = a->new_head ? open_for_new_head(out, dir, m, path, seed)
                             : open_for_model(out, dir, m, path, NULL);
    bool seen = result == EXIT_OK && !a->reinit && val_share > 0.0 &&
                has_learned(m, *out, val_share, seed);
    if (seen)
        progress_line("%s has learned from images that are to validate it: "
                      "validation errors will be too good",
                      path);
    if (result == EXIT_OK && !a->reinit && !a->new_head &&
        nash_dataset_is_holdout(*out) &&
        nash_model_meta(m, NASH_META_DATASET) && !nash_is_of_data(m, *out))
        progress_line("%s has no test images; of those that are held out of it "
                      "%s may have learned some, if it was trained before %s "
                      "was changed: test errors will be too good then",
                      dir, path, dir);
    if (result == EXIT_OK &&
        (nash_describe_data(m, *out) != NASH_OK ||
         nash_model_set_meta(m, NASH_META_SEEN, seen ? "yes" : NULL) !=
             NASH_OK))
        result = cli_fail(NULL);
    if (result == EXIT_OK && !has(m, NASH_OP_BATCH_NORM))
        progress_line("%s has no batch normalisation, or it was folded away: "
                      "learning rates above 0.1 may undo what it has learnt",
                      path);
    return result;
}
