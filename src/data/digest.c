/*
 * The door to libmd. MD5 tells the right file from a wrong or damaged one; it
 * is no protection against an adversary. About 0.6 GB a second.
 */
#include "digest.h"

#include <md5.h>

ni_md5 ni_md5_of(const void *data, size_t size_bytes)
{
    ni_md5 sum;
    MD5Data(data, size_bytes, sum.text);
    return sum;
}
