#ifndef NI_LOCK_H
#define NI_LOCK_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Lock a file for this process alone; it is made if missing and says who holds
 * it. The lock ends with ni_lock_release() or the process, however that ends,
 * and works across hosts where the file system's locks do.
 *
 * @param fd       receives the lock; not inherited by programs started
 * @param what     what is being locked, for the error sentence
 * @param wait_ms  how long to wait for another holder; one of this host that
 *                 is dead is waited for ten seconds at least
 * @return NASH_OK, NASH_EBUSY or NASH_EIO
 */
nash_status ni_lock_take(int *fd, const char *path, const char *what,
                         int32_t wait_ms);

/** Whether another process, or another open file of this one, holds it. */
bool ni_lock_is_held(const char *path);

/** Give the lock back; -1 is fine. */
void ni_lock_release(int fd);

#endif
