#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

/*
 * JSON on standard output, written as it goes. Inside an object every call
 * names its key; inside an array, and at the top, the key is NULL.
 * Numbers that are not finite are written as null.
 */

void json_object(const char *key);
void json_array(const char *key);
/** End the innermost object or array; the outermost also ends the line. */
void json_end(void);
void json_text(const char *key, const char *value); /* NULL: null */
void json_int(const char *key, int64_t value);
void json_real(const char *key, double value);
void json_bool(const char *key, bool value);
/** A 64-bit pattern as a string of 16 hexadecimal digits. */
void json_hex(const char *key, uint64_t value);

#endif
