/*
 * The links of a drawing. Those that pass layers by get lanes, shorter ones
 * further in; a lane holds links that do not overlap. Quadratic in links, of
 * which there are at most MOST_LINKS.
 */
#include "drawing.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LINKS = 8192 };

static bool column_is_free(const ni_drawing *d, const ni_block *from,
                           const ni_block *to)
{
    for (int32_t b = 0; b < d->n_blocks; b++) {
        const ni_block *other = &d->blocks[b];
        if (other->column == from->column && other->layer > from->layer &&
            other->layer < to->layer)
            return false;
    }
    return true;
}

/* Skips of the main column run left of it if they are added, right of it if
 * they are concatenated; other links beside the one of their columns that is
 * further left. */
static int32_t choose_gutter(const ni_drawing *d, const ni_link *link)
{
    const ni_block *from = &d->blocks[link->from], *to = &d->blocks[link->to];
    nash_op op = nash_graph_node(d->graph, to->head)->op;
    if (from->column == 0 && to->column == 0)
        return op == NASH_OP_CONCAT ? 1 : 0;
    return (from->column < to->column ? from->column : to->column) + 1;
}

static void choose_route(const ni_drawing *d, ni_link *link)
{
    const ni_block *from = &d->blocks[link->from], *to = &d->blocks[link->to];
    link->track_in = link->track_out = -1;
    if (from->column == to->column && column_is_free(d, from, to)) {
        link->route = NI_ROUTE_STRAIGHT;
    } else if (to->layer == from->layer + 1) {
        link->route = NI_ROUTE_GAP;
    } else {
        link->route = NI_ROUTE_GUTTER;
        link->gutter = choose_gutter(d, link);
    }
}

/* A link that ends where another begins may share its lane. */
static bool collide(const ni_drawing *d, const ni_link *a, const ni_link *b)
{
    return a->gutter == b->gutter &&
           d->blocks[a->from].layer < d->blocks[b->to].layer &&
           d->blocks[b->from].layer < d->blocks[a->to].layer;
}

/* A link's place in the order, with its length. */
typedef struct ranked {
    int32_t length, index;
} ranked;

static int compare(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The first lane that none of the n links before has which collide.
 * @param taken  [n + 1], cleared before and after */
static void assign_lane(ni_drawing *d, const ranked *before, int32_t n,
                        ni_link *link, bool *taken)
{
    for (int32_t i = 0; i < n; i++) {
        const ni_link *other = &d->links[before[i].index];
        if (collide(d, other, link))
            taken[other->lane] = true;
    }
    while (taken[link->lane])
        link->lane++;
    memset(taken, 0, (size_t)n * sizeof *taken);
    if (link->lane >= d->lanes[link->gutter])
        d->lanes[link->gutter] = link->lane + 1;
}

static nash_status assign_lanes(ni_drawing *d)
{
    nash_status status = NASH_OK;
    ranked *order = NULL;
    bool *taken = NULL;
    int32_t n = 0;
    NEW_ARRAY(order, d->n_links);
    NEW_ARRAY(taken, (int64_t)d->n_links + 1);
    for (int32_t i = 0; i < d->n_links; i++) {
        const ni_link *link = &d->links[i];
        if (link->route == NI_ROUTE_GUTTER)
            order[n++] = (ranked){.length = d->blocks[link->to].layer -
                                            d->blocks[link->from].layer,
                                  .index = i};
    }
    qsort(order, (size_t)n, sizeof *order, compare);
    for (int32_t i = 0; i < n; i++)
        assign_lane(d, order, i, &d->links[order[i].index], taken);
done:
    ni_free(order);
    ni_free(taken);
    return status;
}

nash_status ni_drawing_route(ni_drawing *d)
{
    nash_status status = NASH_OK;
    int64_t n = 0;
    for (int32_t b = 0; b < d->n_blocks; b++)
        n += nash_graph_node(d->graph, d->blocks[b].head)->n_inputs;
    REQUIRE(n <= MOST_LINKS, NASH_ELIMIT,
            "the graph has %lld connections, expected at most %d to draw",
            (long long)n, MOST_LINKS);
    NEW_ARRAY(d->links, n);
    NEW_ARRAY(d->lanes, d->n_columns + 1);
    for (int32_t b = 0; b < d->n_blocks; b++) {
        int32_t head = d->blocks[b].head;
        int32_t inputs = nash_graph_node(d->graph, head)->n_inputs;
        for (int32_t k = 0; k < inputs; k++) {
            ni_link *link = &d->links[d->n_links++];
            link->from = d->block_of[nash_graph_input(d->graph, head, k)];
            link->to = b;
            choose_route(d, link);
        }
    }
    TRY(assign_lanes(d));
done:
    return status;
}
