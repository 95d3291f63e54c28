/* The settings of a search: their option table and their record. */
#include "settings.h"

#include "cli.h"
#include "draws.h"
#include "limits.h"
#include "presets.h"
#include "recipe.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const strategies[] = {"hillclimb", "random", NULL};
static const char *const criteria[] = {"loss", "error", "balanced-error", NULL};
static const char *const inherits[] = {"no", "yes", "auto", NULL};

settings settings_default(void)
{
    settings s = {.search = nash_search_opts_default(),
                  .widths = {64, 128, 256},
                  .bn_momentum = 0.9,
                  .val_share = 0.2,
                  .checkpoint_every = 60.0,
                  .candidate_timeout = 1800.0};
    s.search.train.threads = 0; /* by the machine: complete_numbers() */
    settings_apply_preset(&s, 0);
    return s;
}

void settings_apply_preset(settings *s, int preset)
{
    arg_option options[SETTINGS_MOST];
    settings_options(options, s);
    s->preset = preset;
    preset_set_search(options, preset);
}

/* ---- the table --------------------------------------------------------- */

/* Copy a part of the table; @return the number of options so far. */
static int put(arg_option *to, int at, const arg_option *part)
{
    do {
        assert(at < SETTINGS_MOST);
        to[at] = *part;
    } while (part++->name && ++at);
    return at;
}

static int put_search(arg_option *to, int at, settings *s)
{
    nash_search_opts *o = &s->search;
    const arg_option part[] = {
        {"budget", ARG_TEXT, &s->budget.text,
         "what all of it may take, like 45min, 2h30, 1.5PFLOP, 200epochs, or "
         "'none'; it decides the epochs of start and result; --steps, "
         "--neighbours, --epochs and --start-epochs are upper bounds then"},
        {"strategy", ARG_CHOICE, &o->strategy,
         "hill climbing, or the baseline: as many random morphisms at once",
         .choices = strategies},
        {"climb-share", ARG_REAL, &s->climb_share,
         "of the budget, for the climb's candidates", 0, 0.9},
        {"steps", ARG_INT, &o->steps, "of the hill climb", 0, 10000},
        {"neighbours", ARG_INT, &o->neighbours,
         "candidates of a step, the unmorphed parent among them", 2, 10000},
        {"morphs", ARG_INT, &o->morphs, "morphisms in a row per child", 1,
         1000},
        {"start-epochs", ARG_INT, &o->start_epochs,
         "of training the starting network", 0, 100000},
        {"epochs", ARG_INT, &o->epochs, "of training each candidate", 0, 10000},
        {"final-epochs", ARG_INT, &o->final_epochs,
         "of training the result on training and validation images, if no "
         "--budget says how many",
         0, 100000},
        {"halve", ARG_YESNO, &o->halve,
         "compare a step's candidates at the end of every cosine (--cycle) and "
         "train only the better half of the children on"},
        {"criterion", ARG_CHOICE, &o->criterion,
         "what the best of a step has least of, on the validation images",
         .choices = criteria},
        {"tie", ARG_REAL, &o->tie,
         "candidates within this share of the best one's criterion count as "
         "equal, and the largest of them wins",
         0, 1},
        {"inherit", ARG_YESNO, &o->inherit,
         "children keep their parent's weights; no: an ablation"},
        {"final-inherit", ARG_CHOICE, &o->final_inherit,
         "the result goes on from the weights it won with; no: it is trained "
         "from scratch; auto: it is if that has more epochs than "
         "--start-epochs. yes with --init, unless given",
         .choices = inherits},
        {"widen", ARG_CHOICE, &o->morph.widen_mode,
         "how new channels are made: copies, fresh, fresh in pairs, or copies "
         "with noise, which do not quite keep the function",
         .choices = nash_widen_mode_names},
        {"max-memory", ARG_BYTES, &s->max_memory,
         "refuse children whose training would take more, e.g. 2G",
         .fallback = "most of what there is when the run begins"},
        {NULL}};
    return put(to, at, part);
}

