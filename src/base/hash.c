/* The door to xxHash. For identity and corruption, not against adversaries. */
#include "hash.h"

#include <xxhash.h>

uint64_t ni_hash(const void *data, size_t size_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size_bytes, seed);
}
