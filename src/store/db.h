#ifndef NI_STORE_DB_H
#define NI_STORE_DB_H

#include <nash/status.h>

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * SQLite with our errors: every call names the database's file.
 */

typedef struct ni_db {
    sqlite3 *handle;
    char *path;      /* owned */
    int patience_ms; /* with locks of others */
} ni_db;

/** Open (and for writing, create) a database; @p db must stay where it is.
 * @return NASH_OK, NASH_EIO,
 * NASH_EBUSY, NASH_EFORMAT or NASH_ENOMEM, as all below */
nash_status ni_db_open(ni_db *db, const char *path, bool writing);
void ni_db_close(ni_db *db);

/** Run statements that give no rows. */
nash_status ni_db_exec(const ni_db *db, const char *sql);

/**
 * Run one statement that gives no rows, with parameters by type: "i" int32_t,
 * "l" int64_t, "r" double (NaN: NULL), "t" const char * (NULL: NULL).
 */
nash_status ni_db_run(const ni_db *db, const char *sql, const char *types, ...);

/** Start a query, likewise; release with sqlite3_finalize(). */
nash_status ni_db_query(sqlite3_stmt **out, const ni_db *db, const char *sql,
                        const char *types, ...);

/** Go to a query's next row. @param row  whether there is one */
nash_status ni_db_step(bool *row, const ni_db *db, sqlite3_stmt *query);

/** The single whole number that a query gives. */
nash_status ni_db_number(int64_t *out, const ni_db *db, const char *sql);

/** Make the tables of a new run.db; refuse files that are no run's or whose
 * format is newer than ours. */
nash_status ni_db_create_schema(const ni_db *db);
nash_status ni_db_check_schema(const ni_db *db);

#endif
