/* Graphs as SVG: the boxes and lines of a laid out drawing. */
#include "drawing.h"

#include "base/error.h"
#include "base/memory.h"
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CORNER 7.0
#define ARROW 5.0
enum { MOST_POINTS = 8, LONGEST_NAMES = 36 };

typedef struct point {
    double x, y;
} point;

typedef struct canvas {
    const ni_drawing *d;
    ni_text *t;
} canvas;

static point box_corner(const canvas *c, int32_t block)
{
    const ni_block *b = &c->d->blocks[block];
    return (point){c->d->x[b->column], c->d->y[b->layer]};
}

/* ---- boxes -------------------------------------------------------------- */

static const char *box_class(nash_op op)
{
    switch (op) {
    case NASH_OP_CONV:
        return "conv";
    case NASH_OP_FC:
        return "fc";
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
    case NASH_OP_GLOBAL_POOL:
    case NASH_OP_FLATTEN:
        return "pool";
    case NASH_OP_CONCAT:
        return "cat";
    case NASH_OP_ADD:
    case NASH_OP_GATE:
        return "sum";
    case NASH_OP_INPUT:
    case NASH_OP_NORMALIZE:
    case NASH_OP_BATCH_NORM:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        break;
    }
    return "plain";
}

static void put_text(canvas *c, double x, double y, const char *class,
                     const char *text)
{
    ni_text_put(c->t, "<text x=\"");
    ni_text_coordinate(c->t, x);
    ni_text_put(c->t, "\" y=\"");
    ni_text_coordinate(c->t, y);
    ni_text_add(c->t, "\" class=\"%s\">", class);
    ni_text_escape(c->t, text);
    ni_text_put(c->t, "</text>");
}

/* "conv_2 batch_norm_3 relu_4", or "#2 #3 #4" where that is too long. */
static void name_nodes(char *names, size_t size, const ni_drawing *d,
                       const ni_block *block)
{
    size_t n = 0, short_n = 0;
    char shorter[NI_WORD] = "";
    for (int32_t id = block->head; id >= 0; id = d->next[id]) {
        char name[32];
        nash_node_name(name, sizeof name, d->graph, id);
        n += (size_t)snprintf(names + n, size - n, "%s%s", n ? "  " : "", name);
        short_n += (size_t)snprintf(shorter + short_n, sizeof shorter - short_n,
                                    "%s#%d", short_n ? " " : "",
                                    nash_graph_node(d->graph, id)->tag);
    }
    if (n > LONGEST_NAMES)
        snprintf(names, size, "%s", shorter);
}

static void describe_block(char *title, size_t size, const ni_drawing *d,
                           const ni_block *block)
{
    size_t n = 0;
    for (int32_t id = block->head; id >= 0; id = d->next[id]) {
        char text[96];
        nash_node_describe(text, sizeof text, d->graph, id);
        n += (size_t)snprintf(title + n, size - n, "%s%s", n ? " \u00b7 " : "",
                              text);
    }
}

static void draw_box(canvas *c, int32_t block)
{
    const ni_block *b = &c->d->blocks[block];
    const nash_graph *g = c->d->graph;
    point at = box_corner(c, block);
    char names[256], title[512], word[NI_WORD], params[NI_WORD + 16] = "";
    int64_t trained = 0, macs = 0;
    for (int32_t id = b->head; id >= 0; id = c->d->next[id]) {
        trained += nash_node_params(g, id);
        macs += nash_node_macs(g, id);
    }
    name_nodes(names, sizeof names, c->d, b);
    describe_block(title, sizeof title, c->d, b);
    if (trained > 0)
        snprintf(params, sizeof params, "%s param%s",
                 ni_count(word, (double)trained), trained == 1 ? "" : "s");
    ni_text_add(c->t, "<g class=\"n-%s\"><title>%s: %lld parameters, %s MACs",
                box_class(nash_graph_node(g, b->head)->op), names,
                (long long)trained, ni_count(word, (double)macs));
    ni_text_put(c->t, "</title><rect x=\"");
    ni_text_coordinate(c->t, at.x);
    ni_text_put(c->t, "\" y=\"");
    ni_text_coordinate(c->t, at.y);
    ni_text_add(c->t, "\" width=\"%d\" height=\"%d\" rx=\"6\"/>", NI_BOX_WIDTH,
                NI_BOX_HEIGHT);
    put_text(c, at.x + 10, at.y + 16, "n-title", title);
    put_text(c, at.x + 10, at.y + 30, "n-small", names);
    put_text(c, at.x + NI_BOX_WIDTH - 10, at.y + 16, "n-shape n-end",
             ni_shape(word, nash_graph_node(g, b->tail)->shape));
    put_text(c, at.x + NI_BOX_WIDTH - 10, at.y + 30, "n-small n-end", params);
    ni_text_put(c->t, "</g>\n");
}

