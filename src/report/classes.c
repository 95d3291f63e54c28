/*
 * Errors by class and the confusion matrix, from the JSON that a run recorded
 * when it read the test set. Many classes: those with the largest errors, and
 * the commonest confusions instead of the matrix.
 */
#include "page.h"

#include "base/json.h"
#include "base/memory.h"
#include "words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHOWN_AS_MATRIX = 24, MOST_ERRORS = 100, LISTED = 50 };

/* A setting that holds a JSON array. */
typedef struct array {
    cJSON *tree;        /* owned; NULL: there is none, or no sound one */
    const cJSON **item; /* [n], owned; each is the tree's */
    int n;
} array;

typedef struct findings {
    array names, errors, images;
    array matrix, pairs; /* one of them, if any */
} findings;

/* What is no sound array counts as not recorded. */
static nash_status read_array(array *out, const nash_history *h,
                              const char *key)
{
    nash_status status = NASH_OK;
    const cJSON *next;
    const char *text = nash_history_get(h, key);
    if (text)
        status = ni_json_parse(&out->tree, text, strlen(text), key);
    if (status == NASH_ENOMEM)
        goto done;
    status = NASH_OK;
    if (!out->tree)
        goto done;
    if (!cJSON_IsArray(out->tree)) {
        cJSON_Delete(out->tree);
        out->tree = NULL;
        goto done;
    }
    NEW_ARRAY(out->item, cJSON_GetArraySize(out->tree));
    for (next = out->tree->child; next; next = next->next)
        out->item[out->n++] = next;
done:
    return status;
}

static void deinit_array(array *a)
{
    ni_free(a->item);
    cJSON_Delete(a->tree);
}

static nash_status read_findings(findings *f, const nash_history *h)
{
    nash_status status = NASH_OK;
    TRY(read_array(&f->names, h, NASH_RUN_CLASSES));
    TRY(read_array(&f->errors, h, NASH_RUN_CLASS_ERRORS));
    TRY(read_array(&f->images, h, NASH_RUN_CLASS_IMAGES));
    TRY(read_array(&f->matrix, h, NASH_RUN_CONFUSION));
    TRY(read_array(&f->pairs, h, NASH_RUN_CONFUSIONS));
done:
    return status;
}

static void deinit_findings(findings *f)
{
    deinit_array(&f->names);
    deinit_array(&f->errors);
    deinit_array(&f->images);
    deinit_array(&f->matrix);
    deinit_array(&f->pairs);
}

static bool are_known(const findings *f)
{
    return f->errors.tree || f->matrix.tree || f->pairs.tree;
}

/* The first item of an array that may be NULL; then item->next. */
static const cJSON *first_of(const cJSON *parent)
{
    return parent ? parent->child : NULL;
}

static double number_of(const cJSON *item)
{
    bool finite = cJSON_IsNumber(item) && isfinite(item->valuedouble);
    return finite ? item->valuedouble : (double)NAN;
}

static double number_at(const array *a, int k)
{
    return k < a->n ? number_of(a->item[k]) : (double)NAN;
}

static void put_class(ni_text *t, const findings *f, int k)
{
    const cJSON *name = k < f->names.n ? f->names.item[k] : NULL;
    if (cJSON_IsString(name))
        ni_text_escape(t, name->valuestring);
    else
        ni_text_add(t, "class %d", k);
}

/* ---- errors by class ---------------------------------------------------- */

typedef struct class_error {
    int k;
    double error, images; /* NaN: not known; no error without an image */
} class_error;

/* Those that are known first, the largest of them, of the most images. */
static int by_error(const void *a, const void *b)
{
    const class_error *x = a, *y = b;
    if (isnan(x->error) != isnan(y->error))
        return isnan(x->error) ? 1 : -1;
    if (x->error > y->error || x->error < y->error)
        return x->error > y->error ? -1 : 1;
    if (x->images > y->images || x->images < y->images)
        return x->images > y->images ? -1 : 1;
    return (x->k > y->k) - (x->k < y->k);
}

