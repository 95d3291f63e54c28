/*
 * What makes a network from elsewhere fit for use here: a normalisation behind
 * its input, and a last layer for other classes. Both work on a copy, so each
 * costs one of the weights. Refused are a second normalisation, and a head
 * whose channels are not one layer's own.
 */
#include "edit.h"

#include "base/error.h"
#include "graph/edit.h"
#include "internal.h"

#include <math.h>
#include <stdio.h>

/* ---- normalisation ------------------------------------------------------ */

static nash_status check_moments(const nash_model *m, const float *mean,
                                 const float *std)
{
    nash_status status = NASH_OK;
    const nash_graph *g = m->graph;
    char name[32];
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_node_name(name, sizeof name, g, id);
        REQUIRE(nash_graph_node(g, id)->op != NASH_OP_NORMALIZE, NASH_EINVAL,
                "the network has a normalisation already, %s", name);
    }
    for (int32_t c = 0; c < nash_graph_input_shape(g).c; c++)
        REQUIRE(isfinite(mean[c]) && isfinite(std[c]) && std[c] > 0,
                NASH_EINVAL,
                "channel %d has mean %g and standard deviation %g, expected "
                "finite ones, the latter above 0",
                c, (double)mean[c], (double)std[c]);
done:
    return status;
}

nash_status nash_model_normalize(nash_model *m, const float *mean,
                                 const float *std)
{
    nash_status status = NASH_OK;
    nash_model *copy = NULL;
    TRY(check_moments(m, mean, std));
    TRY(nash_model_dup(&copy, m));
    TRY(ni_model_insert(copy, 1, NASH_OP_NORMALIZE, NULL, &(int32_t){0}, 1));
    ni_graph_redirect(copy->graph, 0, 1, 1);
    for (int32_t c = 0; c < nash_graph_input_shape(copy->graph).c; c++) {
        nash_model_tensor(copy, 1, NASH_SLOT_CENTER)->data[c] = mean[c];
        nash_model_tensor(copy, 1, NASH_SLOT_SCALE)->data[c] = std[c];
    }
    ni_model_swap(m, copy);
done:
    nash_model_free(copy);
    return status;
}

/* ---- the head ----------------------------------------------------------- */

static bool is_layer(const nash_node *node)
{
    return node->op == NASH_OP_FC ||
           (node->op == NASH_OP_CONV && node->attrs.groups == 1);
}

/* Whether a node's channels are its input's, one by one. */
static bool passes_channels(const nash_graph *g, int32_t id)
{
    const nash_node *node = nash_graph_node(g, id);
    switch (node->op) {
    case NASH_OP_BATCH_NORM:
    case NASH_OP_RELU:
    case NASH_OP_CLIP:
    case NASH_OP_MAX_POOL:
    case NASH_OP_AVG_POOL:
    case NASH_OP_GLOBAL_POOL:
        return true;
    case NASH_OP_FLATTEN: /* of one pixel */
        return node->shape.c ==
               nash_graph_node(g, nash_graph_input(g, id, 0))->shape.c;
    case NASH_OP_INPUT:
    case NASH_OP_NORMALIZE:
    case NASH_OP_CONV:
    case NASH_OP_FC:
    case NASH_OP_CONCAT:
    case NASH_OP_ADD:
    case NASH_OP_GATE:
    case NASH_OP_SOFTMAX:
    case NASH_OP_COUNT:
        return false;
    }
    return false;
}

/* A node, and what keeps a convolution from being a head. */
static void name_source(char *text, size_t size_bytes, const nash_graph *g,
                        int32_t id)
{
    int32_t groups = nash_graph_node(g, id)->attrs.groups;
    char name[32];
    nash_node_name(name, sizeof name, g, id);
    if (groups > 1)
        snprintf(text, size_bytes, "%s, a convolution in %d groups", name,
                 groups);
    else
        snprintf(text, size_bytes, "%s", name);
}

/* The layer whose channels are the classes. */
static nash_status find_head(int32_t *head, const nash_graph *g)
{
    nash_status status = NASH_OK;
    char name[96];
    int32_t id = nash_graph_input(g, nash_graph_size(g) - 1, 0);
    for (;; id = nash_graph_input(g, id, 0)) {
        bool layer = is_layer(nash_graph_node(g, id));
        name_source(name, sizeof name, g, id);
        REQUIRE(layer || passes_channels(g, id), NASH_EUNSUPPORTED,
                "the classes come from %s, expected a layer of their own, "
                "fully connected or a convolution in one group",
                name);
        REQUIRE(ni_graph_reader_count(g, id) == 1, NASH_EUNSUPPORTED,
                "the classes come from %s, which others read, too", name);
        if (layer)
            break;
    }
    *head = id;
done:
    return status;
}

/* Draw a layer anew, and let what follows it be neutral. */
static void reset_from(nash_model *m, int32_t head, uint64_t seed)
{
    for (int32_t id = head; id < nash_graph_size(m->graph); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++)
            ni_model_init_slot(m, id, slot, seed);
}

nash_status nash_model_new_head(nash_model *m, int32_t classes, uint64_t seed)
{
    nash_status status = NASH_OK;
    nash_model *copy = NULL;
    int32_t head;
    REQUIRE(classes >= 2, NASH_EINVAL, "classes is %d, expected at least 2",
            classes);
    TRY(nash_graph_check(m->graph));
    TRY(find_head(&head, m->graph));
    TRY(nash_model_dup(&copy, m));
    ni_graph_attrs(copy->graph, head)->out_channels = classes;
    TRY(ni_model_resize(copy));
    reset_from(copy, head, seed);
    TRY(nash_model_set_meta(copy, NASH_META_CLASSES, NULL));
    TRY(nash_model_set_meta(copy, NASH_META_SCORES, NULL));
    ni_model_swap(m, copy);
done:
    nash_model_free(copy);
    return status;
}
