/*
 * Judging a run's networks on the test images, and saying what came of it. The
 * test images are read here and nowhere else, once the result is fixed.
 */
#include "verdict.h"

#include "classes.h"
#include "cli.h"
#include "json.h"
#include "progress.h"
#include "recipe.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a network's scores on the test images are recorded as. */
typedef struct score_keys {
    const char *error, *balanced_error, *loss;
} score_keys;

static const score_keys of_start = {NASH_RUN_START_TEST_ERROR,
                                    NASH_RUN_START_TEST_BALANCED_ERROR,
                                    NASH_RUN_START_TEST_LOSS};
static const score_keys of_result = {
    NASH_RUN_TEST_ERROR, NASH_RUN_TEST_BALANCED_ERROR, NASH_RUN_TEST_LOSS};
static const score_keys of_one_look = {NASH_RUN_ONCE_TEST_ERROR,
                                       NASH_RUN_ONCE_TEST_BALANCED_ERROR,
                                       NASH_RUN_ONCE_TEST_LOSS};
static const score_keys of_ensemble = {NASH_RUN_ENSEMBLE_TEST_ERROR,
                                       NASH_RUN_ENSEMBLE_TEST_BALANCED_ERROR,
                                       NASH_RUN_ENSEMBLE_TEST_LOSS};

/* Judging on the test images. */
typedef struct verdict {
    run *r;
    const nash_images *test;
    float *probabilities; /* [n,K] */
    double *class_error;  /* [K] */
    nash_score start, result, ensemble;
    nash_score once; /* the result of one look, where it takes several */
    int32_t n_snapshots;
} verdict;

/* ---- judging ------------------------------------------------------------ */

static int make_room(verdict *v)
{
    size_t n = (size_t)v->test->n, classes = (size_t)v->test->classes;
    v->probabilities = calloc(n * classes, sizeof *v->probabilities);
    v->class_error = calloc(classes, sizeof *v->class_error);
    return v->probabilities && v->class_error ? EXIT_OK
                                              : cli_error("out of memory");
}

static nash_status judge(nash_score *score, verdict *v,
                         nash_model *const *models, int32_t n)
{
    nash_plan_opts plan =
        recipe_judging(&v->r->s->search.train, v->r->s->final_threads);
    nash_status status = nash_predict(v->probabilities, models, n, v->test,
                                      NULL, v->test->n, &plan);
    if (status == NASH_OK)
        nash_score_of(score, v->class_error, v->probabilities, v->test->labels,
                      v->test->n, v->test->classes);
    return status;
}

static nash_status judge_start(verdict *v)
{
    nash_model *m = NULL;
    nash_status status = nash_candidate_model(&m, v->r->dir, 0, 0, -1);
    if (status == NASH_OK)
        status = judge(&v->start, v, &m, 1);
    nash_model_free(m);
    return status;
}

/* No cosine of the final training is shorter than an epoch. */
static nash_status most_cosines(int32_t *most, const run *r)
{
    nash_history *h = NULL;
    nash_status status = nash_history_load(&h, r->dir);
    if (status == NASH_OK && h->n_records > 0)
        *most = h->records[h->n_records - 1].n_epochs;
    nash_history_free(h);
    return status;
}

/* The snapshots of the final training, named by the cosine that they end. */
static nash_status load_snapshots(nash_model **models, verdict *v)
{
    int32_t cosines = 0, wanted = v->r->s->snapshots;
    nash_status status = wanted > 0 ? most_cosines(&cosines, v->r) : NASH_OK;
    for (int32_t i = 0;
         i < cosines && v->n_snapshots < wanted && status == NASH_OK; i++) {
        status = nash_candidate_model(&models[v->n_snapshots], v->r->dir,
                                      v->r->last_step, 0, i);
        if (status == NASH_OK)
            v->n_snapshots++;
        else if (status == NASH_ENOTFOUND)
            status = NASH_OK;
    }
    return status;
}

