#ifndef NASH_TEXT_H
#define NASH_TEXT_H

#include "status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Text for people, as programs and reports of nash write it. What puts a number
 * into words fills @p text, of @p size_bytes, for which 32 are always enough;
 * an en dash (UTF-8) stands for what is not finite.
 */

/** A count in units of a thousand, "950", "374 k", "5.7 M", "292 M". */
NASH_API void nash_count_words(char *text, size_t size_bytes, double count);

/** A time, "0.2 s", "47 s", "12 min 03 s", "2 h 05 min". A time below 0 is
 * unknown, as is one of more than 1e12 seconds. */
NASH_API void nash_time_words(char *text, size_t size_bytes, double seconds);

/** What a training costs, "0.441 PFLOP"; what is less than 0.01 of one unit is
 * said in the next smaller one, "7.47 TFLOP" or "7.47 GFLOP". */
NASH_API void nash_cost_words(char *text, size_t size_bytes, double pflop);

/** Bytes of the UTF-8 character at @p s, 1 to 4; 0 if there is none: at the end
 * of the string, or where its bytes are not UTF-8 (RFC 3629), as those of a
 * path in a sentence need not be. */
NASH_API int nash_utf8_length(const char *s);

/** Replace the control characters of a string, such as names from elsewhere may
 * bring to a terminal, by question marks. */
NASH_API void nash_hide_controls(char *s);

#ifdef __cplusplus
}
#endif

#endif
