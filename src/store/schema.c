/*
 * The format of run.db. Hashes are hexadecimal texts, statuses and kinds their
 * names, so that a person with the sqlite3 program can read it; NULL stands
 * for what was not measured.
 */
#include "db.h"

#include "base/error.h"

#include <inttypes.h>

#define APPLICATION_ID 1312904008 /* "NASH" */
#define FORMAT 1
#define TEXT_OF(macro) TEXT(macro)
#define TEXT(value) #value

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id = " TEXT_OF(
        APPLICATION_ID) ";"
                        "PRAGMA user_version = " TEXT_OF(
                            FORMAT) ";"
                                    "CREATE TABLE setting ("
                                    "  key TEXT PRIMARY KEY,"
                                    "  value TEXT NOT NULL"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE candidate ("
                                    "  step INTEGER NOT NULL CHECK (step >= 0),"
                                    "  child INTEGER NOT NULL CHECK (child >= "
                                    "0),"
                                    "  kind TEXT NOT NULL"
                                    "    CHECK (kind IN ('start', 'child', "
                                    "'parent', 'final')),"
                                    "  parent_step INTEGER,"
                                    "  parent_child INTEGER,"
                                    "  graph_hash TEXT NOT NULL,"
                                    "  params INTEGER NOT NULL,"
                                    "  macs INTEGER NOT NULL,"
                                    "  PRIMARY KEY (step, child),"
                                    "  FOREIGN KEY (parent_step, parent_child)"
                                    "    REFERENCES candidate (step, child)"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE morphism ("
                                    "  step INTEGER NOT NULL,"
                                    "  child INTEGER NOT NULL,"
                                    "  position INTEGER NOT NULL,"
                                    "  text TEXT NOT NULL,"
                                    "  PRIMARY KEY (step, child, position),"
                                    "  FOREIGN KEY (step, child) REFERENCES "
                                    "candidate (step, child)"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE outcome ("
                                    "  step INTEGER NOT NULL,"
                                    "  child INTEGER NOT NULL,"
                                    "  status TEXT NOT NULL,"
                                    "  message TEXT NOT NULL,"
                                    "  val_loss REAL,"
                                    "  val_error REAL,"
                                    "  val_balanced_error REAL,"
                                    "  val_images INTEGER NOT NULL,"
                                    "  images INTEGER NOT NULL,"
                                    "  pflop REAL NOT NULL,"
                                    "  seconds REAL NOT NULL,"
                                    "  PRIMARY KEY (step, child),"
                                    "  FOREIGN KEY (step, child) REFERENCES "
                                    "candidate (step, child)"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE epoch ("
                                    "  step INTEGER NOT NULL,"
                                    "  child INTEGER NOT NULL,"
                                    "  epoch INTEGER NOT NULL,"
                                    "  lr REAL,"
                                    "  train_loss REAL,"
                                    "  train_error REAL,"
                                    "  val_loss REAL,"
                                    "  val_error REAL,"
                                    "  val_balanced_error REAL,"
                                    "  seconds REAL NOT NULL,"
                                    "  PRIMARY KEY (step, child, epoch),"
                                    "  FOREIGN KEY (step, child) REFERENCES "
                                    "candidate (step, child)"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE choice ("
                                    "  step INTEGER PRIMARY KEY,"
                                    "  child INTEGER NOT NULL,"
                                    "  FOREIGN KEY (step, child) REFERENCES "
                                    "candidate (step, child)"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE refusal ("
                                    "  step INTEGER NOT NULL,"
                                    "  kind TEXT NOT NULL,"
                                    "  draws INTEGER NOT NULL,"
                                    "  PRIMARY KEY (step, kind)"
                                    ") STRICT, WITHOUT ROWID;"
                                    "CREATE TABLE event ("
                                    "  number INTEGER PRIMARY KEY,"
                                    "  time TEXT NOT NULL,"
                                    "  text TEXT NOT NULL"
                                    ") STRICT;"
                                    "COMMIT";

nash_status ni_db_create_schema(const ni_db *db)
{
    int64_t tables;
    nash_status status =
        ni_db_number(&tables, db, "SELECT count(*) FROM sqlite_schema");
    if (status == NASH_OK && tables == 0)
        status = ni_db_exec(db, schema);
    return status;
}

nash_status ni_db_check_schema(const ni_db *db)
{
    nash_status status = NASH_OK;
    int64_t id, format;
    TRY(ni_db_number(&id, db, "PRAGMA application_id"));
    TRY(ni_db_number(&format, db, "PRAGMA user_version"));
    REQUIRE(id == APPLICATION_ID, NASH_EFORMAT,
            "%s is a database, but not the record of a run", db->path);
    REQUIRE(format <= FORMAT, NASH_EFORMAT,
            "%s was written by a newer nash (its format is %" PRId64
            ", this one knows %d): use that version",
            db->path, format, FORMAT);
done:
    return status;
}
