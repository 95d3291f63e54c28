#ifndef NI_TRAIN_SGD_H
#define NI_TRAIN_SGD_H

#include <nash/train.h>

/*
 * Stochastic gradient descent with momentum, as PyTorch defines it:
 *
 *     g = gradient + decay w;  v = momentum v + g
 *     w = w - lr v             or, with Nesterov,  w - lr (g + momentum v)
 */

typedef struct ni_sgd ni_sgd;

/**
 * An optimiser for all trained tensors of a model, its velocities zero.
 *
 * @param m     borrowed until the optimiser is freed; its graph must not change
 * @param opts  rates, momentum, nesterov, decay, clip_norm, muon and
 *              threads; copied
 * @return NASH_OK or NASH_ENOMEM
 */
nash_status ni_sgd_create(ni_sgd **out, nash_model *m,
                          const nash_train_opts *opts);
void ni_sgd_free(ni_sgd *sgd);

/** A tensor's velocities, shaped like it; NULL where nothing is trained.
 * Borrowed, to save and restore. */
float *ni_sgd_velocity(const ni_sgd *sgd, int32_t id, int32_t slot);

/** Bytes of velocities that an architecture needs, and of Muon's scratch. */
size_t ni_sgd_bytes(const nash_graph *g, const nash_train_opts *opts);

/** One step along the gradients of @p plan, a training plan of the model.
 * @return NASH_OK, or as ni_muon_step() */
nash_status ni_sgd_step(ni_sgd *sgd, const nash_plan *plan, double lr);

#endif
