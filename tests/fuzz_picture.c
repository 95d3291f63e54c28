/*
 * libFuzzer: PNG and JPEG files. Whatever the bytes are, probing and decoding
 * must end with a picture that fits or with a sentence, and leak nothing.
 */
#include "base/memory.h"
#include "data/picture.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

enum { MOST_PIXELS = 1 << 20 }; /* larger ones only cost time */

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool is_small(const uint8_t *bytes, size_t size_bytes)
{
    ni_picture_info info;
    nash_status status =
        ni_picture_probe_bytes(&info, bytes, size_bytes, "input");
    if (status != NASH_OK)
        return true;
    require(info.h >= 1 && info.w >= 1);
    return (int64_t)info.h * info.w <= MOST_PIXELS;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static uint8_t pixels[3 * 8 * 11];
    int64_t blocks = ni_memory_live_blocks();
    if (!is_small(bytes, size_bytes))
        return 0;
    for (int32_t c = 1; c <= 3; c += 2) {
        nash_shape shape = {c, 8, 11};
        ni_picture picture;
        nash_status status =
            ni_picture_decode(&picture, bytes, size_bytes, c == 1 ? 0 : shape.h,
                              c == 1 ? 0 : shape.w, "input");
        if (status == NASH_OK)
            require(ni_view_fit(pixels, shape, &picture.view) == NASH_OK);
        else
            require(nash_error_message()[0] != '\0');
        ni_picture_deinit(&picture);
        require(ni_memory_live_blocks() == blocks);
    }
    return 0;
}
