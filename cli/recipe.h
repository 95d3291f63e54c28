#ifndef CLI_RECIPE_H
#define CLI_RECIPE_H

#include "args.h"

#include <nash/nash.h>

/** Append the options of a training's recipe (rates, optimiser, augmentation)
 * to a table, its end included.
 *
 * @param to  has room for RECIPE_OPTIONS more
 * @param t   receives what is given; holds the defaults
 * @return the number of options so far */
int recipe_options(arg_option *to, int at, nash_train_opts *t);

/** How to judge what was trained so: in float32, as any other runtime will
 * compute, by no larger a batch. */
nash_plan_opts recipe_judging(const nash_train_opts *t, int32_t threads);

enum { RECIPE_OPTIONS = 23 }; /* the end included */

#endif
