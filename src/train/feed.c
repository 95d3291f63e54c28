/*
 * Double buffering with one thread: it fills the slot that the training does
 * not read. Costs two batches and an epoch's order of memory, and less than a
 * hundredth of a step of one core. Nothing in the thread can fail.
 */
#include "feed.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { SLOTS = 2 };

struct ni_feed {
    const nash_images *images;
    const int32_t *index;
    int32_t n, batch;
    int64_t per_epoch, first, end; /* batches */
    nash_augment augment;
    nash_batch_key key; /* the thread's */
    float *mean;        /* owned, [C] */
    int32_t *order;     /* owned, [n]: of the thread's epoch */
    ni_batch slots[SLOTS];

    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    int64_t made, taken; /* batches */
    bool quit;
};

static int32_t batch_size(const ni_feed *feed, int64_t at)
{
    int64_t left = feed->n - at * feed->batch;
    return left < feed->batch ? (int32_t)left : feed->batch;
}

static void make(ni_feed *feed, int64_t step)
{
    int64_t at = step % feed->per_epoch;
    if (at == 0 || step == feed->first) {
        feed->key.epoch = (uint32_t)(step / feed->per_epoch);
        nash_batch_order(feed->order, feed->index, feed->n, &feed->key);
    }
    ni_batch *slot = &feed->slots[step % SLOTS];
    slot->n = batch_size(feed, at);
    nash_batch_fill(slot->pixels, slot->labels, feed->images,
                    feed->order + at * feed->batch, slot->n, &feed->augment,
                    feed->mean, &feed->key);
}

/* Wait until a slot is free. @return false to end */
static bool may_make(ni_feed *feed, int64_t step)
{
    pthread_mutex_lock(&feed->mutex);
    /* Batch taken - 1 is being read, in the slot that taken + 1 will have. */
    while (!feed->quit && step > feed->taken + SLOTS - 2)
        pthread_cond_wait(&feed->changed, &feed->mutex);
    bool go = !feed->quit;
    pthread_mutex_unlock(&feed->mutex);
    return go;
}

static void *work(void *ctx)
{
    ni_feed *feed = ctx;
    for (int64_t step = feed->first; step < feed->end && may_make(feed, step);
         step++) {
        make(feed, step);
        pthread_mutex_lock(&feed->mutex);
        feed->made = step + 1;
        pthread_cond_signal(&feed->changed);
        pthread_mutex_unlock(&feed->mutex);
    }
    return NULL;
}

static int64_t pixels_of(nash_shape shape)
{
    return (int64_t)shape.c * shape.h * shape.w;
}

static nash_status start(ni_feed *feed)
{
    errno = pthread_create(&feed->thread, NULL, work, feed);
    if (errno)
        return ni_fail_errno(NASH_ENOMEM,
                             "no thread can be had for preparing batches");
    feed->running = true;
    return NASH_OK;
}

nash_status ni_feed_open(ni_feed **out, const nash_images *images,
                         const ni_feed_plan *plan, const float *mean,
                         const nash_train_opts *opts)
{
    nash_status status = NASH_OK;
    ni_feed *feed = NULL;
    NEW(feed);
    pthread_mutex_init(&feed->mutex, NULL);
    pthread_cond_init(&feed->changed, NULL);
    feed->images = images;
    feed->index = plan->index;
    feed->n = plan->n;
    feed->batch = plan->batch;
    feed->per_epoch = nash_steps_per_epoch(plan->n, plan->batch);
    feed->first = feed->made = feed->taken = plan->first;
    feed->end = plan->end;
    feed->augment = opts->augment;
    feed->key = (nash_batch_key){.seed = opts->seed, .step = opts->step};
    NEW_ARRAY(feed->mean, images->shape.c);
    memcpy(feed->mean, mean, (size_t)images->shape.c * sizeof *mean);
    NEW_ARRAY(feed->order, plan->n);
    for (int i = 0; i < SLOTS; i++) {
        NEW_ARRAY(feed->slots[i].pixels,
                  plan->batch * pixels_of(images->shape));
        NEW_ARRAY(feed->slots[i].labels, plan->batch);
    }
    TRY(start(feed));
    *out = feed;
    feed = NULL;
done:
    ni_feed_close(feed);
    return status;
}

void ni_feed_close(ni_feed *feed)
{
    if (!feed)
        return;
    if (feed->running) {
        pthread_mutex_lock(&feed->mutex);
        feed->quit = true;
        pthread_cond_signal(&feed->changed);
        pthread_mutex_unlock(&feed->mutex);
        pthread_join(feed->thread, NULL);
    }
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->mutex);
    for (int i = 0; i < SLOTS; i++) {
        ni_free(feed->slots[i].labels);
        ni_free(feed->slots[i].pixels);
    }
    ni_free(feed->order);
    ni_free(feed->mean);
    ni_free(feed);
}

const ni_batch *ni_feed_next(ni_feed *feed)
{
    pthread_mutex_lock(&feed->mutex);
    assert(feed->taken < feed->end);
    int64_t step = feed->taken++; /* frees the slot of the one before */
    pthread_cond_signal(&feed->changed);
    while (feed->made <= step)
        pthread_cond_wait(&feed->changed, &feed->mutex);
    pthread_mutex_unlock(&feed->mutex);
    return &feed->slots[step % SLOTS];
}

size_t ni_feed_bytes(nash_shape shape, int32_t n, int32_t batch)
{
    size_t image = (size_t)pixels_of(shape) * sizeof(float) + sizeof(int32_t);
    return SLOTS * (size_t)batch * image + (size_t)n * sizeof(int32_t);
}
