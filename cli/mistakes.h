#ifndef CLI_MISTAKES_H
#define CLI_MISTAKES_H

#include <nash/nash.h>

/*
 * The images that a network gets wrong, the most confident mistakes first:
 * where the label is wrong, rather than the network, it stands among these.
 */

typedef struct mistake {
    int32_t image; /* within the part */
    int32_t said;  /* class */
    float probability;
} mistake;

typedef struct mistakes {
    const nash_dataset *data;  /* borrowed */
    const nash_images *images; /* borrowed, of the part */
    nash_part part;
    mistake *list; /* [n], owned; by falling probability, then by image */
    int32_t n;     /* all of them */
} mistakes;

/**
 * Find them.
 *
 * @param m              its data, images and part are set; release list by
 *                       free()
 * @param probabilities  [images->n, images->classes]
 * @return EXIT_OK, or EXIT_FAILED after a sentence
 */
int mistakes_find(mistakes *m, const float *probabilities);

/** Print the first @p most: a table, or an array "mistakes" of the JSON object
 * that is being written. */
void mistakes_print(const mistakes *m, int32_t most);
void mistakes_json(const mistakes *m, int32_t most);

/** Write the first @p most as a PNG, in the same order, ten a row; nothing, and
 * a line that says so, where there is none.
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int mistakes_draw(const mistakes *m, int32_t most, const char *path);

#endif
