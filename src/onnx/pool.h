#ifndef NI_ONNX_POOL_H
#define NI_ONNX_POOL_H

#include "base/memory.h"

/* Blocks that live and die together: the messages of a file being written. */
typedef struct ni_pool {
    struct ni_pool_block *last; /* owned */
} ni_pool;

/** A zeroed array that lives as long as the pool; NULL with the error
 * sentence set when memory is out. */
void *ni_pool_alloc(ni_pool *pool, int64_t count, size_t size);

/** The same of pointers to anything. */
void *ni_pool_pointers(ni_pool *pool, int64_t count);

/** Copy of a string, likewise. */
char *ni_pool_strdup(ni_pool *pool, const char *text);

/** Formatted string, likewise. */
char *ni_pool_format(ni_pool *pool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Release all blocks. */
void ni_pool_deinit(ni_pool *pool);

#endif
