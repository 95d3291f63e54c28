/*
 * Our engines against PyTorch's numbers, made once by tests/golden_torch.py
 * and kept in tests/golden: logits in both modes, loss, every gradient, the
 * running statistics after a training step, and the losses of twenty.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "engine/ref/ref.h"
#include "train/sgd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK(call)                                                               \
    do {                                                                       \
        if ((call) != NASH_OK)                                                 \
            fail_msg("%s: %s", #call, nash_error_message());                   \
    } while (0)

typedef struct golden {
    const char *name;
    nash_model *m;
    const nash_graph *g;
    int32_t batch;
    int64_t n_logits;
    double *numbers; /* of the .bin file */
    int64_t n_numbers, used;
} golden;

/* ---- the recipe, as in golden_torch.py -------------------------------- */

static uint32_t mix(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

/* In -1 .. 1, a multiple of 2^-23. */
static double uniform(int32_t id, int32_t slot, int64_t i)
{
    uint32_t h = mix((uint32_t)i + 100003U * (uint32_t)id +
                     50021U * (uint32_t)slot + 1U);
    return (h >> 8) / 8388608.0 - 1;
}

static double value_of(const nash_tensor *t, int32_t id, int32_t slot,
                       int64_t i)
{
    double u = uniform(id, slot, i);
    switch (t->role) {
    case NASH_ROLE_WEIGHT:
        return u * sqrt(6.0 / (double)(t->count / t->dims[0]));
    case NASH_ROLE_BIAS:
        return 0.3 * u;
    case NASH_ROLE_SCALE:
        return 1 + 0.5 * u;
    case NASH_ROLE_GATE:
        return 0.6 + 0.5 * u;
    case NASH_ROLE_STATISTIC:
        return slot == NASH_SLOT_MEAN ? 0.5 * u : 1.25 + 0.75 * u;
    case NASH_ROLE_CONSTANT:
        return slot == NASH_SLOT_CENTER ? 120 + 10 * u : 60 + 20 * u;
    }
    return 0;
}

static void set_tensors(const golden *f)
{
    for (int32_t id = 0; id < nash_graph_size(f->g); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            nash_tensor *t = nash_model_tensor(f->m, id, slot);
            for (int64_t i = 0; t && i < t->count; i++)
                t->data[i] = (float)value_of(t, id, slot, i);
        }
    }
}

static int32_t label_of(const golden *f, int32_t n)
{
    uint32_t classes = (uint32_t)nash_graph_classes(f->g);
    return (int32_t)(mix((uint32_t)n + 800001U) % classes);
}

static void set_pixels(const golden *f, nash_plan *plan)
{
    nash_shape in = nash_graph_input_shape(f->g);
    int64_t count = (int64_t)f->batch * in.c * in.h * in.w;
    for (int64_t i = 0; i < count; i++)
        nash_plan_input(plan)[i] = (float)(mix((uint32_t)i + 900001U) >> 24);
}

/* ---- reading ---------------------------------------------------------- */

static nash_op op_of(const char *name)
{
    for (int op = 0; op < NASH_OP_COUNT; op++)
        if (strcmp(nash_op_name((nash_op)op), name) == 0)
            return (nash_op)op;
    fail_msg("%s is no operation", name);
    return NASH_OP_COUNT;
}

/* object[key], a list of numbers, where it is there. @return how many */
static int32_t get_list(int32_t *out, const cJSON *object, const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, key);
    int32_t n = 0;
    for (const cJSON *at = list ? list->child : NULL; at; at = at->next)
        out[n++] = at->valueint;
    return n;
}

static void get_number(int32_t *out, const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (item)
        *out = item->valueint;
}

static void get_float(float *out, const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (item)
        *out = (float)item->valuedouble;
}