static int put_training(arg_option *to, int at, settings *s)
{
    const arg_option part[] = {
        {"final-lr-start", ARG_REAL, &s->final_lr_start,
         "as --lr-start, for the starting network and the final training", 0,
         1e3, .fallback = "as --lr-start"},
        {"final-cutout", ARG_INT, &s->final_cutout,
         "as --cutout, for the final training, and no less than it; -1: a "
         "quarter of the images' smaller side, if it has no fewer epochs than "
         "32 times the root of 1.5 M over the network's parameters",
         -1, NASH_MAX_DIM},
        {"auto-flip", ARG_YESNO, &s->auto_flip,
         "--flip only if the starting network, trained without, knows mirrored "
         "validation images nearly as well as the others"},
        {"mirror", ARG_YESNO, &s->mirror,
         "the result averages over each image and its mirror image, which "
         "takes twice the operations; only with --flip"},
        {"shift", ARG_YESNO, &s->shift,
         "the result averages over each image as it is and shifted by a pixel, "
         "two ways, which takes three times the operations; only with --pad"},
        {"snapshots", ARG_INT, &s->snapshots,
         "judge the ensemble of the last N cosines of the final training; "
         "without --cycle, of N equal ones",
         0, 1000},
        {NULL}};
    return put(to, recipe_options(to, at, &s->search.train), part);
}

static int put_start(arg_option *to, int at, settings *s)
{
    nash_train_opts *t = &s->search.train;
    const arg_option part[] = {
        {"init", ARG_TEXT, &s->init, "ONNX file of a network to start from",
         .fallback = "a new network, see --widths"},
        {"input-mean", ARG_TEXT, &s->adopt.mean, ADOPT_MEAN_HELP,
         .fallback = "as it is"},
        {"input-std", ARG_TEXT, &s->adopt.std, ADOPT_STD_HELP,
         .fallback = "as it is"},
        {"new-head", ARG_FLAG, &s->adopt.new_head, ADOPT_HEAD_HELP},
        {"widths", ARG_INTS, s->widths,
         "channels of the starting network's convolutions; a pool between each "
         "two",
         .most = NASH_MAX_STAGES},
        {"identity-init", ARG_YESNO, &s->identity_init,
         "its first filters pass their channel on"},
        {"whiten", ARG_YESNO, &s->whiten,
         "it begins with a layer that whitens small patches of the images"},
        {"bn-momentum", ARG_REAL, &s->bn_momentum,
         "share that running statistics keep per step", 0, 0.9999},
        {"size", ARG_TEXT, &s->size,
         "HxW or N, input size; images are resized to it",
         .fallback = "the images' own"},
        {"val-share", ARG_REAL, &s->val_share,
         "of the training images, to judge candidates by", 0.001, 0.9},
        {"climb-images", ARG_INT, &s->climb_images,
         "most training images that candidates learn from, drawn by class, and "
         "a quarter of as many that judge them; 0: all",
         0, INT32_MAX},
        {"seed", ARG_SEED, &s->search.seed, "of every random draw"},
        {"precision", ARG_CHOICE, &t->precision,
         "auto is bf16 where the chip computes it fast",
         .choices = nash_precision_names},
        {"threads", ARG_INT, &t->threads,
         "per candidate; a part of what fixes the result", 0, 1024,
         .fallback = "1, or this machine's processors divided by "
                     "--neighbours"},
        {"final-threads", ARG_INT, &s->final_threads,
         "for the starting network and the final training, likewise", 0, 1024,
         .fallback = "all processors"},
        {"keep-all", ARG_FLAG, &s->keep_all, "keep the models of the losers"},
        {NULL}};
    return put(to, at, part);
}

int settings_options(arg_option options[SETTINGS_MOST], settings *s)
{
    const arg_option preset[] = {{"preset", ARG_CHOICE, &s->preset,
                                  "what the defaults are",
                                  .choices = preset_names},
                                 {NULL}};
    int n = put(options, 0, preset);
    n = put_search(options, n, s);
    n = draw_options(options, n, &s->search.morph);
    n = put_training(options, n, s);
    n = put_start(options, n, s);
    for (int i = 0; i < n; i++)
        options[i].given = &s->given[i];
    return n;
}

bool settings_gave(const settings *s, const char *option)
{
    arg_option options[SETTINGS_MOST];
    settings copy = *s;
    settings_options(options, &copy);
    return *arg_find(options, option)->given;
}

