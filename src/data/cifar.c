/*
 * CIFAR-10 and CIFAR-100 in binary form: records of one or two label bytes and
 * 32 x 32 pixels as planes R, G, B. Reading costs one pass over the files.
 * Refuses files that are not whole records, and labels out of range.
 */
#include "reader.h"

#include "base/file.h"
#include "base/memory.h"
#include "gzip.h"

#include <stdio.h>
#include <sys/stat.h>

enum {
    SIDE = 32,
    PIXEL_BYTES = 3 * SIDE * SIDE,
    AT_ONCE = 1000 /* records */
};

/* How CIFAR-10 and CIFAR-100 differ. */
typedef struct layout {
    const char *first_train; /* tells the format */
    const char *test;
    const char *names;
    int32_t classes;
    int32_t label_bytes; /* the last one counts: the fine label */
} layout;

static const layout layout10 = {"data_batch_1.bin", "test_batch.bin",
                                "batches.meta.txt", 10, 1};
static const layout layout100 = {"train.bin", "test.bin",
                                 "fine_label_names.txt", 100, 2};

typedef struct state {
    ni_strings files[2]; /* paths per set */
} state;

static const layout *layout_of(const nash_dataset *ds)
{
    return ds->reader == &ni_reader_cifar10 ? &layout10 : &layout100;
}

static nash_status holds(bool *yes, const char *dir, const char *name)
{
    nash_status status = NASH_OK;
    char *path;
    NEW_FROM(path, ni_path_join(dir, name));
    *yes = ni_is_file(path);
    ni_free(path);
done:
    return status;
}

static nash_status recognise10(bool *yes, const char *dir, bool nested)
{
    (void)nested;
    return holds(yes, dir, layout10.first_train);
}

static nash_status recognise100(bool *yes, const char *dir, bool nested)
{
    (void)nested;
    return holds(yes, dir, layout100.first_train);
}

static int64_t record_bytes(const layout *l)
{
    return l->label_bytes + PIXEL_BYTES;
}

/* Add a file to a set and count its records. */
static nash_status add_file(nash_dataset *ds, nash_part set, char **path)
{
    nash_status status = NASH_OK;
    state *s = ds->state;
    int64_t record = record_bytes(layout_of(ds));
    struct stat info;
    if (stat(*path, &info) != 0) {
        status = ni_fail_errno(NASH_EIO, "%s cannot be read", *path);
        goto done;
    }
    REQUIRE(info.st_size > 0 && info.st_size % record == 0, NASH_EFORMAT,
            "%s has %lld bytes, expected a multiple of %lld (it is cut off, or "
            "not a CIFAR file)",
            *path, (long long)info.st_size, (long long)record);
    REQUIRE(info.st_size / record <= INT32_MAX - ds->n[set], NASH_ELIMIT,
            "%s makes more than %d images in %s", *path, INT32_MAX, ds->dir);
    ds->n[set] += (int32_t)(info.st_size / record);
    TRY(ni_strings_take(&s->files[set], path));
done:
    return status;
}

/* The largest number among a directory's data_batch_*.bin, 0 if there is none.
 */
static nash_status last_batch(int *last, const char *dir)
{
    nash_status status = NASH_OK;
    ni_strings names = {0};
    *last = 0;
    TRY(ni_directory_list(&names, dir, NI_ENTRY_FILE));
    for (int32_t i = 0; i < names.n; i++) {
        int number = 0, end = 0;
        if (sscanf(names.items[i], "data_batch_%4d.bin%n", &number, &end) ==
                1 &&
            end > 0 && names.items[i][end] == '\0' && number > *last)
            *last = number;
    }
done:
    ni_strings_deinit(&names);
    return status;
}

/* data_batch_1.bin and so on, by number; a gap is noted. */
static nash_status find_numbered(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    int last, before = 0;
    TRY(last_batch(&last, ds->dir));
    for (int i = 0; i <= last; i++) {
        ni_free(path);
        NEW_FROM(path, ni_format("%s/data_batch_%d.bin", ds->dir, i));
        if (!ni_is_file(path))
            continue;
        if (i > before + 1)
            TRY(ni_dataset_note(ds, "%s is there, but data_batch_%d.bin is not",
                                path, i - 1));
        TRY(add_file(ds, NASH_PART_TRAIN, &path));
        before = i;
    }
done:
    ni_free(path);
    return status;
}

static nash_status find_train_files(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    if (ds->reader == &ni_reader_cifar10)
        return find_numbered(ds);
    NEW_FROM(path, ni_path_join(ds->dir, layout_of(ds)->first_train));
    TRY(add_file(ds, NASH_PART_TRAIN, &path));
done:
    ni_free(path);
    return status;
}

static nash_status find_names(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    const layout *l = layout_of(ds);
    char *path = NULL;
    NEW_FROM(path, ni_path_join(ds->dir, l->names));
    if (ni_is_file(path)) {
        TRY(ni_lines_read(&ds->names, path));
        REQUIRE(ds->names.n == l->classes, NASH_EFORMAT,
                "%s has %d class names, expected %d", path, ds->names.n,
                l->classes);
    }
    for (int32_t k = ds->names.n; k < l->classes; k++) {
        char number[16];
        snprintf(number, sizeof number, "%d", k);
        TRY(ni_strings_add(&ds->names, number));
    }
done:
    ni_free(path);
    return status;
}

