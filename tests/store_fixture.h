#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <nash/store.h>

/*
 * What the tests of the store stand on: a run directory for each test, and a
 * small run to tell. A failure in here is the running test's.
 */

extern char dir[64]; /* the run's, a new one for each test */

/** Make the directory. */
int make_dir(void **state);
/** Remove it with the files that a store leaves. */
int remove_dir(void **state);

#define STORE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

/** The directory's store; nash_store_close() it. */
nash_store *open_store(void);
/** What the directory's run has recorded; nash_history_free() it. */
nash_history *load_history(void);

/** An epoch that was not validated. */
nash_epoch an_epoch(int32_t i);

/* A small run: the start, and a step of one child and the parent. */
typedef struct tale {
    nash_model *m;
    nash_job start, step[2];
    nash_outcome first, outcomes[2];
    nash_epoch epochs[3];
    int64_t refused[NASH_MORPH_COUNT];
} tale;

/** Make it up, with a model of its own; nash_model_free() that. */
void tale_init(tale *t);

#endif
