#ifndef NI_CREW_H
#define NI_CREW_H

#include "base/error.h"

#include <stdint.h>

/*
 * A fixed number of threads that do one piece of work together: the caller is
 * number 0, the others sleep between the pieces. Waiting is a short spin, then
 * sleep, so that a machine with other work on it costs no more than its share.
 */
typedef struct ni_crew ni_crew;

/** What thread @p who does, 0 .. size - 1. */
typedef void (*ni_crew_work)(void *ctx, int32_t who);

/** @param size  1 .. 1024; 1 starts no thread. @return NASH_OK or NASH_ENOMEM
 */
nash_status ni_crew_open(ni_crew **out, int32_t size);

/** End the threads; NULL is fine. */
void ni_crew_close(ni_crew *crew);

int32_t ni_crew_size(const ni_crew *crew);

/** Let every thread work, and return when all are done. Not from within. */
void ni_crew_run(ni_crew *crew, ni_crew_work work, void *ctx);

/** Within work: wait until all have come here. */
void ni_crew_meet(ni_crew *crew);

#endif
