#ifndef NASH_MORPH_H
#define NASH_MORPH_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Network morphisms: surgery on a model that keeps its function. Elsken,
 * Metzen, Hutter, arXiv 1711.04528, section 3; equation numbers are theirs.
 *
 * Places are named by tag, which survives surgery, in the text form of a
 * morphism: "deepen:at=relu_3,kernel=5".
 */

/* ENUM, name, paper's type, one line on what it does */
#define NASH_MORPH_LIST(X)                                                     \
    X(CONV, "conv", "I", "insert an identity convolution (2)")                 \
    X(FC, "fc", "I", "insert an identity fully connected layer (2)")           \
    X(BATCH_NORM, "batch_norm", "I",                                           \
      "insert a batch normalisation with measured statistics (3)")             \
    X(WIDEN, "widen", "II", "multiply a layer's channels (4)")                 \
    X(CONCAT_SKIP, "concat_skip", "II",                                        \
      "concatenate an earlier tensor to a later one (4)")                      \
    X(RELU, "relu", "III", "insert a ReLU after a non-negative tensor (5)")    \
    X(GATE, "gate", "IV", "gate a fresh branch in beside a layer (6)")         \
    X(ADD_SKIP, "add_skip", "IV",                                              \
      "add an earlier tensor to a later one through a gate (6)")               \
    X(DEEPEN, "deepen", "I+I+III", "insert a Conv-BN-ReLU block")

typedef enum nash_morph_kind {
#define NASH_MORPH_ENUM(kind, name, type, text) NASH_MORPH_##kind,
    NASH_MORPH_LIST(NASH_MORPH_ENUM)
#undef NASH_MORPH_ENUM
        NASH_MORPH_COUNT
} nash_morph_kind;

/* How widen makes new channels (h~ in equation (4)); their readers get zero
 * weights, but for the pairs. */
typedef enum nash_widen_mode {
    NASH_WIDEN_COPY,  /* copies of existing channels, readers zero */
    NASH_WIDEN_FRESH, /* fresh weights, readers zero */
    NASH_WIDEN_PAIR,  /* fresh, in twins with readers (Z, -Z): exact, and no
                         gradient is zero */
    NASH_WIDEN_NOISE  /* copies and their readers with noise of a hundredth of
                         the weights' standard deviation (EAS): not exact */
} nash_widen_mode;

/** What options and texts of morphisms call them, in order; then NULL. */
NASH_API extern const char *const nash_widen_mode_names[5];

/* One morphism, fully specified; fields a kind does not use are 0. */
typedef struct nash_morph {
    nash_morph_kind kind;
    int32_t at;     /* tag: node after which to insert; the layer to widen; the
                       later end (j) of a skip */
    int32_t from;   /* tag: the earlier end (i) of a skip */
    int32_t kernel; /* conv, deepen, gate: odd */
    int32_t factor; /* widen: >= 2 */
    nash_widen_mode mode; /* widen */
    bool norm;     /* concat_skip: normalise the earlier tensor to the size of
                      the later one's values */
    uint64_t seed; /* of fresh weights */
} nash_morph;

/* What morphisms ask an engine for. */
typedef struct nash_probe {
    void *ctx;
    /**
     * Biased variance and mean per channel of node @p id's output, over
     * training images, in a training-mode forward of @p m.
     *
     * @param mean, var  receive [channels of the node]
     */
    nash_status (*moments)(void *ctx, const nash_model *m, int32_t id,
                           double *mean, double *var);
    /**
     * Logits of the probe's images.
     *
     * @param training  BN by the batch's own statistics instead of the running
     *                  ones; the model's are untouched either way
     * @param dst       receives [images,K]
     */
    nash_status (*logits)(void *ctx, const nash_model *m, bool training,
                          float *dst);
    int32_t images;
} nash_probe;

/** "deepen". Borrowed; "?" for a value outside the list, as the next two. */
NASH_API const char *nash_morph_name(nash_morph_kind kind);
/** The paper's type, "I+I+III". Borrowed. */
NASH_API const char *nash_morph_type(nash_morph_kind kind);
/** One line on what it does. Borrowed. */
NASH_API const char *nash_morph_text(nash_morph_kind kind);

/**
 * Read "kind:key=value,...": at=NODE, from=NODE (a name "conv_3", or a bare
 * tag), kernel=K, factor=F, mode=copy|fresh|pair|noise, norm=0|1, seed=S. Left
 * out: kernel 3, factor 2, mode copy, norm 0, seed 0.
 *
 * @param m  resolves and checks the node names; borrowed
 * @return NASH_OK or NASH_EINVAL (the sentence names the part that is wrong)
 */
NASH_API nash_status nash_morph_parse(nash_morph *out, const char *text,
                                      const nash_model *m);

/** Bytes that every text form fits into. */
enum { NASH_MORPH_TEXT_BYTES = 160 };

/** Write the text form, cut at @p size_bytes; "?" stands for values outside
 * their lists. @p m is the model it applies to (before or after), for the
 * names. */
NASH_API void nash_morph_format(char *text, size_t size_bytes,
                                const nash_morph *morph, const nash_model *m);

