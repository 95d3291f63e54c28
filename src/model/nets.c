/*
 * The starting networks. All are fully convolutional up to a global pooling,
 * so that any image size fits; convolutions are 3x3 and without bias, since a
 * batch normalisation follows.
 */
#include <nash/model.h>

#include "base/error.h"
#include "internal.h"

#include <math.h>
#include <string.h>

enum {
    LARGE_PIXELS = 64, /* larger images are strided down first */
    POOL_PIXELS = 4    /* smaller maps are not pooled */
};

/* A network under construction: each step reads the last one's output. */
typedef struct chain {
    nash_graph *graph;
    int32_t last;
    float bn_momentum;
} chain;

static nash_status then(chain *c, nash_op op, const nash_attrs *attrs)
{
    return nash_graph_append(&c->last, c->graph, op, attrs, &c->last,
                             op == NASH_OP_INPUT ? 0 : 1);
}

static nash_status conv_bn_relu(chain *c, int32_t channels, int32_t stride)
{
    nash_status status = NASH_OK;
    nash_attrs conv = nash_attrs_window(3, stride);
    nash_attrs bn = nash_attrs_default();
    conv.out_channels = channels;
    bn.momentum = c->bn_momentum;
    TRY(then(c, NASH_OP_CONV, &conv));
    TRY(then(c, NASH_OP_BATCH_NORM, &bn));
    TRY(then(c, NASH_OP_RELU, NULL));
done:
    return status;
}

static int32_t smaller_side(const chain *c)
{
    nash_shape shape = nash_graph_node(c->graph, c->last)->shape;
    return shape.h < shape.w ? shape.h : shape.w;
}

static nash_status pool(chain *c)
{
    nash_attrs window = nash_attrs_window(2, 2);
    if (smaller_side(c) < POOL_PIXELS)
        return NASH_OK;
    return then(c, NASH_OP_MAX_POOL, &window);
}

static nash_status residual(chain *c, int32_t channels)
{
    nash_status status = NASH_OK;
    int32_t inputs[2] = {c->last, 0};
    TRY(conv_bn_relu(c, channels, 1));
    TRY(conv_bn_relu(c, channels, 1));
    inputs[1] = c->last;
    TRY(nash_graph_append(&c->last, c->graph, NASH_OP_ADD, NULL, inputs, 2));
done:
    return status;
}

/* ---- beginning and end -------------------------------------------------- */

static int count_widths(const nash_net_opts *opts)
{
    int n = 0;
    while (n < NASH_MAX_STAGES && opts->widths[n] != 0)
        n++;
    return n;
}

static nash_status check_opts(const nash_net_opts *opts, int stages)
{
    nash_status status = NASH_OK;
    nash_shape in = opts->input;
    REQUIRE(in.c >= 1 && in.c <= 4, NASH_EINVAL,
            "images have %d channels, expected 1 to 4", in.c);
    REQUIRE(in.h >= 1 && in.w >= 1 && in.h <= NASH_MAX_DIM &&
                in.w <= NASH_MAX_DIM,
            NASH_EINVAL, "images are %d x %d pixels, expected 1 to %d a side",
            in.h, in.w, NASH_MAX_DIM);
    REQUIRE(opts->classes >= 2 && opts->classes <= NASH_MAX_DIM, NASH_EINVAL,
            "there are %d classes, expected 2 to %d", opts->classes,
            NASH_MAX_DIM);
    REQUIRE(count_widths(opts) >= stages, NASH_EINVAL,
            "the network has %d widths, expected at least %d",
            count_widths(opts), stages);
    for (int i = 0; i < count_widths(opts); i++)
        REQUIRE(opts->widths[i] >= 1 && opts->widths[i] <= NASH_MAX_DIM / 2,
                NASH_EINVAL, "width %d of the network is %d, expected 1 to %d",
                i + 1, opts->widths[i], NASH_MAX_DIM / 2);
    for (int32_t i = 0; i < in.c; i++)
        REQUIRE(isfinite(opts->mean[i]) && isfinite(opts->std[i]) &&
                    opts->std[i] > 0,
                NASH_EINVAL,
                "channel %d has mean %g and standard deviation %g, expected "
                "finite numbers and a positive deviation",
                i, (double)opts->mean[i], (double)opts->std[i]);
done:
    return status;
}

/* The stride by which a layer brings large images down. */
static int32_t reducing_stride(const chain *c)
{
    return smaller_side(c) > LARGE_PIXELS ? 2 : 1;
}

