/* The log hook: lines of up to 1 KiB, formatted only when somebody listens. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static nash_log_hook the_hook;
static void *the_ctx;

void nash_log_set_hook(nash_log_hook hook, void *ctx)
{
    the_hook = hook;
    the_ctx = ctx;
}

void ni_log(nash_log_level level, const char *format, ...)
{
    if (!the_hook)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    the_hook(the_ctx, level, line);
}
