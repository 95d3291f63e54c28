/* Tiny data, small jobs, and candidates that behave or not. */
#include "process_fixture.h"

#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char self[256], work[64], data[96], run_dir[96];

static void big_endian(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(value >> shift & 0xff), file);
}

static void write_images(const char *name, uint32_t n)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", data, name);
    FILE *file = fopen(path, "wb");
    big_endian(file, 0x803);
    big_endian(file, n);
    big_endian(file, SIDE);
    big_endian(file, SIDE);
    for (uint32_t i = 0; i < n * SIDE * SIDE; i++)
        fputc((int)((i * 2654435761u >> 24) / 2 +
                    60 * (i / (SIDE * SIDE) % N_CLASSES)) &
                  0xff,
              file);
    fclose(file);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", data, name);
    file = fopen(path, "wb");
    big_endian(file, 0x801);
    big_endian(file, n);
    for (uint32_t i = 0; i < n; i++)
        fputc((int)(i % N_CLASSES), file);
    fclose(file);
}

int make_work(void **state)
{
    (void)state;
    strcpy(work, "/tmp/nash-dist-XXXXXX");
    if (!mkdtemp(work))
        return -1;
    snprintf(data, sizeof data, "%s/data", work);
    snprintf(run_dir, sizeof run_dir, "%s/a run's", work);
    mkdir(data, 0777);
    mkdir(run_dir, 0777);
    write_images("train", N_TRAIN);
    write_images("t10k", N_TEST);
    return 0;
}

