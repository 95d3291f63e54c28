/*
 * The program that compiling writes: buffers and steps. Both are arrays that
 * double; an id stays valid, a pointer does not. A step keeps no pointer into
 * memory until it is bound.
 */
#include "onednn.h"

#include <string.h>

nash_status ni_grow(void **items, int32_t count, int32_t *capacity, size_t size)
{
    nash_status status = NASH_OK;
    int32_t wider = *capacity ? 2 * *capacity : 32;
    void *fresh;
    if (count < *capacity)
        goto done;
    NEW_FROM(fresh, ni_realloc(*items, wider, size));
    *items = fresh;
    *capacity = wider;
done:
    return status;
}

static nash_status add_buffer(int32_t *id, ni_program *p, ni_buffer buffer)
{
    void *items = p->buffers;
    nash_status status =
        ni_grow(&items, p->n_buffers, &p->buffer_capacity, sizeof *p->buffers);
    p->buffers = items;
    if (status != NASH_OK)
        return status;
    buffer.first = INT32_MAX;
    buffer.last = -1;
    buffer.sharers = 1;
    p->buffers[p->n_buffers] = buffer;
    *id = p->n_buffers++;
    return NASH_OK;
}

nash_status ni_new_buffer(int32_t *id, ni_program *p, size_t bytes)
{
    return add_buffer(id, p, (ni_buffer){.bytes = bytes});
}

nash_status ni_shared_buffer(int32_t *id, ni_program *p, size_t offset)
{
    return add_buffer(id, p,
                      (ni_buffer){.place = NI_IN_SHARED, .offset = offset});
}

nash_status ni_tensor_buffer(int32_t *id, ni_program *p, int32_t node,
                             int32_t slot)
{
    return add_buffer(
        id, p, (ni_buffer){.place = NI_IN_MODEL, .node = node, .slot = slot});
}

static nash_status add_step(ni_step **out, ni_steps *steps)
{
    void *items = steps->items;
    nash_status status =
        ni_grow(&items, steps->count, &steps->capacity, sizeof *steps->items);
    steps->items = items;
    *out = status == NASH_OK ? &steps->items[steps->count++] : NULL;
    return status;
}

static void add_refs(ni_step *step, const ni_ref *refs, int32_t n_refs)
{
    for (int32_t i = 0; i < n_refs; i++)
        if (refs[i].buffer >= 0)
            step->refs[step->n_refs++] = refs[i];
}

nash_status ni_emit_kernel(ni_program *p, ni_phase phase, int32_t node,
                           const char *what, ni_kernel kernel,
                           const ni_task *task, const ni_ref *refs,
                           int32_t n_refs)
{
    nash_status status = NASH_OK;
    ni_step *step;
    TRY(add_step(&step, &p->steps[phase]));
    step->node = node;
    step->what = what;
    step->kernel = kernel;
    step->task = *task;
    add_refs(step, refs, n_refs);
done:
    return status;
}

nash_status ni_emit_primitive(ni_program *p, ni_phase phase, int32_t node,
                              const char *what, dnnl_primitive_desc_t desc,
                              const ni_ref *refs, int32_t n_refs)
{
    nash_status status = NASH_OK;
    ni_step *step = NULL;
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    int32_t scratchpad = -1;
    if (bytes > 0)
        TRY(ni_new_buffer(&scratchpad, p, bytes));
    TRY(add_step(&step, &p->steps[phase]));
    step->node = node;
    step->what = what;
    step->desc = desc;
    add_refs(step, refs, n_refs);
    add_refs(step, REFS({scratchpad, DNNL_ARG_SCRATCHPAD}));
done:
    if (!step)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

nash_status ni_emit_meeting(ni_program *p, ni_phase phase, int32_t node)
{
    nash_status status = NASH_OK;
    ni_step *step;
    if (p->shared->programs == 1)
        goto done;
    TRY(add_step(&step, &p->steps[phase]));
    step->node = node;
    step->meets = true;
done:
    return status;
}

nash_status ni_dnnl_check(const ni_program *p, int32_t node, const char *what,
                          dnnl_status_t result)
{
    static const char *const reasons[] = {
        "success",     "out of memory", "invalid arguments", "unimplemented",
        "end of list", "runtime error", "not required",
    };
    char name[32];
    if (result == dnnl_success)
        return NASH_OK;
    if (result == dnnl_out_of_memory)
        return ni_fail(NASH_ENOMEM, "out of memory in oneDNN");
    nash_node_name(name, sizeof name, p->graph, node);
    bool known = (size_t)result < sizeof reasons / sizeof *reasons;
    return ni_fail(NASH_EENGINE, "oneDNN cannot do the %s of %s: %s", what,
                   name, known ? reasons[result] : "unknown reason");
}
