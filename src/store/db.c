/*
 * The door to SQLite. Statements are prepared for each use: a run writes a few
 * hundred rows an hour. SQLite's own memory is not our allocator's.
 */
#include "db.h"

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* A reader in no hurry may hold its lock for minutes, and a search has hours
 * to lose. */
enum { READER_WAITS_MS = 10000, WRITER_WAITS_MS = 600000, POLL_MS = 50 };
enum { WARN_EVERY_MS = 10000 };

static nash_status fail(const ni_db *db, int code)
{
    const char *reason =
        db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ni_fail(NASH_ENOMEM, "out of memory while using %s", db->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ni_fail(NASH_EBUSY, "%s was locked by another process for %d s",
                       db->path, db->patience_ms / 1000);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return ni_fail(NASH_EFORMAT, "%s is not a sound SQLite database: %s",
                       db->path, reason);
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return ni_fail(NASH_EIO,
                       "%s cannot be used: %s (is the disk full or read-only?)",
                       db->path, reason);
    default:
        return ni_fail(NASH_EIO, "%s cannot be used: %s", db->path, reason);
    }
}

/* SQLite's busy handler: wait a little. @return 0 to give up */
static int wait_for_lock(void *ctx, int tries)
{
    const ni_db *db = ctx;
    int waited_ms = tries * POLL_MS;
    if (waited_ms >= db->patience_ms)
        return 0;
    if (waited_ms > 0 && waited_ms % WARN_EVERY_MS == 0)
        ni_log(NASH_LOG_WARNING,
               "%s is locked by another process; waiting for it", db->path);
    usleep(POLL_MS * 1000);
    return 1;
}

static int open_handle(ni_db *db, int flags)
{
    int code = sqlite3_open_v2(db->path, &db->handle,
                               flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_extended_result_codes(db->handle, 1);
        sqlite3_busy_handler(db->handle, wait_for_lock, db);
        /* the first read, which also rolls back what a crash left half done */
        code =
            sqlite3_exec(db->handle, "PRAGMA schema_version", NULL, NULL, NULL);
    }
    return code;
}

nash_status ni_db_open(ni_db *db, const char *path, bool writing)
{
    nash_status status = NASH_OK;
    *db = (ni_db){.patience_ms = writing ? WRITER_WAITS_MS : READER_WAITS_MS};
    NEW_FROM(db->path, ni_strdup(path));
    int code =
        open_handle(db, writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                : SQLITE_OPEN_READONLY);
    if (!writing && code == SQLITE_READONLY_ROLLBACK) {
        /* a killed writer's half transaction: only a writer may undo it */
        sqlite3_close(db->handle);
        code = open_handle(db, SQLITE_OPEN_READWRITE);
    }
    if (code != SQLITE_OK) {
        status = fail(db, code);
        goto done;
    }
    if (writing)
        TRY(ni_db_exec(db, "PRAGMA foreign_keys = ON;"
                           "PRAGMA journal_mode = DELETE;"
                           "PRAGMA synchronous = FULL"));
done:
    if (status != NASH_OK)
        ni_db_close(db);
    return status;
}

void ni_db_close(ni_db *db)
{
    sqlite3_close(db->handle);
    ni_free(db->path);
    *db = (ni_db){0};
}

nash_status ni_db_exec(const ni_db *db, const char *sql)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? NASH_OK : fail(db, code);
}

static int bind(sqlite3_stmt *statement, const char *types, va_list args)
{
    int code = SQLITE_OK;
    for (int i = 1; *types && code == SQLITE_OK; i++, types++) {
        if (*types == 'i')
            code = sqlite3_bind_int(statement, i, va_arg(args, int32_t));
        else if (*types == 'l')
            code = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
        else if (*types == 'r')
            code = sqlite3_bind_double(statement, i, va_arg(args, double));
        else
            code = sqlite3_bind_text(statement, i, va_arg(args, const char *),
                                     -1, SQLITE_TRANSIENT);
    }
    return code;
}

static nash_status prepare(sqlite3_stmt **out, const ni_db *db, const char *sql,
                           const char *types, va_list args)
{
    int code = sqlite3_prepare_v2(db->handle, sql, -1, out, NULL);
    if (code == SQLITE_OK)
        code = bind(*out, types, args);
    if (code == SQLITE_OK)
        return NASH_OK;
    nash_status status = fail(db, code);
    sqlite3_finalize(*out);
    *out = NULL;
    return status;
}

nash_status ni_db_query(sqlite3_stmt **out, const ni_db *db, const char *sql,
                        const char *types, ...)
{
    va_list args;
    va_start(args, types);
    nash_status status = prepare(out, db, sql, types, args);
    va_end(args);
    return status;
}

nash_status ni_db_step(bool *row, const ni_db *db, sqlite3_stmt *query)
{
    int code = sqlite3_step(query);
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? NASH_OK : fail(db, code);
}

nash_status ni_db_run(const ni_db *db, const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    bool row;
    va_list args;
    va_start(args, types);
    nash_status status = prepare(&statement, db, sql, types, args);
    va_end(args);
    if (status == NASH_OK)
        status = ni_db_step(&row, db, statement);
    sqlite3_finalize(statement);
    return status;
}

nash_status ni_db_number(int64_t *out, const ni_db *db, const char *sql)
{
    sqlite3_stmt *query = NULL;
    bool row = false;
    nash_status status = ni_db_query(&query, db, sql, "");
    if (status == NASH_OK)
        status = ni_db_step(&row, db, query);
    *out = row ? sqlite3_column_int64(query, 0) : 0;
    sqlite3_finalize(query);
    return status;
}
