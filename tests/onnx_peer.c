/*
 * What the ONNX tests in other languages stand on: writes models of all kinds
 * with images and what the oracle says of them, and runs any ONNX file on the
 * oracle; or does to a file of other software what a search would.
 *
 *     onnx_peer write DIR
 *     onnx_peer logits MODEL.onnx IMAGES LOGITS
 *     onnx_peer morph MODEL.onnx IMAGES CHILD.onnx SEED
 *     onnx_peer train MODEL.onnx IMAGES TRAINED.onnx
 *
 * Arrays are raw float32; a model NAME.onnx comes with NAME.images
 * [IMAGES,C,H,W], NAME.shape ("C H W") and NAME.probabilities [IMAGES,K].
 */
#include "onnx_pools.h"
#include "random_graph.h"

#include "base/file.h"
#include "base/memory.h"

#include <nash/onnx.h>
#include <nash/plan.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IMAGES = 4,
    RANDOM_MODELS = 48,
    POOL_DRAWS = 60,
    MORPHED_MODELS = 6,
    PROBE_IMAGES = 8
};

static nash_status run(float **out, int64_t *count, bool softmax, nash_model *m,
                       const float *images, int32_t n)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(m);
    nash_shape in = nash_graph_input_shape(g);
    int32_t classes = nash_graph_classes(g);
    nash_plan *plan = NULL;
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = NASH_ENGINE_REF;
    opts.batch = n;
    *count = (int64_t)n * classes;
    NEW_ARRAY(*out, *count);
    TRY(nash_plan_create(&plan, m, &opts));
    memcpy(nash_plan_input(plan), images,
           (size_t)n * (size_t)(in.c * in.h * in.w) * sizeof *images);
    TRY(nash_plan_forward(plan));
    memcpy(*out, nash_plan_logits(plan), (size_t)*count * sizeof **out);
    if (softmax)
        nash_softmax(*out, *out, n, classes);
done:
    nash_plan_free(plan);
    return status;
}

static nash_status save(const char *dir, const char *name, const char *kind,
                        const void *data, size_t size_bytes)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_format("%s/%s.%s", dir, name, kind));
    TRY(ni_file_write_atomic(path, data, size_bytes));
done:
    ni_free(path);
    return status;
}

/* Where a place comes from that is shifted, the border repeated. */
static int32_t place(int32_t at, int32_t shift, int32_t size)
{
    at += shift;
    return at < 0 ? 0 : at < size ? at : size - 1;
}

static void look(float *out, const float *images, nash_shape in, int32_t n,
                 bool mirrored, int32_t shift)
{
    for (int64_t i = 0; i < (int64_t)n * in.c * in.h * in.w; i++) {
        int64_t channel = i / in.w / in.h * in.h;
        int32_t x = (int32_t)(i % in.w);
        int32_t y = (int32_t)(i / in.w % in.h);
        if (mirrored)
            x = in.w - 1 - x;
        out[i] = images[(channel + place(y, shift, in.h)) * in.w +
                        place(x, shift, in.w)];
    }
}

/* As run(), averaged over the model's looks. */
static nash_status run_looks(float **out, int64_t *count, nash_model *m,
                             const float *images, int32_t n)
{
    nash_status status = NASH_OK;
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    nash_looks looks = nash_model_looks(m);
    int32_t margin = looks.shifted ? 1 : 0, turns = looks.mirrored ? 2 : 1;
    float *seen = NULL, *one = NULL, *sum = NULL;
    NEW_ARRAY(seen, (int64_t)n * in.c * in.h * in.w);
    for (int32_t shift = -margin; shift <= margin; shift++)
        for (int32_t turn = 0; turn < turns; turn++) {
            look(seen, images, in, n, turn == 1, shift);
            TRY(run(&one, count, true, m, seen, n));
            if (!sum)
                NEW_ARRAY(sum, *count);
            for (int64_t i = 0; i < *count; i++)
                sum[i] += one[i] / (float)nash_looks_count(looks);
            ni_free(one);
            one = NULL;
        }
    *out = sum;
    sum = NULL;
done:
    ni_free(seen);
    ni_free(one);
    ni_free(sum);
    return status;
}

static nash_status write_one(const char *dir, const char *name, nash_model *m,
                             uint64_t seed)
{
    nash_status status = NASH_OK;
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    int64_t pixels = (int64_t)IMAGES * in.c * in.h * in.w, count;
    float *images = NULL, *probabilities = NULL;
    char *path = NULL, shape[48];
    NEW_ARRAY(images, pixels);
    random_pixels(images, pixels, seed);
    NEW_FROM(path, ni_format("%s/%s.onnx", dir, name));
    TRY(nash_onnx_write(m, path));
    TRY(run_looks(&probabilities, &count, m, images, IMAGES));
    snprintf(shape, sizeof shape, "%d %d %d\n", in.c, in.h, in.w);
    TRY(save(dir, name, "shape", shape, strlen(shape)));
    TRY(save(dir, name, "images", images, (size_t)pixels * sizeof *images));
    TRY(save(dir, name, "probabilities", probabilities,
             (size_t)count * sizeof *probabilities));
done:
    ni_free(images);
    ni_free(probabilities);
    ni_free(path);
    return status;
}

