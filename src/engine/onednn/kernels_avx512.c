/* The kernels, compiled for avx512; CMakeLists.txt sets the flags. */
#define NI_KERNELS ni_kernels_avx512
#include "kernels_all.h"
