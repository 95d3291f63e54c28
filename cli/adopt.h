#ifndef CLI_ADOPT_H
#define CLI_ADOPT_H

#include <nash/nash.h>

/*
 * Networks from elsewhere: what they lack is put in when they are read.
 */

/* As the command line gives it. */
typedef struct adoption {
    const char *mean, *std; /* "0.49,0.48,0.45"; NULL: nothing is put in */
    bool new_head;
    bool reinit; /* its weights are drawn anew: nothing that it learned stays */
} adoption;

/* For the tables of options. */
#define ADOPT_MEAN_HELP                                                        \
    "the mean that a network from elsewhere expects to be subtracted from "    \
    "its pixels, a value or one per channel; of 0..1, or, if one of mean or "  \
    "std is above 1, of 0..255"
#define ADOPT_STD_HELP                                                         \
    "the standard deviation to divide by after that, likewise"
#define ADOPT_HEAD_HELP                                                        \
    "draw the last layer of a network from elsewhere anew, for the data's "    \
    "classes"

/** What is wrong with the options by themselves.
 * @param network  the file that they are for; NULL: there is none
 * @return EXIT_OK, or EXIT_USAGE after a sentence */
int adopt_check(const adoption *a, const char *verb, const char *network);

/** Read a network and put in the normalisation, where one is asked for; say so
 * where it has none then. Refuses weights that are not finite, and
 * variances of 0 or less.
 * @param out   receives it, maybe also on failure; yours to free
 * @param hint  for a file that cannot be read, but for a run's directory; may
 * be NULL
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int adopt_read(nash_model **out, const char *path, const adoption *a,
               const char *hint);

/** Let a network take looks besides its own. */
void adopt_looks(nash_model *m, nash_looks looks);

/** Open the data that a network is to be trained on, and put in the new head,
 * where one is asked for. Its classes become the data's. Says so if it has
 * learned from images that it will be judged by.
 * @param val_share  of the training images, to judge it by
 * @param seed       of that split, and of the head's weights
 * @return likewise */
int adopt_data(nash_dataset **out, const char *dir, nash_model *m,
               const char *path, const adoption *a, double val_share,
               uint64_t seed);

#endif
