/*
 * JSON members by table. Every value comes back with the same bits; a member
 * that is missing, of another type or out of range is refused by name.
 */
#include "fields.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cJSON *add_digits(cJSON *object, const char *key, bool negative,
                         uint64_t magnitude)
{
    char text[24];
    snprintf(text, sizeof text, "%s%" PRIu64, negative ? "-" : "", magnitude);
    return cJSON_AddStringToObject(object, key, text);
}

/* In as few digits as give the same bits; cJSON settles for almost the same. */
static cJSON *add_real(cJSON *object, const char *key, double value)
{
    char text[32];
    int digits = 15;
    if (!isfinite(value))
        return cJSON_AddNullToObject(object, key);
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && digits++ < 17);
    return cJSON_AddRawToObject(object, key, text);
}

static cJSON *add(cJSON *object, const ni_field *f, const void *at)
{
    int64_t whole;
    switch (f->type) {
    case NI_FIELD_BOOL:
        return cJSON_AddBoolToObject(object, f->key, *(const bool *)at);
    case NI_FIELD_INT32:
        return cJSON_AddNumberToObject(object, f->key, *(const int32_t *)at);
    case NI_FIELD_UINT32:
        return cJSON_AddNumberToObject(object, f->key, *(const uint32_t *)at);
    case NI_FIELD_INT64:
        whole = *(const int64_t *)at;
        return add_digits(object, f->key, whole < 0,
                          whole < 0 ? -(uint64_t)whole : (uint64_t)whole);
    case NI_FIELD_UINT64:
        return add_digits(object, f->key, false, *(const uint64_t *)at);
    case NI_FIELD_SIZE:
        return add_digits(object, f->key, false, *(const size_t *)at);
    case NI_FIELD_REAL:
        return add_real(object, f->key, *(const double *)at);
    case NI_FIELD_NAME:
        return cJSON_AddStringToObject(object, f->key,
                                       f->names[*(const int *)at]);
    }
    return NULL;
}

nash_status ni_fields_write(cJSON *object, const ni_field *fields,
                            const void *item)
{
    for (const ni_field *f = fields; f->key; f++)
        if (!add(object, f, (const char *)item + f->offset))
            return ni_fail(NASH_ENOMEM, "out of memory while writing JSON");
    return NASH_OK;
}

static nash_status read_whole(void *at, const ni_field *f, const cJSON *object)
{
    nash_status status = NASH_OK;
    int64_t value;
    TRY(ni_json_int(&value, object, f->key));
    bool is_signed = f->type == NI_FIELD_INT32;
    REQUIRE(is_signed ? value >= INT32_MIN && value <= INT32_MAX
                      : value >= 0 && value <= UINT32_MAX,
            NASH_EFORMAT, "JSON member \"%s\" is %" PRId64 ", out of range",
            f->key, value);
    if (is_signed)
        *(int32_t *)at = (int32_t)value;
    else
        *(uint32_t *)at = (uint32_t)value;
done:
    return status;
}

static nash_status read_digits(void *at, const ni_field *f, const cJSON *object)
{
    nash_status status = NASH_OK;
    const char *text;
    char *end;
    TRY(ni_json_string(&text, object, f->key));
    errno = 0;
    bool negative = text[0] == '-';
    uint64_t unsigned_value = strtoull(text, &end, 10);
    bool valid = errno == 0 && end != text && !*end;
    if (f->type == NI_FIELD_INT64)
        *(int64_t *)at = strtoll(text, &end, 10);
    else if (f->type == NI_FIELD_UINT64)
        *(uint64_t *)at = unsigned_value;
    else
        *(size_t *)at = unsigned_value;
    REQUIRE(valid && errno == 0 && (!negative || f->type == NI_FIELD_INT64),
            NASH_EFORMAT, "JSON member \"%s\" is \"%s\", expected digits",
            f->key, text);
done:
    return status;
}

static nash_status read_real(double *at, const ni_field *f, const cJSON *object)
{
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, f->key))) {
        *at = (double)NAN;
        return NASH_OK;
    }
    return ni_json_number(at, object, f->key);
}

static nash_status read_name(int *at, const ni_field *f, const cJSON *object)
{
    const char *text;
    nash_status status = ni_json_string(&text, object, f->key);
    if (status != NASH_OK)
        return status;
    for (int i = 0; f->names[i]; i++)
        if (strcmp(text, f->names[i]) == 0) {
            *at = i;
            return NASH_OK;
        }
    return ni_fail(NASH_EFORMAT,
                   "JSON member \"%s\" is \"%s\", an unknown name", f->key,
                   text);
}

static nash_status read_one(void *at, const ni_field *f, const cJSON *object)
{
    switch (f->type) {
    case NI_FIELD_BOOL:
        return ni_json_bool(at, object, f->key);
    case NI_FIELD_INT32:
    case NI_FIELD_UINT32:
        return read_whole(at, f, object);
    case NI_FIELD_INT64:
    case NI_FIELD_UINT64:
    case NI_FIELD_SIZE:
        return read_digits(at, f, object);
    case NI_FIELD_REAL:
        return read_real(at, f, object);
    case NI_FIELD_NAME:
        return read_name(at, f, object);
    }
    return NASH_EFORMAT;
}

nash_status ni_fields_read(void *item, const ni_field *fields,
                           const cJSON *object)
{
    nash_status status = NASH_OK;
    for (const ni_field *f = fields; f->key; f++)
        TRY(read_one((char *)item + f->offset, f, object));
done:
    return status;
}