int settings_run_options(arg_option options[SETTINGS_MOST], settings *s)
{
    const arg_option part[] = {
        {"jobs", ARG_INT, &s->jobs,
         "candidates side by side; changes nothing but the time, and what a "
         "--budget of time pays for",
         0, 1024, .fallback = "processors / threads"},
        {"launcher", ARG_TEXT, &s->launcher,
         "words put before a candidate's command, e.g. 'srun -n1 -c8'; '': "
         "none",
         .fallback = ""},
        {"checkpoint-every", ARG_REAL, &s->checkpoint_every,
         "seconds between two states of a training, which it goes on from "
         "after a crash; 0: none",
         0, 1e9},
        {"candidate-timeout", ARG_REAL, &s->candidate_timeout,
         "end a candidate that says nothing for so many seconds, a launcher's "
         "wait included; 0: never",
         0, 1e9},
        {"allow-mixed", ARG_FLAG, &s->allow_mixed,
         "take candidates that computed on another instruction set"},
        {"json", ARG_FLAG, &s->json, "print the result as JSON"},
        {NULL}};
    int n = put(options, 0, part);
    assert(n <= SETTINGS_RUN_MOST);
    for (int i = 0; i < n; i++)
        options[i].given = &s->run_given[i];
    return n;
}

/* ---- what is left open -------------------------------------------------- */

size_t settings_memory(void)
{
    static const double share = 0.8; /* the rest is the system's and ours */
    return (size_t)(share * (double)limits_memory());
}

nash_looks settings_looks(const settings *s)
{
    const nash_augment *shown = &s->search.train.augment;
    return (nash_looks){.mirrored = s->mirror && shown->flip,
                        .shifted = s->shift && shown->pad > 0};
}

/* ---- the budget --------------------------------------------------------- */

typedef struct budget_word {
    const char *name;
    budget_unit unit;
    double size;
} budget_word;

static const budget_word budget_words[] = {
    {"s", BUDGET_SECONDS, 1.0},     {"min", BUDGET_SECONDS, 60.0},
    {"m", BUDGET_SECONDS, 60.0},    {"h", BUDGET_SECONDS, 3600.0},
    {"d", BUDGET_SECONDS, 86400.0}, {"PFLOP", BUDGET_PFLOP, 1.0},
    {"epochs", BUDGET_EPOCHS, 1.0},
};

/* The word that a text begins with. @param length  receives its characters */
static const budget_word *find_budget_word(size_t *length, const char *text)
{
    *length = 0;
    while (isalpha((unsigned char)text[*length]))
        ++*length;
    for (size_t i = 0; i < sizeof budget_words / sizeof *budget_words; i++)
        if (strlen(budget_words[i].name) == *length &&
            strncasecmp(text, budget_words[i].name, *length) == 0)
            return &budget_words[i];
    return NULL;
}

/* A number and its unit; a time may be several, each unit smaller than the one
 * before, and what stands alone behind hours is minutes: 1d12h, 2h30. */
static bool read_budget(settings_budget *b)
{
    static const budget_word minutes = {"", BUDGET_SECONDS, 60.0};
    const char *at = b->text;
    double above = HUGE_VAL; /* what the next unit has to be smaller than */
    b->total = 0.0;
    do {
        size_t length;
        char *unit;
        double number = strtod(at, &unit);
        bool is_number = isdigit((unsigned char)*at) || *at == '.';
        unit += *unit == ' ' && unit[1] != '\0';
        const budget_word *word = find_budget_word(&length, unit);
        if (*unit == '\0' && above == 3600.0)
            word = &minutes;
        if (!is_number || !word || word->size >= above)
            return false;
        if (at != b->text && word->unit != b->unit)
            return false;
        b->unit = word->unit;
        b->total += number * word->size;
        above = word->unit == BUDGET_SECONDS ? word->size : 0.0;
        at = unit + length;
        at += *at == ' ' && at[1] != '\0';
    } while (*at != '\0');
    return b->total > 0.0 && b->total <= 1e12;
}

const char *budget_unit_name(const settings *s)
{
    static const char *const names[] = {"seconds", "PFLOP", "epochs"};
    return names[s->budget.unit];
}

bool budget_is_time(const settings *s)
{
    return s->budget.text && s->budget.unit == BUDGET_SECONDS;
}

