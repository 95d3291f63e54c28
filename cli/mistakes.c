/*
 * Finding and showing what a network gets wrong. Costs a sort of the mistakes;
 * names of images are made for those that are shown.
 */
#include "mistakes.h"

#include "cli.h"
#include "json.h"
#include "progress.h"
#include "table.h"

#include <stdlib.h>

enum { NAME_BYTES = 4096, COLUMNS = 10 };

static int by_confidence(const void *a, const void *b)
{
    const mistake *x = a, *y = b;
    if (x->probability > y->probability)
        return -1;
    if (x->probability < y->probability)
        return 1;
    return (x->image > y->image) - (x->image < y->image);
}

int mistakes_find(mistakes *m, const float *probabilities)
{
    int32_t n = m->images->n, classes = m->images->classes;
    m->list = calloc((size_t)n, sizeof *m->list);
    if (!m->list)
        return cli_error("out of memory");
    for (int32_t i = 0; i < n; i++) {
        const float *p = probabilities + (int64_t)i * classes;
        int32_t said = cli_best_class(p, classes);
        if (said != m->images->labels[i])
            m->list[m->n++] = (mistake){i, said, p[said]};
    }
    qsort(m->list, (size_t)m->n, sizeof *m->list, by_confidence);
    return EXIT_OK;
}

static int32_t shown(const mistakes *m, int32_t most)
{
    return most < m->n ? most : m->n;
}

static const char *true_class(const mistakes *m, const mistake *one)
{
    return nash_dataset_class(m->data, m->images->labels[one->image]);
}

void mistakes_print(const mistakes *m, int32_t most)
{
    static const char *const columns[] = {">#",           "class", "said",
                                          ">probability", "image", NULL};
    char name[NAME_BYTES];
    int32_t n = shown(m, most);
    if (n == 0) {
        printf("no mistake\n");
        return;
    }
    printf("%d of %d mistake%s, the most confident first:\n", n, m->n,
           m->n == 1 ? "" : "s");
    table *t = table_new(columns);
    for (int32_t k = 0; k < n; k++) {
        const mistake *one = &m->list[k];
        nash_dataset_image_name(name, sizeof name, m->data, m->part,
                                one->image);
        nash_hide_controls(name); /* a file's may hold anything */
        table_cell(t, "%d", k + 1);
        table_cell(t, "%s", true_class(m, one));
        table_cell(t, "%s", nash_dataset_class(m->data, one->said));
        table_cell(t, "%.2f %%", 100.0 * (double)one->probability);
        table_cell(t, "%s", name);
    }
    table_print(t);
}

void mistakes_json(const mistakes *m, int32_t most)
{
    char name[NAME_BYTES];
    json_array("mistakes");
    for (int32_t k = 0; k < shown(m, most); k++) {
        const mistake *one = &m->list[k];
        nash_dataset_image_name(name, sizeof name, m->data, m->part,
                                one->image);
        json_object(NULL);
        json_text("image", name);
        json_text("class", true_class(m, one));
        json_text("said", nash_dataset_class(m->data, one->said));
        json_real("probability", (double)one->probability);
        json_end();
    }
    json_end();
}

int mistakes_draw(const mistakes *m, int32_t most, const char *path)
{
    int32_t n = shown(m, most);
    if (n == 0) {
        progress_line("no image is wrong: %s is not written", path);
        return EXIT_OK;
    }
    int32_t *index = calloc((size_t)n, sizeof *index);
    if (!index)
        return cli_error("out of memory");
    for (int32_t k = 0; k < n; k++)
        index[k] = m->list[k].image;
    nash_status status = nash_images_draw(m->images, index, n, COLUMNS, path);
    free(index);
    return status == NASH_OK ? EXIT_OK : cli_fail(NULL);
}
