#ifndef NASH_TRAIN_H
#define NASH_TRAIN_H

#include "batch.h"
#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Training by SGD with warm restarts (SGDR, arXiv 1608.03983), and evaluation.
 *
 * Equal models, images, options and chip give equal bits: batches are named by
 * (seed, step, epoch, image), and with a focus follow from the losses before;
 * nothing depends on timing. Threads are part of the options: their number
 * changes the bits of some gradients.
 *
 * An epoch visits every image once (but see focus), in batches of opts.batch
 * and a smaller last one; a single image left over sits that epoch out (batch
 * normalisation has nothing to normalise a lone pixel by), a different one each
 * epoch.
 */

typedef enum nash_schedule {
    NASH_SCHEDULE_SGDR,    /* half cosine per cycle */
    NASH_SCHEDULE_CONSTANT /* lr_start throughout, but for the warm-up: the
                              ablation; cycles only say when to judge */
} nash_schedule;

/** What options and files call them, in order; then NULL. */
NASH_API extern const char *const nash_schedule_names[3];

typedef struct nash_train_opts {
    int32_t epochs;     /* >= 0: what the schedule is for */
    int32_t stop_epoch; /* train only to the end of that many of them, judge
                           there, and keep the state to go on from; 0: all */
    int32_t batch;      /* at most: fewer if there are fewer images, or if an
                           epoch's last would be less than half of one */
    nash_schedule schedule;
    double lr_start, lr_end;
    int32_t cycle;        /* epochs of the first cycle, T0; 0: one cycle, or
                             as many as snapshots, equal to an epoch */
    int32_t cycle_growth; /* T_mult >= 1: each cycle is so many times longer.
                             Epochs left over at the end are a shorter last
                             cycle if they are at least half of one, else
                             they prolong the cycle before: training always
                             ends at a cycle's end */
    double warmup;        /* share of the first cycle with a linear rise */
    double momentum;
    bool nesterov;
    double weight_decay;
    bool decay_all;         /* also gamma and biases (lambda never) */
    double label_smoothing; /* 0: none */
    double bias_rate;  /* learning rate of biases and beta, as a share of the
                          others' */
    double gate_rate;  /* learning rate of lambda, as a share of the others':
                          a gate scales a whole tensor, so its gradient is the
                          sum of what a gamma gets per channel */
    double clip_norm;  /* gradients longer than this, all of them as one vector,
                          are shortened to it; 0: never */
    double muon;       /* learning rate of convolutions by Muon, as a share of
                          the others': filters move by orthogonalised momentum
                          and keep their length, without decay; not those that
                          read the image, nor grouped ones. 0: as the others */
    int32_t lookahead; /* after so many steps each, the weights are pulled back
                          to slow ones that follow them, less and less in the
                          course of a cosine, and are those at its end
                          (arXiv 1907.08610), but not in cosines of less than
                          eight times as many steps; 0: never */
    double focus; /* share of the images, above 0 and at most 1, that a pass
                     visits: an epoch is as many visits as there are images,
                     so several passes. They visit all in turn, but those that
                     begin with nine of ten learned, by the mean over the
                     classes, mostly the ones whose loss was largest when last
                     seen. 1: an epoch is one pass */
    nash_augment augment;
    uint64_t seed;
    uint32_t step; /* of the search: names the batches */
    nash_engine engine;
    nash_precision precision;
    int32_t threads;
    size_t max_bytes;  /* of nash_train_bytes(); 0: no limit */
    int32_t snapshots; /* give the hook a model at each of the last n
                          cycle ends */
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
    double val_balanced_error; /* likewise; mean of the classes' shares */
    double seconds;            /* wall clock, judging included */
} nash_epoch;

/** What evaluating gave; all NaN for no images. */
typedef struct nash_score {
    double loss;           /* mean cross-entropy */
    double error;          /* share of wrong images */
    double balanced_error; /* mean of the shares of the classes present */
    int32_t images;
} nash_score;

typedef struct nash_train_hooks {
    void *ctx;
    /* after every epoch; a status other than NASH_OK ends the training with it,
     * as that of any hook does; nash_error_message() knows nothing of it. May
     * be NULL. */
    nash_status (*epoch)(void *ctx, const nash_epoch *epoch);
    /* about every second: share done of all steps. May be NULL. */
    nash_status (*progress)(void *ctx, double share, double images_per_second);
    /* a snapshot: the model at the end of cycle i (0-based), called before the
     * epoch's hook; borrowed. May be NULL. */
    nash_status (*snapshot)(void *ctx, int32_t i, const nash_model *m);
    /* the training goes on from its state, after so many seconds in earlier
     * processes; called first, then `epoch` for every epoch that is finished.
     * May be NULL. */
    nash_status (*resumed)(void *ctx, double seconds);
    /* the training is to have so many epochs, not opts->epochs, to end in time:
     * called whenever that is decided, and after `resumed` where an earlier
     * process did. May be NULL. */
    nash_status (*bent)(void *ctx, double epochs);
    /* What the call may take, in seconds of the clock; 0: what it takes. A
     * training that is too slow passes through the rest of its schedule in
     * fewer steps, one at least, the last epoch being cut short if need be; if
     * it gets faster, in more again, but never in more than planned. Only for a
     * single cosine (cycle and snapshots 0) that no stop_epoch cuts short. Of
     * these seconds, the time of so many of its epochs is left for what comes
     * after it. */
    double seconds, epochs_after;
    /* File of the training's state, and the seconds between two of them; one
     * more is written where a hook ends the training (NASH_ESTOP). 0: only
     * where stop_epoch cuts it short. NULL: none is kept. */
    const char *state_path;
    double state_seconds;
} nash_train_hooks;

