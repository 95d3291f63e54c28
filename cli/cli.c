/* Errors and numbers, said the same way by every verb. */
#include "cli.h"

#include "progress.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int32_t cli_best_class(const float *probabilities, int32_t classes)
{
    int32_t best = 0;
    for (int32_t k = 1; k < classes; k++)
        if (probabilities[k] > probabilities[best])
            best = k;
    return best;
}

int cli_fail_with(const char *sentence, const char *hint)
{
    progress_clear();
    fprintf(stderr, "nash: %s\n", sentence);
    if (hint)
        fprintf(stderr, "hint: %s\n", hint);
    return EXIT_FAILED;
}

int cli_fail(const char *hint)
{
    return cli_fail_with(nash_error_message(), hint);
}

int cli_error(const char *format, ...)
{
    va_list args;
    progress_clear();
    fputs("nash: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

int cli_usage(const char *verb, const char *format, ...)
{
    va_list args;
    fputs("nash: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nhint: 'nash %s%s--help' lists what it takes\n", verb,
            *verb ? " " : "");
    return EXIT_USAGE;
}

int cli_size(int32_t *height, int32_t *width, const char *verb,
             const char *text)
{
    const char *given = text;
    char *end;
    long h = strtol(text, &end, 10), w = h;
    if (end != text && *end == 'x') {
        text = end + 1;
        w = strtol(text, &end, 10);
    }
    if (end == text || *end || h < 1 || h > NASH_MAX_DIM || w < 1 ||
        w > NASH_MAX_DIM)
        return cli_usage(
            verb,
            "--size is '%s', expected HEIGHTxWIDTH such as 64x48, or "
            "one number for both",
            given);
    *height = (int32_t)h;
    *width = (int32_t)w;
    return EXIT_OK;
}

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cli_print(const char *text, size_t most)
{
    char *copy = strndup(text, most);
    if (!copy)
        return;
    nash_hide_controls(copy);
    fputs(copy, stdout);
    free(copy);
}

char *cli_count(char text[32], double count)
{
    nash_count_words(text, 32, count);
    return text;
}

char *cli_bytes(char text[32], double bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int k = 0;
    while (bytes >= 1023.5 && k < 4) {
        bytes /= 1024.0;
        k++;
    }
    snprintf(text, 32, k == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes,
             unit[k]);
    return text;
}

char *cli_time(char text[32], double seconds)
{
    nash_time_words(text, 32, seconds);
    return text;
}

int cli_finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "nash: standard output cannot be written: %s\n",
            strerror(errno));
    return status ? status : EXIT_FAILED;
}