static nash_status write_nets(const char *dir)
{
    static const struct {
        const char *name;
        nash_status (*make)(nash_model **out, const nash_net_opts *opts);
    } nets[] = {{"start", nash_net_start},
                {"vgg", nash_net_vgg},
                {"resnet9", nash_net_resnet9}};
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    char name[32];
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        nash_net_opts opts = nash_net_opts_default();
        opts.input = (nash_shape){3, 16, 20};
        for (int k = 0; k < 3; k++) {
            opts.widths[k] = 16 << k;
            opts.mean[k] = 120.0F + (float)k;
            opts.std[k] = 60.0F + (float)k;
        }
        TRY(nets[i].make(&m, &opts));
        TRY(nash_model_set_meta(m, NASH_META_CLASSES,
                                "[\"cat\",\"K\xC3\xA4se\"]"));
        for (int k = 0; k < 4; k++) {
            nash_looks looks = {.mirrored = k % 2 > 0, .shifted = k / 2 > 0};
            nash_model_set_looks(m, looks);
            snprintf(name, sizeof name, "%s_%d_looks", nets[i].name,
                     nash_looks_count(looks));
            TRY(write_one(dir, name, m, i));
        }
        nash_model_free(m);
        m = NULL;
    }
done:
    nash_model_free(m);
    return status;
}

static nash_status write_pools(const char *dir)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    char name[32];
    for (uint32_t draw = 0; draw < POOL_DRAWS; draw++) {
        m = pool_model(draw);
        snprintf(name, sizeof name, "pool_%02d", (int)draw);
        if (m)
            TRY(write_one(dir, name, m, draw));
        nash_model_free(m);
        m = NULL;
    }
done:
    nash_model_free(m);
    return status;
}

/* A starting network after twenty morphisms of all kinds. */
static nash_status write_morphed(const char *dir, uint64_t seed)
{
    nash_status status = NASH_OK;
    nash_net_opts net = nash_net_opts_default();
    nash_morph_opts morphs = nash_morph_opts_default();
    nash_plan_opts engine = nash_plan_opts_default();
    nash_probe probe = {0};
    nash_model *m = NULL;
    float images[PROBE_IMAGES * 3 * 12 * 12];
    char name[32];
    snprintf(name, sizeof name, "morphed_%d", (int)seed);
    random_pixels(images, PROBE_IMAGES * 3 * 12 * 12, seed);
    net.input = (nash_shape){3, 12, 12};
    net.seed = morphs.seed = seed;
    for (int i = 0; i < 3; i++) {
        net.widths[i] = 4 + 2 * i;
        net.mean[i] = 128;
        net.std[i] = 74;
    }
    morphs.n = 20;
    morphs.kinds = (1U << NASH_MORPH_COUNT) - 1;
    morphs.max_params = 200000;
    engine.engine = NASH_ENGINE_REF;
    engine.batch = PROBE_IMAGES;
    TRY(nash_net_start(&m, &net));
    TRY(nash_probe_open(&probe, images, PROBE_IMAGES, net.input, &engine));
    TRY(nash_morph_random(m, &morphs, &probe, NULL, NULL, NULL));
    TRY(write_one(dir, name, m, seed));
done:
    nash_probe_close(&probe);
    nash_model_free(m);
    return status;
}

static nash_status write_all(const char *dir)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    TRY(ni_make_directories(dir));
    TRY(write_nets(dir));
    TRY(write_pools(dir));
    for (uint64_t seed = 0; seed < MORPHED_MODELS; seed++)
        TRY(write_morphed(dir, seed));
    for (uint64_t seed = 0; seed < RANDOM_MODELS; seed++) {
        char name[32];
        snprintf(name, sizeof name, "random_%02d", (int)seed);
        m = random_model(seed, NULL);
        TRY(write_one(dir, name, m, seed));
        nash_model_free(m);
        m = NULL;
    }
done:
    nash_model_free(m);
    return status;
}

/* ---- other software's files --------------------------------------------- */

/* Images as raw float32, in a count that fits the model. */
static nash_status read_images(float **out, int32_t *n, const nash_model *m,
                               const char *path)
{
    nash_status status = NASH_OK;
    char *pixels = NULL;
    size_t size_bytes;
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    size_t image_bytes = (size_t)(in.c * in.h * in.w) * sizeof(float);
    TRY(ni_file_read(&pixels, &size_bytes, path, SIZE_MAX));
    REQUIRE(size_bytes >= image_bytes && size_bytes % image_bytes == 0,
            NASH_EFORMAT, "%s has %zu bytes, an image has %zu", path,
            size_bytes, image_bytes);
    *n = (int32_t)(size_bytes / image_bytes);
    *out = (float *)(void *)pixels;
    pixels = NULL;
done:
    ni_free(pixels);
    return status;
}

