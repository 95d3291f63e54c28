#ifndef CLI_STOP_H
#define CLI_STOP_H

/*
 * Stopping a search by SIGINT, SIGTERM or SIGHUP: the first one asks, the
 * second ends the program.
 */

/** From now on; those that are ignored, as nohup does with SIGHUP, stay so. */
void stop_catch(void);

/** Nonzero once it was asked. */
const volatile int *stop_flag(void);

/** From now on nothing looks at the flag: the first signal ends the program,
 * too. @param words  to say then; copied */
void stop_at_once(const char *words);

#endif
