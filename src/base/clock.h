#ifndef NI_CLOCK_H
#define NI_CLOCK_H

/** Monotonic time in seconds, from an arbitrary start. */
double ni_clock_seconds(void);

#endif
