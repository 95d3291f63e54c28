/* The options of random morphisms, the same for every verb that draws them. */
#include "draws.h"

#include "cli.h"

#include <assert.h>
#include <string.h>

int draw_options(arg_option *to, int at, nash_morph_opts *m)
{
    const arg_option draws[] = {
        {"skip-share", ARG_REAL, &m->skip_share,
         "chance that a morphism is a skip; below 0: the same as that of "
         "deepening and of widening",
         -1, 1},
        {"max-kernel", ARG_INT, &m->max_kernel,
         "largest kernel of a new convolution; odd", 1, 63},
        {"max-share", ARG_REAL, &m->max_share,
         "of the multiply-accumulates, for the layers of one height and width; "
         "children may not go beyond it, unless their parent did by more; 0: "
         "no limit",
         0, 1},
        {"max-expansion", ARG_REAL, &m->max_expansion,
         "of a convolution's channels over those of the wider of the layers "
         "before and after it; children may not go beyond it, unless their "
         "parent did; 0: no limit",
         0, 1e6},
        {"norm-skips", ARG_YESNO, &m->norm_skips,
         "concatenation skips normalise the tensor that they bring"},
        {"max-params", ARG_COUNT, &m->max_params,
         "refuse larger children, e.g. 5M", 0, 1e15, .fallback = "no limit"},
        {"max-macs", ARG_COUNT, &m->max_macs,
         "refuse children that take more multiply-accumulates an image, e.g. "
         "500M",
         0, 1e15, .fallback = "no limit"},
        {NULL}};
    static_assert(sizeof draws / sizeof *draws <= DRAW_OPTIONS,
                  "DRAW_OPTIONS is too small");
    memcpy(to + at, draws, sizeof draws);
    return at + (int)(sizeof draws / sizeof *draws) - 1;
}

int draw_check(const nash_morph_opts *m, const char *verb)
{
    if (m->max_kernel % 2 == 0)
        return cli_usage(verb, "--max-kernel is %d, expected an odd number",
                         m->max_kernel);
    return EXIT_OK;
}
