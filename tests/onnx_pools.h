#ifndef NASH_TEST_ONNX_POOLS_H
#define NASH_TEST_ONNX_POOLS_H

#include <nash/model.h>

/** A small network around one pool with random edges: any kernel, stride,
 * dilation (max), padding, ceil_mode, count_include_pad. NULL if the draw does
 * not fit; nash_model_free() it. */
nash_model *pool_model(uint32_t draw);

#endif
