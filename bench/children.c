/*
 * What a search does besides training steps, for bench/children.py:
 *
 *     children morphs               surgery on a network of 20 M parameters
 *     children made N DATA RUN NASH N children of a starting network, made as
 *                                   "nash search" does, until each trains
 *     children train NET BATCH THREADS DATA   memory of a training
 *     children step NET BATCH       memory of a training step, on one thread
 *
 * prints JSON; times are seconds, memory is MiB. RUN is an empty directory,
 * NASH the program, both absolute paths, as DATA then is. Ends with 1 and a
 * sentence if anything fails.
 */
#include <nash/nash.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DRAWS = 5, PROBE_IMAGES = 1024, EPOCHS = 3 };

static const nash_shape image = {3, 32, 32};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(nash_status status)
{
    if (status == NASH_OK)
        return;
    fprintf(stderr, "children: %s\n", nash_error_message());
    exit(1);
}

static void *allocate(size_t n, size_t bytes)
{
    void *p = calloc(n, bytes);
    if (!p) {
        fprintf(stderr, "children: out of memory\n");
        exit(1);
    }
    return p;
}

/* ---- a probe that is timed ---------------------------------------------- */

typedef struct timed {
    nash_probe real;
    double seconds;
} timed;

static nash_status moments(void *ctx, const nash_model *m, int32_t id,
                           double *mean, double *var)
{
    timed *t = ctx;
    double began = now();
    nash_status status = t->real.moments(t->real.ctx, m, id, mean, var);
    t->seconds += now() - began;
    return status;
}

/* Over made-up images: what they show does not change what it takes. */
static nash_probe open_probe(timed *t, int32_t images, nash_shape shape)
{
    const size_t values = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    float *pixels = allocate((size_t)images * values, sizeof *pixels);
    for (size_t i = 0; i < (size_t)images * values; i++)
        pixels[i] = (float)(i * 2654435761U % 256U);
    nash_plan_opts plan = nash_plan_opts_default();
    plan.precision = NASH_PRECISION_F32;
    if (plan.batch > images)
        plan.batch = images;
    check(nash_probe_open(&t->real, pixels, images, shape, &plan));
    free(pixels);
    return (nash_probe){.ctx = t, .moments = moments, .images = images};
}

/* ---- surgery ------------------------------------------------------------ */

/* Copy the parent and apply one drawn morphism. @return seconds, below 0 if
 * the draw was refused */
static double operate(const nash_model *parent, nash_morph_kind kind,
                      uint32_t key, timed *t, const nash_probe *probe)
{
    nash_morph morph;
    nash_model *child;
    if (nash_morph_draw(&morph, kind, parent, 1, 0, key) != NASH_OK)
        return -1.0;
    t->seconds = 0.0;
    double began = now();
    check(nash_model_dup(&child, parent));
    nash_status status = nash_morph_apply(child, &morph, probe);
    double seconds = now() - began - t->seconds;
    nash_model_free(child);
    if (status != NASH_EREFUSED)
        check(status);
    return status == NASH_OK ? seconds : -1.0;
}

static void time_morphs(void)
{
    static const int32_t widths[NASH_MAX_STAGES] = {256, 512, 1024, 1536};
    nash_net_opts net = nash_net_opts_default();
    nash_model *parent;
    timed t;
    const nash_probe probe = open_probe(&t, 2, image);
    memcpy(net.widths, widths, sizeof widths);
    check(nash_net_start(&parent, &net));
    printf("{\"parameters\": %lld",
           (long long)nash_graph_params(nash_model_graph(parent)));
    for (int kind = 0; kind < NASH_MORPH_COUNT; kind++) {
        printf(", \"%s\": [", nash_morph_name((nash_morph_kind)kind));
        int done = 0;
        for (uint32_t key = 0; key < 1000 && done < DRAWS; key++) {
            double s = operate(parent, (nash_morph_kind)kind, key, &t, &probe);
            if (s >= 0.0)
                printf("%s%.6f", done++ ? ", " : "", s);
        }
        printf("]");
    }
    printf("}\n");
    nash_model_free(parent);
    nash_probe_close(&t.real);
}

