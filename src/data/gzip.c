/*
 * The door to zlib: gzip files as bytes. What is asked for bounds the memory,
 * so a file that unpacks to something huge does no harm.
 */
#include "gzip.h"

#include "base/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <zlib.h>

enum { PIECE_BYTES = 1 << 24 };

static nash_status fill(char **data, size_t *size_bytes, gzFile file,
                        const char *path, size_t most)
{
    nash_status status = NASH_OK;
    size_t room = 0, got = 0;
    struct stat info;
    bool is_plain = gzdirect(file) && stat(path, &info) == 0;
    while (got < most) {
        if (got == room) {
            /* what a plain file has; else twice as much each time, so that a
             * short file stays cheap */
            size_t more = room       ? room
                          : is_plain ? (size_t)info.st_size + 1
                                     : PIECE_BYTES;
            room = most - room < more ? most : room + more;
            char *grown;
            NEW_FROM(grown, ni_realloc(*data, (int64_t)room + 1, 1));
            *data = grown;
        }
        size_t piece = room - got < PIECE_BYTES ? room - got : PIECE_BYTES;
        int n = gzread(file, *data + got, (unsigned)piece);
        int code = Z_OK;
        const char *text = n < (int)piece ? gzerror(file, &code) : "";
        if (code == Z_ERRNO) {
            status = ni_fail_errno(NASH_EIO, "%s cannot be read", path);
            goto done;
        }
        REQUIRE(code != Z_MEM_ERROR, NASH_ENOMEM,
                "out of memory while unpacking %s", path);
        REQUIRE(code == Z_OK || code == Z_STREAM_END, NASH_EFORMAT,
                "%s is a damaged gzip file: %s", path, text);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    *size_bytes = got;
done:
    return status;
}

nash_status ni_gzip_read(char **data, size_t *size_bytes, const char *path,
                         size_t most)
{
    nash_status status = NASH_OK;
    char *bytes = NULL;
    errno = 0;
    gzFile file = gzopen(path, "rbe");
    if (!file && errno == 0)
        return ni_fail(NASH_ENOMEM, "out of memory while opening %s", path);
    if (!file)
        return ni_fail_errno(
            errno == ENOENT || errno == ENOTDIR ? NASH_ENOTFOUND : NASH_EIO,
            "%s cannot be opened", path);
    gzbuffer(file, 1 << 17);
    NEW_ARRAY(bytes, 1);
    TRY(fill(&bytes, size_bytes, file, path, most));
    *data = bytes;
    bytes = NULL;
done:
    ni_free(bytes);
    gzclose_r(file);
    return status;
}
