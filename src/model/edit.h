#ifndef NI_MODEL_EDIT_H
#define NI_MODEL_EDIT_H

#include <nash/model.h>

/*
 * Surgery on models: graph and tensors stay in step. New tensors are neutral
 * (see nash_model_create). A morphism works on a copy of the model and swaps
 * it in at the end (ni_model_swap), so that a failure leaves it unchanged.
 */

/** The model's graph, for attribute changes; sizes must be kept in step by
 * ni_model_resize(). */
nash_graph *ni_model_graph(nash_model *m);

/**
 * Insert a node at position @p id, as ni_graph_insert(); shapes of the whole
 * graph are recomputed.
 *
 * @return NASH_OK, or as ni_graph_insert() and ni_graph_infer()
 */
nash_status ni_model_insert(nash_model *m, int32_t id, nash_op op,
                            const nash_attrs *attrs, const int32_t *inputs,
                            int32_t n_inputs);

/**
 * Recompute all shapes after edits, and give every tensor whose size no longer
 * fits its node a new neutral one of the right size (old values are lost: keep
 * what you need first).
 *
 * @return NASH_OK, NASH_ESHAPE, NASH_ELIMIT or NASH_ENOMEM
 */
nash_status ni_model_resize(nash_model *m);

/**
 * What stands in a slot of a node, without data.
 *
 * @param neutral  receives the value that a new tensor is filled with
 * @return false if the slot is empty
 */
bool ni_tensor_layout(nash_tensor *layout, float *neutral, const nash_graph *g,
                      int32_t id, int32_t slot);

/** As nash_model_init(), one slot; an empty one is left alone. */
void ni_model_init_slot(nash_model *m, int32_t id, int32_t slot, uint64_t seed);

/** Exchange the contents of two models. */
void ni_model_swap(nash_model *a, nash_model *b);

/** Let a layer's first @p n filters be these and the next n their negatives.
 * @param filters  [n, ...]; 2 n are at most all the layer has */
void ni_tensor_set_pairs(nash_tensor *weight, const float *filters, int32_t n);

#endif
