#ifndef CLI_PRESETS_H
#define CLI_PRESETS_H

#include "args.h"

#include <nash/nash.h>

/*
 * Presets by their number: what they set, and what of it follows the images.
 */

extern const char *const preset_names[]; /* ends with NULL; 0: the default */

/** What a preset says of an option of a search; NULL: nothing. Borrowed. */
const char *preset_value(const char *option, int preset);

/** Set a search's options. */
void preset_set_search(const arg_option *options, int preset);

/** Set those options of another table that say how a search trains its result;
 * not for how many epochs. */
void preset_set_result(const arg_option *options, int preset);

/** A table of the presets for --help; yours to free(). NULL: out of memory */
char *preset_notes(void);

/** Whether it counts in epochs and pixels of CIFAR-10's images. */
bool preset_is_of_cifar(int preset);

/** A preset's pad for images of that size. */
int32_t preset_pad(int preset, int32_t pad, nash_shape image);

/** What --final-cutout asks for. */
int32_t preset_cutout_side(int32_t asked, nash_shape image);

/** The side of the square that the final training hides. */
int32_t preset_cutout(int preset, nash_shape image, int32_t epochs,
                      int64_t params);

enum { PRESET_CUTOUT_EPOCHS = 32 }; /* nash_search_opts.cutout_epochs */

#endif
