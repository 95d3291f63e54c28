/* What control groups allow, by files made like the kernel's. */
#include "../cli/limits.h"

#include "made_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *root;

/* Each test has a tree of its own. */
static int set_up(void **state)
{
    (void)state;
    static char path[256];
    static int n;
    strncpy(path, made_path("%d/proc", n++), sizeof path - 1);
    *strrchr(path, '/') = '\0';
    root = path;
    return 0;
}

static void file(const char *name, const char *text)
{
    const char *path = made_path("%s/%s", strrchr(root, '/') + 1, name);
    made_file(path, text, strlen(text));
}

static void a_group_of_version_2_and_all_above_it_count(void **state)
{
    (void)state;
    file("proc/self/cgroup", "0::/a.slice/b\n");
    file("sys/fs/cgroup/a.slice/b/memory.max", "3000\n");
    file("sys/fs/cgroup/a.slice/b/cpu.max", "400000 100000\n");
    assert_float_equal(limits_group_memory(root), 3000.0, 0.0);
    assert_float_equal(limits_group_cpus(root), 4.0, 0.0);
    file("sys/fs/cgroup/a.slice/memory.max", "2000\n");
    file("sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
    assert_float_equal(limits_group_memory(root), 2000.0, 0.0);
    assert_float_equal(limits_group_cpus(root), 1.5, 0.0);
    file("sys/fs/cgroup/memory.max", "1000\n");
    file("sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_float_equal(limits_group_memory(root), 1000.0, 0.0);
    assert_float_equal(limits_group_cpus(root), 0.5, 0.0);
}

static void controllers_of_version_1_have_trees_of_their_own(void **state)
{
    (void)state;
    file("proc/self/cgroup", "7:cpuset:/none\n"
                             "5:cpu,cpuacct:/made\n"
                             "4:memory:/made/inner\n"
                             "1:name=systemd:/made\n"
                             "no group's line\n");
    file("sys/fs/cgroup/cpu/made/cpu.cfs_quota_us", "250000\n");
    file("sys/fs/cgroup/cpu/made/cpu.cfs_period_us", "100000\n");
    file("sys/fs/cgroup/memory/made/memory.limit_in_bytes", "5000\n");
    file("sys/fs/cgroup/memory/made/inner/memory.limit_in_bytes", "6000\n");
    file("sys/fs/cgroup/cpuset/none/cpu.cfs_quota_us", "1\n");
    file("sys/fs/cgroup/cpuset/none/cpu.cfs_period_us", "100000\n");
    assert_float_equal(limits_group_cpus(root), 2.5, 0.0);
    assert_float_equal(limits_group_memory(root), 5000.0, 0.0);
}

static void what_is_not_there_or_says_max_is_no_limit(void **state)
{
    (void)state;
    assert_true(isinf(limits_group_cpus(root)));
    file("proc/self/cgroup", "5:cpu,cpuacct:/old\n0::/\n");
    assert_true(isinf(limits_group_memory(root)));
    file("sys/fs/cgroup/memory.max", "max\n");
    file("sys/fs/cgroup/cpu.max", "max 100000\n");
    file("sys/fs/cgroup/cpu/old/cpu.cfs_quota_us", "-1\n");
    file("sys/fs/cgroup/cpu/old/cpu.cfs_period_us", "100000\n");
    assert_true(isinf(limits_group_memory(root)));
    assert_true(isinf(limits_group_cpus(root)));
    file("sys/fs/cgroup/memory.max", "");
    file("sys/fs/cgroup/cpu.max", "a word\n");
    assert_true(isinf(limits_group_memory(root)));
    assert_true(isinf(limits_group_cpus(root)));
}

static void there_is_always_some_of_both(void **state)
{
    (void)state;
    assert_in_range(limits_cpus(), 1, 1024);
    assert_true(limits_memory() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_group_of_version_2_and_all_above_it_count,
                               set_up),
        cmocka_unit_test_setup(controllers_of_version_1_have_trees_of_their_own,
                               set_up),
        cmocka_unit_test_setup(what_is_not_there_or_says_max_is_no_limit,
                               set_up),
        cmocka_unit_test(there_is_always_some_of_both),
    };
    return cmocka_run_group_tests(tests, NULL, made_teardown);
}
