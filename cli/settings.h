#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "adopt.h"
#include "args.h"

#include <nash/nash.h>

/*
 * What a search is asked to do: a table of options with presets, recorded in
 * the run's database under the options' names and read back by `nash resume`.
 */

enum { SETTINGS_MOST = 96 }; /* options in the table, its end included */
enum { SETTINGS_RUN_MOST = 8 };

typedef enum budget_unit {
    BUDGET_SECONDS, /* of the whole run, wall clock */
    BUDGET_PFLOP,   /* of all trainings */
    BUDGET_EPOCHS   /* likewise, whatever the networks' sizes */
} budget_unit;

typedef struct settings_budget {
    const char *text; /* as given; NULL: there is none */
    double total;
    budget_unit unit;
} settings_budget;

typedef struct settings {
    /* what decides the result */
    nash_search_opts search; /* its train options are those of children */
    int preset;              /* position in preset_names */
    int32_t widths[NASH_MAX_STAGES];
    bool identity_init, whiten;
    settings_budget budget; /* its members but text follow from that */
    double climb_share;     /* of it */
    double bn_momentum;
    double final_lr_start; /* 0: as for children */
    int32_t final_cutout;  /* at least, pixels; -1: by the images' size */
    int32_t final_threads; /* 0: all processors */
    int32_t snapshots;
    bool auto_flip; /* mirror images only if that changes no class: flip.h */
    bool mirror;    /* the result averages over mirror images, where it flips */
    bool shift;     /* and over shifted ones, where it pads */
    double val_share;
    int32_t climb_images; /* that candidates learn from at most; 0: all */
    const char *init;     /* network to start from; NULL: the paper's */
    adoption adopt;       /* what it lacks */
    const char *size;     /* "HxW"; NULL: the images' own */
    size_t max_memory; /* of training a candidate; 0: see settings_complete() */
    bool keep_all;
    bool given[SETTINGS_MOST]; /* which of these, as in their table */
    /* what does not */
    int32_t jobs; /* 0: as many as threads allow */
    const char *launcher;
    double checkpoint_every, candidate_timeout; /* seconds */
    bool allow_mixed, json;
    bool run_given[SETTINGS_RUN_MOST]; /* which of these, as in their table */
} settings;

/** The default preset. */
settings settings_default(void);

/** The options that are recorded, ended by a NULL name; they point into @p s,
 * which must stay where it is. They note whether they are given.
 * @return their number */
int settings_options(arg_option options[SETTINGS_MOST], settings *s);

/** Whether such an option was on the command line. */
bool settings_gave(const settings *s, const char *option);

/** The options of how to run: jobs, launcher and so on; likewise. */
int settings_run_options(arg_option options[SETTINGS_MOST], settings *s);

/** Set everything that the chosen preset sets. */
void settings_apply_preset(settings *s, int preset);

/** How the result looks at images: only as training shows them, too, which for
 * mirror images --auto-flip decides. */
nash_looks settings_looks(const settings *s);

/** Replace every "as many as there are" by a number, and derive the train
 * options of start and result. @return EXIT_OK, or EXIT_USAGE after a sentence
 */
int settings_complete(settings *s, const char *verb);

/** What can only be told once they follow the images (scale.h). @return
 * EXIT_OK, or EXIT_USAGE after a sentence
 */
int settings_check_scaled(const settings *s);

/** The widths as --widths takes them. */
void settings_format_widths(char *text, size_t size_bytes, settings *s);

/** The bytes that all candidates together may take on this machine. */
size_t settings_memory(void);

/** "seconds", "PFLOP" or "epochs", as NASH_RUN_BUDGET_UNIT has it. */
const char *budget_unit_name(const settings *s);

/** Whether there is a budget, and one of time. */
bool budget_is_time(const settings *s);

/** Height and width of --size; 0, 0 without it. @return as above */
int settings_size(int32_t *height, int32_t *width, const settings *s,
                  const char *verb);

/** Record them in a run, and read them back. Of how to run, what was given is
 * recorded under "run_" and the option's name, and read back where it is not
 * given anew.
 * @param history  borrowed as long as @p s: texts point into it
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int settings_record(settings *s, nash_store *store);
int settings_recall(settings *s, const nash_history *history);

#endif
