/*
 * Models and the data they are for: networks sized by a data set or drawn anew
 * for it, and the metadata that lets a model file be used without it. Nothing
 * goes in that differs between equal runs: no time, host or path.
 */
#include <nash/text.h>
#include <nash/train.h>

#include "base/json.h"
#include "base/memory.h"
#include "model/edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef nash_status (*net_maker)(nash_model **out, const nash_net_opts *opts);

static net_maker maker_of(const char *name)
{
    static const struct {
        const char *name;
        net_maker make;
    } nets[] = {{"start", nash_net_start},
                {"vgg", nash_net_vgg},
                {"resnet9", nash_net_resnet9}};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (strcmp(name, nets[i].name) == 0)
            return nets[i].make;
    return NULL;
}

/* Whitening looks at 3 x 3 patches. The filters of least variance see little
 * but noise: in colour 16 of 27 make, with their negatives, a layer of 32
 * channels, in grey 8 of 9 one of 16, which the convolution after it likes. */
enum { WHITENING_KERNEL = 3, FILTERS_UNIT = 8, MOST_FILTERS = 16 };

static int32_t whitening_filters(int32_t values)
{
    int32_t whole =
        values < FILTERS_UNIT ? values : values / FILTERS_UNIT * FILTERS_UNIT;
    return whole < MOST_FILTERS ? whole : MOST_FILTERS;
}

/* Find the first layer's filters; @return NULL in *filters for images that are
 * too small to have any use for it. */
static nash_status find_whitening(float **filters, nash_net_opts *net,
                                  const nash_images *images)
{
    nash_status status = NASH_OK;
    int32_t k = WHITENING_KERNEL, values = images->shape.c * k * k;
    if (!net->whiten || images->shape.h < 2 * k || images->shape.w < 2 * k)
        goto done;
    NEW_ARRAY(*filters, (int64_t)values * values);
    TRY(nash_images_whitening(*filters, images, net->mean, net->std, k));
    net->whitening = *filters;
    net->whitening_kernel = k;
    net->whitening_filters = whitening_filters(values);
done:
    return status;
}

nash_status nash_net_for_data(nash_model **out, const char *name,
                              nash_dataset *ds, const nash_net_opts *opts)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    float *filters = NULL;
    const nash_images *images;
    net_maker make = maker_of(name);
    nash_net_opts net = opts ? *opts : nash_net_opts_default();
    REQUIRE(make, NASH_EINVAL,
            "'%s' is no starting network, expected start, vgg or resnet9",
            name);
    TRY(nash_dataset_images(&images, ds, NASH_PART_TRAIN));
    REQUIRE(images->shape.c <= (int32_t)(sizeof net.mean / sizeof *net.mean),
            NASH_EINVAL, "the images have %d channels, expected at most 4",
            images->shape.c);
    net.input = images->shape;
    net.classes = images->classes;
    nash_images_moments(images, NULL, images->n, net.mean, net.std);
    for (int32_t c = 0; c < net.input.c; c++)
        if (net.std[c] == 0.0F) /* it is the same everywhere */
            net.std[c] = 1.0F;
    TRY(find_whitening(&filters, &net, images));
    TRY(make(&m, &net));
    TRY(nash_describe_data(m, ds));
    *out = m;
    m = NULL;
done:
    ni_free(filters);
    nash_model_free(m);
    return status;
}

/* The convolution that can whiten what the normalisation gives: square, and
 * with pairs of channels. @return its id, or -1 */
static int32_t whitening_layer(const nash_model *m, const nash_images *images)
{
    const nash_graph *g = nash_model_graph(m);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        const nash_node *node = nash_graph_node(g, id);
        if (node->op != NASH_OP_CONV)
            continue;
        nash_tensor *w = nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
        int32_t k = w->dims[2], side = images->shape.h < images->shape.w
                                           ? images->shape.h
                                           : images->shape.w;
        nash_op before = nash_graph_node(g, nash_graph_input(g, id, 0))->op;
        bool fits = before == NASH_OP_NORMALIZE && w->dims[3] == k &&
                    w->dims[1] == images->shape.c && k <= 7 && 2 * k <= side &&
                    w->dims[0] % 2 == 0;
        return fits ? id : -1;
    }
    return -1;
}

/* A layer that has been widened beyond a pair per direction has other filters
 * besides. */
