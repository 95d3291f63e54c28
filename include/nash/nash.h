#ifndef NASH_NASH_H
#define NASH_NASH_H

/* libnash: neural architecture search by hill-climbing over network
 * morphisms. Everything at once; each header can be read on its own.
 *
 * Searches and reports write numbers as the program's LC_NUMERIC says: it has
 * to be "C", as it is without setlocale(). */

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
#include "text.h"
#include "train.h"

#endif
