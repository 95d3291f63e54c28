/*
 * Other programs as subroutines (npm, tar, apt-get, dpkg-deb). No shell is
 * involved, so names need no quoting. Refuses to guess: any exit status but 0
 * is an error, explained in the program's own words.
 */
#include "child.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_BYTES = 1 << 16, TICK_MS = 200 };

typedef struct child {
    pid_t pid;
    int output; /* read end of its stdout and stderr */
    int wait_status;
    bool ended;
    char *kept; /* [KEPT_BYTES], the first part of what it printed */
    size_t n_kept;
} child;

static int spawn_with(child *c, const char *const *argv, const char *dir,
                      int write_end)
{
    posix_spawn_file_actions_t actions;
    char *const *words; /* of another type, but left alone by posix_spawn */
    memcpy(&words, &argv, sizeof words);
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return code;
    code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                            O_RDONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&actions, write_end,
                                                STDOUT_FILENO);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&actions, write_end,
                                                STDERR_FILENO);
    if (code == 0 && dir)
        code = posix_spawn_file_actions_addchdir_np(&actions, dir);
    if (code == 0)
        code = posix_spawnp(&c->pid, argv[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

static nash_status start(child *c, const char *const *argv, const char *dir,
                         const char *what)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ni_fail_errno(NASH_EIO, "no pipe to %s can be made", argv[0]);
    int code = spawn_with(c, argv, dir, ends[1]);
    close(ends[1]);
    c->output = ends[0];
    if (code == 0)
        return NASH_OK;
    close(ends[0]);
    if (code == ENOENT && (!dir || access(dir, F_OK) == 0))
        return ni_fail(NASH_ENOTFOUND,
                       "the program %s is needed to %s, and none is on the "
                       "PATH",
                       argv[0], what);
    errno = code;
    return ni_fail_errno(NASH_EIO, "%s cannot be started to %s", argv[0], what);
}

/* One read; false at the end of its output. */
static bool listen_once(child *c)
{
    char piece[4096];
    ssize_t n = read(c->output, piece, sizeof piece);
    if (n < 0)
        return errno == EINTR;
    size_t room = KEPT_BYTES - 1 - c->n_kept;
    size_t take = (size_t)n < room ? (size_t)n : room;
    memcpy(c->kept + c->n_kept, piece, take);
    c->n_kept += take;
    return n > 0;
}

static void attend(child *c, void (*tick)(void *), void *ctx)
{
    bool open = true;
    while (open) {
        struct pollfd ready = {.fd = c->output, .events = POLLIN};
        int n = poll(&ready, 1, c->ended ? 0 : TICK_MS);
        if (n > 0)
            open = listen_once(c);
        else if (c->ended)
            open = false; /* a grandchild keeps the pipe: not our concern */
        if (tick)
            tick(ctx);
        if (!c->ended && n == 0)
            c->ended = waitpid(c->pid, &c->wait_status, WNOHANG) == c->pid;
    }
    while (!c->ended)
        c->ended =
            waitpid(c->pid, &c->wait_status, 0) == c->pid || errno != EINTR;
}

static int count_words(const char *line)
{
    int words = 0;
    for (const char *at = line; *at; at++)
        words += *at != ' ' && (at == line || at[-1] == ' ');
    return words;
}

/* What the clients print beside errors: warnings, and apt-get's progress. */
static bool is_chatter(const char *line)
{
    static const char *const beginnings[] = {
        "npm warn", "npm WARN", "npm notice", "W:",      "Get:",
        "Hit:",     "Ign:",     "Err:",       "Reading", "Building"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(line, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* The line that explains a failure: the first one long enough to be a sentence,
 * else the last one. */
static const char *explanation(char *output)
{
    const char *last = "it printed nothing";
    char *rest = NULL;
    for (char *line = strtok_r(output, "\r\n", &rest); line;
         line = strtok_r(NULL, "\r\n", &rest)) {
        if (is_chatter(line))
            continue;
        last = line;
        if (line[0] != ' ' && count_words(line) >= 6)
            break;
    }
    return last;
}

static nash_status judge(child *c, const char *program, const char *what)
{
    c->kept[c->n_kept] = '\0';
    if (WIFEXITED(c->wait_status) && WEXITSTATUS(c->wait_status) == 0)
        return NASH_OK;
    if (WIFSIGNALED(c->wait_status))
        return ni_fail(NASH_EIO, "%s, started to %s, was ended by signal %d",
                       program, what, WTERMSIG(c->wait_status));
    return ni_fail(NASH_EIO, "%s could not %s: %.600s", program, what,
                   explanation(c->kept));
}

nash_status ni_child_run(const char *const *argv, const char *dir,
                         const char *what, void (*tick)(void *ctx), void *ctx)
{
    nash_status status = NASH_OK;
    child c = {.output = -1};
    NEW_ARRAY(c.kept, KEPT_BYTES);
    TRY(start(&c, argv, dir, what));
    attend(&c, tick, ctx);
    close(c.output);
    TRY(judge(&c, argv[0], what));
done:
    ni_free(c.kept);
    return status;
}
