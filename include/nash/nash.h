#ifndef NASH_NASH_H
#define NASH_NASH_H

/* libnash: neural architecture search by hill-climbing over network
 * morphisms. Everything at once; each header can be read on its own. */

#include "batch.h"
#include "budget.h"
#include "dataset.h"
#include "dist.h"
#include "graph.h"
#include "log.h"
#include "model.h"
#include "morph.h"
#include "onnx.h"
#include "plan.h"
#include "report.h"
#include "search.h"
#include "status.h"
#include "store.h"
#include "train.h"

#endif