static nash_status judge_ensemble(verdict *v)
{
    int32_t most = v->r->s->snapshots;
    nash_model **models = calloc((size_t)most + 1, sizeof(nash_model *));
    if (!models)
        return NASH_ENOMEM;
    nash_status status = load_snapshots(models, v);
    for (int32_t i = 0; i < v->n_snapshots; i++)
        nash_model_set_looks(models[i], settings_looks(v->r->s));
    if (status == NASH_OK && v->n_snapshots > 0)
        status = judge(&v->ensemble, v, models, v->n_snapshots);
    for (int32_t i = 0; i < most; i++)
        nash_model_free(models[i]);
    free(models);
    return status;
}

/* ---- recording ---------------------------------------------------------- */

static nash_status record_score(const run *r, const score_keys *keys,
                                const nash_score *score)
{
    nash_status status = run_set_number(r, keys->error, score->error);
    if (status == NASH_OK)
        status = run_set_number(r, keys->loss, score->loss);
    if (status == NASH_OK)
        status = run_set_number(r, keys->balanced_error, score->balanced_error);
    return status;
}

/* As JSON. */
static const char *number_text(char text[32], double value)
{
    if (!isfinite(value))
        return "null";
    snprintf(text, 32, "%.9g", value);
    return text;
}

/* Every number that the result was judged by goes into its file: it has learned
 * from all images that could validate it. */
static nash_status describe(run *r, const nash_score *test)
{
    char text[200], numbers[3][32];
    snprintf(text, sizeof text,
             "{\"test_error\":%s,\"test_loss\":%s,"
             "\"test_balanced_error\":%s,\"test_images\":%d}",
             number_text(numbers[0], test->error),
             number_text(numbers[1], test->loss),
             number_text(numbers[2], test->balanced_error), test->images);
    return nash_model_set_meta(r->best, NASH_META_SCORES, text);
}

static nash_status write_files(const verdict *v)
{
    run *r = v->r;
    nash_history *history = NULL;
    char *best = run_path(r, "best.onnx"), *report = run_path(r, "report.html");
    nash_status status = best && report ? NASH_OK : NASH_ENOMEM;
    if (status == NASH_OK)
        status = nash_history_load(&history, r->dir);
    if (status == NASH_OK)
        status = describe(r, &v->result);
    if (status == NASH_OK)
        status = nash_onnx_write(r->best, best);
    if (status == NASH_OK)
        status = nash_report_write(report, history, r->best);
    nash_history_free(history);
    free(report);
    free(best);
    return status;
}

/* v keeps the probabilities of the result as it is handed over. */
static nash_status judge_result(verdict *v)
{
    nash_model *best = v->r->best;
    nash_status status = NASH_OK;
    nash_looks looks = settings_looks(v->r->s);
    int32_t n = nash_looks_count(looks);
    nash_model_set_looks(best, (nash_looks){0});
    if (n > 1)
        status = judge(&v->once, v, &best, 1);
    if (status == NASH_OK && n > 1)
        status = record_score(v->r, &of_one_look, &v->once);
    nash_model_set_looks(best, looks);
    if (status == NASH_OK)
        status = judge(&v->result, v, &best, 1);
    if (status == NASH_OK)
        status = record_score(v->r, &of_result, &v->result);
    return status == NASH_OK ? run_set_number(v->r, NASH_RUN_LOOKS, n) : status;
}

/* Test images that equal a training image say nothing about new ones. */
static nash_status record_repeated(const verdict *v)
{
    const nash_images *train = v->r->images;
    int32_t count = 0;
    bool *repeated = calloc((size_t)v->test->n, sizeof *repeated);
    nash_status status = NASH_ENOMEM;
    if (repeated)
        status = nash_images_repeated(repeated, v->test, NULL, v->test->n,
                                      train, NULL, train->n);
    for (int32_t i = 0; status == NASH_OK && i < v->test->n; i++)
        count += repeated[i];
    free(repeated);
    return status == NASH_OK
               ? run_set_number(v->r, NASH_RUN_TEST_REPEATED, count)
               : status;
}

