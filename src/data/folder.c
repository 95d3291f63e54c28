/*
 * Folders of PNG and JPEG files: train/CLASS/ with an optional test/CLASS/, or
 * CLASS/ alone. Opening reads every file's header, which finds most broken
 * files and gives the common size; pixels are decoded when a part is read.
 * Broken files are left out and reported; more than opts.max_skipped of a part
 * are refused, if they are more than one.
 */
#include "decode.h"
#include "listing.h"
#include "reader.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MANY_FILES = 2000, /* so many may take a while: worth a line */
    SMALL_SIDE = 20    /* pixels: a shrunk picture shows little */
};

/* A set's files, by class and then name. */
typedef struct file_list {
    ni_strings paths;
    int32_t *labels;       /* owned, [capacity of paths] */
    ni_picture_info *info; /* owned, [n] */
} file_list;

typedef struct state {
    file_list sets[2];
} state;

/* A directory's train/ or test/, in any case; NULL if it has none. */
static nash_status find_part(char **path, const char *dir, const char *part)
{
    nash_status status = NASH_OK;
    ni_strings names = {0};
    const char *found = NULL;
    status = ni_directory_list(&names, dir, NI_ENTRY_DIRECTORY);
    if (status != NASH_EIO)
        TRY(status);
    status = NASH_OK;
    for (int32_t i = 0; i < names.n; i++)
        if (strcasecmp(names.items[i], part) == 0 &&
            (!found || strcmp(names.items[i], part) == 0))
            found = names.items[i];
    if (found)
        NEW_FROM(*path, ni_path_join(dir, found));
done:
    ni_strings_deinit(&names);
    return status;
}

static nash_status recognise(bool *yes, const char *dir, bool nested)
{
    nash_status status = NASH_OK;
    char *train = NULL;
    *yes = false;
    TRY(find_part(&train, dir, "train"));
    if (train)
        TRY(ni_has_classes(yes, train));
    /* a directory of directories with pictures below what was named is more
     * likely a class with subfolders */
    if (!*yes && !nested)
        TRY(ni_has_classes(yes, dir));
done:
    ni_free(train);
    return status;
}

static nash_status add_file(file_list *list, char **path, int32_t label)
{
    nash_status status = NASH_OK;
    int32_t old = list->paths.capacity;
    TRY(ni_strings_take(&list->paths, path));
    if (list->paths.capacity != old) {
        int32_t *grown;
        NEW_FROM(grown,
                 ni_realloc(list->labels, list->paths.capacity, sizeof *grown));
        list->labels = grown;
    }
    list->labels[list->paths.n - 1] = label;
done:
    return status;
}

