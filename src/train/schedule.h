#ifndef NI_TRAIN_SCHEDULE_H
#define NI_TRAIN_SCHEDULE_H

#include <nash/train.h>

/* A stretch of epochs over which the learning rate falls once. */
typedef struct ni_cycle {
    int32_t number; /* 0-based */
    int32_t first;  /* epoch */
    int32_t epochs;
} ni_cycle;

/** The cycle that an epoch lies in; 0 <= epoch < opts->epochs. */
ni_cycle ni_cycle_at(const nash_train_opts *opts, int32_t epoch);

/** Whether an epoch is its cycle's last. */
bool ni_cycle_ends(const nash_train_opts *opts, int32_t epoch);

/** How much of its cosine is done after a step: 1 after the last one. */
double ni_cycle_place(const nash_train_opts *opts, int64_t step,
                      int64_t steps_per_epoch);

#endif
