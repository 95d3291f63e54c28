#ifndef CLI_TABLE_H
#define CLI_TABLE_H

/*
 * Aligned tables on standard output. Rows are collected, then printed with
 * columns as wide as their widest cell (in characters, not bytes).
 */

typedef struct table table;

/** @param columns  their headings, NULL-terminated; a heading that starts with
 * '>' is right-aligned. @return NULL when memory is out */
table *table_new(const char *const *columns);

/** Set the next cell; a row ends by itself after the last column. */
void table_cell(table *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Print and release; NULL is fine. */
void table_print(table *t);

#endif
