/*
 * The progress bar. The time left is the time since share was last 0, scaled:
 * good enough for work of even speed.
 */
#include "progress.h"

#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static double began, shown;
static double last_share = 2.0;
static bool drawn;

bool progress_is_live(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* What is left of the line is the bar's; without room for all words, the rate
 * is left out. */
static void draw(const char *label, double share, const char *rate,
                 const char *left)
{
    enum { CELLS = 24, OTHERS = 9 };
    char bar[3 * CELLS + 1] = "";
    char line[512];
    int room = columns() - OTHERS;
    int n = snprintf(line, sizeof line, "%s%s%s, %s left", rate ? rate : "",
                     rate ? ", " : "", label, left);
    if (n > room)
        n = snprintf(line, sizeof line, "%s, %s left", label, left);
    int cells = room - n < 0 ? 0 : room - n < CELLS ? room - n : CELLS;
    int full = (int)(share * cells + 0.5);
    for (int i = 0; i < cells; i++)
        strcat(bar, i < full ? "\xe2\x94\x81" : " ");
    fprintf(stderr, "\r\033[K%3.0f %% %s %.*s", 100.0 * share, bar,
            room > 0 ? room : 0, line);
    fflush(stderr);
    drawn = true;
}

void progress_show(const char *label, double share, const char *rate)
{
    double now = cli_seconds();
    if (share < last_share) {
        began = now;
        shown = now;
    }
    last_share = share;
    bool live = progress_is_live();
    if (now - shown < (live ? 0.1 : 30.0))
        return;
    shown = now;
    char left[32];
    cli_time(left, share > 0.0 ? (now - began) * (1.0 - share) / share : -1.0);
    if (live)
        draw(label, share, rate, left);
    else
        fprintf(stderr, "%3.0f %%  %s%s%s, %s left\n", 100.0 * share, label,
                rate ? ", " : "", rate ? rate : "", left);
}

void progress_busy(const char *format, ...)
{
    char line[512];
    va_list args;
    if (!progress_is_live())
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
    fflush(stderr);
    drawn = true;
}

void progress_clear(void)
{
    if (!drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    drawn = false;
}

void progress_line(const char *format, ...)
{
    va_list args;
    progress_clear();
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
}
