/*
 * libFuzzer: states of trainings, that is, safetensors files. The bytes are
 * taken as they are, and again with a checksum that is right, since no mutation
 * would ever get past it. Loading must end with a state or find none, leave
 * nothing half taken over, and leak nothing. "fuzz_state" writes a sound state
 * to the file that FUZZ_STATE_SEED names.
 */
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "train/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

enum { EPOCHS = 3, STEPS = 5, IMAGES = 9, LENGTH_BYTES = 8, DIGITS = 16 };

static char path[64];
static nash_epoch rows[EPOCHS];
static ni_progress progress = {.epoch = 1, .step = 2, .rows = rows};
static ni_checkpoint state = {.path = path,
                              .progress = &progress,
                              .images = IMAGES,
                              .epochs = EPOCHS,
                              .stop_epoch = EPOCHS,
                              .per_epoch = STEPS};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void clean_up(void)
{
    char old[72];
    snprintf(old, sizeof old, "%s.old", path);
    unlink(path);
    unlink(old);
    ni_focus_free(state.focus);
    ni_sgd_free(state.sgd);
    nash_model_free(state.model);
}

static void set_up(void)
{
    nash_net_opts net = nash_net_opts_default();
    nash_train_opts train = nash_train_opts_default();
    static int32_t labels[IMAGES], index[IMAGES];
    const nash_images images = {.n = IMAGES, .classes = 2, .labels = labels};
    const char *seed = getenv("FUZZ_STATE_SEED");
    net.input = (nash_shape){1, 8, 8};
    net.classes = 2;
    for (int i = 0; i < 3; i++)
        net.widths[i] = 1;
    require(nash_net_start(&state.model, &net) == NASH_OK &&
            ni_sgd_create(&state.sgd, state.model, &train) == NASH_OK &&
            ni_focus_create(&state.focus, &images, index, IMAGES, 0.5) ==
                NASH_OK);
    if (seed) {
        state.path = seed;
        require(ni_checkpoint_save(&state) == NASH_OK);
        state.path = path;
    }
    snprintf(path, sizeof path, "/dev/shm/nash-fuzz-state-%d", (int)getpid());
    atexit(clean_up);
}

static void load(const char *bytes, size_t size_bytes)
{
    bool found;
    int64_t blocks = ni_memory_live_blocks();
    uint64_t hash = nash_model_hash(state.model);
    require(ni_file_write_atomic(path, bytes, size_bytes) == NASH_OK);
    require(ni_checkpoint_load(&found, &state) == NASH_OK);
    require(found || nash_model_hash(state.model) == hash);
    require(progress.epoch >= 0 && progress.epoch <= EPOCHS &&
            progress.step >= 0 && progress.step <= STEPS);
    for (int32_t i = 0; i < progress.epoch; i++)
        require(rows[i].epoch == i);
    for (int32_t i = 0; state.focus && i < IMAGES; i++)
        require(ni_focus_order(state.focus)[i] >= 0 &&
                ni_focus_order(state.focus)[i] < IMAGES);
    require(ni_memory_live_blocks() == blocks);
}

/* As a training with a focus and as one without. */
static void load_both(const char *bytes, size_t size_bytes)
{
    ni_focus *focus = state.focus;
    load(bytes, size_bytes);
    state.focus = NULL;
    load(bytes, size_bytes);
    state.focus = focus;
}

/* ---- the checksum ------------------------------------------------------- */

/* Over the header and the tensors that it tells of. */
static uint64_t sum_of(const cJSON *root, const char *header, size_t length,
                       const char *data, size_t data_bytes)
{
    uint64_t hash = ni_hash(header, length, 0);
    size_t at = 0;
    for (const cJSON *o = root->child; o; o = o->next) {
        const cJSON *offsets =
            cJSON_GetObjectItemCaseSensitive(o, "data_offsets");
        double end = cJSON_GetNumberValue(cJSON_GetArrayItem(offsets, 1));
        if (!(end >= (double)at && end <= (double)data_bytes))
            continue;
        hash = ni_hash(data + at, (size_t)end - at, hash);
        at = (size_t)end;
    }
    return hash;
}

/* @return whether the file has a place for one */
static bool correct(char *bytes, size_t size_bytes)
{
    static const char key[] = "\"checksum\":\"";
    uint64_t length = 0;
    char digits[DIGITS + 1], *header = NULL, *at = NULL;
    cJSON *root = NULL;
    for (size_t i = LENGTH_BYTES; i > 0 && size_bytes >= LENGTH_BYTES; i--)
        length = length << 8 | (uint8_t)bytes[i - 1];
    if (length > 0 && length <= size_bytes - LENGTH_BYTES)
        header = strndup(bytes + LENGTH_BYTES, length);
    if (header && strlen(header) == length)
        at = strstr(header, key);
    if (at && strlen(at) > strlen(key) + DIGITS &&
        ni_json_parse(&root, header, length, "header") == NASH_OK) {
        at += strlen(key);
        memset(at, '0', DIGITS);
        size_t data = LENGTH_BYTES + length;
        snprintf(digits, sizeof digits, "%016" PRIx64,
                 sum_of(root, header, length, bytes + data, size_bytes - data));
        memcpy(bytes + LENGTH_BYTES + (at - header), digits, DIGITS);
    }
    free(header);
    bool corrected = root != NULL;
    cJSON_Delete(root);
    return corrected;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    if (!state.model)
        set_up();
    char *copy = malloc(size_bytes + 1);
    require(copy != NULL);
    memcpy(copy, bytes, size_bytes);
    load_both(copy, size_bytes);
    if (correct(copy, size_bytes))
        load_both(copy, size_bytes);
    free(copy);
    return 0;
}