/* ---- children until they train ------------------------------------------ */

typedef struct starting {
    volatile int stop;
    double images;          /* of the whole training */
    double began, training; /* on the clock; seconds of all of it */
} starting;

/* The first line tells how long training has gone on: share / rate. */
static void on_progress(void *ctx, const nash_job *job, double share,
                        double images_per_second)
{
    starting *s = ctx;
    (void)job;
    if (s->stop)
        return;
    s->training = s->images / images_per_second;
    s->began = now() - share * s->training;
    s->stop = 1;
}

/* First if all of it takes less than a second. */
static nash_status on_epoch(void *ctx, const nash_job *job,
                            const nash_epoch *epoch)
{
    starting *s = ctx;
    (void)job;
    if (!s->stop) {
        s->training = epoch->seconds * EPOCHS;
        s->began = now() - epoch->seconds;
        s->stop = 1;
    }
    return NASH_OK;
}

static void make_child(const nash_model *parent, int32_t k, timed *t,
                       const nash_probe *probe, starting *s,
                       const nash_evaluator *evaluator)
{
    nash_model *child;
    nash_outcome outcome = {0};
    nash_morph_opts morph = nash_morph_opts_default();
    nash_job job = {.step = 1, .child = k, .kind = NASH_CANDIDATE_CHILD};
    morph.child = (uint32_t)k;
    morph.n = 3;
    morph.skip_share = 0.1;
    morph.max_kernel = 3;
    morph.max_share = 0.45;
    morph.norm_skips = true;
    t->seconds = 0.0;
    double asked = now();
    check(nash_model_dup(&child, parent));
    check(nash_morph_random(child, &morph, probe, NULL, NULL, NULL));
    double made = now();
    job.model = child;
    job.train = nash_train_opts_default();
    job.train.epochs = EPOCHS;
    s->stop = 0;
    nash_status status = evaluator->evaluate(evaluator->ctx, &job, 1, &outcome);
    if (status != NASH_ESTOP)
        check(status);
    if (!s->stop) {
        fprintf(stderr, "children: a child did not train: %s\n",
                outcome.message);
        exit(1);
    }
    printf("%s{\"surgery\": %.4f, \"statistics\": %.4f, \"start\": %.4f, "
           "\"training\": %.3f}",
           k ? ", " : "", made - asked - t->seconds, t->seconds,
           s->began - made, s->training);
    nash_outcome_deinit(&outcome);
    nash_model_free(child);
}

static void make_children(int32_t n, const char *data, const char *run,
                          const char *program)
{
    nash_dataset *ds;
    const nash_images *images;
    nash_model *parent;
    timed t;
    starting s = {0};
    nash_evaluator evaluator;
    static const int32_t widths[NASH_MAX_STAGES] = {48, 96, 192, 256};
    nash_net_opts net = nash_net_opts_default();
    nash_dataset_opts as_it_is = nash_dataset_opts_default();
    check(nash_dataset_open(&ds, data, &as_it_is));
    check(nash_dataset_images(&images, ds, NASH_PART_TRAIN));
    memcpy(net.widths, widths, sizeof widths);
    net.whiten = net.identity = true;
    check(nash_net_for_data(&parent, "start", ds, &net));
    const nash_probe probe = open_probe(&t, PROBE_IMAGES, images->shape);
    const nash_process_opts opts = {.program = program,
                                    .run_dir = run,
                                    .data_dir = data,
                                    .dataset = as_it_is,
                                    .val_share = 0.2,
                                    .jobs = 1,
                                    .stop = &s.stop,
                                    .ctx = &s,
                                    .progress = on_progress,
                                    .epoch = on_epoch};
    s.images = EPOCHS * (1.0 - opts.val_share) * images->n;
    check(nash_process_evaluator_open(&evaluator, &opts));
    printf("[");
    for (int32_t k = 0; k < n; k++)
        make_child(parent, k, &t, &probe, &s, &evaluator);
    printf("]\n");
    nash_process_evaluator_close(&evaluator);
    nash_probe_close(&t.real);
    nash_model_free(parent);
    nash_dataset_close(ds);
}

