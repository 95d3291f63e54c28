/*
 * What the morphisms share. Inserting a node costs a pass over the graph;
 * measuring costs the probe's forward. Refuses places before the normalisation
 * and statistics that are not finite.
 */
#include "surgery.h"

#include "base/memory.h"
#include "graph/edit.h"
#include "model/edit.h"

#include <assert.h>
#include <math.h>

/* ---- places ------------------------------------------------------------- */

static nash_status find(int32_t *id, const nash_graph *g, int32_t tag,
                        const char *key)
{
    *id = nash_graph_find(g, tag);
    if (*id < 0)
        return ni_fail(NASH_EINVAL, "%s=%d names no node of the model", key,
                       tag);
    return NASH_OK;
}

/* Whether a normalisation depends on a node. */
static bool is_normalized_later(const nash_graph *g, int32_t id)
{
    bool reached[NASH_MAX_NODES]; /* from id on */
    reached[id] = true;
    for (int32_t i = id + 1; i < nash_graph_size(g); i++) {
        const nash_node *node = nash_graph_node(g, i);
        reached[i] = false;
        for (int32_t k = 0; k < node->n_inputs; k++) {
            int32_t input = nash_graph_input(g, i, k);
            reached[i] = reached[i] || (input >= id && reached[input]);
        }
        if (reached[i] && node->op == NASH_OP_NORMALIZE)
            return true;
    }
    return false;
}

bool ni_is_open(const nash_graph *g, int32_t id)
{
    nash_op op = nash_graph_node(g, id)->op;
    if (op == NASH_OP_INPUT || op == NASH_OP_SOFTMAX)
        return false;
    for (int32_t i = id + 1; i < nash_graph_size(g); i++)
        if (nash_graph_node(g, i)->op == NASH_OP_NORMALIZE)
            return !is_normalized_later(g, id);
    return true;
}

bool ni_is_flat(const nash_graph *g, int32_t id)
{
    nash_shape shape = nash_graph_node(g, id)->shape;
    return shape.h == 1 && shape.w == 1;
}

bool ni_is_depthwise(const nash_graph *g, int32_t id)
{
    int32_t in = nash_graph_node(g, nash_graph_input(g, id, 0))->shape.c;
    const nash_node *node = nash_graph_node(g, id);
    return node->attrs.groups == in && node->shape.c == in;
}

bool ni_is_activation(nash_op op)
{
    return op == NASH_OP_RELU || op == NASH_OP_CLIP;
}

bool ni_is_inner(const nash_graph *g, int32_t id)
{
    bool inner = false;
    for (int32_t i = id + 1; i < nash_graph_size(g); i++) {
        const nash_node *node = nash_graph_node(g, i);
        for (int32_t k = 0; k < node->n_inputs; k++) {
            if (nash_graph_input(g, i, k) != id)
                continue;
            if (node->op != NASH_OP_BATCH_NORM && !ni_is_activation(node->op))
                return false;
            inner = true;
        }
    }
    return inner;
}

nash_status ni_morph_find_open(int32_t *id, const nash_graph *g, int32_t tag,
                               const char *key)
{
    nash_status status = NASH_OK;
    char name[32];
    TRY(find(id, g, tag, key));
    nash_node_name(name, sizeof name, g, *id);
    REQUIRE(ni_is_open(g, *id), NASH_EREFUSED,
            "%s=%s is %s, where no morphism goes", key, name,
            nash_graph_node(g, *id)->op == NASH_OP_SOFTMAX
                ? "the network's output"
                : "before the normalisation");
done:
    return status;
}

/* ---- insertions --------------------------------------------------------- */

nash_status ni_insert(nash_model *m, int32_t id, nash_op op,
                      const nash_attrs *attrs, int32_t input)
{
    return ni_model_insert(m, id, op, attrs, &input, 1);
}

