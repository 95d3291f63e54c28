/*
 * How far a child is from its parent: four forwards of the probe. A value that
 * is not finite counts as an infinite deviation.
 */
#include "surgery.h"

#include "base/memory.h"

#include <math.h>

static void compare(double *absolute, double *relative, const float *parent,
                    const float *child, int64_t n)
{
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        double gap = fabs((double)child[i] - (double)parent[i]);
        double size = fabs((double)parent[i]);
        worst = isfinite(gap) ? fmax(worst, gap) : HUGE_VAL;
        largest = isfinite(size) ? fmax(largest, size) : largest;
        if (isinf(worst))
            break;
    }
    *absolute = worst;
    *relative = worst == 0 ? 0 : worst / largest;
}

static nash_status compare_mode(double *absolute, double *relative,
                                const nash_model *parent,
                                const nash_model *child, bool training,
                                const nash_probe *probe)
{
    nash_status status = NASH_OK;
    int32_t classes = nash_graph_classes(nash_model_graph(parent));
    int64_t n = (int64_t)probe->images * classes;
    float *before = NULL, *after = NULL;
    NEW_ARRAY(before, n);
    NEW_ARRAY(after, n);
    TRY(probe->logits(probe->ctx, parent, training, before));
    TRY(probe->logits(probe->ctx, child, training, after));
    compare(absolute, relative, before, after, n);
done:
    ni_free(before);
    ni_free(after);
    return status;
}

nash_status nash_morph_deviation(nash_deviation *out, const nash_model *parent,
                                 const nash_model *child,
                                 const nash_probe *probe)
{
    nash_status status = NASH_OK;
    const nash_graph *g = nash_model_graph(parent),
                     *h = nash_model_graph(child);
    nash_shape a = nash_graph_input_shape(g), b = nash_graph_input_shape(h);
    nash_deviation found;
    REQUIRE(a.c == b.c && a.h == b.h && a.w == b.w, NASH_ESHAPE,
            "the parent reads %d x %d x %d and the child %d x %d x %d", a.c,
            a.h, a.w, b.c, b.h, b.w);
    REQUIRE(nash_graph_classes(g) == nash_graph_classes(h), NASH_ESHAPE,
            "the parent has %d classes and the child %d", nash_graph_classes(g),
            nash_graph_classes(h));
    TRY(compare_mode(&found.infer, &found.infer_relative, parent, child, false,
                     probe));
    TRY(compare_mode(&found.train, &found.train_relative, parent, child, true,
                     probe));
    *out = found;
done:
    return status;
}
