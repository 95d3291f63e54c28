/*
 * The text form of a morphism, "widen:at=conv_3,factor=2,mode=copy". Reading
 * it checks that every part belongs to the kind and that nodes exist and are
 * what their names say. Costs nothing to speak of; never allocates.
 */
#include "surgery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const nash_widen_mode_names[] = {
    [NASH_WIDEN_COPY] = "copy",
    [NASH_WIDEN_FRESH] = "fresh",
    [NASH_WIDEN_PAIR] = "pair",
    [NASH_WIDEN_NOISE] = "noise",
    NULL,
};

enum { N_MODES = NASH_WIDEN_NOISE + 1 };

/* The parts of the text form; "at" (bit 31) belongs to every kind. */
static const uint32_t key_at = 1u << 31;

static const struct {
    const char *name;
    uint32_t bit;
} keys[] = {
    {"kernel", NI_KEY_KERNEL},
    {"factor", NI_KEY_FACTOR},
    {"mode", NI_KEY_MODE},
    {"seed", NI_KEY_SEED},
    {"from", NI_KEY_FROM},
    {"norm", NI_KEY_NORM},
    {"at", key_at},
};

/* ", conv, fc, ..." */
#define NAMED(kind, name, type, text) ", " name
static const char kinds[] = NASH_MORPH_LIST(NAMED);
#undef NAMED

enum { N_KEYS = sizeof keys / sizeof *keys };

/* ---- reading ------------------------------------------------------------ */

static nash_status parse_number(uint64_t *out, const char *key,
                                const char *value, uint64_t most)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || errno || number > most)
        return ni_fail(NASH_EINVAL,
                       "%s=%s, expected a whole number up to %" PRIu64, key,
                       value, most);
    *out = number;
    return NASH_OK;
}

static nash_status parse_node(int32_t *tag, const char *key, const char *value,
                              const nash_graph *g)
{
    nash_status status = NASH_OK;
    const char *underscore = strrchr(value, '_');
    const char *digits = underscore ? underscore + 1 : value;
    char name[32] = "";
    uint64_t number = 0;
    if (digits[0] < '0' || digits[0] > '9')
        return ni_fail(NASH_EINVAL,
                       "%s=%s, expected a node's name like conv_3, or its "
                       "number",
                       key, value);
    TRY(parse_number(&number, key, digits, INT32_MAX));
    int32_t id = nash_graph_find(g, (int32_t)number);
    REQUIRE(id >= 0, NASH_EINVAL, "%s=%s names no node of the model", key,
            value);
    nash_node_name(name, sizeof name, g, id);
    REQUIRE(!underscore || strcmp(name, value) == 0, NASH_EINVAL,
            "%s=%s names no node of the model; %s has that number", key, value,
            name);
    *tag = (int32_t)number;
done:
    return status;
}

static nash_status parse_mode(nash_widen_mode *mode, const char *value)
{
    for (int i = 0; i < N_MODES; i++)
        if (strcmp(value, nash_widen_mode_names[i]) == 0) {
            *mode = (nash_widen_mode)i;
            return NASH_OK;
        }
    return ni_fail(NASH_EINVAL, "mode=%s, expected copy, fresh, pair or noise",
                   value);
}

static nash_status parse_value(nash_morph *out, uint32_t bit, const char *key,
                               const char *value, const nash_graph *g)
{
    nash_status status = NASH_OK;
    uint64_t number = 0;
    if (bit == key_at)
        return parse_node(&out->at, key, value, g);
    if (bit == NI_KEY_FROM)
        return parse_node(&out->from, key, value, g);
    if (bit == NI_KEY_MODE)
        return parse_mode(&out->mode, value);
    if (bit == NI_KEY_SEED)
        return parse_number(&out->seed, key, value, UINT64_MAX);
    if (bit == NI_KEY_NORM) {
        TRY(parse_number(&number, key, value, 1));
        out->norm = number == 1;
    } else if (bit == NI_KEY_KERNEL) {
        TRY(parse_number(&number, key, value, NI_MAX_KERNEL));
        REQUIRE(number % 2 == 1, NASH_EINVAL,
                "kernel=%s, expected an odd number", value);
        out->kernel = (int32_t)number;
    } else {
        TRY(parse_number(&number, key, value, NASH_MAX_DIM));
        REQUIRE(number >= 2, NASH_EINVAL, "factor=%s, expected at least 2",
                value);
        out->factor = (int32_t)number;
    }
done:
    return status;
}

