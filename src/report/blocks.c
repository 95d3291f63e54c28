/*
 * The layout of a graph: blocks, layers, columns. Linear in nodes and edges.
 * Refuses graphs that nobody could read any more.
 */
#include "drawing.h"

#include "base/error.h"
#include "base/memory.h"

enum {
    MOST_NODES = 4096,
    MOST_COLUMNS = 64,
    MOST_UP = 16,   /* layers that a block may go up, and */
    COLUMN_COST = 6 /* what a column to the right is worth */
};

static bool may_follow(nash_op before, nash_op op)
{
    if (op == NASH_OP_NORMALIZE)
        return before == NASH_OP_INPUT;
    if (op == NASH_OP_SOFTMAX)
        return before == NASH_OP_FC;
    return (op == NASH_OP_BATCH_NORM || op == NASH_OP_RELU ||
            op == NASH_OP_CLIP) &&
           before != NASH_OP_INPUT && before != NASH_OP_NORMALIZE;
}

/* As many names as fit into a box. */
static int32_t most_in_block(nash_op head)
{
    return head == NASH_OP_CONV || head == NASH_OP_FC ? 3 : 2;
}

/* The block that node @p id continues, or -1 if it begins one. */
static int32_t continued_block(const ni_drawing *d, int32_t id,
                               const int32_t *readers)
{
    const nash_node *node = nash_graph_node(d->graph, id);
    if (node->n_inputs != 1)
        return -1;
    int32_t before = nash_graph_input(d->graph, id, 0);
    int32_t block = d->block_of[before];
    nash_op head = nash_graph_node(d->graph, d->blocks[block].head)->op;
    bool fits = readers[before] == 1 &&
                d->blocks[block].n_nodes < most_in_block(head) &&
                may_follow(nash_graph_node(d->graph, before)->op, node->op);
    return fits ? block : -1;
}

static nash_status make_blocks(ni_drawing *d)
{
    nash_status status = NASH_OK;
    int32_t *readers = NULL, n = nash_graph_size(d->graph);
    NEW_ARRAY(readers, n);
    for (int32_t id = 0; id < n; id++)
        for (int32_t k = 0; k < nash_graph_node(d->graph, id)->n_inputs; k++)
            readers[nash_graph_input(d->graph, id, k)]++;
    for (int32_t id = 0; id < n; id++) {
        int32_t block = continued_block(d, id, readers);
        if (block < 0) {
            block = d->n_blocks++;
            d->blocks[block].head = id;
        } else {
            d->next[d->blocks[block].tail] = id;
        }
        d->blocks[block].tail = id;
        d->blocks[block].n_nodes++;
        d->block_of[id] = block;
        d->next[id] = -1;
    }
done:
    ni_free(readers);
    return status;
}

static int32_t inputs_of(const ni_drawing *d, int32_t block)
{
    return nash_graph_node(d->graph, d->blocks[block].head)->n_inputs;
}

static int32_t source_of(const ni_drawing *d, int32_t block, int32_t k)
{
    return d->block_of[nash_graph_input(d->graph, d->blocks[block].head, k)];
}

/* As early as possible. */
static void assign_layers(ni_drawing *d)
{
    for (int32_t b = 0; b < d->n_blocks; b++) {
        ni_block *block = &d->blocks[b];
        block->column = -1;
        for (int32_t k = 0; k < inputs_of(d, b); k++) {
            int32_t layer = d->blocks[source_of(d, b, k)].layer + 1;
            block->layer = layer > block->layer ? layer : block->layer;
        }
        if (block->layer >= d->n_layers)
            d->n_layers = block->layer + 1;
    }
}

/* Column 0 goes to the longest way back from the last block; on a tie the
 * first input, which in a gate is the chain and not the skip. */
