/*
 * Whitening: what a first layer must do for its outputs to be uncorrelated
 * and of equal size, by the covariance of small patches (as in Jordan's
 * airbench, arXiv 2404.00498). Looks at a few thousand images, a second's
 * work; single-threaded, so that its bits depend on the images alone.
 */
#include <nash/dataset.h>

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { MOST_IMAGES = 5000, MOST_PATCHES_A_SIDE = 32, MOST_SWEEPS = 50 };

/* Added to every eigenvalue, pixels having variance 1: noise that is all that
 * a direction holds is not blown up. */
static const double least_variance = 5e-4;

/* The patches of a set of images, normalised. */
typedef struct patches {
    const nash_images *images;
    const float *mean, *std;
    int32_t kernel;
    int32_t values;         /* of a patch */
    int32_t step_y, step_x; /* between the patches that are looked at */
    double *patch;          /* [values] */
    double *sum, *products; /* [values], [values, values] */
    int64_t count;
} patches;

static void read_patch(patches *p, int64_t image, int32_t y, int32_t x)
{
    nash_shape shape = p->images->shape;
    double *to = p->patch;
    for (int32_t c = 0; c < shape.c; c++) {
        const uint8_t *plane =
            p->images->pixels + (image * shape.c + c) * shape.h * shape.w;
        double scale = p->std[c] > 0 ? 1.0 / (double)p->std[c] : 0.0;
        for (int32_t i = 0; i < p->kernel * p->kernel; i++) {
            int64_t at =
                (int64_t)(y + i / p->kernel) * shape.w + x + i % p->kernel;
            *to++ = ((double)plane[at] - (double)p->mean[c]) * scale;
        }
    }
}

static void add_patch(patches *p)
{
    for (int32_t i = 0; i < p->values; i++) {
        p->sum[i] += p->patch[i];
        for (int32_t k = 0; k <= i; k++)
            p->products[i * p->values + k] += p->patch[i] * p->patch[k];
    }
    p->count++;
}

static void add_images(patches *p)
{
    nash_shape shape = p->images->shape;
    int64_t n = p->images->n, taken = n < MOST_IMAGES ? n : MOST_IMAGES;
    for (int64_t i = 0; i < taken; i++)
        for (int32_t y = 0; y + p->kernel <= shape.h; y += p->step_y)
            for (int32_t x = 0; x + p->kernel <= shape.w; x += p->step_x) {
                read_patch(p, i * n / taken, y, x);
                add_patch(p);
            }
}

/* The sums become the covariance, both triangles of it. */
static void finish_covariance(patches *p)
{
    int32_t d = p->values;
    double n = (double)p->count;
    for (int32_t i = 0; i < d; i++)
        for (int32_t k = 0; k <= i; k++) {
            double value =
                p->products[i * d + k] / n - p->sum[i] / n * (p->sum[k] / n);
            p->products[i * d + k] = p->products[k * d + i] = value;
        }
}

/* ---- eigenvectors, by Jacobi's rotations -------------------------------- */

typedef struct rotation {
    int32_t p, q;
    double c, s;
} rotation;

/* The rotation that makes a[p][q] zero. */
static rotation zeroing(const double *a, int32_t d, int32_t p, int32_t q)
{
    double theta = (a[q * d + q] - a[p * d + p]) / (2.0 * a[p * d + q]);
    double t = copysign(1.0, theta) / (fabs(theta) + hypot(theta, 1.0));
    double c = 1.0 / hypot(t, 1.0);
    return (rotation){p, q, c, t * c};
}

static void rotate(double *x, double *y, const rotation *r)
{
    double old = *x;
    *x = r->c * old - r->s * *y;
    *y = r->s * old + r->c * *y;
}

static void apply_rotation(double *a, double *v, int32_t d, const rotation *r)
{
    for (int32_t k = 0; k < d; k++)
        rotate(&a[k * d + r->p], &a[k * d + r->q], r);
    for (int32_t k = 0; k < d; k++)
        rotate(&a[r->p * d + k], &a[r->q * d + k], r);
    for (int32_t k = 0; k < d; k++)
        rotate(&v[r->p * d + k], &v[r->q * d + k], r);
}

