#ifndef NI_ENGINE_H
#define NI_ENGINE_H

#include "base/crew.h"
#include "base/error.h"

#include <nash/plan.h>

/*
 * What an engine implements; plan.c dispatches. The vtable holds everything
 * behind nash_plan; each engine embeds nash_plan as its first member.
 *
 * plan.c has checked graph and options before it calls create() or estimate():
 * the graph is complete (nash_graph_check), batch, threads and watch are in
 * range. It calls backward() only in training mode after a forward, read()
 * only for the watched node after a forward.
 */

typedef struct ni_engine {
    const char *(*describe)(void);
    /* Sets every field of nash_plan but those marked [plan.c]; refuses by
     * ni_plan_check_bytes() before the large allocations. */
    nash_status (*create)(nash_plan **out, const nash_model *m,
                          const nash_plan_opts *opts);
    /* bytes == create()->bytes, without a model's tensors; max_bytes is not
     * looked at */
    nash_status (*estimate)(size_t *bytes, const nash_graph *g,
                            const nash_plan_opts *opts);
    void (*destroy)(nash_plan *plan); /* frees the plan itself, too */
    nash_status (*refresh)(nash_plan *plan);
    nash_status (*forward)(nash_plan *plan);
    nash_status (*backward)(nash_plan *plan);
    nash_status (*read)(nash_plan *plan, int32_t id, float *dst);
} ni_engine;

struct nash_plan {
    const ni_engine *engine; /* [plan.c] */
    const nash_model *model; /* borrowed; training plans were given one whose
                                tensors may be written */
    nash_plan_opts opts;
    nash_precision precision; /* F32 or BF16 */
    size_t bytes;
    float *input;     /* owned by the engine's part */
    float *logits;    /* likewise */
    float *d_logits;  /* likewise; NULL unless training */
    ni_crew *crew;    /* owned by the engine; NULL: one thread */
    float **gradient; /* [nodes * NASH_SLOT_COUNT], owned by the engine; NULL
                         unless training */
    bool forwarded;   /* [plan.c] a forward has succeeded */
    bool spent;       /* [plan.c] backward has overwritten what it left */
    bool profiling;   /* [plan.c] */
    double *seconds;  /* [plan.c] [nodes * 2]: forward, backward; engines add
                         to it while profiling */
};

/** NASH_ELIMIT with a sentence if opts->max_bytes is exceeded. */
nash_status ni_plan_check_bytes(size_t bytes, const nash_plan_opts *opts);

/** Mark [nodes] what forward has to compute: in STATS mode with a watched node
 * that node and its ancestors, else everything. */
void ni_plan_mark_needed(bool *needed, const nash_graph *g,
                         const nash_plan_opts *opts);

/** Let the plan's threads work together, when it does not run itself. */
void ni_plan_work(const nash_plan *plan, ni_crew_work work, void *ctx);
int32_t ni_plan_threads(const nash_plan *plan);

extern const ni_engine ni_engine_ref;
extern const ni_engine ni_engine_onednn;

#endif
