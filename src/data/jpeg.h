#ifndef NI_JPEG_H
#define NI_JPEG_H

#include "picture.h"

/** Whether the bytes begin as a JPEG file does. */
bool ni_jpeg_is(const uint8_t *bytes, size_t size_bytes);

/** As ni_picture_probe(), on the file's beginning: the frame header must be in
 * it. */
nash_status ni_jpeg_probe(ni_picture_info *info, const uint8_t *bytes,
                          size_t size_bytes, const char *path);

/** As ni_picture_decode(), the Exif orientation applied. */
nash_status ni_jpeg_decode(ni_picture *picture, const uint8_t *bytes,
                           size_t size_bytes, int32_t h, int32_t w,
                           const char *path);

/** Whether the file reaches its end marker. A decoder may not notice, above all
 * in progressive files, that whole scans are missing. */
bool ni_jpeg_is_whole(const uint8_t *bytes, size_t size_bytes);

/** As ni_exif_orientation(). */
int ni_jpeg_orientation(const uint8_t *bytes, size_t size_bytes);

#endif
