#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Command lines as tables. A verb describes its options once; parsing, range
 * checks, --help with defaults and the sentences about mistakes follow.
 * "--name VALUE" and "--name=VALUE" are the same; "--" ends the options;
 * options and operands may be mixed.
 */

typedef enum arg_type {
    ARG_FLAG,   /* bool: given or not */
    ARG_YESNO,  /* bool: yes | no */
    ARG_INT,    /* int32_t */
    ARG_COUNT,  /* int64_t, with suffix k, M, G, T (powers of 1000) */
    ARG_BYTES,  /* size_t, with suffix K, M, G, T (powers of 1024) */
    ARG_SEED,   /* uint64_t */
    ARG_REAL,   /* double */
    ARG_TEXT,   /* const char *: borrowed from argv */
    ARG_CHOICE, /* int: the position in choices */
    ARG_INTS    /* int32_t[most]: up to so many, then 0: "64,128,256" */
} arg_type;

typedef struct arg_option {
    const char *name; /* without the dashes */
    arg_type type;
    void *value;        /* what is there before parsing is the default; enums
                           count as int */
    const char *help;   /* one line */
    double least, most; /* numbers: accepted range, if least < most;
                           ARG_INTS: most is their number */
    const char *const *choices; /* ARG_CHOICE: NULL-terminated */
    const char *fallback;       /* what --help says for the default instead of
                                   the value; "" to say nothing */
    bool *given;                /* set when the option occurs; may be NULL */
} arg_option;

typedef struct arg_spec {
    const char *verb;
    const char *operands;      /* "MODEL... DATA" */
    const char *summary;       /* one sentence */
    const arg_option *options; /* ends with a NULL name */
    const char *notes;         /* paragraphs after the options; may be NULL */
    int least, most;           /* operands accepted; most -1: any number */
} arg_spec;

enum { ARGS_GO = -1 }; /* args_parse(): carry on */

/**
 * Parse a verb's command line; argv is permuted so that operands come first.
 *
 * @param operands    receives their number, argv[1 .. n]
 * @return ARGS_GO, or the exit status to return at once: EXIT_OK after --help,
 *         EXIT_USAGE after a sentence about a mistake
 */
int args_parse(int *operands, const arg_spec *spec, int argc, char **argv);

/** The command line once more, for parsing it twice where one option decides
 * the others' defaults; yours to free(). NULL: out of memory */
char **args_copy(int argc, char **argv);

/** An option of a table by its name; NULL: it has none such. */
const arg_option *arg_find(const arg_option *options, const char *name);

/** Write an option's value as the text that sets it again; "" for none. */
void arg_format(char *text, size_t size_bytes, const arg_option *option);

/** Set an option from text, as the command line would.
 * @return ARGS_GO, or EXIT_USAGE after a sentence */
int arg_assign(const arg_spec *spec, const arg_option *option,
               const char *text);

#endif