static int complete_budget(settings *s, const char *verb)
{
    if (s->budget.text && strcmp(s->budget.text, "none") == 0)
        s->budget.text = NULL;
    if (!s->budget.text || read_budget(&s->budget))
        return EXIT_OK;
    return cli_usage(verb,
                     "--budget is '%s', expected a number above 0 with s, m, "
                     "min, h, d, PFLOP or epochs after it, like 45min or 2h30, "
                     "and at most 1e12 s, PFLOP or epochs",
                     s->budget.text);
}

int settings_check_scaled(const settings *s)
{
    if (s->budget.text || s->snapshots <= s->search.final_epochs)
        return EXIT_OK;
    return cli_usage("search",
                     "--snapshots is %d, expected at most the %d of "
                     "--final-epochs",
                     s->snapshots, s->search.final_epochs);
}

static void complete_numbers(settings *s)
{
    int cpus = limits_cpus();
    int32_t *threads = &s->search.train.threads;
    int32_t shared = (int32_t)lround((double)cpus / s->search.neighbours);
    if (s->final_threads == 0)
        s->final_threads = cpus;
    if (*threads == 0) /* processors of which machine, with a launcher? */
        *threads = s->launcher || shared < 1 ? 1 : shared;
    if (s->jobs == 0) {
        s->jobs = cpus / *threads > 1 ? cpus / *threads : 1;
        if (s->jobs > s->search.neighbours)
            s->jobs = s->search.neighbours;
    }
    if (s->max_memory == 0)
        s->max_memory = settings_memory();
}

/* An option that was asked for, and could do nothing. */
static int check_effects(const settings *s, const char *verb)
{
    const nash_search_opts *o = &s->search;
    const nash_train_opts *t = &o->train;
    bool redrawn = !o->inherit || (settings_gave(s, "final-inherit") &&
                                   o->final_inherit != NASH_INHERIT_YES);
    const struct {
        const char *option;
        bool in_vain;
        const char *without;
    } effects[] = {
        {"halve", o->halve && t->cycle == 0, "--cycle"},
        {"cycle-growth", t->cycle_growth != 1 && t->cycle == 0, "--cycle"},
        {"alternate-flip", t->augment.alternate && !t->augment.flip, "--flip"},
        {"auto-flip", s->auto_flip && !t->augment.flip, "--flip"},
        {"mirror", s->mirror && !t->augment.flip, "--flip"},
        {"shift", s->shift && t->augment.pad == 0, "--pad"},
        {"climb-share", !s->budget.text, "--budget"},
        {"bn-momentum", s->init, "a new network"},
        {"identity-init", s->identity_init && s->init && !redrawn,
         "weights that are drawn anew"},
        {"whiten", s->whiten && s->init && !redrawn,
         "weights that are drawn anew"},
    };
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        if (effects[i].in_vain && settings_gave(s, effects[i].option))
            return cli_usage(verb, "--%s does nothing without %s",
                             effects[i].option, effects[i].without);
    if (settings_gave(s, "final-cutout") && s->final_cutout >= 0 &&
        s->final_cutout < t->augment.cutout)
        return cli_usage(verb,
                         "--final-cutout is %d, expected at least the %d of "
                         "--cutout, or -1",
                         s->final_cutout, t->augment.cutout);
    return EXIT_OK;
}

int settings_complete(settings *s, const char *verb)
{
    nash_search_opts *o = &s->search;
    int32_t height, width;
    if (s->launcher && !*s->launcher)
        s->launcher = NULL;
    complete_numbers(s);
    if (complete_budget(s, verb) != EXIT_OK)
        return EXIT_USAGE;
    if (settings_size(&height, &width, s, verb) != EXIT_OK ||
        adopt_check(&s->adopt, verb, s->init) != EXIT_OK)
        return EXIT_USAGE;
    if (s->size && s->init)
        return cli_usage(
            verb, "--size is for new networks only; %s has its own", s->init);
    if (s->init && settings_gave(s, "widths"))
        return cli_usage(
            verb, "--widths is for new networks only; %s has its own", s->init);
    if (draw_check(&o->morph, verb) != EXIT_OK)
        return EXIT_USAGE;
    if (o->strategy == NASH_STRATEGY_RANDOM && o->steps == 0)
        return cli_usage(verb, "--strategy random needs at least 1 of --steps");
    if (check_effects(s, verb) != EXIT_OK)
        return EXIT_USAGE;
    if (settings_gave(s, "flip"))
        s->auto_flip = false;
    if (s->init && !settings_gave(s, "final-inherit"))
        o->final_inherit = NASH_INHERIT_YES;
    o->train.max_bytes = o->morph.max_bytes = s->max_memory;
    o->start_train = o->final_train = o->train;
    if (o->halve) /* its cosines are the children's */
        o->start_train.cycle = o->final_train.cycle = 0;
    o->start_train.threads = o->final_train.threads = s->final_threads;
    o->final_train.max_bytes = 0; /* what was trained will be trained */
    o->final_train.snapshots = s->snapshots;
    if (s->final_lr_start > 0.0)
        o->start_train.lr_start = o->final_train.lr_start = s->final_lr_start;
    return EXIT_OK;
}

