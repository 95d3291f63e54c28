#ifndef NI_TRAIN_PREDICT_H
#define NI_TRAIN_PREDICT_H

#include <nash/train.h>

/* A model compiled for inference, with room for its batches. */
typedef struct ni_predictor ni_predictor;

/* Images to look at. */
typedef struct ni_views {
    const nash_images *images;
    const int32_t *index; /* [n]; NULL: 0 .. n-1 */
    int32_t n;
} ni_views;

/**
 * @param m     borrowed until the predictor is closed
 * @param opts  its mode is ignored
 * @return NASH_OK, or as nash_plan_create()
 */
nash_status ni_predictor_open(ni_predictor **out, const nash_model *m,
                              const nash_plan_opts *opts);
void ni_predictor_close(ni_predictor *p);

/** Images at once. */
int32_t ni_predictor_batch(const ni_predictor *p);

/** Take up weights that changed. @return NASH_OK or NASH_EENGINE */
nash_status ni_predictor_refresh(ni_predictor *p);

/**
 * Add @p share times the probabilities to a sum.
 *
 * @param sum  [n,K]
 * @return NASH_OK or NASH_EENGINE
 */
nash_status ni_predictor_add(float *sum, ni_predictor *p, const ni_views *views,
                             float share);

/** The bytes a predictor holds. @return as nash_plan_estimate() */
nash_status ni_predictor_bytes(size_t *bytes, const nash_graph *g,
                               const nash_plan_opts *opts);

/** Whether a model takes these images: NASH_OK, or NASH_ESHAPE with a sentence
 * that names both sizes. */
nash_status ni_check_input(const nash_model *m, const nash_images *images);

/** Whether all of [n] image numbers exist: NASH_OK or NASH_EINVAL. */
nash_status ni_check_index(const nash_images *images, const int32_t *index,
                           int32_t n);

#endif
