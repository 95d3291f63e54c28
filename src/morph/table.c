/*
 * The table of morphisms, and the two calls that go through it. A morphism is
 * applied to a copy of the model that is swapped in at the end, so each costs
 * a copy of all weights and a failure changes nothing.
 */
#include "surgery.h"

#include "model/edit.h"

#include <assert.h>

typedef struct wording {
    const char *name, *type, *text;
} wording;

static const wording words[NASH_MORPH_COUNT] = {
#define WORDS(kind, name, type, text) [NASH_MORPH_##kind] = {name, type, text},
    NASH_MORPH_LIST(WORDS)
#undef WORDS
};

static bool is_kind(nash_morph_kind kind)
{
    return (unsigned)kind < NASH_MORPH_COUNT;
}

static wording words_of(nash_morph_kind kind)
{
    return is_kind(kind) ? words[kind] : (wording){"?", "?", "?"};
}

const char *nash_morph_name(nash_morph_kind kind)
{
    return words_of(kind).name;
}

const char *nash_morph_type(nash_morph_kind kind)
{
    return words_of(kind).type;
}

const char *nash_morph_text(nash_morph_kind kind)
{
    return words_of(kind).text;
}

const ni_morphism *ni_morphism_of(nash_morph_kind kind)
{
    switch (kind) {
    case NASH_MORPH_CONV:
        return &ni_morph_conv;
    case NASH_MORPH_FC:
        return &ni_morph_fc;
    case NASH_MORPH_BATCH_NORM:
        return &ni_morph_batch_norm;
    case NASH_MORPH_WIDEN:
        return &ni_morph_widen;
    case NASH_MORPH_CONCAT_SKIP:
        return &ni_morph_concat_skip;
    case NASH_MORPH_RELU:
        return &ni_morph_relu;
    case NASH_MORPH_GATE:
        return &ni_morph_gate;
    case NASH_MORPH_ADD_SKIP:
        return &ni_morph_add_skip;
    case NASH_MORPH_DEEPEN:
        return &ni_morph_deepen;
    case NASH_MORPH_COUNT:
        break;
    }
    return NULL;
}

/* Of a kind in the list. */
static const ni_morphism *row_of(nash_morph_kind kind)
{
    const ni_morphism *row = ni_morphism_of(kind);
    assert(row);
    return row;
}

static nash_status check_kind(nash_morph_kind kind)
{
    if (!is_kind(kind))
        return ni_fail(NASH_EINVAL, "morphism %d is not a nash_morph_kind",
                       (int)kind);
    return NASH_OK;
}

static nash_status check_fields(const nash_morph *morph,
                                const nash_probe *probe)
{
    nash_status status = NASH_OK;
    TRY(check_kind(morph->kind));
    const ni_morphism *row = row_of(morph->kind);
    const char *name = words[morph->kind].name;
    REQUIRE(!(row->keys & NI_KEY_KERNEL) ||
                (morph->kernel % 2 == 1 && morph->kernel > 0 &&
                 morph->kernel <= NI_MAX_KERNEL),
            NASH_EINVAL, "%s has kernel %d, expected an odd number up to %d",
            name, morph->kernel, NI_MAX_KERNEL);
    REQUIRE(!(row->keys & NI_KEY_FACTOR) || morph->factor >= 2, NASH_EINVAL,
            "%s has factor %d, expected at least 2", name, morph->factor);
    REQUIRE(!(row->keys & NI_KEY_MODE) ||
                (unsigned)morph->mode <= NASH_WIDEN_NOISE,
            NASH_EINVAL, "%s has mode %d, which is no nash_widen_mode", name,
            (int)morph->mode);
    bool measures = row->measures || (row->keys & NI_KEY_NORM && morph->norm);
    REQUIRE(!measures || probe, NASH_EINVAL,
            "%s inserts a batch normalisation, whose statistics need a probe",
            name);
done:
    return status;
}

nash_status ni_morph_apply_in_place(nash_model *m, const nash_morph *morph,
                                    const nash_probe *probe)
{
    nash_status status = check_fields(morph, probe);
    if (status != NASH_OK)
        return status;
    return row_of(morph->kind)->apply(m, morph, probe);
}

nash_status nash_morph_apply(nash_model *m, const nash_morph *morph,
                             const nash_probe *probe)
{
    nash_status status = NASH_OK;
    nash_model *child = NULL;
    TRY(nash_model_dup(&child, m));
    TRY(ni_morph_apply_in_place(child, morph, probe));
    ni_model_swap(m, child);
done:
    nash_model_free(child);
    return status;
}

nash_status nash_morph_draw(nash_morph *out, nash_morph_kind kind,
                            const nash_model *m, uint64_t seed, uint32_t child,
                            uint32_t key)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    nash_morph morph = {.kind = kind};
    TRY(check_kind(kind));
    TRY(nash_graph_check(g));
    ni_rng rng = ni_rng_make(seed, NI_RNG_MORPH, child, key);
    TRY(row_of(kind)->draw(&morph, g, &rng));
    *out = morph;
done:
    return status;
}
