#ifndef NI_ONEDNN_WINOGRAD_H
#define NI_ONEDNN_WINOGRAD_H

#include "kernels.h"

/*
 * 3x3 convolutions of stride 1 with one pixel of padding, by Winograd's
 * F(2x2, 3x3): 16 multiplications for four outputs instead of 36. Activations
 * are bf16 in blocks of 16, all numbers of channels multiples of 16. Only the
 * transformed operands are rounded to bf16; sums are float32.
 *
 *     Y = A' [ (G g G') . (B' d B) ] A        for 2x2 outputs of 4x4 inputs d
 */
typedef struct ni_winograd {
    ni_kernel pack;      /* WEIGHT [O,I,3,3] -> DST: src.c is I, dst.c is O */
    ni_kernel pack_back; /* likewise, for the derivative by the input */
    ni_kernel forward;   /* SRC, WEIGHT (packed), PARTIAL -> DST. With weights
                            of pack_back: D_DST as SRC, D_SRC as DST */
    ni_kernel weights;   /* SRC, D_DST (of layout dst), PARTIAL -> D_WEIGHT */
} ni_winograd;

/* Elements (bf16) of packed weights; bytes of PARTIAL. */
int64_t ni_winograd_packed_count(int32_t inputs, int32_t outputs);
size_t ni_winograd_forward_bytes(int32_t inputs);
size_t ni_winograd_weights_bytes(int32_t inputs, int32_t outputs);

/** What this chip has; NULL: nothing. @param bf16  AVX-512 with bf16 */
const ni_winograd *ni_winograd_select(bool bf16);

#endif
