/* The clock. Measures; decides nothing but when to give up: time-outs, and what
 * a budget of time leaves. */
#include "clock.h"

#include <time.h>

double ni_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
