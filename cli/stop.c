/* The signals that stop a search. Handlers only set a flag, write and exit. */
#include "stop.h"

#include "cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile int asked;
static char farewell[4200]; /* "": the flag is looked at */

static void ask_to_stop(int signal_number)
{
    (void)signal_number;
    if (!asked++ && !*farewell)
        return;
    (void)!write(STDERR_FILENO, farewell, strlen(farewell));
    _exit(EXIT_FAILED); /* candidates end when our pipes close */
}

void stop_catch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = ask_to_stop};
    struct sigaction before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

const volatile int *stop_flag(void)
{
    return &asked;
}

void stop_at_once(const char *words)
{
    snprintf(farewell, sizeof farewell, "%s", words);
}
