/* The library's version, which CMake passes in. */
#include <nash/status.h>

const char *nash_version(void)
{
    return NASH_VERSION;
}
