/*
 * libFuzzer: the files of IDX and CIFAR data sets. The first byte says which
 * file of which sound data set is replaced by the others; opening must end
 * with images or with a sentence, and leak nothing.
 */
#include "base/memory.h"

#include <nash/dataset.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

enum { IMAGES = 6, RECORD_BYTES = 3073, SIDE = 2 };

/* By set, and the size of its sound content. */
static const struct {
    const char *name;
    size_t size_bytes;
} files[] = {
    {"idx/train-images-idx3-ubyte", 16 + IMAGES *SIDE *SIDE},
    {"idx/train-labels-idx1-ubyte", 8 + IMAGES},
    {"idx/classes.txt", 6},
    {"cifar/data_batch_1.bin", IMAGES *RECORD_BYTES},
    {"cifar/batches.meta.txt", 20},
};

enum { FILES = sizeof files / sizeof *files, FIRST_CIFAR = 3 };

static char dir[64];

static void write_file(int file, const void *bytes, size_t size_bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, files[file].name);
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, size_bytes, stream) != size_bytes ||
        fclose(stream) != 0)
        abort();
}

static void write_sound(int file)
{
    static uint8_t content[IMAGES * RECORD_BYTES];
    static const uint8_t idx_images[] = {0, 0, 8, 3,    0, 0, 0, IMAGES,
                                         0, 0, 0, SIDE, 0, 0, 0, SIDE};
    static const uint8_t idx_labels[] = {0,      0, 8, 1, 0, 0, 0,
                                         IMAGES, 0, 1, 2, 0, 1, 2};
    memset(content, 0, sizeof content);
    switch (file) {
    case 0:
        memcpy(content, idx_images, sizeof idx_images);
        break;
    case 1:
        memcpy(content, idx_labels, sizeof idx_labels);
        break;
    case 3:
        for (int i = 0; i < IMAGES; i++)
            content[i * RECORD_BYTES] = (uint8_t)i;
        break;
    default:
        for (size_t i = 0; i < files[file].size_bytes; i++)
            content[i] = i % 2 ? '\n' : (uint8_t)('a' + i / 2);
    }
    write_file(file, content, files[file].size_bytes);
}

static void clean_up(void)
{
    char path[128];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/idx", dir);
    rmdir(path);
    snprintf(path, sizeof path, "%s/cifar", dir);
    rmdir(path);
    rmdir(dir);
}

static void set_up(void)
{
    char path[128];
    strcpy(dir, "/dev/shm/nash-fuzz-XXXXXX");
    if (!mkdtemp(dir))
        abort();
    atexit(clean_up);
    snprintf(path, sizeof path, "%s/idx", dir);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/cifar", dir);
    mkdir(path, 0777);
    for (int i = 0; i < FILES; i++)
        write_sound(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    char path[128];
    nash_dataset *ds = NULL;
    nash_dataset_opts opts = nash_dataset_opts_default();
    int64_t blocks = ni_memory_live_blocks();
    if (!dir[0])
        set_up();
    if (size_bytes == 0)
        return 0;
    int file = bytes[0] % FILES;
    write_file(file, bytes + 1, size_bytes - 1);
    snprintf(path, sizeof path, "%s/%s", dir,
             file < FIRST_CIFAR ? "idx" : "cifar");
    opts.max_bytes = 1 << 20;
    if (nash_dataset_open(&ds, path, &opts) != NASH_OK &&
        nash_error_message()[0] == '\0')
        abort();
    nash_dataset_close(ds);
    write_sound(file);
    if (ni_memory_live_blocks() != blocks)
        abort();
    return 0;
}
