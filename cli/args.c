/*
 * Command-line parsing over option tables. Refuses unknown and ambiguous
 * options (no abbreviations), values out of range, and too few or many
 * operands, each with one sentence.
 */
#include "args.h"

#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *placeholder(arg_type type)
{
    switch (type) {
    case ARG_FLAG:
        return "";
    case ARG_YESNO:
        return "yes|no";
    case ARG_INT:
    case ARG_COUNT:
    case ARG_SEED:
        return "N";
    case ARG_BYTES:
        return "BYTES";
    case ARG_REAL:
        return "X";
    case ARG_TEXT:
        return "TEXT";
    case ARG_CHOICE:
        return "NAME";
    case ARG_INTS:
        return "N,N,...";
    }
    return "";
}

/* The shortest text that gives the same number again. */
static void format_real(char *text, size_t size, double value)
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void arg_format(char *text, size_t size, const arg_option *o)
{
    text[0] = '\0';
    switch (o->type) {
    case ARG_FLAG:
    case ARG_YESNO:
        snprintf(text, size, "%s", *(bool *)o->value ? "yes" : "no");
        break;
    case ARG_INT:
        snprintf(text, size, "%d", *(int32_t *)o->value);
        break;
    case ARG_COUNT:
        snprintf(text, size, "%lld", (long long)*(int64_t *)o->value);
        break;
    case ARG_BYTES:
        snprintf(text, size, "%zu", *(size_t *)o->value);
        break;
    case ARG_SEED:
        snprintf(text, size, "%llu", (unsigned long long)*(uint64_t *)o->value);
        break;
    case ARG_REAL:
        format_real(text, size, *(double *)o->value);
        break;
    case ARG_TEXT:
        if (*(const char **)o->value)
            snprintf(text, size, "%s", *(const char **)o->value);
        break;
    case ARG_CHOICE:
        snprintf(text, size, "%s", o->choices[*(int *)o->value]);
        break;
    case ARG_INTS:
        for (int i = 0; i < (int)o->most && ((int32_t *)o->value)[i]; i++)
            snprintf(text + strlen(text), size - strlen(text), "%s%d",
                     i ? "," : "", ((int32_t *)o->value)[i]);
        break;
    }
}

static void print_choices(const arg_option *o)
{
    for (int i = 0; o->choices[i]; i++)
        printf("%s%s", i ? "|" : "", o->choices[i]);
}

/* A paragraph, broken at blanks; a word that is longer than a line stays whole.
 */
static void print_wrapped(const char *text, int indent)
{
    enum { COLUMNS = 80 };
    int at = 0;
    while (*text) {
        int length = (int)strcspn(text, " ");
        bool breaks = at > 0 && indent + at + 1 + length > COLUMNS;
        if (at == 0 || breaks)
            printf("%s%*s", breaks ? "\n" : "", indent, "");
        else
            putchar(' ');
        at = at == 0 || breaks ? length : at + 1 + length;
        printf("%.*s", length, text);
        text += length + (text[length] == ' ');
    }
    putchar('\n');
}

static void print_option(const arg_option *o)
{
    char fallback[80] = "", text[1024];
    printf("  --%s ", o->name);
    if (o->type == ARG_CHOICE)
        print_choices(o);
    else
        fputs(placeholder(o->type), stdout);
    putchar('\n');
    if (!o->fallback && o->type != ARG_FLAG)
        arg_format(fallback, sizeof fallback, o);
    const char *without = o->fallback ? o->fallback : fallback;
    snprintf(text, sizeof text, "%s%s%s%s", o->help, *without ? " [" : "",
             without, *without ? "]" : "");
    print_wrapped(text, 8);
}

static int print_help(const arg_spec *spec)
{
    printf("usage: nash %s [options] %s\n\n", spec->verb, spec->operands);
    print_wrapped(spec->summary, 0);
    printf("\noptions:\n");
    for (const arg_option *o = spec->options; o && o->name; o++)
        print_option(o);
    printf("  --help\n        show this text\n");
    if (spec->notes)
        printf("\n%s\n", spec->notes);
    return EXIT_OK; /* main() finishes */
}

