#ifndef NI_JSON_H
#define NI_JSON_H

/*
 * The door to cJSON: parse with a sentence for errors, read members with a
 * type check. The tree itself is cJSON's.
 */

#include "error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Parse one JSON object or array.
 *
 * @param out   receives the tree; yours to free with cJSON_Delete()
 * @param name  what the text is (a file's path), for the error sentence
 * @return NASH_OK, NASH_EFORMAT or NASH_ENOMEM
 */
nash_status ni_json_parse(cJSON **out, const char *text, size_t size_bytes,
                          const char *name);

/** A member that must be there with that type; NASH_EFORMAT otherwise. */
nash_status ni_json_number(double *out, const cJSON *object, const char *key);
nash_status ni_json_int(int64_t *out, const cJSON *object, const char *key);
nash_status ni_json_bool(bool *out, const cJSON *object, const char *key);
/** @param out  borrowed from the tree */
nash_status ni_json_string(const char **out, const cJSON *object,
                           const char *key);

/** The tree as text, yours to free with ni_free(); NULL with the error set
 * when memory is out. */
char *ni_json_print(const cJSON *tree, bool pretty);

#endif
