/*
 * The state of a training as a safetensors file: eight bytes of the header's
 * length, the header in JSON, and the tensors one after another. "progress",
 * "epochs" and, only of a bent schedule, "bend" are doubles; "losses", "ages"
 * and "order" are those of a focus; model, velocities and slow weights have a
 * tensor per node and slot. The header's metadata holds a checksum over
 * everything, itself taken as zeros. Saving allocates the header only; loading
 * reads the whole file into memory. Refuses states that are torn, damaged, of
 * another training, or past where this one is to stop.
 */
#include "checkpoint.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "nash training state 1"

enum {
    NUMBERS = 7, /* of "progress" */
    COLUMNS = 8, /* of "epochs" */
    BENDS = 3,   /* of "bend" */
    FIRST_ROW = NUMBERS + BENDS,
    LENGTH_BYTES = 8,
    DIGITS = 16,
    NAME_BYTES = 96
};

/* Names of tensors that not every file has. */
#define BEND "bend"
#define ORDER "order"
static const char checksum_key[] = "\"checksum\":\"";

/* ---- what is in the file ----------------------------------------------- */

/* A tensor of the file. */
typedef struct item {
    char name[NAME_BYTES];
    const char *dtype;
    int32_t n_dims;
    int64_t dims[4];
    ni_part part;
    void *data; /* part.data, to load into */
} item;

typedef struct items {
    int32_t n;
    item *at;        /* owned */
    double *numbers; /* owned: progress, the bend, the finished epochs */
} items;

static void items_deinit(items *list)
{
    ni_free(list->numbers);
    ni_free(list->at);
}

static void add(items *list, item fresh, void *data, size_t value_bytes)
{
    size_t bytes = value_bytes;
    for (int32_t i = 0; i < fresh.n_dims; i++)
        bytes *= (size_t)fresh.dims[i];
    fresh.data = data;
    fresh.part = (ni_part){data, bytes};
    list->at[list->n++] = fresh;
}

static void add_tensor(items *list, const char *of, const nash_graph *g,
                       int32_t id, int32_t slot, const nash_tensor *t,
                       float *data)
{
    char node[64];
    item fresh = {.dtype = "F32", .n_dims = t->n_dims};
    nash_node_name(node, sizeof node, g, id);
    snprintf(fresh.name, sizeof fresh.name, "%s.%s.%d", of, node, slot);
    for (int32_t i = 0; i < t->n_dims; i++)
        fresh.dims[i] = t->dims[i];
    add(list, fresh, data, sizeof *data);
}

/* All tensors in order; "epochs" has so many rows. */
static nash_status gather(items *list, const ni_checkpoint *c, int32_t rows,
                          bool bent)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(c->model);
    int32_t places = nash_graph_size(g) * NASH_SLOT_COUNT;
    const item progress = {"progress", "F64", 1, {NUMBERS}};
    const item epochs = {"epochs", "F64", 2, {rows, COLUMNS}};
    const item bend = {BEND, "F64", 1, {BENDS}};
    NEW_ARRAY(list->at, 3 * (int64_t)places + 6);
    NEW_ARRAY(list->numbers, FIRST_ROW + (int64_t)rows * COLUMNS);
    add(list, progress, list->numbers, sizeof(double));
    add(list, epochs, list->numbers + FIRST_ROW, sizeof(double));
    if (bent)
        add(list, bend, list->numbers + NUMBERS, sizeof(double));
    if (c->focus) {
        const item losses = {"losses", "F32", 1, {c->images}};
        const item ages = {"ages", "F32", 1, {c->images}};
        const item order = {ORDER, "I32", 1, {c->images}};
        add(list, losses, ni_focus_losses(c->focus), sizeof(float));
        add(list, ages, ni_focus_ages(c->focus), sizeof(float));
        add(list, order, ni_focus_order(c->focus), sizeof(int32_t));
    }
    for (int32_t i = 0; i < places; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const nash_tensor *t = nash_model_tensor(c->model, id, slot);
        float *velocity = ni_sgd_velocity(c->sgd, id, slot);
        float *slow =
            c->lookahead ? ni_lookahead_slow(c->lookahead, id, slot) : NULL;
        if (t)
            add_tensor(list, "model", g, id, slot, t, t->data);
        if (t && velocity)
            add_tensor(list, "velocity", g, id, slot, t, velocity);
        if (t && slow)
            add_tensor(list, "slow", g, id, slot, t, slow);
    }