/**
 * Apply one morphism.
 *
 * @param m      changed in place; untouched on failure
 * @param probe  for what inserts a batch normalisation; NULL otherwise ok
 * @return NASH_OK, NASH_EREFUSED (impossible at this place; the sentence says
 *         why), NASH_EINVAL, NASH_ELIMIT, NASH_EDIVERGED (measured statistics
 *         are not finite), NASH_ENOMEM, or what @p probe returns
 */
NASH_API nash_status nash_morph_apply(nash_model *m, const nash_morph *morph,
                                      const nash_probe *probe);

/**
 * Append a morphism's text form to the model's lineage (NASH_META_LINEAGE), a
 * JSON array; applying does not do this by itself.
 *
 * @param m  the model it was applied to; unchanged on failure
 * @return NASH_OK or NASH_ENOMEM
 */
NASH_API nash_status nash_morph_record(nash_model *m, const nash_morph *morph);

/**
 * Draw one morphism of a kind uniformly over places and settings, as section 4
 * of the paper has it (kernel from {3, 5}, factor from {2, 4}).
 *
 * @param key  the draw's number: equal (seed, child, key) give equal draws
 * @return NASH_OK, NASH_EREFUSED or NASH_ELIMIT if the drawn place is
 *         impossible, NASH_EINVAL for a kind outside the list or a graph that
 *         is not complete, or NASH_ENOMEM
 */
NASH_API nash_status nash_morph_draw(nash_morph *out, nash_morph_kind kind,
                                     const nash_model *m, uint64_t seed,
                                     uint32_t child, uint32_t key);

typedef struct nash_morph_opts {
    uint64_t seed;
    uint32_t child;    /* names the stream together with the seed */
    int32_t n;         /* morphisms in a row, n_NM */
    uint32_t kinds;    /* bit set of 1 << nash_morph_kind; the two skips count
                          as one kind, as do deepen and widen each. All of
                          them is allowed too, for tests */
    double skip_share; /* chance that a morphism is a skip, if skips and others
                          are among the kinds; below 0: as that of any kind */
    int32_t
        max_kernel;   /* larger kernels are drawn as this odd number; 0: any */
    double max_share; /* of the multiply-accumulates, for the layers of one
                         height and width, or 1.5 / the number of such sizes,
                         if that is more; a child beyond it must have less than
                         its parent; 0: no limit */
    double max_expansion; /* of a convolution's channels over those of the wider
                             of the layers that it reads and that read it; a
                             child beyond it must not be beyond its parent; 0:
                             no limit */
    nash_widen_mode widen_mode;
    bool norm_skips;    /* concatenation skips normalise what they bring */
    int64_t max_params; /* caps on the result; 0: none */
    int64_t max_macs;
    size_t max_bytes; /* on what @p bytes_of says; 0: none */
    /* memory of training the graph; may be NULL */
    nash_status (*bytes_of)(void *ctx, size_t *bytes, const nash_graph *g);
    void *bytes_ctx;
    const volatile int *stop; /* nonzero: no further draw, NASH_ESTOP; NULL:
                                 never */
    int32_t max_draws; /* of one morphism, before it is given up; e.g. 1000.
                          Of all but the first no more than 100, where skips
                          have a share of their own below 1 */
} nash_morph_opts;

/** n 5, kinds {deepen, widen, skip} with equal chances, any kernel, copy, no
 * caps, 1000 draws. */
NASH_API nash_morph_opts nash_morph_opts_default(void);

/**
 * ApplyNetMorph: n random morphisms in a row, each drawn uniformly from the
 * kinds (but for skip_share); impossible draws and draws beyond a cap are drawn
 * again and counted, max_draws times for each of the n. Ten refusals in a row
 * draw another kind, too; of all but the first morphism no skip where that has
 * a share of its own, or where little else is possible most would be skips.
 *
 * @param m          changed in place; untouched on failure
 * @param applied    receives [n] morphisms; may be NULL
 * @param n_applied  receives how many they are: fewer than n, but at least one,
 *                   if the draws of the next one were all refused; NULL: all n
 *                   are needed
 * @param refused    [NASH_MORPH_COUNT], added to; may be NULL
 * @return NASH_OK, NASH_EREFUSED (max_draws spent), NASH_ESTOP (asked by
 *         opts->stop), NASH_EINVAL (an option, or a graph that is not
 *         complete), what opts->bytes_of returned, or as nash_morph_apply()
 */
NASH_API nash_status nash_morph_random(nash_model *m,
                                       const nash_morph_opts *opts,
                                       const nash_probe *probe,
                                       nash_morph *applied, int32_t *n_applied,
                                       int64_t *refused);

/* Largest |child - parent| over the logits of the probe's images. */
typedef struct nash_deviation {
    double infer, train;                   /* absolute */
    double infer_relative, train_relative; /* to the largest parent logit */
} nash_deviation;

/** Compare two models on a probe. @return NASH_OK, NASH_ESHAPE (other input or
 * classes), NASH_ENOMEM, or what @p probe returns */
NASH_API nash_status nash_morph_deviation(nash_deviation *out,
                                          const nash_model *parent,
                                          const nash_model *child,
                                          const nash_probe *probe);

#ifdef __cplusplus
}
#endif

#endif
