/* The options of a training's recipe, the same for every verb that trains. */
#include "recipe.h"

#include <assert.h>
#include <string.h>

int recipe_options(arg_option *to, int at, nash_train_opts *t)
{
    const arg_option recipe[] = {
        {"lr-start", ARG_REAL, &t->lr_start,
         "learning rate at the start of a training", 0, 1e3},
        {"lr-end", ARG_REAL, &t->lr_end, "and at its end", 0, 1e3},
        {"schedule", ARG_CHOICE, &t->schedule,
         "how the rate falls: half cosines, or not at all (an ablation)",
         .choices = nash_schedule_names},
        {"warmup", ARG_REAL, &t->warmup,
         "share of the first cosine in which the rate rises first", 0, 0.99},
        {"cycle", ARG_INT, &t->cycle, "epochs of the first cosine", 0, 100000,
         .fallback = "all of them"},
        {"cycle-growth", ARG_INT, &t->cycle_growth,
         "each cosine is so many times longer than the one before", 1, 1000},
        {"batch", ARG_INT, &t->batch, "images per step", 1, 65536},
        {"momentum", ARG_REAL, &t->momentum, "of the gradient", 0, 0.9999},
        {"nesterov", ARG_YESNO, &t->nesterov, "Nesterov's momentum"},
        {"weight-decay", ARG_REAL, &t->weight_decay, "pull towards zero", 0,
         10},
        {"decay-all", ARG_YESNO, &t->decay_all,
         "decay biases and batch normalisation too"},
        {"label-smoothing", ARG_REAL, &t->label_smoothing,
         "share of the target spread over all classes", 0, 0.99},
        {"bias-rate", ARG_REAL, &t->bias_rate,
         "learning rate of biases, as a share of the others'", 0, 1e3},
        {"gate-rate", ARG_REAL, &t->gate_rate,
         "learning rate of the gates of skips, as a share of the others'", 0,
         1e3},
        {"clip-norm", ARG_REAL, &t->clip_norm,
         "shorten gradients that are longer than this; 0: never", 0, 1e9},
        {"muon", ARG_REAL, &t->muon,
         "learning rate of convolutions by orthogonalised momentum (Muon), as "
         "a share of the others'; 0: they learn as the others",
         0, 1e3},
        {"lookahead", ARG_INT, &t->lookahead,
         "pull the weights back to a slow average of them after so many steps "
         "each, in cosines of at least 8 times as many; 0: never",
         0, 1000000},
        {"focus", ARG_REAL, &t->focus,
         "visit this share of the images at a time: all in turn, but where "
         "nine of ten are learned mostly those of the largest loss; an epoch "
         "is as many visits as there are images. 1: all, in one pass",
         0.001, 1},
        {"pad", ARG_INT, &t->augment.pad,
         "pixels by which an image may be shifted", 0, 1024},
        {"flip", ARG_YESNO, &t->augment.flip, "mirror half of the images"},
        {"alternate-flip", ARG_YESNO, &t->augment.alternate,
         "mirror an image in every other epoch"},
        {"cutout", ARG_INT, &t->augment.cutout,
         "side of the square that is hidden", 0, 1024},
        {NULL}};
    static_assert(sizeof recipe / sizeof *recipe <= RECIPE_OPTIONS,
                  "RECIPE_OPTIONS is too small");
    memcpy(to + at, recipe, sizeof recipe);
    return at + (int)(sizeof recipe / sizeof *recipe) - 1;
}

nash_plan_opts recipe_judging(const nash_train_opts *t, int32_t threads)
{
    nash_plan_opts plan = nash_plan_opts_default();
    plan.precision = NASH_PRECISION_F32;
    plan.threads = threads;
    if (t->batch < plan.batch)
        plan.batch = t->batch;
    return plan;
}