int settings_size(int32_t *height, int32_t *width, const settings *s,
                  const char *verb)
{
    *height = *width = 0;
    return s->size ? cli_size(height, width, verb, s->size) : EXIT_OK;
}

void settings_format_widths(char *text, size_t size_bytes, settings *s)
{
    arg_option options[SETTINGS_MOST];
    settings_options(options, s);
    arg_format(text, size_bytes, arg_find(options, "widths"));
}

/* ---- the record --------------------------------------------------------- */

/* Of the keys of how to run. "jobs" without it is how many there were. */
#define RUN_PREFIX "run_"

/* "lr-start" -> "lr_start" */
static void key_of(char key[64], const char *prefix, const char *name)
{
    snprintf(key, 64, "%s%s", prefix, name);
    for (char *c = key; *c; c++)
        if (*c == '-')
            *c = '_';
}

/* What was not given is nothing, as it may be something of a search before that
 * did not begin. */
static int record(const arg_option *o, const char *prefix, bool given,
                  nash_store *store)
{
    char key[64], text[4096] = "";
    key_of(key, prefix, o->name);
    if (given)
        arg_format(text, sizeof text, o);
    return nash_store_set(store, key, text) == NASH_OK ? EXIT_OK
                                                       : cli_fail(NULL);
}

int settings_record(settings *s, nash_store *store)
{
    arg_option options[SETTINGS_MOST];
    int result = EXIT_OK;
    settings_options(options, s);
    for (const arg_option *o = options; o->name && result == EXIT_OK; o++)
        result = record(o, "", true, store);
    settings_run_options(options, s);
    for (const arg_option *o = options; o->name && result == EXIT_OK; o++)
        if (o->value != &s->json)
            result = record(o, RUN_PREFIX, *o->given, store);
    return result;
}

static int set(const arg_option *o, const char *key, const char *text)
{
    const arg_spec spec = {"resume"};
    if (o->type == ARG_TEXT && !*text)
        *(const char **)o->value = NULL;
    else if (arg_assign(&spec, o, text) != ARGS_GO)
        return cli_error("the run's setting '%s' is not usable", key);
    return EXIT_OK;
}

/* Those that decide the result: each has to be there. */
static int recall_all(settings *s, const nash_history *history)
{
    arg_option options[SETTINGS_MOST];
    int result = EXIT_OK;
    char key[64];
    settings_options(options, s);
    for (const arg_option *o = options; o->name && result == EXIT_OK; o++) {
        key_of(key, "", o->name);
        const char *text = nash_history_get(history, key);
        result = text
                     ? set(o, key, text)
                     : cli_error("the run has no setting '%s': it was begun by "
                                 "another version of nash",
                                 key);
    }
    return result;
}

/* Those of how to run that were given then, and are not now. */
static int recall_given(settings *s, const nash_history *history)
{
    arg_option options[SETTINGS_MOST];
    int result = EXIT_OK;
    char key[64];
    settings_run_options(options, s);
    for (const arg_option *o = options; o->name && result == EXIT_OK; o++) {
        key_of(key, RUN_PREFIX, o->name);
        const char *text = nash_history_get(history, key);
        if (text && *text && !*o->given)
            result = set(o, key, text);
    }
    return result;
}

int settings_recall(settings *s, const nash_history *history)
{
    arg_option options[SETTINGS_MOST];
    settings_options(options, s);
    *arg_find(options, "final-inherit")->given = true; /* or decided by then */
    int result = recall_all(s, history);
    return result == EXIT_OK ? recall_given(s, history) : result;
}
