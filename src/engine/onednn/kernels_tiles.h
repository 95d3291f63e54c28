#ifndef NI_ONEDNN_KERNELS_TILES_H
#define NI_ONEDNN_KERNELS_TILES_H

/*
 * How Winograd's algorithm cuts images into tiles: squares of outputs, `side`
 * pixels wide, in row-major order and from image to image. The last ones of a
 * row or column may reach beyond the image.
 */

#include "kernels_common.h"

/* The upper left output of a tile. */
typedef struct ni_tile {
    int64_t image;
    int32_t y, x;
} ni_tile;

NI_INLINE int64_t ni_tiles(const ni_layout *l, int32_t side)
{
    return (int64_t)l->n * ((l->h + side - 1) / side) *
           ((l->w + side - 1) / side);
}

NI_INLINE ni_tile ni_tile_at(const ni_layout *l, int64_t i, int32_t side)
{
    int32_t across = (l->w + side - 1) / side;
    int32_t all = (l->h + side - 1) / side * across;
    int32_t rest = (int32_t)(i % all);
    return (ni_tile){i / all, rest / across * side, rest % across * side};
}

/* Where a block of channels of the tile's image begins, in elements. */
NI_INLINE int64_t ni_tile_block(const ni_layout *l, const ni_tile *t,
                                int32_t block)
{
    return (t->image * (l->c / NI_LANES) + block) * l->h * l->w * NI_LANES;
}

#endif
