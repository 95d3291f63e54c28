/*
 * Pictures decoded side by side: each thread takes the next file, and writes to
 * its place. What comes out does not depend on the number of threads.
 */
#include "decode.h"

#include <nash/dataset.h>

#include "base/crew.h"
#include "base/memory.h"

#include <stdatomic.h>

typedef struct work {
    ni_decoded *results;
    uint8_t *pixels;
    nash_shape shape;
    char *const *paths;
    const int32_t *index;
    int32_t n;
    atomic_int next;
    atomic_bool failed; /* for lack of memory */
} work;

static void read_some(void *ctx, int32_t who)
{
    (void)who;
    work *w = ctx;
    int64_t size = (int64_t)w->shape.c * w->shape.h * w->shape.w;
    while (!atomic_load(&w->failed)) {
        int32_t k = atomic_fetch_add(&w->next, 1);
        if (k >= w->n)
            return;
        ni_decoded *result = &w->results[k];
        result->status = nash_image_read(w->pixels + k * size, w->shape,
                                         w->paths[w->index[k]]);
        if (result->status == NASH_OK)
            continue;
        result->reason = ni_strdup(nash_error_message());
        if (!result->reason || result->status == NASH_ENOMEM)
            atomic_store(&w->failed, true);
    }
}

nash_status ni_pictures_read(ni_decoded *results, uint8_t *pixels,
                             nash_shape shape, char *const *paths,
                             const int32_t *index, int32_t n, int32_t threads)
{
    nash_status status = NASH_OK;
    ni_crew *crew = NULL;
    work w = {.results = results,
              .pixels = pixels,
              .shape = shape,
              .paths = paths,
              .index = index,
              .n = n};
    for (int32_t k = 0; k < n; k++)
        results[k] = (ni_decoded){NASH_OK, NULL};
    TRY(ni_crew_open(&crew, threads));
    ni_crew_run(crew, read_some, &w);
    REQUIRE(!atomic_load(&w.failed), NASH_ENOMEM,
            "out of memory while decoding pictures");
done:
    ni_crew_close(crew);
    return status;
}
