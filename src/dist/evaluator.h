#ifndef NI_DIST_EVALUATOR_H
#define NI_DIST_EVALUATOR_H

#include <nash/dist.h>

#include "launch.h"

/* The evaluator that runs candidates as processes. */
typedef struct ni_processes {
    nash_process_opts opts; /* its strings are not used: see below */
    ni_launch launch;
    char *run_dir;   /* owned; absolute */
    char *data_name; /* owned; absolute, or from a candidate's directory where
                        it lies in the run, so that runs can be moved */
} ni_processes;

/**
 * Make a candidate's directory ready, unless its lasting result is there. What
 * an earlier stop_epoch of the same training left stays.
 *
 * @param known    whether @p outcome is that result
 * @param outcome  filled in if it is known, else cleared
 * @param hash     of the job
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM
 */
nash_status ni_prepare(bool *known, nash_outcome *outcome, uint64_t *hash,
                       const ni_processes *p, const nash_job *job);

/** Where the job stops: 0 if nothing cuts it short. */
int32_t ni_stop_of(const nash_job *job);

/** A result counts only if it was computed as this process would. */
void ni_check_engine(nash_outcome *outcome, const ni_processes *p,
                     const nash_job *job, const char *engine);

#endif
