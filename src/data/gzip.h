#ifndef NI_GZIP_H
#define NI_GZIP_H

#include "base/error.h"

#include <stddef.h>

/* A file that is read from its beginning to its end, unpacked if it is a gzip
 * file, as it is otherwise. */
typedef struct ni_gzip ni_gzip;

/** @return NASH_OK, NASH_ENOTFOUND, NASH_EIO or NASH_ENOMEM */
nash_status ni_gzip_open(ni_gzip **out, const char *path);

/** Close; NULL is fine. */
void ni_gzip_close(ni_gzip *g);

/**
 * Read on.
 *
 * @param data        receives up to @p most bytes
 * @param size_bytes  receives how many: fewer where the content ends
 * @return NASH_OK, NASH_EIO, NASH_EFORMAT (damaged or cut off) or NASH_ENOMEM
 */
nash_status ni_gzip_next(void *data, size_t *size_bytes, ni_gzip *g,
                         size_t most);

/**
 * Read a file's beginning, unpacked if it is a gzip file, as it is otherwise.
 *
 * @param data        receives the bytes and one more zero byte; yours to free
 *                    with ni_free()
 * @param size_bytes  receives how many there are: @p most, or fewer where the
 *                    content ends before
 * @return NASH_OK, NASH_ENOTFOUND, NASH_EIO, NASH_EFORMAT (damaged or cut off)
 *         or NASH_ENOMEM
 */
nash_status ni_gzip_read(char **data, size_t *size_bytes, const char *path,
                         size_t most);

#endif
