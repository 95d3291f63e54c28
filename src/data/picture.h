#ifndef NI_PICTURE_H
#define NI_PICTURE_H

#include <nash/graph.h>

/*
 * Pictures: bytes seen through steps, so that orientation, planes and
 * interleaved pixels are all the same to who reads them.
 */

/** Most pixels in a picture that is decoded. */
enum { NI_MAX_PIXELS = 64 << 20 };

typedef struct ni_view {
    const uint8_t *pixels; /* of channel 0, row 0, column 0; borrowed */
    int32_t channels;      /* 1 or 3 */
    int32_t h, w;
    ptrdiff_t channel_step, row_step, column_step;
} ni_view;

/* A decoded file. */
typedef struct ni_picture {
    uint8_t *pixels; /* owned */
    ni_view view;    /* of them */
} ni_picture;

/* What a file's header tells. */
typedef struct ni_picture_info {
    int32_t h, w; /* as seen, orientation applied */
    bool grey;
} ni_picture_info;

/** Release; a zeroed picture is fine. */
void ni_picture_deinit(ni_picture *picture);

/** [C,H,W] bytes as a view. */
ni_view ni_view_of_planes(const uint8_t *pixels, nash_shape shape);

/** [H,W,C] bytes as a view. */
ni_view ni_view_of_rows(const uint8_t *pixels, nash_shape shape);

/**
 * Refuse a size before anything is allocated for it.
 *
 * @return NASH_OK, NASH_EFORMAT (an empty side) or NASH_ELIMIT
 */
nash_status ni_picture_check_size(int64_t h, int64_t w, const char *path);

/**
 * Bring a picture to a shape: stretched to its height and width by linear
 * interpolation (averaging over what shrinks), grey by luma 0.299 0.587 0.114,
 * colour by repeating the grey plane.
 *
 * @param dst    receives [C,H,W] bytes
 * @param shape  1 or 3 channels
 * @return NASH_OK or NASH_ENOMEM
 */
nash_status ni_view_fit(uint8_t *dst, nash_shape shape, const ni_view *src);

/**
 * Decode a PNG or JPEG file that is in memory.
 *
 * @param picture  receives it; release with ni_picture_deinit()
 * @param h, w     the size it will be fitted to: a JPEG is decoded at a smaller
 *                 scale where that still leaves twice as much; 0: full size
 * @param path     for the error sentence
 * @return NASH_OK, NASH_EFORMAT, NASH_EUNSUPPORTED, NASH_ELIMIT or NASH_ENOMEM
 */
nash_status ni_picture_decode(ni_picture *picture, const uint8_t *bytes,
                              size_t size_bytes, int32_t h, int32_t w,
                              const char *path);

/** Read the header of a PNG or JPEG file whose beginning is in memory.
 * @return as ni_picture_decode() */
nash_status ni_picture_probe_bytes(ni_picture_info *info, const uint8_t *bytes,
                                   size_t size_bytes, const char *path);

/** Read a picture file's header. @return as ni_picture_decode(), or as
 * ni_file_read() */
nash_status ni_picture_probe(ni_picture_info *info, const char *path);

#endif
