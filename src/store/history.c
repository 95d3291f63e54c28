/*
 * The reader of run.db: one read transaction that takes the whole record into
 * memory. A run has hundreds of candidates and tens of thousands of epochs at
 * most; other questions are better asked of SQLite itself.
 */
#include <nash/store.h>

#include "db.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static nash_status text_at(char **out, const ni_db *db, sqlite3_stmt *query,
                           int column)
{
    nash_status status = NASH_OK;
    const char *text = (const char *)sqlite3_column_text(query, column);
    REQUIRE(text, NASH_EFORMAT, "%s holds no text where one must be", db->path);
    NEW_FROM(*out, ni_strdup(text));
done:
    return status;
}

/* Borrowed until the query's next step; "" for NULL. */
static const char *word_at(sqlite3_stmt *query, int column)
{
    const char *text = (const char *)sqlite3_column_text(query, column);
    return text ? text : "";
}

static double real_at(sqlite3_stmt *query, int column)
{
    return sqlite3_column_type(query, column) == SQLITE_NULL
               ? (double)NAN
               : sqlite3_column_double(query, column);
}

static nash_status count(int32_t *n, const ni_db *db, const char *sql)
{
    int64_t rows;
    nash_status status = ni_db_number(&rows, db, sql);
    if (status != NASH_OK)
        return status;
    if (rows > INT32_MAX)
        return ni_fail(NASH_EFORMAT, "%s holds too many rows", db->path);
    *n = (int32_t)rows;
    return NASH_OK;
}

static nash_status load_settings(nash_history *h, const ni_db *db)
{
    nash_status status = NASH_OK;
    sqlite3_stmt *query = NULL;
    int32_t n = 0;
    bool row;
    TRY(count(&n, db, "SELECT count(*) FROM setting"));
    NEW_ARRAY(h->keys, n);
    NEW_ARRAY(h->values, n);
    TRY(ni_db_query(&query, db, "SELECT key, value FROM setting ORDER BY key",
                    ""));
    for (int32_t i = 0; i < n; i++) {
        TRY(ni_db_step(&row, db, query));
        h->n_settings = i + 1;
        TRY(text_at(&h->keys[i], db, query, 0));
        TRY(text_at(&h->values[i], db, query, 1));
    }
done:
    sqlite3_finalize(query);
    return status;
}

static nash_status load_refusals(nash_history *h, const ni_db *db)
{
    nash_status status = NASH_OK;
    sqlite3_stmt *query = NULL;
    bool row;
    TRY(ni_db_query(&query, db,
                    "SELECT kind, sum(draws) FROM refusal GROUP BY kind", ""));
    for (;;) {
        TRY(ni_db_step(&row, db, query));
        if (!row)
            break;
        const char *name = word_at(query, 0);
        for (int k = 0; k < NASH_MORPH_COUNT; k++)
            if (strcmp(name, nash_morph_name((nash_morph_kind)k)) == 0)
                h->refused[k] = sqlite3_column_int64(query, 1);
    }
done:
    sqlite3_finalize(query);
    return status;
}

static nash_status load_morphs(nash_record *r, const ni_db *db, int32_t n)
{
    nash_status status = NASH_OK;
    sqlite3_stmt *query = NULL;
    bool row;
    NEW_ARRAY(r->morphs, n);
    TRY(ni_db_query(&query, db,
                    "SELECT text FROM morphism WHERE step = ? AND child = ?"
                    " ORDER BY position",
                    "ii", r->step, r->child));
    for (int32_t i = 0; i < n; i++) {
        TRY(ni_db_step(&row, db, query));
        r->n_morphs = i + 1;
        TRY(text_at(&r->morphs[i], db, query, 0));
    }
done:
    sqlite3_finalize(query);
    return status;
}

static nash_status load_epochs(nash_record *r, const ni_db *db, int32_t n)
{
    nash_status status = NASH_OK;
    sqlite3_stmt *query = NULL;
    bool row;
    NEW_ARRAY(r->epochs, n);
    TRY(ni_db_query(&query, db,
                    "SELECT epoch, lr, train_loss, train_error, val_loss,"
                    " val_error, val_balanced_error, seconds FROM epoch"
                    " WHERE step = ? AND child = ? ORDER BY epoch",
                    "ii", r->step, r->child));
    for (int32_t i = 0; i < n; i++) {
        TRY(ni_db_step(&row, db, query));
        r->epochs[i] = (nash_epoch){
            .epoch = sqlite3_column_int(query, 0),
            .lr = real_at(query, 1),
            .train_loss = real_at(query, 2),
            .train_error = real_at(query, 3),
            .val_loss = real_at(query, 4),
            .val_error = real_at(query, 5),
            .val_balanced_error = real_at(query, 6),
            .seconds = real_at(query, 7),
        };
        r->n_epochs = i + 1;
    }
done:
    sqlite3_finalize(query);
    return status;
}

static nash_status parse_kind(nash_candidate_kind *out, const ni_db *db,
                              const char *name)
{
    for (int k = NASH_CANDIDATE_START; k <= NASH_CANDIDATE_FINAL; k++)
        if (strcmp(name, nash_candidate_kind_name((nash_candidate_kind)k)) ==
            0) {
            *out = (nash_candidate_kind)k;
            return NASH_OK;
        }
    return ni_fail(NASH_EFORMAT, "%s holds a candidate of unknown kind '%s'",
                   db->path, name);
}

