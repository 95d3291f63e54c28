#ifndef MADE_DATA_H
#define MADE_DATA_H

#include <nash/dataset.h>

#include <stddef.h>

/*
 * Small data sets made for tests, below one temporary directory per program.
 * Everything here asserts instead of failing.
 */

/** The program's temporary directory, made on first use. */
const char *made_dir(void);

/** Remove it and what is in it. */
void made_remove(void);

/** That, for cmocka_run_group_tests(). */
int made_teardown(void **state);

/** A path below it, in one of a few rotating buffers; parents are made. */
const char *made_path(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/** Write a file. */
void made_file(const char *path, const void *bytes, size_t size_bytes);

/** Cut a file to a size. */
void made_shorter(const char *path, size_t size_bytes);

/** A pixel of image @p i in all made sets, so that contents can be checked. */
uint8_t made_pixel(int32_t i, int32_t c, int32_t y, int32_t x);

/** CIFAR records: @p label_bytes 1 or 2, labels i % classes. */
void made_cifar(const char *path, int32_t first, int32_t n, int32_t label_bytes,
                int32_t classes);

/** An IDX file of images, [n,h,w], or [n,h,w,c] where c > 0. */
void made_idx_images(const char *path, int32_t n, int32_t h, int32_t w,
                     int32_t c);

/** An IDX file of labels i % classes. */
void made_idx_labels(const char *path, int32_t n, int32_t classes);

/** Image @p i as a PNG file. */
void made_png(const char *path, int32_t i, nash_shape shape);

/** Image folders CLASS/NN.png in a directory: n images in each class. */
void made_classes(const char *dir, const char *const *classes, int32_t n,
                  nash_shape shape);

/** Open a data set; close it with nash_dataset_close(). */
nash_dataset *made_open(const char *path, const nash_dataset_opts *opts);

/** Whether one of the problems has the text in it; says so if not. */
bool made_finds(const nash_data_problem *problems, int32_t n, const char *text);

/** A part's images. */
const nash_images *made_part(nash_dataset *ds, nash_part part);

#endif
