/* Winograd's algorithm in float32, compiled for avx2; CMakeLists.txt sets the
 * flags. */
#define NI_WINOGRAD ni_winograd_avx2
#include "kernels_winograd_f32.h"
