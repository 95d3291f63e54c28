#ifndef NASH_LOG_H
#define NASH_LOG_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The library never prints. What it would like a person to know (never an
 * error: those are returned) goes to one hook.
 */

typedef enum nash_log_level {
    NASH_LOG_DEBUG,
    NASH_LOG_INFO,
    NASH_LOG_WARNING
} nash_log_level;

/** Receives one finished line without a newline; called from any thread. */
typedef void (*nash_log_hook)(void *ctx, nash_log_level level,
                              const char *line);

/**
 * Set the process's log hook.
 *
 * @param hook  NULL to drop all lines (the default)
 * @param ctx   passed through; borrowed until the hook is replaced
 */
NASH_API void nash_log_set_hook(nash_log_hook hook, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