static void put_error(ni_text *t, const findings *f, const class_error *row,
                      double largest)
{
    char word[NI_WORD];
    double share = row->error;
    double width = isfinite(share) ? fmax(100 * share / largest, 0) : 0;
    ni_text_put(t, "<tr><th scope=\"row\">");
    put_class(t, f, row->k);
    ni_text_add(t, "</th><td>%s</td>", ni_percent(word, share));
    if (isfinite(row->images))
        ni_text_add(t, "<td class=\"quiet\">of %.0f</td>", row->images);
    ni_text_add(t,
                "<td class=\"bar\"><span style=\"width:%d%%\"></span></td>"
                "</tr>\n",
                (int)lround(width));
}

/* How many classes there are, and of what. */
typedef struct census {
    int classes, known, wrong, shown;
    double largest;
} census;

static census take_census(const class_error *rows, int n)
{
    census c = {.classes = n, .shown = n, .largest = 1e-9};
    for (int k = 0; k < n; k++) {
        c.known += !isnan(rows[k].error);
        c.wrong += rows[k].error > 0;
        c.largest = fmax(c.largest, rows[k].error);
    }
    if (n > MOST_SHOWN_AS_MATRIX)
        c.shown = c.wrong < MOST_ERRORS ? c.wrong : MOST_ERRORS;
    return c;
}

static void put_census(ni_text *t, const census *c, const class_error *sorted)
{
    char word[NI_WORD];
    ni_text_add(t, "<p>%d of %d classes have errors", c->wrong, c->classes);
    if (c->shown < c->wrong)
        ni_text_add(t, "; the %d largest are listed, the others are %s at most",
                    c->shown, ni_percent(word, sorted[c->shown].error));
    if (c->known < c->classes)
        ni_text_add(t, "; %d have no test image", c->classes - c->known);
    ni_text_put(t, ".</p>\n");
}

static nash_status put_errors(ni_text *t, const findings *f)
{
    nash_status status = NASH_OK;
    class_error *rows = NULL;
    int n = f->errors.n;
    census c;
    NEW_ARRAY(rows, n);
    for (int k = 0; k < n; k++)
        rows[k] = (class_error){k, number_at(&f->errors, k),
                                number_at(&f->images, k)};
    c = take_census(rows, n);
    ni_text_put(t, "<h3>Error by class</h3>\n");
    if (n > MOST_SHOWN_AS_MATRIX) {
        qsort(rows, (size_t)n, sizeof *rows, by_error);
        put_census(t, &c, rows);
    }
    ni_text_put(t, "<table class=\"bars\"><tbody>\n");
    for (int i = 0; i < c.shown; i++)
        put_error(t, f, &rows[i], c.largest);
    ni_text_put(t, "</tbody></table>\n");
done:
    ni_free(rows);
    return status;
}

/* ---- the matrix --------------------------------------------------------- */

static double row_sum(const cJSON *row)
{
    const cJSON *item;
    double sum = 0;
    for (item = first_of(row); item; item = item->next)
        sum += fmax(number_of(item), 0);
    return sum;
}

static void put_matrix_row(ni_text *t, const findings *f, int k)
{
    const cJSON *item, *row = f->matrix.item[k];
    double sum = row_sum(row);
    int column = 0;
    ni_text_put(t, "<tr><th scope=\"row\">");
    put_class(t, f, k);
    ni_text_put(t, "</th>");
    for (item = first_of(row); item; item = item->next) {
        double count = fmax(number_of(item), 0);
        double share = sum > 0 ? count / sum : 0;
        /* the square root lets rare confusions show */
        int shade = (int)lround(90 * sqrt(share));
        if (column == k)
            ni_text_add(t, "<td class=\"right\" style=\"--shade:%d%%\">",
                        shade / 2);
        else
            ni_text_add(t, "<td style=\"--shade:%d%%\">", shade);
        if (count > 0)
            ni_text_add(t, "%.0f", count);
        ni_text_put(t, "</td>");
        column++;
    }
    ni_text_put(t, "</tr>\n");
}

