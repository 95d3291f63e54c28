/*
 * ApplyNetMorph: morphisms in a row. A kind is drawn uniformly and kept while
 * its place is drawn again, so that kinds which are refused more often are not
 * applied less; after enough refusals in a row another kind is drawn, since
 * this one may be impossible in the network. Costs a copy of the weights per
 * draw, two if there are caps, which are checked before anything is measured.
 */
#include "caps.h"
#include "options.h"
#include "surgery.h"

#include "model/edit.h"

/* Refusals of one kind in a row before the kind is drawn again. */
enum { PATIENCE = 10, FEW_DRAWS = 100 };

/* Marks the streams that draw kinds; those of places count draws from 0. */
static const uint32_t kind_streams = 1u << 31;

/* Kinds that are drawn as one, and then uniformly among themselves. */
typedef struct group {
    uint32_t n;
    nash_morph_kind kinds[2];
} group;

typedef struct stream {
    const nash_morph_opts *opts;
    const nash_probe *probe;
    group skips; /* empty if their chance is that of any group */
    group groups[NASH_MORPH_COUNT];
    uint32_t n_groups;
    uint32_t draws;
    int64_t *refused; /* may be NULL */
} stream;

nash_morph_opts nash_morph_opts_default(void)
{
    nash_morph_opts opts = {
        .n = 5,
        .kinds = 1u << NASH_MORPH_DEEPEN | 1u << NASH_MORPH_WIDEN |
                 1u << NASH_MORPH_CONCAT_SKIP | 1u << NASH_MORPH_ADD_SKIP,
        .skip_share = -1.0,
        .widen_mode = NASH_WIDEN_COPY,
        .max_draws = 1000,
    };
    return opts;
}

nash_status ni_morph_opts_check(const nash_morph_opts *opts)
{
    nash_status status = NASH_OK;
    REQUIRE(opts->n >= 0, NASH_EINVAL,
            "n is %d, expected a number of morphisms", opts->n);
    REQUIRE(opts->kinds != 0 && opts->kinds >> NASH_MORPH_COUNT == 0,
            NASH_EINVAL,
            "kinds is 0x%x, expected bits of nash_morph_kind, at least one",
            opts->kinds);
    REQUIRE(opts->skip_share <= 1.0, NASH_EINVAL,
            "skip_share is %g, expected at most 1", opts->skip_share);
    REQUIRE(opts->max_kernel == 0 ||
                (opts->max_kernel > 0 && opts->max_kernel % 2 == 1),
            NASH_EINVAL, "max_kernel is %d, expected 0 or an odd number",
            opts->max_kernel);
    REQUIRE(opts->max_share >= 0.0 && opts->max_share <= 1.0, NASH_EINVAL,
            "max_share is %g, expected 0 to 1", opts->max_share);
    REQUIRE(opts->max_expansion >= 0.0, NASH_EINVAL,
            "max_expansion is %g, expected at least 0", opts->max_expansion);
    REQUIRE((unsigned)opts->widen_mode <= NASH_WIDEN_NOISE, NASH_EINVAL,
            "widen_mode is %d, which is no nash_widen_mode",
            (int)opts->widen_mode);
    REQUIRE(opts->max_draws >= 1, NASH_EINVAL,
            "max_draws is %d, expected at least 1", opts->max_draws);
done:
    return status;
}

static void list_groups(stream *s)
{
    const uint32_t skips =
        1u << NASH_MORPH_CONCAT_SKIP | 1u << NASH_MORPH_ADD_SKIP;
    bool apart = s->opts->skip_share >= 0.0 && s->opts->kinds & ~skips;
    group *skip = apart ? &s->skips : NULL;
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++) {
        bool is_skip = skips >> kind & 1;
        if (!(s->opts->kinds >> kind & 1))
            continue;
        group *to = is_skip && skip ? skip : &s->groups[s->n_groups++];
        to->kinds[to->n++] = (nash_morph_kind)kind;
        if (is_skip)
            skip = to;
    }
}

/* @param skips  whether skips that have a share of their own may be drawn */
static nash_morph_kind draw_kind(const stream *s, bool skips, ni_rng *rng)
{
    const group *drawn = &s->skips;
    if (!skips || drawn->n == 0 || ni_rng_uniform(rng) >= s->opts->skip_share)
        drawn = &s->groups[ni_rng_below(rng, s->n_groups)];
    return drawn->kinds[ni_rng_below(rng, drawn->n)];
}

/* ---- trying caps -------------------------------------------------------- */

