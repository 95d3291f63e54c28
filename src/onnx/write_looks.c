/*
 * A model of several looks: its nodes see a batch of as many times the images,
 * first as they are, then shifted, then all of these mirrored, and each image's
 * probabilities are averaged.
 */
#include "writer.h"

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

static nash_status add_list(char **own, ni_writer *w, const char *name,
                            const int32_t *values, size_t n)
{
    nash_status status = NASH_OK;
    NEW_FROM(*own, ni_pool_strdup(&w->pool, name));
    TRY(ni_writer_int64s(w, *own, values, n));
done:
    return status;
}

/* The initializers of a Slice; without steps they are 1. */
typedef struct cut {
    char *starts, *ends, *axes, *steps;
} cut;

static nash_status add_cut(char **out, ni_writer *w, char *image,
                           const char *name, const cut *c)
{
    nash_status status = NASH_OK;
    ni_pb_node *slice = NULL;
    TRY(add_named(&slice, w, "Slice", name, 5));
    ni_writer_input(slice, image);
    ni_writer_input(slice, c->starts);
    ni_writer_input(slice, c->ends);
    ni_writer_input(slice, c->axes);
    if (c->steps)
        ni_writer_input(slice, c->steps);
    *out = slice->name;
done:
    return status;
}

/* The images, their border repeated around them, cut to their size again. */
static nash_status write_shifts(char *looks[2], ni_writer *w)
{
    static const int32_t pads[8] = {0, 0, 1, 1, 0, 0, 1, 1};
    static const int32_t height_and_width[2] = {2, 3};
    static const int32_t first[2] = {0, 0}, before_margin[2] = {-2, -2};
    static const int32_t behind_margin[2] = {2, 2};
    static const int32_t behind_last[2] = {INT32_MAX, INT32_MAX};
    nash_status status = NASH_OK;
    ni_pb_node *margin = NULL;
    cut down = {NULL}, up = {NULL};
    char *amounts = NULL;
    TRY(add_named(&margin, w, "Pad", "margin", 2));
    TRY(add_list(&amounts, w, "margin.pads", pads, 8));
    ni_writer_input(margin, w->image);
    ni_writer_input(margin, amounts);
    TRY(ni_writer_text(w, margin, "mode", "edge"));
    TRY(add_list(&down.axes, w, "shift.axes", height_and_width, 2));
    up.axes = down.axes;
    TRY(add_list(&down.starts, w, "shift_down.starts", first, 2));
    TRY(add_list(&down.ends, w, "shift_down.ends", before_margin, 2));
    TRY(add_list(&up.starts, w, "shift_up.starts", behind_margin, 2));
    TRY(add_list(&up.ends, w, "shift_up.ends", behind_last, 2));
    TRY(add_cut(&looks[0], w, margin->name, "shift_down", &down));
    TRY(add_cut(&looks[1], w, margin->name, "shift_up", &up));
done:
    return status;
}

static nash_status write_mirrors(char **mirrored, ni_writer *w, char **looks,
                                 int32_t n)
{
    static const char *const names[] = {"mirror", "mirror_down", "mirror_up"};
    static const int32_t last = -1, before_first = INT32_MIN, width = 3;
    nash_status status = NASH_OK;
    cut c = {NULL};
    TRY(add_list(&c.starts, w, "mirror.starts", &last, 1));
    TRY(add_list(&c.ends, w, "mirror.ends", &before_first, 1));
    TRY(add_list(&c.axes, w, "mirror.axes", &width, 1));
    c.steps = c.starts; /* -1, too */
    for (int32_t i = 0; i < n; i++)
        TRY(add_cut(&mirrored[i], w, looks[i], names[i], &c));
done:
    return status;
}

nash_status ni_write_looks(ni_writer *w)
{
    nash_status status = NASH_OK;
    nash_looks looks = nash_model_looks(w->model);
    int32_t softmax = nash_graph_size(w->graph) - 1;
    int32_t n = nash_looks_count(looks);
    char *all[NASH_MAX_LOOKS] = {w->image};
    ni_pb_node *joined = NULL;
    if (looks.shifted)
        TRY(write_shifts(&all[1], w));
    if (looks.mirrored)
        TRY(write_mirrors(&all[n / 2], w, all, n / 2));
    TRY(add_named(&joined, w, "Concat", "looks", n));
    for (int32_t i = 0; i < n; i++)
        ni_writer_input(joined, all[i]);
    TRY(ni_writer_int(w, joined, "axis", 0));
    w->names[0] = joined->name;
    NEW_FROM(w->names[softmax], ni_pool_strdup(&w->pool, "look_probabilities"));
done:
    return status;
}

nash_status ni_write_mean_of_looks(ni_writer *w)
{
    static const int32_t look = 0;
    nash_status status = NASH_OK;
    const int32_t dims[3] = {nash_looks_count(nash_model_looks(w->model)), -1,
                             nash_graph_classes(w->graph)};
    int32_t softmax = nash_graph_size(w->graph) - 1;
    ni_pb_node *reshape = NULL, *mean = NULL;
    char *shape = NULL;
    TRY(add_named(&reshape, w, "Reshape", "by_look", 2));
    TRY(add_list(&shape, w, "by_look.shape", dims, 3));
    ni_writer_input(reshape, w->names[softmax]);
    ni_writer_input(reshape, shape);
    TRY(ni_writer_node(&mean, w, "ReduceMean", w->probabilities, 1));
    ni_writer_input(mean, reshape->name);
    TRY(ni_writer_ints(w, mean, "axes", &look, 1));
    TRY(ni_writer_int(w, mean, "keepdims", 0));
done:
    return status;
}
