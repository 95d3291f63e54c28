#ifndef NI_MORPH_CAPS_H
#define NI_MORPH_CAPS_H

#include <nash/morph.h>

/** Whether a child may be what it is: NASH_OK, NASH_ELIMIT with a sentence that
 * names the cap, the child's figure and what is allowed, or NASH_ENOMEM. */
nash_status ni_morph_check_caps(const nash_graph *child,
                                const nash_graph *parent,
                                const nash_morph_opts *opts);

#endif
