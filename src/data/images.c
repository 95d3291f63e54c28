/* Moments of images. Sums are exact integers, so order cannot matter. */
#include <nash/dataset.h>

#include <math.h>

static void add_plane(uint64_t *sum, uint64_t *squares, const uint8_t *plane,
                      int64_t n)
{
    /* short runs keep the inner loop in 32 bits */
    enum { RUN = 1 << 16 };
    for (int64_t start = 0; start < n; start += RUN) {
        int64_t end = start + RUN < n ? start + RUN : n;
        uint32_t s = 0, q = 0;
        for (int64_t i = start; i < end; i++) {
            uint32_t v = plane[i];
            s += v;
            q += v * v;
        }
        *sum += s;
        *squares += q;
    }
}

void nash_images_moments(const nash_images *images, const int32_t *index,
                         int32_t n, float *mean, float *std)
{
    nash_shape shape = images->shape;
    int64_t plane = (int64_t)shape.h * shape.w;
    int32_t count = index ? n : images->n;
    for (int32_t c = 0; c < shape.c; c++) {
        uint64_t sum = 0, squares = 0;
        for (int32_t i = 0; i < count; i++) {
            int64_t image = index ? index[i] : i;
            add_plane(&sum, &squares,
                      images->pixels + (image * shape.c + c) * plane, plane);
        }
        double pixels = (double)count * (double)plane;
        double m = count ? (double)sum / pixels : 0.0;
        double variance = count ? (double)squares / pixels - m * m : 0.0;
        mean[c] = (float)m;
        std[c] = (float)sqrt(fmax(variance, 0.0));
    }
}
