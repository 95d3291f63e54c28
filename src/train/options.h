#ifndef NI_TRAIN_OPTIONS_H
#define NI_TRAIN_OPTIONS_H

#include <nash/train.h>

/** Whether the options can be trained with: NASH_OK, or NASH_EINVAL with a
 * sentence that names the option, its value and what was expected. */
nash_status ni_train_opts_check(const nash_train_opts *opts);

/** How an epoch over @p n images is cut: full batches of @p batch, then one of
 * @p rest, which is 0 if there is none. A few images are a poor batch, and of
 * an epoch of few steps a large part, so where it has no more than a quarter of
 * a batch's images, and less than half a batch would be left, all batches are
 * about equal. With opts->batch of that size the cut is the same. */
void ni_train_batches(int32_t *batch, int32_t *rest,
                      const nash_train_opts *opts, int32_t n);

/** What a training asks of its plan for @p batch images. */
nash_plan_opts ni_train_plan_opts(const nash_train_opts *opts, int32_t batch);

#endif