/*
 * A training's state is all that decides what is left of it: tensors,
 * velocities, a focus, the place in the schedule and how that was bent, the
 * sums of the epoch under way and the epochs that are finished. It is a
 * safetensors file with a checksum, replaced atomically; the one before it is
 * kept as PATH.old. A training that finds the state of the very same training
 * (model, images, options but stop_epoch and max_bytes, engine) at state_path
 * goes on from it, and gives the bits of an uninterrupted one. A state that is
 * torn, damaged or of another training is named in the log and removed, and the
 * one before it used, or the training starts anew. If one cannot be written, a
 * warning is logged and training goes on, but for that of stop_epoch, which has
 * to be.
 */

/** Learning rate of step @p step in 0 .. steps_per_epoch * epochs - 1, 0 for
 * any other. The last step of a cycle has lr_end exactly,
 * the only step of one has the mean of lr_start and lr_end. */
NASH_API double nash_learning_rate(const nash_train_opts *opts, int64_t step,
                                   int64_t steps_per_epoch);

/** The epochs that are done when the cosine ends in which epoch number
 * @p epoch (0-based, less than opts->epochs) lies. */
NASH_API int32_t nash_cycle_end(const nash_train_opts *opts, int32_t epoch);

/** Steps of an epoch over @p n images: the full batches, and a smaller one
 * unless that is a single image; 0 if there are no images, or none in a batch.
 */
NASH_API int64_t nash_steps_per_epoch(int32_t n, int32_t batch);

/** What training costs, in PFLOP: a multiply-accumulate is two operations;
 * forward, and the gradients of data and weights, are three passes.
 * @param macs    multiply-accumulates an image
 * @param images  that are visited */
NASH_API double nash_pflop(double macs, double images);

/**
 * The bytes a training will hold, without allocating them: plans for the batch,
 * the partial batch and judging, momentum, and the batches being prepared. The
 * model, the images and the probabilities of what is judged are not in it.
 *
 * @param g     architecture to train
 * @param opts  its max_bytes is ignored
 * @param n     training images
 * @return NASH_OK, or as nash_plan_estimate()
 */
NASH_API nash_status nash_train_bytes(size_t *bytes, const nash_graph *g,
                                      const nash_train_opts *opts, int32_t n);

/**
 * Train a model in place. A loss or weight that is not finite ends it with
 * NASH_EDIVERGED: a result, not a defect.
 *
 * @param m      trained; what it holds after a failure is unspecified. To go
 *               on from a state, give the model that the training began with
 * @param index  [n] image numbers to train on; borrowed
 * @param val    [n_val] images of the same set to judge every cycle's end and
 *               the last epoch trained on; NULL: none
 * @param opts   borrowed
 * @param hooks  may be NULL; called from this thread
 * @return NASH_OK, NASH_EINVAL (an option, an index), NASH_ESHAPE (model and
 *         images), NASH_ELIMIT (max_bytes), NASH_EDIVERGED, NASH_ENOMEM,
 *         NASH_EUNSUPPORTED (bf16 on a chip without), NASH_EENGINE, NASH_EIO (a
 *         state that cannot be read, or that of stop_epoch not written), or
 *         what a hook returned
 */
NASH_API nash_status nash_train(nash_model *m, const nash_images *images,
                                const int32_t *index, int32_t n,
                                const int32_t *val, int32_t n_val,
                                const nash_train_opts *opts,
                                const nash_train_hooks *hooks);

/**
 * Mean probabilities of several models (an ensemble) over images; those of a
 * model are averaged over its looks (nash_model_set_looks()).
 *
 * @param probabilities  receives [n,K]
 * @param models         [n_models], each for the images' shape, of equal K
 * @param index          [n]; NULL: 0 .. n-1
 * @param opts           engine, precision, threads, batch; NULL: the default of
 *                       plans in float32
 * @return NASH_OK, NASH_EINVAL (an index, no model), NASH_ESHAPE (a model and
 *         the images, or two models), or as nash_plan_create()
 */
NASH_API nash_status nash_predict(float *probabilities,
                                  nash_model *const *models, int32_t n_models,
                                  const nash_images *images,
                                  const int32_t *index, int32_t n,
                                  const nash_plan_opts *opts);

