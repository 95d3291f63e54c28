#ifndef TESTS_PROCESS_FIXTURE_H
#define TESTS_PROCESS_FIXTURE_H

#include <nash/dist.h>

/*
 * A tiny data set, and candidates as processes: a test program with this
 * fixture is also the candidate. Started as "PROGRAM candidate DIR" it does
 * what the nash program does, or misbehaves as the environment says:
 * NASH_TEST_MISDEED=die|poor|lost|exit|garbage|hang|unable|fall:CHILD; "lost"
 * is to end as ssh does without its connection, "fall" to die after each of the
 * first FALLS states that it leaves.
 */

enum { FALLS = 4 };
enum { SIDE = 8, N_TRAIN = 60, N_TEST = 12, N_CLASSES = 3 };

/* this program; a scratch directory and what is in it */
extern char self[256], work[64], data[96], run_dir[96];

/** Begin a test program: find itself, or be a candidate and exit. */
void be_candidate_if_asked(int argc, char **argv);

int make_work(void **state);
int remove_work(void **state);

nash_model *small_model(void);
/** Two epochs on it, of step 1; the learning rate names the child. */
nash_job a_job(const nash_model *m, int32_t child);
nash_process_opts some_opts(void);

/** Evaluate jobs on a fresh evaluator. */
nash_status evaluate(const nash_process_opts *opts, const nash_job *jobs,
                     int32_t n, nash_outcome *outcomes);
void deinit_all(nash_outcome *outcomes, int32_t n);

/** Write a launcher into the work directory, a shell script. */
void write_launcher(char path[128], const char *name, const char *commands);

/** Hash of a candidate's trained model; a file in its directory. */
uint64_t trained_hash(int32_t child, int32_t snapshot);
void path_of(char path[200], int32_t child, const char *file);

#define DIST_TEST(test)                                                        \
    cmocka_unit_test_setup_teardown(test, make_work, remove_work)

#endif
