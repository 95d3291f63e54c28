/* Caps on what random morphisms may lead to: on size, memory, and proportions.
 */
#include "caps.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>

/* How the multiply-accumulates lie: the largest share that layers of one height
 * and width take together, and how many such sizes above 1 x 1 there are. */
typedef struct spread {
    double largest;
    int32_t sizes;
} spread;

static spread spread_of(const nash_graph *g)
{
    double total = fmax((double)nash_graph_macs(g), 1.0);
    spread s = {0};
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_shape size = nash_graph_node(g, id)->shape;
        int64_t sum = 0, before = 0;
        for (int32_t k = 0; k < nash_graph_size(g); k++) {
            nash_shape other = nash_graph_node(g, k)->shape;
            if (other.h != size.h || other.w != size.w)
                continue;
            sum += nash_node_macs(g, k);
            before += k < id ? nash_node_macs(g, k) : 0;
        }
        s.largest = fmax(s.largest, (double)sum / total);
        s.sizes += (int64_t)size.h * size.w > 1 && before == 0 &&
                   nash_node_macs(g, id) > 0;
    }
    return s;
}

/* Where sizes are few, each may take half as much again as an equal share. */
static nash_status check_share(const nash_graph *g, const nash_graph *parent,
                               const nash_morph_opts *opts)
{
    nash_status status = NASH_OK;
    if (opts->max_share == 0.0)
        return NASH_OK;
    spread own = spread_of(g);
    double most = fmax(opts->max_share, 1.5 / fmax(own.sizes, 1));
    REQUIRE(own.largest <= most || own.largest < spread_of(parent).largest,
            NASH_ELIMIT,
            "layers of one size would take %.0f %% of the child's MACs, more "
            "than the %.0f %% allowed",
            100.0 * own.largest, 100.0 * most);
done:
    return status;
}

static bool has_weights(const nash_node *node)
{
    return node->op == NASH_OP_CONV || node->op == NASH_OP_FC;
}

/* The most channels of a convolution, as a multiple of those of the wider of
 * the layers that it reads and that read it. */
static nash_status expansion_of(double *expansion, const nash_graph *g)
{
    nash_status status = NASH_OK;
    int32_t n = nash_graph_size(g);
    int32_t *readers = NULL; /* channels of the widest reader of each node */
    NEW_ARRAY(readers, n);
    *expansion = 0.0;
    for (int32_t id = n - 1; id >= 0; id--) {
        const nash_node *node = nash_graph_node(g, id);
        int32_t around = readers[id];
        for (int32_t k = 0; k < node->n_inputs; k++) {
            int32_t from = nash_graph_input(g, id, k);
            int32_t c = has_weights(node) ? node->shape.c : readers[id];
            readers[from] = c > readers[from] ? c : readers[from];
            c = nash_graph_node(g, from)->shape.c;
            around = c > around ? c : around;
        }
        if (node->op == NASH_OP_CONV)
            *expansion = fmax(*expansion, (double)node->shape.c / around);
    }
done:
    ni_free(readers);
    return status;
}

static nash_status check_expansion(const nash_graph *g,
                                   const nash_graph *parent,
                                   const nash_morph_opts *opts)
{
    nash_status status = NASH_OK;
    double own, before;
    if (opts->max_expansion == 0.0)
        return NASH_OK;
    TRY(expansion_of(&own, g));
    TRY(expansion_of(&before, parent));
    REQUIRE(own <= fmax(opts->max_expansion, before), NASH_ELIMIT,
            "a layer of the child would be %g times as wide as the layers "
            "around it, more than the %g allowed",
            own, opts->max_expansion);
done:
    return status;
}

nash_status ni_morph_check_caps(const nash_graph *g, const nash_graph *parent,
                                const nash_morph_opts *opts)
{
    nash_status status = NASH_OK;
    int64_t params = nash_graph_params(g), macs = nash_graph_macs(g);
    size_t bytes = 0;
    REQUIRE(opts->max_params == 0 || params <= opts->max_params, NASH_ELIMIT,
            "the child would have %lld parameters, more than the %lld allowed",
            (long long)params, (long long)opts->max_params);
    REQUIRE(opts->max_macs == 0 || macs <= opts->max_macs, NASH_ELIMIT,
            "the child would take %lld MACs, more than the %lld allowed",
            (long long)macs, (long long)opts->max_macs);
    TRY(check_share(g, parent, opts));
    TRY(check_expansion(g, parent, opts));
    if (opts->max_bytes == 0 || !opts->bytes_of)
        goto done;
    TRY(opts->bytes_of(opts->bytes_ctx, &bytes, g));
    REQUIRE(bytes <= opts->max_bytes, NASH_ELIMIT,
            "the child would take %zu bytes to train, more than the %zu "
            "allowed",
            bytes, opts->max_bytes);
done:
    return status;
}
