/*
 * Equation (1) at scale: random networks, random chains of morphisms, random
 * images.
 *
 *     chains COUNT [FIRST]      COUNT chains, seeds from FIRST (0) on
 *
 * Every child is compared with its parent by the oracle in double, at inference
 * and in training mode; every chain's end with its beginning; and every
 * STRIDE-th chain in oneDNN, in float32 and bf16. Prints how often each kind
 * was applied and refused and the worst deviations, and ends with 1 if one is
 * beyond its bound. A chain depends on its seed alone; in three of five seeds
 * concatenations normalise what they bring.
 */
#include "morph_fixture.h"
#include "random_graph.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LONGEST = 6, STRIDE = 8 };

/* What is measured, relative to the parent's largest value there: at inference
 * or in training mode, since a tensor may vanish in one of them. */
typedef enum measure {
    EXACT,       /* children of all kinds without rounding */
    NORM_SKIP,   /* among them: concatenations that normalise */
    PAIR,        /* widening by pairs */
    NORM_INFER,  /* an inserted batch normalisation, where it is */
    NORM_TRAIN,  /* the same over the images whose statistics it has */
    NORM_OTHER,  /* over others: what exceeds the bound by their statistics */
    CHAIN_INFER, /* the chain's end, logits in double */
    CHAIN_TRAIN,
    FLOAT_INFER, /* likewise in oneDNN */
    FLOAT_TRAIN,
    BF16_INFER,
    MEASURES
} measure;

static const struct {
    const char *name;
    double bound;
} measures[MEASURES] = {
    [EXACT] = {"exact kinds, per morphism", 0},
    [NORM_SKIP] = {"normalised skips among them", 0},
    [PAIR] = {"pairs, per morphism", 1e-12},
    [NORM_INFER] = {"batch norm where it is, inference", 1e-7},
    [NORM_TRAIN] = {"batch norm where it is, its images", 2e-7},
    [NORM_OTHER] = {"batch norm, beyond sampling noise", 2e-7},
    [CHAIN_INFER] = {"whole chains in double, inference", 1e-5},
    [CHAIN_TRAIN] = {"whole chains in double, training", 1e-5},
    [FLOAT_INFER] = {"whole chains in float32, inference", 1e-5},
    [FLOAT_TRAIN] = {"whole chains in float32, training", 1e-5},
    [BF16_INFER] = {"whole chains in bf16, inference", 0.1},
};

typedef struct tally {
    int64_t applied[NASH_MORPH_COUNT], refused[NASH_MORPH_COUNT];
    int64_t count[MEASURES];
    double worst[MEASURES];
    uint64_t seed[MEASURES]; /* of the worst */
} tally;

static void note(tally *t, measure what, double deviation, uint64_t seed)
{
    t->count[what]++;
    if (!(deviation <= t->worst[what])) {
        t->worst[what] = isnan(deviation) ? (double)INFINITY : deviation;
        t->seed[what] = seed;
    }
}

/* ---- networks ----------------------------------------------------------- */

static nash_model *make_net(uint64_t seed)
{
    nash_status (*const nets[])(nash_model **, const nash_net_opts *) = {
        nash_net_start, nash_net_vgg, nash_net_resnet9};
    nash_net_opts opts = nash_net_opts_default();
    nash_model *m;
    opts.input = (nash_shape){3, 8, 8};
    for (int i = 0; i < 3; i++)
        opts.widths[i] = 3 + i;
    assert_ok(nets[seed / 8 % 3](&m, &opts));
    random_tensors(m, seed);
    return m;
}

static nash_model *make_model(uint64_t seed)
{
    random_graph_opts opts = random_graph_opts_default();
    opts.nodes = 5 + (int32_t)(seed / 4 % 10);
    opts.max_channels = 6;
    opts.max_side = 7;
    opts.exotic = seed % 4 != 1;
    return seed % 8 == 0 ? make_net(seed) : random_model(seed, &opts);
}

/* ---- an inserted batch normalisation ------------------------------------ */

/* Value number i of a channel, over all images. */
static double of_channel(const double *x, nash_shape s, int32_t c, int64_t i)
{
    int64_t area = (int64_t)s.h * s.w;
    return x[(i / area * s.c + c) * area + i % area];
}

