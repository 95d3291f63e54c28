/* The small model that the tests of our own ONNX files write. */
#include "onnx_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

nash_model *make_small(void)
{
    nash_net_opts opts = nash_net_opts_default();
    nash_model *m = NULL;
    opts.input = (nash_shape){3, 8, 9};
    for (int i = 0; i < 3; i++) {
        opts.widths[i] = 2 + i;
        opts.mean[i] = 100.5F + (float)i;
        opts.std[i] = 50.25F + (float)i;
    }
    assert_ok(nash_net_start(&m, &opts));
    return m;
}
