/*
 * The lineage as SVG: a row of candidates per step, from top to bottom, each
 * tied to its parent; the winning way is drawn bold. Long rows are wrapped, and
 * ties that pass rows by run in a rail at the left.
 */
#include "drawing.h"

#include "base/error.h"
#include "base/memory.h"
#include "words.h"

#include <math.h>
#include <stdlib.h>

enum {
    ROW_BOXES = 10,
    BOX_WIDTH = 116,
    BOX_HEIGHT = 58,
    BOX_PITCH = 126,
    ROW_PITCH = 98,
    LABELS = 76, /* the column with the steps' names, and the rail */
    RAIL = 66,
    MARGIN = 12
};

/* Where a candidate stands. */
typedef struct spot {
    int32_t row, x, y;
} spot;

/* How many records, from i on, belong to one step. */
static int32_t count_step(const nash_history *h, int32_t i)
{
    int32_t n = 0;
    while (i + n < h->n_records && h->records[i + n].step == h->records[i].step)
        n++;
    return n;
}

/* Boxes in the row that begins with the k-th of a step's n. */
static int32_t count_row(int32_t n, int32_t k)
{
    return n - k < ROW_BOXES ? n - k : ROW_BOXES;
}

/* Place all candidates, rows centred. @return the number of rows */
static int32_t place(spot *spots, int32_t *widest, const nash_history *h)
{
    int32_t row = 0;
    *widest = 1;
    for (int32_t i = 0, n = 0; i < h->n_records; i += n) {
        n = count_step(h, i);
        *widest = count_row(n, 0) > *widest ? count_row(n, 0) : *widest;
    }
    for (int32_t i = 0, n = 0; i < h->n_records; i += n) {
        n = count_step(h, i);
        for (int32_t k = 0; k < n; k++) {
            int32_t column = k % ROW_BOXES;
            int32_t spare = *widest - count_row(n, k - column);
            spots[i + k] =
                (spot){.row = row,
                       .x = LABELS + column * BOX_PITCH + spare * BOX_PITCH / 2,
                       .y = MARGIN + row * ROW_PITCH};
            row += column == ROW_BOXES - 1 || k == n - 1;
        }
    }
    return row;
}

/* ---- boxes -------------------------------------------------------------- */

static const char *box_class(const nash_record *r)
{
    if (!r->done)
        return "n-waiting";
    if (r->status != NASH_OK)
        return "n-failed";
    return r->chosen ? "n-won" : "n-plain";
}

static void put_score(ni_text *t, const nash_history *h, const nash_record *r)
{
    char word[NI_WORD];
    const char *tested = nash_history_get(h, NASH_RUN_TEST_ERROR);
    if (!r->done)
        ni_text_put(t, "not finished");
    else if (r->status != NASH_OK)
        ni_text_put(t, "failed");
    else if (isfinite(r->val.error))
        ni_text_put(t, ni_percent(word, r->val.error));
    else if (r->kind == NASH_CANDIDATE_FINAL && tested)
        ni_text_add(t, "test %s", ni_percent(word, strtod(tested, NULL)));
    else
        ni_text_put(t, "trained");
}

static void put_loss_and_size(ni_text *t, const nash_record *r)
{
    char word[NI_WORD];
    if (isfinite(r->val.loss))
        ni_text_add(t, "loss %s \u00b7 ", ni_decimal(word, r->val.loss));
    ni_text_add(t, "%s%s", ni_count(word, (double)r->params),
                isfinite(r->val.loss) ? "" : " parameters");
}

