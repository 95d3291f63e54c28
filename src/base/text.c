/* Numbers in words. */
#include <nash/text.h>

#include <math.h>
#include <stdio.h>

#define DASH "\u2013"

void nash_count_words(char *text, size_t size_bytes, double count)
{
    static const char *const unit[] = {"", " k", " M", " G", " T", " P", " E"};
    int u = 0;
    if (!isfinite(count)) {
        snprintf(text, size_bytes, DASH);
        return;
    }
    for (; fabs(count) >= 999.5 && u < 6; u++)
        count /= 1000.0;
    int decimals = u > 0 && fabs(count) < 99.95;
    snprintf(text, size_bytes, "%.*f%s", decimals, count, unit[u]);
}

void nash_time_words(char *text, size_t size_bytes, double seconds)
{
    if (!isfinite(seconds) || seconds < 0.0 || seconds > 1e12) {
        snprintf(text, size_bytes, DASH);
        return;
    }
    long long s = llround(seconds);
    if (seconds < 9.95)
        snprintf(text, size_bytes, "%.1f s", seconds);
    else if (s < 60)
        snprintf(text, size_bytes, "%lld s", s);
    else if (s < 3600)
        snprintf(text, size_bytes, "%lld min %02lld s", s / 60, s % 60);
    else
        snprintf(text, size_bytes, "%lld h %02lld min", s / 3600, s / 60 % 60);
}

void nash_cost_words(char *text, size_t size_bytes, double pflop)
{
    static const char *const units[] = {"PFLOP", "TFLOP", "GFLOP"};
    int u = 0;
    double size = pflop;
    while (size > 0.0 && size < 0.01 && u < 2) {
        size *= 1000.0;
        u++;
    }
    if (isfinite(size))
        snprintf(text, size_bytes, size < 999.5 ? "%.3g %s" : "%.4g %s", size,
                 units[u]);
    else
        snprintf(text, size_bytes, DASH);
}
