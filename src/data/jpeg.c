/*
 * The door to TurboJPEG. Large photographs are decoded at the smallest scale
 * that keeps twice the wanted size, which costs a fraction of full decoding.
 * Refuses more than 64 megapixels before allocating, and progressive files of
 * more than 500 scans.
 */
#include "jpeg.h"

#include "base/memory.h"
#include "exif.h"

#include <string.h>
#include <turbojpeg.h>

typedef struct header {
    int w, h, subsampling, colours;
} header;

bool ni_jpeg_is(const uint8_t *bytes, size_t size_bytes)
{
    return size_bytes >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

static nash_status read_header(header *out, tjhandle handle,
                               const uint8_t *bytes, size_t size_bytes,
                               const char *path)
{
    nash_status status = NASH_OK;
    *out = (header){0}; /* a file that ends early leaves it as it is */
    int code =
        tjDecompressHeader3(handle, bytes, (unsigned long)size_bytes, &out->w,
                            &out->h, &out->subsampling, &out->colours);
    /* Neither a warning nor a subsampling that it has no name for is a reason
     * to refuse a file that has a size. */
    REQUIRE(out->h > 0 && out->w > 0, NASH_EFORMAT,
            "%s is a damaged JPEG file: %s", path,
            code == 0 ? "no pixels" : tjGetErrorStr2(handle));
    TRY(ni_picture_check_size(out->h, out->w, path));
done:
    return status;
}

nash_status ni_jpeg_probe(ni_picture_info *info, const uint8_t *bytes,
                          size_t size_bytes, const char *path)
{
    nash_status status = NASH_OK;
    header head;
    bool turned;
    tjhandle handle = tjInitDecompress();
    REQUIRE(handle, NASH_ENOMEM, "out of memory for %s", path);
    TRY(read_header(&head, handle, bytes, size_bytes, path));
    turned = ni_exif_lies_on_side(ni_jpeg_orientation(bytes, size_bytes));
    info->h = turned ? head.w : head.h;
    info->w = turned ? head.h : head.w;
    info->grey = head.colours == TJCS_GRAY;
done:
    if (handle)
        tjDestroy(handle);
    return status;
}

/* The smallest scale that leaves at least twice h and w. */
static void choose_scale(header *head, int32_t h, int32_t w)
{
    int n = 0, full_w = head->w, full_h = head->h;
    const tjscalingfactor *scales = tjGetScalingFactors(&n);
    for (int i = 0; h > 0 && i < n; i++) {
        int scaled_w = TJSCALED(full_w, scales[i]);
        int scaled_h = TJSCALED(full_h, scales[i]);
        if (scaled_w >= 2 * w && scaled_h >= 2 * h && scaled_w < head->w) {
            head->w = scaled_w;
            head->h = scaled_h;
        }
    }
}

/* Four inks, stored inverted as Adobe does, to three colours, in place. */
static void mix_inks(uint8_t *pixels, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int black = pixels[4 * i + 3];
        for (int c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)(pixels[4 * i + c] * black / 255);
    }
}

static nash_status decompress(uint8_t *pixels, tjhandle handle,
                              const uint8_t *bytes, size_t size_bytes,
                              const header *head, int format, const char *path)
{
    int code = tjDecompress2(handle, bytes, (unsigned long)size_bytes, pixels,
                             head->w, 0, head->h, format, TJFLAG_LIMITSCANS);
    /* what is only warned about, every viewer passes over */
    if (code == 0 || tjGetErrorCode(handle) == TJERR_WARNING)
        return NASH_OK;
    return ni_fail(NASH_EFORMAT, "%s is a damaged JPEG file: %s", path,
                   tjGetErrorStr2(handle));
}

nash_status ni_jpeg_decode(ni_picture *picture, const uint8_t *bytes,
                           size_t size_bytes, int32_t h, int32_t w,
                           const char *path)
{
    nash_status status = NASH_OK;
    header head;
    int orientation = ni_jpeg_orientation(bytes, size_bytes);
    bool turned = ni_exif_lies_on_side(orientation), inks, grey;
    int64_t n;
    tjhandle handle = tjInitDecompress();
    *picture = (ni_picture){0};
    REQUIRE(handle, NASH_ENOMEM, "out of memory for %s", path);
    TRY(read_header(&head, handle, bytes, size_bytes, path));
    REQUIRE(ni_jpeg_is_whole(bytes, size_bytes), NASH_EFORMAT,
            "%s is cut off: its JPEG data end early", path);
    choose_scale(&head, turned ? w : h, turned ? h : w);
    n = (int64_t)head.h * head.w;
    grey = head.colours == TJCS_GRAY;
    inks = head.colours == TJCS_CMYK || head.colours == TJCS_YCCK;
    NEW_ARRAY(picture->pixels, n * (grey ? 1 : inks ? 4 : 3));
    TRY(decompress(picture->pixels, handle, bytes, size_bytes, &head,
                   grey   ? TJPF_GRAY
                   : inks ? TJPF_CMYK
                          : TJPF_RGB,
                   path));
    if (inks)
        mix_inks(picture->pixels, n);
    picture->view = ni_view_of_rows(picture->pixels,
                                    (nash_shape){grey ? 1 : 3, head.h, head.w});
    ni_exif_turn(&picture->view, orientation);
done:
    if (status != NASH_OK)
        ni_picture_deinit(picture);
    if (handle)
        tjDestroy(handle);
    return status;
}
