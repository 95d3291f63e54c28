#ifndef NI_DIST_PATHS_H
#define NI_DIST_PATHS_H

#include <nash/status.h>

#include <stdint.h>

/* The files of a candidate's directory; besides, result.json: what came of it,
 * the truth, which is result-N.json where stop_epoch N cuts it short. */
#define NI_FILE_JOB "job.json"            /* what to do */
#define NI_FILE_MODEL "model.onnx"        /* what to start from */
#define NI_FILE_TRAINED "trained.onnx"    /* written before the result */
#define NI_FILE_STATE "state.safetensors" /* to go on from; and .old */
#define NI_FILE_LOG "log"
#define NI_FILE_LOCK "lock"

/** RUN/candidates/SSSS-CC, or a file in it unless @p file is NULL; NULL with
 * the error set when memory is out. */
char *ni_candidate_path(const char *run_dir, int32_t step, int32_t child,
                        const char *file);

/** The name of a job's result. @param stop_epoch  0: none */
void ni_result_name(char name[32], int32_t stop_epoch);

/** The file of a snapshot in a candidate's directory, likewise. */
char *ni_snapshot_path(const char *dir, int32_t snapshot);

/** Remove a file of a directory; NASH_OK if there is none. */
nash_status ni_remove(const char *dir, const char *file);

/** Remove the files of a directory whose names begin and end so. */
nash_status ni_remove_all(const char *dir, const char *begin, const char *end);

/** Remove a training's states. */
nash_status ni_remove_states(const char *dir);

#endif
