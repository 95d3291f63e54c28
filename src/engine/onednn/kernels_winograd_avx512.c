/* Winograd's algorithm in float32, compiled for avx512; CMakeLists.txt sets the
 * flags. */
#define NI_WINOGRAD ni_winograd_avx512
#include "kernels_winograd_f32.h"
