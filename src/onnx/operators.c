/*
 * The operators that are read, one row each, opsets 7 to 20. Attributes
 * outside a row's list are refused: ignoring one could change the function.
 */
#include "reader.h"

#include <string.h>

#define WINDOW "auto_pad dilations kernel_shape pads strides"

static const ni_operator operators[] = {
    {"Add", ni_read_add, ni_fold_add, 2, 2, ""},
    {"AveragePool", ni_read_average_pool, NULL, 1, 1,
     WINDOW " ceil_mode count_include_pad"},
    {"BatchNormalization", ni_read_batch_norm, NULL, 5, 5,
     "epsilon momentum spatial training_mode"},
    {"Cast", ni_read_cast, ni_fold_cast, 1, 1, "to saturate"},
    {"Clip", ni_read_clip, NULL, 1, 3, "min max"},
    {"Concat", ni_read_concat, ni_fold_concat, 1, SIZE_MAX, "axis"},
    {"Constant", NULL, ni_fold_constant, 0, 0,
     "value value_float value_floats value_int value_ints"},
    {"ConstantOfShape", NULL, ni_fold_constant_of_shape, 1, 1, "value"},
    {"Conv", ni_read_conv, NULL, 2, 3, WINDOW " group"},
    {"Div", ni_read_div, ni_fold_div, 2, 2, ""},
    {"Dropout", ni_read_dropout, NULL, 1, 3, "ratio seed"},
    {"Flatten", ni_read_flatten, NULL, 1, 1, "axis"},
    {"Gather", NULL, ni_fold_gather, 2, 2, "axis"},
    {"Gemm", ni_read_gemm, NULL, 2, 3, "alpha beta transA transB"},
    {"GlobalAveragePool", ni_read_global_average_pool, NULL, 1, 1, ""},
    {"GlobalMaxPool", ni_read_global_max_pool, NULL, 1, 1, ""},
    {"Identity", ni_read_identity, ni_read_identity, 1, 1, ""},
    {"LogSoftmax", ni_read_softmax, NULL, 1, 1, "axis"},
    {"MatMul", ni_read_matmul, NULL, 2, 2, ""},
    {"MaxPool", ni_read_max_pool, NULL, 1, 1,
     WINDOW " ceil_mode storage_order"},
    {"Mul", ni_read_mul, ni_fold_mul, 2, 2, ""},
    {"Pad", ni_read_pad, NULL, 1, 4, "mode pads value"},
    {"ReduceMean", ni_read_reduce_mean, NULL, 1, 2,
     "axes keepdims noop_with_empty_axes"},
    {"Relu", ni_read_relu, NULL, 1, 1, ""},
    {"Reshape", ni_read_reshape, ni_fold_reshape, 2, 2, "allowzero"},
    {"Shape", ni_read_shape, ni_fold_shape, 1, 1, "start end"},
    {"Slice", ni_read_slice, ni_fold_slice, 1, 5, "axes ends starts"},
    {"Softmax", ni_read_softmax, NULL, 1, 1, "axis"},
    {"Squeeze", ni_read_squeeze, ni_fold_squeeze, 1, 2, "axes"},
    {"Sub", ni_read_sub, ni_fold_sub, 2, 2, ""},
    {"Sum", ni_read_sum, NULL, 1, SIZE_MAX, ""},
    {"Transpose", ni_read_transpose, ni_fold_transpose, 1, 1, "perm"},
    {"Unsqueeze", ni_read_unsqueeze, ni_fold_unsqueeze, 1, 2, "axes"},
};

const ni_operator *ni_operator_find(const char *type)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(operators[i].type, type) == 0)
            return &operators[i];
    return NULL;
}
