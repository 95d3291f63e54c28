/*
 * A run's page: one file, no scripts, nothing loaded from elsewhere; light,
 * dark, and on paper. The headline numbers come from the run's recorded
 * results, the drawings from its history and its best network.
 */
#include "page.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "drawing.h"
#include "words.h"

#include <nash/text.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char page_style[] =
    ":root{color-scheme:light dark;--ink:#1f2937;--quiet:#5f6673;"
    "--ground:#fff;--raised:#f6f7f9;--line:#e3e6ea;--accent:#2563eb;"
    "--won:#edf3ff;--bad:#b42318;--train:#2563eb;--val:#d97706;"
    "--val-ink:#b45309;--right:37 99 235;--wrong:217 119 6;--deepest:90%}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--quiet:#9aa4b2;"
    "--ground:#14171c;--raised:#1b1f26;--line:#2c323c;--accent:#6ea0ff;"
    "--won:#182440;--bad:#f2938f;--train:#6ea0ff;--val:#f0a648;"
    "--val-ink:#f0a648;--deepest:63%}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:32px 24px 64px;max-width:1140px;"
    "background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,"
    "-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
    "h1{font-size:28px;line-height:1.2;margin:0 0 4px}"
    "h2{font-size:20px;margin:44px 0 8px;padding-top:14px;"
    "border-top:1px solid var(--line)}"
    "h3{font-size:15px;margin:22px 0 6px}"
    "p{margin:0 0 12px;max-width:100ch}"
    "a{color:var(--accent)}"
    ".quiet,.lead,nav{color:var(--quiet)}"
    "nav{margin:14px 0 0;font-size:14px}nav a{margin-right:16px}"
    ".tiles{display:grid;gap:12px;margin:24px 0 0;"
    "grid-template-columns:repeat(auto-fit,minmax(200px,1fr))}"
    ".tile{background:var(--raised);border:1px solid var(--line);"
    "border-radius:10px;padding:12px 16px}"
    ".tile .what{font-size:13px;color:var(--quiet)}"
    ".tile .value{font-size:24px;font-weight:650;line-height:1.3}"
    ".tile .from{font-size:13px;color:var(--quiet)}"
    "svg.n{display:block;max-width:100%;height:auto}"
    ".graph{overflow-x:auto}.graph svg.n{margin:0 auto}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:13px;"
    "font-variant-numeric:tabular-nums}"
    "th,td{text-align:left;vertical-align:top;padding:6px 10px;"
    "border-bottom:1px solid var(--line)}"
    "thead th{color:var(--quiet);font-weight:600;white-space:nowrap}"
    ".attempts{width:100%}.attempts .changes{width:99%}"
    ".attempts td:nth-child(n+4),.attempts th:nth-child(n+4),"
    ".refused td:last-child,.refused th:last-child{text-align:right;"
    "white-space:nowrap}"
    ".attempts td,.attempts th{padding:6px 8px}"
    ".attempts td.failed,.attempts td[colspan]{text-align:left;"
    "white-space:normal}"
    ".attempts .name{white-space:nowrap;font-weight:600}"
    ".attempts td:nth-child(2){white-space:nowrap}"
    ".attempts .main{font-weight:600}"
    ".attempts ol{margin:0;padding-left:18px}"
    ".attempts tr.won{background:var(--won)}"
    ".attempts tr:target{outline:2px solid var(--accent);"
    "outline-offset:-2px}"
    ".badge{font-size:11px;font-weight:600;color:var(--accent);"
    "border:1px solid var(--accent);border-radius:9px;padding:0 6px;"
    "margin-left:4px}"
    ".failed{color:var(--bad)}"
    ".key .train{color:var(--train);font-weight:600}"
    ".key .val{color:var(--val-ink);font-weight:600}"
    ".bars th{font-weight:400}.bars td,.bars th{border:0;padding:2px 10px 2px "
    "0}.bars td{text-align:right}.bars .bar{width:420px;text-align:left}"
    ".bar span{display:block;height:12px;margin-top:4px;border-radius:3px;"
    "background:var(--val)}"
    ".matrix td{text-align:right;padding:3px 7px;min-width:40px;"
    "background:rgb(var(--wrong)/min(var(--shade),var(--deepest)))}"
    ".matrix td.right{background:rgb(var(--right)/var(--shade))}"
    ".matrix th{font-weight:400;padding:3px 8px;white-space:nowrap}"
    ".matrix thead th{vertical-align:bottom;text-align:right;"
    "font-weight:400}"
    ".matrix thead span{writing-mode:vertical-rl;transform:rotate(180deg)}"
    ".settings{columns:3 260px;column-gap:32px;font-size:13px;margin:0;"
    "padding:0;list-style:none}"
    ".settings li{display:flex;gap:12px;justify-content:space-between;"
    "break-inside:avoid;border-bottom:1px solid var(--line);padding:3px 0}"
    ".settings b{font-weight:400;color:var(--quiet)}"
    ".settings span{text-align:right;overflow-wrap:anywhere}"
    "@media print{:root{--raised:#fff}body{max-width:none;padding:0;"
    "font-size:12px}nav{display:none}h2,h3{break-after:avoid}"
    "tr,.tile{break-inside:avoid}.wide,.graph{overflow:"
    "visible}svg.n{min-width:0!important}"
    "table{font-size:10px}.attempts td,.attempts th{padding:3px 5px}"
    ".badge{font-size:8px}*{print-color-adjust:exact}}";