static nash_status judge_all(verdict *v)
{
    run *r = v->r;
    nash_status status = judge_start(v);
    if (status == NASH_OK)
        status = record_score(r, &of_start, &v->start);
    if (status == NASH_OK)
        status = judge_ensemble(v);
    if (status == NASH_OK && v->n_snapshots > 0)
        status = record_score(r, &of_ensemble, &v->ensemble);
    if (status == NASH_OK && v->n_snapshots > 0)
        status = run_set_number(r, NASH_RUN_ENSEMBLE_MODELS, v->n_snapshots);
    if (status == NASH_OK)
        status = judge_result(v);
    if (status == NASH_OK)
        status = run_set_number(r, NASH_RUN_TEST_IMAGES, v->test->n);
    if (status == NASH_OK)
        status = record_repeated(v);
    if (status == NASH_OK)
        status =
            classes_record(r->store, v->test, v->probabilities, v->class_error);
    if (status == NASH_OK)
        status = run_note_time(r);
    if (status == NASH_OK)
        status = write_files(v);
    if (status == NASH_OK)
        status = nash_store_set(r->store, NASH_RUN_FINISHED, "yes");
    if (status == NASH_OK)
        status = nash_store_event(r->store, "finished");
    return status;
}

int verdict_reach(run *r)
{
    verdict v = {.r = r};
    char hint[4200];
    progress_line("judging on the test images");
    if (nash_dataset_images(&v.test, r->data, NASH_PART_TEST) != NASH_OK) {
        snprintf(hint, sizeof hint,
                 "nothing is lost: 'nash resume %s' judges once the test "
                 "images can be read",
                 r->dir);
        return cli_fail(hint);
    }
    int result = make_room(&v);
    if (result == EXIT_OK && judge_all(&v) != NASH_OK)
        result = cli_fail(NULL);
    free(v.class_error);
    free(v.probabilities);
    return result;
}

/* ---- saying it ---------------------------------------------------------- */

static double number(const nash_history *h, const char *key)
{
    const char *text = nash_history_get(h, key);
    return text ? strtod(text, NULL) : nan("");
}

static const nash_record *first_of(const nash_history *h)
{
    return h->n_records > 0 ? &h->records[0] : NULL;
}

/* The last winner. */
static const nash_record *result_of(const nash_history *h)
{
    const nash_record *last = NULL;
    for (int32_t i = 0; i < h->n_records; i++)
        if (h->records[i].chosen)
            last = &h->records[i];
    return last;
}

typedef struct totals {
    double pflop;
    int32_t trained, failed;
} totals;

static totals sum_up(const nash_history *h)
{
    totals t = {0};
    for (int32_t i = 0; i < h->n_records; i++) {
        t.pflop += h->records[i].pflop;
        t.trained += h->records[i].done && h->records[i].status == NASH_OK;
        t.failed += h->records[i].done && h->records[i].status != NASH_OK;
    }
    return t;
}

static void add_row(table *t, const nash_history *h, const char *name,
                    const score_keys *keys, const nash_record *r, int times)
{
    char text[32];
    table_cell(t, "%s", name);
    table_cell(t, "%.2f %%", 100.0 * number(h, keys->error));
    table_cell(t, "%.2f %%", 100.0 * number(h, keys->balanced_error));
    table_cell(t, "%.4f", number(h, keys->loss));
    table_cell(t, "%s", cli_count(text, (double)r->params));
    table_cell(t, "%s", cli_count(text, (double)(times * r->macs)));
}

/* Where some classes have no test image; their errors are null. */
static void print_coverage(const nash_history *h)
{
    const char *errors = nash_history_get(h, NASH_RUN_CLASS_ERRORS);
    int classes = 1, missing = 0;
    for (const char *at = errors; at && *at; at++) {
        classes += *at == ',';
        missing += *at == 'n';
    }
    if (missing)
        printf("balanced: the mean of %d of %d classes, the others have no "
               "test image\n",
               classes - missing, classes);
}

static void print_repeated(const nash_history *h)
{
    double count = number(h, NASH_RUN_TEST_REPEATED);
    if (count > 0.0)
        printf("%.0f of %.0f test images equal training images, so errors on "
               "new images are larger: 'nash data %s' names the first\n",
               count, number(h, NASH_RUN_TEST_IMAGES),
               nash_history_get(h, NASH_RUN_DATA));
}