int remove_work(void **state)
{
    (void)state;
    char command[96];
    unsetenv("NASH_TEST_MISDEED");
    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

nash_model *small_model(void)
{
    nash_net_opts net = nash_net_opts_default();
    nash_model *m = NULL;
    net.input = (nash_shape){1, SIDE, SIDE};
    net.classes = N_CLASSES;
    net.mean[0] = 100;
    net.std[0] = 50;
    net.widths[0] = net.widths[1] = net.widths[2] = 4;
    assert_int_equal(nash_net_start(&m, &net), NASH_OK);
    nash_model_init(m, 5);
    return m;
}

nash_job a_job(const nash_model *m, int32_t child)
{
    nash_job job = {.step = 1,
                    .child = child,
                    .kind = NASH_CANDIDATE_CHILD,
                    .model = m,
                    .train = nash_train_opts_default()};
    job.train.epochs = 2;
    job.train.batch = 16;
    job.train.precision = NASH_PRECISION_F32;
    job.train.seed = UINT64_MAX;
    job.train.lr_start = 0.01 * (child + 1);
    return job;
}

nash_process_opts some_opts(void)
{
    nash_process_opts opts = {.program = self,
                              .run_dir = run_dir,
                              .data_dir = data,
                              .dataset = nash_dataset_opts_default(),
                              .val_share = 0.2,
                              .jobs = 2};
    return opts;
}

/* Evaluate jobs on a fresh evaluator. */
nash_status evaluate(const nash_process_opts *opts, const nash_job *jobs,
                     int32_t n, nash_outcome *outcomes)
{
    nash_evaluator e;
    assert_int_equal(nash_process_evaluator_open(&e, opts), NASH_OK);
    nash_status status = e.evaluate(e.ctx, jobs, n, outcomes);
    nash_process_evaluator_close(&e);
    return status;
}

void deinit_all(nash_outcome *outcomes, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        nash_outcome_deinit(&outcomes[i]);
}

uint64_t trained_hash(int32_t child, int32_t snapshot)
{
    nash_model *m = NULL;
    assert_int_equal(nash_candidate_model(&m, run_dir, 1, child, snapshot),
                     NASH_OK);
    uint64_t hash = nash_model_hash(m);
    nash_model_free(m);
    return hash;
}

void path_of(char path[200], int32_t child, const char *file)
{
    snprintf(path, 200, "%s/candidates/0001-%02d/%s", run_dir, child, file);
}

/* Die when there is a state that is not the one before. */
static void *watch_state(void *ctx)
{
    const char *path = ctx;
    struct stat before = {0}, now;
    stat(path, &before);
    while (stat(path, &now) != 0 || now.st_ino == before.st_ino)
        usleep(500);
    raise(SIGKILL);
    return NULL;
}

static void fall(const char *directory)
{
    static char path[300];
    char count[300];
    pthread_t thread;
    struct stat info;
    snprintf(count, sizeof count, "%s/falls", directory);
    FILE *file = fopen(count, "a"); /* a byte for each */
    fputc('.', file);
    fclose(file);
    if (stat(count, &info) != 0 || info.st_size > FALLS)
        return;
    snprintf(path, sizeof path, "%s/state.safetensors", directory);
    pthread_create(&thread, NULL, watch_state, path);
}

/* Misdeed "WHAT:CHILD", done by that child instead of training. */
static void misbehave(const char *directory)
{
    const char *misdeed = getenv("NASH_TEST_MISDEED");
    const char *child = misdeed ? strchr(misdeed, ':') : NULL;
    size_t length = strlen(directory);
    if (!child || atoi(directory + length - 2) != atoi(child + 1))
        return;
    if (strncmp(misdeed, "die", 3) == 0)
        raise(SIGKILL);
    if (strncmp(misdeed, "fall", 4) == 0)
        fall(directory);
    if (strncmp(misdeed, "unable", 6) == 0) {
        fputs("nash: the disk is full\n", stderr);
        exit(nash_candidate_exit(NASH_EIO));
    }
    if (strncmp(misdeed, "poor", 4) == 0) {
        fputs("nash: out of memory\n", stderr);
        exit(nash_candidate_exit(NASH_ENOMEM));
    }
    if (strncmp(misdeed, "lost", 4) == 0) {
        fputs("client_loop: send disconnect: Broken pipe\n", stderr);
        exit(255);
    }
    if (strncmp(misdeed, "busy", 4) == 0) {
        fputs("nash: another process has the lock\n", stderr);
        exit(nash_candidate_exit(NASH_EBUSY));
    }
    if (strncmp(misdeed, "exit", 4) == 0) {
        fputs("first line\nnash: it is too hot\n", stderr);
        exit(3);
    }
    if (strncmp(misdeed, "garbage", 7) == 0) {
        char path[300];
        snprintf(path, sizeof path, "%s/result.json", directory);
        ni_file_write_atomic(path, "{]", 2);
        exit(0);
    }
    if (strncmp(misdeed, "hang", 4) == 0) {
        printf("progress 0.25 100\n");
        fflush(stdout);
        for (;;)
            pause();
    }
}

/* "PROGRAM candidate --checkpoint-every SECONDS [--until TIME --epochs-after
 * EPOCHS] [--encoded] DIR" */
static int be_candidate(int argc, char **argv)
{
    char *directory = argv[argc - 1];
    double checkpoint = strtod(argv[3], NULL);
    bool timed = strcmp(argv[4], "--until") == 0;
    double until = timed ? strtod(argv[5], NULL) : 0.0;
    if (strcmp(argv[argc - 2], "--encoded") == 0 &&
        nash_candidate_decode(directory) != NASH_OK)
        return 1;
    misbehave(directory);
    nash_status status =
        nash_candidate_run(directory, 1, 0, checkpoint, until, 0.0);
    if (status != NASH_OK)
        fprintf(stderr, "nash: %s\n", nash_error_message());
    return nash_candidate_exit(status);
}

void be_candidate_if_asked(int argc, char **argv)
{
    if (argc > 4 && strcmp(argv[1], "candidate") == 0)
        exit(be_candidate(argc, argv));
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        exit(1);
}

void write_launcher(char path[128], const char *name, const char *commands)
{
    snprintf(path, 128, "%s/%s", work, name);
    FILE *script = fopen(path, "w");
    assert_non_null(script);
    fprintf(script, "#!/bin/sh\n%s\n", commands);
    assert_int_equal(fclose(script), 0);
    assert_int_equal(chmod(path, 0777), 0);
}
