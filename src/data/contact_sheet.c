/*
 * Sheets of images, small ones enlarged by a whole factor, those of many
 * shrunk: a contact sheet has a row per class, its first images. Costs the
 * memory of the sheet.
 */
#include <nash/dataset.h>

#include "base/memory.h"
#include "picture.h"
#include "png.h"

#include <math.h>
#include <string.h>

enum { GAP = 2, TILE = 64, MAX_SIDE = 1 << 14, BACKGROUND = 255 };

typedef struct sheet {
    nash_shape shape, tile;
    uint8_t *rows;   /* [h,w,c], owned */
    uint8_t *pixels; /* [c,h,w] of a tile that is shrunk, owned; or NULL */
} sheet;

static void deinit(sheet *s)
{
    ni_free(s->rows);
    ni_free(s->pixels);
}

/* Copies an image whose sides are whole parts of the tile's. */
static void put(sheet *s, const uint8_t *pixels, nash_shape from, int32_t row,
                int32_t column)
{
    int32_t h = s->tile.h, w = s->tile.w;
    int32_t top = GAP + row * (h + GAP), left = GAP + column * (w + GAP);
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            int64_t source =
                (int64_t)(y / (h / from.h)) * from.w + x / (w / from.w);
            uint8_t *dst =
                s->rows +
                ((int64_t)(top + y) * s->shape.w + left + x) * s->shape.c;
            for (int32_t c = 0; c < from.c; c++)
                dst[c] = pixels[(int64_t)c * from.h * from.w + source];
        }
}

static nash_status draw(sheet *s, const nash_images *images, int32_t image,
                        int32_t row, int32_t column)
{
    nash_status status = NASH_OK;
    nash_shape from = images->shape;
    const uint8_t *pixels =
        images->pixels + (int64_t)from.c * from.h * from.w * image;
    if (s->pixels) {
        const ni_view view = ni_view_of_planes(pixels, from);
        TRY(ni_view_fit(s->pixels, s->tile, &view));
        pixels = s->pixels;
        from = s->tile;
    }
    put(s, pixels, from, row, column);
done:
    return status;
}

/* What a side of n tiles leaves for one of them. */
static int32_t most_pixels(int32_t n)
{
    return (MAX_SIDE - GAP) / n - GAP;
}

/* Tiles as large as the sheet's bounds let them be: the images enlarged by a
 * whole factor to at most TILE pixels, or as they are, or shrunk. */
static nash_status lay_out(sheet *s, nash_shape from, int32_t rows,
                           int32_t columns)
{
    nash_status status = NASH_OK;
    int32_t longer = from.h > from.w ? from.h : from.w;
    int32_t most_h = most_pixels(rows), most_w = most_pixels(columns);
    int32_t scale = TILE / longer > 1 ? TILE / longer : 1;
    while (scale > 1 && (from.h * scale > most_h || from.w * scale > most_w))
        scale--;
    double shrink =
        fmin(1.0, fmin((double)most_h / from.h, (double)most_w / from.w));
    s->tile = (nash_shape){from.c, (int32_t)(from.h * scale * shrink),
                           (int32_t)(from.w * scale * shrink)};
    REQUIRE(s->tile.h >= 1 && s->tile.w >= 1, NASH_ELIMIT,
            "a sheet of %d x %d images of %d x %d pixels is larger than %d x "
            "%d, even if they are shrunk",
            rows, columns, from.h, from.w, MAX_SIDE, MAX_SIDE);
    s->shape = (nash_shape){from.c, GAP + rows * (s->tile.h + GAP),
                            GAP + columns * (s->tile.w + GAP)};
    int64_t bytes = (int64_t)s->shape.h * s->shape.w * from.c;
    NEW_ARRAY(s->rows, bytes);
    memset(s->rows, BACKGROUND, (size_t)bytes);
    if (shrink < 1.0)
        NEW_ARRAY(s->pixels, (int64_t)from.c * s->tile.h * s->tile.w);
done:
    return status;
}

nash_status nash_images_contact_sheet(const nash_images *images,
                                      int32_t per_class, const char *path)
{
    nash_status status = NASH_OK;
    sheet s = {0};
    int32_t *drawn = NULL;
    REQUIRE(per_class >= 1, NASH_EINVAL,
            "%d images per class, expected 1 or more", per_class);
    TRY(lay_out(&s, images->shape, images->classes, per_class));
    NEW_ARRAY(drawn, images->classes);
    for (int32_t i = 0; i < images->n; i++) {
        int32_t label = images->labels[i];
        if (drawn[label] < per_class)
            TRY(draw(&s, images, i, label, drawn[label]++));
    }
    TRY(ni_png_write(path, s.rows, s.shape));
done:
    deinit(&s);
    ni_free(drawn);
    return status;
}

nash_status nash_images_draw(const nash_images *images, const int32_t *index,
                             int32_t n, int32_t columns, const char *path)
{
    nash_status status = NASH_OK;
    sheet s = {0};
    REQUIRE(n >= 1 && columns >= 1, NASH_EINVAL,
            "%d images in %d columns, expected 1 or more of both", n, columns);
    TRY(lay_out(&s, images->shape, (n - 1) / columns + 1,
                n < columns ? n : columns));
    for (int32_t k = 0; k < n; k++)
        TRY(draw(&s, images, index[k], k / columns, k % columns));
    TRY(ni_png_write(path, s.rows, s.shape));
done:
    deinit(&s);
    return status;
}
