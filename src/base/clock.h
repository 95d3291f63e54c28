#ifndef NI_CLOCK_H
#define NI_CLOCK_H

/** Monotonic time in seconds, from an arbitrary start. */
double ni_clock_seconds(void);

/** Seconds since 1970: between machines, and as well as they agree. */
double ni_clock_of_day(void);

#endif
