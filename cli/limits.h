#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include <stddef.h>

/* What this process and its children may use in all: the machine's, or less
 * where a control group, a container's say, allows less. */

/** Bytes of memory. */
size_t limits_memory(void);

/** Processors, 1 to 1024; of a part of one, one. */
int limits_cpus(void);

#endif
