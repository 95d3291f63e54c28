#ifndef NI_DECODE_H
#define NI_DECODE_H

#include "picture.h"

/* What became of a picture file. */
typedef struct ni_decoded {
    nash_status status; /* as nash_image_read() returned it */
    char *reason;       /* owned: its sentence; NULL after NASH_OK */
} ni_decoded;

/**
 * Read picture files, several at a time, each as nash_image_read() does.
 *
 * @param results  receives [n]; free each `reason` with ni_free()
 * @param pixels   receives [n,C,H,W] bytes of @p shape; what cannot be read is
 *                 left as it is
 * @param paths    of the files
 * @param index    [n] which of them
 * @param threads  1 .. 1024
 * @return NASH_OK whatever became of the files, or NASH_ENOMEM, by a file or
 *         for the threads
 */
nash_status ni_pictures_read(ni_decoded *results, uint8_t *pixels,
                             nash_shape shape, char *const *paths,
                             const int32_t *index, int32_t n, int32_t threads);

#endif
