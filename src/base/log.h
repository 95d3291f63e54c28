#ifndef NI_LOG_H
#define NI_LOG_H

#include <nash/log.h>

/** Format one line and hand it to the process's hook, if there is one. */
void ni_log(nash_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