static nash_status set_whitening(nash_model *m, int32_t id,
                                 const nash_images *images)
{
    nash_status status = NASH_OK;
    float *filters = NULL;
    int32_t before = nash_graph_input(nash_model_graph(m), id, 0);
    const float *mean = nash_model_tensor(m, before, NASH_SLOT_CENTER)->data;
    const float *std = nash_model_tensor(m, before, NASH_SLOT_SCALE)->data;
    nash_tensor *w = nash_model_tensor(m, id, NASH_SLOT_WEIGHT);
    int32_t values = images->shape.c * w->dims[2] * w->dims[3];
    int32_t pairs = w->dims[0] / 2;
    NEW_ARRAY(filters, (int64_t)values * values);
    TRY(nash_images_whitening(filters, images, mean, std, w->dims[2]));
    ni_tensor_set_pairs(w, filters,
                        pairs <= values ? pairs : whitening_filters(values));
done:
    ni_free(filters);
    return status;
}

nash_status nash_net_redraw(nash_model *m, nash_dataset *ds,
                            const nash_net_opts *opts)
{
    nash_status status = NASH_OK;
    const nash_images *images;
    TRY(nash_dataset_images(&images, ds, NASH_PART_TRAIN));
    int32_t first =
        opts->whiten && images->shape.c <= 4 ? whitening_layer(m, images) : -1;
    (opts->identity ? nash_model_init_identity : nash_model_init)(m,
                                                                  opts->seed);
    if (first >= 0)
        TRY(set_whitening(m, first, images));
done:
    return status;
}

static nash_status set_json(nash_model *m, const char *key, const cJSON *tree)
{
    nash_status status = NASH_OK;
    char *text = NULL;
    NEW_FROM(text, ni_json_print(tree, false));
    TRY(nash_model_set_meta(m, key, text));
done:
    ni_free(text);
    return status;
}

static nash_status set_classes(nash_model *m, const nash_dataset *ds)
{
    nash_status status = NASH_OK;
    int32_t classes = nash_graph_classes(nash_model_graph(m));
    cJSON *names = cJSON_CreateArray();
    REQUIRE(names, NASH_ENOMEM, "out of memory while writing class names");
    for (int32_t k = 0; k < classes; k++) {
        cJSON *name = cJSON_CreateString(nash_dataset_class(ds, k));
        REQUIRE(cJSON_AddItemToArray(names, name), NASH_ENOMEM,
                "out of memory while writing class names");
    }
    TRY(set_json(m, NASH_META_CLASSES, names));
done:
    cJSON_Delete(names);
    return status;
}

enum { DATA_TEXT_BYTES = 64, SEED_BYTES = 24 };

static void name_data(char text[DATA_TEXT_BYTES], const nash_dataset *ds)
{
    snprintf(text, DATA_TEXT_BYTES, "%.40s %016" PRIx64,
             nash_dataset_format(ds), nash_dataset_hash(ds));
}

nash_status nash_describe_data(nash_model *m, const nash_dataset *ds)
{
    nash_status status = NASH_OK;
    char text[DATA_TEXT_BYTES];
    name_data(text, ds);
    TRY(set_classes(m, ds));
    TRY(nash_model_set_meta(m, NASH_META_RESIZE, "stretch"));
    TRY(nash_model_set_meta(m, NASH_META_DATASET, text));
done:
    return status;
}

bool nash_is_of_data(const nash_model *m, const nash_dataset *ds)
{
    char own[DATA_TEXT_BYTES];
    const char *data = nash_model_meta(m, NASH_META_DATASET);
    name_data(own, ds);
    return data && strcmp(data, own) == 0;
}

bool nash_has_learned(const nash_model *m, const nash_dataset *ds,
                      int32_t n_train, uint64_t seed)
{
    char number[SEED_BYTES];
    const char *text = nash_model_meta(m, NASH_META_SETTINGS);
    if (!nash_is_of_data(m, ds) || !text)
        return false;
    if (nash_model_meta(m, NASH_META_SEEN))
        return true;
    snprintf(number, sizeof number, "%" PRIu64, seed);
    cJSON *settings = cJSON_Parse(text);
    const cJSON *images = cJSON_GetObjectItemCaseSensitive(settings, "images");
    const cJSON *split = cJSON_GetObjectItemCaseSensitive(settings, "seed");
    bool same =
        cJSON_IsString(split) && strcmp(split->valuestring, number) == 0;
    bool learned = cJSON_IsNumber(images) && images->valueint > 0 &&
                   (!same || images->valueint > n_train);
    cJSON_Delete(settings);
    return learned;
}

bool nash_was_unflipped(const nash_model *m)
{
    const char *text = nash_model_meta(m, NASH_META_SETTINGS);
    cJSON *settings = text ? cJSON_Parse(text) : NULL;
    bool is = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(settings, "flip"));
    cJSON_Delete(settings);
    return is;
}