static void moments(double *mean, double *std, const double *x, nash_shape s,
                    int32_t c, double eps)
{
    int64_t n = (int64_t)IMAGES * s.h * s.w;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += of_channel(x, s, c, i);
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += pow(of_channel(x, s, c, i) - *mean, 2);
    *std = sqrt(squares / (double)n + eps);
}

/*
 * In training mode, over images other than those it was measured on, a batch
 * normalisation gives y for x with
 *
 *     |y - x| <= |m - m'| + |x - m'| |s / s' - 1|
 *
 * where m, s are the mean and standard deviation that it stores, and m', s' the
 * batch's own. @return by how much that is exceeded, relative to the largest x
 */
static double beyond_noise(const nash_model *parent, int32_t at,
                           const nash_model *child, int32_t norm, int32_t end,
                           uint64_t seed)
{
    const nash_node *node = nash_graph_node(nash_model_graph(child), norm);
    const float *stored = nash_model_tensor(child, norm, NASH_SLOT_MEAN)->data;
    const float *var = nash_model_tensor(child, norm, NASH_SLOT_VAR)->data;
    double eps = (double)node->attrs.eps, most = 0, largest = 1e-30;
    nash_shape s = node->shape;
    double *x = outputs(parent, NASH_MODE_STATS, at, seed, NULL);
    double *y = outputs(child, NASH_MODE_STATS, end, seed, NULL);
    for (int32_t c = 0; c < s.c; c++) {
        double mean, std;
        moments(&mean, &std, x, s, c, eps);
        double shift = fabs((double)stored[c] - mean);
        double scale = fabs(sqrt((double)var[c] + eps) / std - 1);
        for (int64_t i = 0; i < (int64_t)IMAGES * s.h * s.w; i++) {
            double xi = of_channel(x, s, c, i), yi = of_channel(y, s, c, i);
            double bound = shift + fabs(xi - mean) * scale;
            most = fmax(most, fabs(yi - xi) - bound);
            largest = fmax(largest, fabs(xi));
        }
    }
    ni_free(x);
    ni_free(y);
    return most / largest;
}

static void check_norm(tally *t, const nash_model *parent,
                       const nash_model *child, const nash_morph *morph,
                       uint64_t seed)
{
    bool deepen = morph->kind == NASH_MORPH_DEEPEN;
    int32_t at = id_of(parent, morph->at), old = id_of(child, morph->at);
    int32_t norm = old + (deepen ? 2 : 1), end = old + (deepen ? 3 : 1);
    note(t, NORM_INFER, local_distance(parent, at, child, end, seed), seed);
    note(t, NORM_TRAIN, distance(parent, at, child, end, NASH_MODE_STATS, seed),
         seed);
    note(t, NORM_OTHER,
         beyond_noise(parent, at, child, norm, end, seed + 1000000007), seed);
}

/* ---- chains ------------------------------------------------------------- */

static void check_child(tally *t, const nash_model *parent,
                        const nash_model *child, const nash_morph *morph,
                        uint64_t seed)
{
    bool pair =
        morph->kind == NASH_MORPH_WIDEN && morph->mode == NASH_WIDEN_PAIR;
    assert_ok(nash_graph_check(nash_model_graph(child)));
    if (morph->kind == NASH_MORPH_BATCH_NORM ||
        morph->kind == NASH_MORPH_DEEPEN) {
        check_norm(t, parent, child, morph, seed);
        return;
    }
    measure what = pair ? PAIR : EXACT;
    double infer = local_distance(parent, -1, child, -1, seed);
    double train = distance(parent, -1, child, -1, NASH_MODE_STATS, seed);
    note(t, what, infer, seed);
    note(t, what, train, seed);
    if (morph->norm) {
        note(t, NORM_SKIP, infer, seed);
        note(t, NORM_SKIP, train, seed);
    }
}

static double relative(double deviation, double scale)
{
    return deviation == 0 ? 0 : deviation / scale;
}

/* Largest logit of a model at inference and in training mode. */
static double largest_logit(const nash_model *m, const nash_probe *probe)
{
    int32_t classes = nash_graph_classes(nash_model_graph(m));
    float *logits = ni_alloc(IMAGES * (int64_t)classes, sizeof *logits);
    double most = 0;
    assert_non_null(logits);
    for (int training = 0; training < 2; training++) {
        assert_ok(probe->logits(probe->ctx, m, training, logits));
        for (int32_t i = 0; i < IMAGES * classes; i++)
            most = fmax(most, fabs((double)logits[i]));
    }
    ni_free(logits);
    return most;
}

