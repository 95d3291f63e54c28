/*
 * A mirrored model: its nodes see a batch of twice the images, first as they
 * are, then their mirror images, and each pair of probabilities is averaged.
 */
#include "writer.h"

static nash_status add_list(ni_writer *w, ni_pb_node *node, const char *name,
                            const int32_t *values, size_t n)
{
    nash_status status = NASH_OK;
    char *own = NULL;
    NEW_FROM(own, ni_pool_strdup(&w->pool, name));
    TRY(ni_writer_int64s(w, own, values, n));
    ni_writer_input(node, own);
done:
    return status;
}

static nash_status add_named(ni_pb_node **out, ni_writer *w, const char *type,
                             const char *name, int32_t inputs)
{
    nash_status status = NASH_OK;
    char *own = NULL;
    NEW_FROM(own, ni_pool_strdup(&w->pool, name));
    TRY(ni_writer_node(out, w, type, own, inputs));
done:
    return status;
}

nash_status ni_write_views(ni_writer *w)
{
    static const int32_t last = -1, before_first = INT32_MIN, width = 3;
    nash_status status = NASH_OK;
    int32_t softmax = nash_graph_size(w->graph) - 1;
    ni_pb_node *mirror = NULL, *views = NULL;
    TRY(add_named(&mirror, w, "Slice", "mirror", 5));
    ni_writer_input(mirror, w->image);
    TRY(add_list(w, mirror, "mirror.starts", &last, 1));
    TRY(add_list(w, mirror, "mirror.ends", &before_first, 1));
    TRY(add_list(w, mirror, "mirror.axes", &width, 1));
    ni_writer_input(mirror, mirror->input[1]); /* steps: -1, too */
    TRY(add_named(&views, w, "Concat", "views", 2));
    ni_writer_input(views, w->image);
    ni_writer_input(views, mirror->name);
    TRY(ni_writer_int(w, views, "axis", 0));
    w->names[0] = views->name;
    NEW_FROM(w->names[softmax], ni_pool_strdup(&w->pool, "view_probabilities"));
done:
    return status;
}

nash_status ni_write_mean_of_views(ni_writer *w)
{
    static const int32_t batch = 0;
    nash_status status = NASH_OK;
    const int32_t pairs[3] = {2, -1, nash_graph_classes(w->graph)};
    int32_t softmax = nash_graph_size(w->graph) - 1;
    ni_pb_node *reshape = NULL, *mean = NULL;
    TRY(add_named(&reshape, w, "Reshape", "view_pairs", 2));
    ni_writer_input(reshape, w->names[softmax]);
    TRY(add_list(w, reshape, "view_pairs.shape", pairs, 3));
    TRY(ni_writer_node(&mean, w, "ReduceMean", w->probabilities, 1));
    ni_writer_input(mean, reshape->name);
    TRY(ni_writer_ints(w, mean, "axes", &batch, 1));
    TRY(ni_writer_int(w, mean, "keepdims", 0));
done:
    return status;
}
