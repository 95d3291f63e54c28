#ifndef NASH_STATUS_H
#define NASH_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Status codes and the error sentence; the library's version.
 *
 * Every fallible call returns a nash_status: NASH_OK (0), or one of the
 * negative codes below. The first function to notice an error also writes one
 * sentence for people, kept per thread until the next error of that thread. A
 * call that fails hands nothing over: what its out parameters hold then means
 * nothing, and must not be freed, unless the call says otherwise.
 */

#if defined(__GNUC__)
#define NASH_API __attribute__((visibility("default")))
#else
#define NASH_API
#endif

/* name, value, what it says about whose turn it is */
#define NASH_STATUS_LIST(X)                                                    \
    X(OK, 0, "success")                                                        \
    X(EINVAL, -1, "an argument is outside what the call accepts")              \
    X(ENOMEM, -2, "out of memory")                                             \
    X(EIO, -3, "the operating system refused a file operation")                \
    X(EFORMAT, -4, "a file's content is not what its format demands")          \
    X(EUNSUPPORTED, -5, "valid, but beyond what this library implements")      \
    X(ESHAPE, -6, "tensor shapes do not agree")                                \
    X(ELIMIT, -7, "a cap on parameters, MACs, memory or size is exceeded")     \
    X(ENOTFOUND, -8, "no such file, node or record")                           \
    X(EBUSY, -9, "somebody else holds the lock")                               \
    X(ESTOP, -10, "stopped on request")                                        \
    X(EDIVERGED, -11, "a loss or weight is not finite")                        \
    X(EREFUSED, -12, "the morphism is impossible at this place")               \
    X(ECHILD, -13, "a candidate's process ended without a result")             \
    X(EENGINE, -14, "the compute engine reported an error")

typedef enum nash_status {
#define NASH_STATUS_ENUM(name, value, text) NASH_##name = (value),
    NASH_STATUS_LIST(NASH_STATUS_ENUM)
#undef NASH_STATUS_ENUM
} nash_status;

/** The code's name, "NASH_EINVAL"; "NASH_?" for a value outside the list. */
NASH_API const char *nash_status_name(nash_status status);

/** The code's general meaning, in a few words. Borrowed, never NULL. */
NASH_API const char *nash_status_text(nash_status status);

/**
 * The sentence that the last failing call of this thread left: it names the
 * file, option or value, and what was expected.
 *
 * A status that a function of the caller's own returned (a hook, an evaluator,
 * an observer, ...), NASH_ESTOP say, is passed on as it is: the sentence is
 * then an older one, unless that function has it from a call of the library.
 *
 * @return borrowed until the thread's next failing call; "" if none failed yet
 */
NASH_API const char *nash_error_message(void);

/** The version of the library that is linked, "0.1.0". Borrowed. */
NASH_API const char *nash_version(void);

#ifdef __cplusplus
}
#endif

#endif
