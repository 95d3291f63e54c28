/*
 * Whole files in, whole files out. Everything here is for files that fit into
 * memory; no file is written in place.
 */
#include "file.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static nash_status fill(char *data, size_t size_bytes, int fd, const char *path)
{
    size_t got = 0;
    while (got < size_bytes) {
        ssize_t n = read(fd, data + got, size_bytes - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ni_fail_errno(NASH_EIO, "%s cannot be read", path);
        if (n == 0)
            return ni_fail(NASH_EIO, "%s shrank while it was read", path);
        got += (size_t)n;
    }
    return NASH_OK;
}

nash_status ni_file_read(char **data, size_t *size_bytes, const char *path,
                         size_t limit_bytes)
{
    nash_status status = NASH_OK;
    char *bytes = NULL;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ni_fail_errno(
            errno == ENOENT || errno == ENOTDIR ? NASH_ENOTFOUND : NASH_EIO,
            "%s cannot be opened", path);
    if (fstat(fd, &info) != 0) {
        status = ni_fail_errno(NASH_EIO, "%s cannot be read", path);
        goto done;
    }
    REQUIRE(S_ISREG(info.st_mode), NASH_EIO, "%s is not a regular file", path);
    REQUIRE((uint64_t)info.st_size <= limit_bytes, NASH_ELIMIT,
            "%s has %lld bytes, more than the %zu that are expected at most",
            path, (long long)info.st_size, limit_bytes);
    NEW_ARRAY(bytes, info.st_size + 1);
    TRY(fill(bytes, (size_t)info.st_size, fd, path));
    *data = bytes;
    *size_bytes = (size_t)info.st_size;
    bytes = NULL;
done:
    ni_free(bytes);
    close(fd);
    return status;
}

static nash_status drain(int fd, const ni_part *part, const char *path)
{
    const char *data = part->data;
    size_t left = part->size_bytes;
    while (left > 0) {
        ssize_t n = write(fd, data, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ni_fail_errno(NASH_EIO, "%s cannot be written", path);
        data += n;
        left -= (size_t)n;
    }
    return NASH_OK;
}

static nash_status put_on_disk(int fd, const char *path)
{
    if (fsync(fd) != 0 && errno != EINVAL)
        return ni_fail_errno(NASH_EIO, "%s cannot be written", path);
    return NASH_OK;
}

static void sync_directory_of(char *path)
{
    int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* some file systems refuse; the rename stands anyway */
        close(fd);
    }
}

/* The new file takes its place, the old one another or none. */
static nash_status put_in_place(const char *fresh, const char *path,
                                const char *keep)
{
    if ((keep && rename(path, keep) != 0 && errno != ENOENT) ||
        rename(fresh, path) != 0)
        return ni_fail_errno(NASH_EIO, "%s cannot be replaced", path);
    return NASH_OK;
}

/* A device or a pipe, which no file can replace. */
static bool is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) &&
           !S_ISDIR(info.st_mode);
}

static nash_status write_special(const char *path, const ni_part *parts,
                                 int32_t n)
{
    nash_status status = NASH_OK;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return ni_fail_errno(NASH_EIO, "%s cannot be written", path);
    for (int32_t i = 0; i < n; i++)
        TRY(drain(fd, &parts[i], path));
done:
    close(fd);
    return status;
}

/* The file that a symbolic link leads to, if there is one; else the path. */
static const char *followed(char space[PATH_MAX], const char *path)
{
    struct stat info;
    bool link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    return link && realpath(path, space) ? space : path;
}

/* A new file beside the path, of a name that no other writer has: processes
 * tell theirs apart by their number, threads by a counter. Names that a killed
 * process left are passed over. */
static nash_status open_temporary(char **name, int *fd, const char *path)
{
    nash_status status = NASH_OK;
    static atomic_uint counter;
    do {
        ni_free(*name);
        NEW_FROM(*name, ni_format("%s.%ld.%u.tmp", path, (long)getpid(),
                                  atomic_fetch_add(&counter, 1)));
        *fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (*fd < 0 && errno == EEXIST);
    if (*fd < 0)
        status = ni_fail_errno(NASH_EIO, "%s cannot be written", path);
done:
    return status;
}

static nash_status replace(const char *path, const char *keep,
                           const ni_part *parts, int32_t n)
{
    nash_status status = NASH_OK;
    int fd = -1;
    bool made = false;
    char *temporary = NULL;
    TRY(open_temporary(&temporary, &fd, path));
    made = true;
    for (int32_t i = 0; i < n; i++)
        TRY(drain(fd, &parts[i], path));
    TRY(put_on_disk(fd, path));
    TRY(put_in_place(temporary, path, keep));
    made = false;
    sync_directory_of(temporary);
done:
    if (fd >= 0)
        close(fd);
    if (made)
        unlink(temporary);
    ni_free(temporary);
    return status;
}

nash_status ni_file_replace(const char *path, const char *keep,
                            const ni_part *parts, int32_t n)
{
    char space[PATH_MAX];
    if (!keep && is_special(path))
        return write_special(path, parts, n);
    return replace(followed(space, path), keep, parts, n);
}

nash_status ni_file_write_atomic(const char *path, const void *data,
                                 size_t size_bytes)
{
    const ni_part part = {data, size_bytes};
    return ni_file_replace(path, NULL, &part, 1);
}

nash_status ni_make_directories(const char *path)
{
    nash_status status = NASH_OK;
    char *copy = NULL;
    NEW_FROM(copy, ni_strdup(path));
    for (char *at = copy + 1; *copy; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char old = *at;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            status =
                ni_fail_errno(NASH_EIO, "directory %s cannot be made", copy);
            goto done;
        }
        *at = old;
        if (old == '\0')
            break;
    }
    REQUIRE(ni_is_directory(path), NASH_EIO, "%s is not a directory", path);
done:
    ni_free(copy);
    return status;
}

bool ni_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool ni_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

char *ni_path_join(const char *dir, const char *name)
{
    size_t length = strlen(dir);
    bool slash = length > 0 && dir[length - 1] == '/';
    return ni_format("%s%s%s", dir, slash ? "" : "/", name);
}