static bool add_settings(cJSON *o, const nash_train_opts *opts, int32_t n)
{
    char seed[SEED_BYTES];
    const char *schedule = nash_schedule_names[opts->schedule];
    const char *precision = nash_precision_names[opts->precision];
    snprintf(seed, sizeof seed, "%" PRIu64, opts->seed);
    return cJSON_AddNumberToObject(o, "images", n) &&
           cJSON_AddNumberToObject(o, "epochs", opts->epochs) &&
           (opts->stop_epoch == 0 ||
            cJSON_AddNumberToObject(o, "stop_epoch", opts->stop_epoch)) &&
           cJSON_AddNumberToObject(o, "batch", opts->batch) &&
           cJSON_AddStringToObject(o, "schedule", schedule) &&
           cJSON_AddNumberToObject(o, "lr_start", opts->lr_start) &&
           cJSON_AddNumberToObject(o, "lr_end", opts->lr_end) &&
           cJSON_AddNumberToObject(o, "cycle", opts->cycle) &&
           cJSON_AddNumberToObject(o, "cycle_growth", opts->cycle_growth) &&
           cJSON_AddNumberToObject(o, "warmup", opts->warmup) &&
           cJSON_AddNumberToObject(o, "momentum", opts->momentum) &&
           cJSON_AddBoolToObject(o, "nesterov", opts->nesterov) &&
           cJSON_AddNumberToObject(o, "weight_decay", opts->weight_decay) &&
           cJSON_AddBoolToObject(o, "decay_all", opts->decay_all) &&
           cJSON_AddNumberToObject(o, "label_smoothing",
                                   opts->label_smoothing) &&
           cJSON_AddNumberToObject(o, "bias_rate", opts->bias_rate) &&
           cJSON_AddNumberToObject(o, "gate_rate", opts->gate_rate) &&
           cJSON_AddNumberToObject(o, "clip_norm", opts->clip_norm) &&
           cJSON_AddNumberToObject(o, "muon", opts->muon) &&
           cJSON_AddNumberToObject(o, "lookahead", opts->lookahead) &&
           cJSON_AddNumberToObject(o, "focus", opts->focus) &&
           cJSON_AddNumberToObject(o, "pad", opts->augment.pad) &&
           cJSON_AddBoolToObject(o, "flip", opts->augment.flip) &&
           cJSON_AddBoolToObject(o, "alternate", opts->augment.alternate) &&
           cJSON_AddNumberToObject(o, "cutout", opts->augment.cutout) &&
           cJSON_AddStringToObject(o, "precision", precision) &&
           cJSON_AddNumberToObject(o, "threads", opts->threads) &&
           cJSON_AddStringToObject(o, "seed", seed);
}

static bool add_scores(cJSON *o, const nash_score *val)
{
    return cJSON_AddNumberToObject(o, "val_loss", val->loss) &&
           cJSON_AddNumberToObject(o, "val_error", val->error) &&
           cJSON_AddNumberToObject(o, "val_balanced_error",
                                   val->balanced_error) &&
           cJSON_AddNumberToObject(o, "val_images", val->images);
}

nash_status nash_describe_training(nash_model *m, const nash_train_opts *opts,
                                   int32_t n, double bent,
                                   const nash_score *val)
{
    nash_status status = NASH_OK;
    cJSON *settings = cJSON_CreateObject();
    cJSON *scores = cJSON_CreateObject();
    REQUIRE(settings && scores && add_settings(settings, opts, n) &&
                (bent == 0.0 ||
                 cJSON_AddNumberToObject(settings, "bent_epochs", bent)) &&
                (!val || add_scores(scores, val)),
            NASH_ENOMEM, "out of memory while describing the training");
    TRY(set_json(m, NASH_META_SETTINGS, settings));
    TRY(set_json(m, NASH_META_SCORES, scores));
done:
    cJSON_Delete(scores);
    cJSON_Delete(settings);
    return status;
}

static void put_name(char *name, size_t size_bytes, const cJSON *own, int32_t k)
{
    if (cJSON_IsString(own))
        snprintf(name, size_bytes, "%s", own->valuestring);
    else
        snprintf(name, size_bytes, "%d", k);
    nash_hide_controls(name); /* a stranger's file may hold anything */
}

void nash_class_names(char *names, size_t size_bytes, const nash_model *m)
{
    int32_t classes = nash_graph_classes(nash_model_graph(m));
    const char *text = nash_model_meta(m, NASH_META_CLASSES);
    cJSON *own = text ? cJSON_Parse(text) : NULL;
    const cJSON *item = own ? own->child : NULL;
    for (int32_t k = 0; k < classes; k++) {
        put_name(names + (size_t)k * size_bytes, size_bytes, item, k);
        item = item ? item->next : NULL;
    }
    cJSON_Delete(own);
}
