/*
 * The parts of the kernels that no instruction set matters to: layouts, sizes
 * of scratch memory, preparations over channels, and the choice between the
 * compiled variants.
 */
#include "kernels.h"

#include "kernels_common.h"

#include <math.h>

int32_t ni_layout_blocks(const ni_layout *layout)
{
    return (layout->c + layout->lanes - 1) / layout->lanes;
}

int64_t ni_layout_count(const ni_layout *layout)
{
    return (int64_t)layout->n * ni_layout_blocks(layout) * layout->lanes *
           layout->h * layout->w;
}

size_t ni_layout_bytes(const ni_layout *layout)
{
    return (size_t)ni_layout_count(layout) * (layout->bf16 ? 2 : 4);
}

size_t ni_norm_partial_bytes(const ni_layout *layout)
{
    return (size_t)layout->n * (size_t)ni_layout_blocks(layout) *
           (size_t)layout->lanes * 2 * sizeof(float);
}

size_t ni_pool_partial_bytes(const ni_layout *src)
{
    return (size_t)src->h * (size_t)src->w * (size_t)src->lanes * sizeof(float);
}

size_t ni_gate_partial_bytes(int64_t count)
{
    return (size_t)((count + NI_CHUNK - 1) / NI_CHUNK) * sizeof(double);
}

size_t ni_pool_index_bytes(const ni_window *window)
{
    return (int64_t)window->kernel[0] * window->kernel[1] <= 256 ? 1 : 4;
}

float ni_value_at(const void *data, int64_t i, bool bf16)
{
    return ni_load(data, i, bf16);
}

void ni_norm_prepare(const ni_task *task)
{
    const float *running_mean = task->at[NI_RUNNING_MEAN];
    const float *running_var = task->at[NI_RUNNING_VAR];
    float *mean = task->at[NI_MEAN], *inv_std = task->at[NI_INV_STD];
    int32_t padded = ni_layout_blocks(&task->src) * task->src.lanes;
    for (int32_t c = 0; c < padded; c++) {
        bool real = c < task->src.c;
        double var = real ? (double)running_var[c] : 1.0;
        mean[c] = real ? running_mean[c] : 0.0F;
        inv_std[c] = (float)(1.0 / sqrt(var + (double)task->eps));
    }
}

void ni_norm_fold(const ni_task *task)
{
    const float *weight = task->at[NI_WEIGHT], *bias = task->at[NI_BIAS];
    const float *gamma = task->at[NI_GAMMA], *beta = task->at[NI_BETA];
    const float *mean = task->at[NI_RUNNING_MEAN];
    const float *var = task->at[NI_RUNNING_VAR];
    float *folded = task->at[NI_SRC], *folded_bias = task->at[NI_DST];
    for (int32_t o = 0; o < task->src.n; o++) {
        double scale =
            (double)gamma[o] / sqrt((double)var[o] + (double)task->eps);
        double shift = (bias ? (double)bias[o] : 0.0) - (double)mean[o];
        if (folded_bias)
            folded_bias[o] = (float)((double)beta[o] + shift * scale);
        for (int64_t i = 0; i < task->count; i++) {
            int64_t at = o * task->count + i;
            folded[at] = (float)((double)weight[at] * scale);
        }
    }
}

const ni_kernels *ni_kernels_select(ni_isa isa)
{
#if defined(__x86_64__)
    switch (isa) {
    case NI_ISA_AVX512:
        return &ni_kernels_avx512;
    case NI_ISA_AVX2:
        return &ni_kernels_avx2;
    case NI_ISA_GENERIC:
        break;
    }
#else
    (void)isa;
#endif
    return &ni_kernels_generic;
}
