#ifndef NI_TRAIN_FEED_H
#define NI_TRAIN_FEED_H

#include "focus.h"

/*
 * The training's batches in order, each prepared by a thread of its own while
 * the one before is computed on. What is in a batch depends on its name alone,
 * and with a focus on what that was told before the batch's pass, never on when
 * it was made.
 */

typedef struct ni_feed ni_feed;

typedef struct ni_batch {
    int32_t n;       /* images: opts->batch, or the rest of the epoch */
    float *pixels;   /* [n,C,H,W] */
    int32_t *labels; /* [n] */
    int32_t *places; /* [n] of its images in the index */
} ni_batch;

/* Which batches. */
typedef struct ni_feed_plan {
    const int32_t *index; /* [n] images of the training; borrowed until the feed
                             is closed */
    int32_t n, batch;     /* images per batch, 1 .. n */
    int64_t first, end;   /* counted over all epochs: first .. end - 1 */
    ni_focus *focus;      /* borrowed likewise; NULL: each epoch is a pass over
                             all images. Between two calls of ni_feed_next() it
                             may be told what was seen, and read */
} ni_feed_plan;

/**
 * Start preparing batches.
 *
 * @param images  borrowed until the feed is closed
 * @param plan    copied
 * @param mean    [C] value of padding; copied
 * @param opts    seed, step, augment; copied
 * @return NASH_OK, or NASH_ENOMEM (also when no thread can be had)
 */
nash_status ni_feed_open(ni_feed **out, const nash_images *images,
                         const ni_feed_plan *plan, const float *mean,
                         const nash_train_opts *opts);

/** Stop, wherever it is; NULL is fine. */
void ni_feed_close(ni_feed *feed);

/** The next batch, valid until the next call; at most as many as planned. */
const ni_batch *ni_feed_next(ni_feed *feed);

/** Bytes that a feed holds. @param places  images in its index; 0 with a focus,
 * which orders them */
size_t ni_feed_bytes(nash_shape shape, int32_t places, int32_t batch);

#endif
