/*
 * The error slot: one sentence per thread, written by whoever notices first.
 * Costs 1 KiB of thread-local memory; never allocates.
 */
#include "error.h"

#include <nash/text.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

const char *nash_status_name(nash_status status)
{
    switch (status) {
#define NAME(name, value, text)                                                \
    case NASH_##name:                                                          \
        return "NASH_" #name;
        NASH_STATUS_LIST(NAME)
#undef NAME
    }
    return "NASH_?";
}

nash_status ni_status_parse(nash_status *out, const char *name)
{
#define PARSE(code, value, text)                                               \
    if (strcmp(name, "NASH_" #code) == 0) {                                    \
        *out = NASH_##code;                                                    \
        return NASH_OK;                                                        \
    }
    NASH_STATUS_LIST(PARSE)
#undef PARSE
    return ni_fail(NASH_EFORMAT, "'%s' is not a status of nash", name);
}

const char *nash_status_text(nash_status status)
{
    switch (status) {
#define TEXT(name, value, text)                                                \
    case NASH_##name:                                                          \
        return text;
        NASH_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

const char *nash_error_message(void)
{
    return message;
}

nash_status ni_fail(nash_status code, const char *format, ...)
{
    /* Formatted aside first: an argument may be the old message itself. */
    char fresh[sizeof message];
    va_list args;
    va_start(args, format);
    vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    nash_hide_controls(fresh);
    memcpy(message, fresh, sizeof message);
    return code;
}

nash_status ni_fail_errno(nash_status code, const char *format, ...)
{
    int saved = errno;
    char fresh[sizeof message];
    va_list args;
    va_start(args, format);
    vsnprintf(fresh, sizeof fresh, format, args);
    va_end(args);
    char reason[128];
    return ni_fail(code, "%.800s: %s", fresh,
                   strerror_r(saved, reason, sizeof reason));
}