done:
    return status;
}

static void pack_epoch(double to[COLUMNS], const nash_epoch *e)
{
    const double row[COLUMNS] = {
        e->epoch,    e->lr,        e->train_loss,         e->train_error,
        e->val_loss, e->val_error, e->val_balanced_error, e->seconds};
    memcpy(to, row, sizeof row);
}

static nash_epoch unpack_epoch(const double row[COLUMNS])
{
    return (nash_epoch){(int32_t)row[0], row[1], row[2], row[3],
                        row[4],          row[5], row[6], row[7]};
}

static void pack(double *numbers, const ni_progress *p)
{
    const double first[FIRST_ROW] = {
        p->epoch,          (double)p->step,    p->now.lr,
        p->now.train_loss, p->now.train_error, p->now.seconds,
        p->seconds,        (double)p->bend.at, (double)p->bend.end,
        p->bend.from};
    memcpy(numbers, first, sizeof first);
    for (int32_t i = 0; i < p->epoch; i++)
        pack_epoch(numbers + FIRST_ROW + (ptrdiff_t)i * COLUMNS, &p->rows[i]);
}

static void unpack(ni_progress *p, const double *numbers)
{
    p->epoch = (int32_t)numbers[0];
    p->step = (int64_t)numbers[1];
    p->now.epoch = p->epoch;
    p->now.lr = numbers[2];
    p->now.train_loss = numbers[3];
    p->now.train_error = numbers[4];
    p->now.seconds = numbers[5];
    p->seconds = numbers[6];
    p->bend = (ni_bend){(int64_t)numbers[7], (int64_t)numbers[8], numbers[9]};
    for (int32_t i = 0; i < p->epoch; i++)
        p->rows[i] = unpack_epoch(numbers + FIRST_ROW + (ptrdiff_t)i * COLUMNS);
}

/* ---- saving ------------------------------------------------------------- */

static bool add_number(cJSON *array, double number)
{
    cJSON *value = cJSON_CreateNumber(number);
    bool ok = cJSON_AddItemToArray(array, value);
    if (!ok)
        cJSON_Delete(value);
    return ok;
}

static bool describe(cJSON *root, const item *it, size_t offset)
{
    cJSON *o = cJSON_AddObjectToObject(root, it->name);
    cJSON *shape = cJSON_AddArrayToObject(o, "shape");
    cJSON *offsets = cJSON_AddArrayToObject(o, "data_offsets");
    bool ok = cJSON_AddStringToObject(o, "dtype", it->dtype) != NULL;
    for (int32_t i = 0; i < it->n_dims; i++)
        ok = ok && add_number(shape, (double)it->dims[i]);
    return ok && add_number(offsets, (double)offset) &&
           add_number(offsets, (double)(offset + it->part.size_bytes));
}

/* The header, padded so that the tensors are aligned; its checksum is zeros. */
static nash_status write_header(char **out, const items *list,
                                uint64_t identity)
{
    nash_status status = NASH_OK;
    char name[DIGITS + 1], *text = NULL;
    size_t offset = 0;
    cJSON *root = cJSON_CreateObject();
    cJSON *meta = cJSON_AddObjectToObject(root, "__metadata__");
    snprintf(name, sizeof name, "%016" PRIx64, identity);
    bool ok = cJSON_AddStringToObject(meta, "format", FORMAT) &&
              cJSON_AddStringToObject(meta, "training", name) &&
              cJSON_AddStringToObject(meta, "checksum", "0000000000000000");
    for (int32_t i = 0; i < list->n && ok; i++) {
        ok = describe(root, &list->at[i], offset);
        offset += list->at[i].part.size_bytes;
    }
    REQUIRE(ok, NASH_ENOMEM, "out of memory while writing JSON");
    NEW_FROM(text, ni_json_print(root, false));
    int spaces = (int)(-strlen(text) % LENGTH_BYTES);
    NEW_FROM(*out, ni_format("%s%*s", text, spaces, ""));
done:
    ni_free(text);
    cJSON_Delete(root);
    return status;
}

