/*
 * The block that the programs of a plan share: the caller's input and logits,
 * gradients, scratch for sums over all images, and weights packed once for all.
 * Nothing in it takes another's place. Who compiles first decides who packs
 * what, so that each has about as many bytes to pack; a program that wants
 * another layout than those before it packs it itself.
 */
#include "onednn.h"

#include "model/edit.h"

enum { ALIGNMENT = 256 };

static size_t reserve(ni_shared *s, size_t bytes)
{
    size_t offset = s->bytes;
    s->bytes += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return offset;
}

static size_t image_bytes(nash_shape shape)
{
    return (size_t)shape.c * (size_t)shape.h * (size_t)shape.w * sizeof(float);
}

size_t ni_trained_bytes(const nash_graph *g, int32_t node, int32_t slot)
{
    nash_tensor layout;
    float neutral;
    if (!ni_tensor_layout(&layout, &neutral, g, node, slot) ||
        layout.role == NASH_ROLE_STATISTIC || layout.role == NASH_ROLE_CONSTANT)
        return 0;
    return (size_t)layout.count * sizeof(float);
}

/* A batch normalisation's are computed from sums over the whole batch. */
static bool is_whole(const nash_graph *g, int32_t node)
{
    return nash_graph_node(g, node)->op == NASH_OP_BATCH_NORM;
}

static void place_gradients(ni_shared *s, const nash_graph *g)
{
    int32_t slots = nash_graph_size(g) * NASH_SLOT_COUNT;
    for (int whole = 1; whole >= 0; whole--) {
        if (!whole)
            s->parts = s->bytes;
        for (int32_t i = 0; i < slots; i++) {
            int32_t node = i / NASH_SLOT_COUNT;
            size_t bytes = ni_trained_bytes(g, node, i % NASH_SLOT_COUNT);
            if (bytes > 0 && is_whole(g, node) == whole)
                s->gradients[i] = reserve(s, bytes) - (whole ? 0 : s->parts);
        }
    }
    s->part_bytes = s->bytes - s->parts;
    s->bytes += s->part_bytes * (size_t)(s->programs - 1);
}

static size_t partial_bytes(const nash_graph *g, const nash_plan_opts *opts,
                            int32_t lanes)
{
    size_t most = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        const nash_node *node = nash_graph_node(g, id);
        ni_layout layout = {
            .n = opts->batch, .c = node->shape.c, .lanes = lanes};
        size_t bytes = ni_norm_partial_bytes(&layout);
        if (node->op == NASH_OP_BATCH_NORM && bytes > most)
            most = bytes;
    }
    return most;
}

nash_status ni_shared_init(ni_shared *s, const nash_graph *g,
                           const nash_plan_opts *opts, int32_t programs,
                           int32_t lanes)
{
    nash_status status = NASH_OK;
    int32_t size = nash_graph_size(g);
    size_t images = (size_t)opts->batch;
    size_t logits = images * image_bytes(nash_graph_node(g, size - 1)->shape);
    s->batch = opts->batch;
    s->programs = programs;
    NEW_ARRAY(s->load, programs);
    NEW_ARRAY(s->gradients, (int64_t)size * NASH_SLOT_COUNT);
    s->input = reserve(s, images * image_bytes(nash_graph_input_shape(g)));
    s->logits = reserve(s, logits);
    if (opts->mode == NASH_MODE_TRAIN) {
        s->d_logits = reserve(s, logits);
        place_gradients(s, g);
    }
    for (int i = 0; i < 2 && opts->mode != NASH_MODE_INFER; i++)
        s->partial[i] = reserve(s, partial_bytes(g, opts, lanes));
done:
    return status;
}

void ni_shared_deinit(ni_shared *s)
{
    ni_free(s->block);
    ni_free(s->load);
    ni_free(s->packed);
    ni_free(s->gradients);
}

ni_slice ni_slice_of(const ni_shared *s, int32_t program)
{
    int32_t whole = s->batch / s->programs, more = s->batch % s->programs;
    return (ni_slice){program * whole + (program < more ? program : more),
                      whole + (program < more ? 1 : 0)};
}

nash_status ni_shared_images(int32_t *id, ni_program *p, size_t offset,
                             nash_shape shape)
{
    return ni_shared_buffer(id, p,
                            offset + (size_t)p->first * image_bytes(shape));
}

nash_status ni_shared_partial(int32_t *id, ni_program *p)
{
    return ni_shared_buffer(id, p, p->shared->partial[p->n_sums++ % 2]);
}

