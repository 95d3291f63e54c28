#ifndef NI_GZIP_H
#define NI_GZIP_H

#include "base/error.h"

#include <stddef.h>

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
