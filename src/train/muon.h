#ifndef NI_TRAIN_MUON_H
#define NI_TRAIN_MUON_H

#include <nash/model.h>

/*
 * Muon (K. Jordan, 2024): the Nesterov momentum of a filter bank, as a matrix
 * [O, I KH KW], is brought near the closest orthogonal one before the step, so
 * that all directions of the bank learn at the same pace; a bank of more than
 * 256 filters in blocks of so many:
 *
 *     v = momentum v + g;  u = orthogonal(g + momentum v)
 *     w = w - rate |w| u / |u|, then as long as before
 *
 * The length of a bank stays what it was, since batch normalisation makes it
 * meaningless; so there is no weight decay, and a rate is an angle.
 */

/** Rows of the bank that a tensor is for Muon, its output channels; 0 where
 * plain descent is meant: other tensors than the weights of convolutions,
 * grouped convolutions, those that read the image, and one that tells the
 * classes apart. */
int32_t ni_muon_rows(const nash_graph *g, int32_t id, int32_t slot);

/** Values of scratch that a bank takes. */
int64_t ni_muon_scratch(int64_t rows, int64_t columns);

/** In proportion to how long a step of a bank takes, about. */
double ni_muon_work(int64_t rows, int64_t columns);

/**
 * One step of a bank, by the calling thread. One that is all zeros moves as if
 * its length were 1.
 *
 * @param w         [rows, columns]
 * @param v         velocities, likewise
 * @param gradient  likewise; multiplied by @p shorten first
 * @param scratch   ni_muon_scratch() values
 * @return NASH_OK or NASH_EENGINE
 */
nash_status ni_muon_step(float *w, float *v, const float *gradient,
                         int64_t rows, int64_t columns, float shorten,
                         float rate, float momentum, float *scratch);

#endif
