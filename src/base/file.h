#ifndef NI_FILE_H
#define NI_FILE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Read a whole file.
 *
 * @param data        receives the bytes and one more zero byte; yours to free
 *                    with ni_free()
 * @param limit_bytes larger files are refused
 * @return NASH_OK, NASH_ENOTFOUND, NASH_EIO, NASH_ELIMIT or NASH_ENOMEM
 */
nash_status ni_file_read(char **data, size_t *size_bytes, const char *path,
                         size_t limit_bytes);

/**
 * Replace @p path atomically: temporary file beside it, fsync, rename, fsync of
 * the directory. On failure the old content is still there and the temporary
 * file gone. Processes and threads may write one path at once: one of them
 * wins. Symbolic links are followed; a device or a pipe is written to.
 *
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM
 */
nash_status ni_file_write_atomic(const char *path, const void *data,
                                 size_t size_bytes);

/* A piece of a file to write. */
typedef struct ni_part {
    const void *data;
    size_t size_bytes;
} ni_part;

/**
 * As ni_file_write_atomic(), from pieces.
 *
 * @param keep  the old file is renamed to this when the new one is on disk;
 *              NULL: it is replaced. A crash in between leaves no @p path
 */
nash_status ni_file_replace(const char *path, const char *keep,
                            const ni_part *parts, int32_t n);

/** Make a directory and its missing parents. NASH_OK if it exists already. */
nash_status ni_make_directories(const char *path);

/** Whether something readable as a directory / regular file is there. */
bool ni_is_directory(const char *path);
bool ni_is_file(const char *path);

/** "dir/name" as a new string; NULL with the error set when memory is out. */
char *ni_path_join(const char *dir, const char *name);

#endif
