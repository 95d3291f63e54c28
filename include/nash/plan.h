#ifndef NASH_PLAN_H
#define NASH_PLAN_H

#include "morph.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A plan is a model's graph compiled for one batch size, mode and precision,
 * on one engine. It owns all scratch memory, whose size is known before
 * anything runs, and allocates nothing per step. It borrows the model: a
 * training step reads the weights, and moves the running statistics, where
 * they are.
 *
 *     plan = nash_plan_create(model, {mode: TRAIN, batch: 128})
 *     fill nash_plan_input(); nash_plan_forward()
 *     read nash_plan_logits(); fill nash_plan_d_logits(); nash_plan_backward()
 *     nash_plan_gradient(node, slot) -> update the model's tensors
 */

typedef enum nash_engine {
    NASH_ENGINE_ONEDNN, /* the fast one */
    NASH_ENGINE_REF     /* plain loops in double: the oracle */
} nash_engine;

/** What options and files call them, in order; then NULL. */
NASH_API extern const char *const nash_engine_names[3];

typedef enum nash_mode {
    NASH_MODE_INFER, /* BN by running statistics; may fold it away */
    NASH_MODE_TRAIN, /* BN by the batch's own; keeps what backward needs; a
                        forward moves the running statistics */
    NASH_MODE_STATS  /* BN by the batch's own; forward only, the model
                        untouched: for measuring. With a watched node only it
                        and what it depends on are computed: no logits */
} nash_mode;

typedef enum nash_precision {
    NASH_PRECISION_AUTO, /* bf16 where the chip computes it fast, else f32 */
    NASH_PRECISION_F32,
    NASH_PRECISION_BF16 /* activations, and operands of convolutions */
} nash_precision;

/** Likewise. */
NASH_API extern const char *const nash_precision_names[4];

typedef struct nash_plan_opts {
    nash_engine engine;
    nash_mode mode;
    nash_precision precision; /* ref ignores it */
    int32_t batch;            /* images per forward, 1 .. 2^20 */
    int32_t threads;          /* 1 .. 1024; ref uses one */
    int32_t watch;            /* any node, whose output nash_plan_read() then
                                 gives exactly as its readers see it, or -1 */
    bool exact;               /* INFER: convolutions round nothing but their
                                 results, so that an identity kernel gives its
                                 input; else some are computed as in training,
                                 faster, the logits off by some
                                 1e-6 of the largest (bf16: as bf16 rounds) */
    size_t max_bytes;         /* refuse a larger plan; 0: no limit */
} nash_plan_opts;

typedef struct nash_plan nash_plan;

/** oneDNN, inference, auto precision, batch 128, 1 thread, nothing watched, not
 * exact. */
NASH_API nash_plan_opts nash_plan_opts_default(void);

/**
 * Compile a model.
 *
 * @param m  borrowed until the plan is freed; its graph must not change, its
 *           tensors may (call nash_plan_refresh() in inference mode). Training
 *           plans write its running statistics, no others write to it
 * @return NASH_OK, NASH_EINVAL (an option, or a graph that is not complete),
 *         NASH_EUNSUPPORTED (bf16 on a chip without), NASH_ELIMIT (max_bytes),
 *         NASH_ENOMEM or NASH_EENGINE
 */
NASH_API nash_status nash_plan_create(nash_plan **out, nash_model *m,
                                      const nash_plan_opts *opts);

/** As nash_plan_create(), for plans that only read their model.
 * @return also NASH_EINVAL for a training plan */
NASH_API nash_status nash_plan_create_reader(nash_plan **out,
                                             const nash_model *m,
                                             const nash_plan_opts *opts);

/** Release; NULL is fine. */
NASH_API void nash_plan_free(nash_plan *plan);

/** Bytes of activations, gradients, workspaces and packed weights the plan
 * holds; the model's own tensors are not in it. */
NASH_API size_t nash_plan_bytes(const nash_plan *plan);

