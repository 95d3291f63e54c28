/*
 * Cycles and learning rates: pure functions of the options and the step, so
 * that nothing has to be carried along or saved. A call walks the cycles up to
 * its own; there are at most as many as epochs.
 */
#include "schedule.h"

#include <assert.h>
#include <math.h>

const char *const nash_schedule_names[] = {
    [NASH_SCHEDULE_SGDR] = "sgdr",
    [NASH_SCHEDULE_CONSTANT] = "constant",
    NULL,
};

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One of n cycles of the same number of epochs, or of one more or less. */
static ni_cycle equal_cycle(int64_t epochs, int64_t n, int32_t epoch)
{
    int64_t number = (((int64_t)epoch + 1) * n - 1) / epochs;
    int64_t first = number * epochs / n;
    return (ni_cycle){(int32_t)number, (int32_t)first,
                      (int32_t)((number + 1) * epochs / n - first)};
}

ni_cycle ni_cycle_at(const nash_train_opts *opts, int32_t epoch)
{
    int64_t left = opts->epochs;
    assert(epoch >= 0 && epoch < left);
    if (opts->cycle == 0)
        return equal_cycle(
            left, opts->snapshots > 0 ? shorter(opts->snapshots, left) : 1,
            epoch);
    int64_t usual = shorter(opts->cycle, left);
    int64_t growth = opts->cycle_growth;
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

void ni_bend_to(ni_bend *bend, int64_t at, int64_t end, int64_t planned)
{
    double from = ni_bend_place(bend, at, planned);
    *bend = (ni_bend){at, end, from};
}

double ni_bend_place(const ni_bend *bend, int64_t step, int64_t planned)
{
    int64_t last = bend->end - 1;
    if (bend->end == 0 || step < bend->at)
        return (double)step;
    if (step >= last)
        return (double)(planned - 1);
    return bend->from + (double)(step - bend->at) *
                            ((double)(planned - 1) - bend->from) /
                            (double)(last - bend->at);
}

/* A step within its cycle. */
typedef struct place {
    int64_t number;  /* of the cycle */
    int64_t planned; /* its steps */
    double at;       /* 0 .. planned - 1, where there is no bend */
} place;

static place place_of(const nash_train_opts *opts, const ni_bend *bend,
                      int64_t step, int64_t steps_per_epoch)
{
    ni_cycle cycle = ni_cycle_at(opts, (int32_t)(step / steps_per_epoch));
    place p = {cycle.number, cycle.epochs * steps_per_epoch, 0.0};
    p.at = ni_bend_place(bend, step - cycle.first * steps_per_epoch, p.planned);
    return p;
}

double ni_cycle_place(const nash_train_opts *opts, const ni_bend *bend,
                      int64_t step, int64_t steps_per_epoch)
{
    place p = place_of(opts, bend, step, steps_per_epoch);
    return (p.at + 1.0) / (double)p.planned;
}

double ni_learning_rate(const nash_train_opts *opts, const ni_bend *bend,
                        int64_t step, int64_t steps_per_epoch)
{
    place p = place_of(opts, bend, step, steps_per_epoch);
    double last = (double)(p.planned - 1), rise = 0.0;
    if (p.number == 0)
        rise = floor(opts->warmup * (double)p.planned);
    if (p.at < rise)
        return opts->lr_start * (p.at + 1.0) / (rise + 1.0);
    if (opts->schedule == NASH_SCHEDULE_CONSTANT)
        return opts->lr_start;
    if (p.planned == 1) /* neither end: at 0 it would learn nothing */
        return 0.5 * (opts->lr_start + opts->lr_end);
    if (p.at >= last)
        return opts->lr_end;
    double turn = (p.at - rise) / (last - rise);
    return opts->lr_end + (opts->lr_start - opts->lr_end) * 0.5 *
                              (1.0 + cos(3.141592653589793 * turn));
}

double nash_learning_rate(const nash_train_opts *opts, int64_t step,
                          int64_t steps_per_epoch)
{
    const ni_bend unbent = {0};
    if (steps_per_epoch < 1 || step < 0 ||
        step / steps_per_epoch >= opts->epochs)
        return 0.0;
    return ni_learning_rate(opts, &unbent, step, steps_per_epoch);
}
