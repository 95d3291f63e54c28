#ifndef NI_UTF8_H
#define NI_UTF8_H

#include <stdbool.h>

/** Whether all of a string is UTF-8. */
bool ni_utf8_is_valid(const char *s);

/** Whether all of a string is UTF-8 without control characters. */
bool ni_utf8_is_printable(const char *s);

#endif
