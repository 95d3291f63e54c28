#ifndef NI_TRAIN_LOOKAHEAD_H
#define NI_TRAIN_LOOKAHEAD_H

#include <nash/train.h>

/*
 * Lookahead (arXiv 1907.08610): beside a model's weights there are slow ones,
 * which now and then move a part of the way towards them; the weights then go
 * on from there. Running statistics are taken along. The part gets smaller in
 * the course of a cosine, as in Keller Jordan's airbench: at its end the slow
 * weights are a long average, and they are what is kept.
 */
typedef struct ni_lookahead ni_lookahead;

/**
 * Slow weights for all that training changes in a model.
 *
 * @param m  borrowed until the lookahead is freed; its graph must not change
 * @return NASH_OK or NASH_ENOMEM
 */
nash_status ni_lookahead_create(ni_lookahead **out, nash_model *m);
void ni_lookahead_free(ni_lookahead *l);

/** A tensor's slow values, shaped like it; NULL where nothing changes.
 * Borrowed, to save and restore. */
float *ni_lookahead_slow(const ni_lookahead *l, int32_t id, int32_t slot);

/** Bytes of slow values that an architecture needs. */
size_t ni_lookahead_bytes(const nash_graph *g);

/** A cosine begins: the slow values are the model's. */
void ni_lookahead_restart(ni_lookahead *l);

/**
 * Move the slow values, and the model to them.
 *
 * @param plan   of the model; its threads share the work
 * @param every  steps since the last time
 * @param place  in the cosine, 0..1; at 1 the slow values stay where they are
 */
void ni_lookahead_pull(ni_lookahead *l, const nash_plan *plan, int32_t every,
                       double place);

#endif
