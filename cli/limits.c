/*
 * How much memory and how many processors there are. Control groups of both
 * versions are looked at from this process's own up to the root, since each may
 * set a limit.
 */
#include "limits.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MOST_CPUS = 1024 };

/* The numbers at the beginning of a group's file, at most two of them; what
 * cannot be read, and "max", is 0. */
typedef struct pair {
    double first, second;
} pair;

static pair read_pair(const char *dir, const char *file)
{
    char path[3 * PATH_BYTES], text[64] = "", *rest;
    pair p = {0.0, 0.0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *stream = fopen(path, "r");
    if (!stream)
        return p;
    if (!fgets(text, sizeof text, stream))
        text[0] = '\0';
    fclose(stream);
    p.first = strtod(text, &rest);
    if (rest == text) /* "max" */
        return (pair){0.0, 0.0};
    p.second = strtod(rest, NULL);
    return p;
}

/* What a group allows; infinity: it sets no limit. */
typedef double (*limit)(const char *dir);

static double if_any(double value)
{
    return value > 0.0 ? value : (double)INFINITY;
}

static double memory_2(const char *dir)
{
    return if_any(read_pair(dir, "memory.max").first);
}

static double memory_1(const char *dir)
{
    return if_any(read_pair(dir, "memory.limit_in_bytes").first);
}

/* Of a processor's time in a period, so much: several periods' of several. */
static double share(double quota, double period)
{
    return quota > 0.0 && period > 0.0 ? quota / period : (double)INFINITY;
}

static double cpus_2(const char *dir)
{
    pair p = read_pair(dir, "cpu.max");
    return share(p.first, p.second);
}

static double cpus_1(const char *dir)
{
    return share(read_pair(dir, "cpu.cfs_quota_us").first,
                 read_pair(dir, "cpu.cfs_period_us").first);
}

/* The least of a group and all above it.
 * @param top    where the groups of its version, or of a controller, lie
 * @param group  as /proc/self/cgroup has it; cut to pieces */
static double least_above(const char *root, const char *top, char *group,
                          limit of)
{
    char dir[2 * PATH_BYTES];
    double least = (double)INFINITY;
    for (;;) {
        snprintf(dir, sizeof dir, "%s/sys/fs/cgroup%s%s", root, top, group);
        least = fmin(least, of(dir));
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Whether a list with commas has a name. */
static bool has_name(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (; list; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, name, length) == 0 &&
            (list[length] == ',' || list[length] == '\0'))
            return true;
    }
    return false;
}

/* @param name, of_1  of the controller in version 1 */
static double least_of_groups(const char *root, const char *name, limit of_1,
                              limit of_2)
{
    char line[PATH_BYTES], path[PATH_BYTES], top[64];
    double least = (double)INFINITY;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    snprintf(top, sizeof top, "/%s", name);
    FILE *groups = fopen(path, "r");
    while (groups && fgets(line, sizeof line, groups)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (strcmp(controllers, ":") == 0)
            least = fmin(least, least_above(root, "", group, of_2));
        else if (has_name(controllers + 1, name))
            least = fmin(least, least_above(root, top, group, of_1));
    }
    if (groups)
        fclose(groups);
    return least;
}

double limits_group_memory(const char *root)
{
    return least_of_groups(root, "memory", memory_1, memory_2);
}

double limits_group_cpus(const char *root)
{
    return least_of_groups(root, "cpu", cpus_1, cpus_2);
}

size_t limits_memory(void)
{
    double machine =
        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return (size_t)fmin(machine, limits_group_memory(""));
}

int limits_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    double most = fmin(MOST_CPUS, ceil(limits_group_cpus("")));
    return (int)fmax(1.0, fmin(n, most));
}
