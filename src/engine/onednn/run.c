/*
 * Binding a program to its memory, and running it. A run allocates nothing; the
 * profile costs two readings of the clock per step, and only while it is on. A
 * program that fails still comes to the meetings, or the others would wait for
 * ever.
 */
#include "onednn.h"

#include "base/clock.h"

#include <stdio.h>

static nash_status bind_primitive(ni_program *p, ni_step *step)
{
    nash_status status = NASH_OK;
    TRY(ni_dnnl_check(p, step->node, step->what,
                      dnnl_primitive_create(&step->primitive, step->desc)));
    for (int32_t i = 0; i < step->n_refs; i++) {
        const ni_ref *ref = &step->refs[i];
        const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(
            step->desc, dnnl_query_exec_arg_md, ref->what);
        step->args[i].arg = ref->what;
        TRY(ni_dnnl_check(p, step->node, step->what,
                          dnnl_memory_create(&step->args[i].memory, desc,
                                             p->engine,
                                             ni_address(p, ref->buffer))));
    }
done:
    return status;
}

nash_status ni_bind(ni_program *p)
{
    nash_status status = NASH_OK;
    for (int phase = 0; phase < NI_PHASES; phase++)
        for (int32_t i = 0; i < p->steps[phase].count; i++) {
            ni_step *step = &p->steps[phase].items[i];
            if (step->desc) {
                TRY(bind_primitive(p, step));
                continue;
            }
            for (int32_t k = 0; k < step->n_refs; k++)
                step->task.at[step->refs[k].what] =
                    ni_address(p, step->refs[k].buffer);
        }
done:
    return status;
}

static void release_step(ni_step *step)
{
    for (int32_t i = 0; i < step->n_refs; i++)
        if (step->args[i].memory)
            dnnl_memory_destroy(step->args[i].memory);
    if (step->primitive)
        dnnl_primitive_destroy(step->primitive);
    if (step->desc)
        dnnl_primitive_desc_destroy(step->desc);
}

void ni_release_steps(ni_program *p)
{
    for (int phase = 0; phase < NI_PHASES; phase++) {
        for (int32_t i = 0; i < p->steps[phase].count; i++)
            release_step(&p->steps[phase].items[i]);
        ni_free(p->steps[phase].items);
    }
}

static nash_status run_step(const ni_program *p, const ni_step *step)
{
    if (step->kernel) {
        step->kernel(&step->task);
        return NASH_OK;
    }
    return ni_dnnl_check(p, step->node, step->what,
                         dnnl_primitive_execute(step->primitive, p->stream,
                                                step->n_refs, step->args));
}

static void keep_failure(ni_program *p, nash_status status)
{
    p->status = status;
    snprintf(p->message, NI_MESSAGE, "%s", nash_error_message());
}

void ni_run(ni_program *p, ni_phase phase, ni_crew *crew, double *seconds)
{
    for (int32_t i = 0; i < p->steps[phase].count; i++) {
        const ni_step *step = &p->steps[phase].items[i];
        double start = seconds ? ni_clock_seconds() : 0.0;
        nash_status status = NASH_OK;
        if (step->meets)
            ni_crew_meet(crew);
        else if (p->status == NASH_OK)
            status = run_step(p, step);
        if (status != NASH_OK)
            keep_failure(p, status);
        if (seconds)
            seconds[2 * step->node + (phase == NI_BACKWARD)] +=
                ni_clock_seconds() - start;
    }
}
