/*
 * The oneDNN engine's entry points: blocked layouts from end to end, float32
 * or bf16, forward and backward. Costs one arena, whose size estimate() knows
 * without allocating it. Refuses bf16 on chips that do not compute it.
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

static void destroy(nash_plan *plan)
{
    ni_onednn *p = (ni_onednn *)plan;
    ni_release_steps(p);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->engine)
        dnnl_engine_destroy(p->engine);
    ni_free(p->base.gradient);
    ni_free(p->arena);
    ni_free(p->gradients);
    ni_free(p->buffers);
    ni_free(p->operands);
    ni_free(p->states);
    ni_free(p);
}

static nash_status choose_precision(ni_onednn *p, nash_precision precision)
{
    if (precision == NASH_PRECISION_BF16 && !has_bf16())
        return ni_fail(NASH_EUNSUPPORTED,
                       "precision bf16 needs a chip with AVX-512 BF16, this "
                       "one computes with %s",
                       isa_name());
    p->bf16 = precision == NASH_PRECISION_BF16 ||
              (precision == NASH_PRECISION_AUTO && has_bf16());
    p->base.precision = p->bf16 ? NASH_PRECISION_BF16 : NASH_PRECISION_F32;
    return NASH_OK;
}

/* A compiled plan without its arena; bytes is set. */
static nash_status compile(ni_onednn **out, const nash_graph *g,
                           const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_onednn *p = NULL;
    int threads = omp_get_max_threads();
    omp_set_num_threads(opts->threads);
    NEW(p);
    p->base.opts = *opts;
    p->graph = g;
    p->kernels = ni_kernels_select(kernel_isa());
    p->lanes = p->kernels->lanes;
    p->input = p->logits = p->d_logits = -1;
    TRY(choose_precision(p, opts->precision));
    REQUIRE(dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success,
            NASH_EENGINE, "oneDNN offers no CPU engine");
    REQUIRE(dnnl_stream_create(&p->stream, p->engine,
                               dnnl_stream_default_flags) == dnnl_success,
            NASH_EENGINE, "oneDNN cannot create a stream");
    TRY(ni_compile(p));
    TRY(ni_place_buffers(&p->base.bytes, p));
    *out = p;
    p = NULL;
done:
    if (p)
        destroy(&p->base);
    omp_set_num_threads(threads);
    return status;
}

static nash_status estimate(size_t *bytes, const nash_graph *g,
                            const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_onednn *p = NULL;
    TRY(compile(&p, g, opts));
    *bytes = p->base.bytes;
done:
    if (p)
        destroy(&p->base);
    return status;
}

static nash_status run(nash_plan *plan, ni_phase phase)
{
    int threads = omp_get_max_threads();
    omp_set_num_threads(plan->opts.threads);
    nash_status status = ni_run((ni_onednn *)plan, phase);
    omp_set_num_threads(threads);
    return status;
}

/* Point the common part's fields into the arena. */
static nash_status publish(ni_onednn *p)
{
    nash_status status = NASH_OK;
    int64_t slots = (int64_t)nash_graph_size(p->graph) * NASH_SLOT_COUNT;
    p->base.input = ni_address(p, p->input);
    if (p->logits >= 0)
        p->base.logits = ni_address(p, p->logits);
    if (p->d_logits < 0)
        goto done;
    p->base.d_logits = ni_address(p, p->d_logits);
    NEW_ARRAY(p->base.gradient, slots);
    for (int64_t i = 0; i < slots; i++)
        if (p->gradients[i] >= 0)
            p->base.gradient[i] = ni_address(p, p->gradients[i]);
done:
    return status;
}

static nash_status create(nash_plan **out, nash_model *m,
                          const nash_plan_opts *opts)
{
    nash_status status = NASH_OK;
    ni_onednn *p = NULL;
    int threads = omp_get_max_threads();
    TRY(compile(&p, nash_model_graph(m), opts));
    TRY(ni_plan_check_bytes(p->base.bytes, opts));
    p->base.model = m;
    NEW_ARRAY(p->arena, p->base.bytes);
    omp_set_num_threads(opts->threads);
    TRY(ni_bind(p));
    TRY(publish(p));
    TRY(ni_run(p, NI_PACK));
    *out = &p->base;
    p = NULL;
done:
    omp_set_num_threads(threads);
    if (p)
        destroy(&p->base);
    return status;
}

/* ---- use -------------------------------------------------------------- */

static nash_status refresh(nash_plan *plan)
{
    return run(plan, NI_PACK);
}

static nash_status forward(nash_plan *plan)
{
    return run(plan, NI_FORWARD);
}

static nash_status backward(nash_plan *plan)
{
    return run(plan, NI_BACKWARD);
}

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
    const ni_onednn *p = (const ni_onednn *)plan;
    const ni_state *s = &p->states[id];
    read_plain(dst, ni_address(p, s->out), &s->layout);
    if (nash_graph_node(p->graph, id)->op == NASH_OP_SOFTMAX)
        nash_softmax(dst, dst, s->layout.n, s->layout.c);
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
