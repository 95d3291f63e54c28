#ifndef NI_MORPH_OPTIONS_H
#define NI_MORPH_OPTIONS_H

#include <nash/morph.h>

/** Whether morphisms can be drawn by the options: NASH_OK, or NASH_EINVAL with
 * a sentence that names the option, its value and what was expected. */
nash_status ni_morph_opts_check(const nash_morph_opts *opts);

#endif
