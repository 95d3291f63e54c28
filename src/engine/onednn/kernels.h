#ifndef NI_ONEDNN_KERNELS_H
#define NI_ONEDNN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What oneDNN lacks or does in more passes than needed: our own loops over
 * activations, compiled once per instruction set and chosen at run time. Each
 * is one thread's work on its images, takes no memory and cannot fail. Where
 * images meet, in batch normalisation, the sums go by image in a fixed order,
 * so that their bits do not depend on the number of threads.
 */

/*
 * How an activation [N,C,H,W] lies in memory: channels in blocks of `lanes`,
 *
 *     [n][c / lanes][h][w][c % lanes]
 *
 * with zeros in the lanes beyond C. One lane is the plain row-major layout; of
 * the kernels only normalize knows that.
 */
typedef struct ni_layout {
    int32_t n, c, h, w;
    int32_t lanes; /* 1, or those of the kernels: 8 or 16 */
    bool bf16;     /* else float32 */
} ni_layout;

/* Windows of pools. */
typedef struct ni_window {
    int32_t kernel[2], stride[2], dilation[2], pads[4];
    bool count_include_pad;
} ni_window;

/* What a pointer of a task is for. */
typedef enum ni_role {
    NI_SRC,                   /* forward input; further ones follow */
    NI_SRC_LAST = NI_SRC + 7, /* add: eight at a time */
    NI_DST,                   /* forward output */
    NI_D_DST,                 /* derivative by the output */
    NI_D_SRC,                 /* derivative by an input */
    NI_D_SRC2,                /* gate: derivative by h */
    NI_WEIGHT,                /* conv; normalize: centre; gate: lambda */
    NI_BIAS,                  /* conv; normalize: scale */
    NI_GAMMA,
    NI_BETA,
    NI_RUNNING_MEAN,
    NI_RUNNING_VAR,
    NI_MEAN,     /* of the batch, [blocks * lanes] */
    NI_INV_STD,  /* 1 / sqrt(var + eps), likewise */
    NI_D_WEIGHT, /* gate: of lambda */
    NI_D_GAMMA,
    NI_D_BETA,
    NI_INDEX,   /* max_pool: winner within the window */
    NI_PARTIAL, /* scratch of a reduction; of batch_norm: of all images */
    NI_ROLES
} ni_role;

/* One call of a kernel. */
typedef struct ni_task {
    void *at[NI_ROLES];
    ni_layout src, dst;
    ni_window window;
    float eps, momentum;
    float low, high;  /* clip */
    bool relu;        /* batch_norm, Winograd: followed by a ReLU */
    bool accumulate;  /* add to D_SRC instead of overwriting it */
    bool accumulate2; /* likewise D_SRC2 */
    int32_t offset;   /* concat: first channel within dst */
    int32_t n_src;    /* add: number of inputs; sum_parts: of parts */
    int32_t first;    /* batch_norm: the images before src's, and all of the */
    int32_t all;      /* batch */
    int64_t stride;   /* sum_parts: elements from part to part */
    int64_t count;    /* elements, where no layout matters */
} ni_task;

typedef void (*ni_kernel)(const ni_task *task);

typedef struct ni_kernels {
    int32_t lanes;                /* of all blocked layouts */
    ni_kernel normalize;          /* plain float32 SRC -> DST */
    ni_kernel normalize_backward; /* D_DST -> D_SRC, same layout */
    ni_kernel norm_measure;       /* SRC -> PARTIAL */
    ni_kernel norm_merge;         /* PARTIAL of all images -> MEAN, INV_STD,
                                     RUNNING_* */
    ni_kernel norm_forward;       /* SRC, MEAN, INV_STD -> DST */
    ni_kernel norm_reduce;        /* D_DST, SRC -> PARTIAL */
    ni_kernel norm_backward;      /* PARTIAL of all images, D_DST, SRC ->
                                     D_GAMMA, D_BETA, D_SRC */
    ni_kernel norm_pool; /* norm_forward, ReLU and max pool, whose windows tile
                            the plane; dst is the pool's */
    ni_kernel norm_pool_reduce;
    ni_kernel norm_pool_backward;
    ni_kernel relu;
    ni_kernel relu_backward; /* D_DST, DST -> D_SRC */
    ni_kernel clip;
    ni_kernel clip_backward; /* D_DST, DST -> D_SRC */
    ni_kernel max_pool;
    ni_kernel max_pool_backward;
    ni_kernel avg_pool;
    ni_kernel avg_pool_backward;
    ni_kernel global_pool;
    ni_kernel global_pool_backward;
    ni_kernel concat; /* one input into its slice of DST */
    ni_kernel concat_backward;
    ni_kernel add;
    ni_kernel accumulate; /* SRC -> D_SRC, overwritten or added to */
    ni_kernel gate;
    ni_kernel gate_backward;
    ni_kernel sum_parts; /* D_SRC += the parts behind it */
} ni_kernels;

/* Scratch (NI_PARTIAL) that these kernels need. */
size_t ni_norm_partial_bytes(const ni_layout *layout);
size_t ni_pool_partial_bytes(const ni_layout *src);
size_t ni_gate_partial_bytes(int64_t count);
/* Bytes of one entry of NI_INDEX. */
size_t ni_pool_index_bytes(const ni_window *window);

/** Blocks of channels, and elements and bytes with the padding lanes. */
int32_t ni_layout_blocks(const ni_layout *layout);
int64_t ni_layout_count(const ni_layout *layout);
size_t ni_layout_bytes(const ni_layout *layout);

/** Element i of a stored tensor. */
float ni_value_at(const void *data, int64_t i, bool bf16);

/** Batch normalisation by running statistics: RUNNING_* -> MEAN, INV_STD. */
void ni_norm_prepare(const ni_task *task);

/**
 * Fold a batch normalisation into the convolution before it: WEIGHT and BIAS
 * (may be NULL) with GAMMA, BETA, RUNNING_* -> SRC (weights), DST (bias; may be
 * NULL), both plain. `src.n` is the number of output channels, `count` the
 * weights of one.
 */
void ni_norm_fold(const ni_task *task);

extern const ni_kernels ni_kernels_generic;
#if defined(__x86_64__)
extern const ni_kernels ni_kernels_avx2;
extern const ni_kernels ni_kernels_avx512;
#endif

/* Instruction sets that a choice of kernels may rest on. */
typedef enum ni_isa { NI_ISA_GENERIC, NI_ISA_AVX2, NI_ISA_AVX512 } ni_isa;

/** The best kernels for that set or a smaller one. */
const ni_kernels *ni_kernels_select(ni_isa isa);

#endif