/* ---- links -------------------------------------------------------------- */

static void put_point(ni_text *t, const char *command, point p)
{
    ni_text_put(t, command);
    ni_text_coordinate(t, p.x);
    ni_text_put(t, ",");
    ni_text_coordinate(t, p.y);
}

static point towards(point from, point to, double distance)
{
    double length = hypot(to.x - from.x, to.y - from.y);
    double share = length > 0 ? distance / length : 0;
    return (point){from.x + (to.x - from.x) * share,
                   from.y + (to.y - from.y) * share};
}

static double corner_radius(point a, point b, point c)
{
    double before = hypot(b.x - a.x, b.y - a.y) / 2;
    double after = hypot(c.x - b.x, c.y - b.y) / 2;
    return fmin(CORNER, fmin(before, after));
}

static void draw_arrow(ni_text *t, point before, point tip)
{
    point base = towards(tip, before, ARROW);
    double dx = (tip.x - base.x) / 2, dy = (tip.y - base.y) / 2;
    put_point(t, "M", (point){base.x - dy, base.y + dx});
    put_point(t, "L", tip);
    put_point(t, "L", (point){base.x + dy, base.y - dx});
    ni_text_put(t, "Z");
}

/* A line with rounded corners and an arrow at its end. */
static void draw_line(ni_text *t, const char *class, const point *p, int n)
{
    ni_text_add(t, "<path class=\"n-link n-to-%s\" d=\"", class);
    put_point(t, "M", p[0]);
    for (int i = 1; i < n - 1; i++) {
        double radius = corner_radius(p[i - 1], p[i], p[i + 1]);
        put_point(t, "L", towards(p[i], p[i - 1], radius));
        put_point(t, "Q", p[i]);
        put_point(t, " ", towards(p[i], p[i + 1], radius));
    }
    put_point(t, "L", p[n - 1]);
    ni_text_add(t, "\"/><path class=\"n-tip n-to-%s\" d=\"", class);
    draw_arrow(t, p[n - 2], p[n - 1]);
    ni_text_put(t, "\"/>\n");
}

static int trace_straight(const canvas *c, const ni_link *link, point *p)
{
    point from = box_corner(c, link->from), to = box_corner(c, link->to);
    double x = from.x + NI_BOX_WIDTH / 2.0;
    p[0] = (point){x, from.y + NI_BOX_HEIGHT};
    p[1] = (point){x, to.y};
    return 2;
}

static int trace_gap(const canvas *c, const ni_link *link, point *p)
{
    point from = box_corner(c, link->from), to = box_corner(c, link->to);
    int32_t middle = (int32_t)from.x + NI_BOX_WIDTH / 2;
    double target = ni_link_entry_x(c->d, link, middle);
    double y = ni_drawing_track_y(c->d, c->d->blocks[link->from].layer,
                                  link->track_out);
    p[0] = (point){middle, from.y + NI_BOX_HEIGHT};
    p[1] = (point){middle, y};
    p[2] = (point){target, y};
    p[3] = (point){target, to.y};
    return 4;
}

