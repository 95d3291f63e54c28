/*
 * Processes by posix_spawn(), which is safe beside the engine's threads. All
 * our descriptors close on exec, so no program holds another one's input open.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The signals that a coordinator may handle or ignore go back to normal. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t normal, none;
    sigemptyset(&none);
    sigemptyset(&normal);
    sigaddset(&normal, SIGINT);
    sigaddset(&normal, SIGTERM);
    sigaddset(&normal, SIGHUP);
    sigaddset(&normal, SIGPIPE);
    int error = posix_spawnattr_setsigdefault(attributes, &normal);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error)
        error = posix_spawnattr_setpgroup(attributes, 0);
    if (!error)
        error = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                            POSIX_SPAWN_SETPGROUP);
    return error;
}

/* @return an errno value */
static int spawn(pid_t *pid, char *const argv[], const int fds[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_attributes(&attributes);
        for (int i = 0; i < 3 && !error; i++)
            error = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
        if (!error)
            error = posix_spawnp(pid, argv[0], &actions, &attributes, argv,
                                 environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

nash_status ni_process_start(ni_process *p, char *const argv[],
                             const char *log_path)
{
    nash_status status = NASH_OK;
    int input[2] = {-1, -1}, output[2] = {-1, -1};
    *p = (ni_process){.pid = -1, .input = -1, .output = -1};
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log < 0) {
        status = ni_fail_errno(NASH_EIO, "%s cannot be written", log_path);
        goto done;
    }
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0 ||
        fcntl(output[0], F_SETFL, O_NONBLOCK) != 0) {
        status = ni_fail_errno(NASH_EIO, "no pipe to '%s'", argv[0]);
        goto done;
    }
    errno = spawn(&p->pid, argv, (const int[]){input[0], output[1], log});
    if (errno != 0) {
        status = ni_fail_errno(errno == ENOENT ? NASH_ENOTFOUND : NASH_EIO,
                               "'%s' cannot be started", argv[0]);
        p->pid = -1;
        goto done;
    }
    p->input = input[1];
    p->output = output[0];
    input[1] = output[0] = -1;
done:
    close_fd(&input[0]);
    close_fd(&input[1]);
    close_fd(&output[0]);
    close_fd(&output[1]);
    close_fd(&log);
    return status;
}

/* Hand out the complete lines in the buffer, and keep the rest. */
static void split_lines(ni_process *p, void (*line)(void *, char *), void *ctx)
{
    char *start = p->line, *end = p->line + p->used, *newline;
    while ((newline = memchr(start, '\n', (size_t)(end - start)))) {
        *newline = '\0';
        line(ctx, start);
        start = newline + 1;
    }
    p->used = (size_t)(end - start);
    memmove(p->line, start, p->used);
    if (p->used == sizeof p->line)
        p->used = 0;
}

bool ni_process_read(ni_process *p, void (*line)(void *ctx, char *line),
                     void *ctx)
{
    if (p->output < 0)
        return false;
    ssize_t n = read(p->output, p->line + p->used, sizeof p->line - p->used);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        close_fd(&p->output);
        return false;
    }
    p->used += (size_t)n;
    split_lines(p, line, ctx);
    return true;
}

bool ni_process_ended(ni_process *p, int *wait_status)
{
    pid_t pid = waitpid(p->pid, wait_status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    if (pid < 0)
        *wait_status = 0; /* somebody else waited for it */
    p->pid = -1;
    return true;
}

void ni_process_ask_to_end(ni_process *p)
{
    if (p->pid > 0)
        kill(-p->pid, SIGTERM);
    close_fd(&p->input);
}

void ni_process_kill(const ni_process *p)
{
    if (p->pid > 0)
        kill(-p->pid, SIGKILL);
}

void ni_process_finish(ni_process *p, int patience_ms)
{
    enum { POLL_MS = 10 };
    int wait_status;
    while (p->pid > 0 && !ni_process_ended(p, &wait_status)) {
        if (patience_ms <= 0)
            kill(-p->pid, SIGKILL);
        poll(NULL, 0, POLL_MS);
        patience_ms -= POLL_MS;
    }
    close_fd(&p->input);
    close_fd(&p->output);
}
