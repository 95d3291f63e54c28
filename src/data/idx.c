/*
 * IDX, the format of MNIST and its siblings: big-endian headers, then bytes, or
 * int32 for labels; plain or gzip. Images are [n,H,W], [n,H,W,C] or [n,C,H,W]
 * with 1 or 3 channels. Refuses other element types, files that are shorter or
 * longer than their header says, and labels that do not pair with the images.
 */
#include "reader.h"

#include "base/file.h"
#include "base/memory.h"
#include "gzip.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
    TYPE_UBYTE = 8,
    TYPE_INT = 12,
    MAX_RANK = 4,
    MAX_HEADER_BYTES = 4 + 4 * MAX_RANK,
    PIECE_BYTES = 1 << 20 /* of images that are read at once, if one is less */
};

static const int64_t label_limit = 1 << 30; /* bytes */

typedef struct header {
    int32_t element; /* bytes of one */
    int32_t rank;
    int32_t size[MAX_RANK];
    int32_t bytes;      /* of the header itself */
    int64_t body_bytes; /* of what follows */
} header;

typedef struct state {
    char *images[2], *labels[2]; /* paths per set, owned */
    bool channels_last;          /* of rank 4 */
} state;

/* The file that plays a role: "train", "images" matches train-images-idx3-ubyte
 * and emnist-letters-train-images-idx3-ubyte.gz alike. */
static bool plays(const char *name, const char *role, const char *what)
{
    char marker[32];
    snprintf(marker, sizeof marker, "%s-%s", role, what);
    const char *at = strstr(name, marker);
    if (!at)
        return false;
    at += strlen(marker);
    if (*at != '-' && *at != '.')
        return false;
    bool rank = strncmp(at + 1, "idx1-ubyte", 10) == 0 ||
                strncmp(at + 1, "idx3-ubyte", 10) == 0 ||
                strncmp(at + 1, "idx4-ubyte", 10) == 0;
    bool ints = strncmp(at + 1, "idx1-int", 8) == 0;
    const char *tail = rank ? at + 11 : ints ? at + 9 : "?";
    return *tail == '\0' || strcasecmp(tail, ".gz") == 0;
}

static nash_status find(char **path, const nash_dataset *ds,
                        const ni_strings *names, const char *role,
                        const char *what)
{
    nash_status status = NASH_OK;
    const char *found = NULL;
    for (int32_t i = 0; i < names->n; i++) {
        const char *name = names->items[i];
        if (!plays(name, role, what))
            continue;
        /* an unpacked file beside its archive is one file */
        size_t length = found ? strlen(found) : 0;
        bool same = found && strncmp(found, name, length) == 0 &&
                    strcasecmp(name + length, ".gz") == 0;
        REQUIRE(!found || same, NASH_EINVAL,
                "%s holds two files of %s %s: %s and %s, expected one", ds->dir,
                role, what, found, name);
        if (!found)
            found = name;
    }
    if (found)
        NEW_FROM(*path, ni_path_join(ds->dir, found));
done:
    return status;
}

static nash_status recognise(bool *yes, const char *dir, bool nested)
{
    ni_strings names = {0};
    (void)nested;
    nash_status status = ni_directory_list(&names, dir, NI_ENTRY_FILE);
    *yes = false;
    for (int32_t i = 0; i < names.n; i++)
        *yes |= plays(names.items[i], "train", "images");
    ni_strings_deinit(&names);
    return status == NASH_EIO ? NASH_OK : status;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
           b[3];
}

static nash_status parse_header(header *h, const uint8_t *bytes,
                                size_t size_bytes, const char *path)
{
    nash_status status = NASH_OK;
    REQUIRE(size_bytes >= 4 && bytes[0] == 0 && bytes[1] == 0, NASH_EFORMAT,
            "%s is not an IDX file: it does not begin with two zero bytes",
            path);
    REQUIRE(bytes[2] == TYPE_UBYTE || (bytes[2] == TYPE_INT && bytes[3] == 1),
            NASH_EFORMAT,
            "%s holds elements of IDX type %d, expected bytes (8), or int32 "
            "(12) for labels",
            path, bytes[2]);
    h->element = bytes[2] == TYPE_INT ? 4 : 1;
    h->rank = bytes[3];
    REQUIRE(h->rank >= 1 && h->rank <= MAX_RANK, NASH_EFORMAT,
            "%s has %d dimensions, expected 1 .. %d", path, h->rank, MAX_RANK);
    h->bytes = 4 + 4 * h->rank;
    REQUIRE(size_bytes >= (size_t)h->bytes, NASH_EFORMAT,
            "%s is cut off within its header", path);
    h->body_bytes = h->element;
    for (int32_t k = 0; k < h->rank; k++) {
        uint32_t size = big_endian(bytes + 4 + (ptrdiff_t)4 * k);
        REQUIRE(size >= 1 && size <= INT32_MAX &&
                    (k == 0 || size <= NASH_MAX_DIM) &&
                    !__builtin_mul_overflow(h->body_bytes, (int64_t)size,
                                            &h->body_bytes),
                NASH_EFORMAT, "%s has a dimension of size %u", path, size);
        h->size[k] = (int32_t)size;
    }
done:
    return status;
}

