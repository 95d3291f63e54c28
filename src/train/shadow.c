/* Two passes over the tensors: one to count, one to fill in. */
#include "shadow.h"

#include "base/memory.h"

/* Gather the tensors; only count them where `dst` is NULL. */
static int32_t gather(ni_shadowed *dst, int64_t *values, const nash_model *m,
                      bool (*wants)(nash_role role))
{
    int32_t n = 0, nodes = nash_graph_size(nash_model_graph(m));
    *values = 0;
    for (int32_t i = 0; i < nodes * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const nash_tensor *t = nash_model_tensor(m, id, slot);
        if (!t || !wants(t->role))
            continue;
        if (dst)
            dst[n] = (ni_shadowed){.id = id,
                                   .slot = slot,
                                   .role = t->role,
                                   .count = t->count,
                                   .own = t->data};
        *values += t->count;
        n++;
    }
    return n;
}

nash_status ni_shadow_init(ni_shadow *s, const nash_model *m,
                           bool (*wants)(nash_role role))
{
    nash_status status = NASH_OK;
    int64_t values;
    s->n = gather(NULL, &values, m, wants);
    NEW_ARRAY(s->at, s->n);
    NEW_ARRAY(s->block, values);
    gather(s->at, &values, m, wants);
    float *next = s->block;
    for (int32_t i = 0; i < s->n; i++) {
        s->at[i].shadow = next;
        next += s->at[i].count;
    }
done:
    return status;
}

void ni_shadow_deinit(ni_shadow *s)
{
    ni_free(s->block);
    ni_free(s->at);
}

float *ni_shadow_of(const ni_shadow *s, int32_t id, int32_t slot)
{
    for (int32_t i = 0; i < s->n; i++)
        if (s->at[i].id == id && s->at[i].slot == slot)
            return s->at[i].shadow;
    return NULL;
}
