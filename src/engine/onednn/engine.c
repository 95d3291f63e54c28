/*
 * The oneDNN engine's entry points: blocked layouts from end to end, float32
 * or bf16, forward and backward, a slice of the batch per thread. Costs an
 * arena per thread and one shared block, whose sizes estimate() knows without
 * allocating them. Refuses bf16 on chips that do not compute it.
 */
#include "onednn.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* ---- the chip --------------------------------------------------------- */

static bool has_isa(dnnl_cpu_isa_t isa)
{
    return (dnnl_get_effective_cpu_isa() & isa) == isa;
}

static bool has_bf16(void)
{
    return has_isa(dnnl_cpu_isa_avx512_core_bf16);
}

/* The kernels use what oneDNN uses, so that their layouts agree. */
static ni_isa kernel_isa(void)
{
    if (has_isa(dnnl_cpu_isa_avx512_core))
        return NI_ISA_AVX512;
    return has_isa(dnnl_cpu_isa_avx2) ? NI_ISA_AVX2 : NI_ISA_GENERIC;
}

/* For activations of that type; NULL: the chip has none. */
static const ni_winograd *select_winograd(bool bf16)
{
#if defined(__x86_64__)
    if (bf16)
        return &ni_winograd_bf16;
    if (kernel_isa() == NI_ISA_AVX512)
        return &ni_winograd_avx512;
    if (kernel_isa() == NI_ISA_AVX2 && __builtin_cpu_supports("fma"))
        return &ni_winograd_avx2;
#else
    (void)bf16;
#endif
    return NULL;
}

