#ifndef NASH_TEST_MADE_GRAPH_H
#define NASH_TEST_MADE_GRAPH_H

#include <nash/graph.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Small graphs, and what tests say about graphs. All fail the running test. */

/** A graph with its input node. */
nash_graph *made_input(int32_t c, int32_t h, int32_t w);

/** Append a node with one input. @return its id */
int32_t made_node(nash_graph *g, nash_op op, const nash_attrs *attrs,
                  int32_t input);
int32_t made_conv(nash_graph *g, int32_t channels, int32_t kernel,
                  int32_t stride, int32_t input);
int32_t made_pair(nash_graph *g, nash_op op, int32_t a, int32_t b);

/** input 3x8x8, conv_1, relu_2, conv_3, gate_4(conv_3, relu_2),
 * global_pool_5, fc_6, softmax_7. */
nash_graph *made_small(void);

void assert_shape(const nash_graph *g, int32_t id, int32_t c, int32_t h,
                  int32_t w);

/** Appending fails with @p expected and changes nothing. */
void assert_refused(nash_graph *g, nash_status expected, nash_op op,
                    const nash_attrs *attrs, const int32_t *inputs, int32_t n);

/** The last error's sentence contains @p text. */
#define assert_says(text) assert_non_null(strstr(nash_error_message(), text))

#endif
