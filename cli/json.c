/* A streaming JSON writer: two spaces per level, strings escaped, UTF-8
 * passed through, and U+FFFD for bytes that are none. Nesting up to 32. */
#include "json.h"

#include <nash/text.h>

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MOST_LEVELS = 32 };

static struct {
    char close; /* '}' or ']' */
    int items;
} stack[MOST_LEVELS];
static int depth;

static void quoted(const char *text)
{
    putchar('"');
    for (int n; *text; text += n > 0 ? n : 1) {
        n = nash_utf8_length(text);
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((*text > 0 && *text < 0x20) || *text == 0x7f)
            printf("\\u%04x", (unsigned)*text);
        else if (n > 0)
            fwrite(text, 1, (size_t)n, stdout);
        else
            fputs("\\ufffd", stdout);
    }
    putchar('"');
}

static void start_item(const char *key)
{
    if (depth > 0) {
        printf("%s\n%*s", stack[depth - 1].items++ ? "," : "", 2 * depth, "");
        if (stack[depth - 1].close == '}') {
            assert(key);
            quoted(key);
            fputs(": ", stdout);
        }
    }
}

static void push(const char *key, char open, char close)
{
    assert(depth < MOST_LEVELS);
    start_item(key);
    putchar(open);
    stack[depth].close = close;
    stack[depth].items = 0;
    depth++;
}

void json_object(const char *key)
{
    push(key, '{', '}');
}

void json_array(const char *key)
{
    push(key, '[', ']');
}

void json_end(void)
{
    assert(depth > 0);
    depth--;
    if (stack[depth].items)
        printf("\n%*s", 2 * depth, "");
    putchar(stack[depth].close);
    if (depth == 0)
        putchar('\n');
}

void json_text(const char *key, const char *value)
{
    start_item(key);
    if (value)
        quoted(value);
    else
        fputs("null", stdout);
}

void json_int(const char *key, int64_t value)
{
    start_item(key);
    printf("%" PRId64, value);
}

void json_real(const char *key, double value)
{
    start_item(key);
    if (isfinite(value))
        printf("%.10g", value);
    else
        fputs("null", stdout);
}

void json_bool(const char *key, bool value)
{
    start_item(key);
    fputs(value ? "true" : "false", stdout);
}

void json_hex(const char *key, uint64_t value)
{
    start_item(key);
    printf("\"%016" PRIx64 "\"", value);
}
