/*
 * Ending in time. Looks become more frequent as the end comes nearer, so that
 * a machine that gets slow at any moment is noticed while there is still time
 * to make up for it: what is late in the end is a second or the last step. The
 * pace is that of the steps since the last look, whatever they waited for;
 * since that may be a mere moment's, the first look that finds too many steps
 * gives up at most half of them.
 */
#include "deadline.h"

#include <math.h>

void ni_deadline_begin(ni_deadline *d, double now, int64_t step)
{
    d->then = now;
    d->step = step;
}

int64_t ni_deadline_look(ni_deadline *d, double now, int64_t step, int64_t end,
                         int64_t most)
{
    static const double often = 0.1, late = 1.01, early = 0.9, calm = 0.5;
    double passed = now - d->then, left = d->end - now;
    if (step == d->step || (left > 0.0 && passed < 1.0) ||
        passed < often * (left + passed))
        return end;
    double a_step = passed / (double)(step - d->step);
    double to_do = (double)(end - step), fit = left / a_step - d->after;
    bool was_late = d->late;
    bool may_add = end < most && to_do > 1.0; /* the last step stays it */
    ni_deadline_begin(d, now, step);
    d->late = fit * late < to_do;
    if (!d->late && !(may_add && fit * early > to_do))
        return end;
    if (!was_late && left > 0.0)
        fit = fmax(fit, to_do * calm);
    return step + (int64_t)fmin(fmax(fit, 1.0), (double)(most - step));
}
