/*
 * One arena for everything a program alone needs: buffers that are never alive
 * at the same step may lie at the same place. Largest first, each at the lowest
 * gap that is free for its whole life; quadratic in the number of buffers,
 * which takes a millisecond for a network of a hundred layers.
 */
#include "onednn.h"

#include <stdlib.h>

enum { ALIGNMENT = 256 };

/* Note which steps touch which buffers. */
static void find_lives(ni_program *p)
{
    int32_t now = 0;
    for (int phase = 0; phase < NI_PHASES; phase++)
        for (int32_t i = 0; i < p->steps[phase].count; i++, now++) {
            const ni_step *step = &p->steps[phase].items[i];
            for (int32_t k = 0; k < step->n_refs; k++) {
                ni_buffer *b = &p->buffers[step->refs[k].buffer];
                b->first = now < b->first ? now : b->first;
                b->last = now;
            }
        }
    for (int32_t i = 0; i < p->n_buffers; i++)
        if (p->buffers[i].kept) {
            p->buffers[i].first = 0;
            p->buffers[i].last = now;
        }
}

typedef struct candidate {
    size_t bytes;
    int32_t buffer;
} candidate;

/* Larger first, then in order of creation. */
static int compare(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->buffer < y->buffer ? -1 : 1;
}

static bool meet(const ni_buffer *a, const ni_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Put a buffer into the lowest gap between those placed before, which are
 * sorted by offset. @return where it is to stand among them */
static int32_t place(ni_program *p, ni_buffer *b, const int32_t *placed,
                     int32_t n)
{
    b->offset = 0;
    for (int32_t i = 0; i < n; i++) {
        const ni_buffer *other = &p->buffers[placed[i]];
        if (!meet(b, other))
            continue;
        if (other->offset >= b->offset + b->bytes)
            break;
        if (other->offset + other->bytes > b->offset)
            b->offset = other->offset + other->bytes;
    }
    int32_t at = n;
    while (at > 0 && p->buffers[placed[at - 1]].offset > b->offset)
        at--;
    return at;
}

nash_status ni_place_buffers(size_t *bytes, ni_program *p)
{
    nash_status status = NASH_OK;
    candidate *order = NULL;
    int32_t *placed = NULL, n = 0;
    size_t end = 0;
    NEW_ARRAY(order, p->n_buffers);
    NEW_ARRAY(placed, p->n_buffers);
    find_lives(p);
    for (int32_t i = 0; i < p->n_buffers; i++) {
        ni_buffer *b = &p->buffers[i];
        b->bytes = (b->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (b->place == NI_IN_ARENA && b->last >= 0)
            order[n++] = (candidate){b->bytes, i};
    }
    qsort(order, (size_t)n, sizeof *order, compare);
    for (int32_t i = 0; i < n; i++) {
        ni_buffer *b = &p->buffers[order[i].buffer];
        int32_t at = place(p, b, placed, i);
        for (int32_t k = i; k > at; k--)
            placed[k] = placed[k - 1];
        placed[at] = order[i].buffer;
        if (b->offset + b->bytes > end)
            end = b->offset + b->bytes;
    }
    *bytes = end;
done:
    ni_free(order);
    ni_free(placed);
    return status;
}

void *ni_address(const ni_program *p, int32_t buffer)
{
    const ni_buffer *b = &p->buffers[buffer];
    switch (b->place) {
    case NI_IN_ARENA:
        return p->arena + b->offset;
    case NI_IN_SHARED:
        return p->shared->block + b->offset;
    case NI_IN_MODEL:
        return nash_model_tensor(p->model, b->node, b->slot)->data;
    }
    return NULL;
}
