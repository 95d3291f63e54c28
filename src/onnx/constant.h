#ifndef NI_ONNX_CONSTANT_H
#define NI_ONNX_CONSTANT_H

#include "proto.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>

/* Most dimensions of a constant. */
enum { NI_MAX_RANK = 8 };

/* What stands for the open batch size in a constant computed from shapes. */
#define NI_BATCH INT64_MIN

/* A tensor whose values the file gives, or that were computed from such. */
typedef struct ni_constant {
    bool integral; /* int64 rather than float */
    int32_t n_dims;
    int64_t dims[NI_MAX_RANK];
    int64_t count;
    const ni_pb_tensor *proto; /* where the values stand; borrowed; NULL: */
    float *floats;             /* here, owned */
    int64_t *ints;             /* or here, owned */
} ni_constant;

/** Whether a tensor's values are of a type that is read. */
bool ni_constant_is_readable(const ni_pb_tensor *proto);

/** How many bytes the values of such a tensor take as raw data.
 * @return NASH_OK, NASH_EFORMAT or NASH_EUNSUPPORTED (its dimensions) */
nash_status ni_constant_bytes(int64_t *bytes, const ni_pb_tensor *proto);

/**
 * Take up a tensor of the file without copying its values; all sizes are
 * checked against what is there.
 *
 * @param proto  borrowed as long as the constant lives
 * @return NASH_OK, NASH_EFORMAT or NASH_EUNSUPPORTED
 */
nash_status ni_constant_open(ni_constant *out, const ni_pb_tensor *proto);

/** Allocate a constant of the given kind and dimensions.
 * @return NASH_OK or NASH_ENOMEM */
nash_status ni_constant_create(ni_constant *out, bool integral,
                               const int64_t *dims, int32_t n_dims);
void ni_constant_deinit(ni_constant *c);

/** Decode the values into arrays of our own, for computing with them.
 * @return NASH_OK or NASH_ENOMEM */
nash_status ni_constant_load(ni_constant *c);

/** The values as float32. @param dst  receives [count] */
void ni_constant_floats(float *dst, const ni_constant *c);

/** The values of an integral constant. @param dst  receives [count] */
void ni_constant_ints(int64_t *dst, const ni_constant *c);

/** Whether it is one float, and which. */
bool ni_constant_is_scalar(float *value, const ni_constant *c);

#endif