/* The columns of `candidates` from the outcome on. */
static nash_status load_outcome(nash_record *r, const ni_db *db,
                                sqlite3_stmt *query)
{
    nash_status status = NASH_OK;
    r->done = sqlite3_column_type(query, 8) != SQLITE_NULL;
    r->val = (nash_score){real_at(query, 10), real_at(query, 11),
                          real_at(query, 12), sqlite3_column_int(query, 13)};
    r->pflop = sqlite3_column_double(query, 14);
    r->seconds = sqlite3_column_double(query, 15);
    if (r->done)
        TRY(ni_status_parse(&r->status, word_at(query, 8)));
    if (r->done)
        TRY(text_at(&r->message, db, query, 9));
    else
        NEW_FROM(r->message, ni_strdup(""));
done:
    return status;
}

static const char candidates[] =
    "SELECT c.step, c.child, c.kind, ifnull(c.parent_step, -1),"
    " ifnull(c.parent_child, -1), c.graph_hash, c.params, c.macs,"
    " o.status, o.message, o.val_loss, o.val_error, o.val_balanced_error,"
    " ifnull(o.val_images, 0), ifnull(o.pflop, 0), ifnull(o.seconds, 0),"
    " w.child IS c.child,"
    " (SELECT count(*) FROM morphism m"
    "  WHERE m.step = c.step AND m.child = c.child),"
    " (SELECT count(*) FROM epoch e"
    "  WHERE e.step = c.step AND e.child = c.child)"
    " FROM candidate c LEFT JOIN outcome o USING (step, child)"
    " LEFT JOIN choice w ON w.step = c.step ORDER BY c.step, c.child";

static nash_status load_record(nash_record *r, const ni_db *db,
                               sqlite3_stmt *query)
{
    nash_status status = NASH_OK;
    r->step = sqlite3_column_int(query, 0);
    r->child = sqlite3_column_int(query, 1);
    r->parent_step = sqlite3_column_int(query, 3);
    r->parent_child = sqlite3_column_int(query, 4);
    r->params = sqlite3_column_int64(query, 6);
    r->macs = sqlite3_column_int64(query, 7);
    r->chosen = sqlite3_column_int(query, 16) != 0;
    r->graph_hash = strtoull(word_at(query, 5), NULL, 16);
    TRY(parse_kind(&r->kind, db, word_at(query, 2)));
    TRY(load_outcome(r, db, query));
    TRY(load_morphs(r, db, sqlite3_column_int(query, 17)));
    TRY(load_epochs(r, db, sqlite3_column_int(query, 18)));
done:
    return status;
}

static nash_status load_records(nash_history *h, const ni_db *db)
{
    nash_status status = NASH_OK;
    sqlite3_stmt *query = NULL;
    int32_t n = 0;
    bool row;
    TRY(count(&n, db, "SELECT count(*) FROM candidate"));
    NEW_ARRAY(h->records, n);
    TRY(ni_db_query(&query, db, candidates, ""));
    for (int32_t i = 0; i < n; i++) {
        TRY(ni_db_step(&row, db, query));
        h->n_records = i + 1;
        TRY(load_record(&h->records[i], db, query));
    }
done:
    sqlite3_finalize(query);
    return status;
}

nash_status nash_history_load(nash_history **out, const char *run_dir)
{
    nash_status status = NASH_OK;
    nash_history *h = NULL;
    ni_db db = {0};
    char *path = NULL;
    int64_t tables;
    NEW_FROM(path, ni_path_join(run_dir, "run.db"));
    REQUIRE(ni_is_file(path), NASH_ENOTFOUND,
            "%s holds no run.db, so it is not a run's directory", run_dir);
    NEW(h);
    TRY(ni_db_open(&db, path, false));
    TRY(ni_db_number(&tables, &db, "SELECT count(*) FROM sqlite_schema"));
    REQUIRE(tables > 0, NASH_ENOTFOUND,
            "%s was cut off before it began: give its 'nash search' command "
            "again",
            run_dir);
    TRY(ni_db_check_schema(&db));
    TRY(ni_db_exec(&db, "BEGIN"));
    TRY(load_settings(h, &db));
    TRY(load_refusals(h, &db));
    TRY(load_records(h, &db));
    *out = h;
    h = NULL;
done:
    nash_history_free(h);
    ni_db_close(&db);
    ni_free(path);
    return status;
}

static void record_deinit(nash_record *r)
{
    for (int32_t i = 0; i < r->n_morphs; i++)
        ni_free(r->morphs[i]);
    ni_free(r->morphs);
    ni_free(r->epochs);
    ni_free(r->message);
}

void nash_history_free(nash_history *history)
{
    if (!history)
        return;
    for (int32_t i = 0; i < history->n_records; i++)
        record_deinit(&history->records[i]);
    for (int32_t i = 0; i < history->n_settings; i++) {
        ni_free(history->keys[i]);
        ni_free(history->values[i]);
    }
    ni_free(history->records);
    ni_free(history->keys);
    ni_free(history->values);
    ni_free(history);
}

const char *nash_history_get(const nash_history *history, const char *key)
{
    for (int32_t i = 0; i < history->n_settings; i++)
        if (strcmp(history->keys[i], key) == 0)
            return history->values[i];
    return NULL;
}

const nash_record *nash_history_find(const nash_history *history, int32_t step,
                                     int32_t child)
{
    int32_t low = 0, high = history->n_records;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        const nash_record *r = &history->records[middle];
        if (r->step == step && r->child == child)
            return r;
        if (r->step < step || (r->step == step && r->child < child))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
