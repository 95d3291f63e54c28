/*
 * Presets: what they set, and which of it follows the images.
 */
#include "presets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const preset_names[] = {"fast", "paper", "smoke", "demo", NULL};

enum { N_PRESETS = 4 };

/* One column per preset, in the order of preset_names. */
/* clang-format off */
static const struct preset_row {
    const char *option;
    const char *values[N_PRESETS];
} preset_rows[] = {
    /*                   fast              paper            smoke        demo */
    {"budget",           {"45min",          "none",          "none",      "12min"}},
    {"climb-share",      {"0.3",            "0.3",           "0.3",       "0.4"}},
    {"climb-images",     {"60000",          "0",             "0",         "60000"}},
    {"steps",            {"6",              "5",             "2",         "2"}},
    {"neighbours",       {"8",              "8",             "3",         "4"}},
    {"morphs",           {"3",              "5",             "2",         "3"}},
    {"skip-share",       {"0.1",            "-1",            "-1",        "0.1"}},
    {"max-kernel",       {"3",              "5",             "5",         "3"}},
    {"max-share",        {"0.45",           "0",             "0",         "0.45"}},
    {"max-expansion",    {"3",              "0",             "0",         "3"}},
    {"start-epochs",     {"4",              "20",            "1",         "4"}},
    {"epochs",           {"3",              "17",            "1",         "1"}},
    {"cycle",            {"1",              "0",             "0",         "0"}},
    {"cycle-growth",     {"2",              "1",             "1",         "1"}},
    {"halve",            {"yes",            "no",            "no",        "no"}},
    {"criterion",        {"loss",           "error",         "loss",      "loss"}},
    {"tie",              {"0.015",          "0",             "0",         "0"}},
    {"final-epochs",     {"30",             "100",           "1",         "9"}},
    {"lr-start",         {"0.3",            "0.05",          "0.05",      "0.3"}},
    {"final-lr-start",   {"0.4",            "0",             "0",         "0.4"}},
    {"lr-end",           {"0.02",           "0",             "0",         "0.02"}},
    {"warmup",           {"0.2",            "0",             "0",         "0.2"}},
    {"batch",            {"128",            "128",           "32",        "128"}},
    {"nesterov",         {"yes",            "no",            "no",        "yes"}},
    {"weight-decay",     {"0.0005",         "0.0005",        "0.0005",    "0.0005"}},
    {"label-smoothing",  {"0.1",            "0",             "0",         "0.1"}},
    {"bias-rate",        {"16",             "1",             "1",         "16"}},
    {"gate-rate",        {"0.1",            "1",             "1",         "0.1"}},
    {"clip-norm",        {"5",              "0",             "0",         "5"}},
    {"final-inherit",    {"auto",           "yes",           "yes",       "auto"}},
    {"muon",             {"0.03",           "0",             "0",         "0.03"}},
    {"lookahead",        {"5",              "0",             "0",         "5"}},
    {"focus",            {"0.5",            "1",             "1",         "0.5"}},
    {"pad",              {"4",              "4",             "2",         "2"}},
    {"final-cutout",     {"-1",             "0",             "0",         "0"}},
    {"alternate-flip",   {"yes",            "no",            "no",        "yes"}},
    {"auto-flip",        {"yes",            "no",            "no",        "yes"}},
    {"mirror",           {"yes",            "no",            "yes",       "yes"}},
    {"shift",            {"yes",            "no",            "yes",       "yes"}},
    {"identity-init",    {"yes",            "no",            "no",        "yes"}},
    {"norm-skips",       {"yes",            "no",            "no",        "yes"}},
    {"whiten",           {"yes",            "no",            "no",        "yes"}},
    {"widths",           {"48,96,192,256",  "64,128,256",    "8,8,16",    "48,96,192,256"}},
};
/* clang-format on */

enum { N_ROWS = sizeof preset_rows / sizeof *preset_rows };

const char *preset_value(const char *option, int preset)
{
    for (int i = 0; i < N_ROWS; i++)
        if (strcmp(preset_rows[i].option, option) == 0)
            return preset_rows[i].values[preset];
    return NULL;
}

void preset_set_search(const arg_option *options, int preset)
{
    const arg_spec spec = {"search"};
    for (int i = 0; i < N_ROWS; i++)
        arg_assign(&spec, arg_find(options, preset_rows[i].option),
                   preset_rows[i].values[preset]);
}

/* An option of this name is about candidates in a search. */
static bool is_of_candidates(const char *name)
{
    return strcmp(name, "epochs") == 0 || strcmp(name, "cycle") == 0;
}

void preset_set_result(const arg_option *options, int preset)
{
    const arg_spec spec = {"train"};
    const char *rate = preset_value("final-lr-start", preset);
    for (const arg_option *o = options; o->name; o++) {
        const char *value = preset_value(o->name, preset);
        if (value && !is_of_candidates(o->name))
            arg_assign(&spec, o, value);
    }
    if (strtod(rate, NULL) > 0.0) /* or as candidates' */
        arg_assign(&spec, arg_find(options, "lr-start"), rate);
}

/* Characters that a preset's column needs. */
static int column_width(int preset)
{
    size_t width = strlen(preset_names[preset]);
    for (int i = 0; i < N_ROWS; i++)
        if (strlen(preset_rows[i].values[preset]) > width)
            width = strlen(preset_rows[i].values[preset]);
    return (int)width;
}

char *preset_notes(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%-17s", "presets:");
    for (int p = 0; p < N_PRESETS; p++)
        fprintf(out, "  %*s", column_width(p), preset_names[p]);
    for (int i = 0; i < N_ROWS; i++) {
        fprintf(out, "\n  %-15s", preset_rows[i].option);
        for (int p = 0; p < N_PRESETS; p++)
            fprintf(out, "  %*s", column_width(p), preset_rows[i].values[p]);
    }
    fprintf(
        out,
        "\nOptions beside --preset override it. Of data with fewer training "
        "images than\nCIFAR-10's, 'fast' and 'demo' train by as many more "
        "epochs, unless --epochs and\nso on are given; with fewer than 2,000 "
        "validation images 'fast' has no --tie. Their\npad is of images of 32 "
        "pixels, and the same share of others.");
    return fclose(out) == 0 ? text : NULL;
}

/* ---- for other images ---------------------------------------------------- */

static const bool of_cifar[N_PRESETS] = {true, false, false, true};

bool preset_is_of_cifar(int preset)
{
    return of_cifar[preset];
}

static int32_t shorter_side(nash_shape image)
{
    return image.h < image.w ? image.h : image.w;
}

/* An image is shifted by the same share of its side. */
int32_t preset_pad(int preset, int32_t pad, nash_shape image)
{
    static const int32_t side = 32; /* of CIFAR-10's images */
    return of_cifar[preset] ? (pad * shorter_side(image) + side / 2) / side
                            : pad;
}

int32_t preset_cutout_side(int32_t asked, nash_shape image)
{
    return asked < 0 ? shorter_side(image) / 4 : asked;
}

/* Cutout takes longer to learn with than it gives in few epochs
 * (docs/research.md). */
int32_t preset_cutout(int preset, nash_shape image, int32_t epochs,
                      int64_t params)
{
    int32_t asked =
        (int32_t)strtol(preset_value("final-cutout", preset), NULL, 10);
    bool is_short =
        asked < 0 && nash_is_short(epochs, params, PRESET_CUTOUT_EPOCHS);
    return is_short ? 0 : preset_cutout_side(asked, image);
}
