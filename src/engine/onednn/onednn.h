#ifndef NI_ONEDNN_H
#define NI_ONEDNN_H

#include "base/error.h"
#include "base/memory.h"
#include "base/crew.h"
#include "engine/engine.h"
#include "winograd.h"

#include <oneapi/dnnl/dnnl.h>

/*
 * A plan of this engine is a program per thread, for a fixed slice of the
 * batch: steps over buffers. Compiling a graph emits the steps node by node
 * (conv.c, norm.c, ...), which says when each buffer is first written and last
 * read; from that the buffers get their places in the program's arena
 * (arena.c), and the steps their pointers (run.c). What programs have in common
 * lies in one block beside the arenas (shared.c). Estimating is the same
 * without the memory.
 *
 * Programs meet where images do: a batch normalisation's sums, and at the end
 * of backward, where the gradients of the slices are added up. oneDNN runs
 * single-threaded within each.
 */

/* When a step runs. */
typedef enum ni_phase {
    NI_PACK, /* inference: at creation and refresh; else before forward */
    NI_FORWARD,
    NI_BACKWARD,
    NI_PHASES
} ni_phase;

typedef enum ni_place { NI_IN_ARENA, NI_IN_SHARED, NI_IN_MODEL } ni_place;

/* A piece of the arena or of the shared block, or a tensor of the model. */
typedef struct ni_buffer {
    ni_place place;
    size_t bytes;
    size_t offset;       /* in the arena or the shared block */
    int32_t first, last; /* steps that touch it, over all phases; first > last:
                            none */
    int32_t sharers;     /* nodes that still call it theirs: an owner alone may
                            overwrite it */
    bool kept;           /* alive all the time */
    int32_t node, slot;  /* of the model */
} ni_buffer;

typedef struct ni_ref {
    int32_t buffer;
    int32_t what; /* ni_role of a kernel, DNNL_ARG_... of a primitive */
} ni_ref;

/* One call of oneDNN, or of a kernel of ours, or a meeting. */
typedef struct ni_step {
    int32_t node;
    const char *what; /* for errors: "forward" */
    int32_t n_refs;
    ni_ref refs[NI_ROLES];
    bool meets;       /* wait until every program has come here */
    ni_kernel kernel; /* ours */
    ni_task task;
    dnnl_primitive_desc_t desc; /* or oneDNN's; owned */
    dnnl_primitive_t primitive; /* owned */
    dnnl_exec_arg_t args[NI_ROLES];
} ni_step;

typedef struct ni_steps {
    ni_step *items; /* owned */
    int32_t count, capacity;
} ni_steps;

/* What compiling knows about a node. */
typedef struct ni_state {
    ni_layout layout; /* of its output and of the derivative by it */
    int32_t out;      /* buffer; -1: not there */
    int32_t grad;     /* buffer; -1: not there (yet) */
    int32_t readers;  /* (reader, input) pairs that are computed */
    int32_t tail;     /* the last node of those computed with it; itself */
    int32_t fold;     /* conv: the batch normalisation folded in, or -1 */
    int32_t pool;     /* batch_norm: the max pool computed with it, or -1 */
    bool relu;        /* conv, batch_norm: a ReLU is computed with it */
    bool needed;      /* by forward */
    bool absorbed;    /* computed with an earlier node */
    bool trains;      /* the derivative by its output is wanted */
    int32_t saved[2]; /* for backward: batch_norm's mean and 1 / std; the
                         winners of max_pool */
    dnnl_memory_desc_t src; /* conv: how forward read its input */
} ni_state;

/* Which weights; a bias only where a batch normalisation is folded in. */
typedef enum ni_weights {
    NI_WEIGHTS_FORWARD,
    NI_WEIGHTS_BACKWARD,
    NI_WEIGHTS_BIAS
} ni_weights;

/* Weights as a primitive wants them. */
typedef struct ni_packed {
    int32_t node;
    ni_weights what;
    dnnl_memory_desc_t desc;
    size_t offset; /* in the shared block */
    int32_t maker; /* the program that fills it, in NI_PACK */
} ni_packed;

