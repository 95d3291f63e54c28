/*
 * Cycles and learning rates: pure functions of the options and the step, so
 * that nothing has to be carried along or saved. A call walks the cycles up to
 * its own; there are at most as many as epochs.
 */
#include "schedule.h"

#include <assert.h>
#include <math.h>

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int32_t nash_total_epochs(const nash_train_opts *opts)
{
    return opts->bend_epoch > 0 ? opts->bend_epoch + opts->bend_rest
                                : opts->epochs;
}

/* Epochs of the first cycle. */
static int64_t first_cycle(const nash_train_opts *opts, int64_t all)
{
    int64_t equal = opts->snapshots > 0 ? all / opts->snapshots : all;
    return opts->cycle > 0 ? opts->cycle : equal > 0 ? equal : 1;
}

ni_cycle ni_cycle_at(const nash_train_opts *opts, int32_t epoch)
{
    int64_t left = nash_total_epochs(opts);
    assert(epoch >= 0 && epoch < left);
    int64_t usual = shorter(first_cycle(opts, left), left);
    int64_t growth = opts->cycle > 0 ? opts->cycle_growth : 1;
    ni_cycle cycle = {.number = 0};
    for (;;) {
        int64_t epochs = shorter(usual, left);
        left -= epochs;
        usual = epochs * growth;
        if (2 * left < usual) { /* too few for a cycle of their own */
            epochs += left;
            left = 0;
        }
        cycle.epochs = (int32_t)epochs;
        if (epoch < cycle.first + cycle.epochs)
            return cycle;
        cycle.first += cycle.epochs;
        cycle.number++;
    }
}

int32_t nash_cycle_end(const nash_train_opts *opts, int32_t epoch)
{
    ni_cycle cycle = ni_cycle_at(opts, epoch);
    return cycle.first + cycle.epochs;
}

bool ni_cycle_ends(const nash_train_opts *opts, int32_t epoch)
{
    return epoch == nash_cycle_end(opts, epoch) - 1;
}

/* Where in a cosine of @p last + 1 steps step @p at stands; behind a bend, the
 * steps that are left pass through what is left of the unbent one. */
static double place(const nash_train_opts *opts, int64_t at, int64_t last,
                    int64_t steps_per_epoch)
{
    int64_t bend = opts->bend_epoch * steps_per_epoch;
    int64_t unbent = opts->epochs * steps_per_epoch - 1;
    if (opts->bend_epoch == 0 || at < bend || last <= bend)
        return (double)at;
    return (double)bend + (double)(at - bend) * (double)(unbent - bend) /
                              (double)(last - bend);
}

double ni_cycle_place(const nash_train_opts *opts, int64_t step,
                      int64_t steps_per_epoch)
{
    ni_cycle cycle = ni_cycle_at(opts, (int32_t)(step / steps_per_epoch));
    int64_t at = step - cycle.first * steps_per_epoch;
    int64_t last = cycle.epochs * steps_per_epoch - 1;
    int64_t planned =
        opts->bend_epoch > 0 ? opts->epochs * steps_per_epoch - 1 : last;
    return at == last ? 1.0
                      : (place(opts, at, last, steps_per_epoch) + 1.0) /
                            (double)(planned + 1);
}

double nash_learning_rate(const nash_train_opts *opts, int64_t step,
                          int64_t steps_per_epoch)
{
    ni_cycle cycle = ni_cycle_at(opts, (int32_t)(step / steps_per_epoch));
    int64_t at = step - cycle.first * steps_per_epoch;
    int64_t last = cycle.epochs * steps_per_epoch - 1, planned = last;
    int64_t rise = 0;
    if (opts->bend_epoch > 0)
        planned = opts->epochs * steps_per_epoch - 1;
    if (cycle.number == 0)
        rise = (int64_t)floor(opts->warmup * (double)(planned + 1));
    double from = place(opts, at, last, steps_per_epoch);
    if (from < (double)rise)
        return opts->lr_start * (from + 1.0) / (double)(rise + 1);
    if (opts->schedule == NASH_SCHEDULE_CONSTANT)
        return opts->lr_start;
    if (at == last)
        return opts->lr_end;
    double turn = (from - (double)rise) / (double)(planned - rise);
    return opts->lr_end + (opts->lr_start - opts->lr_end) * 0.5 *
                              (1.0 + cos(3.141592653589793 * turn));
}