static nash_status read_header(header *h, const char *path)
{
    nash_status status = NASH_OK;
    char *bytes = NULL;
    size_t size_bytes;
    TRY(ni_gzip_read(&bytes, &size_bytes, path, MAX_HEADER_BYTES));
    TRY(parse_header(h, (const uint8_t *)bytes, size_bytes, path));
done:
    ni_free(bytes);
    return status;
}

static nash_status check_length(int64_t size_bytes, const header *h,
                                const char *path)
{
    nash_status status = NASH_OK;
    int64_t whole = h->bytes + h->body_bytes;
    REQUIRE(size_bytes >= whole, NASH_EFORMAT,
            "%s is cut off: %lld bytes, expected %lld", path,
            (long long)size_bytes, (long long)whole);
    REQUIRE(size_bytes == whole, NASH_EFORMAT,
            "%s is longer than the %lld bytes that its header says", path,
            (long long)whole);
done:
    return status;
}

/* A whole file of labels; *body points behind its header. */
static nash_status read_whole(char **bytes, const uint8_t **body, header *h,
                              const char *path)
{
    nash_status status = NASH_OK;
    size_t size_bytes;
    TRY(read_header(h, path));
    REQUIRE(h->body_bytes <= label_limit, NASH_ELIMIT,
            "%s holds %lld bytes, more than the %lld that are accepted", path,
            (long long)h->body_bytes, (long long)label_limit);
    int64_t whole = h->bytes + h->body_bytes;
    TRY(ni_gzip_read(bytes, &size_bytes, path, (size_t)whole + 1));
    TRY(check_length((int64_t)size_bytes, h, path));
    *body = (const uint8_t *)*bytes + h->bytes;
done:
    return status;
}

static nash_status shape_of(nash_shape *shape, bool *channels_last,
                            const header *h, const char *path)
{
    nash_status status = NASH_OK;
    const int32_t *s = h->size;
    REQUIRE(h->rank >= 3, NASH_EFORMAT,
            "%s has %d dimensions, expected 3 (images, rows, columns) or 4",
            path, h->rank);
    *channels_last = h->rank == 4 && (s[3] == 1 || s[3] == 3);
    if (h->rank == 3)
        *shape = (nash_shape){1, s[1], s[2]};
    else if (*channels_last)
        *shape = (nash_shape){s[3], s[1], s[2]};
    else
        *shape = (nash_shape){s[1], s[2], s[3]};
    REQUIRE(shape->c == 1 || shape->c == 3, NASH_EFORMAT,
            "%s has images of %d x %d x %d, expected 1 or 3 channels, first or "
            "last",
            path, s[1], s[2], s[3]);
done:
    return status;
}

/* One label an image, by the header. */
static nash_status check_labels(const nash_dataset *ds, nash_part set,
                                const header *h)
{
    nash_status status = NASH_OK;
    const state *s = ds->state;
    REQUIRE(h->rank == 1, NASH_EFORMAT, "%s has %d dimensions, expected 1",
            s->labels[set], h->rank);
    REQUIRE(h->size[0] == ds->n[set], NASH_EFORMAT,
            "%s has %d labels, but %s has %d images", s->labels[set],
            h->size[0], s->images[set], ds->n[set]);
done:
    return status;
}

