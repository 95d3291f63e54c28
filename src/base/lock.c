/*
 * Locks between processes: open-file-description locks of fcntl(), which NFS
 * passes on. Polls ten times a second while waiting.
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Who holds the lock, as its holder wrote it; cut at the first newline. */
static void read_holder(char *holder, size_t size_bytes, int fd)
{
    ssize_t n = pread(fd, holder, size_bytes - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
}

static void write_holder(int fd)
{
    char host[256] = "this host";
    char holder[320];
    gethostname(host, sizeof host - 1);
    int n = snprintf(holder, sizeof holder, "process %ld on %s\n",
                     (long)getpid(), host);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)n, 0) != n)
        return; /* only a courtesy: the lock itself is held */
}

static nash_status try_lock(int fd, const char *path, const char *what)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char holder[320];
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return NASH_OK;
    if (errno != EAGAIN && errno != EACCES)
        return ni_fail_errno(NASH_EIO, "%s cannot be locked", path);
    read_holder(holder, sizeof holder, fd);
    return ni_fail(NASH_EBUSY, "%s is in use by %s", what,
                   holder[0] ? holder : "another process");
}

nash_status ni_lock_take(int *fd, const char *path, const char *what,
                         int32_t wait_ms)
{
    enum { POLL_MS = 100 };
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return ni_fail_errno(NASH_EIO, "%s cannot be locked", path);
    nash_status status = try_lock(file, path, what);
    for (; status == NASH_EBUSY && wait_ms > 0; wait_ms -= POLL_MS) {
        usleep(POLL_MS * 1000);
        status = try_lock(file, path, what);
    }
    if (status == NASH_OK) {
        write_holder(file);
        *fd = file;
    } else {
        close(file);
    }
    return status;
}

void ni_lock_release(int fd)
{
    if (fd >= 0)
        close(fd);
}
