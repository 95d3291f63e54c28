#ifndef NI_ONNX_ATTRIBUTE_H
#define NI_ONNX_ATTRIBUTE_H

#include "proto.h"

#include "base/error.h"

#include <stdbool.h>

/* Attributes of a node by name; NASH_EFORMAT if one has another type. */

nash_status ni_attribute_int(int64_t *out, const ni_pb_node *node,
                             const char *name, int64_t fallback);
nash_status ni_attribute_float(float *out, const ni_pb_node *node,
                               const char *name, float fallback);

/** @param values  borrowed; NULL if there is no such attribute */
nash_status ni_attribute_ints(const int64_t **values, size_t *n,
                              const ni_pb_node *node, const char *name);
nash_status ni_attribute_floats(const float **values, size_t *n,
                                const ni_pb_node *node, const char *name);
/** @param tensor  borrowed; NULL if there is no such attribute */
nash_status ni_attribute_tensor(const ni_pb_tensor **tensor,
                                const ni_pb_node *node, const char *name);

/** Whether a text attribute is there and is not @p expected. */
nash_status ni_attribute_differs(bool *differs, const ni_pb_node *node,
                                 const char *name, const char *expected);

bool ni_attribute_exists(const ni_pb_node *node, const char *name);

/** Refuse attributes outside a list. @param known  names between blanks */
nash_status ni_attribute_check(const ni_pb_node *node, const char *known);

#endif
