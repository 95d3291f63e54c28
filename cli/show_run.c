/* A run in text and JSON: every attempt, from its lineage to its scores. */
#include "show.h"

#include "cli.h"
#include "json.h"
#include "run.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- state -------------------------------------------------------------- */

static const char *state_of(const nash_history *h, const char *name)
{
    if (nash_history_get(h, NASH_RUN_FINISHED))
        return "finished";
    if (nash_store_is_open(name))
        return "running";
    return run_has_begun(h) ? "stopped" : "not begun";
}

static void print_place(const nash_history *h)
{
    const nash_record *last =
        h->n_records ? &h->records[h->n_records - 1] : NULL;
    if (!last)
        printf(" at its beginning");
    else if (last->kind == NASH_CANDIDATE_START)
        printf(" at the starting network");
    else if (last->kind == NASH_CANDIDATE_FINAL)
        printf(" in the final training");
    else
        printf(" in step %d", last->step);
}

/* "leaves, preset fast, budget 45min, seed 0: finished" */
static void print_state(const nash_history *h, const char *name)
{
    static const char *const parts[][2] = {{NASH_RUN_DATASET, ""},
                                           {NASH_RUN_PRESET, "preset "},
                                           {NASH_RUN_BUDGET, "budget "},
                                           {NASH_RUN_SEED, "seed "}};
    const char *state = state_of(h, name), *comma = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *value = nash_history_get(h, parts[i][0]);
        if (!value || !*value)
            continue;
        printf("%s%s", comma, parts[i][1]);
        cli_print(value, SIZE_MAX);
        comma = ", ";
    }
    printf("%s%s", *comma ? ": " : "", state);
    if (strcmp(state, "stopped") == 0) {
        print_place(h);
        printf("; 'nash resume %s' goes on", name);
    }
    printf("\n\n");
}

/* ---- text --------------------------------------------------------------- */

static void put_percent(table *t, double share)
{
    if (isfinite(share))
        table_cell(t, "%.2f %%", 100.0 * share);
    else
        table_cell(t, "-");
}

static const char *fate(const nash_record *r)
{
    if (!r->done)
        return "not finished";
    if (r->status != NASH_OK)
        return "failed";
    return r->chosen ? "chosen" : "";
}

static void put_attempt(table *t, const nash_history *h, const nash_record *r)
{
    char text[64];
    const nash_record *parent =
        nash_history_find(h, r->parent_step, r->parent_child);
    nash_candidate_label(text, sizeof text, r);
    table_cell(t, "%s", text);
    if (parent)
        nash_candidate_label(text, sizeof text, parent);
    table_cell(t, "%s", parent ? text : "");
    table_cell(t, "%s",
               r->kind == NASH_CANDIDATE_PARENT ? "unmorphed"
               : r->n_morphs                    ? "morphed"
                                                : "");
    put_percent(t, r->val.error);
    put_percent(t, r->val.balanced_error);
    if (isfinite(r->val.loss))
        table_cell(t, "%.4f", r->val.loss);
    else
        table_cell(t, "-");
    table_cell(t, "%s", cli_count(text, (double)r->params));
    table_cell(t, "%s", cli_count(text, (double)r->macs));
    table_cell(t, "%d", r->n_epochs);
    if (r->done) {
        nash_cost_words(text, sizeof text, r->pflop);
        table_cell(t, "%s", text);
        table_cell(t, "%s", cli_time(text, r->seconds));
    } else {
        table_cell(t, "-");
        table_cell(t, "-");
    }
    table_cell(t, "%s", fate(r));
}

static void print_attempts(const nash_history *h)
{
    static const char *const columns[] = {
        "candidate",   "parent", "",        ">error", ">balanced", ">loss",
        ">parameters", ">MACs",  ">epochs", ">cost",  ">time",     "",
        NULL};
    table *t = table_new(columns);
    for (int32_t i = 0; i < h->n_records; i++)
        put_attempt(t, h, &h->records[i]);
    printf("Every attempt, judged on the validation images:\n");
    table_print(t);
}

static void print_changes(const nash_history *h)
{
    static const char *const columns[] = {"candidate", "change",
                                          "as 'nash morph' takes it", NULL};
    bool any = false;
    for (int32_t i = 0; i < h->n_records; i++)
        any = any || h->records[i].n_morphs > 0;
    if (!any)
        return;
    table *t = table_new(columns);
    for (int32_t i = 0; i < h->n_records; i++) {
        const nash_record *r = &h->records[i];
        for (int32_t k = 0; k < r->n_morphs; k++) {
            char text[256];
            nash_candidate_label(text, sizeof text, r);
            table_cell(t, "%s", k ? "" : text);
            nash_morph_words(text, sizeof text, r->morphs[k]);
            table_cell(t, "%s", text);
            table_cell(t, "%s", r->morphs[k]);
        }
    }
    printf("\nWhat was changed:\n");
    table_print(t);
}