static void check_fast(tally *t, const nash_model *first,
                       const nash_model *last, nash_precision precision,
                       uint64_t seed)
{
    nash_shape in = nash_graph_input_shape(nash_model_graph(first));
    int64_t count = (int64_t)IMAGES * in.c * in.h * in.w;
    nash_plan_opts opts = nash_plan_opts_default();
    nash_deviation d;
    nash_probe probe;
    float *pixels = ni_alloc(count, sizeof *pixels);
    assert_non_null(pixels);
    random_pixels(pixels, count, seed);
    opts.precision = precision;
    opts.batch = IMAGES;
    assert_ok(nash_probe_open(&probe, pixels, IMAGES, in, &opts));
    nash_status status = nash_morph_deviation(&d, first, last, &probe);
    if (status != NASH_EUNSUPPORTED) { /* bf16 on a chip without */
        assert_ok(status);
        double scale = largest_logit(first, &probe);
        note(t, precision == NASH_PRECISION_F32 ? FLOAT_INFER : BF16_INFER,
             relative(d.infer, scale), seed);
        if (precision == NASH_PRECISION_F32)
            note(t, FLOAT_TRAIN, relative(d.train, scale), seed);
    }
    nash_probe_close(&probe);
    ni_free(pixels);
}

static void run_chain(tally *t, uint64_t seed)
{
    nash_model *first = make_model(seed), *parent, *child;
    nash_morph_opts opts = nash_morph_opts_default();
    nash_probe probe = open_probe(first, seed);
    opts.n = 1;
    opts.kinds = (1u << NASH_MORPH_COUNT) - 1;
    opts.widen_mode = (nash_widen_mode)(seed % 3);
    opts.norm_skips = seed % 5 < 3;
    opts.max_macs = 100000 + nash_graph_macs(nash_model_graph(first));
    opts.seed = seed;
    assert_ok(nash_model_dup(&parent, first));
    for (uint32_t i = 0; i < 1 + seed / 2 % LONGEST; i++) {
        nash_morph morph;
        opts.child = i;
        assert_ok(nash_model_dup(&child, parent));
        assert_ok(
            nash_morph_random(child, &opts, &probe, &morph, NULL, t->refused));
        t->applied[morph.kind]++;
        check_child(t, parent, child, &morph, seed);
        nash_model_free(parent);
        parent = child;
    }
    note(t, CHAIN_INFER, local_distance(first, -1, parent, -1, seed), seed);
    note(t, CHAIN_TRAIN, distance(first, -1, parent, -1, NASH_MODE_STATS, seed),
         seed);
    if (seed % STRIDE < 2) {
        check_fast(t, first, parent, NASH_PRECISION_F32, seed);
        check_fast(t, first, parent, NASH_PRECISION_BF16, seed);
    }
    nash_probe_close(&probe);
    nash_model_free(parent);
    nash_model_free(first);
}

/* ---- the result --------------------------------------------------------- */

static bool report(const tally *t)
{
    bool good = true;
    printf("%-12s %10s %10s\n", "kind", "applied", "refused");
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        printf("%-12s %10lld %10lld\n", nash_morph_name((nash_morph_kind)k),
               (long long)t->applied[k], (long long)t->refused[k]);
    printf("%-36s %9s %9s %8s %9s\n", "deviation", "cases", "worst", "bound",
           "seed");
    for (int i = 0; i < MEASURES; i++) {
        bool within = t->worst[i] <= measures[i].bound;
        printf("%-36s %9lld %9.2g %8.0e %9llu%s\n", measures[i].name,
               (long long)t->count[i], t->worst[i], measures[i].bound,
               (unsigned long long)t->seed[i], within ? "" : "  BEYOND");
        good = good && within;
    }
    return good;
}

int main(int argc, char **argv)
{
    static tally t;
    char *end = NULL;
    uint64_t n = argc > 1 ? strtoull(argv[1], &end, 10) : 0;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (n == 0 || *end) {
        fputs("usage: chains COUNT [FIRST]\n", stderr);
        return 2;
    }
    for (uint64_t seed = first; seed < first + n; seed++)
        run_chain(&t, seed);
    printf("%llu chains, seeds %llu to %llu\n", (unsigned long long)n,
           (unsigned long long)first, (unsigned long long)(first + n - 1));
    return report(&t) ? 0 : 1;
}
