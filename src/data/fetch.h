#ifndef NI_FETCH_H
#define NI_FETCH_H

#include <nash/dataset.h>

/*
 * A fetch under way. Everything unfinished lies in DIR/.fetch, which is locked
 * and in the end removed; files move from there into place whole and checked,
 * so that an interruption leaves only work that the next fetch takes up or
 * does again.
 */
typedef struct ni_fetch {
    const char *dir; /* borrowed */
    char *work;      /* DIR/.fetch, owned */
    int lock;        /* file descriptor, -1: not begun */
    nash_fetch_progress progress;
    void *ctx;
    const char *what; /* being fetched, for the progress */
    int64_t total;    /* its bytes */
} ni_fetch;

nash_status ni_fetch_cifar10(ni_fetch *f);
nash_status ni_fetch_fashion_mnist(ni_fetch *f);

/** Make and lock the work directory, once; nothing to do if it is there.
 * @return NASH_OK, NASH_EBUSY (another fetch is at work here), NASH_EIO or
 *         NASH_ENOMEM */
nash_status ni_fetch_begin(ni_fetch *f);

/** Remove the work directory: all is done. */
void ni_fetch_end(ni_fetch *f);

/** Tell the progress of @p what. */
void ni_fetch_tell(ni_fetch *f, const char *what, int64_t bytes, int64_t total);

/**
 * Run a program in the work directory; what grows there counts as progress of
 * @p what.
 *
 * @param total  bytes expected
 * @return as ni_child_run()
 */
nash_status ni_fetch_run(ni_fetch *f, const char *const *argv,
                         const char *purpose, const char *what, int64_t total);

/** Whether a file (unpacked, if it is gzip) is there and has this MD5 sum.
 * @return NASH_OK or NASH_ENOMEM: a file that cannot be read is not right */
nash_status ni_fetch_is_right(bool *right, const char *path, const char *md5);

/** Copy a file into place atomically, checking its MD5 sum as above.
 * @return NASH_OK, NASH_EFORMAT (another sum), NASH_EIO or NASH_ENOMEM */
nash_status ni_fetch_place(const char *to, const char *from, const char *md5);

/** Write a file of class names, unless it is there.
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM */
nash_status ni_fetch_names(const char *dir, const char *name, const char *text);

#endif
