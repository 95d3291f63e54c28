/*
 * What the markers of a JPEG file tell without decoding: whether it is whole,
 * and its Exif orientation, the one tag that changes what a picture shows.
 * Every offset is checked; anything odd in the Exif data means "upright".
 */
#include "jpeg.h"

#include <string.h>

enum {
    MARKER_RESTART_0 = 0xd0,
    MARKER_RESTART_7 = 0xd7,
    MARKER_END = 0xd9,
    MARKER_START_OF_SCAN = 0xda,
    MARKER_APP1 = 0xe1,
    TIFF_HEADER_BYTES = 8,
    ENTRY_BYTES = 12,
    TAG_ORIENTATION = 0x0112,
    TYPE_SHORT = 3
};

typedef struct tiff {
    const uint8_t *bytes;
    size_t size_bytes;
    bool little_endian;
} tiff;

static uint32_t read_u16(const tiff *t, size_t at)
{
    const uint8_t *b = t->bytes + at;
    return t->little_endian ? (uint32_t)(b[0] | b[1] << 8)
                            : (uint32_t)(b[1] | b[0] << 8);
}

static uint32_t read_u32(const tiff *t, size_t at)
{
    uint32_t first = read_u16(t, at), second = read_u16(t, at + 2);
    return t->little_endian ? first | second << 16 : second | first << 16;
}

static int orientation_of(tiff *t)
{
    if (t->size_bytes < TIFF_HEADER_BYTES ||
        (memcmp(t->bytes, "II", 2) != 0 && memcmp(t->bytes, "MM", 2) != 0))
        return 1;
    t->little_endian = t->bytes[0] == 'I';
    size_t at = read_u32(t, 4);
    if (at > t->size_bytes - 2)
        return 1;
    uint32_t entries = read_u16(t, at);
    at += 2;
    for (uint32_t i = 0; i < entries; i++, at += ENTRY_BYTES) {
        if (t->size_bytes - at < ENTRY_BYTES)
            return 1;
        if (read_u16(t, at) != TAG_ORIENTATION)
            continue;
        uint32_t value = read_u16(t, at + 8);
        bool valid =
            read_u16(t, at + 2) == TYPE_SHORT && value >= 1 && value <= 8;
        return valid ? (int)value : 1;
    }
    return 1;
}

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
            memcmp(body, "Exif\0\0", 6) == 0) {
            tiff t = {.bytes = body + 6, .size_bytes = length - 8};
            return orientation_of(&t);
        }
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