static bool get_flag(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void append_node(nash_graph *g, const cJSON *object)
{
    nash_attrs a = nash_attrs_default();
    const char *op;
    int32_t inputs[NASH_MAX_INPUTS];
    OK(ni_json_string(&op, object, "op"));
    get_number(&a.out_channels, object, "out_channels");
    get_number(&a.groups, object, "groups");
    get_list(a.size, object, "size");
    get_list(a.kernel, object, "kernel");
    get_list(a.stride, object, "stride");
    get_list(a.dilation, object, "dilation");
    get_list(a.pads, object, "pads");
    get_float(&a.eps, object, "eps");
    get_float(&a.momentum, object, "momentum");
    get_float(&a.low, object, "low");
    get_float(&a.high, object, "high");
    a.bias = get_flag(object, "bias");
    a.ceil_mode = get_flag(object, "ceil_mode");
    a.count_include_pad = get_flag(object, "count_include_pad");
    int32_t n = get_list(inputs, object, "inputs");
    OK(nash_graph_append(NULL, g, op_of(op), &a, inputs, n));
}

static char *file_of(const char *name, const char *suffix, size_t *bytes)
{
    char *data, path[128];
    snprintf(path, sizeof path, "tests/golden/%s%s", name, suffix);
    OK(ni_file_read(&data, bytes, path, 1 << 20));
    return data;
}

static golden open_golden(const char *name)
{
    golden f = {.name = name};
    nash_graph *g;
    cJSON *tree;
    size_t bytes;
    char *text = file_of(name, ".json", &bytes);
    OK(ni_json_parse(&tree, text, bytes, name));
    OK(nash_graph_create(&g));
    get_number(&f.batch, tree, "batch");
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(tree, "nodes");
    for (const cJSON *at = nodes->child; at; at = at->next)
        append_node(g, at);
    cJSON_Delete(tree);
    ni_free(text);
    OK(nash_graph_check(g));
    OK(nash_model_create(&f.m, &g));
    f.g = nash_model_graph(f.m);
    f.n_logits = (int64_t)f.batch * nash_graph_classes(f.g);
    set_tensors(&f);
    f.numbers = (double *)(void *)file_of(name, ".bin", &bytes);
    f.n_numbers = (int64_t)(bytes / sizeof(double));
    return f;
}

static void close_golden(golden *f)
{
    assert_int_equal(f->used, f->n_numbers);
    ni_free(f->numbers);
    nash_model_free(f->m);
}

/* The next numbers of the .bin file. */
static const double *next(golden *f, int64_t count)
{
    const double *at = f->numbers + f->used;
    f->used += count;
    assert_true(f->used <= f->n_numbers);
    return at;
}

/* ---- comparison ------------------------------------------------------- */

static double at_double(const void *values, int64_t i)
{
    return ((const double *)values)[i];
}

static double at_float(const void *values, int64_t i)
{
    return (double)((const float *)values)[i];
}

typedef double (*element)(const void *values, int64_t i);

/* Largest difference, relative to the largest of the expected numbers; some
 * gradients vanish, and are compared to 0.01. */
static void compare(golden *f, const char *what, const void *got, element of,
                    int64_t count, double bound)
{
    const double *want = next(f, count);
    double off = 0, largest = 0.01;
    for (int64_t i = 0; i < count; i++) {
        off = fmax(off, fabs(of(got, i) - want[i]));
        largest = fmax(largest, fabs(want[i]));
    }
    if (!(off <= bound * largest))
        fail_msg("%s, %s: off by %g of %g, allowed %g", f->name, what, off,
                 largest, bound * largest);
}

static nash_plan *plan_of(const golden *f, nash_mode mode, nash_engine engine,
                          nash_precision precision)
{
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = engine;
    opts.mode = mode;
    opts.precision = precision;
    opts.batch = f->batch;
    nash_plan *plan;
    OK(nash_plan_create(&plan, f->m, &opts));
    set_pixels(f, plan);
    OK(nash_plan_forward(plan));
    return plan;
}

/* Mean cross-entropy, and its derivative by the logits. */
static double loss_of(const golden *f, const nash_plan *plan, float *d_logits)
{
    int32_t classes = nash_graph_classes(f->g);
    double loss = 0;
    for (int32_t n = 0; n < f->batch; n++) {
        const float *row = nash_plan_logits(plan) + (int64_t)n * classes;
        float *d = d_logits + (int64_t)n * classes;
        double sum = 0, right = (double)row[label_of(f, n)];
        for (int32_t k = 0; k < classes; k++)
            sum += exp((double)row[k] - right);
        loss += log(sum) / f->batch;
        nash_softmax(d, row, 1, classes);
        d[label_of(f, n)] -= 1;
        for (int32_t k = 0; k < classes; k++)
            d[k] /= (float)f->batch;
    }
    return loss;
}

static void compare_gradients(golden *f, const nash_plan *plan, bool exact,
                              double bound)
{
    for (int32_t id = 0; id < nash_graph_size(f->g); id++) {
        for (int32_t slot = 0; slot < NASH_SLOT_COUNT; slot++) {
            const nash_tensor *t = nash_model_tensor(f->m, id, slot);
            const void *got = nash_plan_gradient(plan, id, slot);
            char name[32], what[64];
            if (!got)
                continue;
            nash_node_name(name, sizeof name, f->g, id);
            snprintf(what, sizeof what, "gradient of %s, slot %d", name, slot);
            if (exact)
                got = ni_ref_gradient(plan, id, slot);
            compare(f, what, got, exact ? at_double : at_float, t->count,
                    bound);
        }
    }
}

static void compare_statistics(golden *f, double bound)
{
    for (int32_t id = 0; id < nash_graph_size(f->g); id++) {
        if (nash_graph_node(f->g, id)->op != NASH_OP_BATCH_NORM)
            continue;
        for (int32_t slot = NASH_SLOT_MEAN; slot <= NASH_SLOT_VAR; slot++) {
            const nash_tensor *t = nash_model_tensor(f->m, id, slot);
            compare(f, "running statistics", t->data, at_float, t->count,
                    bound);
        }
    }
}

static nash_train_opts training_of(const golden *f)
{
    nash_train_opts opts = nash_train_opts_default();
    opts.momentum = 0.9;
    opts.weight_decay = 5e-4;
    opts.nesterov = strcmp(f->name, "skips") == 0;
    return opts;
}

/* What a training from the beginning would tell. */
static void compare_losses(golden *f, nash_engine engine,
                           nash_precision precision, double bound)
{
    enum { STEPS = 20 };
    const nash_train_opts opts = training_of(f);
    double losses[STEPS];
    ni_sgd *sgd;
    set_tensors(f);
    OK(ni_sgd_create(&sgd, f->m, &opts));
    nash_plan *plan = plan_of(f, NASH_MODE_TRAIN, engine, precision);
    for (int i = 0; i < STEPS; i++) {
        losses[i] = loss_of(f, plan, nash_plan_d_logits(plan));
        OK(nash_plan_backward(plan));
        ni_sgd_step(sgd, plan, 0.02);
        OK(nash_plan_forward(plan));
    }
    assert_true(losses[STEPS - 1] < losses[0]);
    compare(f, "losses of 20 steps", losses, at_double, STEPS, bound);
    nash_plan_free(plan);
    ni_sgd_free(sgd);
}

static void check_engine(const char *name, nash_engine engine,
                         nash_precision precision, double bound)
{
    golden f = open_golden(name);
    bool exact = engine == NASH_ENGINE_REF;
    element of = exact ? at_double : at_float;
    nash_plan *plan = plan_of(&f, NASH_MODE_INFER, engine, precision);
    compare(&f, "logits in inference",
            exact ? (const void *)ni_ref_logits(plan) : nash_plan_logits(plan),
            of, f.n_logits, bound);
    nash_plan_free(plan);
    plan = plan_of(&f, NASH_MODE_TRAIN, engine, precision);
    compare(&f, "logits in training",
            exact ? (const void *)ni_ref_logits(plan) : nash_plan_logits(plan),
            of, f.n_logits, bound);
    double floats = exact ? 1e-6 : bound; /* what went through float32 */
    double loss = loss_of(&f, plan, nash_plan_d_logits(plan));
    compare(&f, "loss", &loss, at_double, 1, floats);
    compare(&f, "d_logits", nash_plan_d_logits(plan), at_float, f.n_logits,
            floats);
    for (int64_t i = 0; i < f.n_logits; i++) /* and now exactly PyTorch's */
        nash_plan_d_logits(plan)[i] = (float)f.numbers[f.used - f.n_logits + i];
    OK(nash_plan_backward(plan));
    compare_gradients(&f, plan, exact, bound);
    compare_statistics(&f, floats);
    nash_plan_free(plan);
    compare_losses(&f, engine, precision, exact ? 1e-5 : 1e-4);
    close_golden(&f);
}

static const char *const names[] = {"plain", "skips", "windows"};

static void ref_agrees_with_pytorch_to_1e_10(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        check_engine(names[i], NASH_ENGINE_REF, NASH_PRECISION_F32, 1e-10);
}

static void onednn_in_float_agrees_with_pytorch(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        check_engine(names[i], NASH_ENGINE_ONEDNN, NASH_PRECISION_F32, 2e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_agrees_with_pytorch_to_1e_10),
        cmocka_unit_test(onednn_in_float_agrees_with_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
