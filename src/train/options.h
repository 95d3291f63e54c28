#ifndef NI_TRAIN_OPTIONS_H
#define NI_TRAIN_OPTIONS_H

#include <nash/train.h>

/** Whether the options can be trained with: NASH_OK, or NASH_EINVAL with a
 * sentence that names the option, its value and what was expected. */
nash_status ni_train_opts_check(const nash_train_opts *opts);

/** How an epoch over @p n images is cut: full batches of @p batch, then one of
 * @p rest, which is 0 if there is none. A few images would be a poor batch, so
 * where less than half of one would be left, all are about equal. */
void ni_train_batches(int32_t *batch, int32_t *rest,
                      const nash_train_opts *opts, int32_t n);

/** What a training asks of its plan for @p batch images. */
nash_plan_opts ni_train_plan_opts(const nash_train_opts *opts, int32_t batch);

#endif
