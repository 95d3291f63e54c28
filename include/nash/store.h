#ifndef NASH_STORE_H
#define NASH_STORE_H

#include "search.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The run store: run.db, an SQLite file with one writer, the coordinator. The
 * writer is an observer; the reader gives the whole history at once.
 */

typedef struct nash_store nash_store;

/**
 * Create run.db in a run directory, or open it to go on. The directory is
 * locked against other coordinators until the store is closed.
 *
 * @return NASH_OK, NASH_ENOTFOUND (no such directory), NASH_EBUSY (another
 *         coordinator), NASH_EFORMAT (not a run's, or a newer nash's), NASH_EIO
 *         or NASH_ENOMEM
 */
NASH_API nash_status nash_store_open(nash_store **out, const char *run_dir);
NASH_API void nash_store_close(nash_store *store);

/** Whether a coordinator has a run's store open, on whichever host. */
NASH_API bool nash_store_is_open(const char *run_dir);

/**
 * The observer that records; borrowed, valid until the store is closed. What it
 * is told twice is recorded once, so outcomes may be told early, one by one.
 */
NASH_API const nash_observer *nash_store_observer(nash_store *store);

/** Set a setting or a result ("seed", "data", "test_error", ...), as text.
 * @return NASH_OK, NASH_EBUSY, NASH_EIO or NASH_ENOMEM, as all below */
NASH_API nash_status nash_store_set(nash_store *store, const char *key,
                                    const char *value);

/** Likewise, but not if another process has the run's record locked: where the
 * others wait for it, this is NASH_EBUSY at once. */
NASH_API nash_status nash_store_try_set(nash_store *store, const char *key,
                                        const char *value);

/** Make what is set until nash_store_commit() one change: all of it stays, or
 * nothing. Only nash_store_set() may be called in between. */
NASH_API nash_status nash_store_begin(nash_store *store);
NASH_API nash_status nash_store_commit(nash_store *store);

/** Record an epoch of a proposed candidate that is still being trained; its
 * outcome replaces them all. */
NASH_API nash_status nash_store_epoch(nash_store *store, int32_t step,
                                      int32_t child, const nash_epoch *epoch);

/** Note that something happened ("resumed", ...), with the time of day. */
NASH_API nash_status nash_store_event(nash_store *store, const char *text);

/** The last finished step and its winner; step -1 if there is none. */
NASH_API nash_status nash_store_state(nash_search_state *out,
                                      nash_store *store);

/* One candidate as recorded. */
typedef struct nash_record {
    int32_t step, child, parent_step, parent_child;
    nash_candidate_kind kind;
    bool done;          /* has an outcome */
    bool chosen;        /* won its step */
    nash_status status; /* of the outcome */
    char *message;      /* owned; "" unless it failed */
    int64_t params, macs;
    uint64_t graph_hash;
    nash_score val; /* NaN: not measured */
    double seconds;
    double pflop; /* training cost, 6 x MACs x images, 1e15 */
    int32_t n_epochs;
    nash_epoch *epochs; /* owned, [n_epochs] */
    int32_t n_morphs;
    char **morphs; /* owned, [n_morphs] text forms */
} nash_record;

typedef struct nash_history {
    int32_t n_records;
    nash_record *records; /* by step, then child */
    int32_t n_settings;
    char **keys, **values;             /* [n_settings], sorted by key */
    int64_t refused[NASH_MORPH_COUNT]; /* draws, over all steps */
} nash_history;

/**
 * Read a run's whole record, as of one moment; a running search is not
 * disturbed.
 *
 * @return NASH_OK, NASH_ENOTFOUND (no run.db there, or nothing in it yet),
 *         NASH_EFORMAT (not a run's, or a newer nash's), NASH_EBUSY, NASH_EIO
 *         or NASH_ENOMEM
 */
NASH_API nash_status nash_history_load(nash_history **out, const char *run_dir);
NASH_API void nash_history_free(nash_history *history);

/** The record of a candidate; NULL if there is none. Borrowed. */
NASH_API const nash_record *nash_history_find(const nash_history *history,
                                              int32_t step, int32_t child);

/** A setting's or result's value; NULL if there is none. Borrowed. */
NASH_API const char *nash_history_get(const nash_history *history,
                                      const char *key);

#ifdef __cplusplus
}
#endif

#endif
