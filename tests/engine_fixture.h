#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include <nash/plan.h>

/* What the tests of all engines share. */

#define OK(call)                                                               \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

extern const nash_engine engines[2]; /* the oracle and oneDNN */

/** The default options but for these, in float32. */
nash_plan_opts opts_of(nash_engine engine, nash_mode mode, int32_t batch);

/** How many values a node's output has over a batch. */
int64_t node_values(const nash_model *m, int32_t id, int32_t batch);

#endif
