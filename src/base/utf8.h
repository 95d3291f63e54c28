#ifndef NI_UTF8_H
#define NI_UTF8_H

#include <stdbool.h>

/** Bytes of the UTF-8 character at @p s, 1 to 4; 0 if there is none: at the end
 * of the string, or where its bytes are not UTF-8 (RFC 3629). */
int ni_utf8_length(const char *s);

/** Whether all of a string is UTF-8. */
bool ni_utf8_is_valid(const char *s);

/** Whether all of a string is UTF-8 without control characters. */
bool ni_utf8_is_printable(const char *s);

/** Replace the control characters of a string, such as names from elsewhere may
 * bring to a terminal, by question marks. */
void ni_hide_controls(char *s);

#endif
