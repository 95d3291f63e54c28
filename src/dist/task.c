/*
 * job.json: all that decides what a training gives, and nothing else, so that
 * the hash of its text names the job. Small; read back without loss.
 */
#include "task.h"

#include "fields.h"
#include "paths.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <string.h>

enum { MOST_BYTES = 1 << 20, FORMAT = 5 };

#define ROW(type, member, kind)                                                \
    {                                                                          \
#member, NI_FIELD_##kind, offsetof(type, member), NULL                 \
    }
#define NAMED(type, member, names)                                             \
    {                                                                          \
#member, NI_FIELD_NAME, offsetof(type, member), names                  \
    }

static const ni_field task_fields[] = {
    ROW(ni_task, step, INT32),       ROW(ni_task, child, INT32),
    ROW(ni_task, on_all, BOOL),      ROW(ni_task, model_hash, UINT64),
    ROW(ni_task, data_hash, UINT64), ROW(ni_task, val_share, REAL),
    ROW(ni_task, most, INT32),       {NULL},
};

static const ni_field dataset_fields[] = {
    ROW(nash_dataset_opts, height, INT32),
    ROW(nash_dataset_opts, width, INT32),
    ROW(nash_dataset_opts, channels, INT32),
    ROW(nash_dataset_opts, holdout, REAL),
    ROW(nash_dataset_opts, seed, UINT64),
    ROW(nash_dataset_opts, max_side, INT32),
    ROW(nash_dataset_opts, max_bytes, INT64),
    ROW(nash_dataset_opts, max_skipped, REAL),
    {NULL},
};

static const ni_field train_fields[] = {
    ROW(nash_train_opts, epochs, INT32),
    ROW(nash_train_opts, stop_epoch, INT32),
    ROW(nash_train_opts, batch, INT32),
    NAMED(nash_train_opts, schedule, nash_schedule_names),
    ROW(nash_train_opts, lr_start, REAL),
    ROW(nash_train_opts, lr_end, REAL),
    ROW(nash_train_opts, cycle, INT32),
    ROW(nash_train_opts, cycle_growth, INT32),
    ROW(nash_train_opts, warmup, REAL),
    ROW(nash_train_opts, momentum, REAL),
    ROW(nash_train_opts, nesterov, BOOL),
    ROW(nash_train_opts, weight_decay, REAL),
    ROW(nash_train_opts, decay_all, BOOL),
    ROW(nash_train_opts, label_smoothing, REAL),
    ROW(nash_train_opts, bias_rate, REAL),
    ROW(nash_train_opts, gate_rate, REAL),
    ROW(nash_train_opts, clip_norm, REAL),
    ROW(nash_train_opts, muon, REAL),
    ROW(nash_train_opts, lookahead, INT32),
    ROW(nash_train_opts, focus, REAL),
    ROW(nash_train_opts, augment.pad, INT32),
    ROW(nash_train_opts, augment.flip, BOOL),
    ROW(nash_train_opts, augment.alternate, BOOL),
    ROW(nash_train_opts, augment.cutout, INT32),
    ROW(nash_train_opts, seed, UINT64),
    ROW(nash_train_opts, step, UINT32),
    NAMED(nash_train_opts, engine, nash_engine_names),
    NAMED(nash_train_opts, precision, nash_precision_names),
    ROW(nash_train_opts, threads, INT32),
    ROW(nash_train_opts, max_bytes, SIZE),
    ROW(nash_train_opts, snapshots, INT32),
    {NULL},
};

static nash_status fill(cJSON *root, const ni_task *task)
{
    nash_status status = NASH_OK;
    cJSON *dataset = cJSON_AddObjectToObject(root, "dataset");
    cJSON *train = cJSON_AddObjectToObject(root, "train");
    REQUIRE(cJSON_AddNumberToObject(root, "format", FORMAT) &&
                cJSON_AddStringToObject(root, "data", task->data_dir) &&
                dataset && train,
            NASH_ENOMEM, "out of memory while writing JSON");
    TRY(ni_fields_write(root, task_fields, task));
    TRY(ni_fields_write(dataset, dataset_fields, &task->dataset));
    TRY(ni_fields_write(train, train_fields, &task->train));
done:
    return status;
}

nash_status ni_task_write(char **text, uint64_t *hash, const ni_task *task)
{
    nash_status status = NASH_OK;
    cJSON *root = cJSON_CreateObject();
    REQUIRE(root, NASH_ENOMEM, "out of memory while writing JSON");
    TRY(fill(root, task));
    NEW_FROM(*text, ni_json_print(root, true));
    *hash = ni_hash(*text, strlen(*text), 0);
done:
    cJSON_Delete(root);
    return status;
}

nash_status ni_task_family(uint64_t *hash, const ni_task *task)
{
    char *text = NULL;
    ni_task whole = *task;
    whole.train.stop_epoch = 0;
    nash_status status = ni_task_write(&text, hash, &whole);
    ni_free(text);
    return status;
}

static nash_status parse(ni_task *task, const cJSON *root)
{
    nash_status status = NASH_OK;
    int64_t format;
    const char *data;
    TRY(ni_json_int(&format, root, "format"));
    REQUIRE(format == FORMAT, NASH_EFORMAT,
            "the job has format %lld, this nash knows format %d",
            (long long)format, FORMAT);
    TRY(ni_fields_read(task, task_fields, root));
    TRY(ni_fields_read(&task->dataset, dataset_fields,
                       cJSON_GetObjectItemCaseSensitive(root, "dataset")));
    TRY(ni_fields_read(&task->train, train_fields,
                       cJSON_GetObjectItemCaseSensitive(root, "train")));
    TRY(ni_json_string(&data, root, "data"));
    NEW_FROM(task->data_dir, ni_strdup(data));
done:
    return status;
}

nash_status ni_task_read(ni_task *task, uint64_t *hash, const char *dir)
{
    nash_status status = NASH_OK;
    char *path = NULL, *text = NULL;
    cJSON *root = NULL;
    size_t size_bytes;
    *task = (ni_task){0};
    NEW_FROM(path, ni_path_join(dir, NI_FILE_JOB));
    REQUIRE(ni_is_file(path), NASH_ENOTFOUND,
            "%s holds no " NI_FILE_JOB ", so it is not a candidate's directory",
            dir);
    TRY(ni_file_read(&text, &size_bytes, path, MOST_BYTES));
    TRY(ni_json_parse(&root, text, size_bytes, path));
    status = parse(task, root);
    if (status == NASH_EFORMAT)
        ni_fail(status, "%s: %s", path, nash_error_message());
    *hash = ni_hash(text, size_bytes, 0);
done:
    cJSON_Delete(root);
    ni_free(text);
    ni_free(path);
    return status;
}

void ni_task_deinit(ni_task *task)
{
    ni_free(task->data_dir);
    *task = (ni_task){0};
}