static nash_status blank_moments(void *ctx, const nash_model *m, int32_t id,
                                 double *mean, double *var)
{
    (void)ctx;
    for (int32_t c = 0; c < nash_graph_node(nash_model_graph(m), id)->shape.c;
         c++) {
        mean[c] = 0;
        var[c] = 1;
    }
    return NASH_OK;
}

/* Apply to a copy without measuring, and look at its costs. */
static nash_status try_caps(const nash_model *m, const nash_morph *morph,
                            const nash_morph_opts *opts)
{
    nash_status status = NASH_OK;
    const nash_probe blank = {.moments = blank_moments};
    nash_model *trial = NULL;
    if (opts->max_params == 0 && opts->max_macs == 0 && opts->max_bytes == 0 &&
        opts->max_share == 0.0 && opts->max_expansion == 0.0)
        goto done;
    TRY(nash_model_dup(&trial, m));
    TRY(ni_morph_apply_in_place(trial, morph, &blank));
    TRY(ni_morph_check_caps(nash_model_graph(trial), nash_model_graph(m),
                            opts));
done:
    nash_model_free(trial);
    return status;
}

/* ---- morphisms in a row ------------------------------------------------- */

static nash_status attempt(nash_model *m, nash_morph *out, stream *s,
                           nash_morph_kind kind)
{
    nash_status status = NASH_OK;
    const nash_morph_opts *opts = s->opts;
    REQUIRE(!opts->stop || !*opts->stop, NASH_ESTOP, "stopped on request");
    TRY(nash_morph_draw(out, kind, m, opts->seed, opts->child, s->draws++));
    if (ni_morphism_of(kind)->keys & NI_KEY_MODE) {
        out->mode = opts->widen_mode;
        if (out->mode == NASH_WIDEN_COPY)
            out->seed = 0;
    }
    if (opts->max_kernel > 0 && out->kernel > opts->max_kernel)
        out->kernel = opts->max_kernel;
    out->norm = opts->norm_skips && ni_morphism_of(kind)->keys & NI_KEY_NORM;
    TRY(try_caps(m, out, opts));
    TRY(nash_morph_apply(m, out, s->probe));
done:
    return status;
}

static bool is_refusal(nash_status status)
{
    return status == NASH_EREFUSED || status == NASH_ELIMIT;
}

static nash_status give_up(int32_t applied, const nash_morph_opts *opts)
{
    if (applied == 0)
        return ni_fail(NASH_EREFUSED,
                       "none of %d draws gave a morphism that is possible; the "
                       "last refusal: %s",
                       opts->max_draws, nash_error_message());
    return ni_fail(NASH_EREFUSED,
                   "only %d of %d morphisms were possible in %d draws each; "
                   "the last refusal: %s",
                   applied, opts->n, opts->max_draws, nash_error_message());
}

static nash_status apply_one(nash_model *m, nash_morph *out, stream *s,
                             int32_t i)
{
    const nash_morph_opts *opts = s->opts;
    ni_rng rng = ni_rng_make(opts->seed, NI_RNG_MORPH, opts->child,
                             kind_streams | (uint32_t)i);
    nash_morph_kind kind = draw_kind(s, true, &rng);
    /* where only skips are possible, a child is none but skips: one is enough
     */
    bool skips = i == 0 || s->skips.n == 0 || opts->skip_share >= 1.0;
    int32_t most = opts->max_draws;
    if (!skips && most > FEW_DRAWS)
        most = FEW_DRAWS;
    for (int32_t refusals = 0; refusals < most;) {
        nash_status status = attempt(m, out, s, kind);
        if (!is_refusal(status))
            return status;
        if (s->refused)
            s->refused[kind]++;
        if (++refusals % PATIENCE == 0)
            kind = draw_kind(s, skips, &rng);
    }
    return give_up(i, opts);
}

nash_status nash_morph_random(nash_model *m, const nash_morph_opts *opts,
                              const nash_probe *probe, nash_morph *applied,
                              int32_t *n_applied, int64_t *refused)
{
    nash_status status = NASH_OK;
    nash_model *child = NULL;
    int32_t i = 0;
    stream s = {.opts = opts, .probe = probe, .refused = refused};
    TRY(ni_morph_opts_check(opts));
    list_groups(&s);
    TRY(nash_model_dup(&child, m));
    for (i = 0; i < opts->n; i++) {
        nash_morph morph;
        status = apply_one(child, &morph, &s, i);
        if (status != NASH_OK)
            break;
        if (applied)
            applied[i] = morph;
    }
    if (status == NASH_EREFUSED && n_applied && i > 0)
        status = NASH_OK;
    if (status != NASH_OK)
        goto done;
    if (n_applied)
        *n_applied = i;
    ni_model_swap(m, child);
done:
    nash_model_free(child);
    return status;
}