nash_status ni_insert_after(nash_model *m, int32_t at, nash_op op,
                            const nash_attrs *attrs)
{
    nash_status status = ni_insert(m, at + 1, op, attrs, at);
    if (status == NASH_OK)
        ni_graph_redirect(ni_model_graph(m), at, at + 1, at + 1);
    return status;
}

nash_attrs ni_conv_attrs(int32_t out_channels, int32_t kernel)
{
    nash_attrs attrs = nash_attrs_window(kernel, 1);
    attrs.out_channels = out_channels;
    return attrs;
}

nash_status ni_insert_identity_conv(nash_model *m, int32_t at, int32_t kernel)
{
    int32_t channels = nash_graph_node(nash_model_graph(m), at)->shape.c;
    nash_attrs attrs = ni_conv_attrs(channels, kernel);
    nash_status status = ni_insert_after(m, at, NASH_OP_CONV, &attrs);
    if (status != NASH_OK)
        return status;
    float *weight = nash_model_tensor(m, at + 1, NASH_SLOT_WEIGHT)->data;
    int64_t taps = (int64_t)kernel * kernel;
    for (int64_t c = 0; c < channels; c++)
        weight[(c * channels + c) * taps + taps / 2] = 1;
    return NASH_OK;
}

nash_attrs ni_batch_norm_attrs(const nash_graph *g)
{
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        if (nash_graph_node(g, id)->op == NASH_OP_BATCH_NORM &&
            nash_graph_node(g, id)->attrs.eps > 0)
            return nash_graph_node(g, id)->attrs;
    return nash_attrs_default();
}

nash_status ni_moments(double *mean, double *var, const nash_model *m,
                       int32_t id, const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    char name[32];
    TRY(probe->moments(probe->ctx, m, id, mean, var));
    nash_node_name(name, sizeof name, g, id);
    for (int32_t c = 0; c < nash_graph_node(g, id)->shape.c; c++)
        REQUIRE(isfinite((float)mean[c]) && isfinite((float)var[c]) &&
                    var[c] >= 0,
                NASH_EDIVERGED,
                "channel %d of %s has mean %g and variance %g on the probe's "
                "images",
                c, name, mean[c], var[c]);
done:
    return status;
}

nash_status ni_measure(nash_model *m, int32_t id, bool neutral,
                       const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    const nash_node *node = nash_graph_node(g, id);
    double *mean = NULL, *var = NULL;
    assert(node->op == NASH_OP_BATCH_NORM);
    NEW_ARRAY(mean, node->shape.c);
    NEW_ARRAY(var, node->shape.c);
    TRY(ni_moments(mean, var, m, nash_graph_input(g, id, 0), probe));
    for (int32_t c = 0; c < node->shape.c; c++) {
        float rounded = (float)var[c];
        double std = sqrt((double)rounded + (double)node->attrs.eps);
        nash_model_tensor(m, id, NASH_SLOT_MEAN)->data[c] = (float)mean[c];
        nash_model_tensor(m, id, NASH_SLOT_VAR)->data[c] = rounded;
        if (!neutral)
            continue;
        nash_model_tensor(m, id, NASH_SLOT_GAMMA)->data[c] = (float)std;
        nash_model_tensor(m, id, NASH_SLOT_BETA)->data[c] = (float)mean[c];
    }
done:
    ni_free(mean);
    ni_free(var);
    return status;
}

/* ---- draws -------------------------------------------------------------- */

nash_status ni_draw_place(int32_t *tag, const nash_graph *g, const bool *fits,
                          const char *what, ni_rng *rng)
{
    uint32_t n = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        n += fits[id];
    if (n == 0)
        return ni_fail(NASH_EREFUSED, "the network has not %s", what);
    uint32_t left = ni_rng_below(rng, n);
    int32_t id = 0;
    while (!fits[id] || left-- > 0)
        id++;
    *tag = nash_graph_node(g, id)->tag;
    return NASH_OK;
}

int32_t ni_draw_kernel(ni_rng *rng)
{
    return ni_rng_below(rng, 2) ? 5 : 3;
}
