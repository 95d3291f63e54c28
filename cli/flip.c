/* The decision is made from one model and the run's own validation images, in
 * float32: it is the same wherever the run is. */
#include "flip.h"

#include "cli.h"
#include "progress.h"
#include "recipe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "flip_decided"

/* Errors may differ by that much and by one image, since the network has not
 * seen any mirror image (docs/research.md has what data sets gave). Of what it
 * knows beyond guessing it knows so much on mirror images, too: where errors
 * are large, their ratio says nothing. Few images tell little, so both are
 * asked of an error on mirror images that is a standard error less than
 * measured: what was seen may be chance. And the network has to know the
 * classes that most images are in, as far as so few images of each can show
 * what it knows: of two that it takes for one, one may be the other's mirror
 * image. As long as it does not, training mirrors nothing, which costs less
 * than mirroring what may not be. */
static const double most_times = 1.5, most_beside = 0.01,
                    least_known = 2.0 / 3.0, least_classes = 0.9,
                    least_learned = 0.1;

/* What is known of a network from the validation images. */
typedef struct evidence {
    int32_t images;
    double plain, mirrored; /* its errors on them, and on their mirror images */
    double guessed;         /* the error of always saying the largest class */
    double known;           /* share of images in classes of which it knows
                               something: said of their images more often than
                               of all */
    double showing;         /* share where, by its error, knowing any class is
                               likely to show, less a standard deviation */
    double noise;           /* standard error of mirrored - plain */
} evidence;

/* Beyond guessing, and beyond chance. */
static bool has_learned(const evidence *e)
{
    double chance = sqrt(e->plain * (1.0 - e->plain) / e->images);
    return e->guessed - e->plain >=
           fmax(least_learned * e->guessed, 2.0 * chance);
}

static bool is_enough(const evidence *e)
{
    return has_learned(e) && e->known >= least_classes * e->showing;
}

static bool changes_no_class(const evidence *e)
{
    double mirrored = e->mirrored - e->noise;
    return is_enough(e) &&
           mirrored <= most_times * e->plain + most_beside + 1.0 / e->images &&
           e->guessed - mirrored >= least_known * (e->guessed - e->plain);
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
    act(r, before && strcmp(before, "yes") == 0);
    nash_history_free(h);
    return EXIT_OK;
}

/* From probabilities [images,K]. */
static nash_status count_classes(evidence *e, const float *p,
                                 const int32_t *labels, int32_t classes)
{
    int32_t known = 0, most = 0;
    double sum = 0.0, variance = 0.0;
    struct {
        int32_t images, said, right;
    } *of = calloc((size_t)classes, sizeof *of);
    if (!of)
        return NASH_ENOMEM;
    for (int32_t i = 0; i < e->images; i++) {
        int32_t said = cli_best_class(p + (int64_t)i * classes, classes);
        of[labels[i]].images++;
        of[said].said++;
        of[said].right += said == labels[i];
    }
    for (int32_t k = 0; k < classes; k++) {
        most = of[k].images > most ? of[k].images : most;
        if ((double)of[k].right * e->images > (double)of[k].said * of[k].images)
            known += of[k].images;
        double never = pow(e->plain, of[k].images); /* right, by chance */
        sum += of[k].images * (1.0 - never);
        variance += (double)of[k].images * of[k].images * never * (1.0 - never);
    }
    e->showing = (sum - sqrt(variance)) / e->images;
    e->guessed = 1.0 - (double)most / e->images;
    e->known = (double)known / e->images;
    free(of);
    return NASH_OK;
}

/* Of a difference of errors on the same images: those that one look gets right
 * and the other does not make it. */
static double noise_of(const float *a, const float *b, const int32_t *labels,
                       int32_t n, int32_t classes)
{
    int32_t apart = 0;
    for (int32_t i = 0; i < n; i++) {
        int64_t row = (int64_t)i * classes;
        apart += (cli_best_class(a + row, classes) == labels[i]) !=
                 (cli_best_class(b + row, classes) == labels[i]);
    }
    return sqrt(apart) / n;
}

static nash_status judge(evidence *e, const run *r, nash_model *m)
{
    int32_t *train = NULL, *val = NULL, n_train, n;
    const nash_images *images = r->images;
    int32_t classes = images->classes;
    nash_score scores[2];
    nash_plan_opts plan =
        recipe_judging(&r->s->search.train, r->s->final_threads);
    nash_status status = run_split(&train, &n_train, &val, &n, r);
    if (status != NASH_OK)
        return status;
    size_t values = (size_t)n * (size_t)classes;
    float *once = calloc(values, sizeof *once);
    float *both = calloc(values, sizeof *both);
    int32_t *labels = calloc((size_t)n, sizeof *labels);
    status = once && both && labels ? NASH_OK : NASH_ENOMEM;
    if (status == NASH_OK)
        status = nash_predict(once, &m, 1, images, val, n, &plan);
    nash_model_set_looks(m, (nash_looks){.mirrored = true});
    if (status == NASH_OK)
        status = nash_predict(both, &m, 1, images, val, n, &plan);
    nash_model_set_looks(m, (nash_looks){0});
    if (status == NASH_OK) {
        for (size_t i = 0; i < values; i++)
            both[i] = 2.0F * both[i] - once[i]; /* the mirror images' alone */
        for (int32_t i = 0; i < n; i++)
            labels[i] = images->labels[val[i]];
        nash_score_of(&scores[0], NULL, once, labels, n, classes);
        nash_score_of(&scores[1], NULL, both, labels, n, classes);
        *e = (evidence){.images = n,
                        .plain = scores[0].error,
                        .mirrored = scores[1].error,
                        .noise = noise_of(once, both, labels, n, classes)};
        status = count_classes(e, once, labels, classes);
    }
    free(labels);
    free(both);
    free(once);
    nash_split_free(val);
    nash_split_free(train);
    return status;
}

static void say(const evidence *e, bool flip)
{
    char doubt[64] = "";
    if (!is_enough(e))
        snprintf(doubt, sizeof doubt,
                 ", but it knows only the classes of %.0f %% of them",
                 100.0 * e->known);
    progress_line("mirror images: %.2f %% error on them, %.2f %% on the images "
                  "as they are%s; training uses %s%s",
                  100.0 * e->mirrored, 100.0 * e->plain, doubt,
                  flip ? "both" : "no mirror images",
                  is_enough(e) ? "" : " so far (--flip yes does)");
}

nash_status flip_decide(run *r, nash_model *winner)
{
    evidence e = {0};
    if (!r->flip_is_open)
        return NASH_OK;
    nash_status status = judge(&e, r, winner);
    bool flip = changes_no_class(&e);
    if (status == NASH_OK && is_enough(&e))
        status = nash_store_set(r->store, KEY, flip ? "yes" : "no");
    if (status != NASH_OK)
        return status;
    say(&e, flip);
    act(r, flip);
    r->flip_is_open = !is_enough(&e);
    return NASH_OK;
}
