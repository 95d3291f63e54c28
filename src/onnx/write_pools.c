/*
 * Pooling, where runtimes disagree at the edge. In ceil mode ours drops a
 * window that would start in the padding at the end (as PyTorch does), older
 * ONNX keeps it; and a window that sticks out beyond the padding is divided by
 * different counts. Such a pool is written as one that leaves no choice:
 * rounding down, with the end padded as far as the last window reaches, by a
 * Pad in front where its own padding would count or may not go so far. Its own
 * attributes then stand in the operator's doc_string, by which the reader gets
 * them back. All other pools are written as they are.
 */
#include "note.h"
#include "writer.h"

#include <math.h>

typedef struct axis {
    int64_t in, before, after, reach, stride, out;
} axis;

static axis axis_of(const nash_graph *g, int32_t id, int i)
{
    const nash_node *node = nash_graph_node(g, id);
    const nash_attrs *a = &node->attrs;
    nash_shape in = nash_graph_node(g, nash_graph_input(g, id, 0))->shape;
    axis x = {
        .in = i == 0 ? in.h : in.w,
        .before = a->pads[i],
        .after = a->pads[i + 2],
        .reach = (int64_t)a->dilation[i] * (a->kernel[i] - 1) + 1,
        .stride = a->stride[i],
        .out = i == 0 ? node->shape.h : node->shape.w,
    };
    return x;
}

/* How far the last window reaches beyond the input's end: the padding that it
 * needs there. */
static int64_t end_pad(const axis *x)
{
    int64_t pad = (x->out - 1) * x->stride + x->reach - x->in - x->before;
    return pad > 0 ? pad : 0;
}

static bool is_ambiguous(const nash_node *node, const axis *x)
{
    if (!node->attrs.ceil_mode)
        return false;
    int64_t room = x->in + x->before + x->after - x->reach;
    int64_t kept = (room + x->stride - 1) / x->stride + 1;
    return kept != x->out ||
           (node->attrs.count_include_pad && end_pad(x) > x->after);
}

/* An operator in front of the pool that pads its input for good. */
static nash_status write_pad(char **source, ni_writer *w, int32_t id,
                             const int32_t pads[4], float fill)
{
    nash_status status = NASH_OK;
    const int32_t all[8] = {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]};
    char own[32], *name = NULL, *amounts = NULL, *with = NULL;
    float *value = NULL;
    ni_pb_node *node = NULL;
    nash_node_name(own, sizeof own, w->graph, id);
    NEW_FROM(name, ni_pool_format(&w->pool, "%s/pad", own));
    NEW_FROM(amounts, ni_pool_format(&w->pool, "%s.pads", own));
    NEW_FROM(with, ni_pool_format(&w->pool, "%s.fill", own));
    NEW_FROM(value, ni_pool_alloc(&w->pool, 1, sizeof *value));
    *value = fill;
    TRY(ni_writer_int64s(w, amounts, all, 8));
    TRY(ni_writer_floats(w, with, NULL, 0, value, 1));
    TRY(ni_writer_node(&node, w, "Pad", name, 3));
    ni_writer_input(node, *source);
    ni_writer_input(node, amounts);
    ni_writer_input(node, with);
    *source = name;
done:
    return status;
}

/* Zeros that count in the mean are put there for good; the end is padded as
 * far as the last window reaches beyond them, which does not count. */
static nash_status settle_counted(nash_attrs *a, char **source, ni_writer *w,
                                  int32_t id, const axis axes[2])
{
    const int32_t pads[4] = {a->pads[0], a->pads[1], a->pads[2], a->pads[3]};
    for (int i = 0; i < 2; i++) {
        int64_t beyond = end_pad(&axes[i]) - axes[i].after;
        a->pads[i] = 0;
        a->pads[i + 2] = (int32_t)(beyond > 0 ? beyond : 0);
    }
    a->count_include_pad = false;
    return write_pad(source, w, id, pads, 0);
}

/* A dilated window may reach further than a pool's own padding may go. */
static nash_status settle_plain(nash_attrs *a, char **source, ni_writer *w,
                                int32_t id, const axis axes[2])
{
    bool apart = false;
    for (int i = 0; i < 2; i++) {
        a->pads[i + 2] = (int32_t)end_pad(&axes[i]);
        apart = apart || a->pads[i + 2] >= a->kernel[i];
    }
    if (!apart)
        return NASH_OK;
    const int32_t pads[4] = {a->pads[0], a->pads[1], a->pads[2], a->pads[3]};
    for (int i = 0; i < 4; i++)
        a->pads[i] = 0;
    return write_pad(source, w, id, pads, -INFINITY);
}

static nash_status write_window(ni_pb_node **out, ni_writer *w, int32_t id,
                                char *source, const nash_attrs *a)
{
    nash_status status = NASH_OK;
    bool max = nash_graph_node(w->graph, id)->op == NASH_OP_MAX_POOL;
    ni_pb_node *node = NULL;
    TRY(ni_writer_node(&node, w, max ? "MaxPool" : "AveragePool", w->names[id],
                       1));
    ni_writer_input(node, source);
    TRY(ni_writer_int(w, node, "ceil_mode", a->ceil_mode));
    if (max)
        TRY(ni_writer_ints(w, node, "dilations", a->dilation, 2));
    else
        TRY(ni_writer_int(w, node, "count_include_pad", a->count_include_pad));
    TRY(ni_writer_ints(w, node, "kernel_shape", a->kernel, 2));
    TRY(ni_writer_ints(w, node, "pads", a->pads, 4));
    TRY(ni_writer_ints(w, node, "strides", a->stride, 2));
    *out = node;
done:
    return status;
}

nash_status ni_write_pool(ni_writer *w, int32_t id)
{
    nash_status status = NASH_OK;
    const nash_node *pool = nash_graph_node(w->graph, id);
    const axis axes[2] = {axis_of(w->graph, id, 0), axis_of(w->graph, id, 1)};
    const nash_attrs *own = &pool->attrs;
    nash_attrs a = *own;
    ni_pb_node *node = NULL;
    char *source = NULL, name[32];
    nash_node_name(name, sizeof name, w->graph, id);
    REQUIRE(pool->op == NASH_OP_MAX_POOL ||
                (a.dilation[0] == 1 && a.dilation[1] == 1),
            NASH_EUNSUPPORTED,
            "%s has dilation %d x %d, which an average pool of ONNX's opset 17 "
            "cannot have",
            name, a.dilation[0], a.dilation[1]);
    TRY(ni_writer_source(&source, w, id, 0, 4));
    bool ambiguous =
        is_ambiguous(pool, &axes[0]) || is_ambiguous(pool, &axes[1]);
    a.ceil_mode = own->ceil_mode && !ambiguous;
    if (ambiguous)
        TRY(own->count_include_pad ? settle_counted(&a, &source, w, id, axes)
                                   : settle_plain(&a, &source, w, id, axes));
    TRY(write_window(&node, w, id, source, &a));
    if (ambiguous)
        NEW_FROM(node->doc_string,
                 ni_pool_format(&w->pool, NI_ONNX_POOL_NOTE,
                                own->count_include_pad, own->pads[0],
                                own->pads[1], own->pads[2], own->pads[3]));
    w->rank[id] = 4;
done:
    return status;
}