/**
 * Score probabilities against labels. A probability below 1.2e-38 counts as
 * that; an image with a NaN is wrong, and its loss NaN.
 *
 * @param class_error    receives [K] shares, NaN for absent classes; or NULL
 * @param probabilities  [n,K]
 * @param labels         [n]
 */
NASH_API void nash_score_of(nash_score *out, double *class_error,
                            const float *probabilities, const int32_t *labels,
                            int32_t n, int32_t classes);

/* ---- models and the data they are for ---------------------------------- */

/**
 * A starting network for a data set: its image size, classes, and the mean and
 * standard deviation of its training images; described by
 * nash_describe_data().
 *
 * @param name  "start", "vgg" or "resnet9"
 * @param opts  input, classes, mean, std and whitening are ignored; NULL: the
 *              defaults
 * @return NASH_OK, NASH_EINVAL (another name, a size), NASH_ENOMEM, or as
 *         nash_dataset_images()
 */
NASH_API nash_status nash_net_for_data(nash_model **out, const char *name,
                                       nash_dataset *ds,
                                       const nash_net_opts *opts);

/**
 * Draw a network's weights anew as those of a new one are drawn: all by
 * nash_model_init() or, for opts->identity, nash_model_init_identity(); for
 * opts->whiten, a convolution that is its first layer whitens, if its channels
 * are pairs and no more than there are directions.
 *
 * @param m     changed in place
 * @param opts  seed, identity and whiten count; the rest is ignored
 * @return NASH_OK, NASH_ENOMEM, or as nash_dataset_images()
 */
NASH_API nash_status nash_net_redraw(nash_model *m, nash_dataset *ds,
                                     const nash_net_opts *opts);

/**
 * Write into a model's metadata what it is for: class names, resize rule, and
 * the data set as "<format> <hash of the training images>".
 *
 * @param ds  its classes must be as many as the model's
 * @return NASH_OK or NASH_ENOMEM
 */
NASH_API nash_status nash_describe_data(nash_model *m, const nash_dataset *ds);

/** Whether a model, by its metadata, is for just these training images. */
NASH_API bool nash_is_of_data(const nash_model *m, const nash_dataset *ds);

/** Whether a model, by its metadata, was last trained on images that it would
 * be validated by, or what it began with (NASH_META_SEEN): those that
 * nash_run_split() by @p seed leaves of a data set's training images, with @p
 * n_train of them to train on. One of the same seed that had no more was not.
 */
NASH_API bool nash_has_learned(const nash_model *m, const nash_dataset *ds,
                               int32_t n_train, uint64_t seed);

/** Whether a model, by its metadata, was last trained without mirror images. */
NASH_API bool nash_was_unflipped(const nash_model *m);

/**
 * Write into a model's metadata how it was trained and what that gave.
 *
 * @param n     training images
 * @param bent  the epochs that it had, if fewer than opts->epochs to end in
 *              time; else 0
 * @param val   score on validation images; NULL: none
 * @return NASH_OK or NASH_ENOMEM
 */
NASH_API nash_status nash_describe_training(nash_model *m,
                                            const nash_train_opts *opts,
                                            int32_t n, double bent,
                                            const nash_score *val);

/** The names of all K classes by the model's metadata; the number of one
 * without.
 * @param names  receives [K, size_bytes], each cut to @p size_bytes */
NASH_API void nash_class_names(char *names, size_t size_bytes,
                               const nash_model *m);

/* ---- speed -------------------------------------------------------------- */

/** What measuring whole training steps gave; times are medians of a step. */
typedef struct nash_speed {
    nash_precision precision; /* what was computed in */
    int32_t steps;            /* measured */
    double step_ms;           /* forward, loss, backward and update */
    double forward_ms, loss_ms, backward_ms, update_ms;
    double mean_ms; /* of a step, the disturbed ones included */
    double images_per_second;
    double gflops; /* 6 operations per multiply-accumulate of an image's
                      forward pass, a second, in units of 1e9 */
    size_t bytes;  /* of the plan */
} nash_speed;

/**
 * Measure whole training steps on one batch of made-up images.
 *
 * @param out      what was measured
 * @param nodes    [nodes * 2] receives seconds per step of every node, forward
 *                 and backward; NULL: they are not measured, which costs less
 * @param m        trained; its weights are worth nothing afterwards
 * @param opts     batch, threads, precision and the optimiser's settings
 * @param seconds  to measure for, after two steps of warming up; five steps are
 *                 made unless that takes more than twice as long, one is always
 * @param stop     ends it between two steps once it is not zero, with
 *                 NASH_ESTOP; may be NULL
 * @return NASH_OK, NASH_EINVAL, NASH_ELIMIT, NASH_ENOMEM, NASH_ESTOP,
 *         NASH_EUNSUPPORTED or NASH_EENGINE
 */
NASH_API nash_status nash_train_speed(nash_speed *out, double *nodes,
                                      nash_model *m,
                                      const nash_train_opts *opts,
                                      double seconds, const volatile int *stop);

#ifdef __cplusplus
}
#endif

#endif
