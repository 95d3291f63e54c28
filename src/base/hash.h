#ifndef NI_HASH_H
#define NI_HASH_H

#include <stddef.h>
#include <stdint.h>

/** XXH3, 64 bits, of @p size_bytes bytes, chained from @p seed. */
uint64_t ni_hash(const void *data, size_t size_bytes, uint64_t seed);

#endif
