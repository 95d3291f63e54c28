/*
 * Threads and their meetings. Everything rests on one primitive, a counter that
 * only grows and that can be waited for: a round of work and each meeting count
 * up by one. A waiter looks at it for some ten microseconds, which is what
 * threads of equal work need, and then sleeps on a condition. Costs one thread
 * each; nothing can fail once they are there.
 */
#include "crew.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Looks before sleep: some forty microseconds. */
enum { LOOKS = 1000 };

typedef struct counter {
    _Atomic uint32_t value;
    atomic_int sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} counter;

typedef struct worker {
    ni_crew *crew;
    int32_t who;
    pthread_t thread;
} worker;

struct ni_crew {
    int32_t size;
    int32_t started; /* threads, the caller not among them */
    worker *workers; /* owned, [size - 1] */
    ni_crew_work work;
    void *ctx;
    bool quit;
    counter round;      /* pieces of work given out */
    counter met;        /* meetings that have ended */
    atomic_int arrived; /* at the next one */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void counter_init(counter *c)
{
    atomic_init(&c->value, 0);
    atomic_init(&c->sleepers, 0);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->changed, NULL);
}

static void counter_deinit(counter *c)
{
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mutex);
}

/* Who goes to sleep says so before a last look, and who counts up looks for
 * sleepers after it: one of them sees the other. */
static void count_up(counter *c)
{
    atomic_fetch_add(&c->value, 1);
    if (atomic_load(&c->sleepers) == 0)
        return;
    pthread_mutex_lock(&c->mutex);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

/* Wait until the counter is no longer `old`. */
static void await_change(counter *c, uint32_t old)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&c->value, memory_order_acquire) != old)
            return;
        relax();
    }
    pthread_mutex_lock(&c->mutex);
    atomic_fetch_add(&c->sleepers, 1);
    while (atomic_load(&c->value) == old)
        pthread_cond_wait(&c->changed, &c->mutex);
    atomic_fetch_sub(&c->sleepers, 1);
    pthread_mutex_unlock(&c->mutex);
}

void ni_crew_meet(ni_crew *crew)
{
    uint32_t old = atomic_load(&crew->met.value);
    if (atomic_fetch_add(&crew->arrived, 1) + 1 < crew->size) {
        await_change(&crew->met, old);
        return;
    }
    atomic_store(&crew->arrived, 0);
    count_up(&crew->met);
}

static void *serve(void *ctx)
{
    const worker *self = ctx;
    ni_crew *crew = self->crew;
    for (uint32_t round = 0;; round++) {
        await_change(&crew->round, round);
        if (crew->quit)
            return NULL;
        crew->work(crew->ctx, self->who);
        ni_crew_meet(crew);
    }
}

void ni_crew_run(ni_crew *crew, ni_crew_work work, void *ctx)
{
    crew->work = work;
    crew->ctx = ctx;
    count_up(&crew->round);
    work(ctx, 0);
    ni_crew_meet(crew);
}

int32_t ni_crew_size(const ni_crew *crew)
{
    return crew->size;
}

static nash_status start(ni_crew *crew, int32_t i)
{
    worker *w = &crew->workers[i];
    w->crew = crew;
    w->who = i + 1;
    errno = pthread_create(&w->thread, NULL, serve, w);
    if (errno)
        return ni_fail_errno(NASH_ENOMEM, "thread %d of %d cannot be had",
                             (int)w->who + 1, (int)crew->size);
    crew->started++;
    return NASH_OK;
}

nash_status ni_crew_open(ni_crew **out, int32_t size)
{
    nash_status status = NASH_OK;
    ni_crew *crew = NULL;
    NEW(crew);
    crew->size = size;
    counter_init(&crew->round);
    counter_init(&crew->met);
    atomic_init(&crew->arrived, 0);
    NEW_ARRAY(crew->workers, size - 1);
    for (int32_t i = 0; i < size - 1; i++)
        TRY(start(crew, i));
    *out = crew;
    crew = NULL;
done:
    ni_crew_close(crew);
    return status;
}

void ni_crew_close(ni_crew *crew)
{
    if (!crew)
        return;
    crew->quit = true;
    count_up(&crew->round);
    for (int32_t i = 0; i < crew->started; i++)
        pthread_join(crew->workers[i].thread, NULL);
    counter_deinit(&crew->met);
    counter_deinit(&crew->round);
    ni_free(crew->workers);
    ni_free(crew);
}
