/*
 * Command lines for candidates. A launcher is split at blanks, without a shell:
 * whoever needs more writes a script.
 */
#include "launch.h"

#include <nash/dist.h>
#include <nash/text.h>

#include "paths.h"

#include "base/file.h"
#include "base/memory.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                            "YZ0123456789_./,:@+=-";

/* Cut at blanks, in place; the words then stand one after another. */
static int32_t split(char *text)
{
    int32_t n = 0;
    char *to = text, *rest = NULL;
    for (char *word = strtok_r(text, " \t", &rest); word;
         word = strtok_r(NULL, " \t", &rest)) {
        size_t bytes = strlen(word) + 1;
        memmove(to, word, bytes);
        to += bytes;
        n++;
    }
    return n;
}

nash_status ni_launch_init(ni_launch *launch, const char *program,
                           const char *launcher)
{
    nash_status status = NASH_OK;
    *launch = (ni_launch){0};
    NEW_FROM(launch->program, ni_strdup(program));
    if (launcher) {
        NEW_FROM(launch->launcher, ni_strdup(launcher));
        launch->n_words = split(launch->launcher);
        REQUIRE(launch->n_words > 0, NASH_EINVAL,
                "the launcher is empty, expected a command");
        REQUIRE(strspn(program, plain) == strlen(program), NASH_EINVAL,
                "behind a launcher the program's path must be of letters, "
                "digits and _./,:@+=- only, but it is %s",
                program);
    }
done:
    return status;
}

void ni_launch_deinit(ni_launch *launch)
{
    ni_free(launch->program);
    ni_free(launch->launcher);
    *launch = (ni_launch){0};
}

static char *encode(const char *path)
{
    char *text = ni_alloc(3 * (int64_t)strlen(path) + 1, 1);
    for (char *to = text; text && *path; path++) {
        if (strchr(plain, *path))
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*path);
    }
    return text;
}

static int digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

nash_status nash_candidate_decode(char *path)
{
    char *to = path;
    for (const char *from = path; *from; from++) {
        *to = *from;
        if (*from == '%') {
            int high = digit(from[1]);
            int low = high < 0 ? -1 : digit(from[2]);
            if (low < 0 || high + low == 0)
                return ni_fail(NASH_EINVAL,
                               "'%s' is no path in percent-encoding", path);
            *to = (char)(16 * high + low);
            from += 2;
        }
        to++;
    }
    *to = '\0';
    return NASH_OK;
}

nash_status ni_launch_words(char ***argv, const ni_launch *launch,
                            const char *dir, double until, double epochs_after)
{
    nash_status status = NASH_OK;
    const char *word = launch->launcher;
    char **words = NULL, **next = NULL;
    NEW_ARRAY(words, launch->n_words + 11);
    next = words;
    for (; next < words + launch->n_words; next++) {
        NEW_FROM(*next, ni_strdup(word));
        word += strlen(word) + 1;
    }
    NEW_FROM(*next, ni_strdup(launch->program));
    next++;
    NEW_FROM(*next, ni_strdup("candidate"));
    next++;
    NEW_FROM(*next, ni_strdup("--checkpoint-every"));
    next++;
    NEW_FROM(*next, ni_format("%.9g", launch->checkpoint_seconds));
    next++;
    if (until > 0.0) {
        NEW_FROM(*next, ni_strdup("--until"));
        next++;
        NEW_FROM(*next, ni_format("%.3f", until));
        next++;
        NEW_FROM(*next, ni_strdup("--epochs-after"));
        next++;
        NEW_FROM(*next, ni_format("%.9g", epochs_after));
        next++;
    }
    if (launch->launcher) {
        NEW_FROM(*next, ni_strdup("--encoded"));
        next++;
    }
    NEW_FROM(*next, launch->launcher ? encode(dir) : ni_strdup(dir));
    *argv = words;
    words = NULL;
done:
    ni_launch_words_free(words);
    return status;
}

void ni_launch_words_free(char **argv)
{
    for (char **word = argv; word && *word; word++)
        ni_free(*word);
    ni_free(argv);
}

/* The last line of a file, "" if there is none; cut at the buffer's size. */
static void last_line(char *line, size_t size_bytes, const char *path)
{
    char tail[1024];
    line[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from =
        end > (off_t)sizeof tail - 1 ? end - (off_t)sizeof tail + 1 : 0;
    ssize_t n = pread(fd, tail, sizeof tail - 1, from);
    close(fd);
    while (n > 0 && strchr("\n\r ", tail[n - 1]))
        n--;
    tail[n > 0 ? n : 0] = '\0';
    const char *newline = strrchr(tail, '\n');
    snprintf(line, size_bytes, "%.*s", (int)size_bytes - 1,
             newline ? newline + 1 : tail);
}

/* The signal that ended a process, or a shell's or launcher's 128 + n. */
static int signal_of(int wait_status)
{
    if (WIFSIGNALED(wait_status))
        return WTERMSIG(wait_status);
    int code = WEXITSTATUS(wait_status);
    return code > 128 && code < 128 + NSIG ? code - 128 : 0;
}

bool ni_launch_cut_off(const ni_end *end)
{
    if (end->silent || signal_of(end->wait_status) != 0)
        return true;
    int code = WEXITSTATUS(end->wait_status);
    return code == NI_EXIT_MEMORY || code == NI_EXIT_SSH ||
           code == NI_EXIT_BUSY;
}

double ni_launch_pause(const ni_end *end, double first)
{
    int code = WIFEXITED(end->wait_status) ? WEXITSTATUS(end->wait_status) : 0;
    bool away = code == NI_EXIT_SSH || code == NI_EXIT_BUSY;
    return away && !end->silent ? first * pow(4.0, end->tries - 1) : 0.0;
}

bool ni_launch_unable(const ni_end *end)
{
    return !end->silent && WIFEXITED(end->wait_status) &&
           (WEXITSTATUS(end->wait_status) == NI_EXIT_UNABLE ||
            WEXITSTATUS(end->wait_status) == NI_EXIT_BUSY);
}

void ni_launch_blame(nash_outcome *outcome, const nash_job *job,
                     const ni_end *end, const char *dir)
{
    char *log = ni_path_join(dir, NI_FILE_LOG);
    char line[128] = "", tries[32] = "";
    if (log)
        last_line(line, sizeof line, log);
    ni_free(log);
    *outcome = (nash_outcome){
        .status = NASH_ECHILD,
        .val = {(double)NAN, (double)NAN, (double)NAN, 0},
    };
    char *text = outcome->message;
    size_t size = sizeof outcome->message;
    int number = signal_of(end->wait_status);
    if (end->tries > 1)
        snprintf(tries, sizeof tries, "; it was tried %d times", end->tries);
    if (end->silent)
        snprintf(text, size,
                 "candidate %04d-%02d was ended since it said nothing for "
                 "longer than the timeout%s",
                 job->step, job->child, tries);
    else if (number)
        snprintf(text, size,
                 "candidate %04d-%02d was ended by signal %d (%s)%s%s",
                 job->step, job->child, number, strsignal(number),
                 number == SIGKILL ? ", as the kernel does when memory runs out"
                                   : "",
                 tries);
    else
        snprintf(text, size,
                 "candidate %04d-%02d ended with status %d and no result%s; "
                 "its log ends with: %s",
                 job->step, job->child, WEXITSTATUS(end->wait_status), tries,
                 line);
    nash_hide_controls(text); /* a launcher may say anything */
}