/* Over the header, its checksum zeros, and the tensors. */
static uint64_t checksum(const char *header, const ni_part *parts, int32_t n)
{
    uint64_t hash = ni_hash(header, strlen(header), 0);
    for (int32_t i = 0; i < n; i++)
        hash = ni_hash(parts[i].data, parts[i].size_bytes, hash);
    return hash;
}

static char *checksum_digits(char *header)
{
    char *at = strstr(header, checksum_key);
    at = at ? at + strlen(checksum_key) : NULL;
    return at && strlen(at) > DIGITS ? at : NULL;
}

static nash_status write_file(const ni_checkpoint *c, const items *list,
                              char *header)
{
    nash_status status = NASH_OK;
    ni_part *parts = NULL;
    char *old = NULL, digits[DIGITS + 1];
    uint8_t length[LENGTH_BYTES];
    size_t header_bytes = strlen(header);
    NEW_FROM(old, ni_format("%s.old", c->path));
    NEW_ARRAY(parts, list->n + 2);
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(header_bytes >> 8 * i);
    parts[0] = (ni_part){length, sizeof length};
    parts[1] = (ni_part){header, header_bytes};
    for (int32_t i = 0; i < list->n; i++)
        parts[i + 2] = list->at[i].part;
    snprintf(digits, sizeof digits, "%016" PRIx64,
             checksum(header, parts + 2, list->n));
    memcpy(checksum_digits(header), digits, DIGITS);
    TRY(ni_file_replace(c->path, old, parts, list->n + 2));
done:
    ni_free(parts);
    ni_free(old);
    return status;
}

nash_status ni_checkpoint_save(const ni_checkpoint *c)
{
    nash_status status = NASH_OK;
    items list = {0};
    char *header = NULL;
    TRY(gather(&list, c, c->progress->epoch, c->progress->bend.end > 0));
    pack(list.numbers, c->progress);
    TRY(write_header(&header, &list, c->identity));
    TRY(write_file(c, &list, header));
done:
    ni_free(header);
    items_deinit(&list);
    return status;
}

/* ---- loading ------------------------------------------------------------ */

/* A file that was read, in pieces. */
typedef struct source {
    const char *path;
    char *header;     /* owned: a string */
    const char *data; /* the tensors, one after another */
    size_t data_bytes;
    cJSON *root;    /* owned */
    int32_t n;      /* tensors */
    ni_part *parts; /* [n], owned; within data */
} source;

static void source_deinit(source *s)
{
    ni_free(s->parts);
    cJSON_Delete(s->root);
    ni_free(s->header);
}

static bool is_metadata(const cJSON *child)
{
    return strcmp(child->string, "__metadata__") == 0;
}

static nash_status torn(const source *s)
{
    return ni_fail(NASH_EFORMAT, "%s is torn or damaged", s->path);
}

/* Cut the bytes after the header into its tensors. */
static nash_status cut(source *s)
{
    nash_status status = NASH_OK;
    size_t at = 0;
    NEW_ARRAY(s->parts, cJSON_GetArraySize(s->root));
    for (const cJSON *o = s->root->child; o; o = o->next) {
        const cJSON *offsets =
            cJSON_GetObjectItemCaseSensitive(o, "data_offsets");
        double end = cJSON_GetNumberValue(cJSON_GetArrayItem(offsets, 1));
        if (is_metadata(o))
            continue;
        if (!(end >= (double)at && end <= (double)s->data_bytes)) {
            status = torn(s);
            goto done;
        }
        s->parts[s->n++] = (ni_part){s->data + at, (size_t)end - at};
        at = (size_t)end;
    }
    if (at != s->data_bytes)
        status = torn(s);
done:
    return status;
}

