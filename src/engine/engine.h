#ifndef NI_ENGINE_H
#define NI_ENGINE_H

#include <nash/plan.h>

/*
 * What an engine implements; plan.c dispatches. The vtable holds everything
 * behind nash_plan; each engine embeds nash_plan as its first member.
 */

typedef struct ni_engine {
    const char *(*describe)(void);
    nash_status (*create)(nash_plan **out, nash_model *m,
                          const nash_plan_opts *opts);
    /* bytes == create()->bytes, without a model's tensors */
    nash_status (*estimate)(size_t *bytes, const nash_graph *g,
                            const nash_plan_opts *opts);
    void (*destroy)(nash_plan *plan);
    nash_status (*refresh)(nash_plan *plan);
    nash_status (*forward)(nash_plan *plan);
    nash_status (*backward)(nash_plan *plan);
    nash_status (*read)(nash_plan *plan, int32_t id, float *dst);
} ni_engine;

struct nash_plan {
    const ni_engine *engine;
    nash_model *model; /* borrowed */
    nash_plan_opts opts;
    nash_precision precision;
    size_t bytes;
    float *input;     /* owned by the engine's part */
    float *logits;    /* likewise */
    float *d_logits;  /* likewise; NULL unless training */
    float **gradient; /* [nodes * NASH_SLOT_COUNT], owned by the engine */
    bool profiling;
    double *seconds; /* [nodes * 2]: forward, backward */
};

extern const ni_engine ni_engine_ref;
extern const ni_engine ni_engine_onednn;

#endif