static nash_status open_cifar(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    state *s;
    char *test = NULL;
    NEW(s);
    ds->state = s;
    ds->classes = layout_of(ds)->classes;
    ds->native = (nash_shape){3, SIDE, SIDE};
    TRY(find_names(ds));
    TRY(find_train_files(ds));
    NEW_FROM(test, ni_path_join(ds->dir, layout_of(ds)->test));
    if (ni_is_file(test))
        TRY(add_file(ds, NASH_PART_TEST, &test));
done:
    ni_free(test);
    return status;
}

static nash_status label_of(int32_t *label, const uint8_t *record,
                            const layout *l, const char *path, int64_t i)
{
    int32_t value = record[l->label_bytes - 1];
    if (value >= l->classes)
        return ni_fail(NASH_EFORMAT,
                       "%s: image %lld has label %d, expected 0 .. %d", path,
                       (long long)i, value, l->classes - 1);
    *label = value;
    return NASH_OK;
}

/* Where a pass over a set stands. */
typedef struct cursor {
    int32_t *labels;      /* [n] */
    nash_images *images;  /* NULL: labels only */
    const int32_t *index; /* [n] ascending */
    int32_t n, done;
    int32_t first; /* number of the next record */
} cursor;

static nash_status read_records(cursor *c, const uint8_t *bytes,
                                int32_t records, const layout *l,
                                const char *path, int32_t before)
{
    nash_status status = NASH_OK;
    for (; c->done < c->n; c->done++) {
        int32_t i = c->index[c->done] - c->first;
        if (i >= records)
            break;
        const uint8_t *record = bytes + i * record_bytes(l);
        TRY(label_of(&c->labels[c->done], record, l, path, before + i));
        if (!c->images)
            continue;
        ni_view view = ni_view_of_planes(record + l->label_bytes,
                                         (nash_shape){3, SIDE, SIDE});
        TRY(ni_images_put(c->images, c->done, &view));
    }
    c->first += records;
done:
    return status;
}

static nash_status read_file(cursor *c, uint8_t *piece, const layout *l,
                             const char *path)
{
    nash_status status = NASH_OK;
    size_t record = (size_t)record_bytes(l), got = 0;
    int32_t before = 0; /* records of this file */
    ni_gzip *file = NULL;
    TRY(ni_gzip_open(&file, path));
    do {
        TRY(ni_gzip_next(piece, &got, file, AT_ONCE * record));
        int32_t records = (int32_t)(got / record);
        TRY(read_records(c, piece, records, l, path, before));
        before += records;
    } while (got == AT_ONCE * record);
done:
    ni_gzip_close(file);
    return status;
}

static nash_status pass(cursor *c, nash_dataset *ds, nash_part set)
{
    nash_status status = NASH_OK;
    const layout *l = layout_of(ds);
    const ni_strings *files = &((state *)ds->state)->files[set];
    uint8_t *piece = NULL;
    NEW_ARRAY(piece, AT_ONCE * record_bytes(l));
    for (int32_t f = 0; f < files->n; f++)
        TRY(read_file(c, piece, l, files->items[f]));
    REQUIRE(c->done == c->n, NASH_EIO, "%s changed while it was read", ds->dir);
done:
    ni_free(piece);
    return status;
}

static nash_status labels_of(int32_t *labels, nash_dataset *ds)
{
    nash_status status = NASH_OK;
    int32_t n = ds->n[NASH_PART_TRAIN], *index = NULL;
    NEW_ARRAY(index, n);
    for (int32_t i = 0; i < n; i++)
        index[i] = i;
    cursor c = {.labels = labels, .index = index, .n = n};
    TRY(pass(&c, ds, NASH_PART_TRAIN));
done:
    ni_free(index);
    return status;
}

static nash_status read_cifar(nash_images *images, int32_t *index,
                              nash_dataset *ds, nash_part set)
{
    cursor c = {.labels = images->labels,
                .images = images,
                .index = index,
                .n = images->n};
    return pass(&c, ds, set);
}

static void describe(char *text, size_t size_bytes, const nash_dataset *ds,
                     nash_part set, int32_t i)
{
    (void)ds;
    snprintf(text, size_bytes, "%s image %d", ni_part_name(set), i);
}

static void close_cifar(nash_dataset *ds)
{
    state *s = ds->state;
    if (!s)
        return;
    ni_strings_deinit(&s->files[0]);
    ni_strings_deinit(&s->files[1]);
    ni_free(s);
}

const ni_reader ni_reader_cifar10 = {
    .format = "cifar10",
    .recognise = recognise10,
    .open = open_cifar,
    .labels = labels_of,
    .read = read_cifar,
    .describe = describe,
    .close = close_cifar,
};

const ni_reader ni_reader_cifar100 = {
    .format = "cifar100",
    .recognise = recognise100,
    .open = open_cifar,
    .labels = labels_of,
    .read = read_cifar,
    .describe = describe,
    .close = close_cifar,
};
