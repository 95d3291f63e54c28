#ifndef NASH_TRAIN_H
#define NASH_TRAIN_H

#include "batch.h"
#include "plan.h"

/*
 * Training by SGD with warm restarts (SGDR, arXiv 1608.03983), and evaluation.
 */

typedef enum nash_schedule {
    NASH_SCHEDULE_SGDR,    /* half cosine per cycle */
    NASH_SCHEDULE_CONSTANT /* lr_start throughout: the ablation */
} nash_schedule;

typedef struct nash_train_opts {
    int32_t epochs;         /* >= 0 */
    int32_t batch;          /* at most the number of images is used */
    nash_schedule schedule;
    double lr_start, lr_end;
    int32_t cycle;          /* epochs of the first cycle, T0; 0: all epochs */
    int32_t cycle_growth;   /* T_mult: each cycle is so many times longer */
    double warmup;          /* share of the first cycle with a linear rise */
    double momentum;
    bool nesterov;
    double weight_decay;
    bool decay_all;         /* also gamma and biases (lambda never) */
    double label_smoothing; /* 0: none */
    nash_augment augment;
    uint64_t seed;
    uint32_t step;          /* of the search: names the batches */
    nash_precision precision;
    int32_t threads;
    size_t max_bytes;       /* of the plans; 0: no limit */
    int32_t snapshots;      /* keep a model at each of the last n cycle ends */
} nash_train_opts;

/** The paper's: batch 128, SGDR 0.05 -> 0, momentum 0.9, decay 5e-4, pad 4,
 * flip; 17 epochs, no smoothing, 1 thread. */
NASH_API nash_train_opts nash_train_opts_default(void);

/** What an epoch gave. */
typedef struct nash_epoch {
    int32_t epoch;      /* 0-based */
    double lr;          /* of its last step */
    double train_loss;  /* mean over the epoch's augmented batches */
    double train_error; /* share, likewise */
    double val_loss;    /* cross-entropy without smoothing; NaN: not measured */
    double val_error;   /* share; NaN: not measured */
    double seconds;     /* wall clock */
} nash_epoch;

/** What evaluating gave. */
typedef struct nash_score {
    double loss;           /* mean cross-entropy */
    double error;          /* share of wrong images */
    double balanced_error; /* mean of the classes' shares */
    int32_t images;
} nash_score;

typedef struct nash_train_hooks {
    void *ctx;
    /* after every epoch; a status other than NASH_OK ends the training with it.
     * May be NULL. */
    nash_status (*epoch)(void *ctx, const nash_epoch *epoch);
    /* about every second: share done of all steps. May be NULL. */
    nash_status (*progress)(void *ctx, double share, double images_per_second);
    /* a snapshot: the model at the end of cycle i; borrowed. May be NULL. */
    nash_status (*snapshot)(void *ctx, int32_t i, const nash_model *m);
} nash_train_hooks;

/** Learning rate of step @p step in 0 .. steps_per_epoch * epochs - 1. The
 * last step of a cycle has lr_end exactly. */
NASH_API double nash_learning_rate(const nash_train_opts *opts, int64_t step,
                                   int64_t steps_per_epoch);

/**
 * Train a model in place. A NaN loss ends it with NASH_EDIVERGED: a result,
 * not a defect.
 *
 * @param m      trained; what it holds after a failure is unspecified
 * @param train  images; @p index [n] says which
 * @param val    [n_val] images of the same set to judge every cycle's end and
 *               the last epoch on; NULL: none
 * @param hooks  may be NULL
 * @return NASH_OK, NASH_EINVAL, NASH_ESHAPE (model and images), NASH_ELIMIT,
 *         NASH_EDIVERGED, NASH_ENOMEM, NASH_EENGINE, or what a hook returned
 */
NASH_API nash_status nash_train(nash_model *m, const nash_images *images,
                                const int32_t *index, int32_t n,
                                const int32_t *val, int32_t n_val,
                                const nash_train_opts *opts,
                                const nash_train_hooks *hooks);

/**
 * Mean probabilities of several models (an ensemble) over images.
 *
 * @param probabilities  receives [n,K]
 * @param models         [n_models], each for the images' shape
 * @param index          [n]; NULL: all, in order
 * @param opts           precision, threads, batch; NULL: float32, one thread
 */
NASH_API nash_status nash_predict(float *probabilities,
                                  nash_model *const *models, int32_t n_models,
                                  const nash_images *images,
                                  const int32_t *index, int32_t n,
                                  const nash_plan_opts *opts);

/** Score probabilities against labels. @param class_error  receives [K] or
 * NULL @param labels  [n] */
NASH_API void nash_score_of(nash_score *out, double *class_error,
                            const float *probabilities, const int32_t *labels,
                            int32_t n, int32_t classes);

#endif