/* Add a class directory's pictures; note what else is in it. */
static nash_status add_class(nash_dataset *ds, file_list *list, const char *dir,
                             int32_t label)
{
    nash_status status = NASH_OK;
    ni_strings files = {0}, directories = {0};
    int32_t others, first_other = 0;
    char *path = NULL;
    TRY(ni_directory_list(&files, dir, NI_ENTRY_FILE));
    TRY(ni_directory_list(&directories, dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < files.n; i++) {
        if (!ni_is_picture_name(files.items[i]))
            continue;
        NEW_FROM(path, ni_path_join(dir, files.items[i]));
        TRY(add_file(list, &path, label));
    }
    others = ni_count_files(&first_other, &files, false);
    if (others)
        TRY(ni_dataset_note(ds,
                            "%s: %d %s not named .png, .jpg or .jpeg and left "
                            "out (the first: %s)",
                            dir, others, others == 1 ? "file is" : "files are",
                            files.items[first_other]));
    if (directories.n)
        TRY(ni_dataset_note(ds,
                            "%s: %d folder%s in this class left out (the "
                            "first: %s)",
                            dir, directories.n,
                            directories.n == 1 ? " is" : "s are",
                            directories.items[0]));
done:
    ni_free(path);
    ni_strings_deinit(&files);
    ni_strings_deinit(&directories);
    return status;
}

static int32_t find_class(const nash_dataset *ds, const char *name)
{
    for (int32_t k = 0; k < ds->names.n; k++)
        if (strcmp(ds->names.items[k], name) == 0)
            return k;
    return -1;
}

/* Pictures that lie beside the class folders belong to none. */
static nash_status note_stray_pictures(nash_dataset *ds, const char *dir)
{
    nash_status status = NASH_OK;
    ni_strings files = {0};
    int32_t n, first = 0;
    TRY(ni_directory_list(&files, dir, NI_ENTRY_FILE));
    n = ni_count_files(&first, &files, true);
    if (n)
        TRY(ni_dataset_note(ds,
                            "%s: %d picture%s in no class folder and left out "
                            "(the first: %s)",
                            dir, n, n == 1 ? " is" : "s are",
                            files.items[first]));
done:
    ni_strings_deinit(&files);
    return status;
}

/* Whether a folder is called as parts of data sets are, not as classes. */
static bool is_part_name(const char *name)
{
    static const char *const parts[] = {
        "train", "training", "test", "testing", "val", "valid", "validation"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasecmp(name, parts[i]) == 0)
            return true;
    return false;
}

/* Those that were asked for. */
static nash_status take_classes(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    for (int32_t k = 0; k < ds->opts.n_classes; k++)
        TRY(ni_strings_add(&ds->names, ds->opts.classes[k]));
    ds->classes = ds->names.n;
    ds->opts.classes = NULL; /* borrowed */
done:
    return status;
}

/* The training set's classes: directories with at least one picture. */
static nash_status name_classes(nash_dataset *ds, const char *dir)
{
    nash_status status = NASH_OK;
    ni_strings names = {0};
    char *path = NULL;
    TRY(ni_directory_list(&names, dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < names.n; i++) {
        bool yes = false;
        NEW_FROM(path, ni_path_join(dir, names.items[i]));
        TRY(ni_has_pictures(&yes, path));
        if (yes)
            TRY(ni_strings_add(&ds->names, names.items[i]));
        else
            TRY(ni_dataset_note(
                ds,
                is_part_name(names.items[i])
                    ? "%s is not used: a test set is test/CLASS/ "
                      "beside train/CLASS/"
                    : "%s has no PNG or JPEG file and is no "
                      "class",
                path));
        ni_free(path);
        path = NULL;
    }
    ds->classes = ds->names.n;
done:
    ni_free(path);
    ni_strings_deinit(&names);
    return status;
}

/* Pictures that lie in train/ and test/ themselves are not two classes; beside
 * classes they may be one. */
static nash_status doubt_parts_as_classes(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    int32_t n = 0;
    for (int32_t k = 0; k < ds->classes; k++)
        n += is_part_name(ds->names.items[k]);
    REQUIRE(n < ds->classes, NASH_EFORMAT,
            "%s/%s holds pictures itself, expected a folder for each class in "
            "it",
            ds->dir, ds->names.items[0]);
    for (int32_t k = 0; k < ds->classes; k++)
        if (is_part_name(ds->names.items[k]))
            TRY(ni_dataset_note(ds,
                                "%s/%s is taken for a class; a test set is "
                                "test/CLASS/ beside train/CLASS/",
                                ds->dir, ds->names.items[k]));
done:
    return status;
}

static nash_status list_set(nash_dataset *ds, nash_part set, const char *dir)
{
    nash_status status = NASH_OK;
    state *s = ds->state;
    ni_strings names = {0};
    char *path = NULL;
    TRY(note_stray_pictures(ds, dir));
    TRY(ni_directory_list(&names, dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < names.n; i++) {
        int32_t label = find_class(ds, names.items[i]);
        NEW_FROM(path, ni_path_join(dir, names.items[i]));
        if (label >= 0)
            TRY(add_class(ds, &s->sets[set], path, label));
        else if (set == NASH_PART_TEST || ds->opts.n_classes > 0)
            TRY(ni_dataset_note(
                ds, "%s is no class of the %s and was left out", path,
                ds->opts.n_classes > 0 ? "model" : "training images"));
        ni_free(path);
        path = NULL;
    }
    ds->n[set] = s->sets[set].paths.n;
done:
    ni_free(path);
    ni_strings_deinit(&names);
    return status;
}

/* Note a file that is left out because of the last error, one of @p skipped so
 * far among @p total. Out of memory is not the file's fault. */
static nash_status skip(nash_dataset *ds, nash_status why, int32_t skipped,
                        int32_t total)
{
    nash_status status = NASH_OK;
    char reason[sizeof((nash_data_problem *)0)->text];
    snprintf(reason, sizeof reason, "%s", nash_error_message());
    REQUIRE(why != NASH_ENOMEM, why, "%s", nash_error_message());
    TRY(ni_dataset_note(ds, "left out: %s", reason));
    if ((double)skipped * ds->skipped_of >= (double)ds->skipped * total) {
        ds->skipped = skipped;
        ds->skipped_of = total;
    }
    REQUIRE(skipped <= fmax(1.0, ds->opts.max_skipped * total) &&
                ds->opts.max_skipped > 0.0,
            NASH_EFORMAT,
            "%d of %d images cannot be read, more than the share of %g that is "
            "accepted; the last one: %s",
            skipped, total, ds->opts.max_skipped, reason);
done:
    return status;
}

/* Read all headers; what has none that is valid leaves the list. */
static nash_status probe_all(nash_dataset *ds, nash_part set)
{
    nash_status status = NASH_OK;
    file_list *list = &((state *)ds->state)->sets[set];
    int32_t total = list->paths.n, kept = 0;
    NEW_ARRAY(list->info, total);
    for (int32_t i = 0; i < total; i++) {
        char *path = list->paths.items[i];
        nash_status probed = ni_picture_probe(&list->info[kept], path);
        if (probed != NASH_OK) {
            TRY(skip(ds, probed, i + 1 - kept, total));
            continue;
        }
        list->paths.items[i] = list->paths.items[kept];
        list->paths.items[kept] = path;
        list->labels[kept++] = list->labels[i];
    }
    while (list->paths.n > kept)
        ni_free(list->paths.items[--list->paths.n]);
    ds->n[set] = kept;
done:
    return status;
}

/* Classes of which no picture can be read are none; the others move up. */
static nash_status drop_empty_classes(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    const file_list *list = &((state *)ds->state)->sets[NASH_PART_TRAIN];
    int32_t *numbers = NULL, kept = 0;
    if (list->paths.n == 0) /* there is no picture at all */
        return NASH_OK;
    NEW_ARRAY(numbers, ds->classes);
    for (int32_t i = 0; i < list->paths.n; i++)
        numbers[list->labels[i]] = 1;
    for (int32_t k = 0; k < ds->classes; k++) {
        char *name = ds->names.items[k];
        if (!numbers[k]) {
            TRY(ni_dataset_note(ds,
                                "%s is no class: none of its pictures can "
                                "be read",
                                name));
            continue;
        }
        numbers[k] = kept;
        ds->names.items[k] = ds->names.items[kept];
        ds->names.items[kept++] = name;
    }
    while (ds->names.n > kept)
        ni_free(ds->names.items[--ds->names.n]);
    ds->classes = kept;
    for (int32_t i = 0; i < list->paths.n; i++)
        list->labels[i] = numbers[list->labels[i]];
done:
    ni_free(numbers);
    return status;
}

/* Beside train/: test/ is read, and what looks like another part is noted. */
static nash_status open_test_set(nash_dataset *ds, const char *train)
{
    nash_status status = NASH_OK;
    ni_strings names = {0};
    char *path = NULL, *test = NULL;
    TRY(find_part(&test, ds->dir, "test"));
    TRY(note_stray_pictures(ds, ds->dir));
    TRY(ni_directory_list(&names, ds->dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < names.n; i++) {
        bool yes = false;
        NEW_FROM(path, ni_path_join(ds->dir, names.items[i]));
        if (test && strcmp(path, test) == 0) {
            TRY(list_set(ds, NASH_PART_TEST, path));
            TRY(probe_all(ds, NASH_PART_TEST));
            if (ds->n[NASH_PART_TEST] == 0)
                TRY(ni_dataset_note(ds, "%s holds no test images", path));
        } else if (strcmp(path, train) != 0) {
            TRY(ni_has_classes(&yes, path));
            status = yes ? NASH_OK : ni_has_pictures(&yes, path);
            if (status != NASH_EIO) /* or it cannot be looked into */
                TRY(status);
            status = NASH_OK;
            if (yes)
                TRY(ni_dataset_note(ds,
                                    "%s is not used: only train and test "
                                    "are",
                                    path));
        }
        ni_free(path);
        path = NULL;
    }
done:
    ni_free(test);
    ni_free(path);
    ni_strings_deinit(&names);
    return status;
}

static nash_status open_folder(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    state *s;
    char *train = NULL;
    bool divided = false, given = ds->opts.classes != NULL;
    NEW(s);
    ds->state = s;
    TRY(find_part(&train, ds->dir, "train"));
    if (train)
        TRY(ni_has_classes(&divided, train));
    if (given)
        TRY(take_classes(ds));
    else
        TRY(name_classes(ds, divided ? train : ds->dir));
    TRY(list_set(ds, NASH_PART_TRAIN, divided ? train : ds->dir));
    TRY(probe_all(ds, NASH_PART_TRAIN));
    if (!given)
        TRY(drop_empty_classes(ds));
    if (divided)
        TRY(open_test_set(ds, train));
    else if (!given)
        TRY(doubt_parts_as_classes(ds));
done:
    ni_free(train);
    return status;
}

static nash_status labels_of(int32_t *labels, nash_dataset *ds)
{
    const file_list *list = &((state *)ds->state)->sets[NASH_PART_TRAIN];
    memcpy(labels, list->labels, (size_t)list->paths.n * sizeof *labels);
    return NASH_OK;
}

/* By file name, so that other pictures, or another class, move none. */
static void keys_of(uint64_t *keys, const nash_dataset *ds)
{
    const file_list *list = &((state *)ds->state)->sets[NASH_PART_TRAIN];
    for (int32_t i = 0; i < list->paths.n; i++) {
        const char *name = strrchr(list->paths.items[i], '/') + 1;
        keys[i] = ni_hash(name, strlen(name), ds->opts.seed);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int32_t n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[(n - 1) / 2];
}

/* The median; but where many are wide and many are tall, one of them would be
 * stretched far: these meet in the middle. @p aspects are sorted. */
static double common_aspect(double *aspects, int32_t n)
{
    static const double share = 0.25;
    double middle = median(aspects, n);
    int32_t k = (int32_t)(share * n);
    bool mixed = n > 3 && aspects[k] < 1.0 && aspects[n - 1 - k] > 1.0;
    return mixed ? 1.0 : middle;
}

/* The common aspect at the median longer side, at most max_side. */
static nash_status measure(nash_shape *shape, nash_dataset *ds,
                           const int32_t *index, int32_t n)
{
    nash_status status = NASH_OK;
    const ni_picture_info *info =
        ((state *)ds->state)->sets[NASH_PART_TRAIN].info;
    double *aspects = NULL, *sides = NULL, aspect, longer, side;
    bool grey = true;
    NEW_ARRAY(aspects, n);
    NEW_ARRAY(sides, n);
    for (int32_t k = 0; k < n; k++) {
        const ni_picture_info *i = &info[index[k]];
        aspects[k] = (double)i->w / i->h;
        sides[k] = i->w > i->h ? i->w : i->h;
        grey &= i->grey;
    }
    aspect = common_aspect(aspects, n);
    longer = median(sides, n);
    side = fmin(longer, ds->opts.max_side);
    shape->c = grey ? 1 : 3;
    shape->h = (int32_t)fmax(1.0, round(aspect > 1.0 ? side / aspect : side));
    shape->w = (int32_t)fmax(1.0, round(aspect > 1.0 ? side : side * aspect));
    if (side < longer && ds->opts.height == 0 &&
        (shape->h < SMALL_SIDE || shape->w < SMALL_SIDE))
        TRY(ni_dataset_note(
            ds,
            "the pictures are so long and narrow that little is left of them "
            "at %d x %d pixels: another height and width would keep more",
            shape->h, shape->w));
done:
    ni_free(aspects);
    ni_free(sides);
    return status;
}

/* Move the images that could be read together; the others are noted. */
static nash_status keep_readable(nash_images *images, int32_t *index,
                                 nash_dataset *ds, const file_list *list,
                                 const ni_decoded *results)
{
    nash_status status = NASH_OK;
    nash_shape shape = images->shape;
    int64_t size = (int64_t)shape.c * shape.h * shape.w;
    int32_t total = images->n, kept = 0, *readable = NULL;
    NEW_ARRAY(readable, total);
    for (int32_t k = 0; k < total; k++) {
        if (results[k].status != NASH_OK) {
            status = ni_fail(results[k].status, "%s", results[k].reason);
            TRY(skip(ds, status, k + 1 - kept, total));
            status = NASH_OK;
            continue;
        }
        if (kept < k)
            memcpy(images->pixels + kept * size, images->pixels + k * size,
                   (size_t)size);
        readable[kept] = index[k];
        images->labels[kept++] = list->labels[index[k]];
    }
    images->n = kept;
    if (kept > 0)
        memcpy(index, readable, (size_t)kept * sizeof *index);
done:
    ni_free(readable);
    return status;
}

static nash_status read_folder(nash_images *images, int32_t *index,
                               nash_dataset *ds, nash_part set)
{
    nash_status status = NASH_OK;
    const file_list *list = &((state *)ds->state)->sets[set];
    int32_t total = images->n, threads = ds->opts.threads;
    ni_decoded *results = NULL;
    threads = threads < 1 ? 1 : threads > total ? total : threads;
    NEW_ARRAY(results, total);
    if (total >= MANY_FILES)
        ni_log(NASH_LOG_INFO, "decoding %d %s images of %s", total,
               ni_part_name(set), ds->dir);
    TRY(ni_pictures_read(results, images->pixels, images->shape,
                         list->paths.items, index, total, threads));
    TRY(keep_readable(images, index, ds, list, results));
    REQUIRE(images->n > 0, NASH_EFORMAT,
            "%s has no readable %s images; the last one: %s", ds->dir,
            ni_part_name(set), ds->problems.items[ds->problems.n - 1]);
done:
    for (int32_t k = 0; results && k < total; k++)
        ni_free(results[k].reason);
    ni_free(results);
    return status;
}

static void describe(char *text, size_t size_bytes, const nash_dataset *ds,
                     nash_part set, int32_t i)
{
    const state *s = ds->state;
    snprintf(text, size_bytes, "%s", s->sets[set].paths.items[i]);
}

static void close_folder(nash_dataset *ds)
{
    state *s = ds->state;
    if (!s)
        return;
    for (int set = 0; set < 2; set++) {
        ni_strings_deinit(&s->sets[set].paths);
        ni_free(s->sets[set].labels);
        ni_free(s->sets[set].info);
    }
    ni_free(s);
}

const ni_reader ni_reader_folder = {
    .format = "folder",
    .recognise = recognise,
    .open = open_folder,
    .labels = labels_of,
    .keys = keys_of,
    .measure = measure,
    .read = read_folder,
    .describe = describe,
    .close = close_folder,
};