static nash_status open_set(nash_dataset *ds, nash_part set,
                            const ni_strings *names)
{
    static const char *const roles[2][2] = {{"train", "train"},
                                            {"t10k", "test"}};
    nash_status status = NASH_OK;
    state *s = ds->state;
    header h, labels;
    nash_shape shape;
    bool channels_last;
    const char *role = NULL; /* of the images */
    for (int i = 0; i < 2 && !s->images[set]; i++) {
        role = roles[set][i];
        TRY(find(&s->images[set], ds, names, role, "images"));
    }
    for (int i = 0; i < 2 && !s->labels[set]; i++)
        if (!s->images[set] || role == roles[set][i])
            TRY(find(&s->labels[set], ds, names, roles[set][i], "labels"));
    REQUIRE(s->images[set] || !s->labels[set], NASH_EFORMAT,
            "%s has no file of images beside it", s->labels[set]);
    if (!s->images[set])
        goto done;
    REQUIRE(s->labels[set], NASH_EFORMAT, "%s has no file of labels beside it",
            s->images[set]);
    TRY(read_header(&labels, s->labels[set]));
    TRY(read_header(&h, s->images[set]));
    TRY(shape_of(&shape, &channels_last, &h, s->images[set]));
    REQUIRE(set == NASH_PART_TRAIN ||
                (memcmp(&shape, &ds->native, sizeof shape) == 0 &&
                 channels_last == s->channels_last),
            NASH_EFORMAT,
            "%s has images of %d x %d x %d, the training set of "
            "%d x %d x %d",
            s->images[set], shape.c, shape.h, shape.w, ds->native.c,
            ds->native.h, ds->native.w);
    ds->native = shape;
    s->channels_last = channels_last;
    ds->n[set] = h.size[0];
    TRY(check_labels(ds, set, &labels));
done:
    return status;
}

/* [n] labels of a set, below NASH_MAX_DIM. */
static nash_status read_labels(int32_t **labels, nash_dataset *ds,
                               nash_part set)
{
    nash_status status = NASH_OK;
    state *s = ds->state;
    char *bytes = NULL;
    const uint8_t *body;
    header h;
    TRY(read_whole(&bytes, &body, &h, s->labels[set]));
    TRY(check_labels(ds, set, &h)); /* of what was read now */
    NEW_ARRAY(*labels, ds->n[set]);
    for (int32_t i = 0; i < ds->n[set]; i++) {
        uint32_t label =
            h.element == 1 ? body[i] : big_endian(body + (ptrdiff_t)4 * i);
        REQUIRE(label < NASH_MAX_DIM, NASH_EFORMAT,
                "%s: image %d has label %d, expected 0 .. %d", s->labels[set],
                i, (int32_t)label, NASH_MAX_DIM - 1);
        (*labels)[i] = (int32_t)label;
    }
done:
    ni_free(bytes);
    return status;
}

static nash_status check_label(int32_t label, int32_t image, nash_part set,
                               const nash_dataset *ds)
{
    if (label < ds->classes)
        return NASH_OK;
    return ni_fail(NASH_EFORMAT, "%s: image %d has label %d, expected 0 .. %d",
                   ((const state *)ds->state)->labels[set], image, label,
                   ds->classes - 1);
}

/* Class names from classes.txt, numbers beyond it; as many as are needed. */
static nash_status name_classes(nash_dataset *ds, int32_t largest)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_path_join(ds->dir, "classes.txt"));
    if (ni_is_file(path)) {
        TRY(ni_lines_read(&ds->names, path));
        REQUIRE(ds->names.n > largest, NASH_EFORMAT,
                "%s has %d names, but there are labels up to %d", path,
                ds->names.n, largest);
    }
    for (int32_t k = ds->names.n; k <= largest; k++) {
        char number[16];
        snprintf(number, sizeof number, "%d", k);
        TRY(ni_strings_add(&ds->names, number));
    }
    ds->classes = ds->names.n;
done:
    ni_free(path);
    return status;
}

/* What would be wrong with the test images is better said before a search than
 * at its end. Of an archive the length is not known before it is read. */
static nash_status check_test_set(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    const char *path = ((state *)ds->state)->images[NASH_PART_TEST];
    int32_t *labels = NULL;
    struct stat info;
    header h;
    TRY(read_labels(&labels, ds, NASH_PART_TEST));
    for (int32_t i = 0; i < ds->n[NASH_PART_TEST]; i++)
        TRY(check_label(labels[i], i, NASH_PART_TEST, ds));
    TRY(read_header(&h, path));
    if (stat(path, &info) == 0 && !ni_ends_with(path, ".gz"))
        TRY(check_length(info.st_size, &h, path));
done:
    ni_free(labels);
    return status;
}

static nash_status open_idx(nash_dataset *ds)
{
    nash_status status = NASH_OK;
    state *s;
    ni_strings names = {0};
    int32_t *labels = NULL, largest = 0;
    NEW(s);
    ds->state = s;
    TRY(ni_directory_list(&names, ds->dir, NI_ENTRY_FILE));
    TRY(open_set(ds, NASH_PART_TRAIN, &names));
    TRY(open_set(ds, NASH_PART_TEST, &names));
    TRY(read_labels(&labels, ds, NASH_PART_TRAIN));
    for (int32_t i = 0; i < ds->n[NASH_PART_TRAIN]; i++)
        largest = labels[i] > largest ? labels[i] : largest;
    TRY(name_classes(ds, largest));
    if (ds->n[NASH_PART_TEST] > 0)
        TRY(check_test_set(ds));
done:
    ni_free(labels);
    ni_strings_deinit(&names);
    return status;
}