/** The bytes a plan would hold, without allocating them; max_bytes is not
 * looked at. @return as nash_plan_create() */
NASH_API nash_status nash_plan_estimate(size_t *bytes, const nash_graph *g,
                                        const nash_plan_opts *opts);

/** The precision the plan computes in: F32 or BF16. */
NASH_API nash_precision nash_plan_precision(const nash_plan *plan);

/** Where to write the next batch: [batch,C,H,W] float32, pixels 0..255. */
NASH_API float *nash_plan_input(nash_plan *plan);

/** Take up tensors that changed since creation (inference mode; the forwards of
 * the others do so by themselves). @return NASH_OK or NASH_EENGINE */
NASH_API nash_status nash_plan_refresh(nash_plan *plan);

/** Compute the logits of the batch. @return NASH_OK or NASH_EENGINE */
NASH_API nash_status nash_plan_forward(nash_plan *plan);

/** [batch,K] float32: what the softmax reads. Valid after a forward, but not in
 * STATS mode with a watched node. */
NASH_API const float *nash_plan_logits(const nash_plan *plan);

/** Where to write dL/dlogits: [batch,K] float32; NULL unless training. */
NASH_API float *nash_plan_d_logits(nash_plan *plan);

/** Compute all gradients from d_logits, for the last forward, whose activations
 * it may overwrite; each gradient is overwritten, not added to.
 * @return NASH_OK, NASH_EINVAL (not a training plan, no forward yet, or none
 *         since the last backward) or NASH_EENGINE */
NASH_API nash_status nash_plan_backward(nash_plan *plan);

/** dL/d(tensor), laid out as the model's tensor; NULL where it has no
 * gradient (statistics, constants, plans that do not train), or there is no
 * such node or slot. Borrowed. */
NASH_API float *nash_plan_gradient(const nash_plan *plan, int32_t id,
                                   int32_t slot);

/**
 * Copy the watched node's output.
 *
 * @param dst  receives [batch,c,h,w] float32
 * @return NASH_OK, or NASH_EINVAL (no node is watched, or no forward yet)
 */
NASH_API nash_status nash_plan_read(nash_plan *plan, float *dst);

/** Switch profiling on or off (the start); times of passes made meanwhile are
 * added up. */
NASH_API void nash_plan_profile(nash_plan *plan, bool on);
/** Seconds spent on a node while profiling, forward or backward. An operation
 * that is fused into another counts there. 0 where there is no such node. */
NASH_API double nash_plan_seconds(const nash_plan *plan, int32_t id,
                                  bool backward);

/**
 * An engine's probe over given images. It answers about any model that reads
 * images of that shape (else NASH_ESHAPE); each question compiles a plan.
 *
 * @param probe   receives the interface; release with nash_probe_close()
 * @param pixels  [images,C,H,W] float32, 0..255; copied
 * @param opts    engine, precision, threads, max_bytes; batch is the images per
 *                forward (one BN batch; the remainder, if they do not divide,
 *                is a smaller one); mode and watch are ignored, answers are
 *                exact. For statistics use float32 and one thread, so that the
 *                bits depend on neither
 * @return NASH_OK, NASH_EINVAL or NASH_ENOMEM
 */
NASH_API nash_status nash_probe_open(nash_probe *probe, const float *pixels,
                                     int32_t images, nash_shape shape,
                                     const nash_plan_opts *opts);
NASH_API void nash_probe_close(nash_probe *probe);

/** What the engine computes on, for records: "oneDNN 2.6.3 avx512_core_bf16".
 * Borrowed, until this thread's next call; "none" for a value outside the list.
 */
NASH_API const char *nash_engine_describe(nash_engine engine);

/** Softmax of [n,K] logits in double, by rows; a NaN makes its whole row NaN.
 * @param dst  may be logits */
NASH_API void nash_softmax(float *dst, const float *logits, int64_t n,
                           int32_t classes);

#ifdef __cplusplus
}
#endif

#endif
