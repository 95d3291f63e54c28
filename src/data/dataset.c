/*
 * Opening a directory as a data set: which format it has, which images are
 * held out, what shape all get. The training part is read at once, unless
 * asked not to; the test part's pixels are not before they are asked for.
 */
#include "reader.h"

#include <nash/text.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "listing.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const ni_reader *const readers[] = {
    &ni_reader_cifar10,
    &ni_reader_cifar100,
    &ni_reader_idx,
    &ni_reader_folder,
};

enum { READER_COUNT = sizeof readers / sizeof readers[0], MAX_THREADS = 1024 };

nash_dataset_opts nash_dataset_opts_default(void)
{
    return (nash_dataset_opts){.holdout = 0.15,
                               .max_side = 128,
                               .max_bytes = (int64_t)8 << 30,
                               .max_skipped = 0.1};
}

nash_part ni_dataset_set(const nash_dataset *ds, nash_part part)
{
    return ds->holdout ? NASH_PART_TRAIN : part;
}

const char *ni_part_name(nash_part part)
{
    return part == NASH_PART_TRAIN ? "training" : "test";
}

nash_status ni_dataset_note(nash_dataset *ds, const char *format, ...)
{
    char text[sizeof((nash_data_problem *)0)->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nash_hide_controls(text);
    ni_log(NASH_LOG_WARNING, "%s", text);
    return ni_strings_add(&ds->problems, text);
}

nash_status ni_images_put(nash_images *images, int32_t i, const ni_view *view)
{
    nash_shape s = images->shape;
    return ni_view_fit(images->pixels + (int64_t)i * s.c * s.h * s.w, s, view);
}

static nash_status check_opts(const nash_dataset_opts *o)
{
    nash_status status = NASH_OK;
    REQUIRE((o->height == 0) == (o->width == 0) && o->height >= 0 &&
                o->width >= 0 && o->height <= NASH_MAX_DIM &&
                o->width <= NASH_MAX_DIM,
            NASH_EINVAL,
            "image size %d x %d, expected height and width both 0 or both "
            "within 1 .. %d",
            o->height, o->width, NASH_MAX_DIM);
    REQUIRE(o->channels == 0 || o->channels == 1 || o->channels == 3,
            NASH_EINVAL, "%d channels, expected 1, 3, or 0 for automatic",
            o->channels);
    REQUIRE(o->holdout >= 0.0 && o->holdout < 1.0, NASH_EINVAL,
            "hold-out share %g, expected 0 or more and less than 1",
            o->holdout);
    REQUIRE(o->max_skipped >= 0.0 && o->max_skipped <= 1.0, NASH_EINVAL,
            "share of unreadable files %g, expected 0 .. 1", o->max_skipped);
    REQUIRE(o->threads >= 0 && o->threads <= MAX_THREADS, NASH_EINVAL,
            "%d threads, expected 0 .. %d", o->threads, MAX_THREADS);
    REQUIRE(o->max_side >= 1 && o->max_side <= NASH_MAX_DIM, NASH_EINVAL,
            "longest side %d, expected 1 .. %d", o->max_side, NASH_MAX_DIM);
done:
    return status;
}

/* The first format that recognises a directory, or NULL. */
static nash_status recognise(const ni_reader **reader, const char *dir,
                             bool nested)
{
    nash_status status = NASH_OK;
    *reader = NULL;
    for (int i = 0; i < READER_COUNT && !*reader; i++) {
        bool yes = false;
        TRY(readers[i]->recognise(&yes, dir, nested));
        if (yes)
            *reader = readers[i];
    }
done:
    return status;
}

/* One level below: archives unpack into a directory of their own, some with a
 * __MACOSX beside it. Among several there is no guessing. */
static nash_status recognise_below(nash_dataset *ds, const char *dir)
{
    nash_status status = NASH_OK;
    ni_strings below = {0};
    char *path = NULL;
    int32_t candidates = 0;
    TRY(ni_directory_list(&below, dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < below.n; i++)
        candidates += strncmp(below.items[i], "__", 2) != 0;
    for (int32_t i = 0; i < below.n && !ds->reader; i++) {
        ni_free(path);
        NEW_FROM(path, ni_path_join(dir, below.items[i]));
        TRY(recognise(&ds->reader, path, candidates != 1));
    }
    if (!ds->reader)
        goto done;
    REQUIRE(candidates == 1, NASH_ENOTFOUND,
            "%s holds %d directories, name the one with the data set, such as "
            "%s",
            dir, candidates, path);
    ds->dir = path;
    path = NULL;
done:
    ni_strings_deinit(&below);
    ni_free(path);
    return status;
}

static nash_status find_format(nash_dataset *ds, const char *dir)
{
    nash_status status = NASH_OK;
    char seen[512];
    REQUIRE(ni_is_directory(dir), NASH_ENOTFOUND,
            "%s is not a directory, expected one with a data set in it", dir);
    TRY(recognise(&ds->reader, dir, false));
    if (ds->reader)
        NEW_FROM(ds->dir, ni_strdup(dir));
    else
        TRY(recognise_below(ds, dir));
    if (!ds->reader)
        TRY(ni_directory_look(seen, sizeof seen, dir));
    REQUIRE(ds->reader, NASH_ENOTFOUND,
            "%s holds no data set that is known (%s), looked for "
            "data_batch_1.bin (CIFAR-10), train.bin (CIFAR-100), "
            "train-images-idx3-ubyte (IDX), and folders of PNG or JPEG files "
            "train/CLASS/ or CLASS/",
            dir, seen);
done:
    return status;
}

/* Parts as sets: everything in order. */
static nash_status take_all(nash_dataset *ds, nash_part part)
{
    nash_status status = NASH_OK;
    int32_t n = ds->n[part];
    NEW_ARRAY(ds->index[part], n);
    for (int32_t i = 0; i < n; i++)
        ds->index[part][i] = i;
    ds->n_part[part] = n;
done:
    return status;
}

static nash_status hold_out(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    int32_t n = ds->n[NASH_PART_TRAIN];
    int32_t n_test = (int32_t)llround(n * ds->opts.holdout), n_train;
    int32_t *labels = NULL;
    uint64_t *keys = NULL;
    n_test = n_test < 1 ? 1 : n_test;
    REQUIRE(n_test < n, NASH_EINVAL,
            "%s has %d images and no test set: a hold-out of %g leaves none to "
            "train on",
            ds->dir, n, ds->opts.holdout);
    NEW_ARRAY(labels, n);
    NEW_ARRAY(ds->index[NASH_PART_TRAIN], n);
    NEW_ARRAY(ds->index[NASH_PART_TEST], n);
    TRY(ds->reader->labels(labels, ds));
    if (ds->reader->keys) {
        NEW_ARRAY(keys, n);
        ds->reader->keys(keys, ds);
    }
    n_train = n - n_test;
    TRY(nash_split(ds->index[NASH_PART_TRAIN], &n_train,
                   ds->index[NASH_PART_TEST], labels, keys, n, ds->classes,
                   ds->opts.seed));
    ds->n_part[NASH_PART_TRAIN] = n_train;
    ds->n_part[NASH_PART_TEST] = n - n_train;
    ds->holdout = true;
done:
    ni_free(keys);
    ni_free(labels);
    return status;
}

static nash_status divide(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    if (ds->n[NASH_PART_TEST] == 0 && ds->opts.holdout > 0.0) {
        TRY(hold_out(ds));
    } else {
        TRY(take_all(ds, NASH_PART_TRAIN));
        TRY(take_all(ds, NASH_PART_TEST));
    }
done:
    return status;
}

static nash_status choose_shape(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    ds->shape = ds->native;
    if (ds->reader->measure)
        TRY(ds->reader->measure(&ds->shape, ds, ds->index[NASH_PART_TRAIN],
                                ds->n_part[NASH_PART_TRAIN]));
    if (ds->opts.height > 0) {
        ds->shape.h = ds->opts.height;
        ds->shape.w = ds->opts.width;
    }
    if (ds->opts.channels > 0)
        ds->shape.c = ds->opts.channels;
done:
    return status;
}

static int64_t image_bytes(nash_shape s)
{
    return (int64_t)s.c * s.h * s.w;
}

static nash_status load(nash_dataset *ds, nash_part part)
{
    nash_status status = NASH_OK;
    int64_t most = ds->opts.max_bytes ? ds->opts.max_bytes
                                      : nash_dataset_opts_default().max_bytes;
    nash_images images = {
        .shape = ds->shape, .n = ds->n_part[part], .classes = ds->classes};
    REQUIRE(image_bytes(ds->shape) <= most / (images.n ? images.n : 1),
            NASH_ELIMIT,
            "%d images of %d x %d x %d bytes in %s are %.3g GB, more than the "
            "%.3g GB that are accepted; a smaller height and width would help",
            images.n, images.shape.c, images.shape.h, images.shape.w, ds->dir,
            (double)images.n * (double)image_bytes(ds->shape) / 1e9,
            (double)most / 1e9);
    NEW_ARRAY(images.pixels, images.n * image_bytes(images.shape));
    NEW_ARRAY(images.labels, images.n);
    TRY(ds->reader->read(&images, ds->index[part], ds,
                         ni_dataset_set(ds, part)));
    ds->n_part[part] = images.n;
    ds->images[part] = images;
    ds->loaded[part] = true;
    images = (nash_images){0};
done:
    ni_free(images.pixels);
    ni_free(images.labels);
    return status;
}

static uint64_t hash_of(const nash_images *images)
{
    int64_t header[] = {images->shape.c, images->shape.h, images->shape.w,
                        images->n, images->classes};
    uint64_t h = ni_hash(header, sizeof header, 0);
    h = ni_hash(images->labels, (size_t)images->n * sizeof *images->labels, h);
    return ni_hash(images->pixels,
                   (size_t)(images->n * image_bytes(images->shape)), h);
}

static bool is_grey(const nash_images *images)
{
    int64_t plane = (int64_t)images->shape.h * images->shape.w;
    const uint8_t *p = images->pixels;
    for (int32_t i = 0; i < images->n; i++, p += 3 * plane)
        if (memcmp(p, p + plane, (size_t)plane) != 0 ||
            memcmp(p, p + 2 * plane, (size_t)plane) != 0)
            return false;
    return true;
}

/* Grey pictures are often stored in colour. */
static void drop_colour(nash_dataset *ds)
{
    nash_images *images = &ds->images[NASH_PART_TRAIN];
    int64_t plane = (int64_t)ds->shape.h * ds->shape.w;
    for (int32_t i = 1; i < images->n; i++)
        memmove(images->pixels + i * plane, images->pixels + 3 * i * plane,
                (size_t)plane);
    uint8_t *less = ni_realloc(images->pixels, images->n * plane, 1);
    images->pixels = less ? less : images->pixels;
    images->shape.c = ds->shape.c = 1;
}

/* Whether only the training images show how many channels all get. */
static bool is_open_shape(const nash_dataset *ds)
{
    return ds->reader->measure && ds->opts.channels == 0 && ds->shape.c == 3 &&
           !ds->loaded[NASH_PART_TRAIN];
}

static nash_status load_train(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    bool open_shape = is_open_shape(ds);
    TRY(load(ds, NASH_PART_TRAIN));
    if (open_shape && is_grey(&ds->images[NASH_PART_TRAIN]))
        drop_colour(ds);
    ds->hash = hash_of(&ds->images[NASH_PART_TRAIN]);
done:
    return status;
}

/* Names go into model files and reports. */
static nash_status check_names(const nash_dataset *ds)
{
    nash_status status = NASH_OK;
    for (int32_t k = 0; k < ds->names.n; k++) {
        char text[256] = "";
        const char *name = ds->names.items[k];
        size_t n = 0;
        for (size_t i = 0; name[i] && n + 5 < sizeof text; i++) {
            unsigned char c = (unsigned char)name[i];
            n += (size_t)snprintf(text + n, sizeof text - n,
                                  c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
        }
        REQUIRE(ni_utf8_is_printable(name), NASH_EFORMAT,
                "the name of class %d of %s, '%s', is not printable UTF-8: "
                "rename it",
                k, ds->dir, text);
    }
done:
    return status;
}

nash_status nash_dataset_open(nash_dataset **out, const char *dir,
                              const nash_dataset_opts *opts)
{
    nash_status status = NASH_OK;
    nash_dataset *ds = NULL;
    const char *last;
    NEW(ds);
    ds->opts = opts ? *opts : nash_dataset_opts_default();
    TRY(check_opts(&ds->opts));
    TRY(find_format(ds, dir));
    TRY(ds->reader->open(ds));
    last = ds->problems.n ? ds->problems.items[ds->problems.n - 1] : NULL;
    REQUIRE(ds->n[NASH_PART_TRAIN] > 0, NASH_EFORMAT,
            "%s has no training images%s%s", ds->dir, last ? "; " : "",
            last ? last : "");
    TRY(check_names(ds));
    REQUIRE(ds->classes >= 2, NASH_EFORMAT,
            "%s has images of %d class, expected 2 or more", ds->dir,
            ds->classes);
    TRY(divide(ds));
    TRY(choose_shape(ds));
    if (!ds->opts.lazy)
        TRY(load_train(ds));
    *out = ds;
    ds = NULL;
done:
    nash_dataset_close(ds);
    return status;
}

void nash_dataset_close(nash_dataset *ds)
{
    if (!ds)
        return;
    if (ds->reader)
        ds->reader->close(ds);
    for (int part = 0; part < 2; part++) {
        ni_free(ds->index[part]);
        ni_free(ds->images[part].pixels);
        ni_free(ds->images[part].labels);
    }
    ni_strings_deinit(&ds->names);
    ni_strings_deinit(&ds->problems);
    ni_free(ds->dir);
    ni_free(ds);
}

nash_status nash_dataset_images(const nash_images **out, nash_dataset *ds,
                                nash_part part)
{
    nash_status status = NASH_OK;
    REQUIRE(ds->n_part[part] > 0, NASH_ENOTFOUND,
            "%s has no test set, and no hold-out was asked for", ds->dir);
    if (!ds->loaded[NASH_PART_TRAIN] &&
        (part == NASH_PART_TRAIN || is_open_shape(ds)))
        TRY(load_train(ds));
    if (!ds->loaded[part])
        TRY(load(ds, part));
    *out = &ds->images[part];
done:
    return status;
}

int32_t nash_dataset_count(const nash_dataset *ds, nash_part part)
{
    return ds->n_part[part];
}

const char *nash_dataset_format(const nash_dataset *ds)
{
    return ds->reader->format;
}

bool nash_dataset_is_holdout(const nash_dataset *ds)
{
    return ds->holdout;
}

int32_t nash_dataset_classes(const nash_dataset *ds)
{
    return ds->classes;
}

const char *nash_dataset_class(const nash_dataset *ds, int32_t k)
{
    return ds->names.items[k];
}

void nash_dataset_image_name(char *name, size_t size_bytes,
                             const nash_dataset *ds, nash_part part, int32_t i)
{
    assert(ds->loaded[part] && i >= 0 && i < ds->n_part[part]);
    ds->reader->describe(name, size_bytes, ds, ni_dataset_set(ds, part),
                         ds->index[part][i]);
}

uint64_t nash_dataset_hash(const nash_dataset *ds)
{
    return ds->hash;
}