/* Where a box is left or entered sideways; the two sides differ, so that lines
 * from both sides of a gutter do not coincide. */
static point port(point box, double lane, double right, double left)
{
    if (lane > box.x)
        return (point){box.x + NI_BOX_WIDTH, box.y + right * NI_BOX_HEIGHT};
    return (point){box.x, box.y + left * NI_BOX_HEIGHT};
}

/* Into the lane sideways, or through the gap below if the lane is not beside;
 * out of it likewise. */
static int trace_gutter(const canvas *c, const ni_link *link, point *p)
{
    const ni_drawing *d = c->d;
    point from = box_corner(c, link->from), to = box_corner(c, link->to);
    int32_t lane = ni_link_lane_x(d, link);
    int n = 0;
    if (link->track_out < 0) {
        p[n++] = port(from, lane, 0.7, 0.86);
    } else {
        double x = from.x + NI_BOX_WIDTH / 2.0;
        p[n++] = (point){x, from.y + NI_BOX_HEIGHT};
        p[n].x = x;
        p[n++].y =
            ni_drawing_track_y(d, d->blocks[link->from].layer, link->track_out);
    }
    p[n] = (point){lane, p[n - 1].y};
    n++;
    if (link->track_in < 0) {
        point end = port(to, lane, 0.3, 0.14);
        p[n++] = (point){lane, end.y};
        p[n++] = end;
        return n;
    }
    double x = ni_link_entry_x(d, link, lane);
    double y =
        ni_drawing_track_y(d, d->blocks[link->to].layer - 1, link->track_in);
    p[n++] = (point){lane, y};
    p[n++] = (point){x, y};
    p[n++] = (point){x, to.y};
    return n;
}

static int trace(const canvas *c, const ni_link *link, point *p)
{
    switch (link->route) {
    case NI_ROUTE_STRAIGHT:
        return trace_straight(c, link, p);
    case NI_ROUTE_GAP:
        return trace_gap(c, link, p);
    case NI_ROUTE_GUTTER:
        return trace_gutter(c, link, p);
    }
    return 0;
}

static void draw_link(canvas *c, const ni_link *link)
{
    point p[MOST_POINTS];
    const ni_block *to = &c->d->blocks[link->to];
    bool main_way = link->route == NI_ROUTE_STRAIGHT && to->column == 0;
    const char *class = box_class(nash_graph_node(c->d->graph, to->head)->op);
    draw_line(c->t, main_way ? "plain" : class, p, trace(c, link, p));
}

/* ---- the drawing -------------------------------------------------------- */

nash_status ni_graph_draw(ni_text *t, const nash_graph *g, bool alone)
{
    ni_drawing d;
    nash_status status = ni_drawing_init(&d, g);
    if (status != NASH_OK)
        return status;
    canvas c = {.d = &d, .t = t};
    ni_svg_open(t, d.width, d.height, "The network, layer by layer", alone,
                false);
    for (int32_t i = 0; i < d.n_links; i++)
        draw_link(&c, &d.links[i]);
    for (int32_t b = 0; b < d.n_blocks; b++)
        draw_box(&c, b);
    ni_text_put(t, "</svg>\n");
    ni_drawing_deinit(&d);
    return NASH_OK;
}

/* The finished drawing, or nothing. */
static nash_status take(char **out, ni_text *t, nash_status status)
{
    char *text = ni_text_take(t);
    if (status == NASH_OK && !text)
        status = NASH_ENOMEM;
    if (status == NASH_OK)
        *out = text;
    else
        ni_free(text);
    return status;
}

nash_status nash_graph_svg(char **out, const nash_graph *g)
{
    ni_text text = {0};
    *out = NULL;
    return take(out, &text, ni_graph_draw(&text, g, true));
}

nash_status nash_lineage_svg(char **out, const nash_history *history)
{
    ni_text text = {0};
    *out = NULL;
    return take(out, &text, ni_lineage_draw(&text, history, true));
}

void nash_text_free(char *text)
{
    ni_free(text);
}