/* ---- headline numbers --------------------------------------------------- */

static const nash_record *find_kind(const nash_history *h,
                                    nash_candidate_kind kind)
{
    for (int32_t i = 0; i < h->n_records; i++)
        if (h->records[i].kind == kind)
            return &h->records[i];
    return NULL;
}

/* The last winner, or the last one judged on validation images. */
static const nash_record *last_winner(const nash_history *h, bool judged)
{
    for (int32_t i = h->n_records - 1; i >= 0; i--)
        if (h->records[i].chosen &&
            (!judged || isfinite(h->records[i].val.error)))
            return &h->records[i];
    return NULL;
}

static double result(const nash_history *h, const char *key)
{
    const char *text = nash_history_get(h, key);
    return text ? strtod(text, NULL) : (double)NAN;
}

/* Runs of before NASH_RUN_LOOKS was recorded looked at mirror images only. */
int32_t nash_report_looks(const nash_history *history)
{
    double looks = result(history, NASH_RUN_LOOKS);
    if (looks >= 1.0 && looks <= NASH_MAX_LOOKS)
        return (int32_t)looks;
    return isfinite(result(history, NASH_RUN_ONCE_TEST_ERROR)) ? 2 : 1;
}

static void put_tile(ni_text *t, const char *what, const char *value,
                     const char *from)
{
    ni_text_add(t, "<div class=\"tile\"><div class=\"what\">%s</div>", what);
    ni_text_put(t, "<div class=\"value\">");
    ni_text_escape(t, value);
    ni_text_put(t, "</div><div class=\"from\">");
    ni_text_escape(t, from);
    ni_text_put(t, "</div></div>\n");
}

static void put_error_tiles(ni_text *t, const nash_history *h)
{
    char value[NI_WORD], from[3 * NI_WORD], word[NI_WORD];
    const nash_record *start = find_kind(h, NASH_CANDIDATE_START);
    const nash_record *winner = last_winner(h, true);
    double once = result(h, NASH_RUN_ONCE_TEST_ERROR);
    double tested = result(h, NASH_RUN_TEST_ERROR);
    snprintf(from, sizeof from, "%s",
             isfinite(tested) ? "read once, at the end" : "not measured yet");
    if (isfinite(result(h, NASH_RUN_START_TEST_ERROR)))
        snprintf(from, sizeof from, "start: %s",
                 ni_percent(word, result(h, NASH_RUN_START_TEST_ERROR)));
    if (isfinite(once))
        snprintf(from + strlen(from), sizeof from - strlen(from),
                 "; of one look: %s", ni_percent(word, once));
    put_tile(t, "Test error", ni_percent(value, tested), from);
    put_tile(t, "Balanced test error",
             ni_percent(value, result(h, NASH_RUN_TEST_BALANCED_ERROR)),
             "mean over classes");
    double ensemble = result(h, NASH_RUN_ENSEMBLE_TEST_ERROR);
    if (isfinite(ensemble))
        put_tile(t, "Test error of the ensemble", ni_percent(value, ensemble),
                 "of the final training's snapshots");
    if (winner) {
        snprintf(from, sizeof from, "of the starting network");
        if (winner != start)
            snprintf(from, sizeof from, "of the last winner; start: %s",
                     ni_percent(word, start ? start->val.error : (double)NAN));
        put_tile(t, "Validation error", ni_percent(value, winner->val.error),
                 from);
    }
}

