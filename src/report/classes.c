/*
 * Errors by class and the confusion matrix, from the JSON that a run recorded
 * when it read the test set. Many classes: the commonest confusions instead of
 * the matrix.
 */
#include "page.h"

#include "base/json.h"
#include "words.h"

#include <math.h>
#include <string.h>

enum { MOST_IN_MATRIX = 24, LISTED = 20 };

/* A setting that holds a JSON array; NULL if there is none, or no sound one. */
static cJSON *read_array(const nash_history *h, const char *key)
{
    cJSON *array = NULL;
    const char *text = nash_history_get(h, key);
    if (!text || ni_json_parse(&array, text, strlen(text), key) != NASH_OK)
        return NULL;
    if (cJSON_IsArray(array))
        return array;
    cJSON_Delete(array);
    return NULL;
}

/* The first item of an array that may be NULL; then item->next. */
static const cJSON *first_of(const cJSON *array)
{
    return array ? array->child : NULL;
}

static double number_of(const cJSON *item)
{
    bool finite = cJSON_IsNumber(item) && isfinite(item->valuedouble);
    return finite ? item->valuedouble : (double)NAN;
}

static void put_class(ni_text *t, const cJSON *names, int k)
{
    const cJSON *name = cJSON_GetArrayItem(names, k);
    if (cJSON_IsString(name))
        ni_text_escape(t, name->valuestring);
    else
        ni_text_add(t, "class %d", k);
}

static void put_errors(ni_text *t, const cJSON *names, const cJSON *errors)
{
    const cJSON *item;
    char word[NI_WORD];
    double largest = 1e-9;
    int k = 0;
    for (item = first_of(errors); item; item = item->next)
        largest = fmax(largest, number_of(item));
    ni_text_put(t, "<h3>Error by class</h3>\n<table class=\"bars\"><tbody>\n");
    for (item = first_of(errors); item; item = item->next) {
        double share = number_of(item);
        double width = isfinite(share) ? fmax(100 * share / largest, 0) : 0;
        ni_text_put(t, "<tr><th>");
        put_class(t, names, k++);
        ni_text_add(t,
                    "</th><td>%s</td><td class=\"bar\"><span "
                    "style=\"width:%d%%\"></span></td></tr>\n",
                    ni_percent(word, share), (int)lround(width));
    }
    ni_text_put(t, "</tbody></table>\n");
}

static double row_sum(const cJSON *row)
{
    const cJSON *item;
    double sum = 0;
    for (item = first_of(row); item; item = item->next)
        sum += fmax(number_of(item), 0);
    return sum;
}

static void put_matrix_row(ni_text *t, const cJSON *names, const cJSON *row,
                           int k)
{
    const cJSON *item;
    double sum = row_sum(row);
    int column = 0;
    ni_text_put(t, "<tr><th>");
    put_class(t, names, k);
    ni_text_put(t, "</th>");
    for (item = first_of(row); item; item = item->next) {
        double count = fmax(number_of(item), 0);
        double share = sum > 0 ? count / sum : 0;
        /* the square root lets rare confusions show */
        int shade = (int)lround(90 * sqrt(share));
        const char *rgb = column == k ? "37 99 235" : "217 119 6";
        ni_text_add(t, "<td style=\"background:rgb(%s / %d%%)\">", rgb,
                    column == k ? shade / 2 : shade);
        if (count > 0)
            ni_text_add(t, "%.0f", count);
        ni_text_put(t, "</td>");
        column++;
    }
    ni_text_put(t, "</tr>\n");
}

static void put_matrix(ni_text *t, const cJSON *names, const cJSON *rows, int n)
{
    const cJSON *row;
    int k = 0;
    ni_text_put(t, "<h3>Confusion</h3>\n<p>Rows: the true class; columns: what "
                   "was predicted, in the same order.</p>\n"
                   "<div class=\"wide\"><table class=\"matrix\"><thead><tr>"
                   "<td></td>");
    for (int i = 0; i < n; i++) {
        ni_text_put(t, "<th><span>");
        put_class(t, names, i);
        ni_text_put(t, "</span></th>");
    }
    ni_text_put(t, "</tr></thead><tbody>\n");
    for (row = first_of(rows); row; row = row->next)
        put_matrix_row(t, names, row, k++);
    ni_text_put(t, "</tbody></table></div>\n");
}

/* ---- many classes ------------------------------------------------------- */

typedef struct confusion {
    int truth, predicted;
    double count;
} confusion;

/* Keep the largest in descending order; later ones lose ties. */
static void rank(confusion *top, int *n, confusion fresh)
{
    int i = *n < LISTED ? (*n)++ : LISTED - 1;
    if (i == LISTED - 1 && top[i].count >= fresh.count)
        return;
    for (; i > 0 && top[i - 1].count < fresh.count; i--)
        top[i] = top[i - 1];
    top[i] = fresh;
}

static void put_commonest(ni_text *t, const cJSON *names, const cJSON *rows)
{
    confusion top[LISTED] = {{0}};
    const cJSON *row, *item;
    int n = 0, truth = 0;
    for (row = first_of(rows); row; row = row->next) {
        int predicted = 0;
        for (item = first_of(row); item; item = item->next) {
            double count = number_of(item);
            if (count > 0 && predicted != truth)
                rank(top, &n, (confusion){truth, predicted, count});
            predicted++;
        }
        truth++;
    }
    ni_text_put(t, "<h3>Commonest confusions</h3>\n<table class=\"refused\">"
                   "<thead><tr><th>True class</th><th>Taken for</th>"
                   "<th>Images</th></tr></thead><tbody>\n");
    for (int i = 0; i < n; i++) {
        ni_text_put(t, "<tr><td>");
        put_class(t, names, top[i].truth);
        ni_text_put(t, "</td><td>");
        put_class(t, names, top[i].predicted);
        ni_text_add(t, "</td><td>%.0f</td></tr>\n", top[i].count);
    }
    ni_text_put(t, "</tbody></table>\n");
}

bool ni_classes_are_known(const nash_history *history)
{
    cJSON *errors = read_array(history, NASH_RUN_CLASS_ERRORS);
    cJSON *rows = read_array(history, NASH_RUN_CONFUSION);
    bool known = errors || rows;
    cJSON_Delete(errors);
    cJSON_Delete(rows);
    return known;
}

void ni_classes_put(ni_text *t, const nash_history *history)
{
    cJSON *names = read_array(history, NASH_RUN_CLASSES);
    cJSON *errors = read_array(history, NASH_RUN_CLASS_ERRORS);
    cJSON *rows = read_array(history, NASH_RUN_CONFUSION);
    int n = cJSON_GetArraySize(rows);
    if (errors || rows)
        ni_text_put(t, "<h2 id=\"classes\">Class by class, on the test "
                       "images</h2>\n");
    if (errors)
        put_errors(t, names, errors);
    if (rows && n <= MOST_IN_MATRIX)
        put_matrix(t, names, rows, n);
    else if (rows)
        put_commonest(t, names, rows);
    cJSON_Delete(names);
    cJSON_Delete(errors);
    cJSON_Delete(rows);
}
