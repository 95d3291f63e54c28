/* A streaming JSON writer: two spaces per level, strings escaped, UTF-8
 * passed through, and U+FFFD for bytes that are none. Nesting up to 32. */
#include "json.h"

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

/* Bytes of the UTF-8 character beyond ASCII at c, 0 if it is none. */
static int wide_length(const unsigned char *c)
{
    static const unsigned char least[] = {0, 0, 0x80, 0xa0, 0x90};
    static const unsigned char most[] = {0, 0, 0xbf, 0x9f, 0x8f};
    int n = *c < 0xc2 ? 0 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : *c < 0xf5 ? 4 : 0;
    if ((*c == 0xe0 || *c == 0xf0) && c[1] < least[n])
        return 0;
    if ((*c == 0xed || *c == 0xf4) && c[1] > most[n])
        return 0;
    for (int i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static void quoted(const char *text)
{
    int n;
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c += n) {
        n = *c < 0x80 ? 1 : wide_length(c);
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            printf("\\u%04x", *c);
        else if (n > 0)
            fwrite(c, 1, (size_t)n, stdout);
        else
            fputs("\\ufffd", stdout);
        n = n > 0 ? n : 1;
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
