#ifndef TESTS_ONNX_FIXTURE_H
#define TESTS_ONNX_FIXTURE_H

#include <nash/onnx.h>

/* What the tests of our own ONNX files share. */

#define assert_says(text)                                                      \
    do {                                                                       \
        if (!strstr(nash_error_message(), (text)))                             \
            fail_msg("the sentence is: %s", nash_error_message());             \
    } while (0)

#define assert_ok(call)                                                        \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

/** A starting network with few channels; nash_model_free() it. */
nash_model *make_small(void);

#endif