static void draw_box(ni_text *t, const nash_history *h, const nash_record *r,
                     spot at, bool alone)
{
    char label[NI_WORD];
    nash_candidate_label(label, sizeof label, r);
    if (!alone)
        ni_text_add(t, "<a href=\"#c-%d-%d\">", r->step, r->child);
    ni_text_add(t,
                "<g class=\"%s\"><rect x=\"%d\" y=\"%d\" width=\"%d\" "
                "height=\"%d\" rx=\"6\"/>",
                box_class(r), at.x, at.y, BOX_WIDTH, BOX_HEIGHT);
    ni_text_add(t, "<text x=\"%d\" y=\"%d\" class=\"n-small\">%s%s</text>",
                at.x + 9, at.y + 16, label,
                r->kind == NASH_CANDIDATE_PARENT ? " unmorphed" : "");
    if (r->chosen &&
        r->kind != NASH_CANDIDATE_FINAL) /* "test 5.99 %" is long */
        ni_text_add(t,
                    "<text x=\"%d\" y=\"%d\" class=\"n-small n-end\">"
                    "<title>chosen</title>\u2713</text>",
                    at.x + BOX_WIDTH - 9, at.y + 34);
    ni_text_add(t, "<text x=\"%d\" y=\"%d\" class=\"n-score\">", at.x + 9,
                at.y + 34);
    put_score(t, h, r);
    ni_text_add(t, "</text><text x=\"%d\" y=\"%d\" class=\"n-small\">",
                at.x + 9, at.y + 49);
    put_loss_and_size(t, r);
    ni_text_put(t, "</text></g>");
    ni_text_put(t, alone ? "\n" : "</a>\n");
}

static void put_step_label(ni_text *t, const nash_record *r, spot at)
{
    ni_text_add(t, "<text x=\"%d\" y=\"%d\" class=\"n-small\">", MARGIN,
                at.y + BOX_HEIGHT / 2 + 4);
    if (r->kind == NASH_CANDIDATE_START || r->kind == NASH_CANDIDATE_FINAL)
        ni_text_put(t, r->kind == NASH_CANDIDATE_START ? "start" : "final");
    else
        ni_text_add(t, "step %d", r->step);
    ni_text_put(t, "</text>\n");
}

/* ---- ties --------------------------------------------------------------- */

static void draw_tie(ni_text *t, spot from, spot to, bool won)
{
    int32_t x = from.x + BOX_WIDTH / 2, target = to.x + BOX_WIDTH / 2;
    bool next = to.row == from.row + 1;
    int32_t gap = ROW_PITCH - BOX_HEIGHT;
    ni_text_add(t, "<path class=\"n-branch%s\" d=\"M%d,%dV%d",
                won ? " n-won" : "", x, from.y + BOX_HEIGHT,
                from.y + BOX_HEIGHT + (next ? gap / 2 : gap / 4));
    if (!next)
        ni_text_add(t, "H%dV%d", RAIL, to.y - gap / 4);
    ni_text_add(t, "H%dV%d\"/>\n", target, to.y);
}

static void draw_ties(ni_text *t, const nash_history *h, const spot *spots,
                      bool won)
{
    for (int32_t i = 0; i < h->n_records; i++) {
        const nash_record *r = &h->records[i];
        const nash_record *parent =
            nash_history_find(h, r->parent_step, r->parent_child);
        if (!parent || r->chosen != won)
            continue;
        const spot *from = &spots[parent - h->records];
        if (from->row < spots[i].row)
            draw_tie(t, *from, spots[i], won);
    }
}

nash_status ni_lineage_draw(ni_text *t, const nash_history *h, bool alone)
{
    nash_status status = NASH_OK;
    spot *spots = NULL;
    int32_t widest, gap = ROW_PITCH - BOX_HEIGHT;
    NEW_ARRAY(spots, h->n_records);
    int32_t rows = place(spots, &widest, h);
    ni_svg_open(t, LABELS + widest * BOX_PITCH + MARGIN,
                2 * MARGIN + (rows ? rows * ROW_PITCH - gap : 0),
                "Lineage: every candidate below its parent", alone, !alone);
    draw_ties(t, h, spots, false);
    draw_ties(t, h, spots, true);
    for (int32_t i = 0; i < h->n_records; i++) {
        const nash_record *r = &h->records[i];
        if (i == 0 || h->records[i - 1].step != r->step)
            put_step_label(t, r, spots[i]);
        draw_box(t, h, r, spots[i], alone);
    }
    ni_text_put(t, "</svg>\n");
done:
    ni_free(spots);
    return status;
}
