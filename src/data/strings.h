#ifndef NI_STRINGS_H
#define NI_STRINGS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* A growing list of owned strings. Zero-initialised is empty. */
typedef struct ni_strings {
    char **items; /* owned, and each item is */
    int32_t n;
    int32_t capacity;
} ni_strings;

/** Append a copy. @return NASH_OK, NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_strings_add(ni_strings *list, const char *text);

/** Append and take @p *text, which becomes NULL; it is freed on failure too. */
nash_status ni_strings_take(ni_strings *list, char **text);

void ni_strings_deinit(ni_strings *list);

typedef enum ni_entry { NI_ENTRY_FILE, NI_ENTRY_DIRECTORY } ni_entry;

/**
 * Append the names of a directory's files or directories (links followed), in
 * byte order whatever the file system's; names that begin with a dot,
 * __MACOSX and lost+found are left out.
 *
 * @return NASH_OK, NASH_EIO, NASH_ELIMIT or NASH_ENOMEM
 */
nash_status ni_directory_list(ni_strings *list, const char *dir, ni_entry kind);

/** Append the non-empty lines of a text file, without line ends.
 * @return NASH_OK or as ni_file_read() */
nash_status ni_lines_read(ni_strings *list, const char *path);

/** Bytes of all files in a directory tree; what cannot be read counts 0. */
int64_t ni_tree_bytes(const char *path);

/** Remove a directory tree as far as possible; links are not followed. */
void ni_tree_remove(const char *path);

/** Whether @p text ends with @p suffix, any case. */
bool ni_ends_with(const char *text, const char *suffix);

#endif
