#ifndef NI_PNG_H
#define NI_PNG_H

#include "picture.h"

/** Whether the bytes begin as a PNG file does. */
bool ni_png_is(const uint8_t *bytes, size_t size_bytes);

/** As ni_picture_probe(), on the file's beginning: whatever precedes the pixel
 * data must be in it. */
nash_status ni_png_probe(ni_picture_info *info, const uint8_t *bytes,
                         size_t size_bytes, const char *path);

/** As ni_picture_decode(): 16 bits are cut to 8, palettes looked up,
 * transparency laid on white, the Exif orientation applied; colour profiles and
 * gamma are not applied. */
nash_status ni_png_decode(ni_picture *picture, const uint8_t *bytes,
                          size_t size_bytes, const char *path);

/**
 * Write [H,W,C] bytes as a PNG file, atomically.
 *
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM
 */
nash_status ni_png_write(const char *path, const uint8_t *rows,
                         nash_shape shape);

#endif
