#ifndef NI_MODEL_INTERNAL_H
#define NI_MODEL_INTERNAL_H

#include <nash/model.h>

#include "edit.h"

/* What the files of this folder share. */

typedef struct ni_meta {
    char *key, *value; /* owned */
} ni_meta;

struct nash_model {
    nash_graph *graph;    /* owned */
    nash_tensor *tensors; /* owned; [nodes][NASH_SLOT_COUNT], data NULL where
                             the slot is empty */
    nash_looks looks;     /* see nash_model_set_looks() */
    int32_t n_meta;
    ni_meta *meta; /* owned; [n_meta], sorted by key */
};

/** Give a slot a neutral tensor unless it holds one of the right size.
 * @return NASH_OK or NASH_ENOMEM; the slot is unchanged on failure */
nash_status ni_model_fit(nash_model *m, int32_t id, int32_t slot);

void ni_tensor_fill(nash_tensor *t, float value);

/** Copy all metadata into a model that has none; NASH_OK or NASH_ENOMEM. */
nash_status ni_meta_copy(nash_model *dst, const nash_model *src);
void ni_meta_free(nash_model *m);

#endif
