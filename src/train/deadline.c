/*
 * Ending in time. Looks become more frequent as the end comes nearer, so that
 * a machine that gets slow at any moment is noticed while there is still time
 * to make up for it: what is late in the end is a second or the last step. The
 * pace is that of the steps since the last look, whatever they waited for, but
 * for what is skipped. Since it may be a mere moment's, the first look that
 * finds too many steps, and any one after only a few, gives up at most half.
 */
#include "deadline.h"

#include <math.h>

enum { FEW = 4 }; /* steps, one of which may be a moment's stall */

void ni_deadline_begin(ni_deadline *d, double now, int64_t step)
{
    d->then = now;
    d->step = step;
}

void ni_deadline_skip(ni_deadline *d, double seconds)
{
    d->then += seconds;
}

int64_t ni_deadline_look(ni_deadline *d, double now, int64_t step, int64_t end,
                         int64_t most)
{
    static const double often = 0.1, late = 1.01, early = 0.9, calm = 0.5;
    double passed = now - d->then, left = d->end - now;
    int64_t steps = step - d->step;
    if (steps == 0 || (left > 0.0 && passed < 1.0) ||
        passed < often * (left + passed))
        return end;
    double a_step = passed / (double)steps;
    double to_do = (double)(end - step), fit = left / a_step - d->after;
    bool doubtful = !d->late || steps < FEW;
    bool may_add = end < most && to_do > 1.0; /* the last step stays it */
    ni_deadline_begin(d, now, step);
    d->late = fit * late < to_do;
    if (!d->late && !(may_add && fit * early > to_do))
        return end;
    if (doubtful && left > 0.0)
        fit = fmax(fit, to_do * calm);
    return step + (int64_t)fmin(fmax(fit, 1.0), (double)(most - step));
}
