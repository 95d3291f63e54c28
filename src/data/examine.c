/*
 * What is wrong with a data set though it can be used. Reads both parts; costs
 * one hash per image and a sort.
 */
#include "reader.h"

#include <nash/text.h>

#include "base/hash.h"
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest class may be so many times the smallest; more classes than
 * MANY_CLASSES are told of together. */
enum { IMBALANCE = 10, FEW_IMAGES = 10, MANY_CLASSES = 20 };

/* No sample above: a sixteen-bit file that uses fourteen of them, or fewer. */
enum { NEARLY_BLACK = 63 };

typedef struct report {
    nash_data_problem *problems; /* [most], borrowed */
    int32_t most, n;
} report;

__attribute__((format(printf, 2, 3))) static void add(report *r,
                                                      const char *format, ...)
{
    if (r->n < r->most) {
        char *text = r->problems[r->n].text;
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof r->problems->text, format, args);
        va_end(args);
        nash_hide_controls(text);
    }
    r->n++;
}

/* An image for finding its equals. */
typedef struct print {
    uint64_t hash;
    nash_part part;
    int32_t i; /* within the part */
    int32_t label;
} print;

static int by_hash(const void *a, const void *b)
{
    const print *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static int64_t image_bytes(const nash_images *images)
{
    nash_shape s = images->shape;
    return (int64_t)s.c * s.h * s.w;
}

static const uint8_t *pixels_of(const nash_images *images, int32_t i)
{
    return images->pixels + i * image_bytes(images);
}

enum { NAME_BYTES = 400 }; /* of an image in a sentence */

typedef enum kind { TWICE_TRAIN, TWICE_TEST, BOTH, DISAGREE, KINDS } kind;

/* What is wrong with images that equal others, and the first two of each. */
typedef struct repeats {
    int32_t count[KINDS];
    const print *first[KINDS], *other[KINDS];
} repeats;

static bool are_equal(const print *a, const print *b, const nash_dataset *ds)
{
    const nash_images *of_a = &ds->images[a->part];
    const nash_images *of_b = &ds->images[b->part];
    return a->hash == b->hash &&
           memcmp(pixels_of(of_a, a->i), pixels_of(of_b, b->i),
                  (size_t)image_bytes(of_a)) == 0;
}

/* n more, the first of them with images a and b of a group. */
static void count_repeats(repeats *r, kind what, int32_t n, const print *group,
                          int32_t a, int32_t b)
{
    if (n > 0 && r->count[what] == 0) {
        r->first[what] = &group[a];
        r->other[what] = &group[b];
    }
    r->count[what] += n;
}

/* Of n images that are all the same, two or more; those to train on first. */
static void look_at_group(repeats *r, const print *group, int32_t n)
{
    int32_t train = 0, other = 0;
    while (train < n && group[train].part == NASH_PART_TRAIN)
        train++;
    while (other < n && group[other].label == group[0].label)
        other++;
    int32_t test = n - train;
    count_repeats(r, TWICE_TRAIN, train > 1 ? train - 1 : 0, group, 0, 1);
    count_repeats(r, TWICE_TEST, test > 1 ? test - 1 : 0, group, train,
                  train + 1);
    count_repeats(r, BOTH, train > 0 ? test : 0, group, 0, train);
    count_repeats(r, DISAGREE, other < n ? n : 0, group, 0, other);
}

static void find_repeats(repeats *r, const print *prints, int32_t n,
                         const nash_dataset *ds)
{
    for (int32_t k = 0, size; k < n; k += size) {
        size = 1;
        while (k + size < n && are_equal(&prints[k], &prints[k + size], ds))
            size++;
        if (size > 1)
            look_at_group(r, &prints[k], size);
    }
}

static void report_repeats(report *out, const repeats *r,
                           const nash_dataset *ds)
{
    static const char *const what[KINDS][2] = {
        [TWICE_TRAIN] = {"training image stands there again",
                         "training images stand there again"},
        [TWICE_TEST] = {"test image stands there again",
                        "test images stand there again"},
        [BOTH] = {"test image stands in the training set, too",
                  "test images stand in the training set, too"},
        [DISAGREE] = {"image equals one of another class",
                      "images equal one of another class"},
    };
    for (int k = 0; k < KINDS; k++) {
        char first[NAME_BYTES], other[NAME_BYTES];
        if (r->count[k] == 0)
            continue;
        nash_dataset_image_name(first, sizeof first, ds, r->first[k]->part,
                                r->first[k]->i);
        nash_dataset_image_name(other, sizeof other, ds, r->other[k]->part,
                                r->other[k]->i);
        add(out, "%d %s: %s and %s", r->count[k], what[k][r->count[k] > 1],
            first, other);
    }
}

static nash_status look_for_repeats(report *out, const nash_dataset *ds)
{
    nash_status status = NASH_OK;
    print *prints = NULL;
    repeats found = {0};
    int32_t n = 0;
    NEW_ARRAY(prints, (int64_t)ds->n_part[NASH_PART_TRAIN] +
                          ds->n_part[NASH_PART_TEST]);
    for (int part = 0; part < 2; part++)
        for (int32_t i = 0; i < ds->images[part].n; i++)
            prints[n++] = (print){
                .hash = ni_hash(pixels_of(&ds->images[part], i),
                                (size_t)image_bytes(&ds->images[part]), 0),
                .part = (nash_part)part,
                .i = i,
                .label = ds->images[part].labels[i],
            };
    qsort(prints, (size_t)n, sizeof *prints, by_hash);
    find_repeats(&found, prints, n, ds);
    report_repeats(out, &found, ds);
done:
    ni_free(prints);
    return status;
}

/* Classes of a part that have nothing, or too little: one by one if they are
 * few. */
static void report_small_classes(report *out, const nash_dataset *ds,
                                 nash_part part, const int32_t *count)
{
    const char *name = ni_part_name(part);
    int32_t none = 0, few = 0, first_none = 0, first_few = 0;
    for (int32_t k = 0; k < ds->classes; k++) {
        if (count[k] == 0)
            first_none = none++ ? first_none : k;
        else if (part == NASH_PART_TRAIN && count[k] < FEW_IMAGES)
            first_few = few++ ? first_few : k;
    }
    if (none > MANY_CLASSES)
        add(out, "%d classes have no %s images (the first: %s)", none, name,
            ds->names.items[first_none]);
    if (few > MANY_CLASSES)
        add(out,
            "%d classes have fewer than %d training images (the first: %s)",
            few, FEW_IMAGES, ds->names.items[first_few]);
    for (int32_t k = 0; k < ds->classes; k++) {
        if (count[k] == 0 && none <= MANY_CLASSES)
            add(out, "class %s has no %s images", ds->names.items[k], name);
        if (count[k] > 0 && part == NASH_PART_TRAIN && count[k] < FEW_IMAGES &&
            few <= MANY_CLASSES)
            add(out, "class %s has only %d training image%s",
                ds->names.items[k], count[k], count[k] == 1 ? "" : "s");
    }
}

static nash_status look_at_classes(report *out, const nash_dataset *ds,
                                   nash_part part)
{
    nash_status status = NASH_OK;
    const nash_images *images = &ds->images[part];
    int32_t *count = NULL, least = 0, most = 0;
    NEW_ARRAY(count, ds->classes);
    for (int32_t i = 0; i < images->n; i++)
        count[images->labels[i]]++;
    for (int32_t k = 0; k < ds->classes; k++) {
        least = count[k] < count[least] ? k : least;
        most = count[k] > count[most] ? k : most;
    }
    report_small_classes(out, ds, part, count);
    if (count[least] > 0 && count[most] / count[least] >= IMBALANCE)
        add(out,
            "the classes are unbalanced: %d %s images of %s, %d of %s; look at "
            "the balanced error",
            count[most], ni_part_name(part), ds->names.items[most],
            count[least], ds->names.items[least]);
done:
    ni_free(count);
    return status;
}

static bool is_constant(const nash_images *images, int32_t i)
{
    nash_shape s = images->shape;
    int64_t plane = (int64_t)s.h * s.w;
    const uint8_t *pixels = pixels_of(images, i);
    for (int32_t c = 0; c < s.c; c++, pixels += plane)
        if (memcmp(pixels, pixels + 1, (size_t)plane - 1) != 0)
            return false;
    return plane > 1;
}

static void look_for_constants(report *out, const nash_dataset *ds,
                               nash_part part)
{
    const nash_images *images = &ds->images[part];
    int32_t count = 0, first = 0;
    char text[NAME_BYTES];
    for (int32_t i = 0; i < images->n; i++)
        if (is_constant(images, i))
            first = count++ ? first : i;
    if (count == 0)
        return;
    nash_dataset_image_name(text, sizeof text, ds, part, first);
    add(out, "%d %s image%s a single colour, e.g. %s", count,
        ni_part_name(part), count == 1 ? " shows" : "s show", text);
}

static void look_for_darkness(report *out, const nash_dataset *ds)
{
    const nash_images *images = &ds->images[NASH_PART_TRAIN];
    int64_t n = images->n * image_bytes(images);
    uint8_t largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = images->pixels[i] > largest ? images->pixels[i] : largest;
    if (n > 0 && largest <= NEARLY_BLACK)
        add(out,
            "the training images are nearly black: no sample is above %d "
            "of 255%s",
            largest,
            ds->reader == &ni_reader_folder
                ? "; of 16-bit PNG files the upper 8 bits count, and those "
                  "that use fewer bits have to be scaled up first"
                : "");
}

/* Test images none of which can be read are a problem among others. */
static nash_status read_parts(report *out, nash_dataset *ds)
{
    const nash_images *images;
    for (int part = 0; part < 2; part++) {
        if (ds->n_part[part] == 0)
            continue;
        nash_status status = nash_dataset_images(&images, ds, (nash_part)part);
        if (status == NASH_EFORMAT && part == NASH_PART_TEST)
            add(out, "%s", nash_error_message());
        else if (status != NASH_OK)
            return status;
    }
    return NASH_OK;
}

nash_status nash_dataset_examine(nash_data_problem *problems, int32_t most,
                                 int32_t *n, nash_dataset *ds)
{
    nash_status status = NASH_OK;
    report out = {.problems = problems, .most = most};
    TRY(read_parts(&out, ds));
    if (ds->skipped > 1 &&
        ds->skipped > nash_dataset_opts_default().max_skipped * ds->skipped_of)
        add(&out,
            "%d of %d images cannot be read: search and train refuse more "
            "than a tenth",
            ds->skipped, ds->skipped_of);
    if (ds->n_part[NASH_PART_TEST] == 0)
        add(&out, "there is no test set, and none is held out");
    for (int part = 0; part < 2; part++)
        if (ds->loaded[part]) {
            TRY(look_at_classes(&out, ds, (nash_part)part));
            look_for_constants(&out, ds, (nash_part)part);
        }
    look_for_darkness(&out, ds);
    TRY(look_for_repeats(&out, ds));
    for (int32_t i = 0; i < ds->problems.n; i++) /* there may be thousands */
        add(&out, "%s", ds->problems.items[i]);
    *n = out.n;
done:
    return status;
}
