#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include <stddef.h>

/* What this process and its children may use in all: the machine's, or less
 * where a control group, a container's say, allows less. */

/** Bytes of memory. */
size_t limits_memory(void);

/** Processors, 1 to 1024; of a part of one, one. */
int limits_cpus(void);

/* What the control groups alone allow; infinity: they set no limit.
 * @param root  before /proc and /sys; "": the machine's own */

/** Bytes of memory. */
double limits_group_memory(const char *root);

/** Processors, in parts of one, too. */
double limits_group_cpus(const char *root);

#endif
