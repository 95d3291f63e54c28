#ifndef NASH_DATASET_H
#define NASH_DATASET_H

#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A data set is a directory whose format is recognised by content: CIFAR-10 or
 * CIFAR-100 binary, IDX (MNIST's), or folders of PNG and JPEG files,
 * train/<class>/ with an optional test/<class>/, or <class>/ alone. Images are
 * held as bytes, planes C,H,W.
 */

typedef enum nash_part { NASH_PART_TRAIN, NASH_PART_TEST } nash_part;

typedef struct nash_images {
    nash_shape shape;
    int32_t n;
    int32_t classes;
    uint8_t *pixels; /* [n,C,H,W], owned by the data set */
    int32_t *labels; /* [n] in 0 .. classes-1, likewise */
} nash_images;

typedef struct nash_dataset_opts {
    int32_t height, width; /* resize to this; 0: as the format says, or the
                              median of the training images' aspect */
    int32_t channels;      /* 1 or 3; 0: grey only if all training images
                              are, however they are stored */
    double holdout;        /* share of images held out as the test set where
                              there is none, stratified; e.g. 0.15. Of a class
                              of two images or more one at least stays, and
                              one at least is held out; a lone
                              one stays, unless all are */
    uint64_t seed;         /* of the hold-out */
    int32_t max_side;      /* pixels; larger medians are scaled down: 128 */
    int64_t max_bytes;     /* refuse a larger part; 0: 8 GiB */
    double max_skipped;    /* image folders: share of files that may be
                              unreadable, and are left out; more are refused.
                              0.1 */
    const char *const *classes; /* image folders: the [n_classes] names of all
                                   classes, in this order, with or without a
                                   folder; other folders are left out. Borrowed
                                   while it is opened. NULL: all folders */
    int32_t n_classes;
    int32_t threads; /* that decode pictures; 0: the caller's alone */
    bool lazy;       /* read the training images only when they are asked
                        for; until then the hash is 0 */
} nash_dataset_opts;

typedef struct nash_dataset nash_dataset;

/** Size and channels as the images are, 15 % held out with seed 0 where there
 * is no test set, 128 pixels, 8 GiB, a tenth of unreadable files. */
NASH_API nash_dataset_opts nash_dataset_opts_default(void);

/**
 * Open a data set and read its training images. Of the test images the files
 * are looked at, the pixels not until nash_dataset_images() asks for them.
 *
 * @param opts  NULL: nash_dataset_opts_default()
 * @return NASH_OK, NASH_ENOTFOUND (no such directory, or nothing recognised in
 *         it: the sentence says what was looked for), NASH_EINVAL (an option),
 *         NASH_EFORMAT (names the file), NASH_EIO, NASH_ELIMIT or NASH_ENOMEM
 */
NASH_API nash_status nash_dataset_open(nash_dataset **out, const char *dir,
                                       const nash_dataset_opts *opts);
NASH_API void nash_dataset_close(nash_dataset *ds);

/**
 * One part's images, read on first use; borrowed.
 *
 * @return NASH_OK, NASH_ENOTFOUND (no test set, and no hold-out), NASH_EFORMAT,
 *         NASH_EIO, NASH_ELIMIT or NASH_ENOMEM
 */
NASH_API nash_status nash_dataset_images(const nash_images **out,
                                         nash_dataset *ds, nash_part part);

/** How many images a part has; before nash_dataset_images() has given them,
 * those that will turn out unreadable included. Reads no file. */
NASH_API int32_t nash_dataset_count(const nash_dataset *ds, nash_part part);

/** The recognised format, "cifar10", "cifar100", "idx" or "folder". */
NASH_API const char *nash_dataset_format(const nash_dataset *ds);
/** Whether the test part is a hold-out of the given images. */
NASH_API bool nash_dataset_is_holdout(const nash_dataset *ds);
NASH_API int32_t nash_dataset_classes(const nash_dataset *ds);
/** A class's name (a number where the format has none). Borrowed. */
NASH_API const char *nash_dataset_class(const nash_dataset *ds, int32_t k);
/** What to call an image of a part that nash_dataset_images() has given: the
 * path of its file in a folder of pictures, else its set and number there, from
 * 0, such as "test image 17".
 *
 * @param name  receives it, cut to @p size_bytes (4096 are enough for any)
 * @param i     0 .. n-1 of the part's images */
NASH_API void nash_dataset_image_name(char *name, size_t size_bytes,
                                      const nash_dataset *ds, nash_part part,
                                      int32_t i);
/** Hash of the training images and labels: identifies what was trained on,
 * whatever format it came from. */
NASH_API uint64_t nash_dataset_hash(const nash_dataset *ds);

/**
 * Write the training images, as they were read, as an IDX data set without a
 * test set: it has the same hash and opens without decoding. For programs that
 * open a folder of large pictures again and again; open it with holdout 0.
 *
 * @param dir  made if it is missing
 * @return NASH_OK, NASH_EINVAL (they were not read: ask nash_dataset_images()
 *         for them first), NASH_EIO or NASH_ENOMEM
 */
NASH_API nash_status nash_dataset_save(const nash_dataset *ds, const char *dir);

/** Something that is wrong with a data set but does not prevent its use. */
typedef struct nash_data_problem {
    char text[1000];
} nash_data_problem;

/**
 * Look for what is wrong: classes that are empty or missing from a part,
 * images that stand in both parts or twice, unreadable or skipped files, heavy
 * imbalance, constant images, images that are nearly black.
 *
 * @param problems  receives up to @p most
 * @param n         receives how many there are in all
 * @return NASH_OK, or as nash_dataset_images() for either part
 */
NASH_API nash_status nash_dataset_examine(nash_data_problem *problems,
                                          int32_t most, int32_t *n,
                                          nash_dataset *ds);

/** Mean and standard deviation per channel over given images.
 * @param index  [n] images to use; NULL: all. mean, std receive [C] */
NASH_API void nash_images_moments(const nash_images *images,
                                  const int32_t *index, int32_t n, float *mean,
                                  float *std);

/**
 * Filters that whiten: applied to the images' k x k patches, pixels normalised
 * by mean and std, they give values that are uncorrelated and of about
 * variance 1. They are the eigenvectors of the patches' covariance, each
 * divided by its standard deviation, by falling variance.
 *
 * @param filters    receives [d, C, k, k], d = C * k * k
 * @param mean, std  [C], as nash_images_moments() gives them
 * @param kernel     k, 1 to 7 and at most the images' smaller side
 * @return NASH_OK, NASH_EINVAL (kernel, no image) or NASH_ENOMEM
 */
NASH_API nash_status nash_images_whitening(float *filters,
                                           const nash_images *images,
                                           const float *mean, const float *std,
                                           int32_t kernel);

/**
 * Split 0..n-1 in two, stratified by label: every class gives its share,
 * rounded so that the sum is as asked for. But of a class of two images or more
 * there is one on either side, and a lone one is on the first, unless no class
 * has two.
 *
 * @param first    receives [*n_first] indices, ascending; room for n
 * @param n_first  what it should be; receives what it is
 * @param second   receives [n - *n_first] indices, ascending; room for n
 * @param keys     [n] to rank a class's images by, the largest on the second
 *                 side: another image moves one of each class at most.
 *                 NULL: drawn by the seed
 * @return NASH_OK, NASH_EINVAL or NASH_ENOMEM
 */
NASH_API nash_status nash_split(int32_t *first, int32_t *n_first,
                                int32_t *second, const int32_t *labels,
                                const uint64_t *keys, int32_t n,
                                int32_t classes, uint64_t seed);

/**
 * Find images that equal others, in every pixel.
 *
 * @param repeated  receives [n]: whether any of the others equals it
 * @param index     [n] which of the images; NULL: the first n
 * @param other_index  [n_others] likewise
 * @return NASH_OK, NASH_EINVAL (other shapes) or NASH_ENOMEM
 */
NASH_API nash_status nash_images_repeated(
    bool *repeated, const nash_images *images, const int32_t *index, int32_t n,
    const nash_images *others, const int32_t *other_index, int32_t n_others);

/** Write the first images of each class as a PNG, a row per class; shrunk
 * where they are too many for a sheet of their size.
 * @return NASH_OK, NASH_EINVAL (per_class < 1), NASH_ELIMIT (too many for
 * a sheet of 16384 pixels a side), NASH_EIO or NASH_ENOMEM */
NASH_API nash_status nash_images_contact_sheet(const nash_images *images,
                                               int32_t per_class,
                                               const char *path);

/** Write images as a PNG in the order given, row by row from the left; shrunk
 * likewise.
 * @param index  [n] of the images; @param columns  of them in a row
 * @return NASH_OK, NASH_EINVAL (n or columns < 1), NASH_ELIMIT (too many for
 * a sheet of 16384 pixels a side), NASH_EIO or NASH_ENOMEM */
NASH_API nash_status nash_images_draw(const nash_images *images,
                                      const int32_t *index, int32_t n,
                                      int32_t columns, const char *path);

/**
 * Read one PNG or JPEG file, resized as in training.
 *
 * @param pixels  receives [C,H,W] bytes of @p shape
 * @return NASH_OK, NASH_EINVAL (the shape), NASH_ENOTFOUND, NASH_EIO,
 *         NASH_EFORMAT, NASH_ELIMIT (more than 64 megapixels, or a file of more
 *         than 1 GiB) or NASH_ENOMEM
 */
NASH_API nash_status nash_image_read(uint8_t *pixels, nash_shape shape,
                                     const char *path);

typedef enum nash_source {
    NASH_SOURCE_CIFAR10,
    NASH_SOURCE_FASHION_MNIST
} nash_source;

/** Progress of a download: bytes so far and in all (0: unknown). */
typedef void (*nash_fetch_progress)(void *ctx, const char *what, int64_t bytes,
                                    int64_t total);

/**
 * Fetch a public data set into a directory and check its MD5 sums. Files that
 * are there and right are kept, others of their names refused. After an
 * interruption what is complete is taken up: single files, the downloaded
 * archive, and with apt-get also a part of it.
 *
 * @param progress  told about five times a second; may be NULL
 * @return NASH_OK, NASH_ENOTFOUND (a program that is needed: npm, apt-get, tar,
 *         dpkg-deb), NASH_EIO (offline or disk full: the sentence says who was
 *         asked for what), NASH_EFORMAT (wrong sum, of what was there or of
 *         what came), NASH_EBUSY (another fetch into the directory),
 *         NASH_EINVAL (another source; nothing is made) or NASH_ENOMEM
 */
NASH_API nash_status nash_fetch(nash_source source, const char *dir,
                                nash_fetch_progress progress, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