static void put_matrix(ni_text *t, const findings *f)
{
    ni_text_put(t, "<h3>Confusion</h3>\n<p>Rows: the true class; columns: what "
                   "was predicted, in the same order.</p>\n"
                   "<div class=\"wide\"><table class=\"matrix\"><thead><tr>"
                   "<td></td>");
    for (int i = 0; i < f->matrix.n; i++) {
        ni_text_put(t, "<th scope=\"col\"><span>");
        put_class(t, f, i);
        ni_text_put(t, "</span></th>");
    }
    ni_text_put(t, "</tr></thead><tbody>\n");
    for (int k = 0; k < f->matrix.n; k++)
        put_matrix_row(t, f, k);
    ni_text_put(t, "</tbody></table></div>\n");
}

/* ---- many classes ------------------------------------------------------- */

typedef struct confusion {
    int truth, predicted;
    double count;
} confusion;

/* The most frequent ones, the first of equals. */
typedef struct ranking {
    confusion top[LISTED];
    int n;
} ranking;

static void rank(ranking *r, confusion fresh)
{
    int i = r->n < LISTED ? r->n++ : LISTED - 1;
    if (i == LISTED - 1 && r->top[i].count >= fresh.count)
        return;
    for (; i > 0 && r->top[i - 1].count < fresh.count; i--)
        r->top[i] = r->top[i - 1];
    r->top[i] = fresh;
}

static void rank_matrix(ranking *r, const array *matrix)
{
    const cJSON *item;
    for (int truth = 0; truth < matrix->n; truth++) {
        int predicted = 0;
        for (item = first_of(matrix->item[truth]); item; item = item->next) {
            double count = number_of(item);
            if (count > 0 && predicted != truth)
                rank(r, (confusion){truth, predicted, count});
            predicted++;
        }
    }
}

static bool is_class(double number)
{
    return number >= 0 && number <= INT32_MAX;
}

static void rank_pairs(ranking *r, const array *pairs)
{
    for (int i = 0; i < pairs->n; i++) {
        const cJSON *item = first_of(pairs->item[i]);
        double numbers[3] = {(double)NAN, (double)NAN, (double)NAN};
        for (int k = 0; k < 3 && item; k++, item = item->next)
            numbers[k] = number_of(item);
        if (is_class(numbers[0]) && is_class(numbers[1]) && numbers[2] > 0)
            rank(r, (confusion){(int)numbers[0], (int)numbers[1], numbers[2]});
    }
}

static void put_confusion(ni_text *t, const findings *f, const confusion *c)
{
    double images = number_at(&f->images, c->truth);
    ni_text_put(t, "<tr><td>");
    put_class(t, f, c->truth);
    ni_text_put(t, "</td><td>");
    put_class(t, f, c->predicted);
    ni_text_add(t, "</td><td>%.0f", c->count);
    if (isfinite(images))
        ni_text_add(t, " of %.0f", images);
    ni_text_put(t, "</td></tr>\n");
}

static void put_commonest(ni_text *t, const findings *f)
{
    ranking r = {.n = 0};
    if (f->matrix.tree)
        rank_matrix(&r, &f->matrix);
    else
        rank_pairs(&r, &f->pairs);
    if (r.n == 0)
        return;
    ni_text_put(t, "<h3>Commonest confusions</h3>\n<table class=\"refused\">"
                   "<thead><tr><th scope=\"col\">True class</th>"
                   "<th scope=\"col\">Taken for</th>"
                   "<th scope=\"col\">Images</th></tr></thead><tbody>\n");
    for (int i = 0; i < r.n; i++)
        put_confusion(t, f, &r.top[i]);
    ni_text_put(t, "</tbody></table>\n");
}

nash_status ni_classes_are_known(bool *known, const nash_history *history)
{
    findings f = {.names = {NULL}};
    nash_status status = read_findings(&f, history);
    *known = status == NASH_OK && are_known(&f);
    deinit_findings(&f);
    return status;
}

nash_status ni_classes_put(ni_text *t, const nash_history *history)
{
    nash_status status = NASH_OK;
    findings f = {.names = {NULL}};
    TRY(read_findings(&f, history));
    if (are_known(&f))
        ni_text_put(t, "<h2 id=\"classes\">Class by class, on the test "
                       "images</h2>\n");
    if (f.errors.tree)
        TRY(put_errors(t, &f));
    if (f.matrix.tree && f.matrix.n <= MOST_SHOWN_AS_MATRIX)
        put_matrix(t, &f);
    else
        put_commonest(t, &f);
done:
    deinit_findings(&f);
    return status;
}
