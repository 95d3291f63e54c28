#ifndef NASH_MODEL_H
#define NASH_MODEL_H

#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A model is a graph and its tensors: weights, running statistics, constants,
 * all plain row-major float32 in logical sizes; and key-value metadata.
 */

/* Where a node keeps its tensors; which of them exist depends on the
 * operation and its attributes. */
typedef enum nash_slot {
    NASH_SLOT_WEIGHT = 0, /* conv [O, I/groups, KH, KW], fc [O, I] */
    NASH_SLOT_BIAS = 1,   /* conv, fc [O] */
    NASH_SLOT_GAMMA = 0,  /* batch_norm [C] */
    NASH_SLOT_BETA = 1,   /* batch_norm [C] */
    NASH_SLOT_MEAN = 2,   /* batch_norm [C]: running mean */
    NASH_SLOT_VAR = 3,    /* batch_norm [C]: running variance, biased */
    NASH_SLOT_LAMBDA = 0, /* gate [1] */
    NASH_SLOT_CENTER = 0, /* normalize [C]: mean, in pixel values 0..255 */
    NASH_SLOT_SCALE = 1,  /* normalize [C]: standard deviation, likewise */
    NASH_SLOT_COUNT = 4
} nash_slot;

typedef enum nash_role {
    NASH_ROLE_WEIGHT,    /* trained, with weight decay */
    NASH_ROLE_BIAS,      /* trained: biases, beta */
    NASH_ROLE_SCALE,     /* trained: gamma */
    NASH_ROLE_GATE,      /* trained: lambda; never decayed */
    NASH_ROLE_STATISTIC, /* measured: running mean and variance */
    NASH_ROLE_CONSTANT   /* fixed: normalisation */
} nash_role;

typedef struct nash_tensor {
    nash_role role;
    int32_t n_dims;
    int32_t dims[4];
    int64_t count;
    float *data; /* owned by the model */
} nash_tensor;

typedef struct nash_model nash_model;

/**
 * A model for a graph, its tensors neutral: weights and biases 0, gamma 1,
 * beta 0, mean 0, variance 1, lambda 1, center 0, scale 1.
 *
 * @param graph  taken (*graph becomes NULL), also on failure
 * @return NASH_OK or NASH_ENOMEM
 */
NASH_API nash_status nash_model_create(nash_model **out, nash_graph **graph);

/** Deep copy, metadata included. @return NASH_OK or NASH_ENOMEM */
NASH_API nash_status nash_model_dup(nash_model **out, const nash_model *m);

/** Release; NULL is fine. */
NASH_API void nash_model_free(nash_model *m);

/** Its graph, borrowed until the model changes. */
NASH_API const nash_graph *nash_model_graph(const nash_model *m);

/** A node's tensor, borrowed; NULL where the slot is empty, or there is no such
 * node or slot. */
NASH_API nash_tensor *nash_model_tensor(const nash_model *m, int32_t id,
                                        int32_t slot);

/**
 * Draw all weights anew: He's normal (std sqrt(2 / fan in)) for convolutions,
 * std sqrt(1 / fan in) for fc; the rest neutral, lambda 1, constants kept.
 * Keyed by seed and tag: a node's weights do not depend on other nodes.
 */
NASH_API void nash_model_init(nash_model *m, uint64_t seed);

/**
 * As nash_model_init(), but the first filters of each convolution, as many as
 * it has input channels, pass their channel on (Dirac initialisation, arXiv
 * 1706.00388); the others get a sixth of He's variance, which makes the two
 * kinds alike in size. Learns faster in short trainings.
 */
NASH_API void nash_model_init_identity(nash_model *m, uint64_t seed);

/**
 * Let a network without one begin with a normalisation: it then reads pixels of
 * 0 to 255, and passes (x - mean[c]) / std[c] on to what was behind its input.
 *
 * @param mean, std  [input channels], in pixel values; copied
 * @return NASH_OK, NASH_EINVAL (it has a normalisation, or a value is of no
 *         use), NASH_ELIMIT (too many nodes) or NASH_ENOMEM; unchanged on
 *         failure
 */
NASH_API nash_status nash_model_normalize(nash_model *m, const float *mean,
                                          const float *std);

/**
 * Replace the last layer, fully connected or a convolution in one group, by a
 * fresh one for so many classes, drawn as by nash_model_init(); activations,
 * pools and batch normalisations behind it stay. Metadata about the old classes
 * goes.
 *
 * @return NASH_OK, NASH_EINVAL (fewer than 2 classes, or a graph that is not
 *         complete), NASH_EUNSUPPORTED (the classes do not come from one such
 *         layer, or others read it, too), NASH_ELIMIT or NASH_ENOMEM; unchanged
 *         on failure
 */
NASH_API nash_status nash_model_new_head(nash_model *m, int32_t classes,
                                         uint64_t seed);

/** How an image is looked at besides as it is; the probabilities of all looks
 * are averaged. */
typedef struct nash_looks {
    bool mirrored; /* left to right */
    bool shifted;  /* by a pixel, down and right, and up and left, its border
                      repeated; with mirrored, these mirrored, too */
} nash_looks;

