/*
 * Where blocks and links stand. Gutters are as wide as their lanes, gaps as
 * high as their tracks; a track holds stretches that do not overlap, or that
 * come from the same block. Quadratic in links.
 */
#include "drawing.h"

#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum {
    GUTTER = 22, /* without lanes */
    GAP = 25,    /* with up to two tracks */
    CLEARANCE = 8
};

/* ---- columns ------------------------------------------------------------ */

/* Whether a block stands beside a link's gutter. */
static bool is_beside(const ni_drawing *d, const ni_link *link, int32_t block)
{
    int32_t column = d->blocks[block].column;
    return link->gutter == column || link->gutter == column + 1;
}

int32_t ni_link_lane_x(const ni_drawing *d, const ni_link *link)
{
    int32_t reach = CLEARANCE + 6 + NI_LANE_PITCH * link->lane;
    if (link->gutter == 0)
        return d->x[0] - reach;
    return d->x[link->gutter - 1] + NI_BOX_WIDTH + reach;
}

static int32_t middle_x(const ni_drawing *d, int32_t block)
{
    return d->x[d->blocks[block].column] + NI_BOX_WIDTH / 2;
}

int32_t ni_link_entry_x(const ni_drawing *d, const ni_link *link, int32_t x)
{
    int32_t middle = middle_x(d, link->to);
    return x > middle ? middle + NI_JOIN_OFFSET : middle - NI_JOIN_OFFSET;
}

static int32_t lanes_width(int32_t lanes)
{
    return lanes ? CLEARANCE + NI_LANE_PITCH * lanes : 0;
}

static void place_columns(ni_drawing *d)
{
    int32_t x = NI_DRAWING_MARGIN + lanes_width(d->lanes[0]);
    for (int32_t i = 0; i < d->n_columns; i++) {
        d->x[i] = x;
        x += NI_BOX_WIDTH + lanes_width(d->lanes[i + 1]);
        if (i + 1 < d->n_columns)
            x += GUTTER;
    }
    d->width = x + NI_DRAWING_MARGIN;
}

/* ---- tracks ------------------------------------------------------------- */

/* A horizontal stretch of a link in the gap below a layer. */
typedef struct stretch {
    int32_t layer, from; /* from: the block it comes from */
    int32_t left, right;
    int32_t *track; /* borrowed from the link */
} stretch;

static void add_stretch(stretch *stretches, int32_t *n, int32_t layer,
                        const ni_link *link, int32_t x, int32_t target,
                        int32_t *track)
{
    stretches[(*n)++] = (stretch){.layer = layer,
                                  .from = link->from,
                                  .left = x < target ? x : target,
                                  .right = x < target ? target : x,
                                  .track = track};
}

static void collect(const ni_drawing *d, ni_link *link, stretch *stretches,
                    int32_t *n)
{
    int32_t x = middle_x(d, link->from);
    int32_t above = d->blocks[link->to].layer - 1;
    if (link->route == NI_ROUTE_STRAIGHT)
        return;
    if (link->route == NI_ROUTE_GAP) {
        add_stretch(stretches, n, above, link, x, ni_link_entry_x(d, link, x),
                    &link->track_out);
        return;
    }
    int32_t lane = ni_link_lane_x(d, link);
    if (!is_beside(d, link, link->from))
        add_stretch(stretches, n, d->blocks[link->from].layer, link, x, lane,
                    &link->track_out);
    if (!is_beside(d, link, link->to))
        add_stretch(stretches, n, above, link, lane,
                    ni_link_entry_x(d, link, lane), &link->track_in);
}

static bool collide(const stretch *a, const stretch *b)
{
    return a->layer == b->layer && a->from != b->from &&
           a->left < b->right + CLEARANCE && b->left < a->right + CLEARANCE;
}

/* The first track that none of the n earlier stretches has which collide.
 * @param taken  [n + 1], cleared before and after */
static void assign_track(ni_drawing *d, const stretch *earlier, int32_t n,
                         stretch *fresh, bool *taken)
{
    int32_t *tracks = &d->tracks[fresh->layer];
    *fresh->track = 0;
    for (int32_t i = 0; i < n; i++)
        if (collide(&earlier[i], fresh))
            taken[*earlier[i].track] = true;
    while (taken[*fresh->track])
        ++*fresh->track;
    memset(taken, 0, (size_t)n * sizeof *taken);
    if (*fresh->track >= *tracks)
        *tracks = *fresh->track + 1;
}

static nash_status assign_tracks(ni_drawing *d)
{
    nash_status status = NASH_OK;
    stretch *stretches = NULL;
    bool *taken = NULL;
    int32_t n = 0;
    NEW_ARRAY(stretches, 2 * (int64_t)d->n_links);
    NEW_ARRAY(taken, 2 * (int64_t)d->n_links + 1);
    for (int32_t i = 0; i < d->n_links; i++)
        collect(d, &d->links[i], stretches, &n);
    for (int32_t i = 0; i < n; i++)
        assign_track(d, stretches, i, &stretches[i], taken);
done:
    ni_free(stretches);
    ni_free(taken);
    return status;
}

/* ---- layers ------------------------------------------------------------- */

static int32_t gap_height(const ni_drawing *d, int32_t layer)
{
    int32_t needed = 2 * CLEARANCE + NI_TRACK_PITCH * (d->tracks[layer] - 1);
    return needed > GAP ? needed : GAP;
}

static void place_layers(ni_drawing *d)
{
    int32_t y = NI_DRAWING_MARGIN;
    for (int32_t i = 0; i < d->n_layers; i++) {
        d->y[i] = y;
        y += NI_BOX_HEIGHT;
        if (i + 1 < d->n_layers)
            y += gap_height(d, i);
    }
    d->height = y + NI_DRAWING_MARGIN;
}

int32_t ni_drawing_track_y(const ni_drawing *d, int32_t layer, int32_t track)
{
    int32_t middle = d->y[layer] + NI_BOX_HEIGHT + gap_height(d, layer) / 2;
    return middle + NI_TRACK_PITCH * track -
           NI_TRACK_PITCH * (d->tracks[layer] - 1) / 2;
}

nash_status ni_drawing_place(ni_drawing *d)
{
    nash_status status = NASH_OK;
    NEW_ARRAY(d->tracks, d->n_layers);
    NEW_ARRAY(d->x, d->n_columns);
    NEW_ARRAY(d->y, d->n_layers);
    place_columns(d);
    TRY(assign_tracks(d));
    place_layers(d);
done:
    return status;
}
