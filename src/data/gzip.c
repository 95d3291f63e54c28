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

enum { PIECE_BYTES = 1 << 24, BUFFER_BYTES = 1 << 17 };

struct ni_gzip {
    gzFile file;
    char *path; /* owned */
};

nash_status ni_gzip_open(ni_gzip **out, const char *path)
{
    nash_status status = NASH_OK;
    ni_gzip *g = NULL;
    NEW(g);
    NEW_FROM(g->path, ni_strdup(path));
    errno = 0;
    g->file = gzopen(path, "rbe");
    REQUIRE(g->file || errno != 0, NASH_ENOMEM,
            "out of memory while opening %s", path);
    if (!g->file) {
        status = ni_fail_errno(
            errno == ENOENT || errno == ENOTDIR ? NASH_ENOTFOUND : NASH_EIO,
            "%s cannot be opened", path);
        goto done;
    }
    gzbuffer(g->file, BUFFER_BYTES);
    *out = g;
    g = NULL;
done:
    ni_gzip_close(g);
    return status;
}

void ni_gzip_close(ni_gzip *g)
{
    if (!g)
        return;
    if (g->file)
        gzclose_r(g->file);
    ni_free(g->path);
    ni_free(g);
}

nash_status ni_gzip_next(void *data, size_t *size_bytes, ni_gzip *g,
                         size_t most)
{
    nash_status status = NASH_OK;
    size_t got = 0;
    while (got < most) {
        size_t piece = most - got < PIECE_BYTES ? most - got : PIECE_BYTES;
        int n = gzread(g->file, (char *)data + got, (unsigned)piece);
        int code = Z_OK;
        const char *text = n < (int)piece ? gzerror(g->file, &code) : "";
        if (code == Z_ERRNO) {
            status = ni_fail_errno(NASH_EIO, "%s cannot be read", g->path);
            goto done;
        }
        REQUIRE(code != Z_MEM_ERROR, NASH_ENOMEM,
                "out of memory while unpacking %s", g->path);
        REQUIRE(code == Z_OK || code == Z_STREAM_END, NASH_EFORMAT,
                "%s is a damaged gzip file: %s", g->path, text);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    *size_bytes = got;
done:
    return status;
}

/* Room for what a plain file has; else twice as much each time, so that a short
 * file stays cheap. */
static size_t room_after(size_t room, ni_gzip *g)
{
    struct stat info;
    if (room > 0)
        return 2 * room;
    bool is_plain = gzdirect(g->file) && stat(g->path, &info) == 0;
    return is_plain ? (size_t)info.st_size + 1 : PIECE_BYTES;
}

nash_status ni_gzip_read(char **data, size_t *size_bytes, const char *path,
                         size_t most)
{
    nash_status status = NASH_OK;
    ni_gzip *g = NULL;
    char *bytes = NULL;
    size_t room = 0, got = 0;
    TRY(ni_gzip_open(&g, path));
    NEW_ARRAY(bytes, 1);
    while (got == room && room < most) {
        char *grown;
        size_t piece;
        room = room_after(room, g);
        room = room < most ? room : most;
        NEW_FROM(grown, ni_realloc(bytes, (int64_t)room + 1, 1));
        bytes = grown;
        TRY(ni_gzip_next(bytes + got, &piece, g, room - got));
        got += piece;
    }
    bytes[got] = '\0';
    *size_bytes = got;
    *data = bytes;
    bytes = NULL;
done:
    ni_free(bytes);
    ni_gzip_close(g);
    return status;
}
