/*
 * The text buffer behind every page and drawing: doubles as it grows. Refuses
 * to pass anything on that could end a tag or an attribute.
 */
#include "text.h"

#include <nash/text.h>

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool reserve(ni_text *t, int64_t more)
{
    int64_t needed = t->size + more + 1;
    if (t->failed)
        return false;
    if (needed <= t->room)
        return true;
    int64_t room = t->room ? t->room : 1024;
    while (room < needed)
        room *= 2;
    char *data = ni_realloc(t->data, room, 1);
    if (!data) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->room = room;
    return true;
}

static void append(ni_text *t, const char *bytes, int64_t n)
{
    if (!reserve(t, n))
        return;
    memcpy(t->data + t->size, bytes, (size_t)n);
    t->size += n;
    t->data[t->size] = '\0';
}

void ni_text_put(ni_text *t, const char *markup)
{
    append(t, markup, (int64_t)strlen(markup));
}

void ni_text_add(ni_text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0 && reserve(t, n)) {
        vsnprintf(t->data + t->size, (size_t)n + 1, format, again);
        t->size += n;
    }
    va_end(again);
}

/* Length of the UTF-8 character at s, 0 if it is none (or not XML's). */
static int character_length(const unsigned char *s)
{
    bool control = s[0] < 0x20 && s[0] != '\t' && s[0] != '\n';
    bool noncharacter = s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe;
    return control || noncharacter ? 0 : nash_utf8_length((const char *)s);
}

static const char *reference(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void ni_text_escape(ni_text *t, const char *text)
{
    while (*text) {
        int n = character_length((const unsigned char *)text);
        const char *special = reference((unsigned char)*text);
        if (special)
            ni_text_put(t, special);
        else if (n > 0)
            append(t, text, n);
        else
            ni_text_put(t, "\xef\xbf\xbd");
        text += n > 0 ? n : 1;
    }
}

void ni_text_coordinate(ni_text *t, double value)
{
    long long tenths = llround(value * 10);
    long long size = tenths < 0 ? -tenths : tenths;
    ni_text_add(t, "%s%lld.%lld", tenths < 0 ? "-" : "", size / 10, size % 10);
}

char *ni_text_take(ni_text *t)
{
    char *data = t->data;
    if (t->failed) {
        ni_free(data);
        data = NULL;
        ni_fail(NASH_ENOMEM, "out of memory while a report was written");
    }
    *t = (ni_text){0};
    return data;
}
