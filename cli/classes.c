/*
 * What a result's classes were taken for, as text for run.db. Costs a sort of
 * the test images; a matrix is written for up to NASH_RUN_MOST_IN_MATRIX
 * classes, as its size is the square of their number.
 */
#include "classes.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>

/* Images of one class that were taken for one, perhaps itself. */
typedef struct pair {
    int32_t truth, said, images;
} pair;

typedef struct outcome {
    const nash_images *test;
    const double *errors; /* [classes] */
    int32_t *images;      /* [classes], owned */
    pair *pairs;          /* [n_pairs], owned; by class */
    int32_t n_pairs;
} outcome;

static int by_class(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->truth != y->truth)
        return x->truth < y->truth ? -1 : 1;
    return (x->said > y->said) - (x->said < y->said);
}

static int by_images(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->images != y->images)
        return x->images > y->images ? -1 : 1;
    return by_class(a, b);
}

static void merge_equal(outcome *o)
{
    int32_t n = 0;
    for (int32_t i = 0; i < o->n_pairs; i++) {
        if (n > 0 && by_class(&o->pairs[n - 1], &o->pairs[i]) == 0)
            o->pairs[n - 1].images++;
        else
            o->pairs[n++] = o->pairs[i];
    }
    o->n_pairs = n;
}

static nash_status count(outcome *o, const float *probabilities)
{
    const nash_images *test = o->test;
    o->images = calloc((size_t)test->classes, sizeof *o->images);
    o->pairs = calloc((size_t)test->n, sizeof *o->pairs);
    if (!o->images || !o->pairs)
        return NASH_ENOMEM;
    for (int32_t i = 0; i < test->n; i++) {
        const float *p = probabilities + (int64_t)i * test->classes;
        int32_t said = cli_best_class(p, test->classes);
        o->images[test->labels[i]]++;
        o->pairs[o->n_pairs++] = (pair){test->labels[i], said, 1};
    }
    qsort(o->pairs, (size_t)o->n_pairs, sizeof *o->pairs, by_class);
    merge_equal(o);
    return NASH_OK;
}

/* ---- as JSON ------------------------------------------------------------ */

static void write_errors(FILE *out, outcome *o)
{
    for (int32_t k = 0; k < o->test->classes; k++) {
        fputs(k ? "," : "[", out);
        if (isfinite(o->errors[k]))
            fprintf(out, "%.6g", o->errors[k]);
        else
            fputs("null", out);
    }
    fputc(']', out);
}

static void write_images(FILE *out, outcome *o)
{
    for (int32_t k = 0; k < o->test->classes; k++)
        fprintf(out, "%s%d", k ? "," : "[", o->images[k]);
    fputc(']', out);
}

static void write_matrix(FILE *out, outcome *o)
{
    int32_t classes = o->test->classes;
    const pair *next = o->pairs, *end = o->pairs + o->n_pairs;
    for (int32_t i = 0; i < classes; i++) {
        fputs(i ? ",[" : "[[", out);
        for (int32_t j = 0; j < classes; j++) {
            bool here = next < end && next->truth == i && next->said == j;
            fprintf(out, "%s%d", j ? "," : "", here ? next->images : 0);
            next += here;
        }
        fputc(']', out);
    }
    fputc(']', out);
}

/* Sorts the pairs. */
static void write_confusions(FILE *out, outcome *o)
{
    int32_t written = 0;
    qsort(o->pairs, (size_t)o->n_pairs, sizeof *o->pairs, by_images);
    fputc('[', out);
    for (int32_t i = 0; i < o->n_pairs && written < NASH_RUN_MOST_CONFUSIONS;
         i++) {
        const pair *p = &o->pairs[i];
        if (p->truth != p->said)
            fprintf(out, "%s[%d,%d,%d]", written++ ? "," : "", p->truth,
                    p->said, p->images);
    }
    fputc(']', out);
}

static nash_status record(nash_store *store, const char *key,
                          void (*write)(FILE *out, outcome *o), outcome *o)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    nash_status status = NASH_ENOMEM;
    if (out) {
        write(out, o);
        if (fclose(out) == 0)
            status = nash_store_set(store, key, text);
    }
    free(text);
    return status;
}

nash_status classes_record(nash_store *store, const nash_images *test,
                           const float *probabilities, const double *errors)
{
    outcome o = {.test = test, .errors = errors};
    nash_status status = count(&o, probabilities);
    if (status == NASH_OK)
        status = record(store, NASH_RUN_CLASS_ERRORS, write_errors, &o);
    if (status == NASH_OK)
        status = record(store, NASH_RUN_CLASS_IMAGES, write_images, &o);
    if (status == NASH_OK && test->classes <= NASH_RUN_MOST_IN_MATRIX)
        status = record(store, NASH_RUN_CONFUSION, write_matrix, &o);
    else if (status == NASH_OK)
        status = record(store, NASH_RUN_CONFUSIONS, write_confusions, &o);
    free(o.images);
    free(o.pairs);
    return status;
}