/* ---- memory ------------------------------------------------------------- */

/* "VmRSS:" or "VmHWM:", in MiB. */
static double resident(const char *name)
{
    char line[256];
    double kib = 0.0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    if (f)
        fclose(f);
    return kib / 1024.0;
}

/* Let VmHWM begin anew. @return MiB resident now */
static double forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
    return resident("VmRSS:");
}

static void print_memory(double before, size_t predicted, size_t held)
{
    printf("{\"before\": %.1f, \"predicted\": %.1f, \"held\": %.1f, "
           "\"peak\": %.1f}\n",
           before, (double)predicted / 0x1p20, (double)held / 0x1p20,
           resident("VmHWM:"));
}

static void measure_training(const char *name, int32_t batch, int32_t threads,
                             const char *data)
{
    nash_dataset *ds;
    const nash_images *images;
    nash_model *m;
    size_t bytes;
    nash_dataset_opts as_it_is = nash_dataset_opts_default();
    nash_train_opts opts = nash_train_opts_default();
    opts.epochs = 1;
    opts.batch = batch;
    opts.threads = threads;
    check(nash_dataset_open(&ds, data, &as_it_is));
    check(nash_dataset_images(&images, ds, NASH_PART_TRAIN));
    check(nash_net_for_data(&m, name, ds, NULL));
    int32_t *index = allocate((size_t)images->n, sizeof *index);
    for (int32_t i = 0; i < images->n; i++)
        index[i] = i;
    int32_t n = 3 * batch + batch / 2; /* a smaller last batch, too */
    n = n < images->n / 2 ? n : images->n / 2;
    check(nash_train_bytes(&bytes, nash_model_graph(m), &opts, n));
    double before = forget_peak();
    check(nash_train(m, images, index, n, index + n, n, &opts, NULL));
    print_memory(before, bytes, bytes);
    free(index);
    nash_model_free(m);
    nash_dataset_close(ds);
}

static void measure_step(const char *name, int32_t batch)
{
    nash_model *m;
    nash_speed speed;
    size_t bytes;
    nash_net_opts net = nash_net_opts_default();
    nash_train_opts opts = nash_train_opts_default();
    nash_plan_opts plan = nash_plan_opts_default();
    opts.batch = plan.batch = batch;
    plan.mode = NASH_MODE_TRAIN;
    check(strcmp(name, "vgg") == 0       ? nash_net_vgg(&m, &net)
          : strcmp(name, "resnet9") == 0 ? nash_net_resnet9(&m, &net)
                                         : nash_net_start(&m, &net));
    check(nash_plan_estimate(&bytes, nash_model_graph(m), &plan));
    double before = forget_peak();
    check(nash_train_speed(&speed, NULL, m, &opts, 0.0, NULL));
    print_memory(before, bytes, speed.bytes);
    nash_model_free(m);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "morphs") == 0 && argc == 2) {
        time_morphs();
    } else if (strcmp(verb, "made") == 0 && argc == 6) {
        make_children(atoi(argv[2]), argv[3], argv[4], argv[5]);
    } else if (strcmp(verb, "train") == 0 && argc == 6) {
        measure_training(argv[2], atoi(argv[3]), atoi(argv[4]), argv[5]);
    } else if (strcmp(verb, "step") == 0 && argc == 4) {
        measure_step(argv[2], atoi(argv[3]));
    } else {
        fprintf(stderr, "usage: children morphs | made N DATA RUN NASH | "
                        "train NET BATCH THREADS DATA | step NET BATCH\n");
        return 2;
    }
    return 0;
}
