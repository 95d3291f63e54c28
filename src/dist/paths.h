#ifndef NI_DIST_PATHS_H
#define NI_DIST_PATHS_H

#include <stdint.h>

/* The files of a candidate's directory. */
#define NI_FILE_JOB "job.json"         /* what to do */
#define NI_FILE_MODEL "model.onnx"     /* what to start from */
#define NI_FILE_RESULT "result.json"   /* what came of it: the truth */
#define NI_FILE_TRAINED "trained.onnx" /* written before the result */
#define NI_FILE_LOG "log"
#define NI_FILE_LOCK "lock"

/** RUN/candidates/SSSS-CC, or a file in it unless @p file is NULL; NULL with
 * the error set when memory is out. */
char *ni_candidate_path(const char *run_dir, int32_t step, int32_t child,
                        const char *file);

/** The file of a snapshot in a candidate's directory, likewise. */
char *ni_snapshot_path(const char *dir, int32_t snapshot);

#endif
