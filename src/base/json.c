/*
 * cJSON behind typed reads. Integers travel as JSON numbers and are exact up
 * to 2^53; 64-bit seeds and hashes are written as strings by their owners.
 */
#include "json.h"

#include "memory.h"

#include <math.h>

/* cJSON does not say whether a text or the memory was at fault. */
static bool can_allocate(void)
{
    void *block = cJSON_malloc(4096);
    cJSON_free(block);
    return block != NULL;
}

nash_status ni_json_parse(cJSON **out, const char *text, size_t size_bytes,
                          const char *name)
{
    const char *end = NULL;
    *out = cJSON_ParseWithLengthOpts(text, size_bytes, &end, 0);
    if (!*out && !can_allocate())
        return ni_fail(NASH_ENOMEM, "out of memory while reading %s", name);
    if (!*out)
        return ni_fail(NASH_EFORMAT, "%s is not valid JSON (at byte %lld)",
                       name, (long long)(end ? end - text : 0));
    if (!cJSON_IsObject(*out) && !cJSON_IsArray(*out)) {
        cJSON_Delete(*out);
        *out = NULL;
        return ni_fail(NASH_EFORMAT, "%s is not a JSON object or array", name);
    }
    return NASH_OK;
}

static nash_status member(const cJSON **out, const cJSON *object,
                          const char *key, const char *type,
                          cJSON_bool (*is)(const cJSON *))
{
    *out = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!*out || !is(*out))
        return ni_fail(NASH_EFORMAT, "JSON member \"%s\" is %s, expected %s",
                       key, *out ? "of another type" : "missing", type);
    return NASH_OK;
}

nash_status ni_json_number(double *out, const cJSON *object, const char *key)
{
    const cJSON *item;
    nash_status status = member(&item, object, key, "a number", cJSON_IsNumber);
    if (status == NASH_OK)
        *out = item->valuedouble;
    return status;
}

nash_status ni_json_int(int64_t *out, const cJSON *object, const char *key)
{
    double value;
    nash_status status = ni_json_number(&value, object, key);
    if (status != NASH_OK)
        return status;
    if (!(fabs(value) <= 0x1p53) || floor(value) != value)
        return ni_fail(NASH_EFORMAT,
                       "JSON member \"%s\" is %g, expected a whole number", key,
                       value);
    *out = (int64_t)value;
    return NASH_OK;
}

nash_status ni_json_bool(bool *out, const cJSON *object, const char *key)
{
    const cJSON *item;
    nash_status status =
        member(&item, object, key, "true or false", cJSON_IsBool);
    if (status == NASH_OK)
        *out = cJSON_IsTrue(item);
    return status;
}

nash_status ni_json_string(const char **out, const cJSON *object,
                           const char *key)
{
    const cJSON *item;
    nash_status status = member(&item, object, key, "a string", cJSON_IsString);
    if (status == NASH_OK)
        *out = item->valuestring;
    return status;
}

char *ni_json_print(const cJSON *tree, bool pretty)
{
    char *text = pretty ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    if (!text) {
        ni_fail(NASH_ENOMEM, "out of memory while writing JSON");
        return NULL;
    }
    char *copy = ni_strdup(text);
    cJSON_free(text);
    return copy;
}
