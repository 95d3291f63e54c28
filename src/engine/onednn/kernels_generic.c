/* The kernels, compiled for generic; CMakeLists.txt sets the flags. */
#define NI_KERNELS ni_kernels_generic
#include "kernels_all.h"
