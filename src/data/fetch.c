/*
 * Fetching public data sets through the package clients that the machine has:
 * they know their servers, proxies and keys, and no address is in here. Files
 * are checked by MD5 sum; what is there and right is not fetched again.
 */
#include "fetch.h"

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "child.h"
#include "digest.h"
#include "gzip.h"
#include "strings.h"

#include <string.h>

enum { FILE_LIMIT_BYTES = 1 << 28 };

nash_status ni_fetch_begin(ni_fetch *f)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    if (f->lock >= 0)
        goto done;
    TRY(ni_make_directories(f->work));
    NEW_FROM(path, ni_path_join(f->work, "lock"));
    TRY(ni_lock_take(&f->lock, path, f->dir, 0));
done:
    ni_free(path);
    return status;
}

void ni_fetch_end(ni_fetch *f)
{
    if (f->lock >= 0)
        ni_tree_remove(f->work);
}

void ni_fetch_tell(ni_fetch *f, const char *what, int64_t bytes, int64_t total)
{
    if (f->progress)
        f->progress(f->ctx, what, bytes < total ? bytes : total, total);
}

static void tell_growth(void *ctx)
{
    ni_fetch *f = ctx;
    ni_fetch_tell(f, f->what, ni_tree_bytes(f->work), f->total);
}

nash_status ni_fetch_run(ni_fetch *f, const char *const *argv,
                         const char *purpose, const char *what, int64_t total)
{
    f->what = what;
    f->total = total;
    return ni_child_run(argv, f->work, purpose, tell_growth, f);
}

nash_status ni_fetch_is_right(bool *right, const char *path, const char *md5)
{
    char *bytes = NULL;
    size_t size_bytes;
    *right = false;
    nash_status status =
        ni_gzip_read(&bytes, &size_bytes, path, FILE_LIMIT_BYTES);
    if (status == NASH_OK)
        *right = strcmp(ni_md5_of(bytes, size_bytes).text, md5) == 0;
    ni_free(bytes);
    return status == NASH_ENOMEM ? status : NASH_OK;
}

nash_status ni_fetch_place(const char *to, const char *from, const char *md5)
{
    nash_status status = NASH_OK;
    char *bytes = NULL;
    size_t size_bytes;
    bool right;
    TRY(ni_fetch_is_right(&right, from, md5));
    REQUIRE(right, NASH_EFORMAT,
            "%s is missing or does not have the MD5 sum %s that it should",
            from, md5);
    TRY(ni_file_read(&bytes, &size_bytes, from, FILE_LIMIT_BYTES));
    TRY(ni_file_write_atomic(to, bytes, size_bytes));
done:
    ni_free(bytes);
    return status;
}

nash_status nash_fetch(nash_source source, const char *dir,
                       nash_fetch_progress progress, void *ctx)
{
    nash_status status = NASH_OK;
    ni_fetch f = {.dir = dir, .lock = -1, .progress = progress, .ctx = ctx};
    REQUIRE((unsigned)source <= NASH_SOURCE_FASHION_MNIST, NASH_EINVAL,
            "source %d is none of nash_source", (int)source);
    TRY(ni_make_directories(dir));
    NEW_FROM(f.work, ni_path_join(dir, ".fetch"));
    switch (source) {
    case NASH_SOURCE_CIFAR10:
        TRY(ni_fetch_cifar10(&f));
        break;
    case NASH_SOURCE_FASHION_MNIST:
        TRY(ni_fetch_fashion_mnist(&f));
        break;
    }
    ni_fetch_end(&f);
done:
    ni_lock_release(f.lock);
    ni_free(f.work);
    return status;
}

nash_status ni_fetch_names(const char *dir, const char *name, const char *text)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_path_join(dir, name));
    if (!ni_is_file(path))
        TRY(ni_file_write_atomic(path, text, strlen(text)));
done:
    ni_free(path);
    return status;
}
