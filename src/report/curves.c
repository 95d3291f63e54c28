/*
 * Learning curves: error and learning rate over the epochs of the winning
 * lineage; what lost is drawn faintly beside its step's winner. The error axis
 * is logarithmic, because the end of a search is what matters.
 */
#include "drawing.h"
#include "page.h"
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 1080.0
#define LEFT 58.0
#define RIGHT 14.0
#define TOP 26.0

typedef double (*measure)(const nash_epoch *epoch);

typedef struct chart {
    ni_text *t;
    const nash_history *h;
    double height;      /* of the plot */
    double least, most; /* of the axis */
    bool logarithmic;
    int32_t epochs; /* length of the horizontal axis */
} chart;

static double train_error(const nash_epoch *epoch)
{
    return epoch->train_error;
}

static double val_error(const nash_epoch *epoch)
{
    return epoch->val_error;
}

static double train_loss(const nash_epoch *epoch)
{
    return epoch->train_loss;
}

static double val_loss(const nash_epoch *epoch)
{
    return epoch->val_loss;
}

static double rate(const nash_epoch *epoch)
{
    return epoch->lr;
}

/* ---- axes --------------------------------------------------------------- */

/* While a candidate trains, not all of its epochs may be recorded. */
static int32_t epochs_of(const nash_record *r)
{
    return r->n_epochs > 0 ? r->epochs[r->n_epochs - 1].epoch + 1 : 0;
}

/* Epochs trained before a candidate's own, by all its ancestors. */
static int32_t epochs_before(const nash_history *h, const nash_record *r)
{
    int32_t before = 0;
    for (int32_t depth = 0; depth < h->n_records; depth++) {
        r = nash_history_find(h, r->parent_step, r->parent_child);
        if (!r)
            break;
        before += epochs_of(r);
    }
    return before;
}

static double place_x(const chart *c, double epoch)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * epoch / c->epochs;
}

static double place_y(const chart *c, double value)
{
    double share = (value - c->least) / (c->most - c->least);
    if (c->logarithmic)
        share = log(fmax(value, c->least) / c->least) / log(c->most / c->least);
    return TOP + c->height * (1 - fmin(fmax(share, 0), 1));
}

/* What is next to nothing counts as 0: its decade may be too small for a
 * double.
 */
static void widen_range(chart *c, measure of)
{
    static const double tiny = 1e-300;
    for (int32_t i = 0; i < c->h->n_records; i++) {
        const nash_record *r = &c->h->records[i];
        for (int32_t e = 0; e < r->n_epochs; e++) {
            double value = of(&r->epochs[e]);
            if (!isfinite(value) || value < tiny)
                continue;
            c->least = fmin(c->least, value);
            c->most = fmax(c->most, value);
        }
    }
}

/* The largest of 1, 2, 5 times a power of ten up to @p value. */
static double round_down(double value)
{
    double decade = pow(10, floor(log10(value) + 1e-9));
    double digit = value / decade;
    return decade * (digit >= 4.999 ? 5 : digit >= 1.999 ? 2 : 1);
}

static double next_tick(double tick)
{
    double digit = tick / pow(10, floor(log10(tick) + 1e-9));
    return digit > 1.5 && digit < 3 ? tick * 2.5 : tick * 2;
}

/* The first tick from @p tick on that is not below @p value. */
static double round_up(double value, double tick)
{
    while (tick < value)
        tick = next_tick(tick);
    return tick;
}

static void put_line(const chart *c, const char *class, double x0, double y0,
                     double x1, double y1)
{
    ni_text_add(c->t, "<path class=\"%s\" d=\"M", class);
    ni_text_coordinate(c->t, x0);
    ni_text_put(c->t, ",");
    ni_text_coordinate(c->t, y0);
    ni_text_put(c->t, "L");
    ni_text_coordinate(c->t, x1);
    ni_text_put(c->t, ",");
    ni_text_coordinate(c->t, y1);
    ni_text_put(c->t, "\"/>");
}