/* What the programs of a plan have in common. */
typedef struct ni_shared {
    int32_t batch, programs;
    size_t bytes; /* of the block */
    /* Offsets in the block. Sums over all images have two places that take
     * turns: who is a meeting ahead writes to the other one. */
    size_t input, logits, d_logits, partial[2];
    size_t *gradients; /* owned, [nodes * NASH_SLOT_COUNT]: from `parts` on, or
                          of the block where every program has the whole */
    size_t parts, part_bytes; /* gradients of slices, one program after the
                                 other; the first gets their sum */
    ni_packed *packed;        /* owned */
    int32_t n_packed, packed_capacity;
    size_t *load; /* owned, [programs]: bytes that each has to pack */
    char *block;  /* owned; NULL: estimating */
} ni_shared;

/* A slice of the batch compiled. */
typedef struct ni_program {
    ni_shared *shared;       /* borrowed */
    int32_t index;           /* among the programs */
    int32_t first;           /* image of the batch */
    const nash_model *model; /* borrowed; NULL: estimating */
    nash_plan_opts opts;     /* batch: of the slice */
    size_t bytes;            /* of the arena */
    nash_status status;      /* of the running */
    char *message;           /* owned, [NI_MESSAGE]: of a status not OK */
    int32_t n_sums;          /* over all images, so far */
    const nash_graph *graph; /* borrowed */
    const ni_kernels *kernels;
    const ni_winograd *winograd; /* NULL: the chip has none */
    int32_t lanes;               /* of blocked layouts */
    bool bf16;
    ni_state *states;   /* owned, [nodes] */
    int32_t *operands;  /* owned, [edges]: the buffer an input is read from */
    ni_buffer *buffers; /* owned */
    int32_t n_buffers, buffer_capacity;
    ni_steps steps[NI_PHASES];
    int32_t *gradients;   /* owned, [nodes * NASH_SLOT_COUNT] buffers or -1 */
    dnnl_engine_t engine; /* owned */
    dnnl_stream_t stream; /* owned */
    char *arena;          /* owned */
} ni_program;

enum { NI_MESSAGE = 256 };

/* ---- program.c -------------------------------------------------------- */

nash_status ni_new_buffer(int32_t *id, ni_program *p, size_t bytes);
/** A piece of the shared block. */
nash_status ni_shared_buffer(int32_t *id, ni_program *p, size_t offset);
/** The buffer that stands for a model's tensor. */
nash_status ni_tensor_buffer(int32_t *id, ni_program *p, int32_t node,
                             int32_t slot);

/* A kernel's call: refs are pairs, see REFS. */
nash_status ni_emit_kernel(ni_program *p, ni_phase phase, int32_t node,
                           const char *what, ni_kernel kernel,
                           const ni_task *task, const ni_ref *refs,
                           int32_t n_refs);

/** A primitive's call; its scratchpad is added. @param desc  taken */
nash_status ni_emit_primitive(ni_program *p, ni_phase phase, int32_t node,
                              const char *what, dnnl_primitive_desc_t desc,
                              const ni_ref *refs, int32_t n_refs);

/** A wait for the other programs, if there are any. */
nash_status ni_emit_meeting(ni_program *p, ni_phase phase, int32_t node);

/** Make room for one more item in an array that doubles. */
nash_status ni_grow(void **items, int32_t count, int32_t *capacity,
                    size_t size);

/* (ni_ref[]){...} and its length, leaving out nothing */
#define REFS(...)                                                              \
    (const ni_ref[]){__VA_ARGS__},                                             \
        (int32_t)(sizeof((const ni_ref[]){__VA_ARGS__}) / sizeof(ni_ref))

/** NASH_EENGINE with the node's name and what oneDNN refused, or NASH_OK. */
nash_status ni_dnnl_check(const ni_program *p, int32_t node, const char *what,
                          dnnl_status_t result);

/* ---- layout.c --------------------------------------------------------- */

/** How a node's output is stored. */
ni_layout ni_node_layout(const ni_program *p, int32_t id);
/** The same tensor plain in float32; or blocked, as kernels want it. */
ni_layout ni_layout_plain(const ni_layout *layout);
ni_layout ni_layout_blocked(const ni_program *p, const ni_layout *layout);
dnnl_memory_desc_t ni_layout_desc(const ni_layout *layout);
bool ni_layout_equal(const ni_layout *a, const ni_layout *b);
/** Whether two descriptions place the same values at the same bytes. */
bool ni_desc_equal(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b);

/** A buffer holding what @p from holds, in another layout: @p from itself if
 * the layouts are equal, else a new one and a reorder. */
