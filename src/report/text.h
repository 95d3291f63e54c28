#ifndef NI_REPORT_TEXT_H
#define NI_REPORT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Growing text for markup. Running out of memory is remembered, not reported
 * by each call: after it, additions are ignored and ni_text_take() says so.
 */

typedef struct ni_text {
    char *data; /* owned; zero-terminated once something is in it */
    int64_t size, room;
    bool failed;
} ni_text;

/** Add text as it is: markup. */
void ni_text_put(ni_text *t, const char *markup);

/** Add formatted markup; strings in it must be safe, see ni_text_escape(). */
void ni_text_add(ni_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Add text from outside: HTML's and XML's special characters are written as
 * references, what is not UTF-8 or not allowed in XML as U+FFFD. */
void ni_text_escape(ni_text *t, const char *text);

/** Add a coordinate with one decimal, in any locale. */
void ni_text_coordinate(ni_text *t, double value);

/** The finished text, yours to free with ni_free(), and @p t empty again; NULL
 * with the error set if memory was out. */
char *ni_text_take(ni_text *t);

#endif
