#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "run.h"

/*
 * Data and starting network of a run, new or resumed. Unless it is said
 * otherwise, functions return EXIT_OK, or the exit status after a sentence.
 */

/** Take the path of the data. */
int input_data(run *r, const char *data_dir);

/** Open the data and draw a new network for it. */
int input_make_start(run *r);

/** Draw a narrower one, and say so, if the budget suits that better. */
int input_narrow_start(run *r);

/** Read the network of --init, and open the data for it. */
int input_adopt_start(run *r, const char *path);

/** Read the network that an earlier process began with, likewise. */
int input_read_start(run *r, const char *path);

/** Take the training images of the data. */
int input_images(run *r);

/** Say what they are. */
void input_describe(const run *r);

/** Where candidates find the images, as @p opts has them: pictures are decoded
 * once, here, and not by every candidate. Data that is quick to open is used
 * where it is. */
int input_for_candidates(run *r, nash_dataset_opts *opts);

/** For nash_search_opts.redraw. @param ctx  the run */
nash_status input_redraw(void *ctx, nash_model *m, uint64_t seed);

#endif