static nash_status labels_of(int32_t *labels, nash_dataset *ds)
{
    nash_status status = NASH_OK;
    int32_t *values = NULL;
    TRY(read_labels(&values, ds, NASH_PART_TRAIN));
    for (int32_t i = 0; i < ds->n[NASH_PART_TRAIN]; i++)
        labels[i] = values[i];
done:
    ni_free(values);
    return status;
}

/* Images of a set one after another, those of an ascending index. */
typedef struct cursor {
    nash_images *images; /* receives them */
    const int32_t *index;
    const int32_t *labels; /* of the whole set */
    int32_t done;
    int32_t first; /* number of the next image in the file */
} cursor;

/* Take what is asked for of the next n images of the file. */
static nash_status take(cursor *c, const uint8_t *pixels, int32_t n,
                        const nash_dataset *ds, nash_part set)
{
    nash_status status = NASH_OK;
    nash_shape native = ds->native;
    int64_t size = (int64_t)native.c * native.h * native.w;
    bool channels_last = ((const state *)ds->state)->channels_last;
    for (; c->done < c->images->n; c->done++) {
        int32_t i = c->index[c->done];
        if (i >= c->first + n)
            break;
        const uint8_t *image = pixels + (i - c->first) * size;
        ni_view view = channels_last ? ni_view_of_rows(image, native)
                                     : ni_view_of_planes(image, native);
        TRY(check_label(c->labels[i], i, set, ds));
        c->images->labels[c->done] = c->labels[i];
        TRY(ni_images_put(c->images, c->done, &view));
    }
    c->first += n;
done:
    return status;
}

/* Piece by piece: a second copy of all images would not fit everywhere. */
static nash_status read_idx(nash_images *images, int32_t *index,
                            nash_dataset *ds, nash_part set)
{
    nash_status status = NASH_OK;
    const char *path = ((state *)ds->state)->images[set];
    nash_shape native = ds->native;
    int64_t size = (int64_t)native.c * native.h * native.w, total = 0;
    int32_t at_once = (int32_t)(size < PIECE_BYTES ? PIECE_BYTES / size : 1);
    int32_t *labels = NULL;
    uint8_t *piece = NULL;
    ni_gzip *file = NULL;
    size_t got;
    header h;
    TRY(read_labels(&labels, ds, set));
    TRY(read_header(&h, path));
    REQUIRE(h.body_bytes == size * ds->n[set], NASH_EIO,
            "%s changed while it was read", path);
    NEW_ARRAY(piece, at_once * size + MAX_HEADER_BYTES);
    TRY(ni_gzip_open(&file, path));
    TRY(ni_gzip_next(piece, &got, file, (size_t)h.bytes));
    total += (int64_t)got;
    cursor c = {.images = images, .index = index, .labels = labels};
    while (c.first < ds->n[set]) {
        int32_t left = ds->n[set] - c.first,
                n = left < at_once ? left : at_once;
        TRY(ni_gzip_next(piece, &got, file, (size_t)(n * size)));
        total += (int64_t)got;
        if ((int64_t)got < n * size)
            break;
        TRY(take(&c, piece, n, ds, set));
    }
    TRY(ni_gzip_next(piece, &got, file, 1)); /* there should be no more */
    TRY(check_length(total + (int64_t)got, &h, path));
done:
    ni_gzip_close(file);
    ni_free(piece);
    ni_free(labels);
    return status;
}

static void describe(char *text, size_t size_bytes, const nash_dataset *ds,
                     nash_part set, int32_t i)
{
    (void)ds;
    snprintf(text, size_bytes, "%s image %d", ni_part_name(set), i);
}

static void close_idx(nash_dataset *ds)
{
    state *s = ds->state;
    if (!s)
        return;
    for (int set = 0; set < 2; set++) {
        ni_free(s->images[set]);
        ni_free(s->labels[set]);
    }
    ni_free(s);
}

const ni_reader ni_reader_idx = {
    .format = "idx",
    .recognise = recognise,
    .open = open_idx,
    .labels = labels_of,
    .read = read_idx,
    .describe = describe,
    .close = close_idx,
};