static nash_status write_logits(const char *model, const char *images,
                                const char *logits)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    float *pixels = NULL, *out = NULL;
    int32_t n;
    int64_t count;
    TRY(nash_onnx_read(&m, model));
    TRY(read_images(&pixels, &n, m, images));
    TRY(run(&out, &count, false, m, pixels, n));
    TRY(ni_file_write_atomic(logits, out, (size_t)count * sizeof *out));
done:
    nash_model_free(m);
    ni_free(pixels);
    ni_free(out);
    return status;
}

/* Twenty random morphisms of all kinds that keep the function exactly. */
static nash_status write_child(const char *model, const char *images,
                               const char *child, uint64_t seed)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    nash_morph_opts morphs = nash_morph_opts_default();
    nash_plan_opts engine = nash_plan_opts_default();
    nash_probe probe = {0};
    float *pixels = NULL;
    TRY(nash_onnx_read(&m, model));
    TRY(read_images(&pixels, &engine.batch, m, images));
    engine.precision = NASH_PRECISION_F32;
    TRY(nash_probe_open(&probe, pixels, engine.batch,
                        nash_graph_input_shape(nash_model_graph(m)), &engine));
    morphs.n = 20;
    morphs.seed = seed;
    morphs.kinds = (1U << NASH_MORPH_COUNT) - 1;
    morphs.widen_mode = (nash_widen_mode)(seed % NASH_WIDEN_NOISE);
    morphs.max_params = 4 * nash_graph_params(nash_model_graph(m)) + 100000;
    morphs.max_macs = 2 * nash_graph_macs(nash_model_graph(m)) + 5000000;
    TRY(nash_morph_random(m, &morphs, &probe, NULL, NULL, NULL));
    TRY(nash_onnx_write(m, child));
done:
    nash_probe_close(&probe);
    nash_model_free(m);
    ni_free(pixels);
    return status;
}

/* Image i is of class i. @return the loss, and its derivative by the logits */
static double loss_of(nash_plan *plan, int32_t n, int32_t classes)
{
    double loss = 0;
    float *d = nash_plan_d_logits(plan);
    nash_softmax(d, nash_plan_logits(plan), n, classes);
    for (int32_t i = 0; i < n; i++) {
        float *right = &d[(int64_t)i * classes + i % classes];
        loss -= log((double)*right) / n;
        *right -= 1;
    }
    return loss;
}

static void step(const nash_plan *plan, const nash_model *m, float rate)
{
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(m)); id++)
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(m, id, slot);
            const float *d = nash_plan_gradient(plan, id, slot);
            for (int64_t i = 0; d && i < t->count; i++)
                t->data[i] -= rate * d[i];
        }
}

/* Some steps of gradient descent, which must lower the loss. */
static nash_status write_trained(const char *model, const char *images,
                                 const char *trained)
{
    enum { STEPS = 15 };
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    nash_plan *plan = NULL;
    nash_plan_opts engine = nash_plan_opts_default();
    float *pixels = NULL;
    double first = 0, last = 0;
    TRY(nash_onnx_read(&m, model));
    TRY(read_images(&pixels, &engine.batch, m, images));
    engine.precision = NASH_PRECISION_F32;
    engine.mode = NASH_MODE_TRAIN;
    TRY(nash_plan_create(&plan, m, &engine));
    nash_shape in = nash_graph_input_shape(nash_model_graph(m));
    memcpy(nash_plan_input(plan), pixels,
           (size_t)engine.batch * (size_t)(in.c * in.h * in.w) * sizeof(float));
    for (int i = 0; i < STEPS; i++) {
        TRY(nash_plan_forward(plan));
        last = loss_of(plan, engine.batch,
                       nash_graph_classes(nash_model_graph(m)));
        first = i == 0 ? last : first;
        TRY(nash_plan_backward(plan));
        step(plan, m, 2e-3F);
    }
    REQUIRE(last < first, NASH_EDIVERGED, "%s: the loss went from %g to %g",
            model, first, last);
    TRY(nash_onnx_write(m, trained));
done:
    nash_plan_free(plan);
    nash_model_free(m);
    ni_free(pixels);
    return status;
}

int main(int argc, char **argv)
{
    nash_status status = NASH_EINVAL;
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        status = write_all(argv[2]);
    else if (argc == 5 && strcmp(argv[1], "logits") == 0)
        status = write_logits(argv[2], argv[3], argv[4]);
    else if (argc == 6 && strcmp(argv[1], "morph") == 0)
        status =
            write_child(argv[2], argv[3], argv[4], strtoull(argv[5], NULL, 10));
    else if (argc == 5 && strcmp(argv[1], "train") == 0)
        status = write_trained(argv[2], argv[3], argv[4]);
    else
        fputs("usage: onnx_peer write DIR | logits MODEL IMAGES LOGITS | "
              "morph MODEL IMAGES CHILD SEED | train MODEL IMAGES TRAINED\n",
              stderr);
    if (status != NASH_OK)
        fprintf(stderr, "%s\n", nash_error_message());
    return status != NASH_OK;
}
