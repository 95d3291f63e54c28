/* The decision is made from one model and the run's own validation images, in
 * float32: it is the same wherever the run is. */
#include "flip.h"

#include "cli.h"
#include "progress.h"
#include "recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEY "flip_decided"

/* Errors may differ by that much, since the network has not seen any mirror
 * image (docs/research.md has what data sets gave), and by two standard errors
 * of chance. Of what it knows beyond guessing it knows so much on mirror
 * images, too: where errors are large, their ratio says nothing. */
static const double most_times = 1.5, most_beside = 0.01, deviations = 2.0,
                    least_known = 2.0 / 3.0;

static double deviation(double error, double other, int32_t images)
{
    return sqrt((error * (1.0 - error) + other * (1.0 - other)) / images);
}

/* Whether it is right more often than who always says the largest class. */
static bool knows_classes(double plain, double guessed, int32_t images)
{
    return plain + deviations * deviation(plain, guessed, images) < guessed;
}

static bool changes_no_class(double plain, double mirrored, double guessed,
                             int32_t images)
{
    double chance = deviations * deviation(plain, mirrored, images);
    return mirrored <= most_times * plain + most_beside + chance &&
           guessed - mirrored >= least_known * (guessed - plain) - chance;
}

static void act(run *r, bool flip)
{
    nash_search_opts *o = &r->s->search;
    o->train.augment.flip = o->final_train.augment.flip = flip;
}

static bool is_asked(const run *r)
{
    return r->s->auto_flip && r->s->search.train.augment.flip;
}

int flip_begin(run *r)
{
    nash_history *h = NULL;
    if (!is_asked(r))
        return EXIT_OK;
    r->s->search.start_train.augment.flip = false;
    if (nash_history_load(&h, r->dir) != NASH_OK)
        return cli_fail(NULL);
    const char *before = nash_history_get(h, KEY);
    r->flip_is_open = !before;
    if (before)
        act(r, strcmp(before, "yes") == 0);
    nash_history_free(h);
    return EXIT_OK;
}

static nash_status guess(double *error, const int32_t *labels, int32_t n,
                         int32_t classes)
{
    int32_t most = 0, *count = calloc((size_t)classes, sizeof *count);
    if (!count)
        return NASH_ENOMEM;
    for (int32_t i = 0; i < n; i++)
        if (++count[labels[i]] > most)
            most = count[labels[i]];
    *error = 1.0 - (double)most / n;
    free(count);
    return NASH_OK;
}

/* Errors on the validation images as they are and mirrored, and of who always
 * says the largest class. */
static nash_status judge(nash_score scores[2], double *guessed, const run *r,
                         nash_model *m)
{
    int32_t *train = NULL, *val = NULL, n_train, n;
    const nash_images *images = r->images;
    int32_t classes = images->classes;
    nash_plan_opts plan =
        recipe_judging(&r->s->search.train, r->s->final_threads);
    nash_status status = nash_run_split(&train, &n_train, &val, &n, images,
                                        r->s->val_share, r->s->search.seed);
    if (status != NASH_OK)
        return status;
    size_t values = (size_t)n * (size_t)classes;
    float *once = calloc(values, sizeof *once);
    float *both = calloc(values, sizeof *both);
    int32_t *labels = calloc((size_t)n, sizeof *labels);
    status = once && both && labels ? NASH_OK : NASH_ENOMEM;
    if (status == NASH_OK)
        status = nash_predict(once, &m, 1, images, val, n, &plan);
    if (status == NASH_OK)
        status = nash_predict_mirrored(both, &m, 1, images, val, n, &plan);
    if (status == NASH_OK) {
        for (size_t i = 0; i < values; i++)
            both[i] = 2.0F * both[i] - once[i]; /* the mirror images' alone */
        for (int32_t i = 0; i < n; i++)
            labels[i] = images->labels[val[i]];
        nash_score_of(&scores[0], NULL, once, labels, n, classes);
        nash_score_of(&scores[1], NULL, both, labels, n, classes);
        status = guess(guessed, labels, n, classes);
    }
    free(labels);
    free(both);
    free(once);
    nash_split_free(val);
    nash_split_free(train);
    return status;
}

static void say(double plain, double mirrored, bool knows, bool flip)
{
    progress_line("mirror images: %.2f %% error on them, %.2f %% on the images "
                  "as they are%s; training uses %s",
                  100.0 * mirrored, 100.0 * plain,
                  knows ? "" : ", which tells nothing (--flip does)",
                  flip ? "both" : "no mirror images");
}

nash_status flip_decide(run *r, nash_model *start)
{
    nash_score scores[2];
    double guessed = 0.0;
    if (!r->flip_is_open)
        return NASH_OK;
    nash_status status = judge(scores, &guessed, r, start);
    if (status != NASH_OK)
        return status;
    double plain = scores[0].error, mirrored = scores[1].error;
    int32_t images = scores[0].images;
    bool knows = knows_classes(plain, guessed, images);
    bool flip = knows && changes_no_class(plain, mirrored, guessed, images);
    status = nash_store_set(r->store, KEY, flip ? "yes" : "no");
    if (status != NASH_OK)
        return status;
    say(plain, mirrored, knows, flip);
    act(r, flip);
    r->flip_is_open = false;
    return NASH_OK;
}
