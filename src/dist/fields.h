#ifndef NI_DIST_FIELDS_H
#define NI_DIST_FIELDS_H

#include "base/json.h"

/*
 * Structs as JSON objects, by tables: one row per member. Whole numbers of 64
 * bits are strings, numbers that are not finite are null.
 */

typedef enum ni_field_type {
    NI_FIELD_BOOL,
    NI_FIELD_INT32,
    NI_FIELD_UINT32,
    NI_FIELD_INT64,
    NI_FIELD_UINT64,
    NI_FIELD_SIZE,
    NI_FIELD_REAL, /* double */
    NI_FIELD_NAME  /* an enum, as one of its names */
} ni_field_type;

typedef struct ni_field {
    const char *key; /* NULL ends a table */
    ni_field_type type;
    size_t offset;
    const char *const *names; /* NI_FIELD_NAME: NULL-terminated */
} ni_field;

/** Add a struct's members to an object. @return NASH_OK or NASH_ENOMEM */
nash_status ni_fields_write(cJSON *object, const ni_field *fields,
                            const void *item);

/** Read them back. @return NASH_OK or NASH_EFORMAT */
nash_status ni_fields_read(void *item, const ni_field *fields,
                           const cJSON *object);

#endif
