#ifndef NI_TRAIN_FOCUS_H
#define NI_TRAIN_FOCUS_H

#include <nash/train.h>

/*
 * What a training passes over where an epoch is several passes: all images in
 * turn and, once most of them are learned, mostly those whose loss was largest
 * when they were last seen (online batch selection, arXiv 1511.06343). Images
 * go by their places in the training's index.
 */

typedef struct ni_focus ni_focus;

/**
 * @param images  their labels; borrowed
 * @param index   [n] numbers of the training's images; borrowed
 * @param share   of them, that a pass visits
 * @return NASH_OK or NASH_ENOMEM
 */
nash_status ni_focus_create(ni_focus **out, const nash_images *images,
                            const int32_t *index, int32_t n, double share);

/** NULL is fine. */
void ni_focus_free(ni_focus *f);

/** Bytes it holds. */
size_t ni_focus_bytes(int32_t n, int32_t classes);

/** Steps of a pass, if so many visit every image. */
int64_t ni_focus_steps(const ni_focus *f, int64_t per_epoch);

/** The epoch that a pass's images are augmented as: a later one for each, and,
 * where an epoch is a whole number of passes in which images take turns, of the
 * other parity than that of an image's visit before: flips may alternate by it.
 * @param per_pass, per_epoch  steps */
uint32_t ni_focus_epoch(int64_t pass, int64_t per_pass, int64_t per_epoch);

/**
 * Choose the images of a pass: those that were visited longest ago and, once
 * most images are learned, before them those of the largest loss.
 *
 * @param visits  how many, 1 .. n
 * @param key     names the pass
 */
void ni_focus_choose(ni_focus *f, int32_t visits, const nash_batch_key *key);

/** The pass's places in order; [n], of which it visits the first. */
int32_t *ni_focus_order(ni_focus *f);

/** Note the losses of images that were just seen. @param places  [n] */
void ni_focus_saw(ni_focus *f, const int32_t *places, const float *losses,
                  int32_t n);

/** [n] when last seen; infinite: never. */
float *ni_focus_losses(ni_focus *f);

/** [n] that tell which images were visited longest ago, for a state to keep. */
float *ni_focus_ages(ni_focus *f);

#endif
