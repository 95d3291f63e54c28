#ifndef NI_ONEDNN_WINOGRAD_H
#define NI_ONEDNN_WINOGRAD_H

#include "kernels.h"

/*
 * 3x3 convolutions of stride 1 with one pixel of padding, by Winograd's
 * F(m x m, 3x3): (m + 2)^2 multiplications for m^2 outputs instead of 9 m^2.
 * All numbers of channels are multiples of 16.
 *
 *     Y = A' [ (G g G') . (B' d B) ] A        for m x m outputs of inputs d
 *
 * In bf16 m is 2: the transformed operands are rounded to bf16, sums are
 * float32. In float32 m is 4, whose transforms would cost bf16 too many digits.
 */
typedef struct ni_winograd {
    int32_t lanes;          /* of activations, */
    bool bf16;              /* and their type */
    int32_t least_side;     /* of images: below, little is saved */
    int32_t least_channels; /* likewise: transforms are for each of them */
    int32_t places; /* elements of packed weights per pair of channels */
    /* Bytes of PARTIAL: */
    size_t (*forward_bytes)(int32_t inputs, int32_t outputs);
    size_t (*weights_bytes)(int32_t inputs, int32_t outputs);
    ni_kernel pack;      /* WEIGHT [O,I,3,3] -> DST: src.c is I, dst.c is O */
    ni_kernel pack_back; /* likewise, for the derivative by the input */
    ni_kernel forward;   /* SRC, WEIGHT (packed), BIAS (may be NULL), PARTIAL ->
                            DST, perhaps with a ReLU. With weights of pack_back:
                            D_DST as SRC, D_SRC as DST */
    ni_kernel weights;   /* SRC, D_DST (of layout dst), PARTIAL -> D_WEIGHT */
    /* The same by the direct algorithm, for images below least_side in height
     * and width; NULL: there is none. */
    ni_kernel small_weights;
    size_t (*small_weights_bytes)(const ni_layout *src, const ni_layout *dst);
} ni_winograd;

#if defined(__x86_64__)
extern const ni_winograd ni_winograd_avx2; /* with FMA */
extern const ni_winograd ni_winograd_avx512;
extern const ni_winograd ni_winograd_bf16; /* AVX-512 with bf16 */
#endif

#endif