/* Header and tensors, as they should be by their checksum. */
static nash_status parse(source *s, const char *bytes, size_t size_bytes)
{
    nash_status status = NASH_OK;
    char said[DIGITS + 1] = "", found[DIGITS + 1];
    uint64_t length = 0;
    for (size_t i = LENGTH_BYTES; i > 0 && size_bytes >= LENGTH_BYTES; i--)
        length = length << 8 | (uint8_t)bytes[i - 1];
    if (length == 0 || length > size_bytes - LENGTH_BYTES) {
        status = torn(s);
        goto done;
    }
    NEW_ARRAY(s->header, length + 1);
    memcpy(s->header, bytes + LENGTH_BYTES, length);
    s->data = bytes + LENGTH_BYTES + length;
    s->data_bytes = size_bytes - LENGTH_BYTES - length;
    char *digits = checksum_digits(s->header);
    status =
        digits ? ni_json_parse(&s->root, s->header, length, s->path) : torn(s);
    if (status != NASH_ENOMEM && !cJSON_IsObject(s->root))
        status = torn(s);
    if (status != NASH_OK)
        goto done;
    TRY(cut(s));
    memcpy(said, digits, DIGITS);
    memset(digits, '0', DIGITS);
    snprintf(found, sizeof found, "%016" PRIx64,
             checksum(s->header, s->parts, s->n));
    if (strcmp(said, found) != 0)
        status = torn(s);
done:
    return status;
}

static nash_status check_training(const source *s, uint64_t identity)
{
    nash_status status = NASH_OK;
    char name[DIGITS + 1];
    const char *format, *training;
    const cJSON *meta =
        cJSON_GetObjectItemCaseSensitive(s->root, "__metadata__");
    TRY(ni_json_string(&format, meta, "format"));
    REQUIRE(strcmp(format, FORMAT) == 0, NASH_EFORMAT,
            "%s is a '%s', this nash knows '%s'", s->path, format, FORMAT);
    TRY(ni_json_string(&training, meta, "training"));
    snprintf(name, sizeof name, "%016" PRIx64, identity);
    REQUIRE(strcmp(training, name) == 0, NASH_EFORMAT,
            "%s is the state of another training", s->path);
done:
    return status;
}

static nash_status check_items(const source *s, const items *list)
{
    int32_t k = 0;
    for (const cJSON *o = s->root->child; o; o = o->next) {
        if (is_metadata(o))
            continue;
        if (k == list->n || strcmp(o->string, list->at[k].name) != 0 ||
            s->parts[k].size_bytes != list->at[k].part.size_bytes)
            return ni_fail(NASH_EFORMAT, "%s does not fit: tensor %s", s->path,
                           o->string);
        k++;
    }
    return k == list->n ? NASH_OK
                        : ni_fail(NASH_EFORMAT, "%s does not fit: no tensor %s",
                                  s->path, list->at[k].name);
}

/* Whether the order of its focus, if it has one, is of this training's images.
 */
static nash_status check_order(const source *s, const items *list, int32_t n)
{
    int32_t k = 0, place = 0;
    while (k < list->n && strcmp(list->at[k].name, ORDER) != 0)
        k++;
    for (int32_t i = 0; k < list->n && i < n; i++) {
        memcpy(&place,
               (const char *)s->parts[k].data + (size_t)i * sizeof place,
               sizeof place);
        if (place < 0 || place >= n)
            return ni_fail(NASH_EFORMAT, "%s orders image %d of %d", s->path,
                           place, n);
    }
    return NASH_OK;
}

/* Whether its rows are of the first epochs. */
static nash_status check_rows(const source *s, int32_t rows)
{
    double row[COLUMNS];
    for (int32_t i = 0; i < rows; i++) {
        memcpy(row, (const char *)s->parts[1].data + (size_t)i * sizeof row,
               sizeof row);
        if (row[0] != i)
            return ni_fail(NASH_EFORMAT, "%s has no row of epoch %d", s->path,
                           i);
    }
    return NASH_OK;
}

