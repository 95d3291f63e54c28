/* The kernels, compiled for avx2; CMakeLists.txt sets the flags. */
#define NI_KERNELS ni_kernels_avx2
#include "kernels_all.h"
