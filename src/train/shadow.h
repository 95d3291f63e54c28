#ifndef NI_TRAIN_SHADOW_H
#define NI_TRAIN_SHADOW_H

#include <nash/model.h>

/*
 * Values beside some tensors of a model, shaped like them: an optimiser's
 * velocities, slow weights. They are one block, at first zero.
 */

typedef struct ni_shadowed {
    int32_t id, slot;
    nash_role role;
    int64_t count;
    float *own;    /* borrowed from the model */
    float *shadow; /* within the block */
} ni_shadowed;

typedef struct ni_shadow {
    int32_t n;
    ni_shadowed *at; /* [n], owned; in the model's order */
    float *block;    /* owned */
} ni_shadow;

/**
 * @param s     all zero; to be freed by ni_shadow_deinit() also on failure
 * @param m     borrowed until then; its graph must not change
 * @param wants whether tensors of a role are among them
 * @return NASH_OK or NASH_ENOMEM
 */
nash_status ni_shadow_init(ni_shadow *s, const nash_model *m,
                           bool (*wants)(nash_role role));
void ni_shadow_deinit(ni_shadow *s);

/** The values beside a tensor; NULL where there are none. Borrowed. */
float *ni_shadow_of(const ni_shadow *s, int32_t id, int32_t slot);

#endif
