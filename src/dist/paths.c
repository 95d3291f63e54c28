/* Where things are in a run's directory; making room in it. */
#include <nash/dist.h>
#include <nash/onnx.h>

#include "paths.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *ni_candidate_path(const char *run_dir, int32_t step, int32_t child,
                        const char *file)
{
    return ni_format("%s/candidates/%04d-%02d%s%s", run_dir, step, child,
                     file ? "/" : "", file ? file : "");
}

char *ni_snapshot_path(const char *dir, int32_t snapshot)
{
    return ni_format("%s/snapshot-%d.onnx", dir, snapshot);
}

void ni_result_name(char name[32], int32_t stop_epoch)
{
    if (stop_epoch > 0)
        snprintf(name, 32, "result-%d.json", stop_epoch);
    else
        snprintf(name, 32, "result.json");
}

nash_status nash_candidate_model(nash_model **out, const char *run_dir,
                                 int32_t step, int32_t child, int32_t snapshot)
{
    nash_status status = NASH_OK;
    char *dir = NULL, *path = NULL;
    NEW_FROM(dir, ni_candidate_path(run_dir, step, child, NULL));
    if (snapshot < 0)
        NEW_FROM(path, ni_path_join(dir, NI_FILE_TRAINED));
    else
        NEW_FROM(path, ni_snapshot_path(dir, snapshot));
    TRY(nash_onnx_read(out, path));
done:
    ni_free(path);
    ni_free(dir);
    return status;
}

nash_status ni_remove(const char *dir, const char *file)
{
    nash_status status = NASH_OK;
    char *path = NULL;
    NEW_FROM(path, ni_path_join(dir, file));
    if (unlink(path) != 0 && errno != ENOENT)
        status = ni_fail_errno(NASH_EIO, "%s cannot be removed", path);
done:
    ni_free(path);
    return status;
}

static bool is_named(const char *name, const char *begin, const char *end)
{
    size_t length = strlen(name), first = strlen(begin), last = strlen(end);
    return length >= first + last && strncmp(name, begin, first) == 0 &&
           strcmp(name + length - last, end) == 0;
}

static nash_status open_directory(DIR **out, const char *dir)
{
    *out = opendir(dir);
    return *out ? NASH_OK : ni_fail_errno(NASH_EIO, "%s cannot be read", dir);
}

nash_status ni_remove_all(const char *dir, const char *begin, const char *end)
{
    nash_status status = NASH_OK;
    DIR *listing = NULL;
    TRY(open_directory(&listing, dir));
    for (struct dirent *entry; (entry = readdir(listing));)
        if (is_named(entry->d_name, begin, end))
            TRY(ni_remove(dir, entry->d_name));
done:
    if (listing)
        closedir(listing);
    return status;
}

nash_status ni_remove_states(const char *dir)
{
    nash_status status = ni_remove(dir, NI_FILE_STATE);
    return status == NASH_OK ? ni_remove(dir, NI_FILE_STATE ".old") : status;
}

static nash_status prune(const char *dir, bool with_models)
{
    nash_status status = NASH_OK;
    TRY(ni_remove_all(dir, "", ".tmp"));
    TRY(ni_remove_states(dir));
    if (with_models) {
        TRY(ni_remove(dir, NI_FILE_MODEL));
        TRY(ni_remove(dir, NI_FILE_TRAINED));
    }
done:
    return status;
}

nash_status nash_candidates_prune(const char *run_dir, int32_t step,
                                  int32_t winner, bool keep_all)
{
    nash_status status = NASH_OK;
    char *all = NULL, *dir = NULL;
    DIR *listing = NULL;
    NEW_FROM(all, ni_path_join(run_dir, "candidates"));
    TRY(open_directory(&listing, all));
    for (struct dirent *entry; (entry = readdir(listing));) {
        char *end;
        long its_step = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end != '-' || its_step != step)
            continue;
        ni_free(dir);
        NEW_FROM(dir, ni_path_join(all, entry->d_name));
        TRY(prune(dir, !keep_all && strtol(end + 1, NULL, 10) != winner));
    }
done:
    if (listing)
        closedir(listing);
    ni_free(dir);
    ni_free(all);
    return status;
}
