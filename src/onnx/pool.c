/* A pool: a list of our allocator's blocks. Costs 64 bytes per block beside
 * the allocator's own; made for some thousand blocks, not millions. */
#include "pool.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct ni_pool_block {
    alignas(64) struct ni_pool_block *before;
} ni_pool_block;

void *ni_pool_alloc(ni_pool *pool, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) ||
        bytes > (size_t)PTRDIFF_MAX - sizeof(ni_pool_block)) {
        ni_fail(NASH_ENOMEM, "out of memory: %lld items of %zu bytes",
                (long long)count, size);
        return NULL;
    }
    ni_pool_block *block = ni_alloc(1, sizeof *block + bytes);
    if (!block)
        return NULL;
    block->before = pool->last;
    pool->last = block;
    return block + 1;
}

void *ni_pool_pointers(ni_pool *pool, int64_t count)
{
    return ni_pool_alloc(pool, count, sizeof(void *));
}

char *ni_pool_strdup(ni_pool *pool, const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    char *copy = ni_pool_alloc(pool, (int64_t)size_bytes, 1);
    if (copy)
        memcpy(copy, text, size_bytes);
    return copy;
}

char *ni_pool_format(ni_pool *pool, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : ni_pool_alloc(pool, length + 1, 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void ni_pool_deinit(ni_pool *pool)
{
    while (pool->last) {
        ni_pool_block *before = pool->last->before;
        ni_free(pool->last);
        pool->last = before;
    }
}
