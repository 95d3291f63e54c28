/*
 * Sheets of images, small ones enlarged by a whole factor: a contact sheet has
 * a row per class, its first images. Costs the memory of the sheet.
 */
#include <nash/dataset.h>

#include "base/memory.h"
#include "picture.h"
#include "png.h"

#include <string.h>

enum { GAP = 2, TILE = 64, MAX_SIDE = 1 << 14, BACKGROUND = 255 };

typedef struct sheet {
    nash_shape shape;
    int32_t scale;
    uint8_t *rows; /* [h,w,c], owned */
} sheet;

static void draw(sheet *s, const nash_images *images, int32_t image,
                 int32_t row, int32_t column)
{
    nash_shape from = images->shape;
    int64_t plane = (int64_t)from.h * from.w;
    const uint8_t *pixels = images->pixels + plane * from.c * image;
    int32_t h = from.h * s->scale, w = from.w * s->scale;
    int32_t top = GAP + row * (h + GAP), left = GAP + column * (w + GAP);
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++) {
            int64_t source = (int64_t)(y / s->scale) * from.w + x / s->scale;
            uint8_t *dst =
                s->rows +
                ((int64_t)(top + y) * s->shape.w + left + x) * s->shape.c;
            for (int32_t c = 0; c < from.c; c++)
                dst[c] = pixels[c * plane + source];
        }
}

/* The largest scale up to TILE pixels a tile that keeps the sheet in bounds. */
static nash_status lay_out(sheet *s, nash_shape from, int32_t rows,
                           int32_t columns)
{
    nash_status status = NASH_OK;
    int32_t longer = from.h > from.w ? from.h : from.w;
    int64_t h, w;
    s->scale = TILE / longer > 1 ? TILE / longer : 1;
    do {
        h = GAP + (int64_t)rows * (from.h * s->scale + GAP);
        w = GAP + (int64_t)columns * (from.w * s->scale + GAP);
    } while ((h > MAX_SIDE || w > MAX_SIDE) && --s->scale > 0);
    REQUIRE(s->scale > 0, NASH_ELIMIT,
            "a sheet of %d x %d images of %d x %d pixels is larger "
            "than %d x %d",
            rows, columns, from.h, from.w, MAX_SIDE, MAX_SIDE);
    s->shape = (nash_shape){from.c, (int32_t)h, (int32_t)w};
    NEW_ARRAY(s->rows, h * w * from.c);
    memset(s->rows, BACKGROUND, (size_t)(h * w * from.c));
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
            draw(&s, images, i, label, drawn[label]++);
    }
    TRY(ni_png_write(path, s.rows, s.shape));
done:
    ni_free(s.rows);
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
        draw(&s, images, index[k], k / columns, k % columns);
    TRY(ni_png_write(path, s.rows, s.shape));
done:
    ni_free(s.rows);
    return status;
}
