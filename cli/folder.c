/* Directories of runs. Never removes what is nested. */
#include "folder.h"

#include "cli.h"
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether a run's settings were recorded before it was cut off; also true if
 * the record cannot be read. */
static bool has_begun(const char *dir)
{
    nash_history *history = NULL;
    nash_status status = nash_history_load(&history, dir);
    bool begun =
        status == NASH_OK ? run_has_begun(history) : status != NASH_ENOTFOUND;
    nash_history_free(history);
    return begun;
}

int folder_check_new(const char *dir)
{
    char path[4200];
    struct stat info;
    snprintf(path, sizeof path, "%s/run.db", dir);
    if (stat(path, &info) == 0 && !has_begun(dir))
        return EXIT_OK; /* its beginning can be made again */
    if (stat(path, &info) == 0)
        return cli_error("%s holds a run already: 'nash resume %s' goes on "
                         "with it",
                         dir, dir);
    DIR *listing = opendir(dir);
    if (!listing)
        return errno == ENOENT ? EXIT_OK
                               : cli_error("%s: %s", dir, strerror(errno));
    int entries = 0; /* but for what a run makes first of all */
    for (struct dirent *entry; (entry = readdir(listing));)
        entries += strcmp(entry->d_name, ".") != 0 &&
                   strcmp(entry->d_name, "..") != 0 &&
                   strcmp(entry->d_name, "lock") != 0;
    closedir(listing);
    if (entries > 0)
        return cli_error("%s is not empty, expected a new directory", dir);
    return EXIT_OK;
}

int folder_check_output(const char *option, const char *path)
{
    struct stat info;
    size_t length = strlen(path);
    if (length == 0)
        return cli_error("%s is empty, expected a file", option);
    if (path[length - 1] == '/' ||
        (stat(path, &info) == 0 && S_ISDIR(info.st_mode)))
        return cli_error("%s is '%s', a folder, expected a file", option, path);
    char *copy = strdup(path);
    if (!copy)
        return cli_error("out of memory");
    const char *dir = dirname(copy);
    int result = EXIT_OK;
    if (access(dir, W_OK | X_OK) != 0)
        result =
            cli_error("%s is '%s', but %s is no folder that can be written to",
                      option, path, dir);
    free(copy);
    return result;
}

int folder_make(const char *dir)
{
    char *path = strdup(dir);
    int result = path ? EXIT_OK : cli_error("out of memory");
    for (char *at = path; at && *at && result == EXIT_OK; *at++ = '/') {
        at = strchr(at + 1, '/');
        if (!at)
            break;
        *at = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            result = cli_error("%s: %s", path, strerror(errno));
    }
    if (result == EXIT_OK && mkdir(dir, 0777) != 0 && errno != EEXIST)
        result = cli_error("%s: %s", dir, strerror(errno));
    free(path);
    return result;
}

void folder_remove(const char *dir)
{
    char path[4400];
    DIR *listing = dir ? opendir(dir) : NULL;
    if (!listing)
        return;
    for (struct dirent *entry; (entry = readdir(listing));) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(listing);
    rmdir(dir);
}
