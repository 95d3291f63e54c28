#ifndef NASH_SEARCH_H
#define NASH_SEARCH_H

#include "morph.h"
#include "train.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The search decides; it does not train, store or print. It asks an evaluator
 * to train candidates, and tells an observer what happens. Algorithm 1 of
 * arXiv 1711.04528 and its siblings.
 *
 * Steps: 0 trains the starting network (child 0); 1 .. steps are the hill
 * climb, whose last child is the unmorphed parent; steps + 1 is the final
 * training (child 0).
 */

typedef enum nash_strategy {
    NASH_STRATEGY_HILLCLIMB,
    NASH_STRATEGY_RANDOM /* the baseline: steps x morphs morphisms at once
                            (fewer where no more are possible) on the trained
                            start, no selection; its step 1, the last, trains
                            epochs * steps + final_epochs epochs on training +
                            validation images */
} nash_strategy;

/* What the best child is best in, on the validation images. */
typedef enum nash_criterion {
    NASH_CRITERION_LOSS,
    NASH_CRITERION_ERROR,
    NASH_CRITERION_BALANCED_ERROR
} nash_criterion;

/* Whose weights the final training begins with. */
typedef enum nash_inherit {
    NASH_INHERIT_NO,  /* it draws them anew */
    NASH_INHERIT_YES, /* it goes on from the winner's */
    NASH_INHERIT_AUTO /* likewise, if it has no more than start_epochs and less
                         than NASH_MOST_EPOCHS: that few make no good network
                         from scratch */
} nash_inherit;

/* What became of a candidate. A crash or a NaN is an outcome, not an error. */
typedef struct nash_outcome {
    nash_status status;
    char message[240]; /* one sentence unless NASH_OK */
    nash_score val;    /* NaN where nothing was measured */
    int32_t n_epochs;
    nash_epoch *epochs; /* [n_epochs], owned, filled by nash_outcome_add_epoch()
                           alone; the last may be a part of one */
    int64_t images;     /* trained on, counted once per epoch */
    double seconds;     /* wall clock */
    /* epochs, images and seconds: since the training's first epoch */
} nash_outcome;

/* What a step is. */
typedef enum nash_stage {
    NASH_STAGE_START, /* step 0: the starting network is trained */
    NASH_STAGE_CLIMB, /* the best network and its children compete */
    NASH_STAGE_FINAL, /* the result is trained */
    NASH_STAGE_OVER   /* there is no such step */
} nash_stage;

/* How much effort a step takes. */
typedef struct nash_pace {
    nash_stage stage;
    int32_t neighbours; /* candidates, the unmorphed parent among them; >= 2
                           in a climb, else ignored */
    int32_t epochs;     /* of each candidate's training */
    double growth;      /* how many times more multiply-accumulates than its
                           parent a child may take; 0: as the caps allow */
} nash_pace;

/* Who decides that, step by step, instead of the numbers below: for searches
 * that have to end in time. */
typedef struct nash_pacer {
    void *ctx;
    /**
     * @param pace  receives it; step 0 must be START, and one of the steps
     *              after it FINAL, after which the search is over
     * @param best  the last winner, untrained model0 before step 0; in step 1
     * of the random strategy, which must be FINAL, the network that was drawn;
     * borrowed
     * @return NASH_OK; another status ends the search
     */
    nash_status (*pace)(void *ctx, nash_pace *pace, int32_t step,
                        const nash_model *best);
} nash_pacer;

/** Whether a training is too short for what keeps a network from learning its
 * images by heart, cutout for one: a network of 1.5 M parameters needs so many
 * epochs for that, one of four times as many parameters half of them, and so
 * on. */
NASH_API bool nash_is_short(int32_t epochs, int64_t params, int32_t enough);

typedef struct nash_search_opts {
    nash_strategy strategy;
    const nash_pacer *pacer; /* decides steps, neighbours and all epochs;
                                borrowed; NULL: they are those below */
    int32_t steps;           /* n_steps; 0: train the start, then finally */
    int32_t neighbours;   /* n_neigh, the unmorphed parent among them; >= 2 */
    int32_t morphs;       /* n_NM, morphisms in a row per child; >= 1; a child
                             has fewer where no more are possible */
    int32_t start_epochs; /* pretraining of model0 */
    int32_t epochs;       /* epoch_neigh */
    int32_t final_epochs; /* epoch_final; 0: no final training */
    bool halve;           /* candidates are compared at the end of every cosine
                             (cycle and cycle_growth of `train`), and the worse
                             half of the children go no further; the unmorphed
                             parent always reaches the last one */
    bool inherit;         /* children keep their parent's weights; false: all
                             of a step's candidates, the unmorphed parent too,
                             draw theirs anew (the ablation) */
    nash_inherit final_inherit;
    /* how they are drawn; NULL: nash_model_init() */
    nash_status (*redraw)(void *ctx, nash_model *m, uint64_t seed);
    void *redraw_ctx;
    /* How to train; epochs, seed and step of all three are ignored. */
    nash_train_opts start_train; /* pretraining */
    nash_train_opts train;       /* children */
    nash_train_opts final_train; /* the result, snapshots included */
    int32_t cutout_epochs; /* the final training takes the augment.cutout of
                              `train` if nash_is_short() by this measure */
    nash_criterion criterion;
    double tie; /* candidates worse than the best by no more than this share of
                   its criterion count as equal, and the largest of them in
                   multiply-accumulates wins; 0: the best does */
    nash_morph_opts morph; /* kinds, widen mode, caps, draws, stop; its n, seed
                              and child are ignored */
    uint64_t seed;
} nash_search_opts;