nash_status ni_convert(int32_t *to, ni_program *p, ni_phase phase, int32_t node,
                       int32_t from, const dnnl_memory_desc_t *from_desc,
                       const dnnl_memory_desc_t *to_desc);
/** Likewise into a given buffer, always with a reorder. */
nash_status ni_reorder(ni_program *p, ni_phase phase, int32_t node,
                       int32_t from, const dnnl_memory_desc_t *from_desc,
                       int32_t to, const dnnl_memory_desc_t *to_desc);

/** The buffer of a node's k-th input in a layout; remembered as operand. */
nash_status ni_operand(int32_t *buffer, ni_program *p, int32_t id, int32_t k,
                       const ni_layout *layout);
nash_status ni_operand_as(int32_t *buffer, ni_program *p, int32_t id, int32_t k,
                          const dnnl_memory_desc_t *desc);
/** The remembered operand. */
int32_t ni_operand_of(const ni_program *p, int32_t id, int32_t k);

/** A new buffer for a node's output, at its tail. */
nash_status ni_output(int32_t *buffer, ni_program *p, int32_t id);

/** Let a node's output be a buffer that another node owns too. */
void ni_share_output(ni_program *p, int32_t id, int32_t buffer);

/** Whether node @p id may overwrite the output of its input @p k: nobody else
 * reads it. */
bool ni_may_overwrite(const ni_program *p, int32_t id, int32_t k);

/* ---- grad.c ----------------------------------------------------------- */

/* Where a contribution to a derivative goes. */
typedef struct ni_target {
    int32_t buffer;
    bool accumulate;
} ni_target;

/**
 * Where node @p id writes the derivative by its @p k th input.
 *
 * @param in_place  whether it may be the buffer of id's own derivative
 */
nash_status ni_grad_target(ni_target *target, ni_program *p, int32_t id,
                           int32_t k, bool in_place);

/** Likewise, over the output of input @p k where that is of no more use. */
nash_status ni_grad_over_input(ni_target *target, ni_program *p, int32_t id,
                               int32_t k, bool in_place);

/** Where a node that computes the derivative by its only input in a layout of
 * its own writes it: @p direct into its place, or elsewhere, to be delivered.
 */
nash_status ni_grad_first(int32_t *buffer, bool *direct, ni_program *p,
                          int32_t id, const dnnl_memory_desc_t *gives);

/** Let the derivative by input @p k be node @p id's own, without a copy where
 * that is possible. */
nash_status ni_grad_pass(ni_program *p, int32_t id, int32_t k);

/** Bring values computed into some buffer and layout to the derivative by
 * input @p k. */
nash_status ni_grad_deliver(ni_program *p, int32_t id, int32_t k, int32_t from,
                            const dnnl_memory_desc_t *from_desc);

/** The buffer of the derivative by a node's output, at its tail. */
int32_t ni_grad_of(const ni_program *p, int32_t id);

/** Whether the derivative by input @p k is wanted. */
bool ni_grad_wanted(const ni_program *p, int32_t id, int32_t k);

/** The buffer of a tensor's gradient. */
int32_t ni_gradient(const ni_program *p, int32_t id, int32_t slot);

/* ---- one function per operation and direction ------------------------- */

nash_status ni_conv_forward(ni_program *p, int32_t id);
nash_status ni_conv_backward(ni_program *p, int32_t id);
/** The buffer of a convolution's bias, -1: none. Where a batch normalisation is
 * folded in it is shared. @param mine  and this program has to fill it */
nash_status ni_conv_bias(int32_t *bias, bool *mine, ni_program *p, int32_t id);
/** The buffer of its plain weights in NI_PACK, where they are scaled if a batch
 * normalisation is folded in. @param bias  then filled, too; or -1 */
nash_status ni_conv_weight(int32_t *weight, ni_program *p, int32_t id,
                           int32_t bias);
/** Convolutions that winograd.c computes instead, and those of which it
 * computes the weights' gradient. */
