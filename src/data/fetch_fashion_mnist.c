/*
 * Fashion-MNIST: four IDX files out of Debian's package dataset-fashion-mnist.
 * An installed package is copied from; else it is downloaded and unpacked,
 * which takes no root. 31 MB. The sums are of the unpacked content: how it was
 * compressed differs between publishers.
 */
#include "fetch.h"

#include "base/file.h"
#include "base/memory.h"
#include "strings.h"

enum { FILES = 4 };

static const struct {
    const char *name, *md5;
} files[FILES] = {
    {"train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
    {"train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9"},
    {"t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a"},
    {"t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965"},
};

static const char names[] = "T-shirt/top\nTrouser\nPullover\nDress\nCoat\n"
                            "Sandal\nShirt\nSneaker\nBag\nAnkle boot\n";

#define PACKAGE "dataset-fashion-mnist"
#define INSTALLED "/usr/share/datasets/fashion-mnist"

static const int64_t package_bytes = 30900652;

/* A file that is there must not be another's. */
static nash_status is_there(bool *there, const char *dir, int file,
                            const char *ending)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_format("%s/%s%s", dir, files[file].name, ending));
    TRY(ni_fetch_is_right(there, path, files[file].md5));
    REQUIRE(*there || !ni_is_file(path), NASH_EFORMAT,
            "%s is not Fashion-MNIST's: its MD5 sum is not %s; move it away",
            path, files[file].md5);
done:
    ni_free(path);
    return status;
}

/* Which files a directory lacks, plain or packed. A plain one is what is read.
 */
static nash_status take_stock(bool missing[FILES], int *n_missing,
                              const char *dir)
{
    nash_status status = NASH_OK;
    *n_missing = 0;
    for (int i = 0; i < FILES; i++) {
        bool plain, packed = false;
        TRY(is_there(&plain, dir, i, ""));
        if (!plain)
            TRY(is_there(&packed, dir, i, ".gz"));
        missing[i] = !plain && !packed;
        *n_missing += missing[i];
    }
done:
    return status;
}

static nash_status copy_from(const ni_fetch *f, const char *dir,
                             const bool missing[FILES])
{
    nash_status status = NASH_OK;
    char *from = NULL, *to = NULL;
    for (int i = 0; i < FILES; i++) {
        if (!missing[i])
            continue;
        NEW_FROM(from, ni_format("%s/%s.gz", dir, files[i].name));
        NEW_FROM(to, ni_format("%s/%s.gz", f->dir, files[i].name));
        TRY(ni_fetch_place(to, from, files[i].md5));
        ni_free(from);
        ni_free(to);
        from = to = NULL;
    }
done:
    ni_free(from);
    ni_free(to);
    return status;
}

/* Download the package and unpack it to work/unpacked. apt-get itself takes up
 * a partial download. */
static nash_status unpack(ni_fetch *f)
{
    static const char *const download[] = {"apt-get", "download", PACKAGE,
                                           NULL};
    const char *extract[] = {"dpkg-deb", "-x", NULL, "unpacked", NULL};
    nash_status status = NASH_OK;
    ni_strings found = {0};
    TRY(ni_fetch_begin(f));
    TRY(ni_fetch_run(f, download, "fetch " PACKAGE, PACKAGE, package_bytes));
    TRY(ni_directory_list(&found, f->work, NI_ENTRY_FILE));
    for (int32_t i = 0; i < found.n; i++)
        if (ni_ends_with(found.items[i], ".deb"))
            extract[2] = found.items[i];
    REQUIRE(extract[2], NASH_EIO, "apt-get left no file of " PACKAGE " in %s",
            f->work);
    TRY(ni_fetch_run(f, extract, "unpack " PACKAGE, "unpacking",
                     2 * package_bytes));
done:
    ni_strings_deinit(&found);
    return status;
}

nash_status ni_fetch_fashion_mnist(ni_fetch *f)
{
    nash_status status = NASH_OK;
    bool missing[FILES], elsewhere[FILES];
    int n_missing, n_elsewhere;
    char *unpacked = NULL;
    TRY(take_stock(missing, &n_missing, f->dir));
    if (n_missing > 0) {
        TRY(take_stock(elsewhere, &n_elsewhere, INSTALLED));
        NEW_FROM(unpacked, n_elsewhere == 0
                               ? ni_strdup(INSTALLED)
                               : ni_path_join(f->work, "unpacked" INSTALLED));
        if (n_elsewhere > 0)
            TRY(unpack(f));
        TRY(copy_from(f, unpacked, missing));
    }
    TRY(ni_fetch_names(f->dir, "classes.txt", names));
done:
    ni_free(unpacked);
    return status;
}
