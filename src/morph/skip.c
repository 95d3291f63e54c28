/*
 * The way of a skip connection. Where the chain beside it has pools or strides,
 * the skip gets the same pool, or an average over the same window, so that the
 * sizes agree; where it flattens, a global pool. Costs O(nodes + edges).
 * Refuses ends that no way connects, and convolutions that pad so much that no
 * pool has their size.
 */
#include "skip.h"

#include "base/memory.h"
#include "graph/edit.h"

/* Which nodes depend on one. */
static void mark_descendants(bool *reached, const nash_graph *g, int32_t from)
{
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        reached[id] = id == from;
        for (int32_t k = 0; k < nash_graph_node(g, id)->n_inputs; k++)
            reached[id] |= reached[nash_graph_input(g, id, k)];
    }
}

/* A way to a node, from the end: its first input that depends on the origin. */
static int32_t step_back(const bool *reached, const nash_graph *g, int32_t id)
{
    int32_t k = 0;
    while (!reached[nash_graph_input(g, id, k)])
        k++;
    return nash_graph_input(g, id, k);
}

nash_status ni_skip_ends(int32_t *from, int32_t *at, const nash_graph *g,
                         const nash_morph *morph)
{
    nash_status status = NASH_OK;
    bool *reached = NULL;
    char first[32], last[32];
    NEW_ARRAY(reached, nash_graph_size(g));
    TRY(ni_morph_find_open(from, g, morph->from, "from"));
    TRY(ni_morph_find_open(at, g, morph->at, "at"));
    nash_node_name(first, sizeof first, g, *from);
    nash_node_name(last, sizeof last, g, *at);
    mark_descendants(reached, g, *from);
    REQUIRE(*from != *at && reached[*at], NASH_EREFUSED,
            "no way leads from %s to %s", first, last);
done:
    ni_free(reached);
    return status;
}

/* What a skip has beside a node that changes height and width. */
static nash_status mirror(nash_op *op, nash_attrs *attrs, const nash_graph *g,
                          int32_t id)
{
    nash_status status = NASH_OK;
    const nash_node *node = nash_graph_node(g, id);
    char name[32];
    *attrs = node->attrs;
    *op = node->op;
    if (node->op == NASH_OP_FLATTEN)
        *op = NASH_OP_GLOBAL_POOL;
    if (node->op != NASH_OP_CONV)
        return NASH_OK;
    *op = NASH_OP_AVG_POOL;
    nash_node_name(name, sizeof name, g, id);
    for (int axis = 0; axis < 2; axis++) {
        const nash_attrs *a = &node->attrs;
        int64_t reach = (a->kernel[axis] - 1) * (int64_t)a->dilation[axis] + 1;
        REQUIRE(a->pads[axis] < reach && a->pads[axis + 2] < reach &&
                    reach <= NASH_MAX_DIM,
                NASH_EREFUSED,
                "%s lies on the way and pads so much that no pool has its size",
                name);
        attrs->kernel[axis] = (int32_t)reach;
        attrs->dilation[axis] = 1;
    }
done:
    return status;
}

static bool same_size(const nash_graph *g, int32_t a, int32_t b)
{
    nash_shape x = nash_graph_node(g, a)->shape;
    nash_shape y = nash_graph_node(g, b)->shape;
    return x.h == y.h && x.w == y.w;
}

/* The nodes on one way that change height and width, the last one first. */
static int32_t list_changes(int32_t *changes, const bool *reached,
                            const nash_graph *g, int32_t from, int32_t at)
{
    int32_t n = 0;
    for (int32_t id = at, before; id != from; id = before) {
        before = step_back(reached, g, id);
        if (!same_size(g, before, id))
            changes[n++] = id;
    }
    return n;
}

nash_status ni_skip_route(int32_t *h, int32_t *n, nash_model *m, int32_t from,
                          int32_t at)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    bool *reached = NULL;
    int32_t *changes = NULL;
    int32_t left = 0;
    *h = from;
    *n = 0;
    NEW_ARRAY(reached, nash_graph_size(g));
    NEW_ARRAY(changes, nash_graph_size(g));
    mark_descendants(reached, g, from);
    if (!same_size(g, from, at))
        left = list_changes(changes, reached, g, from, at);
    while (left-- > 0) {
        nash_op op;
        nash_attrs attrs;
        TRY(mirror(&op, &attrs, g, changes[left]));
        ++*n;
        TRY(ni_insert(m, at + *n, op, &attrs, *h));
        *h = at + *n;
    }
done:
    ni_free(reached);
    ni_free(changes);
    return status;
}

/* ---- draws -------------------------------------------------------------- */

static bool has_weights_between(const bool *reached, const nash_graph *g,
                                int32_t from, int32_t at)
{
    for (int32_t id = at; id != from; id = step_back(reached, g, id)) {
        nash_op op = nash_graph_node(g, id)->op;
        if (op == NASH_OP_CONV || op == NASH_OP_FC)
            return true;
    }
    return false;
}

static nash_status check_drawn(bool *reached, const nash_graph *g,
                               const nash_morph *morph)
{
    nash_status status = NASH_OK;
    int32_t from, at;
    TRY(ni_skip_ends(&from, &at, g, morph));
    mark_descendants(reached, g, from);
    REQUIRE(has_weights_between(reached, g, from, at), NASH_EREFUSED,
            "no weights lie between the ends of the skip");
done:
    return status;
}

/* The image itself is no layer: its few channels, pooled, say little about it,
 * and make sizes that convolutions are slow for. */
static bool is_layer(nash_op op)
{
    return op != NASH_OP_NORMALIZE && op != NASH_OP_FLATTEN;
}

nash_status ni_skip_draw(nash_morph *out, const nash_graph *g, ni_rng *rng)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(g);
    int32_t logits = nash_graph_input(g, size - 1, 0);
    bool *fits = NULL;
    NEW_ARRAY(fits, size);
    for (int32_t id = 0; id < size; id++)
        fits[id] = ni_is_open(g, id) && !ni_is_inner(g, id) && id != logits &&
                   is_layer(nash_graph_node(g, id)->op);
    TRY(ni_draw_place(&out->from, g, fits, "a layer to skip from", rng));
    fits[nash_graph_find(g, out->from)] = false;
    TRY(ni_draw_place(&out->at, g, fits, "two layers to skip between", rng));
    if (nash_graph_find(g, out->from) > nash_graph_find(g, out->at)) {
        int32_t later = out->from;
        out->from = out->at;
        out->at = later;
    }
    TRY(check_drawn(fits, g, out));
done:
    ni_free(fits);
    return status;
}
