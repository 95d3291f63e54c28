/*
 * The allocator: a 64-byte header holding the size before each block, so that
 * blocks are aligned for vector loads and can be counted. Large blocks are
 * never given back piecemeal and never moved behind the caller's back, and the
 * system is asked for huge pages for them, which saves most page faults.
 */
#include "memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HEADER_BYTES = 64, LARGE_BYTES = 4 << 20, HUGE_PAGE = 2 << 20 };

static atomic_llong live_blocks;
static atomic_llong live_bytes;
static atomic_llong allowance = -1;

static int refuse_by_order(void)
{
    if (atomic_load_explicit(&allowance, memory_order_relaxed) < 0)
        return 0;
    long long left = atomic_fetch_sub(&allowance, 1);
    if (left > 0)
        return 0;
    atomic_store(&allowance, 0);
    return 1;
}

/* Uninitialised, or NULL. */
static char *reserve(size_t bytes)
{
    void *base;
    bool large = bytes >= LARGE_BYTES;
    if (posix_memalign(&base, large ? HUGE_PAGE : HEADER_BYTES, bytes) != 0)
        return NULL;
    if (large)
        madvise(base, bytes, MADV_HUGEPAGE); /* or as well without */
    return base;
}

void *ni_alloc(int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) ||
        bytes > (size_t)PTRDIFF_MAX - (size_t)(2 * HEADER_BYTES)) {
        ni_fail(NASH_ENOMEM, "out of memory: %lld items of %zu bytes",
                (long long)count, size);
        return NULL;
    }
    size_t rounded = (bytes + HEADER_BYTES - 1) / HEADER_BYTES * HEADER_BYTES;
    char *base = refuse_by_order() ? NULL : reserve(rounded + HEADER_BYTES);
    if (!base) {
        ni_fail(NASH_ENOMEM, "out of memory: %zu bytes were asked for", bytes);
        return NULL;
    }
    memset(base, 0, rounded + HEADER_BYTES);
    memcpy(base, &bytes, sizeof bytes);
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&live_bytes, (long long)bytes);
    return base + HEADER_BYTES;
}

static size_t block_bytes(const void *block)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - HEADER_BYTES, sizeof bytes);
    return bytes;
}

void *ni_realloc(void *block, int64_t count, size_t size)
{
    void *fresh = ni_alloc(count, size);
    if (fresh && block) {
        size_t old = block_bytes(block), now = block_bytes(fresh);
        memcpy(fresh, block, old < now ? old : now);
        ni_free(block);
    }
    return fresh;
}

char *ni_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ni_alloc((int64_t)size, 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

char *ni_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : ni_alloc(length + 1, 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void ni_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, (long long)block_bytes(block));
    free((char *)block - HEADER_BYTES);
}

void ni_memory_fail_after(int64_t n)
{
    atomic_store(&allowance, n);
}

int64_t ni_memory_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

int64_t ni_memory_live_bytes(void)
{
    return atomic_load(&live_bytes);
}
