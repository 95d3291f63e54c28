#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "follow.h"
#include "settings.h"

/*
 * A run: the directory of a search, from its first step to the judgement on
 * the test images. `nash search` begins one, `nash resume` goes on with it.
 */

typedef struct run {
    settings *s;     /* borrowed, as dir */
    const char *dir; /* RUN */
    char *data_dir;  /* absolute; owned, as all below */
    char *decoded;   /* data for candidates, if it is not data_dir */
    nash_dataset *data;
    const nash_images *images; /* to train on; borrowed from data */
    nash_store *store;
    nash_model *start; /* model0 before training */
    nash_model *best;  /* the result */
    nash_probe probe;
    nash_evaluator evaluator;
    follow follow;
    nash_pacer pacer;
    bool flip_is_open;   /* whether training mirrors images is to be decided */
    int32_t last_step;   /* the last proposed one, */
    bool is_final;       /* and whether that is the final training */
    double began;        /* clock */
    double test_seconds; /* that reading the test images will take */
    double seconds;      /* of the run, before it was resumed */
    double noted;        /* of the run, when they were last recorded */
    double told_epoch;   /* clock, when an epoch was last recorded */
    double given_up;     /* epochs of the training under way, to end in time */
} run;

/** Begin a run and search. @param s  completed; @return the exit status */
int run_begin(settings *s, const char *data_dir, const char *run_dir);

/** Go on with a run. @param s  how to run: jobs, launcher and so on
 * @return the exit status */
int run_resume(settings *s, const char *run_dir);

/** Whether a run's settings were recorded, so that it can be resumed. */
bool run_has_begun(const nash_history *history);

/** Let a run that trained nothing yet count as not begun, so that its command
 * can be given again, with other options. */
void run_take_back(const run *r);

/** Say why a run ends early, with what helps. @return the exit status */
int run_fail(const run *r, nash_status status);

/** "RUN/file"; yours to free(). NULL, after a sentence, without memory. */
char *run_path(const run *r, const char *file);

/** Set a number among the run's results. */
nash_status run_set_number(const run *r, const char *key, double value);

/** The images that candidates learn from and are judged by, as
 * nash_run_split(). */
nash_status run_split(int32_t **train, int32_t *n_train, int32_t **val,
                      int32_t *n_val, const run *r);

/** Bytes of memory for the candidates that train side by side: what there is
 * but for the images that this process holds; 1 at least. */
size_t run_memory(const run *r);

/** What a process takes that trains such a network on @p n images, roughly:
 * training, tensors, images, and the program itself. */
nash_status run_process_bytes(size_t *bytes, const run *r, const nash_graph *g,
                              const nash_train_opts *train, int32_t n);

/** How long the run has taken so far. */
double run_seconds(const run *r);

/** Record that. */
nash_status run_note_time(const run *r);

#endif
