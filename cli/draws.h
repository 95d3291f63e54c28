#ifndef CLI_DRAWS_H
#define CLI_DRAWS_H

#include "args.h"

#include <nash/nash.h>

/** Append the options of random morphisms (chances, caps) to a table, its end
 * included.
 *
 * @param to  has room for DRAW_OPTIONS more
 * @param m   receives what is given; holds the defaults
 * @return the number of options so far */
int draw_options(arg_option *to, int at, nash_morph_opts *m);

/** Check what their ranges do not.
 * @return EXIT_OK, or EXIT_USAGE after a sentence */
int draw_check(const nash_morph_opts *m, const char *verb);

enum { DRAW_OPTIONS = 8 }; /* the end included */

#endif
