#ifndef NI_CHILD_H
#define NI_CHILD_H

#include "base/error.h"

/**
 * Run a program to its end, without a shell; its input is empty, and of what
 * it prints only the sentence that explains a failure is kept.
 *
 * @param argv  NULL-terminated; argv[0] is looked for on the PATH
 * @param dir   its working directory; NULL: ours
 * @param what  what it is for, "fetch x", for the error sentence
 * @param tick  called five times a second, and whenever it prints; may be NULL
 * @return NASH_OK if it ended with status 0, NASH_ENOTFOUND (no such program),
 *         NASH_EIO or NASH_ENOMEM
 */
nash_status ni_child_run(const char *const *argv, const char *dir,
                         const char *what, void (*tick)(void *ctx), void *ctx);

#endif
