#ifndef NASH_BATCH_H
#define NASH_BATCH_H

#include "dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From images on disk order to batches of floats. Every draw is keyed by
 * (seed, step, epoch, image): siblings of a search step see the same batches
 * with the same augmentation, in whatever order or thread they are made, but
 * where a training's focus chooses the images (nash_train_opts).
 */

typedef struct nash_augment {
    int32_t pad;    /* random crop after padding by so many pixels; 0: none */
    bool flip;      /* horizontal, with probability 1/2 */
    bool alternate; /* flip: random in epoch 0, then inverted every epoch */
    int32_t cutout; /* side of the square set to the mean; 0: none */
} nash_augment;

typedef struct nash_batch_key {
    uint64_t seed;
    uint32_t step;  /* of the search */
    uint32_t epoch; /* within the training */
} nash_batch_key;

/** The order in which an epoch visits its images: a shuffle of @p index.
 * @param order  receives [n] */
NASH_API void nash_batch_order(int32_t *order, const int32_t *index, int32_t n,
                               const nash_batch_key *key);

/**
 * Fill a batch: augmented, as float pixels 0..255.
 *
 * @param dst      receives [n,C,H,W]
 * @param labels   receives [n]
 * @param images   source; borrowed
 * @param index    [n] image numbers
 * @param augment  NULL: none
 * @param mean     [C] value of padding and cutout; NULL: 0
 */
NASH_API void nash_batch_fill(float *dst, int32_t *labels,
                              const nash_images *images, const int32_t *index,
                              int32_t n, const nash_augment *augment,
                              const float *mean, const nash_batch_key *key);

#ifdef __cplusplus
}
#endif

#endif
