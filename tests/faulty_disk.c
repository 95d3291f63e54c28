/*
 * A library to preload: from its n-th change of a file system on, a process
 * finds the disk full, or read-only. NASH_TEST_FAULT=ERRNO:N:ROLE, with ERRNO
 * a number and ROLE "candidate" or "coordinator": the process it is for.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma GCC visibility push(default) /* they take the place of libc's */

static atomic_long left = -1; /* changes until the fault; -1: none */
static int fault;

static bool is_candidate(void)
{
    char words[4096];
    FILE *file = fopen("/proc/self/cmdline", "rb");
    size_t n = file ? fread(words, 1, sizeof words - 1, file) : 0;
    words[n] = '\0';
    if (file)
        fclose(file);
    const char *second = words + strlen(words) + 1;
    return second < words + n && strcmp(second, "candidate") == 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("NASH_TEST_FAULT");
    char role[16];
    long n;
    if (text && sscanf(text, "%d:%ld:%15s", &fault, &n, role) == 3 &&
        is_candidate() == (strcmp(role, "candidate") == 0))
        left = n;
}

/* Whether this change of a file system fails; errno says why. */
static bool fails(void)
{
    long before = atomic_load(&left);
    while (before > 0 &&
           !atomic_compare_exchange_weak(&left, &before, before - 1))
        ;
    if (before != 0)
        return false;
    errno = fault;
    return true;
}

/* Whether it is a file on the disk that we are on. */
static bool is_file(int fd)
{
    struct stat info, here;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
           stat(".", &here) == 0 && info.st_dev == here.st_dev;
}

/* The real function, as a pointer of the type of `name`. */
#define REAL(name) ((__typeof__(&name))(intptr_t)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size)
{
    return is_file(fd) && fails() ? -1 : REAL(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return is_file(fd) && fails() ? -1 : REAL(pwrite)(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    return is_file(fd) && fails() ? -1 : REAL(pwrite64)(fd, data, size, at);
}

int ftruncate(int fd, off_t size)
{
    return is_file(fd) && fails() ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return is_file(fd) && fails() ? -1 : REAL(ftruncate64)(fd, size);
}

int fsync(int fd)
{
    return is_file(fd) && fails() ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return is_file(fd) && fails() ? -1 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
    return fails() ? -1 : REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    struct stat info; /* only a new directory needs room */
    return stat(path, &info) != 0 && fails() ? -1 : REAL(mkdir)(path, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return (flags & O_CREAT) && fails() ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return (flags & O_CREAT) && fails() ? -1 : REAL(open64)(path, flags, mode);
}