static const char *isa_name(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } known[] = {
        {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
        {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
        {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
        {dnnl_cpu_isa_avx512_core, "avx512_core"},
        {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
        {dnnl_cpu_isa_avx2, "avx2"},
        {dnnl_cpu_isa_avx, "avx"},
        {dnnl_cpu_isa_sse41, "sse41"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_isa(known[i].isa))
            return known[i].name;
    return "generic";
}

static const char *describe(void)
{
    static _Thread_local char text[64];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d %s", v->major, v->minor,
             v->patch, isa_name());
    return text;
}

/* ---- life ------------------------------------------------------------- */

typedef struct ni_onednn {
    nash_plan base;
    ni_shared shared;
    ni_program *programs; /* owned, [shared.programs] */
} ni_onednn;

static void release_program(ni_program *p)
{
    ni_release_steps(p);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->engine)
        dnnl_engine_destroy(p->engine);
    ni_free(p->arena);
    ni_free(p->message);
    ni_free(p->gradients);
    ni_free(p->buffers);
    ni_free(p->operands);
    ni_free(p->states);
}

static void destroy(nash_plan *plan)
{
    ni_onednn *o = (ni_onednn *)plan;
    ni_crew_close(plan->crew);
    for (int32_t i = 0; o->programs && i < o->shared.programs; i++)
        release_program(&o->programs[i]);
    ni_free(o->programs);
    ni_shared_deinit(&o->shared);
    ni_free(plan->gradient);
    ni_free(o);
}

static nash_status choose_precision(nash_plan *plan)
{
    nash_precision precision = plan->opts.precision;
    if (precision == NASH_PRECISION_BF16 && !has_bf16())
        return ni_fail(NASH_EUNSUPPORTED,
                       "precision bf16 needs a chip with AVX-512 BF16, this "
                       "one computes with %s",
                       isa_name());
    bool bf16 = precision == NASH_PRECISION_BF16 ||
                (precision == NASH_PRECISION_AUTO && has_bf16());
    plan->precision = bf16 ? NASH_PRECISION_BF16 : NASH_PRECISION_F32;
    return NASH_OK;
}

/* Program i without its arena. */
static nash_status compile_program(ni_onednn *o, int32_t i, const nash_graph *g,
                                   const nash_model *m)
{
    nash_status status = NASH_OK;
    ni_program *p = &o->programs[i];
    ni_slice slice = ni_slice_of(&o->shared, i);
    p->shared = &o->shared;
    p->index = i;
    p->first = slice.first;
    p->model = m;
    p->graph = g;
    p->opts = o->base.opts;
    p->opts.batch = slice.n;
    p->kernels = ni_kernels_select(kernel_isa());
    p->lanes = p->kernels->lanes;
    p->bf16 = o->base.precision == NASH_PRECISION_BF16;
    p->winograd = select_winograd(p->bf16);
    NEW_ARRAY(p->message, NI_MESSAGE);
    REQUIRE(dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success,
            NASH_EENGINE, "oneDNN offers no CPU engine");
    REQUIRE(dnnl_stream_create(&p->stream, p->engine,
                               dnnl_stream_default_flags) == dnnl_success,
            NASH_EENGINE, "oneDNN cannot create a stream");
    TRY(ni_compile(p));
    TRY(ni_place_buffers(&p->bytes, p));
done:
    return status;
}

/* A compiled plan without its memory; bytes is set. @param m  NULL: to
 * estimate */
static nash_status compile(ni_onednn **out, const nash_graph *g,
                           const nash_model *m, const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_onednn *o = NULL;
    int32_t n = opts->threads < opts->batch ? opts->threads : opts->batch;
    NEW(o);
    o->base.opts = *opts;
    o->base.model = m;
    TRY(choose_precision(&o->base));
    TRY(ni_shared_init(&o->shared, g, opts, n,
                       ni_kernels_select(kernel_isa())->lanes));
    NEW_ARRAY(o->programs, n);
    for (int32_t i = 0; i < n; i++) {
        TRY(compile_program(o, i, g, m));
        o->base.bytes += o->programs[i].bytes;
    }
    o->base.bytes += o->shared.bytes;
    *out = o;
    o = NULL;
done:
    if (o)
        destroy(&o->base);
    return status;
}

static nash_status estimate(size_t *bytes, const nash_graph *g,
                            const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_onednn *o = NULL;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    TRY(compile(&o, g, NULL, opts));
    *bytes = o->base.bytes;
    destroy(&o->base);
done:
    omp_set_num_threads(threads);
    return status;
}

/* ---- running ---------------------------------------------------------- */

/* Phases one after the other, on all threads. */
typedef struct round {
    ni_onednn *plan;
    int first, last; /* ni_phase */
} round;

static void run_program(void *ctx, int32_t who)
{
    const round *r = ctx;
    ni_program *p = &r->plan->programs[who];
    const nash_plan *plan = &r->plan->base;
    double *seconds = who == 0 && plan->profiling ? plan->seconds : NULL;
    omp_set_num_threads(1);
    p->status = NASH_OK;
    for (int phase = r->first; phase <= r->last; phase++) {
        if (phase != r->first)
            ni_crew_meet(plan->crew);
        ni_run(p, (ni_phase)phase, plan->crew, seconds);
    }
}

static nash_status run(ni_onednn *o, ni_phase first, ni_phase last)
{
    round r = {o, (int)first, (int)last};
    int threads = omp_get_max_threads();
    ni_crew_run(o->base.crew, run_program, &r);
    omp_set_num_threads(threads);
    for (int32_t i = 0; i < o->shared.programs; i++)
        if (o->programs[i].status != NASH_OK)
            return ni_fail(o->programs[i].status, "%s", o->programs[i].message);
    return NASH_OK;
}

static nash_status refresh(nash_plan *plan)
{
    return run((ni_onednn *)plan, NI_PACK, NI_PACK);
}

static nash_status forward(nash_plan *plan)
{
    bool packed = plan->opts.mode == NASH_MODE_INFER;
    return run((ni_onednn *)plan, packed ? NI_FORWARD : NI_PACK, NI_FORWARD);
}

static nash_status backward(nash_plan *plan)
{
    return run((ni_onednn *)plan, NI_BACKWARD, NI_BACKWARD);
}

/* Point the common part's fields into the shared block. */
static nash_status publish(ni_onednn *o)
{
    nash_status status = NASH_OK;
    const ni_shared *s = &o->shared;
    const ni_program *first = &o->programs[0];
    int64_t slots = (int64_t)nash_graph_size(first->graph) * NASH_SLOT_COUNT;
    bool whole = o->base.opts.mode != NASH_MODE_STATS || o->base.opts.watch < 0;
    o->base.input = (float *)(void *)(s->block + s->input);
    if (whole)
        o->base.logits = (float *)(void *)(s->block + s->logits);
    if (o->base.opts.mode != NASH_MODE_TRAIN)
        goto done;
    o->base.d_logits = (float *)(void *)(s->block + s->d_logits);
    NEW_ARRAY(o->base.gradient, slots);
    for (int64_t i = 0; i < slots; i++)
        if (first->gradients[i] >= 0)
            o->base.gradient[i] = ni_address(first, first->gradients[i]);
done:
    return status;
}

static nash_status create(nash_plan **out, const nash_model *m,
                          const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_onednn *o = NULL;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    TRY(compile(&o, nash_model_graph(m), m, opts));
    TRY(ni_plan_check_bytes(o->base.bytes, opts));
    NEW_ARRAY(o->shared.block, o->shared.bytes);
    for (int32_t i = 0; i < o->shared.programs; i++) {
        ni_program *p = &o->programs[i];
        NEW_ARRAY(p->arena, p->bytes);
        TRY(ni_bind(p));
    }
    TRY(publish(o));
    TRY(ni_crew_open(&o->base.crew, o->shared.programs));
    TRY(refresh(&o->base));
    *out = &o->base;
    o = NULL;
done:
    omp_set_num_threads(threads);
    if (o)
        destroy(&o->base);
    return status;
}

/* ---- reading ---------------------------------------------------------- */

/* From the stored layout to plain float32. */
static void read_plain(float *dst, const void *src, const ni_layout *layout)
{
    int64_t pixels = (int64_t)layout->h * layout->w;
    int64_t lanes = layout->lanes, blocks = ni_layout_blocks(layout);
    for (int64_t n = 0; n < layout->n; n++)
        for (int64_t c = 0; c < layout->c; c++)
            for (int64_t i = 0; i < pixels; i++) {
                int64_t at =
                    ((n * blocks + c / lanes) * pixels + i) * lanes + c % lanes;
                *dst++ = ni_value_at(src, at, layout->bf16);
            }
}

static nash_status read(nash_plan *plan, int32_t id, float *dst)
{
    const ni_onednn *o = (const ni_onednn *)plan;
    const nash_node *node = nash_graph_node(o->programs[0].graph, id);
    int64_t values = (int64_t)node->shape.c * node->shape.h * node->shape.w;
    for (int32_t i = 0; i < o->shared.programs; i++) {
        const ni_program *p = &o->programs[i];
        const ni_state *s = &p->states[id];
        read_plain(dst + p->first * values, ni_address(p, s->out), &s->layout);
    }
    if (node->op == NASH_OP_SOFTMAX)
        nash_softmax(dst, dst, plan->opts.batch, node->shape.c);
    return NASH_OK;
}

const ni_engine ni_engine_onednn = {
    .describe = describe,
    .create = create,
    .estimate = estimate,
    .destroy = destroy,
    .refresh = refresh,
    .forward = forward,
    .backward = backward,
    .read = read,
};
