#ifndef TESTS_FAKE_SEARCH_H
#define TESTS_FAKE_SEARCH_H

#include <nash/search.h>

/*
 * What a search talks to, faked: an evaluator that trains nothing and gives
 * known scores, an observer that remembers, a probe with made-up statistics.
 */

enum { MOST_STEPS = 8, MOST_CHILDREN = 8 };

/* What a candidate scores; the default makes larger networks better. */
typedef double (*scorer)(const nash_job *job);

typedef struct fake {
    scorer score;
    int32_t stop_at; /* evaluate() of this step is interrupted; -1: none */
    bool backwards;  /* evaluates the last job first */
    nash_status failing[MOST_CHILDREN]; /* outcome of each child */
    nash_model *trained[MOST_STEPS][MOST_CHILDREN];
    uint64_t before[MOST_STEPS][MOST_CHILDREN]; /* hashes of models */
    nash_job jobs[MOST_STEPS][MOST_CHILDREN];
    int32_t n[MOST_STEPS];
    nash_score val[MOST_STEPS][MOST_CHILDREN];
    nash_search_state state;
    int32_t winners[MOST_STEPS];
    int64_t refused;
} fake;

/** Larger networks score better, nothing fails. */
fake fake_new(void);
void fake_deinit(fake *f);

/** Its parts of the interfaces. */
nash_status fake_evaluate(void *ctx, const nash_job *jobs, int32_t n,
                          nash_outcome *outcomes);
nash_status fake_load(void *ctx, nash_model **out, int32_t step, int32_t child);
nash_status fake_chosen(void *ctx, int32_t step, int32_t child,
                        const nash_model *m);
extern const nash_probe fake_probe;

/** A starting network for 8 x 8 grey images in three classes. */
nash_model *small_start(void);

/** Search with it; a resumed search goes on at f->state. */
nash_status run(nash_model **out, fake *f, const nash_model *start,
                const nash_search_opts *opts, bool resume);

/** Three steps of four candidates with two morphisms each. */
nash_search_opts small_search(void);

/** Run a search that must succeed. @return the hash of its result */
uint64_t hash_of_run(fake *f, const nash_search_opts *opts);

#endif
