/*
 * Exif orientation, the one tag that changes what a picture shows. Every offset
 * is checked; anything odd in the data means "upright".
 */
#include "exif.h"

#include <string.h>

enum {
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

int ni_exif_orientation(const uint8_t *bytes, size_t size_bytes)
{
    tiff t = {.bytes = bytes, .size_bytes = size_bytes};
    if (size_bytes < TIFF_HEADER_BYTES ||
        (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0))
        return 1;
    t.little_endian = bytes[0] == 'I';
    size_t at = read_u32(&t, 4);
    if (at > size_bytes - 2)
        return 1;
    uint32_t entries = read_u16(&t, at);
    at += 2;
    for (uint32_t i = 0; i < entries; i++, at += ENTRY_BYTES) {
        if (size_bytes - at < ENTRY_BYTES)
            return 1;
        if (read_u16(&t, at) != TAG_ORIENTATION)
            continue;
        uint32_t value = read_u16(&t, at + 8);
        bool valid =
            read_u16(&t, at + 2) == TYPE_SHORT && value >= 1 && value <= 8;
        return valid ? (int)value : 1;
    }
    return 1;
}

bool ni_exif_lies_on_side(int orientation)
{
    return orientation >= 5;
}

/* 1 upright, 2 mirrored, 3 turned by half, 4 upside down, and 5 .. 8 the same
 * four with rows and columns exchanged in the file. */
void ni_exif_turn(ni_view *view, int orientation)
{
    bool mirror_columns = orientation == 2 || orientation == 3 ||
                          orientation == 7 || orientation == 8;
    bool mirror_rows = orientation == 3 || orientation == 4 ||
                       orientation == 6 || orientation == 7;
    if (mirror_columns) {
        view->pixels += (view->w - 1) * view->column_step;
        view->column_step = -view->column_step;
    }
    if (mirror_rows) {
        view->pixels += (view->h - 1) * view->row_step;
        view->row_step = -view->row_step;
    }
    if (ni_exif_lies_on_side(orientation)) {
        int32_t h = view->h;
        ptrdiff_t row_step = view->row_step;
        view->h = view->w;
        view->w = h;
        view->row_step = view->column_step;
        view->column_step = row_step;
    }
}