/* One pass over all pairs; @return whether any needed a rotation. */
static bool sweep(double *a, double *v, int32_t d)
{
    bool turned = false;
    for (int32_t p = 0; p < d; p++)
        for (int32_t q = p + 1; q < d; q++) {
            double scale = sqrt(fabs(a[p * d + p] * a[q * d + q]));
            if (fabs(a[p * d + q]) <= 1e-14 * scale + 1e-300)
                continue;
            rotation r = zeroing(a, d, p, q);
            apply_rotation(a, v, d, &r);
            turned = true;
        }
    return turned;
}

/* The rows of v become the eigenvectors of the symmetric a, whose diagonal
 * becomes its eigenvalues. */
static void diagonalise(double *a, double *v, int32_t d)
{
    memset(v, 0, (size_t)d * (size_t)d * sizeof *v);
    for (int32_t i = 0; i < d; i++)
        v[i * d + i] = 1.0;
    for (int i = 0; i < MOST_SWEEPS && sweep(a, v, d); i++)
        ;
}

/* ---- filters ------------------------------------------------------------ */

/* The next largest eigenvalue's number; it is taken out. */
static int32_t take_largest(double *left, int32_t d)
{
    int32_t best = 0;
    for (int32_t i = 1; i < d; i++)
        if (left[i] > left[best])
            best = i;
    left[best] = -1.0;
    return best;
}

static double sign_of_largest(const double *v, int32_t d)
{
    int32_t best = 0;
    for (int32_t i = 1; i < d; i++)
        if (fabs(v[i]) > fabs(v[best]))
            best = i;
    return v[best] < 0.0 ? -1.0 : 1.0;
}

static void write_filters(float *filters, const double *a, const double *v,
                          double *left, int32_t d)
{
    for (int32_t i = 0; i < d; i++)
        left[i] = fmax(a[i * d + i], 0.0);
    for (int32_t i = 0; i < d; i++) {
        int32_t k = take_largest(left, d);
        const double *vector = v + k * d;
        double variance = fmax(a[k * d + k], 0.0) + least_variance;
        double scale = sign_of_largest(vector, d) / sqrt(variance);
        for (int32_t j = 0; j < d; j++)
            filters[i * d + j] = (float)(scale * vector[j]);
    }
}

static int32_t step_for(int32_t size)
{
    return (size + MOST_PATCHES_A_SIDE - 1) / MOST_PATCHES_A_SIDE;
}

nash_status nash_images_whitening(float *filters, const nash_images *images,
                                  const float *mean, const float *std,
                                  int32_t kernel)
{
    nash_status status = NASH_OK;
    nash_shape shape = images->shape;
    patches p = {.images = images, .mean = mean, .std = std, .kernel = kernel};
    double *vectors = NULL;
    REQUIRE(images->n > 0 && kernel >= 1 && kernel <= shape.h &&
                kernel <= shape.w && kernel <= 7,
            NASH_EINVAL,
            "%d x %d patches of %d images of %d x %d pixels were asked for, "
            "expected at least one image and 1 to 7 pixels a side",
            kernel, kernel, images->n, shape.h, shape.w);
    p.values = shape.c * kernel * kernel;
    p.step_y = step_for(shape.h);
    p.step_x = step_for(shape.w);
    NEW_ARRAY(p.patch, p.values);
    NEW_ARRAY(p.sum, p.values);
    NEW_ARRAY(p.products, (int64_t)p.values * p.values);
    NEW_ARRAY(vectors, (int64_t)p.values * p.values);
    add_images(&p);
    finish_covariance(&p);
    diagonalise(p.products, vectors, p.values);
    write_filters(filters, p.products, vectors, p.patch, p.values);
done:
    ni_free(vectors);
    ni_free(p.products);
    ni_free(p.sum);
    ni_free(p.patch);
    return status;
}