static void put_label(const chart *c, const char *class, double x, double y,
                      const char *text)
{
    ni_text_put(c->t, "<text x=\"");
    ni_text_coordinate(c->t, x);
    ni_text_put(c->t, "\" y=\"");
    ni_text_coordinate(c->t, y);
    ni_text_add(c->t, "\" class=\"n-small %s\">%s</text>", class, text);
}

static void put_tick(const chart *c, double value, const char *text)
{
    double y = place_y(c, value);
    put_line(c, "n-grid", LEFT, y, WIDTH - RIGHT, y);
    put_label(c, "n-end", LEFT - 6, y + 3.5, text);
}

static void put_log_ticks(const chart *c, bool percent)
{
    char text[NI_WORD];
    double v = c->least;
    while (v < c->most * 1.001) {
        snprintf(text, sizeof text, percent ? "%g %%" : "%g",
                 percent ? 100 * v : v);
        put_tick(c, v, text);
        v = next_tick(v);
    }
}

/* The steps' borders and names, where there is room for them, and the epochs
 * along the bottom. */
static void put_steps(const chart *c)
{
    static const double letter = 6, apart = 8; /* pixels, or somewhat less */
    char text[NI_WORD];
    double bottom = TOP + c->height, end = 0; /* of the last name */
    for (int32_t i = 0; i < c->h->n_records; i++) {
        const nash_record *r = &c->h->records[i];
        int32_t before = epochs_before(c->h, r);
        if ((i > 0 && c->h->records[i - 1].step == r->step) ||
            before >= c->epochs)
            continue;
        double x = place_x(c, before);
        put_line(c, "n-grid", x, TOP - 14, x, bottom);
        nash_candidate_label(text, sizeof text, r);
        if (r->kind == NASH_CANDIDATE_CHILD || r->kind == NASH_CANDIDATE_PARENT)
            snprintf(text, sizeof text, "step %d", r->step);
        if (x + 4 < end)
            continue;
        put_label(c, "", x + 4, TOP - 6, text);
        end = x + 4 + letter * (double)strlen(text) + apart;
    }
    int32_t step = c->epochs > 10 ? (int32_t)round_down(c->epochs / 5.0) : 1;
    for (int32_t e = step; e <= c->epochs; e += step) {
        snprintf(text, sizeof text, "%d", e);
        put_label(c, "n-mid", place_x(c, e), bottom + 15, text);
    }
    put_label(c, "n-end", LEFT - 6, bottom + 15, "epoch");
    put_line(c, "n-axis", LEFT, bottom, WIDTH - RIGHT, bottom);
}

/* ---- curves ------------------------------------------------------------- */

static void put_curve(const chart *c, const nash_record *r, measure of,
                      const char *class)
{
    int32_t before = epochs_before(c->h, r);
    bool open = false;
    ni_text_add(c->t, "<path class=\"%s\" d=\"", class);
    for (int32_t e = 0; e < r->n_epochs; e++) {
        double value = of(&r->epochs[e]);
        if (!isfinite(value))
            continue;
        ni_text_put(c->t, open ? "L" : "M");
        ni_text_coordinate(c->t, place_x(c, before + r->epochs[e].epoch + 1));
        ni_text_put(c->t, ",");
        ni_text_coordinate(c->t, place_y(c, value));
        if (!open)
            ni_text_put(c->t, "h0"); /* a dot, if it stays alone */
        open = true;
    }
    ni_text_put(c->t, "\"/>");
}