nash_status ni_shared_gradient(int32_t *id, ni_program *p, int32_t node,
                               int32_t slot)
{
    const ni_shared *s = p->shared;
    size_t offset = s->gradients[(int64_t)node * NASH_SLOT_COUNT + slot];
    if (!is_whole(p->graph, node))
        offset += s->parts + (size_t)p->index * s->part_bytes;
    else if (p->index > 0)
        return ni_new_buffer(id, p, ni_trained_bytes(p->graph, node, slot));
    return ni_shared_buffer(id, p, offset);
}

/* ---- packed weights --------------------------------------------------- */

static const ni_packed *find_packed(const ni_shared *s, int32_t node,
                                    ni_weights what,
                                    const dnnl_memory_desc_t *desc)
{
    for (int32_t i = 0; i < s->n_packed; i++) {
        const ni_packed *it = &s->packed[i];
        if (it->node == node && it->what == what &&
            dnnl_memory_desc_equal(&it->desc, desc))
            return it;
    }
    return NULL;
}

/* Of the program that is compiled and those after it with as many images, which
 * will want the same: the one with the least to do, but all of a node's
 * together. */
static int32_t choose_maker(const ni_shared *s, int32_t compiling, int32_t node)
{
    int32_t maker = compiling;
    for (int32_t i = 0; i < s->n_packed; i++)
        if (s->packed[i].node == node && s->packed[i].maker >= compiling)
            return s->packed[i].maker;
    for (int32_t i = compiling + 1; i < s->programs; i++)
        if (ni_slice_of(s, i).n == ni_slice_of(s, compiling).n &&
            s->load[i] < s->load[maker])
            maker = i;
    return maker;
}

nash_status ni_shared_weights(int32_t *id, bool *mine, ni_program *p,
                              int32_t node, ni_weights what,
                              const dnnl_memory_desc_t *desc)
{
    nash_status status = NASH_OK;
    ni_shared *s = p->shared;
    const ni_packed *found = find_packed(s, node, what, desc);
    if (!found) {
        void *items = s->packed;
        size_t bytes = dnnl_memory_desc_get_size(desc);
        int32_t maker = choose_maker(s, p->index, node);
        status = ni_grow(&items, s->n_packed, &s->packed_capacity,
                         sizeof *s->packed);
        s->packed = items;
        if (status != NASH_OK)
            goto done;
        s->packed[s->n_packed] =
            (ni_packed){node, what, *desc, reserve(s, bytes), maker};
        s->load[maker] += bytes;
        found = &s->packed[s->n_packed++];
    }
    *mine = found->maker == p->index;
    TRY(ni_shared_buffer(id, p, found->offset));
done:
    return status;
}

nash_status ni_pack(int32_t *packed, ni_program *p, int32_t node,
                    ni_weights what, int32_t from,
                    const dnnl_memory_desc_t *from_desc,
                    const dnnl_memory_desc_t *to_desc)
{
    nash_status status = NASH_OK;
    bool mine;
    *packed = from;
    if (ni_desc_equal(from_desc, to_desc))
        goto done;
    TRY(ni_shared_weights(packed, &mine, p, node, what, to_desc));
    if (mine)
        TRY(ni_reorder(p, NI_PACK, node, from, from_desc, *packed, to_desc));
done:
    return status;
}

/* ---- the end of backward ---------------------------------------------- */

nash_status ni_sum_gradients(ni_program *p)
{
    nash_status status = NASH_OK;
    const ni_shared *s = p->shared;
    size_t lines = s->part_bytes / ALIGNMENT, n = (size_t)s->programs;
    size_t from = lines * (size_t)p->index / n;
    size_t to = lines * ((size_t)p->index + 1) / n;
    int32_t sum, node = nash_graph_size(p->graph) - 1;
    ni_task task = {.n_src = s->programs,
                    .count = (int64_t)((to - from) * ALIGNMENT / sizeof(float)),
                    .stride = (int64_t)(s->part_bytes / sizeof(float))};
    if (n == 1)
        goto done;
    TRY(ni_emit_meeting(p, NI_BACKWARD, node));
    TRY(ni_shared_buffer(&sum, p, s->parts + from * ALIGNMENT));
    TRY(ni_emit_kernel(p, NI_BACKWARD, node, "sum of gradients",
                       p->kernels->sum_parts, &task, REFS({sum, NI_D_SRC})));
done:
    return status;
}
