/*
 * Presets: what they set, and what becomes of it for images and budgets that
 * they were not made for.
 */
#include "presets.h"

#include "settings.h"

#include <math.h>
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

/* What a preset says of an option; NULL: nothing. */
static const char *value_of(const char *option, int preset)
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
    const char *rate = value_of("final-lr-start", preset);
    for (const arg_option *o = options; o->name; o++) {
        const char *value = value_of(o->name, preset);
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

/* What --final-cutout asks for. */
static int32_t cutout_side(int32_t asked, nash_shape image)
{
    return asked < 0 ? shorter_side(image) / 4 : asked;
}

/* Cutout takes longer to learn with than it gives in few epochs
 * (docs/research.md). */
int32_t preset_cutout(int preset, nash_shape image, int32_t epochs,
                      int64_t params)
{
    int32_t asked = (int32_t)strtol(value_of("final-cutout", preset), NULL, 10);
    bool is_short =
        asked < 0 && nash_is_short(epochs, params, PRESET_CUTOUT_EPOCHS);
    return is_short ? 0 : cutout_side(asked, image);
}

void settings_fit(settings *s, const nash_images *images)
{
    int32_t *cutout = &s->search.final_train.augment.cutout;
    int32_t asked = cutout_side(s->final_cutout, images->shape);
    if (*cutout < asked)
        *cutout = asked;
    s->search.cutout_epochs = s->final_cutout < 0 ? PRESET_CUTOUT_EPOCHS : 0;
}

/* The steps of an epoch of these few images would teach nothing. */
static void scale_epochs(settings *s, const nash_images *images)
{
    static const double many = 40000.0, most = 1000.0;
    nash_search_opts *o = &s->search;
    double n_train = (1.0 - s->val_share) * images->n;
    int32_t times = (int32_t)fmin(many / n_train + 0.5, most);
    if (times < 2)
        return;
    if (!settings_gave(s, "start-epochs"))
        o->start_epochs *= times;
    if (!settings_gave(s, "final-epochs"))
        o->final_epochs *= times;
    if (settings_gave(s, "epochs") || settings_gave(s, "cycle"))
        return;
    o->epochs *= times;
    o->train.cycle *= times;
    o->start_train.cycle *= times;
    o->final_train.cycle *= times;
}

/* Where there are few images, larger networks are no better (docs/research.md),
 * so there is no reason to take the largest of what is about equal. */
static void scale_tie(settings *s, const nash_images *images)
{
    static const double few = 2000.0; /* to validate by */
    if (!settings_gave(s, "tie") && s->val_share * images->n < few)
        s->search.tie = 0.0;
}

static void scale_pad(settings *s, const nash_images *images)
{
    nash_search_opts *o = &s->search;
    if (settings_gave(s, "pad"))
        return;
    o->train.augment.pad = o->start_train.augment.pad =
        o->final_train.augment.pad =
            preset_pad(s->preset, o->train.augment.pad, images->shape);
}

void settings_scale(settings *s, const nash_images *images)
{
    if (!preset_is_of_cifar(s->preset))
        return;
    scale_epochs(s, images);
    scale_tie(s, images);
    scale_pad(s, images);
}

/* ---- for other budgets --------------------------------------------------- */

bool settings_can_narrow(const settings *s)
{
    return preset_is_of_cifar(s->preset) && !s->init &&
           !settings_gave(s, "widths");
}

double settings_narrowed(const settings *s)
{
    double usual = strtod(value_of("widths", s->preset), NULL);
    double by = s->widths[0] / usual; /* of the first layer */
    return settings_can_narrow(s) ? fmin(by * by, 1.0) : 1.0;
}

bool settings_narrow(settings *s, double share)
{
    enum { MULTIPLE = 16 }; /* of channels, for Winograd's algorithm */
    static const double clearly = 0.75;
    if (!(share < clearly))
        return false;
    double by = sqrt(share);
    for (int i = 0; i < NASH_MAX_STAGES && s->widths[i] > 0; i++) {
        int32_t width =
            (int32_t)lround(by * s->widths[i] / MULTIPLE) * MULTIPLE;
        s->widths[i] = width > MULTIPLE ? width : MULTIPLE;
    }
    return true;
}
