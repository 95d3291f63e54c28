#ifndef NI_DIGEST_H
#define NI_DIGEST_H

#include <stddef.h>

/* An MD5 sum as 32 lower-case hexadecimal digits and a zero byte. */
typedef struct ni_md5 {
    char text[33];
} ni_md5;

/** MD5 of bytes in memory: the sum that public data sets are listed with. */
ni_md5 ni_md5_of(const void *data, size_t size_bytes);

#endif
