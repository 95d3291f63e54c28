#ifndef NI_MORPH_SURGERY_H
#define NI_MORPH_SURGERY_H

#include "base/error.h"
#include "base/rng.h"

#include <nash/morph.h>

/*
 * What the morphisms share: their rows of the table, places in a graph,
 * insertions, measured statistics, and draws.
 */

/* Parts of the text form that a morphism has beside "at". */
enum {
    NI_KEY_FROM = 1 << 0,
    NI_KEY_KERNEL = 1 << 1,
    NI_KEY_FACTOR = 1 << 2,
    NI_KEY_MODE = 1 << 3,
    NI_KEY_SEED = 1 << 4,
    NI_KEY_NORM = 1 << 5
};

/* Largest kernel that is inserted. */
enum { NI_MAX_KERNEL = 255 };

/* One morphism; each is one file that ends with its row. */
typedef struct ni_morphism {
    uint32_t keys;
    bool measures; /* cannot do without a probe */
    /* Works in place; what @p m holds after a failure is unspecified. */
    nash_status (*apply)(nash_model *m, const nash_morph *morph,
                         const nash_probe *probe);
    /* Fills the fields of its keys; kind is set already. */
    nash_status (*draw)(nash_morph *out, const nash_graph *g, ni_rng *rng);
} ni_morphism;

extern const ni_morphism ni_morph_conv, ni_morph_fc, ni_morph_batch_norm,
    ni_morph_widen, ni_morph_concat_skip, ni_morph_relu, ni_morph_gate,
    ni_morph_add_skip, ni_morph_deepen;

/** The row of a kind; NULL for a value outside the list. */
const ni_morphism *ni_morphism_of(nash_morph_kind kind);

/** As nash_morph_apply(), in place: for callers that have made a copy. */
nash_status ni_morph_apply_in_place(nash_model *m, const nash_morph *morph,
                                    const nash_probe *probe);

/* ---- places ------------------------------------------------------------- */

/** Whether a convolution's channels, as many out as in, are a group each. */
bool ni_is_depthwise(const nash_graph *g, int32_t id);

/** Whether an operation ends a layer: ReLU and clip. */
bool ni_is_activation(nash_op op);

/** Whether morphisms may read a node's output: it lies behind the
 * normalisation and is not the softmax. */
bool ni_is_open(const nash_graph *g, int32_t id);

/** Whether a node's output has height and width 1. */
bool ni_is_flat(const nash_graph *g, int32_t id);

/** Whether a node lies inside a layer: only batch normalisations, ReLUs and
 * clips, and at least one, read it. */
bool ni_is_inner(const nash_graph *g, int32_t id);

/**
 * The node with a tag, which must be open.
 *
 * @param key  what the text form calls the place, for the sentence
 * @return NASH_OK, NASH_EINVAL (no such node) or NASH_EREFUSED
 */
nash_status ni_morph_find_open(int32_t *id, const nash_graph *g, int32_t tag,
                               const char *key);

/** Which tensors cannot be negative, whatever the weights and the input are.
 * @param out  receives [size] */
void ni_nonnegative(bool *out, const nash_graph *g);

/** NASH_EREFUSED unless node @p id cannot be negative; NASH_ENOMEM. */
nash_status ni_require_nonnegative(const nash_graph *g, int32_t id);

/* ---- insertions --------------------------------------------------------- */

/** Insert a node with one input at position @p id, read by nobody yet. */
nash_status ni_insert(nash_model *m, int32_t id, nash_op op,
                      const nash_attrs *attrs, int32_t input);

/** Insert a node at @p at + 1 that takes @p at in and serves all its readers.
 * @param attrs  NULL for nash_attrs_default() */
nash_status ni_insert_after(nash_model *m, int32_t at, nash_op op,
                            const nash_attrs *attrs);

/** Attributes of a "same" convolution without bias. */
nash_attrs ni_conv_attrs(int32_t out_channels, int32_t kernel);

/** Insert an identity convolution, without bias, after @p at. */
nash_status ni_insert_identity_conv(nash_model *m, int32_t at, int32_t kernel);

/** Attributes of a batch normalisation like the graph's first one whose eps is
 * not 0, which channels without any variance would not bear. */
nash_attrs ni_batch_norm_attrs(const nash_graph *g);

/**
 * Set a batch normalisation's running statistics to what the probe measures at
 * its input, and, if @p neutral, gamma and beta to what undoes it.
 *
 * @return NASH_OK, NASH_EDIVERGED (not finite), NASH_ENOMEM, or what the probe
 *         returned
 */
nash_status ni_measure(nash_model *m, int32_t id, bool neutral,
                       const nash_probe *probe);

/** Moments of a node's output, all finite. @param mean, var  receive [C] */
nash_status ni_moments(double *mean, double *var, const nash_model *m,
                       int32_t id, const nash_probe *probe);

/* ---- draws -------------------------------------------------------------- */

/**
 * Draw one of the marked nodes.
 *
 * @param fits  [size]
 * @param what  what they are, for the sentence: "a non-negative tensor"
 * @return NASH_OK or NASH_EREFUSED (none is marked)
 */
nash_status ni_draw_place(int32_t *tag, const nash_graph *g, const bool *fits,
                          const char *what, ni_rng *rng);

/** 3 or 5. */
int32_t ni_draw_kernel(ni_rng *rng);

#endif
