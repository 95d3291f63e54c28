#ifndef NI_REF_H
#define NI_REF_H

#include <nash/plan.h>

/*
 * What the oracle knows beyond floats, for tests: everything in double. All
 * results are borrowed from a plan of NASH_ENGINE_REF and laid out as their
 * float counterparts; values are of its last forward, derivatives of its last
 * backward.
 */

/** [batch,K] logits. */
const double *ni_ref_logits(const nash_plan *plan);

/** [batch,c,h,w] output of any node, watched or not. */
const double *ni_ref_output(const nash_plan *plan, int32_t id);

/** dL/d(output of a node); NULL unless training. */
const double *ni_ref_d_output(const nash_plan *plan, int32_t id);

/** dL/d(tensor); NULL where it has no gradient. */
const double *ni_ref_gradient(const nash_plan *plan, int32_t id, int32_t slot);

#endif
