/*
 * Tensors in files of their own beside the ONNX file, as exporters write large
 * networks. Costs one open per tensor. A file from a stranger may name any
 * other: only those of its own folder are opened, by plain names, and nothing
 * is allocated before a tensor's size is known to agree with the file's.
 */
#include "external.h"

#include "constant.h"
#include "names.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tensors may share bytes, but not so that a small file fills the memory. */
enum { MOST_SHARES = 4 };

/* A file with tensors. */
typedef struct store {
    const char *location; /* borrowed from the first tensor in it */
    int64_t spent;        /* bytes fetched from it */
} store;

typedef struct fetch {
    const char *path; /* of the ONNX file */
    store *stores;    /* owned, [n_stores], room for one per tensor */
    int64_t n_stores;
    int64_t spent; /* bytes from all of them */
} fetch;

static bool is_external(const ni_pb_tensor *t)
{
    return t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL &&
           ni_constant_is_readable(t);
}

static const char *entry(const ni_pb_tensor *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; i++) {
        const ni_pb_entry *e = t->external_data[i];
        if (e->key && e->value && strcmp(e->key, key) == 0)
            return e->value;
    }
    return NULL;
}

/* A count of bytes; left out, *value stays. */
static nash_status read_count(int64_t *value, const ni_pb_tensor *t,
                              const char *key)
{
    const char *text = entry(t, key);
    char *end;
    if (!text)
        return NASH_OK;
    errno = 0;
    long long count = strtoll(text, &end, 10);
    if (end == text || *end || errno != 0 || count < 0)
        return ni_fail(NASH_EFORMAT, "its %s is \"%s\", expected bytes", key,
                       ni_onnx_print(text).text);
    *value = count;
    return NASH_OK;
}

static nash_status read_location(const char **out, const ni_pb_tensor *t)
{
    nash_status status = NASH_OK;
    const char *location = entry(t, "location");
    REQUIRE(location && *location, NASH_EFORMAT,
            "its data lie in another file without a name");
    REQUIRE(!strchr(location, '/'), NASH_EUNSUPPORTED,
            "its data lie in \"%s\", expected a file in the same folder",
            ni_onnx_print(location).text);
    *out = location;
done:
    return status;
}

/* Found by name; there are few, or one per tensor that must all exist. */
static store *find_store(fetch *f, const char *location)
{
    for (int64_t i = 0; i < f->n_stores; i++)
        if (strcmp(f->stores[i].location, location) == 0)
            return &f->stores[i];
    f->stores[f->n_stores] = (store){.location = location};
    return &f->stores[f->n_stores++];
}

/* ---- bytes -------------------------------------------------------------- */

static nash_status fill(uint8_t *dst, int64_t bytes, int fd, int64_t offset,
                        const char *name)
{
    int64_t got = 0;
    while (got < bytes) {
        ssize_t n = pread(fd, dst + got, (size_t)(bytes - got), offset + got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ni_fail_errno(NASH_EIO, "%s cannot be read", name);
        if (n == 0)
            return ni_fail(NASH_EIO, "%s shrank while it was read", name);
        got += n;
    }
    return NASH_OK;
}

/* Where in its file a tensor's bytes stand. */
static nash_status read_place(int64_t *offset, int64_t *bytes,
                              const ni_pb_tensor *t)
{
    nash_status status = NASH_OK;
    TRY(ni_constant_bytes(bytes, t));
    int64_t length = *bytes;
    *offset = 0;
    TRY(read_count(offset, t, "offset"));
    TRY(read_count(&length, t, "length"));
    REQUIRE(length == *bytes, NASH_EFORMAT,
            "its length is %lld bytes, its dimensions say %lld",
            (long long)length, (long long)*bytes);
done:
    return status;
}

/* As if they had stood in the ONNX file. */
static void set_bytes(ni_pb_tensor *t, uint8_t *data, int64_t bytes)
{
    ni_free(t->raw_data.data);
    t->raw_data.data = data;
    t->raw_data.len = (size_t)bytes;
    t->has_raw_data = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
}

static nash_status fetch_bytes(ni_pb_tensor *t, fetch *f, const char *location,
                               int fd)
{
    nash_status status = NASH_OK;
    store *s = find_store(f, location);
    ni_print name = ni_onnx_print(location);
    struct stat info;
    uint8_t *data = NULL;
    int64_t offset, bytes;
    TRY(read_place(&offset, &bytes, t));
    REQUIRE(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), NASH_EIO,
            "%s is not a regular file", name.text);
    REQUIRE(offset <= info.st_size && bytes <= info.st_size - offset,
            NASH_EFORMAT, "%s has %lld bytes, expected %lld from %lld on",
            name.text, (long long)info.st_size, (long long)bytes,
            (long long)offset);
    REQUIRE((s->spent + bytes) / MOST_SHARES <= info.st_size, NASH_ELIMIT,
            "the tensors in %s are many times larger than it", name.text);
    NEW_ARRAY(data, bytes);
    TRY(fill(data, bytes, fd, offset, name.text));
    set_bytes(t, data, bytes);
    data = NULL;
    s->spent += bytes;
    f->spent += bytes;
done:
    ni_free(data);
    return status;
}