static void assign_main_column(ni_drawing *d)
{
    int32_t block = d->n_blocks - 1;
    while (block >= 0) {
        int32_t longest = -1;
        d->blocks[block].column = 0;
        for (int32_t k = 0; k < inputs_of(d, block) && longest < 0; k++)
            if (d->blocks[source_of(d, block, k)].layer ==
                d->blocks[block].layer - 1)
                longest = source_of(d, block, k);
        block = longest;
    }
}

/* What is known of a block from those that read it. */
typedef struct demand {
    int32_t latest; /* layer */
    int32_t column;
} demand;

static int32_t free_column(uint64_t taken, int32_t wish)
{
    if (wish > 0 && !(taken >> wish & 1))
        return wish;
    int32_t column = 1;
    while (column < MOST_COLUMNS && taken >> column & 1)
        column++;
    return column;
}

/* A side block goes down to just above what reads it, or, rather than into a
 * column further right, a few layers higher. */
static void choose_place(ni_block *block, const demand *wanted,
                         const uint64_t *taken)
{
    int32_t earliest = block->layer, latest = wanted->latest;
    int32_t least = INT32_MAX;
    if (latest < earliest) /* nobody reads it */
        latest = earliest;
    for (int32_t up = 0; up <= MOST_UP && latest - up >= earliest; up++) {
        int32_t column = free_column(taken[latest - up], wanted->column);
        int32_t cost = column * COLUMN_COST + up;
        if (cost < least) {
            least = cost;
            block->layer = latest - up;
            block->column = column;
        }
    }
}

static nash_status settle(ni_drawing *d, demand *demands, uint64_t *taken)
{
    for (int32_t b = d->n_blocks - 1; b >= 0; b--) {
        ni_block *block = &d->blocks[b];
        if (block->column < 0)
            choose_place(block, &demands[b], taken);
        if (block->column >= MOST_COLUMNS)
            return ni_fail(NASH_ELIMIT,
                           "the graph has more than %d branches side by side, "
                           "expected fewer to draw",
                           MOST_COLUMNS);
        taken[block->layer] |= (uint64_t)1 << block->column;
        if (block->column >= d->n_columns)
            d->n_columns = block->column + 1;
        for (int32_t k = 0; k < inputs_of(d, b); k++) {
            demand *source = &demands[source_of(d, b, k)];
            if (source->latest == 0 || block->layer - 1 < source->latest)
                *source = (demand){block->layer - 1, block->column};
        }
    }
    return NASH_OK;
}

static nash_status assign_side_columns(ni_drawing *d)
{
    nash_status status = NASH_OK;
    demand *demands = NULL;
    uint64_t *taken = NULL;
    NEW_ARRAY(demands, d->n_blocks);
    NEW_ARRAY(taken, d->n_layers);
    TRY(settle(d, demands, taken));
done:
    ni_free(demands);
    ni_free(taken);
    return status;
}

nash_status ni_drawing_init(ni_drawing *d, const nash_graph *g)
{
    nash_status status = NASH_OK;
    int32_t n = nash_graph_size(g);
    *d = (ni_drawing){.graph = g};
    REQUIRE(n <= MOST_NODES, NASH_ELIMIT,
            "the graph has %d nodes, expected at most %d to draw", n,
            MOST_NODES);
    NEW_ARRAY(d->blocks, n);
    NEW_ARRAY(d->block_of, n);
    NEW_ARRAY(d->next, n);
    TRY(make_blocks(d));
    assign_layers(d);
    assign_main_column(d);
    TRY(assign_side_columns(d));
    TRY(ni_drawing_route(d));
    TRY(ni_drawing_place(d));
done:
    if (status != NASH_OK)
        ni_drawing_deinit(d);
    return status;
}

void ni_drawing_deinit(ni_drawing *d)
{
    ni_free(d->blocks);
    ni_free(d->block_of);
    ni_free(d->next);
    ni_free(d->links);
    ni_free(d->lanes);
    ni_free(d->tracks);
    ni_free(d->x);
    ni_free(d->y);
    *d = (ni_drawing){0};
}
