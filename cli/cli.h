#ifndef CLI_H
#define CLI_H

#include <nash/nash.h>

#include <stdbool.h>
#include <stdio.h>

/*
 * What all verbs share: exit statuses, errors, numbers for people.
 */

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A verb's function: argv[0] is the verb's name; returns the exit status. */
int cmd_bench(int argc, char **argv);
int cmd_candidate(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_fetch(int argc, char **argv);
int cmd_morph(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_train(int argc, char **argv);

/** The class with the largest of [classes] probabilities, the first of equals.
 */
int32_t cli_best_class(const float *probabilities, int32_t classes);

/** Print the library's error sentence as "nash: ..." and, if given, a line
 * "hint: ..."; ends a progress bar first. @return EXIT_FAILED */
int cli_fail(const char *hint);

/** Likewise with another sentence. */
int cli_fail_with(const char *sentence, const char *hint);

/** Print a sentence of the program's own, likewise. @return EXIT_FAILED */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Print a sentence about the command line. @return EXIT_USAGE */
int cli_usage(const char *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Read the value of --size, "64x48": height, then width.
 * @return EXIT_OK, or EXIT_USAGE after a sentence */
int cli_size(int32_t *height, int32_t *width, const char *verb,
             const char *text);

/** Print up to @p most bytes of a stranger's text, a '?' for each character
 * that would control the terminal. */
void cli_print(const char *text, size_t most);

/** A clock that never goes back, in seconds. */
double cli_seconds(void);

/* Numbers for people, written into a buffer of 32 bytes: "5.7 M", "1.2 GiB",
 * "2 h 05 min", "1 min 03 s"; each returns the buffer. */
char *cli_count(char text[32], double count);
char *cli_bytes(char text[32], double bytes);
char *cli_time(char text[32], double seconds);

/** Flush standard output and say whether all of it was written.
 * @return @p status, or EXIT_FAILED after a sentence */
int cli_finish(int status);

#endif
