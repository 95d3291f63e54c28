/*
 * How much memory there is. Control groups of both versions are looked at from
 * this process's own up to the root, since each may set a limit.
 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The limit in a file, or @p most if there is none. */
static size_t limit_in(const char *path, size_t most)
{
    char text[32] = "";
    FILE *file = fopen(path, "r");
    if (!file)
        return most;
    if (!fgets(text, sizeof text, file))
        text[0] = '\0';
    fclose(file);
    unsigned long long value = strtoull(text, NULL, 10); /* 0 for "max" */
    return value == 0 || value > most ? most : (size_t)value;
}

/* @param group  as /proc/self/cgroup has it; cut to pieces */
static size_t least_limit(const char *root, char *group, const char *file,
                          size_t most)
{
    char path[PATH_BYTES + 128];
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", root, group, file);
        most = limit_in(path, most);
        char *slash = strrchr(group, '/');
        if (!slash)
            return most;
        *slash = '\0';
    }
}

size_t memory_available(void)
{
    char line[PATH_BYTES];
    size_t most =
        (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    FILE *groups = fopen("/proc/self/cgroup", "r");
    while (groups && fgets(line, sizeof line, groups)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (strcmp(controllers, ":") == 0)
            most = least_limit("/sys/fs/cgroup", group, "memory.max", most);
        else if (strstr(controllers, "memory"))
            most = least_limit("/sys/fs/cgroup/memory", group,
                               "memory.limit_in_bytes", most);
    }
    if (groups)
        fclose(groups);
    return most;
}
