/*
 * Double buffering with one thread: it fills the slot that the training does
 * not read. Costs two batches and an epoch's order of memory, and less than a
 * hundredth of a step of one core; where a pass is chosen by what was seen
 * before it, its first batch is not prepared ahead. Nothing in the thread can
 * fail.
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
    int64_t per_epoch, per_pass, first, end; /* batches */
    ni_focus *focus;
    nash_augment augment;
    nash_batch_key key;   /* the thread's */
    float *mean;          /* owned, [C] */
    int32_t *places;      /* owned, [n]: of an epoch; NULL: by focus */
    const int32_t *order; /* of the thread's pass */
    int32_t *numbers;     /* owned, [batch]: the thread's */
    ni_batch slots[SLOTS];

    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    int64_t made, taken; /* batches */
    bool quit;
};

/* In an epoch's batches before its batch `at`. */
static int64_t images_in(const ni_feed *feed, int64_t at)
{
    int64_t images = at * feed->batch;
    return images < feed->n ? images : feed->n;
}

/* In all batches before that one: a lone image of each epoch may be left out.
 */
static int64_t images_before(const ni_feed *feed, int64_t step)
{
    return step / feed->per_epoch * images_in(feed, feed->per_epoch) +
           images_in(feed, step % feed->per_epoch);
}

static void begin_pass(ni_feed *feed, int64_t number)
{
    int64_t first = number * feed->per_pass, next = first + feed->per_pass;
    feed->key.epoch =
        feed->focus ? ni_focus_epoch(number, feed->per_pass, feed->per_epoch)
                    : (uint32_t)number;
    if (!feed->focus) {
        for (int32_t i = 0; i < feed->n; i++)
            feed->places[i] = i;
        nash_batch_order(feed->places, feed->places, feed->n, &feed->key);
    } else if (first >= feed->first) { /* or as it was before */
        ni_focus_choose(
            feed->focus,
            (int32_t)(images_before(feed, next) - images_before(feed, first)),
            &feed->key);
    }
}

static void make(ni_feed *feed, int64_t step)
{
    int64_t pass = step / feed->per_pass;
    int64_t before = images_before(feed, step);
    if (step % feed->per_pass == 0 || step == feed->first)
        begin_pass(feed, pass);
    const int32_t *places =
        feed->order + before - images_before(feed, pass * feed->per_pass);
    ni_batch *slot = &feed->slots[step % SLOTS];
    slot->n = (int32_t)(images_before(feed, step + 1) - before);
    for (int32_t i = 0; i < slot->n; i++) {
        slot->places[i] = places[i];
        feed->numbers[i] = feed->index[places[i]];
    }
    nash_batch_fill(slot->pixels, slot->labels, feed->images, feed->numbers,
                    slot->n, &feed->augment, feed->mean, &feed->key);
}

/* Wait until a slot is free, and before a pass that is chosen until all before
 * it has been seen. @return false to end */
static bool may_make(ni_feed *feed, int64_t step)
{
    bool chosen = feed->focus && step % feed->per_pass == 0;
    int ahead = chosen ? -1 : SLOTS - 2;
    pthread_mutex_lock(&feed->mutex);
    /* Batch taken - 1 is being read, in the slot that taken + 1 will have. */
    while (!feed->quit && step > feed->taken + ahead)
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
    feed->per_epoch = feed->per_pass =
        nash_steps_per_epoch(plan->n, plan->batch);
    feed->first = feed->made = feed->taken = plan->first;
    feed->end = plan->end;
    feed->augment = opts->augment;
    feed->key = (nash_batch_key){.seed = opts->seed, .step = opts->step};
    NEW_ARRAY(feed->mean, images->shape.c);
    memcpy(feed->mean, mean, (size_t)images->shape.c * sizeof *mean);
    NEW_ARRAY(feed->numbers, plan->batch);
    if (plan->focus) {
        feed->focus = plan->focus;
        feed->per_pass = ni_focus_steps(plan->focus, feed->per_epoch);
        feed->order = ni_focus_order(plan->focus);
    } else {
        NEW_ARRAY(feed->places, plan->n);
        feed->order = feed->places;
    }
    for (int i = 0; i < SLOTS; i++) {
        NEW_ARRAY(feed->slots[i].pixels,
                  plan->batch * pixels_of(images->shape));
        NEW_ARRAY(feed->slots[i].labels, plan->batch);
        NEW_ARRAY(feed->slots[i].places, plan->batch);
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
        ni_free(feed->slots[i].places);
        ni_free(feed->slots[i].labels);
        ni_free(feed->slots[i].pixels);
    }
    ni_free(feed->numbers);
    ni_free(feed->places);
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

size_t ni_feed_bytes(nash_shape shape, int32_t places, int32_t batch)
{
    size_t image =
        (size_t)pixels_of(shape) * sizeof(float) + 2 * sizeof(int32_t);
    return SLOTS * (size_t)batch * image +
           ((size_t)batch + (size_t)places) * sizeof(int32_t);
}
