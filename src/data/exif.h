#ifndef NI_EXIF_H
#define NI_EXIF_H

#include "picture.h"

/** The orientation in Exif data (a TIFF header and what it points to), 1 .. 8
 * as the standard numbers it: 1 is upright, and the answer where there is
 * none. */
int ni_exif_orientation(const uint8_t *bytes, size_t size_bytes);

/** Whether rows and columns are exchanged. */
bool ni_exif_lies_on_side(int orientation);

/** See a picture upright. */
void ni_exif_turn(ni_view *view, int orientation);

#endif
