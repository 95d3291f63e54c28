#ifndef NI_MORPH_GROW_H
#define NI_MORPH_GROW_H

#include "surgery.h"

/*
 * Growth: what happens to the channels of a whole network when some tensor
 * gets more of them. It spreads from that tensor to everything whose channels
 * are tied to it (the other operands of additions and gates, depthwise
 * convolutions, what a batch normalisation, ReLU or pool is made from), and
 * through concatenation and flattening down to the weights that read it. Each
 * channel of a grown tensor is either an old one or a new one; the old ones
 * keep their values, because the weights that read new ones are zero, or
 * opposite for twins.
 *
 * Node ids are the same before and after.
 */

/* One channel of a tensor after it has grown. */
typedef struct ni_channel {
    int32_t old;    /* its number before, or -1: it is new */
    int32_t source; /* new: the old channel that a copy copies */
    int32_t key;    /* new: its number, twins: the first's; names its weights */
    int32_t sign;   /* new: old readers get sign times drawn weights: 1 and -1
                       for twins, 1 for noise, else 0 */
} ni_channel;

typedef struct ni_growth {
    int32_t n_nodes;
    int32_t block; /* channels of the tensor where it begins */
    int32_t added; /* new channels there */
    nash_widen_mode mode;
    int32_t **after;  /* [n_nodes] NULL (does not grow), or [old channels]: how
                         many new ones come after each */
    ni_channel **map; /* [n_nodes] NULL, or [size] */
    int32_t *size;    /* [n_nodes] channels after */
    struct ni_gap *pending;
    int32_t n_pending, room;
} ni_growth;

/**
 * Find out what grows when node @p id gets @p added more channels after its
 * last.
 *
 * @param forward  only its readers follow, what it is made from does not: the
 *                 caller sees to that
 * @return NASH_OK, NASH_EREFUSED (the channels are tied to the network's input
 *         or output, or to a grouped convolution), NASH_ELIMIT or NASH_ENOMEM
 */
nash_status ni_growth_init(ni_growth *growth, const nash_graph *g, int32_t id,
                           int32_t added, nash_widen_mode mode, bool forward);

void ni_growth_deinit(ni_growth *growth);

/**
 * Let a model grow.
 *
 * @param m     the model to change; differs from @p base at most in the edges
 *              that bring the new channels of the first tensor
 * @param base  the model before, function and ids alike
 * @param probe measures new channels of batch normalisations; NULL: mean 0 and
 *              variance 1
 */
nash_status ni_growth_apply(nash_model *m, const nash_model *base,
                            const ni_growth *growth, uint64_t seed,
                            const nash_probe *probe);

#endif
