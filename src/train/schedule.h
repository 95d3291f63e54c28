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

/* A single cosine that is passed through in fewer steps than planned. */
typedef struct ni_bend {
    int64_t at;  /* the step it begins with */
    int64_t end; /* steps in all; 0: there is no bend */
    double from; /* which planned step `at` takes the place of */
} ni_bend;

/** The planned step, 0 .. @p planned - 1, that a step takes the place of. */
double ni_bend_place(const ni_bend *bend, int64_t step, int64_t planned);

/** Bend what comes from step @p at on, 0 <= at < end <= planned,
 * which was not the last one to come. */
void ni_bend_to(ni_bend *bend, int64_t at, int64_t end, int64_t planned);

/** How much of its cosine is done after a step: 1 after the last one. */
double ni_cycle_place(const nash_train_opts *opts, const ni_bend *bend,
                      int64_t step, int64_t steps_per_epoch);

/** As nash_learning_rate(), bent. */
double ni_learning_rate(const nash_train_opts *opts, const ni_bend *bend,
                        int64_t step, int64_t steps_per_epoch);

#endif
