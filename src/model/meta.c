/*
 * Metadata: a sorted array of key and value strings. Made for the dozen
 * entries of an ONNX file: finding is linear, and so is inserting.
 */
#include "internal.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

/* The first entry that is not before the key. */
static int32_t lower_bound(const nash_model *m, const char *key)
{
    int32_t i = 0;
    while (i < m->n_meta && strcmp(m->meta[i].key, key) < 0)
        i++;
    return i;
}

static bool holds(const nash_model *m, int32_t i, const char *key)
{
    return i < m->n_meta && strcmp(m->meta[i].key, key) == 0;
}

const char *nash_model_meta(const nash_model *m, const char *key)
{
    int32_t i = lower_bound(m, key);
    return holds(m, i, key) ? m->meta[i].value : NULL;
}

int32_t nash_model_meta_count(const nash_model *m)
{
    return m->n_meta;
}

void nash_model_meta_at(const nash_model *m, int32_t i, const char **key,
                        const char **value)
{
    assert(i >= 0 && i < m->n_meta);
    *key = m->meta[i].key;
    *value = m->meta[i].value;
}

static nash_status insert(nash_model *m, int32_t i, const char *key,
                          const char *value)
{
    nash_status status = NASH_OK;
    ni_meta *meta = NULL, fresh = {0};
    NEW_FROM(fresh.key, ni_strdup(key));
    NEW_FROM(fresh.value, ni_strdup(value));
    NEW_FROM(meta, ni_realloc(m->meta, (int64_t)m->n_meta + 1, sizeof *meta));
    memmove(&meta[i + 1], &meta[i], (size_t)(m->n_meta - i) * sizeof *meta);
    meta[i] = fresh;
    m->meta = meta;
    m->n_meta++;
    fresh = (ni_meta){0};
done:
    ni_free(fresh.key);
    ni_free(fresh.value);
    return status;
}

static void erase(nash_model *m, int32_t i)
{
    ni_free(m->meta[i].key);
    ni_free(m->meta[i].value);
    m->n_meta--;
    memmove(&m->meta[i], &m->meta[i + 1],
            (size_t)(m->n_meta - i) * sizeof *m->meta);
}

nash_status nash_model_set_meta(nash_model *m, const char *key,
                                const char *value)
{
    nash_status status = NASH_OK;
    char *copy = NULL;
    REQUIRE(*key, NASH_EINVAL, "a metadata entry without a key");
    REQUIRE(ni_utf8_is_valid(key), NASH_EINVAL,
            "the metadata key \"%s\" is not UTF-8", key);
    REQUIRE(!value || ni_utf8_is_valid(value), NASH_EINVAL,
            "the value of the metadata key \"%s\" is not UTF-8", key);
    int32_t i = lower_bound(m, key);
    if (!holds(m, i, key)) {
        if (value)
            TRY(insert(m, i, key, value));
    } else if (!value) {
        erase(m, i);
    } else {
        NEW_FROM(copy, ni_strdup(value));
        ni_free(m->meta[i].value);
        m->meta[i].value = copy;
    }
done:
    return status;
}

nash_status ni_meta_copy(nash_model *dst, const nash_model *src)
{
    nash_status status = NASH_OK;
    for (int32_t i = 0; i < src->n_meta; i++)
        TRY(insert(dst, i, src->meta[i].key, src->meta[i].value));
done:
    return status;
}

void ni_meta_free(nash_model *m)
{
    while (m->n_meta > 0)
        erase(m, m->n_meta - 1);
    ni_free(m->meta);
}
