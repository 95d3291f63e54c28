#ifndef NI_ERROR_H
#define NI_ERROR_H

#include <nash/status.h>

/*
 * The two macros that hide a jump. Both need a local `nash_status status` and
 * the function's single exit label `done`.
 */
#define TRY(call)                                                              \
    do {                                                                       \
        status = (call);                                                       \
        if (status != NASH_OK)                                                 \
            goto done;                                                         \
    } while (0)

#define REQUIRE(cond, code, ...)                                               \
    do {                                                                       \
        if (!(cond)) {                                                         \
            status = (code);                                                   \
            ni_fail(status, __VA_ARGS__);                                      \
            goto done;                                                         \
        }                                                                      \
    } while (0)

/** Write the thread's error sentence (cut at 1 KiB) and return @p code. */
nash_status ni_fail(nash_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Like ni_fail(), with ": " and the text of errno at the end. */
nash_status ni_fail_errno(nash_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** The code of a name, "NASH_EINVAL".
 * @return NASH_OK, or NASH_EFORMAT for an unknown one */
nash_status ni_status_parse(nash_status *out, const char *name);

#endif
