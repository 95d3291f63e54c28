#ifndef NI_REPORT_DRAWING_H
#define NI_REPORT_DRAWING_H

#include <nash/status.h>

#include "text.h"

#include <nash/report.h>

/*
 * How a graph is laid out: chains of nodes become blocks, which stand in
 * layers from top to bottom and in columns; column 0 is the longest way through
 * the network. Links run in the gaps between layers and in the gutters beside
 * columns, where no block stands; each has a track or lane of its own there.
 */

typedef struct ni_block {
    int32_t head, tail; /* node ids */
    int32_t n_nodes;
    int32_t layer, column;
} ni_block;

typedef enum ni_route {
    NI_ROUTE_STRAIGHT, /* down its own column */
    NI_ROUTE_GAP,      /* to the next layer, within the gap between them */
    NI_ROUTE_GUTTER    /* in a lane of a gutter */
} ni_route;

typedef struct ni_link {
    int32_t from, to; /* blocks */
    ni_route route;
    int32_t gutter;    /* i: left of column i */
    int32_t lane;      /* in the gutter */
    int32_t track_out; /* in the gap below from, -1: leaves sideways */
    int32_t track_in;  /* in the gap above to, -1: enters sideways */
} ni_link;

typedef struct ni_drawing {
    const nash_graph *graph; /* borrowed */
    int32_t n_blocks, n_layers, n_columns, n_links;
    ni_block *blocks;  /* owned; by head */
    int32_t *block_of; /* owned; [nodes] */
    int32_t *next;     /* owned; [nodes] the next node of its block, or -1 */
    ni_link *links;    /* owned */
    int32_t *lanes;    /* owned; [n_columns + 1] lanes of each gutter */
    int32_t *tracks;   /* owned; [n_layers] tracks of the gap below each */
    int32_t *x;        /* owned; [n_columns] left edges, in pixels */
    int32_t *y;        /* owned; [n_layers] upper edges */
    int32_t width, height;
} ni_drawing;

/* Sizes in pixels. */
enum {
    NI_BOX_WIDTH = 280,
    NI_BOX_HEIGHT = 38,
    NI_LANE_PITCH = 13,
    NI_TRACK_PITCH = 6,
    NI_DRAWING_MARGIN = 12,
    NI_JOIN_OFFSET = 60 /* from a box's middle to where side links enter */
};

/** Lay a graph out.
 * @return NASH_OK, NASH_ELIMIT (too large to draw) or NASH_ENOMEM */
nash_status ni_drawing_init(ni_drawing *d, const nash_graph *g);
void ni_drawing_deinit(ni_drawing *d);

/** The second step: routes and lanes. */
nash_status ni_drawing_route(ni_drawing *d);

/** The third: tracks, and where everything stands. */
nash_status ni_drawing_place(ni_drawing *d);

/** The horizontal place of a link's lane. */
int32_t ni_link_lane_x(const ni_drawing *d, const ni_link *link);

/** Where a link meets the top of its end, coming from @p x. */
int32_t ni_link_entry_x(const ni_drawing *d, const ni_link *link, int32_t x);

/** The vertical place of a track in the gap below a layer. */
int32_t ni_drawing_track_y(const ni_drawing *d, int32_t layer, int32_t track);

/** Draw a graph or a lineage: one svg element. Standing alone it brings its
 * style and background; within a page, candidates are links to their rows. */
nash_status ni_graph_draw(ni_text *t, const nash_graph *g, bool alone);
nash_status ni_lineage_draw(ni_text *t, const nash_history *history,
                            bool alone);

/** The rules of all drawings, for a style element. */
extern const char ni_drawing_style[];

/** Open an svg element, with style and background if it stands alone.
 * @param linked  it will hold links, which an image to a screen reader cannot
 */
void ni_svg_open(ni_text *t, double width, double height, const char *title,
                 bool alone, bool linked);

#endif
