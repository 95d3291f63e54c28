#ifndef NI_MEMORY_H
#define NI_MEMORY_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The one allocator: zeroed, overflow-checked, counted, and faultable.
 * All blocks are aligned to 64 bytes and released with ni_free().
 */

/**
 * Allocate @p count zeroed items of @p size bytes.
 *
 * @return NULL with the error sentence set if memory is out or the product
 *         overflows; a count of 0 gives a valid block
 */
void *ni_alloc(int64_t count, size_t size);

/** Grow or shrink a block of ours (or NULL); new bytes are zeroed. On failure
 * NULL, the error sentence set, and @p block still valid. */
void *ni_realloc(void *block, int64_t count, size_t size);

/** Copy of a string; NULL with the error sentence set when memory is out. */
char *ni_strdup(const char *text);

/** Formatted string; NULL with the error sentence set when memory is out. */
char *ni_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Release a block of ours; NULL is fine. */
void ni_free(void *block);

/** Let @p n further allocations of this process succeed, then fail every one;
 * -1 (the start) never fails. For tests. */
void ni_memory_fail_after(int64_t n);

/** Blocks allocated and not released yet. */
int64_t ni_memory_live_blocks(void);

/** Bytes allocated and not released yet. */
int64_t ni_memory_live_bytes(void);

/* p = zeroed array of n items, or leave by `done` with NASH_ENOMEM */
#define NEW_ARRAY(p, n)                                                        \
    do {                                                                       \
        (p) = ni_alloc((int64_t)(n), sizeof *(p));                             \
        if (!(p)) {                                                            \
            status = NASH_ENOMEM;                                              \
            goto done;                                                         \
        }                                                                      \
    } while (0)

/* p = one zeroed item, or leave by `done` */
#define NEW(p) NEW_ARRAY(p, 1)

/* p = result of ni_strdup / ni_format / ni_realloc, or leave by `done` */
#define NEW_FROM(p, call)                                                      \
    do {                                                                       \
        (p) = (call);                                                          \
        if (!(p)) {                                                            \
            status = NASH_ENOMEM;                                              \
            goto done;                                                         \
        }                                                                      \
    } while (0)

#endif
