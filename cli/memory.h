#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <stddef.h>

/** Bytes of memory that this process and its children may use in all: the
 * machine's, or less where a control group says so. */
size_t memory_available(void);

#endif