/* Opening a pipe does not wait for its writer. */
static nash_status fetch_tensor(ni_pb_tensor *t, fetch *f)
{
    nash_status status = NASH_OK;
    const char *location, *slash = strrchr(f->path, '/');
    char *file = NULL;
    int fd = -1;
    TRY(read_location(&location, t));
    NEW_FROM(file, ni_format("%.*s%s", slash ? (int)(slash - f->path) + 1 : 0,
                             f->path, location));
    fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        status = ni_fail_errno(
            NASH_EIO,
            "its data lie in %s beside the file, which cannot be opened",
            ni_onnx_print(location).text);
    else
        status = fetch_bytes(t, f, location, fd);
done:
    if (fd >= 0)
        close(fd);
    ni_free(file);
    return status;
}

/* ---- all tensors -------------------------------------------------------- */

/* A tensor to fetch, and what to call it. */
typedef struct wanted {
    ni_pb_tensor *tensor; /* borrowed, as is the name; NULL: has none */
    const char *name;
} wanted;

static int64_t want(wanted *list, int64_t n, ni_pb_tensor *t, const char *name)
{
    if (!t || !is_external(t))
        return n;
    if (list)
        list[n] = (wanted){t, name};
    return n + 1;
}

/* Initializers and the tensors among attributes, of Constant nodes that is,
 * which are called by what the node gives.
 * @param list  NULL: they are only counted @return how many */
static int64_t want_all(wanted *list, const ni_pb_graph *g)
{
    int64_t n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        n = want(list, n, g->initializer[i], g->initializer[i]->name);
    for (size_t i = 0; i < g->n_node; i++) {
        const ni_pb_node *node = g->node[i];
        for (size_t k = 0; k < node->n_attribute; k++)
            n = want(list, n, node->attribute[k]->t,
                     node->n_output ? node->output[0] : NULL);
    }
    return n;
}

static nash_status blame(const fetch *f, const char *name, nash_status status)
{
    if (status == NASH_OK || status == NASH_ENOMEM)
        return status;
    return ni_fail(status, "%s: the tensor \"%s\": %s", f->path,
                   ni_onnx_print(name).text, nash_error_message());
}

nash_status ni_external_fetch(int64_t *fetched, ni_pb_graph *g,
                              const char *path)
{
    nash_status status = NASH_OK;
    fetch f = {.path = path};
    wanted *list = NULL;
    int64_t count = want_all(NULL, g);
    NEW_ARRAY(list, count);
    NEW_ARRAY(f.stores, count);
    want_all(list, g);
    for (int64_t i = 0; i < count; i++)
        TRY(blame(&f, list[i].name, fetch_tensor(list[i].tensor, &f)));
    *fetched = f.spent;
done:
    ni_free(list);
    ni_free(f.stores);
    return status;
}
