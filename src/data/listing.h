#ifndef NI_DATA_LISTING_H
#define NI_DATA_LISTING_H

#include "strings.h"

#include <stddef.h>

/*
 * What of a directory is pictures, by the names of files.
 */

bool ni_is_picture_name(const char *name);

/** How many of the files are pictures, or are none.
 * @param first  receives the number of the first of them, if there is one */
int32_t ni_count_files(int32_t *first, const ni_strings *files, bool pictures);

/** Whether one of a directory's own files is a picture.
 * @param yes  set where it is so, else left as it is
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM */
nash_status ni_has_pictures(bool *yes, const char *dir);

/** Whether one of a directory's directories has pictures, as far as they can be
 * read. @param yes  likewise @return NASH_OK or NASH_ENOMEM */
nash_status ni_has_classes(bool *yes, const char *dir);

/** What is in a directory that no reader recognises, for a sentence: where
 * pictures lie instead of train/CLASS/ or CLASS/, or which file is none.
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM */
nash_status ni_directory_look(char *text, size_t size_bytes, const char *dir);

#endif