/* The whitening layer. Its filters follow when there are weights. */
static nash_status whiten(chain *c, const nash_net_opts *opts)
{
    nash_status status = NASH_OK;
    int32_t k = opts->whitening_kernel, n = opts->whitening_filters;
    nash_attrs conv = nash_attrs_default();
    REQUIRE(k >= 1 && k <= smaller_side(c), NASH_EINVAL,
            "the whitening layer's kernel is %d, expected 1 to %d", k,
            smaller_side(c));
    REQUIRE(n >= 0 && n <= opts->input.c * k * k, NASH_EINVAL,
            "%d whitening filters were asked for, expected at most %d", n,
            opts->input.c * k * k);
    conv.kernel[0] = conv.kernel[1] = k;
    conv.stride[0] = conv.stride[1] = reducing_stride(c);
    conv.out_channels = 2 * (n > 0 ? n : opts->input.c * k * k);
    TRY(then(c, NASH_OP_CONV, &conv));
    TRY(then(c, NASH_OP_RELU, NULL));
done:
    return status;
}

static nash_status begin(chain *c, const nash_net_opts *opts, int stages)
{
    nash_status status = NASH_OK;
    nash_attrs input = {.out_channels = opts->input.c,
                        .size = {opts->input.h, opts->input.w}};
    *c = (chain){.bn_momentum = opts->bn_momentum};
    TRY(check_opts(opts, stages));
    TRY(nash_graph_create(&c->graph));
    TRY(then(c, NASH_OP_INPUT, &input));
    TRY(then(c, NASH_OP_NORMALIZE, NULL));
    if (opts->whitening)
        TRY(whiten(c, opts));
    while (smaller_side(c) > LARGE_PIXELS)
        TRY(conv_bn_relu(c, opts->widths[0], 2));
done:
    return status;
}

static nash_status append_head(chain *c, int32_t classes)
{
    nash_status status = NASH_OK;
    nash_attrs fc = nash_attrs_default();
    fc.out_channels = classes;
    fc.bias = true;
    TRY(then(c, NASH_OP_GLOBAL_POOL, NULL));
    TRY(then(c, NASH_OP_FC, &fc));
    TRY(then(c, NASH_OP_SOFTMAX, NULL));
done:
    return status;
}

static nash_status finish(nash_model **out, chain *c, const nash_net_opts *opts)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    TRY(append_head(c, opts->classes));
    TRY(nash_model_create(&m, &c->graph));
    size_t bytes = (size_t)opts->input.c * sizeof(float);
    memcpy(nash_model_tensor(m, 1, NASH_SLOT_CENTER)->data, opts->mean, bytes);
    memcpy(nash_model_tensor(m, 1, NASH_SLOT_SCALE)->data, opts->std, bytes);
    (opts->identity ? nash_model_init_identity : nash_model_init)(m,
                                                                  opts->seed);
    nash_tensor *weight = nash_model_tensor(m, 2, NASH_SLOT_WEIGHT);
    if (opts->whitening)
        ni_tensor_set_pairs(weight, opts->whitening, weight->dims[0] / 2);
    *out = m;
done:
    return status;
}

/* ---- the networks ------------------------------------------------------- */

nash_net_opts nash_net_opts_default(void)
{
    return (nash_net_opts){.input = {3, 32, 32},
                           .classes = 10,
                           .std = {1, 1, 1, 1},
                           .widths = {64, 128, 256},
                           .bn_momentum = 0.9F};
}

nash_status nash_net_start(nash_model **out, const nash_net_opts *opts)
{
    nash_status status = NASH_OK;
    chain c;
    *out = NULL;
    TRY(begin(&c, opts, 1));
    for (int i = 0; i < count_widths(opts); i++) {
        if (i > 0)
            TRY(pool(&c));
        TRY(conv_bn_relu(&c, opts->widths[i], 1));
    }
    TRY(finish(out, &c, opts));
done:
    nash_graph_free(c.graph);
    return status;
}

nash_status nash_net_vgg(nash_model **out, const nash_net_opts *opts)
{
    static const int depths[3] = {2, 3, 3};
    nash_status status = NASH_OK;
    chain c;
    *out = NULL;
    TRY(begin(&c, opts, 3));
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < depths[i]; k++)
            TRY(conv_bn_relu(&c, opts->widths[i], 1));
        if (i < 2)
            TRY(pool(&c));
    }
    TRY(finish(out, &c, opts));
done:
    nash_graph_free(c.graph);
    return status;
}

nash_status nash_net_resnet9(nash_model **out, const nash_net_opts *opts)
{
    nash_status status = NASH_OK;
    chain c;
    *out = NULL;
    TRY(begin(&c, opts, 3));
    TRY(conv_bn_relu(&c, opts->widths[0], 1));
    TRY(conv_bn_relu(&c, opts->widths[1], 1));
    TRY(pool(&c));
    TRY(residual(&c, opts->widths[1]));
    TRY(conv_bn_relu(&c, opts->widths[2], 1));
    TRY(pool(&c));
    TRY(conv_bn_relu(&c, 2 * opts->widths[2], 1));
    TRY(pool(&c));
    TRY(residual(&c, 2 * opts->widths[2]));
    TRY(finish(out, &c, opts));
done:
    nash_graph_free(c.graph);
    return status;
}
