/*
 * The writer of run.db: an observer of the search. Each thing it is told is
 * one transaction, and being told again changes nothing, so a search that was
 * interrupted anywhere can tell its last step once more.
 */
#include <nash/store.h>

#include "db.h"

#include "base/lock.h"
#include "base/memory.h"
#include "base/file.h"

#include <inttypes.h>
#include <stdio.h>

struct nash_store {
    ni_db db;
    int lock;
    nash_observer observer;
};

/* End a transaction: commit, or undo after a failure whose code is kept. */
static nash_status end(const ni_db *db, nash_status status)
{
    if (status == NASH_OK)
        status = ni_db_exec(db, "COMMIT");
    if (status != NASH_OK)
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static nash_status put_morphs(const ni_db *db, const nash_job *job)
{
    nash_status status = NASH_OK;
    TRY(ni_db_run(db, "DELETE FROM morphism WHERE step = ? AND child = ?", "ii",
                  job->step, job->child));
    for (int32_t i = 0; i < job->n_morphs; i++)
        TRY(ni_db_run(db, "INSERT INTO morphism VALUES (?, ?, ?, ?)", "iiit",
                      job->step, job->child, i, job->morphs[i]));
done:
    return status;
}

static nash_status put_candidate(const ni_db *db, const nash_job *job)
{
    static const char insert[] =
        "INSERT INTO candidate VALUES"
        " (?1, ?2, ?3, nullif(?4, -1), nullif(?5, -1), ?6, ?7, ?8)"
        " ON CONFLICT DO UPDATE SET kind = ?3, parent_step = nullif(?4, -1),"
        " parent_child = nullif(?5, -1), graph_hash = ?6, params = ?7,"
        " macs = ?8";
    const nash_graph *g = nash_model_graph(job->model);
    char hash[24];
    snprintf(hash, sizeof hash, "%016" PRIx64, nash_graph_hash(g));
    nash_status status = ni_db_run(
        db, insert, "iitiitll", job->step, job->child,
        nash_candidate_kind_name(job->kind), job->parent_step,
        job->parent_child, hash, nash_graph_params(g), nash_graph_macs(g));
    if (status == NASH_OK)
        status = put_morphs(db, job);
    /* epochs of a training that was interrupted: it tells them again */
    if (status == NASH_OK)
        status = ni_db_run(db,
                           "DELETE FROM epoch WHERE step = ?1 AND child = ?2"
                           " AND NOT EXISTS (SELECT 1 FROM outcome"
                           " WHERE step = ?1 AND child = ?2)",
                           "ii", job->step, job->child);
    return status;
}

static nash_status put_refused(const ni_db *db, int32_t step,
                               const int64_t *refused)
{
    nash_status status = NASH_OK;
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        if (refused[k] > 0)
            TRY(ni_db_run(db,
                          "INSERT INTO refusal VALUES (?1, ?2, ?3)"
                          " ON CONFLICT DO UPDATE SET draws = ?3",
                          "itl", step, nash_morph_name((nash_morph_kind)k),
                          refused[k]));
done:
    return status;
}

static nash_status proposed(void *ctx, const nash_job *jobs, int32_t n,
                            const int64_t *refused)
{
    const ni_db *db = &((nash_store *)ctx)->db;
    nash_status status = ni_db_exec(db, "BEGIN IMMEDIATE");
    if (status != NASH_OK)
        return status;
    for (int32_t i = 0; i < n; i++)
        TRY(put_candidate(db, &jobs[i]));
    TRY(put_refused(db, jobs[0].step, refused));
done:
    return end(db, status);
}

static nash_status put_epoch(const ni_db *db, int32_t step, int32_t child,
                             const nash_epoch *epoch)
{
    return ni_db_run(db,
                     "INSERT OR REPLACE INTO epoch VALUES"
                     " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     "iiirrrrrrr", step, child, epoch->epoch, epoch->lr,
                     epoch->train_loss, epoch->train_error, epoch->val_loss,
                     epoch->val_error, epoch->val_balanced_error,
                     epoch->seconds);
}

static nash_status put_outcome(const ni_db *db, const nash_job *job,
                               const nash_outcome *outcome)
{
    nash_status status = NASH_OK;
    double pflop =
        nash_pflop((double)nash_graph_macs(nash_model_graph(job->model)),
                   (double)outcome->images);
    TRY(ni_db_run(db,
                  "INSERT OR REPLACE INTO outcome VALUES"
                  " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  "iittrrrilrr", job->step, job->child,
                  nash_status_name(outcome->status), outcome->message,
                  outcome->val.loss, outcome->val.error,
                  outcome->val.balanced_error, outcome->val.images,
                  outcome->images, pflop, outcome->seconds));
    TRY(ni_db_run(db, "DELETE FROM epoch WHERE step = ? AND child = ?", "ii",
                  job->step, job->child));
    for (int32_t i = 0; i < outcome->n_epochs; i++)
        TRY(put_epoch(db, job->step, job->child, &outcome->epochs[i]));
done:
    return status;
}

static nash_status evaluated(void *ctx, const nash_job *jobs, int32_t n,
                             const nash_outcome *outcomes)
{
    const ni_db *db = &((nash_store *)ctx)->db;
    nash_status status = ni_db_exec(db, "BEGIN IMMEDIATE");
    if (status != NASH_OK)
        return status;
    for (int32_t i = 0; i < n; i++)
        TRY(put_outcome(db, &jobs[i], &outcomes[i]));
done:
    return end(db, status);
}

static nash_status chosen(void *ctx, int32_t step, int32_t child,
                          const nash_model *m)
{
    (void)m;
    return ni_db_run(&((nash_store *)ctx)->db,
                     "INSERT OR REPLACE INTO choice VALUES (?, ?)", "ii", step,
                     child);
}

nash_status nash_store_open(nash_store **out, const char *run_dir)
{
    nash_status status = NASH_OK;
    nash_store *store = NULL;
    char *path = NULL, *lock = NULL;
    REQUIRE(ni_is_directory(run_dir), NASH_ENOTFOUND,
            "%s is not a directory, expected a run's", run_dir);
    NEW(store);
    store->lock = -1;
    store->observer = (nash_observer){store, proposed, evaluated, chosen};
    NEW_FROM(path, ni_path_join(run_dir, "run.db"));
    NEW_FROM(lock, ni_path_join(run_dir, "lock"));
    TRY(ni_lock_take(&store->lock, lock, run_dir, 0));
    TRY(ni_db_open(&store->db, path, true));
    TRY(ni_db_create_schema(&store->db));
    TRY(ni_db_check_schema(&store->db));
    *out = store;
    store = NULL;
done:
    nash_store_close(store);
    ni_free(lock);
    ni_free(path);
    return status;
}

bool nash_store_is_open(const char *run_dir)
{
    char *lock = ni_path_join(run_dir, "lock");
    bool open = lock && ni_lock_is_held(lock);
    ni_free(lock);
    return open;
}

void nash_store_close(nash_store *store)
{
    if (!store)
        return;
    ni_db_close(&store->db);
    ni_lock_release(store->lock);
    ni_free(store);
}

const nash_observer *nash_store_observer(nash_store *store)
{
    return &store->observer;
}

nash_status nash_store_set(nash_store *store, const char *key,
                           const char *value)
{
    return ni_db_run(&store->db, "INSERT OR REPLACE INTO setting VALUES (?, ?)",
                     "tt", key, value);
}

nash_status nash_store_try_set(nash_store *store, const char *key,
                               const char *value)
{
    int patience_ms = store->db.patience_ms;
    store->db.patience_ms = 0;
    nash_status status = nash_store_set(store, key, value);
    store->db.patience_ms = patience_ms;
    return status;
}

nash_status nash_store_begin(nash_store *store)
{
    return ni_db_exec(&store->db, "BEGIN IMMEDIATE");
}

nash_status nash_store_commit(nash_store *store)
{
    return ni_db_exec(&store->db, "COMMIT");
}

nash_status nash_store_epoch(nash_store *store, int32_t step, int32_t child,
                             const nash_epoch *epoch)
{
    return put_epoch(&store->db, step, child, epoch);
}

nash_status nash_store_event(nash_store *store, const char *text)
{
    return ni_db_run(&store->db,
                     "INSERT INTO event (time, text) VALUES"
                     " (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?)",
                     "t", text);
}

nash_status nash_store_state(nash_search_state *out, nash_store *store)
{
    nash_status status = NASH_OK;
    sqlite3_stmt *query = NULL;
    bool row;
    *out = (nash_search_state){-1, -1};
    TRY(ni_db_query(&query, &store->db,
                    "SELECT step, child FROM choice ORDER BY step DESC LIMIT 1",
                    ""));
    TRY(ni_db_step(&row, &store->db, query));
    if (row)
        *out = (nash_search_state){sqlite3_column_int(query, 0),
                                   sqlite3_column_int(query, 1)};
done:
    sqlite3_finalize(query);
    return status;
}