/** The paper preset: method and settings of arXiv 1711.04528. */
NASH_API nash_search_opts nash_search_opts_default(void);

/* How a candidate came to be. */
typedef enum nash_candidate_kind {
    NASH_CANDIDATE_START,  /* model0, pretrained */
    NASH_CANDIDATE_CHILD,  /* morphed */
    NASH_CANDIDATE_PARENT, /* the unmorphed parent */
    NASH_CANDIDATE_FINAL   /* the result's final training */
} nash_candidate_kind;

/** "start", "child", "parent" or "final"; "?" for a value outside the list.
 * Borrowed. */
NASH_API const char *nash_candidate_kind_name(nash_candidate_kind kind);

/* A candidate to train; its name is "SSSS-CC", step and child. */
typedef struct nash_job {
    int32_t step, child;
    nash_candidate_kind kind;
    int32_t parent_step, parent_child; /* -1 for the start */
    const nash_model *model;           /* before training; borrowed */
    int32_t n_morphs;
    const char *const *morphs; /* [n_morphs] text forms; borrowed */
    bool on_all;               /* train on training + validation images; then
                                  nothing is left to judge it on */
    nash_train_opts train; /* the same candidate may be asked for again with a
                              larger train.stop_epoch (0, all epochs, is the
                              largest): it goes on from where it stopped,
                              with the bits of one uninterrupted training */
} nash_job;

/**
 * Append an epoch to an outcome's, the only way to fill them: their memory is
 * the library's.
 *
 * @param outcome  unchanged on failure
 * @param epoch    copied
 * @return NASH_OK or NASH_ENOMEM
 */
NASH_API nash_status nash_outcome_add_epoch(nash_outcome *outcome,
                                            const nash_epoch *epoch);

/** Release what an outcome owns and clear it. */
NASH_API void nash_outcome_deinit(nash_outcome *outcome);

typedef struct nash_evaluator {
    void *ctx;
    /**
     * Train and judge candidates; several may run side by side, the outcomes do
     * not depend on how.
     *
     * @param outcomes  [n], cleared; filled in, each to be deinitialised by
     *                  the caller, also after a failure
     * @return NASH_OK even if candidates fail; NASH_ESTOP when interrupted;
     *         other codes when evaluating itself is impossible
     */
    nash_status (*evaluate)(void *ctx, const nash_job *jobs, int32_t n,
                            nash_outcome *outcomes);
    /** The trained model of a job that was evaluated, as its last stop_epoch
     * left it; yours to free. */
    nash_status (*load)(void *ctx, nash_model **out, int32_t step,
                        int32_t child);
} nash_evaluator;

/* Told of everything, in order; a status other than NASH_OK ends the search,
 * and nash_error_message() knows nothing of it. Any member may be NULL. A
 * resumed search tells of its first step again. */
typedef struct nash_observer {
    void *ctx;
    /**
     * The jobs of a step, by child, before they are evaluated. A child of
     * which no morphism is possible is among them, unmorphed; it is not
     * trained and its outcome is NASH_EREFUSED.
     *
     * @param refused  [NASH_MORPH_COUNT] draws refused while making them
     */
    nash_status (*proposed)(void *ctx, const nash_job *jobs, int32_t n,
                            const int64_t *refused);
    /** Their outcomes. */
    nash_status (*evaluated)(void *ctx, const nash_job *jobs, int32_t n,
                             const nash_outcome *outcomes);
    /** The step's winner; @p m is its trained model, borrowed. */
    nash_status (*chosen)(void *ctx, int32_t step, int32_t child,
                          const nash_model *m);
} nash_observer;

/* Where to go on: after a finished step. */
typedef struct nash_search_state {
    int32_t step;  /* the last finished one; -1: none */
    int32_t child; /* its winner */
} nash_search_state;

/**
 * Run a search.
 *
 * @param out       receives the result: the last winner, trained
 * @param start     model0; borrowed
 * @param opts      borrowed
 * @param probe     for batch normalisation's statistics; borrowed
 * @param state     where to resume (the winner is asked of the evaluator);
 *                  NULL: from the start
 * @return NASH_OK, NASH_EINVAL (an option, also one of morphisms or trainings:
 *         before anything is asked of anybody; or a pace that cannot be),
 *         NASH_ENOMEM, NASH_ESTOP (asked by opts->morph.stop), or what
 *         evaluator, probe, pacer or observer returned; if no candidate of a
 *         step is usable: the status of the first that failed, NASH_EDIVERGED
 *         if none did
 */
NASH_API nash_status nash_search(nash_model **out, const nash_model *start,
                                 const nash_search_opts *opts,
                                 const nash_probe *probe,
                                 const nash_evaluator *evaluator,
                                 const nash_observer *observer,
                                 const nash_search_state *state);

#ifdef __cplusplus
}
#endif

#endif