static void put_size_tiles(ni_text *t, const nash_history *h)
{
    char value[NI_WORD], from[2 * NI_WORD], word[NI_WORD];
    const nash_record *start = find_kind(h, NASH_CANDIDATE_START);
    const nash_record *winner = last_winner(h, false);
    if (!start || !winner)
        return;
    snprintf(from, sizeof from, "start: %s",
             ni_count(word, (double)start->params));
    put_tile(t, "Parameters", ni_count(value, (double)winner->params), from);
    int32_t looks = nash_report_looks(h);
    snprintf(from, sizeof from, "per image");
    if (looks > 1)
        snprintf(from, sizeof from, "per look, of %d an image", looks);
    snprintf(from + strlen(from), sizeof from - strlen(from), "; start: %s",
             ni_count(word, (double)start->macs));
    put_tile(t, "Multiply-accumulates", ni_count(value, (double)winner->macs),
             from);
}

/* What the seed fixes; nothing is said of runs of before the unit was recorded.
 */
static const char *seed_words(const nash_history *h)
{
    const char *budget = nash_history_get(h, NASH_RUN_BUDGET);
    const char *unit = nash_history_get(h, NASH_RUN_BUDGET_UNIT);
    if (budget && *budget && !unit)
        return "";
    return unit && strcmp(unit, "seconds") == 0
               ? "decisions depended on the machine's speed: no two runs need "
                 "be the same"
               : "same seed and settings, same run";
}

static void put_effort_tiles(ni_text *t, const nash_history *h)
{
    char value[NI_WORD], from[2 * NI_WORD], word[NI_WORD];
    double pflop = 0, seconds = 0;
    int32_t failed = 0, epochs = 0;
    for (int32_t i = 0; i < h->n_records; i++) {
        const nash_record *r = &h->records[i];
        pflop += r->pflop;
        seconds += r->seconds;
        epochs += r->n_epochs;
        failed += r->done && r->status != NASH_OK;
    }
    snprintf(value, sizeof value, "%d", h->n_records);
    snprintf(from, sizeof from, "%d epochs, %d failed", epochs, failed);
    put_tile(t, "Candidates", value, from);
    snprintf(from, sizeof from, "sum over candidates: %s",
             ni_duration(word, seconds));
    put_tile(t, "Wall clock", ni_duration(value, result(h, NASH_RUN_SECONDS)),
             from);
    nash_cost_words(value, sizeof value, pflop);
    put_tile(t, "Training cost", value,
             "all candidates; a PFLOP is 10\u00b9\u2075 operations");
    const char *seed = nash_history_get(h, NASH_RUN_SEED);
    if (seed)
        put_tile(t, "Seed", seed, seed_words(h));
}

static bool is_random(const nash_history *h)
{
    const char *strategy = nash_history_get(h, NASH_RUN_STRATEGY);
    return strategy && strcmp(strategy, "random") == 0;
}

/* [classes] whether there is a section about them. */
static void put_head(ni_text *t, const nash_history *h, bool classes)
{
    const char *data = nash_history_get(h, NASH_RUN_DATASET);
    if (!data)
        data = nash_history_get(h, NASH_RUN_DATA);
    ni_text_put(t, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                   "<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, "
                   "initial-scale=1\">\n<title>nash: ");
    ni_text_escape(t, data ? data : "a search");
    ni_text_put(t, "</title>\n<style>");
    ni_text_put(t, page_style);
    ni_text_put(t, ni_drawing_style);
    ni_text_put(t, "</style>\n</head>\n<body>\n<header>\n<h1>");
    ni_text_escape(t, data ? data : "A search");
    ni_text_add(t, "</h1>\n<p class=\"lead\">%s, by nash.</p>\n</header>\n",
                is_random(h) ? "A network by random network morphisms, the "
                               "baseline of architecture search"
                             : "Architecture search by network morphisms and "
                               "hill climbing");
    ni_text_put(t, "<div class=\"tiles\">\n");
    put_error_tiles(t, h);
    put_size_tiles(t, h);
    put_effort_tiles(t, h);
    ni_text_put(t, "</div>\n<nav><a href=\"#lineage\">Lineage</a>"
                   "<a href=\"#curves\">Learning curves</a>"
                   "<a href=\"#attempts\">Every attempt</a>"
                   "<a href=\"#network\">The network</a>");
    if (classes)
        ni_text_put(t, "<a href=\"#classes\">Class by class</a>");
    ni_text_put(t, "<a href=\"#settings\">Settings</a></nav>\n");
}

/* ---- sections ----------------------------------------------------------- */

/* [tie] is a share, or NULL. */
static void put_tie(ni_text *t, const char *tie)
{
    double percent = tie ? 100.0 * strtod(tie, NULL) : 0.0;
    if (percent > 0.0)
        ni_text_add(t, ", or rather the largest of those within %g %% of it",
                    percent);
}

