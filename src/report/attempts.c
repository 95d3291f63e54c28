/* The table of every attempt, with its changes in plain words. */
#include "page.h"

#include "words.h"

#include <nash/text.h>

#include <math.h>
#include <stdio.h>

static void put_candidate(ni_text *t, const nash_record *r)
{
    char label[NI_WORD];
    nash_candidate_label(label, sizeof label, r);
    ni_text_add(t, "<th scope=\"row\" class=\"name\">%s%s</th>", label,
                r->chosen ? " <span class=\"badge\">chosen</span>" : "");
}

static void put_parent(ni_text *t, const nash_history *h, const nash_record *r)
{
    char label[NI_WORD];
    const nash_record *parent =
        nash_history_find(h, r->parent_step, r->parent_child);
    if (!parent) {
        ni_text_put(t, "<td></td>");
        return;
    }
    nash_candidate_label(label, sizeof label, parent);
    ni_text_add(t, "<td><a href=\"#c-%d-%d\">%s</a></td>", parent->step,
                parent->child, label);
}

static void put_changes(ni_text *t, const nash_record *r)
{
    static const char *const unchanged[] = {
        [NASH_CANDIDATE_START] = "the starting network",
        [NASH_CANDIDATE_CHILD] = "nothing",
        [NASH_CANDIDATE_PARENT] = "unmorphed: the parent, trained further",
        [NASH_CANDIDATE_FINAL] = "nothing: the result, trained on all images",
    };
    ni_text_put(t, "<td class=\"changes\">");
    if (r->n_morphs == 0)
        ni_text_add(t, "<span class=\"quiet\">%s</span>", unchanged[r->kind]);
    else
        ni_text_put(t, "<ol>");
    for (int32_t i = 0; i < r->n_morphs; i++) {
        char words[256];
        nash_morph_words(words, sizeof words, r->morphs[i]);
        ni_text_put(t, "<li>");
        ni_text_escape(t, words);
        ni_text_put(t, "</li>");
    }
    ni_text_put(t, r->n_morphs ? "</ol></td>" : "</td>");
}

static void put_scores(ni_text *t, const nash_record *r)
{
    char word[NI_WORD];
    if (!r->done) {
        ni_text_put(t, "<td colspan=\"3\" class=\"quiet\">not finished</td>");
        return;
    }
    if (r->status != NASH_OK) {
        ni_text_put(t, "<td colspan=\"3\" class=\"failed\">failed: ");
        ni_text_escape(t,
                       *r->message ? r->message : nash_status_text(r->status));
        ni_text_put(t, "</td>");
        return;
    }
    ni_text_add(t, "<td class=\"main\">%s</td>",
                ni_percent(word, r->val.error));
    ni_text_add(t, "<td>%s</td>", ni_percent(word, r->val.balanced_error));
    ni_text_add(t, "<td>%s</td>", ni_decimal(word, r->val.loss));
}

static void put_costs(ni_text *t, const nash_record *r)
{
    char word[NI_WORD];
    ni_text_add(t, "<td>%s</td>", ni_count(word, (double)r->params));
    ni_text_add(t, "<td>%s</td>", ni_count(word, (double)r->macs));
    ni_text_add(t, "<td>%d</td>", r->n_epochs);
    nash_cost_words(word, sizeof word, r->pflop);
    ni_text_add(t, "<td>%s</td>", word);
    ni_text_add(t, "<td>%s</td></tr>\n", ni_duration(word, r->seconds));
}

static void put_row(ni_text *t, const nash_history *h, const nash_record *r)
{
    ni_text_add(t, "<tr id=\"c-%d-%d\"%s>", r->step, r->child,
                r->chosen ? " class=\"won\"" : "");
    put_candidate(t, r);
    put_parent(t, h, r);
    put_changes(t, r);
    put_scores(t, r);
    put_costs(t, r);
}

static void put_refusals(ni_text *t, const nash_history *h)
{
    int64_t total = 0;
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        total += h->refused[k];
    ni_text_put(t, "<h3>Refused draws</h3>\n<p>A drawn morphism that is "
                   "impossible at its place, or goes beyond a cap, is drawn "
                   "again. ");
    ni_text_add(t, "%s</p>\n", total ? "So many were:" : "None was refused.");
    if (total == 0)
        return;
    ni_text_put(
        t, "<table class=\"refused\"><thead><tr><th scope=\"col\">Morphism</th>"
           "<th scope=\"col\">Type</th><th scope=\"col\">What it does "
           "(equation)</th><th scope=\"col\">Refused</th></tr>"
           "</thead><tbody>\n");
    for (int k = 0; k < NASH_MORPH_COUNT; k++) {
        nash_morph_kind kind = (nash_morph_kind)k;
        if (h->refused[k] == 0)
            continue;
        ni_text_add(t, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%lld</td>",
                    nash_morph_name(kind), nash_morph_type(kind),
                    nash_morph_text(kind), (long long)h->refused[k]);
        ni_text_put(t, "</tr>\n");
    }
    ni_text_put(t, "</tbody></table>\n");
}

void ni_attempts_put(ni_text *t, const nash_history *history)
{
    ni_text_put(t, "<h2 id=\"attempts\">Every attempt</h2>\n"
                   "<p>Errors and losses are on the validation images. Time is "
                   "the candidate's own; cost is 6 &times; MACs &times; images "
                   "trained on.</p>\n");
    ni_text_put(t, "<div class=\"wide\"><table class=\"attempts\"><thead><tr>"
                   "<th scope=\"col\">Candidate</th><th "
                   "scope=\"col\">Parent</th><th scope=\"col\">Changes</th>"
                   "<th scope=\"col\">Error</th><th "
                   "scope=\"col\">Balanced</th><th scope=\"col\">Loss</th>"
                   "<th scope=\"col\">Parameters</th><th "
                   "scope=\"col\">MACs</th><th scope=\"col\">Epochs</th>"
                   "<th scope=\"col\">Cost</th><th "
                   "scope=\"col\">Time</th></tr></thead><tbody>\n");
    for (int32_t i = 0; i < history->n_records; i++)
        put_row(t, history, &history->records[i]);
    ni_text_put(t, "</tbody></table></div>\n");
    put_refusals(t, history);
}
