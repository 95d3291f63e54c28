/* Where things are in a run's directory; making room in it. */
#include <nash/dist.h>
#include <nash/onnx.h>

#include "paths.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
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

static nash_status remove_models(const char *dir)
{
    static const char *const files[] = {NI_FILE_MODEL, NI_FILE_TRAINED};
    nash_status status = NASH_OK;
    char *path = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ni_free(path);
        NEW_FROM(path, ni_path_join(dir, files[i]));
        if (unlink(path) != 0 && errno != ENOENT) {
            status = ni_fail_errno(NASH_EIO, "%s cannot be removed", path);
            goto done;
        }
    }
done:
    ni_free(path);
    return status;
}

nash_status nash_candidates_prune(const char *run_dir, int32_t step,
                                  int32_t winner)
{
    nash_status status = NASH_OK;
    char *all = NULL, *dir = NULL;
    DIR *listing = NULL;
    NEW_FROM(all, ni_path_join(run_dir, "candidates"));
    listing = opendir(all);
    if (!listing) {
        status = ni_fail_errno(NASH_EIO, "%s cannot be read", all);
        goto done;
    }
    for (struct dirent *entry; (entry = readdir(listing));) {
        char *end;
        long its_step = strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end != '-' || its_step != step ||
            strtol(end + 1, NULL, 10) == winner)
            continue;
        ni_free(dir);
        NEW_FROM(dir, ni_path_join(all, entry->d_name));
        TRY(remove_models(dir));
    }
done:
    if (listing)
        closedir(listing);
    ni_free(dir);
    ni_free(all);
    return status;
}