static void put_selection(ni_text *t, const nash_history *h)
{
    const char *criterion = nash_history_get(h, NASH_RUN_CRITERION);
    ni_text_put(t, "Every candidate below its parent, with its error and loss "
                   "on the validation images. The one with the least ");
    ni_text_escape(t, criterion ? criterion : "loss");
    ni_text_put(t, " of its step goes on (\u2713)");
    put_tie(t, nash_history_get(h, NASH_RUN_TIE));
}

static nash_status put_lineage(ni_text *t, const nash_history *h)
{
    ni_text_put(t, "<h2 id=\"lineage\">Lineage</h2>\n");
    if (h->n_records == 0) {
        ni_text_put(t, "<p>No candidate has been recorded.</p>\n");
        return NASH_OK;
    }
    ni_text_put(t, "<p>");
    if (is_random(h))
        ni_text_put(t, "The starting network, and below it what random network "
                       "morphisms made of it; nothing was chosen");
    else
        put_selection(t, h);
    ni_text_put(t, ". Each leads to its row in the "
                   "table.</p>\n<div class=\"graph\">");
    nash_status status = ni_lineage_draw(t, h, false);
    ni_text_put(t, "</div>\n");
    return status;
}

static nash_status put_network(ni_text *t, const nash_model *best)
{
    char params[NI_WORD], macs[NI_WORD];
    ni_text_put(t, "<h2 id=\"network\">The resulting network</h2>\n");
    if (!best) {
        ni_text_put(t, "<p>There is no result yet.</p>\n");
        return NASH_OK;
    }
    const nash_graph *g = nash_model_graph(best);
    int32_t n = nash_looks_count(nash_model_looks(best));
    char looks[80] = "image";
    if (n > 1)
        snprintf(looks, sizeof looks,
                 "look at an image, of which it averages over %d", n);
    ni_text_add(t,
                "<p>%d layers, %s parameters, %s multiply-accumulates per "
                "%s. Names are those that the morphisms above speak of; "
                "sizes are channels &times; height &times; width.</p>\n"
                "<div class=\"graph\">",
                nash_graph_size(g),
                ni_count(params, (double)nash_graph_params(g)),
                ni_count(macs, (double)nash_graph_macs(g)), looks);
    nash_status status = ni_graph_draw(t, g, false);
    if (status == NASH_ELIMIT) {
        ni_text_put(t, "The network is too large to draw.");
        status = NASH_OK;
    }
    ni_text_put(t, "</div>\n");
    return status;
}

static bool is_bulky(const char *key)
{
    return strcmp(key, NASH_RUN_CLASSES) == 0 ||
           strcmp(key, NASH_RUN_CLASS_ERRORS) == 0 ||
           strcmp(key, NASH_RUN_CLASS_IMAGES) == 0 ||
           strcmp(key, NASH_RUN_CONFUSION) == 0 ||
           strcmp(key, NASH_RUN_CONFUSIONS) == 0;
}

static void put_settings(ni_text *t, const nash_history *h)
{
    ni_text_put(t, "<h2 id=\"settings\">Settings and results as recorded</h2>\n"
                   "<ul class=\"settings\">\n");
    for (int32_t i = 0; i < h->n_settings; i++) {
        if (is_bulky(h->keys[i]) || !*h->values[i])
            continue;
        ni_text_put(t, "<li><b>");
        ni_text_escape(t, h->keys[i]);
        ni_text_put(t, "</b><span>");
        ni_text_escape(t, h->values[i]);
        ni_text_put(t, "</span></li>\n");
    }
    ni_text_put(t, "</ul>\n");
}

nash_status nash_report_write(const char *path, const nash_history *history,
                              const nash_model *best)
{
    nash_status status = NASH_OK;
    ni_text text = {0};
    char *page = NULL;
    bool classes;
    TRY(ni_classes_are_known(&classes, history));
    put_head(&text, history, classes);
    TRY(put_lineage(&text, history));
    ni_curves_put(&text, history);
    ni_attempts_put(&text, history);
    TRY(put_network(&text, best));
    TRY(ni_classes_put(&text, history));
    put_settings(&text, history);
    ni_text_put(&text, "</body>\n</html>\n");
    int64_t size = text.size;
    NEW_FROM(page, ni_text_take(&text));
    TRY(ni_file_write_atomic(path, page, (size_t)size));
done:
    ni_free(text.data);
    ni_free(page);
    return status;
}