/* A number with an optional suffix, each step worth `base`; NaN if malformed */
static double scaled(const char *text, double base)
{
    static const char suffixes[] = "kmgt";
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno == ERANGE)
        return nan("");
    if (*end) {
        const char *at = strchr(suffixes, *end | 0x20);
        if (!at)
            return nan("");
        value *= pow(base, (double)(at - suffixes + 1));
        end++;
        if (base > 1000.0 && *end == 'i')
            end++;
        if (base > 1000.0 && *end == 'B')
            end++;
    }
    return *end ? nan("") : value;
}

/* 32.3M is whole, but not so in binary. */
static double whole_of(double value)
{
    double whole = round(value);
    return fabs(value - whole) <= 1e-12 * fabs(value) ? whole : value;
}

static int bad_value(const arg_spec *spec, const arg_option *o,
                     const char *text, const char *expected)
{
    return cli_usage(spec->verb, "--%s is '%s', expected %s", o->name, text,
                     expected);
}

static int check_range(const arg_spec *spec, const arg_option *o, double value,
                       const char *text, const char *noun)
{
    char expected[96];
    bool whole = o->type != ARG_REAL;
    if (o->least < o->most)
        snprintf(expected, sizeof expected, "%s from %.15g to %.15g", noun,
                 o->least, o->most);
    else
        snprintf(expected, sizeof expected, "%s", noun);
    if (!isfinite(value) || (whole && floor(value) != value) ||
        (o->least < o->most && (value < o->least || value > o->most)))
        return bad_value(spec, o, text, expected);
    return ARGS_GO;
}

static int set_number(const arg_spec *spec, const arg_option *o,
                      const char *text)
{
    double value = o->type == ARG_COUNT   ? whole_of(scaled(text, 1000.0))
                   : o->type == ARG_BYTES ? floor(scaled(text, 1024.0))
                                          : scaled(text, 1.0);
    if (o->type == ARG_INT || o->type == ARG_REAL) {
        char *end;
        value = strtod(text, &end);
        if (end == text || *end)
            value = nan("");
    }
    int go = check_range(spec, o, value, text,
                         o->type == ARG_REAL ? "a number" : "a whole number");
    if (go != ARGS_GO)
        return go;
    if ((o->type == ARG_INT && fabs(value) > 0x7fffffff) ||
        (o->type == ARG_COUNT && fabs(value) > 0x1p62) ||
        (o->type == ARG_BYTES && value > 0x1p62))
        return bad_value(spec, o, text, "a smaller number");
    if (o->type == ARG_BYTES && value < 0.0)
        return bad_value(spec, o, text, "a whole number from 0");
    if (o->type == ARG_INT)
        *(int32_t *)o->value = (int32_t)value;
    else if (o->type == ARG_COUNT)
        *(int64_t *)o->value = (int64_t)value;
    else if (o->type == ARG_BYTES)
        *(size_t *)o->value = (size_t)value;
    else
        *(double *)o->value = value;
    return ARGS_GO;
}

static int set_seed(const arg_spec *spec, const arg_option *o, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (end == text || *end || errno || strchr(text, '-'))
        return bad_value(spec, o, text, "a whole number from 0 to 2^64 - 1");
    *(uint64_t *)o->value = value;
    return ARGS_GO;
}

static int set_choice(const arg_spec *spec, const arg_option *o,
                      const char *text)
{
    char expected[256] = "one of";
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *(int *)o->value = i;
            return ARGS_GO;
        }
        snprintf(expected + strlen(expected),
                 sizeof expected - strlen(expected), "%s %s", i ? "," : "",
                 o->choices[i]);
    }
    return bad_value(spec, o, text, expected);
}

static int set_ints(const arg_spec *spec, const arg_option *o, const char *text)
{
    char expected[64];
    int n = (int)o->most;
    int32_t *values = o->value;
    snprintf(expected, sizeof expected,
             "1 to %d positive whole numbers with commas between them", n);
    const char *at = text;
    memset(values, 0, (size_t)n * sizeof *values);
    for (int i = 0; i < n; i++) {
        char *end;
        long value = strtol(at, &end, 10);
        if (end == at || value < 1 || value > NASH_MAX_DIM ||
            (*end != ',' && *end != '\0'))
            break;
        values[i] = (int32_t)value;
        if (*end == '\0')
            return ARGS_GO;
        at = end + 1;
    }
    return bad_value(spec, o, text, expected);
}