enum { NASH_MAX_LOOKS = 6 };

/** How many they are: 1, 2, 3 or NASH_MAX_LOOKS. */
NASH_API int32_t nash_looks_count(nash_looks looks);

/**
 * How a model looks at images. It is a property of its predictions
 * (nash_predict() and its ONNX file), which cost nash_looks_count() times as
 * much as those of one look; training and plans know nothing of it. A new model
 * looks once; a copy does as its original.
 */
NASH_API void nash_model_set_looks(nash_model *m, nash_looks looks);
NASH_API nash_looks nash_model_looks(const nash_model *m);

/** Whether every value of every tensor is finite. */
NASH_API bool nash_model_is_finite(const nash_model *m);

/** Hash over graph, tags and the bits of all tensors; neither the metadata nor
 * its looks. */
NASH_API uint64_t nash_model_hash(const nash_model *m);

/** A metadata value, borrowed until it changes; NULL if there is none. */
NASH_API const char *nash_model_meta(const nash_model *m, const char *key);

/** Number of metadata entries, and the i-th (sorted by key); borrowed. */
NASH_API int32_t nash_model_meta_count(const nash_model *m);
NASH_API void nash_model_meta_at(const nash_model *m, int32_t i,
                                 const char **key, const char **value);

/**
 * Set, replace or (value NULL) remove a metadata entry.
 *
 * @param key, value  UTF-8, the key not empty; copied
 * @return NASH_OK, NASH_EINVAL (an empty key, or other bytes) or NASH_ENOMEM;
 *         unchanged on failure
 */
NASH_API nash_status nash_model_set_meta(nash_model *m, const char *key,
                                         const char *value);

/* Well-known metadata keys; every value is text. */
#define NASH_META_CLASSES "nash.classes" /* JSON array of class names */
#define NASH_META_RESIZE                                                       \
    "nash.resize"                        /* rule for foreign images:           \
                                            "stretch" */
#define NASH_META_DATASET "nash.dataset" /* format and hash of the data set */
#define NASH_META_SEEN                                                         \
    "nash.seen" /* "yes": weights have learned from images of this data set    \
                   that were to validate what they had become */
#define NASH_META_LINEAGE "nash.lineage" /* JSON array of morphisms */
#define NASH_META_SCORES                                                       \
    "nash.scores" /* JSON object of numbers it was                             \
                     judged by */
#define NASH_META_SETTINGS                                                     \
    "nash.settings" /* JSON object: how it was                                 \
                       trained */

/* ---- starting networks ------------------------------------------------ */

/** Most convolutions of a starting network. */
enum { NASH_MAX_STAGES = 6 };

typedef struct nash_net_opts {
    nash_shape input;                /* channels and size of the images */
    int32_t classes;                 /* K >= 2 */
    float mean[4], std[4];           /* [input.c] of the pixels, 0..255 */
    int32_t widths[NASH_MAX_STAGES]; /* channels of the convolutions; the
                                        first 0 ends them */
    float bn_momentum;               /* share kept per step, e.g. 0.9 */
    uint64_t seed;                   /* of the weights */
    bool identity;                   /* weights by nash_model_init_identity() */
    bool whiten;                     /* for nash_net_for_data(): it provides
                                        the first layer below */
    /* A first layer before all others, NULL for none: a convolution with these
     * filters and their negatives, and a ReLU. [n, C, k, k], the first n that
     * nash_images_whitening() gives; borrowed. */
    const float *whitening;
    int32_t whitening_kernel;  /* k */
    int32_t whitening_filters; /* n, at most C * k * k; 0: as many */
} nash_net_opts;

/** 3x32x32 and ten classes, widths 64, 128, 256, mean 0 and std 1. */
NASH_API nash_net_opts nash_net_opts_default(void);

/**
 * The paper's model0: Conv-BN-ReLU-MaxPool twice, Conv-BN-ReLU, global
 * average pooling, FC, softmax; 3x3 convolutions without bias. With other than
 * three widths, as many Conv-BN-ReLU, a MaxPool between each two. Above 64
 * pixels (the smaller side) strided Conv-BN-ReLU layers come first until it
 * is at most 64; images smaller than 8 pixels are pooled less.
 *
 * @return NASH_OK, NASH_EINVAL (an option), NASH_ELIMIT (too large) or
 *         NASH_ENOMEM
 */
NASH_API nash_status nash_net_start(nash_model **out,
                                    const nash_net_opts *opts);

/** VGG-like: 64, 64, P, 128 x3, P, 256 x3, global pooling, FC; with BN. The
 * numbers stand for the first three widths; large and small images as above. */
NASH_API nash_status nash_net_vgg(nash_model **out, const nash_net_opts *opts);

/** ResNet-9: 64, 128, P, res 128, 256, P, 512, P, res 512, global pooling, FC;
 * with BN. The residual sums are add nodes; 512 is twice the third width. */
NASH_API nash_status nash_net_resnet9(nash_model **out,
                                      const nash_net_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