static void print_text(const nash_history *h, const char *dir)
{
    static const char *const columns[] = {"network", ">test error", ">balanced",
                                          ">loss",   ">parameters", ">MACs",
                                          NULL};
    char name[64], time[32], cost[32];
    totals sum = sum_up(h);
    table *t = table_new(columns);
    int32_t looks = nash_report_looks(h);
    add_row(t, h, "starting network", &of_start, first_of(h), 1);
    if (looks > 1)
        add_row(t, h, "result, one look", &of_one_look, result_of(h), 1);
    snprintf(name, sizeof name, looks > 1 ? "result, %d looks" : "result",
             looks);
    add_row(t, h, name, &of_result, result_of(h), looks);
    if (nash_history_get(h, NASH_RUN_ENSEMBLE_MODELS)) {
        snprintf(name, sizeof name, "ensemble of %s snapshots",
                 nash_history_get(h, NASH_RUN_ENSEMBLE_MODELS));
        add_row(t, h, name, &of_ensemble, result_of(h), looks);
    }
    table_print(t);
    print_coverage(h);
    print_repeated(h);
    if (number(h, NASH_RUN_GIVEN_UP) > 0.0)
        printf("\nto end in time, the final training gave up %.3g epochs\n",
               number(h, NASH_RUN_GIVEN_UP));
    nash_cost_words(cost, sizeof cost, sum.pflop);
    printf("\n%d candidates trained, %d failed; %s in %s\n", sum.trained,
           sum.failed, cost, cli_time(time, number(h, NASH_RUN_SECONDS)));
    printf("the network: %s/best.onnx\nthe report:  %s/report.html\n", dir,
           dir);
}

static void json_network(const nash_history *h, const char *name,
                         const score_keys *keys, const nash_record *r,
                         int looks)
{
    json_object(name);
    json_real("error", number(h, keys->error));
    json_real("loss", number(h, keys->loss));
    json_real("balanced_error", number(h, keys->balanced_error));
    json_int("params", r->params);
    json_int("macs", looks * r->macs);
    json_int("looks", looks);
    json_end();
}

static void print_json(const nash_history *h, const char *dir)
{
    char path[4200];
    int32_t looks = nash_report_looks(h);
    totals sum = sum_up(h);
    json_object(NULL);
    json_text("run", dir);
    snprintf(path, sizeof path, "%s/best.onnx", dir);
    json_text("best", path);
    snprintf(path, sizeof path, "%s/report.html", dir);
    json_text("report", path);
    json_network(h, "start", &of_start, first_of(h), 1);
    if (looks > 1)
        json_network(h, "result_one_look", &of_one_look, result_of(h), 1);
    json_network(h, "result", &of_result, result_of(h), looks);
    if (nash_history_get(h, NASH_RUN_ENSEMBLE_MODELS))
        json_network(h, "ensemble", &of_ensemble, result_of(h), looks);
    json_int("test_images", (int64_t)number(h, NASH_RUN_TEST_IMAGES));
    json_int("repeated_test_images",
             (int64_t)fmax(number(h, NASH_RUN_TEST_REPEATED), 0));
    json_int("trained", sum.trained);
    json_int("failed", sum.failed);
    json_real("pflop", sum.pflop);
    if (number(h, NASH_RUN_GIVEN_UP) > 0.0)
        json_real("given_up_epochs", number(h, NASH_RUN_GIVEN_UP));
    json_real("seconds", number(h, NASH_RUN_SECONDS));
    json_end();
}

int verdict_print(const char *run_dir, bool json)
{
    nash_history *h = NULL;
    int result = EXIT_OK;
    if (nash_history_load(&h, run_dir) != NASH_OK)
        return cli_fail(NULL);
    if (!first_of(h) || !result_of(h))
        result = cli_error("%s holds no finished candidate", run_dir);
    else if (json)
        print_json(h, run_dir);
    else
        print_text(h, run_dir);
    nash_history_free(h);
    return result;
}
