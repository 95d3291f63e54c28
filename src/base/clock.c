/* The clock. Measures; decides nothing but when to give up: time-outs, and what
 * a budget of time leaves. */
#include "clock.h"

#include <time.h>

static double read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double ni_clock_seconds(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double ni_clock_of_day(void)
{
    return read_clock(CLOCK_REALTIME);
}
