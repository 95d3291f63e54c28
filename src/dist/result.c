/*
 * result.json: a candidate's outcome, and which job it answers. Written once,
 * atomically, after everything else the candidate leaves.
 */
#include "task.h"

#include "fields.h"
#include "paths.h"

#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 26, FORMAT = 1 };

static const ni_field outcome_fields[] = {
    {"images", NI_FIELD_INT64, offsetof(nash_outcome, images)},
    {"seconds", NI_FIELD_REAL, offsetof(nash_outcome, seconds)},
    {NULL},
};

static const ni_field score_fields[] = {
    {"loss", NI_FIELD_REAL, offsetof(nash_score, loss)},
    {"error", NI_FIELD_REAL, offsetof(nash_score, error)},
    {"balanced_error", NI_FIELD_REAL, offsetof(nash_score, balanced_error)},
    {"images", NI_FIELD_INT32, offsetof(nash_score, images)},
    {NULL},
};

static const ni_field epoch_fields[] = {
    {"epoch", NI_FIELD_INT32, offsetof(nash_epoch, epoch)},
    {"lr", NI_FIELD_REAL, offsetof(nash_epoch, lr)},
    {"train_loss", NI_FIELD_REAL, offsetof(nash_epoch, train_loss)},
    {"train_error", NI_FIELD_REAL, offsetof(nash_epoch, train_error)},
    {"val_loss", NI_FIELD_REAL, offsetof(nash_epoch, val_loss)},
    {"val_error", NI_FIELD_REAL, offsetof(nash_epoch, val_error)},
    {"val_balanced_error", NI_FIELD_REAL,
     offsetof(nash_epoch, val_balanced_error)},
    {"seconds", NI_FIELD_REAL, offsetof(nash_epoch, seconds)},
    {NULL},
};

static nash_status fill_epochs(cJSON *list, const nash_outcome *outcome)
{
    nash_status status = NASH_OK;
    for (int32_t i = 0; i < outcome->n_epochs; i++) {
        cJSON *item = cJSON_CreateObject();
        REQUIRE(cJSON_AddItemToArray(list, item), NASH_ENOMEM,
                "out of memory while writing JSON");
        TRY(ni_fields_write(item, epoch_fields, &outcome->epochs[i]));
    }
done:
    return status;
}

static nash_status fill(cJSON *root, uint64_t hash, const char *engine,
                        const nash_outcome *outcome)
{
    nash_status status = NASH_OK;
    char job[24];
    snprintf(job, sizeof job, "%016" PRIx64, hash);
    cJSON *val = cJSON_AddObjectToObject(root, "val");
    cJSON *epochs = cJSON_AddArrayToObject(root, "epochs");
    REQUIRE(cJSON_AddNumberToObject(root, "format", FORMAT) &&
                cJSON_AddStringToObject(root, "job", job) &&
                cJSON_AddStringToObject(root, "engine", engine) &&
                cJSON_AddStringToObject(root, "status",
                                        nash_status_name(outcome->status)) &&
                cJSON_AddStringToObject(root, "message", outcome->message) &&
                val && epochs,
            NASH_ENOMEM, "out of memory while writing JSON");
    TRY(ni_fields_write(root, outcome_fields, outcome));
    TRY(ni_fields_write(val, score_fields, &outcome->val));
    TRY(fill_epochs(epochs, outcome));
done:
    return status;
}

nash_status ni_result_write(const char *dir, uint64_t hash, int32_t stop_epoch,
                            const char *engine, const nash_outcome *outcome)
{
    nash_status status = NASH_OK;
    char *text = NULL, *path = NULL, name[32];
    cJSON *root = cJSON_CreateObject();
    REQUIRE(root, NASH_ENOMEM, "out of memory while writing JSON");
    TRY(fill(root, hash, engine, outcome));
    NEW_FROM(text, ni_json_print(root, true));
    ni_result_name(name, stop_epoch);
    NEW_FROM(path, ni_path_join(dir, name));
    TRY(ni_file_write_atomic(path, text, strlen(text)));
done:
    ni_free(path);
    ni_free(text);
    cJSON_Delete(root);
    return status;
}

static nash_status parse_epochs(nash_outcome *outcome, const cJSON *list)
{
    nash_status status = NASH_OK;
    for (const cJSON *item = list ? list->child : NULL; item;
         item = item->next) {
        nash_epoch epoch = {0};
        TRY(ni_fields_read(&epoch, epoch_fields, item));
        TRY(nash_outcome_add_epoch(outcome, &epoch));
    }
done:
    return status;
}

static nash_status parse(nash_outcome *outcome, char **engine,
                         const cJSON *root)
{
    nash_status status = NASH_OK;
    const char *text;
    TRY(ni_json_string(&text, root, "status"));
    TRY(ni_status_parse(&outcome->status, text));
    TRY(ni_json_string(&text, root, "message"));
    snprintf(outcome->message, sizeof outcome->message, "%s", text);
    TRY(ni_fields_read(outcome, outcome_fields, root));
    TRY(ni_fields_read(&outcome->val, score_fields,
                       cJSON_GetObjectItemCaseSensitive(root, "val")));
    TRY(parse_epochs(outcome,
                     cJSON_GetObjectItemCaseSensitive(root, "epochs")));
    TRY(ni_json_string(&text, root, "engine"));
    NEW_FROM(*engine, ni_strdup(text));
done:
    return status;
}

/* Whether a result answers the job. */
static nash_status check_job(const cJSON *root, uint64_t hash, const char *path)
{
    nash_status status = NASH_OK;
    const char *job;
    int64_t format;
    TRY(ni_json_int(&format, root, "format"));
    REQUIRE(format == FORMAT, NASH_EFORMAT,
            "%s has format %lld, this nash knows format %d", path,
            (long long)format, FORMAT);
    TRY(ni_json_string(&job, root, "job"));
    REQUIRE(strtoull(job, NULL, 16) == hash, NASH_ENOTFOUND,
            "%s is the result of another job", path);
done:
    return status;
}

nash_status ni_result_read(nash_outcome *outcome, char **engine,
                           const char *dir, uint64_t hash, int32_t stop_epoch)
{
    nash_status status = NASH_OK;
    char *path = NULL, *text = NULL, name[32];
    cJSON *root = NULL;
    size_t size_bytes;
    *outcome = (nash_outcome){0};
    *engine = NULL;
    ni_result_name(name, stop_epoch);
    NEW_FROM(path, ni_path_join(dir, name));
    TRY(ni_file_read(&text, &size_bytes, path, MOST_BYTES));
    TRY(ni_json_parse(&root, text, size_bytes, path));
    TRY(check_job(root, hash, path));
    TRY(parse(outcome, engine, root));
done:
    if (status != NASH_OK)
        nash_outcome_deinit(outcome);
    cJSON_Delete(root);
    ni_free(text);
    ni_free(path);
    return status;
}
