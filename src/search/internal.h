#ifndef NI_SEARCH_INTERNAL_H
#define NI_SEARCH_INTERNAL_H

#include <nash/search.h>

/* A search on its way. */
typedef struct ni_search {
    const nash_search_opts *opts; /* borrowed, as all but best */
    const nash_model *start;      /* model0 */
    const nash_probe *probe;
    const nash_evaluator *evaluator;
    const nash_observer *observer;
    nash_model *best; /* owned: the last winner, trained; NULL before step 0 */
    nash_search_state at; /* its name */
    nash_pace pace;       /* of the step after it */
} ni_search;

/* The candidates of one step. All arrays are owned; a job's model and texts
 * lie in models and lineages. */
typedef struct ni_generation {
    int32_t step;
    int32_t n;
    nash_job *jobs;
    nash_outcome *outcomes;
    nash_model **models;
    char ***lineages; /* [n][n_morphs] */
    int64_t refused[NASH_MORPH_COUNT];
} ni_generation;

/** Make the candidates of the step after s->at; deinit also after a failure.
 * @return NASH_OK, NASH_ENOMEM, NASH_ESTOP, or what the probe returned */
nash_status ni_generation_init(ni_generation *g, const ni_search *s);
void ni_generation_deinit(ni_generation *g);

/**
 * Have the candidates evaluated that have no outcome yet, all epochs at once or
 * by successive halving.
 *
 * @param winner  receives the best one's number; -1: none is usable
 * @return NASH_OK, NASH_ENOMEM, or what the evaluator returned
 */
nash_status ni_contest(int32_t *winner, ni_generation *g, const ni_search *s);

#endif
