/*
 * Lists of names, and directories as lists of names. Costs one allocation per
 * name. Order never depends on the file system.
 */
#include "strings.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STRINGS = 1 << 24, MAX_TEXT_BYTES = 64 << 20, MAX_DEPTH = 64 };

/* What systems put among people's files. */
static const char *const foreign[] = {"__MACOSX", "lost+found"};

nash_status ni_strings_take(ni_strings *list, char **text)
{
    nash_status status = NASH_OK;
    REQUIRE(list->n < MAX_STRINGS, NASH_ELIMIT, "more than %d names in a list",
            MAX_STRINGS);
    if (list->n == list->capacity) {
        int32_t capacity = list->capacity ? 2 * list->capacity : 16;
        char **grown;
        NEW_FROM(grown, ni_realloc(list->items, capacity, sizeof *grown));
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->n++] = *text;
    *text = NULL;
done:
    ni_free(*text);
    *text = NULL;
    return status;
}

nash_status ni_strings_add(ni_strings *list, const char *text)
{
    char *copy = ni_strdup(text);
    return copy ? ni_strings_take(list, &copy) : NASH_ENOMEM;
}

void ni_strings_deinit(ni_strings *list)
{
    for (int32_t i = 0; i < list->n; i++)
        ni_free(list->items[i]);
    ni_free(list->items);
    *list = (ni_strings){0};
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_foreign(const char *name)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strcmp(name, foreign[i]) == 0)
            return true;
    return name[0] == '.';
}

/* What kind of file an entry is, links followed; one that is out of reach
 * counts as a plain file. Most file systems tell without a look at the file. */
static mode_t mode_of(int dir, const struct dirent *entry)
{
    struct stat info = {.st_mode = S_IFREG};
    if (entry->d_type == DT_DIR)
        return S_IFDIR;
    if (entry->d_type != DT_REG)
        (void)fstatat(dir, entry->d_name, &info, 0);
    return info.st_mode;
}

nash_status ni_directory_list(ni_strings *list, const char *dir, ni_entry kind)
{
    nash_status status = NASH_OK;
    int32_t first = list->n;
    DIR *stream = opendir(dir);
    if (!stream)
        return ni_fail_errno(NASH_EIO, "directory %s cannot be read", dir);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(stream)); errno = 0) {
        if (is_foreign(entry->d_name))
            continue;
        mode_t mode = mode_of(dirfd(stream), entry);
        if (kind == NI_ENTRY_FILE ? S_ISREG(mode) : S_ISDIR(mode))
            TRY(ni_strings_add(list, entry->d_name));
    }
    if (errno) { /* readdir()'s */
        status = ni_fail_errno(NASH_EIO, "directory %s cannot be read", dir);
        goto done;
    }
    if (list->n > first)
        qsort(list->items + first, (size_t)(list->n - first),
              sizeof *list->items, by_bytes);
done:
    closedir(stream);
    return status;
}

nash_status ni_lines_read(ni_strings *list, const char *path)
{
    nash_status status = NASH_OK;
    char *text = NULL, *rest = NULL;
    size_t size_bytes;
    TRY(ni_file_read(&text, &size_bytes, path, MAX_TEXT_BYTES));
    for (char *line = strtok_r(text, "\r\n", &rest); line;
         line = strtok_r(NULL, "\r\n", &rest))
        TRY(ni_strings_add(list, line));
done:
    ni_free(text);
    return status;
}

/* Walk a tree below an open directory; with @p remove, empty it. */
static int64_t walk(int parent, const char *name, bool remove, int depth)
{
    int64_t bytes = 0;
    int fd =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(stream));) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bool directory = S_ISDIR(info.st_mode);
        if (directory && depth < MAX_DEPTH)
            bytes += walk(fd, entry->d_name, remove, depth + 1);
        else if (!directory)
            bytes += info.st_size;
        if (remove)
            unlinkat(fd, entry->d_name, directory ? AT_REMOVEDIR : 0);
    }
    closedir(stream);
    return bytes;
}

int64_t ni_tree_bytes(const char *path)
{
    return walk(AT_FDCWD, path, false, 0);
}

void ni_tree_remove(const char *path)
{
    walk(AT_FDCWD, path, true, 0);
    rmdir(path);
}

bool ni_ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcasecmp(text + length - tail, suffix) == 0;
}