/* Whether its place lies within what is to be trained. */
static nash_status check_place(const source *s, const ni_checkpoint *c,
                               int32_t rows)
{
    nash_status status = NASH_OK;
    double at[2] = {-1.0, -1.0};
    if (s->parts[0].size_bytes >= sizeof at)
        memcpy(at, s->parts[0].data, sizeof at);
    REQUIRE(at[0] == rows && at[1] >= 0.0 && at[1] <= (double)c->per_epoch &&
                at[1] == floor(at[1]),
            NASH_EFORMAT, "%s is at an impossible place", s->path);
    REQUIRE(rows < c->stop_epoch || (rows == c->stop_epoch && at[1] == 0.0),
            NASH_EFORMAT, "%s is past the end of epoch %d", s->path,
            c->stop_epoch);
done:
    return status;
}

/* Whether its third tensor is the bend. */
static bool is_bent(const source *s)
{
    int32_t k = 0;
    for (const cJSON *o = s->root->child; o; o = o->next)
        if (!is_metadata(o) && k++ == 2)
            return strcmp(o->string, BEND) == 0;
    return false;
}

/* Whether a bend is one that leads from before its place to an end behind it.
 */
static nash_status check_bend(const source *s, const ni_checkpoint *c)
{
    nash_status status = NASH_OK;
    double at[2], bend[BENDS] = {0};
    double planned = (double)(c->epochs * c->per_epoch);
    memcpy(at, s->parts[0].data, sizeof at);
    if (s->parts[2].size_bytes == sizeof bend)
        memcpy(bend, s->parts[2].data, sizeof bend);
    double here = at[0] * (double)c->per_epoch + at[1];
    REQUIRE(c->may_bend && bend[0] >= 0.0 && bend[0] <= here &&
                bend[1] >= here && bend[1] > bend[0] && bend[1] <= planned &&
                bend[2] >= bend[0] && bend[2] < planned,
            NASH_EFORMAT, "%s is bent as this training cannot be", s->path);
done:
    return status;
}

static nash_status take(const ni_checkpoint *c, const source *s)
{
    nash_status status = NASH_OK;
    items list = {0};
    size_t row_bytes = COLUMNS * sizeof(double);
    size_t rows = s->n < 2 ? 0 : s->parts[1].size_bytes / row_bytes;
    REQUIRE(s->n >= 2 && rows <= (size_t)c->epochs, NASH_EFORMAT,
            "%s holds no progress of these %d epochs", s->path, c->epochs);
    TRY(check_rows(s, (int32_t)rows));
    TRY(check_place(s, c, (int32_t)rows));
    if (is_bent(s))
        TRY(check_bend(s, c));
    TRY(gather(&list, c, (int32_t)rows, is_bent(s)));
    TRY(check_items(s, &list));
    TRY(check_order(s, &list, c->images));
    for (int32_t i = 0; i < list.n; i++)
        memcpy(list.at[i].data, s->parts[i].data, s->parts[i].size_bytes);
    unpack(c->progress, list.numbers);
done:
    items_deinit(&list);
    return status;
}

static nash_status load(const ni_checkpoint *c, const char *path)
{
    nash_status status = NASH_OK;
    source s = {.path = path};
    char *bytes = NULL;
    size_t size_bytes;
    TRY(ni_file_read(&bytes, &size_bytes, path, SIZE_MAX / 4));
    TRY(parse(&s, bytes, size_bytes));
    TRY(check_training(&s, c->identity));
    TRY(take(c, &s));
done:
    source_deinit(&s);
    ni_free(bytes);
    return status;
}

/* @param found  whether there is such a file, and it is usable */
static nash_status try_to_load(bool *found, const ni_checkpoint *c,
                               const char *path)
{
    nash_status status = load(c, path);
    *found = status == NASH_OK;
    if (status == NASH_EFORMAT) {
        ni_log(NASH_LOG_WARNING, "%s; it is not used", nash_error_message());
        unlink(path); /* lest it be kept in place of a good one */
    }
    return status == NASH_EFORMAT || status == NASH_ENOTFOUND ? NASH_OK
                                                              : status;
}

nash_status ni_checkpoint_load(bool *found, const ni_checkpoint *c)
{
    nash_status status = NASH_OK;
    char *old = NULL;
    NEW_FROM(old, ni_format("%s.old", c->path));
    TRY(try_to_load(found, c, c->path));
    if (!*found)
        TRY(try_to_load(found, c, old));
done:
    ni_free(old);
    return status;
}
