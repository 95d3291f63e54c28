/* Whether SVG and HTML are well formed, as far as ours goes. */
#include "markup.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A reader of tags. */
typedef struct reader {
    const char *at;
    char open[64][16]; /* names of open elements */
    int depth;
} reader;

static bool is_void(const char *name)
{
    return strcmp(name, "meta") == 0 || strcmp(name, "!DOCTYPE") == 0;
}

static void read_name(reader *r, char *name, size_t size)
{
    size_t n = 0;
    while (isalnum((unsigned char)*r->at) || *r->at == '!') {
        assert_true(n + 1 < size);
        name[n++] = *r->at++;
    }
    name[n] = '\0';
    assert_true(n > 0);
}

static void read_attributes(reader *r)
{
    while (*r->at && *r->at != '>' && *r->at != '/') {
        if (*r->at == '"') {
            r->at = strchr(r->at + 1, '"');
            assert_non_null(r->at);
        }
        assert_true(*r->at != '<' && *r->at != '&');
        r->at++;
    }
}

static void read_tag(reader *r)
{
    char name[16];
    r->at++;
    if (*r->at == '/') {
        r->at++;
        read_name(r, name, sizeof name);
        assert_true(r->depth > 0);
        assert_string_equal(name, r->open[--r->depth]);
        assert_int_equal(*r->at++, '>');
        return;
    }
    read_name(r, name, sizeof name);
    read_attributes(r);
    bool closed = *r->at == '/';
    r->at += closed;
    assert_int_equal(*r->at++, '>');
    if (closed || is_void(name))
        return;
    assert_true(r->depth < 64);
    strcpy(r->open[r->depth++], name);
    if (strcmp(name, "style") == 0)
        r->at = strstr(r->at, "</style>");
}

static void read_reference(reader *r)
{
    const char *end = strchr(r->at, ';');
    assert_non_null(end);
    assert_true(end - r->at < 10);
    r->at = end;
}

void assert_well_formed(const char *text)
{
    reader r = {.at = text};
    while (*r.at) {
        if (*r.at == '<') {
            read_tag(&r);
            continue;
        }
        if (*r.at == '&')
            read_reference(&r);
        assert_true((unsigned char)*r.at >= 0x20 || *r.at == '\n');
        r.at++;
    }
    assert_int_equal(r.depth, 0);
}