int arg_assign(const arg_spec *spec, const arg_option *o, const char *text)
{
    switch (o->type) {
    case ARG_FLAG:
    case ARG_YESNO:
        if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
            return bad_value(spec, o, text, "yes or no");
        *(bool *)o->value = text[0] == 'y';
        return ARGS_GO;
    case ARG_INT:
    case ARG_COUNT:
    case ARG_BYTES:
    case ARG_REAL:
        return set_number(spec, o, text);
    case ARG_SEED:
        return set_seed(spec, o, text);
    case ARG_TEXT:
        if (!*text && strcmp(o->name, "output") == 0)
            return bad_value(spec, o, text, "a path");
        *(const char **)o->value = text;
        return ARGS_GO;
    case ARG_CHOICE:
        return set_choice(spec, o, text);
    case ARG_INTS:
        return set_ints(spec, o, text);
    }
    return ARGS_GO;
}

char **args_copy(int argc, char **argv)
{
    char **copy = calloc((size_t)argc + 1, sizeof *copy);
    if (copy)
        memcpy(copy, argv, (size_t)argc * sizeof *copy);
    return copy;
}

const arg_option *arg_find(const arg_option *options, const char *name)
{
    while (options->name && strcmp(options->name, name) != 0)
        options++;
    return options->name ? options : NULL;
}

static const arg_option *find_option(const arg_spec *spec, const char *name,
                                     size_t length)
{
    for (const arg_option *o = spec->options; o && o->name; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

/* Parse the option at argv[*i], stepping over its value. */
static int parse_option(const arg_spec *spec, int *i, int argc, char **argv)
{
    const char *name = argv[*i] + 2;
    size_t length = strcspn(name, "=");
    const arg_option *o = find_option(spec, name, length);
    if (!o)
        return cli_usage(spec->verb, "'nash %s' has no option --%.*s",
                         spec->verb, (int)length, name);
    const char *value = name[length] ? name + length + 1 : NULL;
    if (o->type == ARG_FLAG && value)
        return cli_usage(spec->verb, "--%s takes no value", o->name);
    if (o->type != ARG_FLAG && !value) {
        if (*i + 1 >= argc)
            return cli_usage(spec->verb, "--%s needs a value", o->name);
        value = argv[++*i];
    }
    if (o->given)
        *o->given = true;
    return arg_assign(spec, o, value ? value : "yes");
}

/* Parse the option at argv[*i]: ARGS_GO, or the exit status. */
static int parse_dashed(const arg_spec *spec, int *i, int argc, char **argv)
{
    static char output[] = "--output";
    if (strcmp(argv[*i], "--help") == 0 || strcmp(argv[*i], "-h") == 0)
        return print_help(spec);
    if (strcmp(argv[*i], "-o") == 0)
        argv[*i] = output;
    if (strncmp(argv[*i], "--", 2) != 0)
        return cli_usage(spec->verb, "'nash %s' has no option %s", spec->verb,
                         argv[*i]);
    return parse_option(spec, i, argc, argv);
}

int args_parse(int *operands, const arg_spec *spec, int argc, char **argv)
{
    int n = 0;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        bool dashed = argv[i][0] == '-' && argv[i][1] && !only_operands;
        if (dashed && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (dashed) {
            int go = parse_dashed(spec, &i, argc, argv);
            if (go != ARGS_GO)
                return go;
        } else {
            argv[++n] = argv[i];
        }
    }
    *operands = n;
    if (n < spec->least || (spec->most >= 0 && n > spec->most))
        return cli_usage(spec->verb, "'nash %s' takes %s, got %d operand%s",
                         spec->verb, *spec->operands ? spec->operands : "none",
                         n, n == 1 ? "" : "s");
    return ARGS_GO;
}
