/*
 * All kernels as one translation unit per instruction set: included by
 * kernels_<set>.c with NI_KERNELS naming the table to define. No include guard
 * is needed: each of those files is this one and nothing else.
 */
#include "kernels_common.h"
#include "kernels_join.h"
#include "kernels_norm.h"
#include "kernels_pool.h"

const ni_kernels NI_KERNELS = {
    .lanes = NI_LANES,
    .normalize = normalize,
    .normalize_backward = normalize_backward,
    .norm_measure = norm_measure,
    .norm_merge = norm_merge,
    .norm_forward = norm_forward,
    .norm_reduce = norm_reduce,
    .norm_backward = norm_backward,
    .norm_pool = norm_pool,
    .norm_pool_reduce = norm_pool_reduce,
    .norm_pool_backward = norm_pool_backward,
    .relu = relu,
    .relu_backward = relu_backward,
    .clip = clip,
    .clip_backward = clip_backward,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .avg_pool = avg_pool,
    .avg_pool_backward = avg_pool_backward,
    .global_pool = global_pool,
    .global_pool_backward = global_pool_backward,
    .concat = concat,
    .concat_backward = concat_backward,
    .add = add,
    .accumulate = accumulate,
    .gate = gate,
    .gate_backward = gate_backward,
    .sum_parts = sum_parts,
};
