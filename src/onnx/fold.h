#ifndef NI_ONNX_FOLD_H
#define NI_ONNX_FOLD_H

#include "reader.h"

/** An input with its values at hand. @return NASH_OK, NASH_EFORMAT,
 * NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_fold_operand(ni_constant **out, ni_reader *r,
                            const ni_pb_node *node, size_t k);

/** The output as a new constant, to be filled in.
 * @return NASH_OK, NASH_EUNSUPPORTED, NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_fold_create(ni_constant **out, ni_reader *r,
                           const ni_pb_node *node, bool integral,
                           const int64_t *dims, int32_t n_dims);

/** dst[to] = src[from]; both of one kind. */
void ni_fold_move(ni_constant *dst, int64_t to, const ni_constant *src,
                  int64_t from);

/** An axis counted from either end, as 0 .. n_dims - 1.
 * @return NASH_OK or NASH_EFORMAT */
nash_status ni_fold_axis(int32_t *out, int64_t axis, int32_t n_dims);

#endif
