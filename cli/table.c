/* Text tables for people. Cells that memory has no room for are left blank. */
#include "table.h"

#include <nash/text.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 24 };

struct table {
    int columns;
    bool right[MOST_COLUMNS];
    int width[MOST_COLUMNS];
    int cells, room;
    char **cell; /* owned, row by row */
};

/* Characters of UTF-8 text, one column each. */
static int display_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

table *table_new(const char *const *columns)
{
    table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    while (columns[t->columns] && t->columns < MOST_COLUMNS) {
        t->right[t->columns] = columns[t->columns][0] == '>';
        t->columns++;
    }
    for (int i = 0; i < t->columns; i++)
        table_cell(t, "%s", columns[i] + t->right[i]);
    return t;
}

void table_cell(table *t, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    if (!t)
        return;
    if (t->cells == t->room) {
        int room = t->room ? 2 * t->room : 64;
        char **grown = realloc(t->cell, (size_t)room * sizeof *grown);
        if (!grown)
            return;
        t->cell = grown;
        t->room = room;
    }
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text)
        nash_hide_controls(text); /* a stranger's, for a terminal */
    int column = t->cells % t->columns;
    int width = text ? display_width(text) : 0;
    if (width > t->width[column])
        t->width[column] = width;
    t->cell[t->cells++] = text;
}

void table_print(table *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->cells; i++) {
        int column = i % t->columns;
        const char *text = t->cell[i] ? t->cell[i] : "";
        int pad = t->width[column] - display_width(text);
        bool last = column == t->columns - 1;
        printf("%*s%s%*s%s", t->right[column] ? pad : 0, "", text,
               t->right[column] || last ? 0 : pad, "", last ? "\n" : "  ");
        free(t->cell[i]);
    }
    free(t->cell);
    free(t);
}
