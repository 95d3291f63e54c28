#ifndef CLI_VERDICT_H
#define CLI_VERDICT_H

#include "run.h"

/*
 * The end of a run: its result, its starting network and its snapshots are
 * judged on the test images, which nothing has looked at before.
 */

/** Judge, record, write best.onnx and report.html. @param r  its best is set
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int verdict_reach(run *r);

/** Print what a finished run found. @return as above */
int verdict_print(const char *run_dir, bool json);

#endif
