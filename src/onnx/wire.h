#ifndef NI_ONNX_WIRE_H
#define NI_ONNX_WIRE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Whether bytes can be given to protobuf-c as a ModelProto: lengths that stay
 * within their message, bounded nesting, a bounded number of fields, and no
 * message twice where one is expected. What passes may still be refused by
 * the parser, but cannot exhaust the stack or memory.
 *
 * @param name  of the file, for the sentence
 * @return NASH_OK, NASH_EFORMAT or NASH_ELIMIT
 */
nash_status ni_onnx_check_wire(const uint8_t *data, size_t size_bytes,
                               const char *name);

#endif
