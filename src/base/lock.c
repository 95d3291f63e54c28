/*
 * Locks between processes: open-file-description locks of fcntl(), which NFS
 * passes on. Polls ten times a second while waiting.
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOLDER_BYTES = 320 };

/* Who holds the lock, as its holder wrote it; cut at the first newline. */
static void read_holder(char *holder, size_t size_bytes, int fd)
{
    ssize_t n = pread(fd, holder, size_bytes - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
}

static void format_holder(char *holder, size_t size_bytes, long pid)
{
    char host[256] = "this host";
    gethostname(host, sizeof host - 1);
    snprintf(holder, size_bytes, "process %ld on %s", pid, host);
}

static void write_holder(int fd)
{
    char holder[HOLDER_BYTES];
    format_holder(holder, sizeof holder - 1, (long)getpid());
    size_t n = strlen(holder);
    holder[n++] = '\n';
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, n, 0) != (ssize_t)n)
        return; /* only a courtesy: the lock itself is held */
}

/* Whether the holder was a process of this host that is no more. The lock is
 * then held by one that it was just starting, which lets go when it gets to
 * its own program. */
static bool holder_is_gone(int fd)
{
    char holder[HOLDER_BYTES], same[HOLDER_BYTES];
    long pid = 0;
    read_holder(holder, sizeof holder, fd);
    if (sscanf(holder, "process %ld on", &pid) != 1 || pid <= 0)
        return false;
    format_holder(same, sizeof same, pid);
    return strcmp(holder, same) == 0 && kill((pid_t)pid, 0) != 0 &&
           errno == ESRCH;
}

static nash_status try_lock(int fd, const char *path, const char *what)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char holder[HOLDER_BYTES];
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
    int32_t grace_ms = 10000;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return ni_fail_errno(NASH_EIO, "%s cannot be locked", path);
    nash_status status = try_lock(file, path, what);
    while (status == NASH_EBUSY &&
           (wait_ms > 0 || (grace_ms > 0 && holder_is_gone(file)))) {
        wait_ms -= POLL_MS;
        grace_ms -= POLL_MS;
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

bool ni_lock_is_held(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool held = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(file);
    return held;
}

void ni_lock_release(int fd)
{
    if (fd >= 0)
        close(fd);
}
