#ifndef NI_MORPH_SKIP_H
#define NI_MORPH_SKIP_H

#include "surgery.h"

/* What the two skips share: their ends, and the way between them. */

/**
 * The ends of a skip: both open, the earlier one before the later one on some
 * way through the network.
 *
 * @return NASH_OK, NASH_EINVAL (no such node), NASH_EREFUSED or NASH_ENOMEM
 */
nash_status ni_skip_ends(int32_t *from, int32_t *at, const nash_graph *g,
                         const nash_morph *morph);

/**
 * Bring the earlier end to the later one's height and width, by pools that
 * mirror those on the way; they are inserted right behind @p at.
 *
 * @param h  receives the node to add or concatenate, which may be @p from
 * @param n  receives how many nodes were inserted
 * @return NASH_OK, NASH_EREFUSED (no pool gives that size), NASH_ENOMEM, ...
 */
nash_status ni_skip_route(int32_t *h, int32_t *n, nash_model *m, int32_t from,
                          int32_t at);

/** Draw both ends uniformly over the ends of layers. @return also
 * NASH_EREFUSED if no weights lie between those drawn */
nash_status ni_skip_draw(nash_morph *out, const nash_graph *g, ni_rng *rng);

#endif
