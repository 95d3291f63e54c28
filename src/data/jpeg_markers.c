/*
 * What the markers of a JPEG file tell without decoding: whether it is whole,
 * and where its Exif data are. Every offset is checked.
 */
#include "exif.h"
#include "jpeg.h"

#include <string.h>

enum {
    MARKER_RESTART_0 = 0xd0,
    MARKER_RESTART_7 = 0xd7,
    MARKER_END = 0xd9,
    MARKER_START_OF_SCAN = 0xda,
    MARKER_APP1 = 0xe1
};

int ni_jpeg_orientation(const uint8_t *bytes, size_t size_bytes)
{
    size_t at = 2;
    while (at + 4 <= size_bytes && bytes[at] == 0xff) {
        int marker = bytes[at + 1];
        size_t length = (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
        size_t left = size_bytes - at - 2;
        if (marker == MARKER_START_OF_SCAN || length < 2 || length > left)
            return 1;
        const uint8_t *body = bytes + at + 4;
        if (marker == MARKER_APP1 && length >= 8 &&
            memcmp(body, "Exif\0\0", 6) == 0)
            return ni_exif_orientation(body + 6, length - 8);
        at += 2 + length;
    }
    return 1;
}

/* Whether a marker stands alone: no length and no body follow it. Byte 0 is not
 * even a marker but an escaped 0xff of the scan's data. */
static bool stands_alone(int marker)
{
    return marker == 0 || marker == 1 ||
           (marker >= MARKER_RESTART_0 && marker <= MARKER_RESTART_7);
}

bool ni_jpeg_is_whole(const uint8_t *bytes, size_t size_bytes)
{
    const uint8_t *at = bytes + 2, *end = bytes + size_bytes;
    while (end - at >= 2) {
        at = memchr(at, 0xff, (size_t)(end - at) - 1);
        if (!at)
            return false;
        int marker = at[1];
        if (marker == MARKER_END)
            return true;
        at += marker == 0xff ? 1 : 2;
        if (marker == 0xff || stands_alone(marker))
            continue;
        if (end - at < 2)
            return false;
        at += at[0] << 8 | at[1];
    }
    return false;
}