static void print_failures(const nash_history *h)
{
    bool any = false;
    for (int32_t i = 0; i < h->n_records; i++) {
        const nash_record *r = &h->records[i];
        char label[64];
        if (!r->done || r->status == NASH_OK)
            continue;
        nash_candidate_label(label, sizeof label, r);
        printf("%s%s: ", any ? "" : "\nFailures:\n", label);
        cli_print(*r->message ? r->message : nash_status_text(r->status),
                  SIZE_MAX);
        putchar('\n');
        any = true;
    }
}

static void print_refusals(const nash_history *h)
{
    bool any = false;
    for (int k = 0; k < NASH_MORPH_COUNT; k++) {
        if (h->refused[k] == 0)
            continue;
        printf("%s%s %lld", any ? ", " : "\nDraws refused: ",
               nash_morph_name((nash_morph_kind)k), (long long)h->refused[k]);
        any = true;
    }
    if (any)
        putchar('\n');
}

static void print_results(const nash_history *h)
{
    static const char *const results[][2] = {
        {NASH_RUN_START_TEST_ERROR, "Test error of the starting network"},
        {NASH_RUN_ONCE_TEST_ERROR, "Test error of the result, of one look"},
        {NASH_RUN_TEST_ERROR, "Test error of the result"},
        {NASH_RUN_TEST_BALANCED_ERROR, "Balanced test error of the result"},
        {NASH_RUN_ENSEMBLE_TEST_ERROR,
         "Test error of the ensemble of snapshots"},
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        const char *text = nash_history_get(h, results[i][0]);
        if (text)
            printf("%s%s: %.2f %%\n", i ? "" : "\n", results[i][1],
                   100.0 * strtod(text, NULL));
    }
    const char *loss = nash_history_get(h, NASH_RUN_TEST_LOSS);
    if (loss)
        printf("Test loss of the result: %.4f\n", strtod(loss, NULL));
}

static void print_text(const nash_history *h, const char *name)
{
    print_state(h, name);
    print_attempts(h);
    print_changes(h);
    print_failures(h);
    print_refusals(h);
    print_results(h);
}

/* ---- JSON --------------------------------------------------------------- */

static void json_score(const nash_score *score)
{
    json_object("validation");
    json_real("error", score->error);
    json_real("balanced_error", score->balanced_error);
    json_real("loss", score->loss);
    json_int("images", score->images);
    json_end();
}

static void json_epoch(const nash_epoch *epoch)
{
    json_object(NULL);
    json_int("epoch", epoch->epoch);
    json_real("lr", epoch->lr);
    json_real("train_loss", epoch->train_loss);
    json_real("train_error", epoch->train_error);
    json_real("val_loss", epoch->val_loss);
    json_real("val_error", epoch->val_error);
    json_real("val_balanced_error", epoch->val_balanced_error);
    json_real("seconds", epoch->seconds);
    json_end();
}

static void json_parent(const nash_record *r)
{
    if (r->parent_step < 0) {
        json_text("parent", NULL);
        return;
    }
    json_object("parent");
    json_int("step", r->parent_step);
    json_int("child", r->parent_child);
    json_end();
}

static void json_candidate(const nash_record *r)
{
    json_object(NULL);
    json_int("step", r->step);
    json_int("child", r->child);
    json_text("kind", nash_candidate_kind_name(r->kind));
    json_parent(r);
    json_array("morphs");
    for (int32_t i = 0; i < r->n_morphs; i++)
        json_text(NULL, r->morphs[i]);
    json_end();
    json_bool("done", r->done);
    json_bool("chosen", r->chosen);
    json_text("status", r->done ? nash_status_name(r->status) : NULL);
    json_text("message", r->message);
    json_int("params", r->params);
    json_int("macs", r->macs);
    json_hex("graph_hash", r->graph_hash);
    json_score(&r->val);
    json_real("seconds", r->seconds);
    json_real("pflop", r->pflop);
    json_array("epochs");
    for (int32_t i = 0; i < r->n_epochs; i++)
        json_epoch(&r->epochs[i]);
    json_end();
    json_end();
}

static void print_json(const nash_history *h, const char *name)
{
    json_object(NULL);
    json_text("run", name);
    json_text("state", state_of(h, name));
    json_object("settings");
    for (int32_t i = 0; i < h->n_settings; i++)
        json_text(h->keys[i], h->values[i]);
    json_end();
    json_object("refused");
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        json_int(nash_morph_name((nash_morph_kind)k), h->refused[k]);
    json_end();
    json_array("candidates");
    for (int32_t i = 0; i < h->n_records; i++)
        json_candidate(&h->records[i]);
    json_end();
    json_end();
}

void show_run(const nash_history *history, const char *name, bool json)
{
    if (json)
        print_json(history, name);
    else
        print_text(history, name);
}
