#ifndef CLI_OPEN_H
#define CLI_OPEN_H

#include <nash/nash.h>

/*
 * Data sets opened for a model: the images as the model takes them, or a
 * sentence about why it cannot be meant for them.
 */

/** Open a data set as the options say, on all processors, and a part may take
 * half of the memory that there is. @return EXIT_OK, or EXIT_FAILED after a
 * sentence */
int open_dataset(nash_dataset **out, const char *dir,
                 const nash_dataset_opts *opts);

/** Say why nash_run_split() failed. @return EXIT_FAILED */
int open_cannot_split(nash_status status);

/** Whether a model tells a data set's classes apart, by number and name.
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int open_check_classes(const nash_model *m, const char *name,
                       const nash_dataset *ds, const char *dir);

/** Whether pictures can be read for a model that takes so many channels.
 * @return likewise */
int open_check_channels(const char *name, int32_t channels);

/**
 * Open a data set for a model. Where the images' own size is another, they are
 * resized to the model's if the data set is a folder of pictures, or the model
 * names its classes, as those of ours do.
 *
 * @param out   receives the data set; yours to close
 * @param name  the model's file, for the sentences
 * @param opts  NULL: nash_dataset_opts_default(); size and channels are not
 * used
 * @return EXIT_OK, or EXIT_FAILED after a sentence
 */
int open_for_model(nash_dataset **out, const char *dir, const nash_model *m,
                   const char *name, const nash_dataset_opts *opts);

/** Likewise, but of a folder of pictures the model's classes are taken, by
 * name: it may lack some of them, and other folders in it are left out. */
int open_to_judge(nash_dataset **out, const char *dir, const nash_model *m,
                  const char *name, const nash_dataset_opts *opts);

/** As open_for_model() after giving the model a fresh last layer for the data's
 * classes; images of another size are resized. @param seed  of the layer's
 * weights */
int open_for_new_head(nash_dataset **out, const char *dir, nash_model *m,
                      const char *name, uint64_t seed);

#endif