/* One "key=value". */
static nash_status parse_part(nash_morph *out, uint32_t *given, char *part,
                              const nash_graph *g)
{
    nash_status status = NASH_OK;
    const char *kind = nash_morph_name(out->kind);
    uint32_t allowed = key_at | ni_morphism_of(out->kind)->keys;
    char *equals = strchr(part, '=');
    REQUIRE(equals, NASH_EINVAL, "\"%s\" in a morphism, expected key=value",
            part);
    *equals = '\0';
    int i = 0;
    while (i < N_KEYS && strcmp(part, keys[i].name) != 0)
        i++;
    REQUIRE(i < N_KEYS && keys[i].bit & allowed, NASH_EINVAL,
            "\"%s\" is no part of the morphism %s", part, kind);
    REQUIRE(!(keys[i].bit & *given), NASH_EINVAL, "%s is given twice", part);
    *given |= keys[i].bit;
    TRY(parse_value(out, keys[i].bit, part, equals + 1, g));
done:
    return status;
}

static nash_status parse_kind(nash_morph *out, const char *name)
{
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++)
        if (strcmp(name, nash_morph_name((nash_morph_kind)kind)) == 0) {
            uint32_t uses = ni_morphism_of((nash_morph_kind)kind)->keys;
            *out = (nash_morph){
                .kind = (nash_morph_kind)kind,
                .kernel = uses & NI_KEY_KERNEL ? 3 : 0,
                .factor = uses & NI_KEY_FACTOR ? 2 : 0,
            };
            return NASH_OK;
        }
    return ni_fail(NASH_EINVAL, "\"%s\" is no morphism, expected one of%s",
                   name, kinds + 1); /* behind the comma */
}

nash_status nash_morph_parse(nash_morph *out, const char *text,
                             const nash_model *m)
{
    nash_status status = NASH_OK;
    nash_morph morph = {0};
    char copy[256];
    uint32_t given = 0;
    REQUIRE(strlen(text) < sizeof copy, NASH_EINVAL,
            "a morphism of %zu characters, expected less than %zu",
            strlen(text), sizeof copy);
    strcpy(copy, text);
    char *rest = copy, *kind = strsep(&rest, ":");
    TRY(parse_kind(&morph, kind));
    for (char *part; (part = strsep(&rest, ",")) != NULL;)
        TRY(parse_part(&morph, &given, part, nash_model_graph(m)));
    uint32_t needed = key_at | (ni_morphism_of(morph.kind)->keys & NI_KEY_FROM);
    REQUIRE((given & needed) == needed, NASH_EINVAL,
            "%s without %s=NODE, expected %s", kind,
            given & key_at ? "from" : "at",
            needed & NI_KEY_FROM ? "at and from" : "at");
    *out = morph;
done:
    return status;
}

/* ---- writing ------------------------------------------------------------ */

typedef struct writer {
    char *text;
    size_t size_bytes, used;
} writer;

static void put(writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->text + w->used, w->size_bytes - w->used, format, args);
    va_end(args);
    w->used += n > 0 ? (size_t)n : 0;
    if (w->used >= w->size_bytes)
        w->used = w->size_bytes - 1;
}

static void put_node(writer *w, const char *before, int32_t tag,
                     const nash_graph *g)
{
    int32_t id = nash_graph_find(g, tag);
    char name[32];
    snprintf(name, sizeof name, "%d", tag);
    if (id >= 0)
        nash_node_name(name, sizeof name, g, id);
    put(w, "%s=%s", before, name);
}

void nash_morph_format(char *text, size_t size_bytes, const nash_morph *morph,
                       const nash_model *m)
{
    const nash_graph *g = nash_model_graph(m);
    const ni_morphism *row = ni_morphism_of(morph->kind);
    uint32_t uses = row ? row->keys : 0;
    writer w = {text, size_bytes, 0};
    if (size_bytes == 0)
        return;
    put(&w, "%s", nash_morph_name(morph->kind));
    put_node(&w, ":at", morph->at, g);
    if (uses & NI_KEY_FROM)
        put_node(&w, ",from", morph->from, g);
    if (uses & NI_KEY_KERNEL)
        put(&w, ",kernel=%d", morph->kernel);
    if (uses & NI_KEY_FACTOR)
        put(&w, ",factor=%d", morph->factor);
    if (uses & NI_KEY_MODE)
        put(&w, ",mode=%s",
            (unsigned)morph->mode < N_MODES ? nash_widen_mode_names[morph->mode]
                                            : "?");
    if (uses & NI_KEY_NORM && morph->norm)
        put(&w, ",norm=1");
    if (uses & NI_KEY_SEED && morph->seed != 0)
        put(&w, ",seed=%" PRIu64, morph->seed);
}
