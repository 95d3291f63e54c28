/*
 * The door to libspng. Refuses pictures of more than 64 megapixels and chunks
 * of more than 64 MiB before allocating.
 */
#include "png.h"

#include "base/file.h"
#include "base/memory.h"
#include "exif.h"

#include <spng.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_LIMIT_BYTES = 64 << 20 };

static nash_status new_context(spng_ctx **out, int flags)
{
    *out = spng_ctx_new(flags);
    return *out ? NASH_OK : ni_fail(NASH_ENOMEM, "out of memory for a PNG");
}

static nash_status fail(int code, const char *path)
{
    switch (code) {
    case SPNG_EMEM:
    case SPNG_EZLIB_INIT:
        return ni_fail(NASH_ENOMEM, "out of memory while decoding %s", path);
    case SPNG_EOF:
    case SPNG_IO_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        return ni_fail(NASH_EFORMAT, "%s is cut off: its PNG data end early",
                       path);
    default:
        return ni_fail(NASH_EFORMAT, "%s is a damaged PNG file: %s", path,
                       spng_strerror(code));
    }
}

bool ni_png_is(const uint8_t *bytes, size_t size_bytes)
{
    return size_bytes >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static nash_status open_header(spng_ctx **ctx, struct spng_ihdr *header,
                               const uint8_t *bytes, size_t size_bytes,
                               const char *path)
{
    nash_status status = NASH_OK;
    int code;
    TRY(new_context(ctx, 0));
    code = spng_set_chunk_limits(*ctx, CHUNK_LIMIT_BYTES, CHUNK_LIMIT_BYTES);
    if (code == SPNG_OK)
        code = spng_set_png_buffer(*ctx, bytes, size_bytes);
    if (code == SPNG_OK)
        code = spng_get_ihdr(*ctx, header);
    if (code != SPNG_OK) {
        status = fail(code, path);
        goto done;
    }
    TRY(ni_picture_check_size(header->height, header->width, path));
done:
    return status;
}

static bool is_grey_type(const struct spng_ihdr *header)
{
    return header->color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
           header->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
}

/* Of the data before the pixels. */
static int orientation_of(spng_ctx *ctx)
{
    struct spng_exif exif;
    if (spng_get_exif(ctx, &exif) != SPNG_OK)
        return 1;
    return ni_exif_orientation((const uint8_t *)exif.data, exif.length);
}

static bool palette_is_grey(const struct spng_plte *palette)
{
    for (uint32_t i = 0; i < palette->n_entries; i++) {
        const struct spng_plte_entry *e = &palette->entries[i];
        if (e->red != e->green || e->red != e->blue)
            return false;
    }
    return true;
}

nash_status ni_png_probe(ni_picture_info *info, const uint8_t *bytes,
                         size_t size_bytes, const char *path)
{
    nash_status status = NASH_OK;
    spng_ctx *ctx = NULL;
    struct spng_ihdr header = {0};
    struct spng_plte palette;
    bool turned;
    TRY(open_header(&ctx, &header, bytes, size_bytes, path));
    turned = ni_exif_lies_on_side(orientation_of(ctx));
    info->h = (int32_t)(turned ? header.width : header.height);
    info->w = (int32_t)(turned ? header.height : header.width);
    info->grey = is_grey_type(&header);
    if (header.color_type == SPNG_COLOR_TYPE_INDEXED) {
        int code = spng_get_plte(ctx, &palette);
        if (code != SPNG_OK) {
            status = fail(code, path);
            goto done;
        }
        info->grey = palette_is_grey(&palette);
    }
done:
    spng_ctx_free(ctx);
    return status;
}

/* Lay RGBA pixels on white, in place: four bytes become three. */
static void flatten(uint8_t *pixels, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *from = pixels + 4 * i;
        uint8_t *to = pixels + 3 * i;
        int alpha = from[3];
        for (int c = 0; c < 3; c++)
            to[c] =
                (uint8_t)((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* The libspng format that holds the picture with the fewest bytes. */
static nash_status choose_format(int *format, spng_ctx *ctx,
                                 const struct spng_ihdr *header,
                                 const char *path)
{
    struct spng_trns transparency;
    int code = spng_get_trns(ctx, &transparency);
    if (code != SPNG_OK && code != SPNG_ECHUNKAVAIL)
        return fail(code, path);
    if (code == SPNG_OK ||
        header->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
        header->color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA)
        *format = SPNG_FMT_RGBA8;
    else if (is_grey_type(header) && header->bit_depth <= 8)
        *format = SPNG_FMT_G8;
    else
        *format = SPNG_FMT_RGB8;
    return NASH_OK;
}

nash_status ni_png_decode(ni_picture *picture, const uint8_t *bytes,
                          size_t size_bytes, const char *path)
{
    nash_status status = NASH_OK;
    spng_ctx *ctx = NULL;
    struct spng_ihdr header = {0};
    nash_shape shape;
    size_t bytes_out;
    int format = SPNG_FMT_RGB8, code;
    *picture = (ni_picture){0};
    TRY(open_header(&ctx, &header, bytes, size_bytes, path));
    TRY(choose_format(&format, ctx, &header, path));
    code = spng_decoded_image_size(ctx, format, &bytes_out);
    if (code == SPNG_OK) {
        NEW_ARRAY(picture->pixels, bytes_out);
        code = spng_decode_image(ctx, picture->pixels, bytes_out, format,
                                 SPNG_DECODE_TRNS);
    }
    if (code != SPNG_OK) {
        status = fail(code, path);
        goto done;
    }
    shape = (nash_shape){format == SPNG_FMT_G8 ? 1 : 3, (int32_t)header.height,
                         (int32_t)header.width};
    if (format == SPNG_FMT_RGBA8)
        flatten(picture->pixels, (int64_t)shape.h * shape.w);
    picture->view = ni_view_of_rows(picture->pixels, shape);
    if (is_grey_type(&header))
        picture->view.channels = 1; /* three times the same */
    ni_exif_turn(&picture->view, orientation_of(ctx));
done:
    if (status != NASH_OK)
        ni_picture_deinit(picture);
    spng_ctx_free(ctx);
    return status;
}

nash_status ni_png_write(const char *path, const uint8_t *rows,
                         nash_shape shape)
{
    nash_status status = NASH_OK;
    spng_ctx *ctx = NULL;
    void *file = NULL;
    size_t file_bytes = 0;
    int code;
    struct spng_ihdr header = {
        .width = (uint32_t)shape.w,
        .height = (uint32_t)shape.h,
        .bit_depth = 8,
        .color_type = shape.c == 1 ? SPNG_COLOR_TYPE_GRAYSCALE
                                   : SPNG_COLOR_TYPE_TRUECOLOR,
    };
    size_t size_bytes = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
    TRY(new_context(&ctx, SPNG_CTX_ENCODER));
    code = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    if (code == SPNG_OK)
        code = spng_set_ihdr(ctx, &header);
    if (code == SPNG_OK)
        code = spng_encode_image(ctx, rows, size_bytes, SPNG_FMT_PNG,
                                 SPNG_ENCODE_FINALIZE);
    if (code == SPNG_OK)
        file = spng_get_png_buffer(ctx, &file_bytes, &code);
    REQUIRE(code != SPNG_EMEM, NASH_ENOMEM, "out of memory for %s", path);
    REQUIRE(code == SPNG_OK, NASH_EIO, "%s cannot be encoded as PNG: %s", path,
            spng_strerror(code));
    TRY(ni_file_write_atomic(path, file, file_bytes));
done:
    free(file); /* libspng's */
    spng_ctx_free(ctx);
    return status;
}
