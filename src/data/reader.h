#ifndef NI_READER_H
#define NI_READER_H

#include <nash/dataset.h>

#include "picture.h"
#include "strings.h"

/*
 * A format's reader. A set is what the files call training or test images; a
 * part is what users get: the training part may be the training set without a
 * hold-out. Readers number a set's images 0 .. n-1 in an order that does not
 * depend on the file system.
 */

typedef struct ni_reader {
    const char *format;
    /* whether a directory has this format (one that cannot be read has none).
     * A nested directory is one below what the user named */
    nash_status (*recognise)(bool *yes, const char *dir, bool nested);
    /* find files and count images: sets ds->n, classes, names, native and
     * state; close() is called also after a failure */
    nash_status (*open)(nash_dataset *ds);
    /* [n] labels of the training set, for a hold-out */
    nash_status (*labels)(int32_t *labels, nash_dataset *ds);
    /* [n] what the images of a hold-out are ranked by, which stays when others
     * come or go; NULL: there is nothing of the kind */
    void (*keys)(uint64_t *keys, const nash_dataset *ds);
    /* the shape that suits the given images of the training set; NULL: all
     * images have the native shape */
    nash_status (*measure)(nash_shape *shape, nash_dataset *ds,
                           const int32_t *index, int32_t n);
    /* read images->n images of a set, index ascending, as images->shape; where
     * some cannot be read, the others are moved together, images->n falls and
     * index follows; after a failure index is as it was */
    nash_status (*read)(nash_images *images, int32_t *index, nash_dataset *ds,
                        nash_part set);
    /* what to call image i of a set */
    void (*describe)(char *text, size_t size_bytes, const nash_dataset *ds,
                     nash_part set, int32_t i);
    void (*close)(nash_dataset *ds);
} ni_reader;

struct nash_dataset {
    const ni_reader *reader;
    void *state; /* owned by the reader */
    char *dir;   /* owned; where the format's files are */
    nash_dataset_opts opts;
    int32_t n[2]; /* images in each set; 0: no such set */
    int32_t classes;
    ni_strings names;  /* [classes] */
    nash_shape native; /* shape of the files' images; {0}: they differ */
    nash_shape shape;  /* of all images here */
    bool holdout;      /* the test part is taken from the training set */
    int32_t n_part[2];
    int32_t *index[2]; /* owned, [n_part]: numbers within the set */
    nash_images images[2];
    bool loaded[2];
    uint64_t hash;               /* of the training part */
    ni_strings problems;         /* noticed while reading */
    int32_t skipped, skipped_of; /* unreadable images, in the reading in which
                                    their share was largest */
};

extern const ni_reader ni_reader_cifar10;
extern const ni_reader ni_reader_cifar100;
extern const ni_reader ni_reader_idx;
extern const ni_reader ni_reader_folder;

/** The set that a part's images stand in. */
nash_part ni_dataset_set(const nash_dataset *ds, nash_part part);

/** "training" or "test". */
const char *ni_part_name(nash_part part);

/** Note something for nash_dataset_examine(), and log it as a warning.
 * @return NASH_OK, NASH_ELIMIT or NASH_ENOMEM */
nash_status ni_dataset_note(nash_dataset *ds, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Store native pixels as image @p i: brought to the shape of @p images. */
nash_status ni_images_put(nash_images *images, int32_t i, const ni_view *view);

#endif