static void put_dots(const chart *c, const nash_record *r, measure of,
                     bool faint)
{
    char label[NI_WORD], word[NI_WORD];
    int32_t before = epochs_before(c->h, r);
    nash_candidate_label(label, sizeof label, r);
    for (int32_t e = 0; e < r->n_epochs; e++) {
        double value = of(&r->epochs[e]);
        if (!isfinite(value))
            continue;
        ni_text_add(c->t, "<circle class=\"n-dot%s\" r=\"%s\" cx=\"",
                    faint ? " n-faint" : "", faint ? "2.2" : "3");
        ni_text_coordinate(c->t, place_x(c, before + r->epochs[e].epoch + 1));
        ni_text_put(c->t, "\" cy=\"");
        ni_text_coordinate(c->t, place_y(c, value));
        ni_text_add(c->t, "\"><title>%s, epoch %d: %s</title></circle>", label,
                    r->epochs[e].epoch + 1,
                    of == val_error ? ni_percent(word, value)
                                    : ni_decimal(word, value));
    }
}

/* What lost first, so that the winners lie on top. */
static void put_curves(const chart *c, measure train, measure val)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < c->h->n_records; i++) {
            const nash_record *r = &c->h->records[i];
            bool won = r->chosen;
            if (won != (pass == 1))
                continue;
            put_curve(c, r, train, won ? "n-train" : "n-other");
            put_curve(c, r, val, won ? "n-val" : "n-other n-val");
            put_dots(c, r, val, !won);
        }
    }
}

static void open_chart(const chart *c, const char *title)
{
    ni_text_add(c->t, "<h3>%s</h3>\n<div class=\"graph\">", title);
    ni_svg_open(c->t, WIDTH, TOP + c->height + 24, title, false, false);
}

static void close_chart(const chart *c)
{
    ni_text_put(c->t, "</svg></div>\n");
}

/* A chart of training and validation on a logarithmic axis. */
static void put_pair(chart c, measure train, measure val, const char *title,
                     bool percent)
{
    c.height = 260;
    c.logarithmic = true;
    c.least = HUGE_VAL;
    c.most = 0;
    widen_range(&c, train);
    widen_range(&c, val);
    if (c.most <= 0)
        return;
    c.least = round_down(fmax(c.least, c.most * 1e-4));
    c.most = round_up(c.most, c.least);
    c.most = percent ? fmin(c.most, 1) : c.most;
    if (c.most <= c.least)
        c.least = c.most / 2;
    open_chart(&c, title);
    put_log_ticks(&c, percent);
    put_steps(&c);
    put_curves(&c, train, val);
    close_chart(&c);
}

static void put_rate(chart c)
{
    char text[NI_WORD];
    c.height = 80;
    widen_range(&c, rate);
    if (c.most <= 0)
        return;
    open_chart(&c, "Learning rate at the end of each epoch");
    c.most = round_up(c.most, round_down(c.most));
    for (int i = 0; i <= 2; i++) {
        snprintf(text, sizeof text, "%.3g", c.most * i / 2);
        put_tick(&c, c.most * i / 2, text);
    }
    put_steps(&c);
    for (int32_t i = 0; i < c.h->n_records; i++)
        if (c.h->records[i].chosen)
            put_curve(&c, &c.h->records[i], rate, "n-rate");
    close_chart(&c);
}

void ni_curves_put(ni_text *t, const nash_history *history)
{
    chart c = {.t = t, .h = history};
    for (int32_t i = 0; i < history->n_records; i++) {
        const nash_record *r = &history->records[i];
        int32_t end = epochs_before(history, r) + epochs_of(r);
        c.epochs = end > c.epochs ? end : c.epochs;
    }
    ni_text_put(t, "<h2 id=\"curves\">Learning curves</h2>\n");
    if (c.epochs == 0) {
        ni_text_put(t, "<p>No epoch has been recorded.</p>\n");
        return;
    }
    ni_text_put(t,
                "<p class=\"key\"><span class=\"train\">training</span> "
                "<span class=\"val\">validation</span> of each step's winner; "
                "fainter: the candidates that lost. Training is measured on "
                "augmented images, with the weights as they move. Epochs are "
                "counted along the winning lineage.</p>\n");
    put_pair(c, train_error, val_error, "Error", true);
    put_pair(c, train_loss, val_loss, "Loss", false);
    put_rate(c);
}