bool ni_winograd_fits(const ni_program *p, int32_t id);
bool ni_winograd_fits_weights(const ni_program *p, int32_t id);
nash_status ni_winograd_forward(ni_program *p, int32_t id);
nash_status ni_winograd_weights(ni_program *p, int32_t id);
nash_status ni_winograd_data(ni_program *p, int32_t id);
nash_status ni_fc_forward(ni_program *p, int32_t id);
nash_status ni_fc_backward(ni_program *p, int32_t id);
nash_status ni_normalize_forward(ni_program *p, int32_t id);
nash_status ni_normalize_backward(ni_program *p, int32_t id);
nash_status ni_norm_forward(ni_program *p, int32_t id);
nash_status ni_norm_backward(ni_program *p, int32_t id);
nash_status ni_relu_forward(ni_program *p, int32_t id);
nash_status ni_relu_backward(ni_program *p, int32_t id);
nash_status ni_clip_forward(ni_program *p, int32_t id);
nash_status ni_clip_backward(ni_program *p, int32_t id);
nash_status ni_pool_forward(ni_program *p, int32_t id);
nash_status ni_pool_backward(ni_program *p, int32_t id);
nash_status ni_global_pool_forward(ni_program *p, int32_t id);
nash_status ni_global_pool_backward(ni_program *p, int32_t id);
nash_status ni_flatten_forward(ni_program *p, int32_t id);
nash_status ni_flatten_backward(ni_program *p, int32_t id);
nash_status ni_concat_forward(ni_program *p, int32_t id);
nash_status ni_concat_backward(ni_program *p, int32_t id);
nash_status ni_add_forward(ni_program *p, int32_t id);
nash_status ni_add_backward(ni_program *p, int32_t id);
nash_status ni_gate_forward(ni_program *p, int32_t id);
nash_status ni_gate_backward(ni_program *p, int32_t id);

ni_window ni_window_of(const nash_attrs *attrs);

/* ---- shared.c --------------------------------------------------------- */

/** Lay out the block: all but packed weights. @param opts  of the whole batch
 */
nash_status ni_shared_init(ni_shared *s, const nash_graph *g,
                           const nash_plan_opts *opts, int32_t programs,
                           int32_t lanes);
void ni_shared_deinit(ni_shared *s);

/* Images first .. first + n - 1 of the batch. */
typedef struct ni_slice {
    int32_t first, n;
} ni_slice;

/** A program's images: larger slices come first. */
ni_slice ni_slice_of(const ni_shared *s, int32_t program);

/** Buffers of this program's part of input, logits and their derivative. */
nash_status ni_shared_images(int32_t *id, ni_program *p, size_t offset,
                             nash_shape shape);
/** Scratch for the next sum over all images: [batch] rows of parts. */
nash_status ni_shared_partial(int32_t *id, ni_program *p);
/** Where a program puts a tensor's gradient. */
nash_status ni_shared_gradient(int32_t *id, ni_program *p, int32_t node,
                               int32_t slot);

/** Weights in the layout a primitive wants. @param mine  whether this program
 * has to fill the buffer, in NI_PACK */
nash_status ni_shared_weights(int32_t *id, bool *mine, ni_program *p,
                              int32_t node, ni_weights what,
                              const dnnl_memory_desc_t *desc);
/** Likewise, filled from a model's tensor; or that itself if it lies so. */
nash_status ni_pack(int32_t *packed, ni_program *p, int32_t node,
                    ni_weights what, int32_t from,
                    const dnnl_memory_desc_t *from_desc,
                    const dnnl_memory_desc_t *to_desc);

/** Bytes of a tensor that is trained; 0 of any other. */
size_t ni_trained_bytes(const nash_graph *g, int32_t node, int32_t slot);

/** The end of backward: meet, and add up the slices' gradients. */
nash_status ni_sum_gradients(ni_program *p);

/* ---- arena.c ---------------------------------------------------------- */

/** Give every buffer its place. @return NASH_OK or NASH_ENOMEM */
nash_status ni_place_buffers(size_t *bytes, ni_program *p);

/** A buffer's address once the arena is there. */
void *ni_address(const ni_program *p, int32_t buffer);

/* ---- compile.c, run.c ------------------------------------------------- */

nash_status ni_compile(ni_program *p);
/** Create primitives and memory objects. */
nash_status ni_bind(ni_program *p);
/** Run a phase; after a failure only the meetings are kept. Sets p->status.
 * @param seconds  [nodes * 2] to add to, or NULL */
void ni_run(ni_program *p, ni_phase phase, ni_crew *crew, double *seconds);
void ni_release_steps(ni_program *p);

#endif
