/* The run store when something is wrong: other coordinators, files that are no
 * runs, killed writers, slow readers, and no memory. */
#include "store_fixture.h"

#include "base/memory.h"
#include "store/db.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Change the database behind the store's back. */
static nash_status execute(const char *sql)
{
    char path[128];
    ni_db db;
    snprintf(path, sizeof path, "%s/run.db", dir);
    nash_status status = ni_db_open(&db, path, true);
    if (status == NASH_OK)
        status = ni_db_exec(&db, sql);
    ni_db_close(&db);
    return status;
}

static void a_second_coordinator_is_refused(void **state)
{
    (void)state;
    nash_store *store = open_store(), *second = NULL;
    assert_int_equal(nash_store_open(&second, dir), NASH_EBUSY);
    assert_non_null(strstr(nash_error_message(), dir));
    assert_non_null(strstr(nash_error_message(), "process "));
    nash_store_close(store);
    store = open_store();
    nash_store_close(store);
}

static void foreign_and_newer_databases_are_refused(void **state)
{
    (void)state;
    nash_store *store = open_store();
    nash_history *h = NULL;
    nash_store_close(store);
    assert_int_equal(execute("PRAGMA user_version = 99"), NASH_OK);
    store = NULL;
    assert_int_equal(nash_store_open(&store, dir), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "newer nash"));
    assert_int_equal(nash_history_load(&h, dir), NASH_EFORMAT);
    assert_int_equal(execute("PRAGMA application_id = 5"), NASH_OK);
    assert_int_equal(nash_history_load(&h, dir), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), "not the record of a run"));
    assert_null(store);
    assert_null(h);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    char path[128];
    nash_store *store = NULL;
    nash_history *h = NULL;
    snprintf(path, sizeof path, "%s/run.db", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_int_equal(nash_store_open(&store, dir), NASH_EFORMAT);
    assert_int_equal(nash_history_load(&h, dir), NASH_EFORMAT);
    assert_non_null(strstr(nash_error_message(), path));
}

static void a_directory_without_a_run_is_named(void **state)
{
    (void)state;
    nash_history *h = NULL;
    nash_store *store = NULL;
    assert_int_equal(nash_history_load(&h, dir), NASH_ENOTFOUND);
    assert_non_null(strstr(nash_error_message(), dir));
    assert_int_equal(nash_store_open(&store, "/nonexistent/run"),
                     NASH_ENOTFOUND);
}

/* In a child process: leave a transaction half done and die. */
static void die_while_writing(void)
{
    char path[128];
    ni_db db;
    snprintf(path, sizeof path, "%s/run.db", dir);
    if (ni_db_open(&db, path, true) == NASH_OK &&
        ni_db_exec(&db, "PRAGMA cache_size = 1; PRAGMA cache_spill = 1;"
                        "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
                        " SELECT i + 1 FROM n WHERE i < 20000)"
                        " INSERT INTO setting SELECT 'k' || i, 'v' FROM n") ==
            NASH_OK)
        _exit(7);
    _exit(1);
}

static void a_writer_that_was_killed_leaves_a_readable_run(void **state)
{
    (void)state;
    char journal[128];
    int wait_status = 0;
    nash_store *store = open_store();
    assert_int_equal(nash_store_set(store, "seed", "1"), NASH_OK);
    nash_store_close(store);
    pid_t pid = fork();
    if (pid == 0)
        die_while_writing();
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    assert_int_equal(WEXITSTATUS(wait_status), 7);
    snprintf(journal, sizeof journal, "%s/run.db-journal", dir);
    assert_int_equal(access(journal, F_OK), 0);
    nash_history *h = load_history();
    assert_int_equal(h->n_settings, 1);
    nash_history_free(h);
}

/* A reader that took its time, in a process of its own. */
static pid_t read_for(int ms)
{
    char path[128];
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    snprintf(path, sizeof path, "%s/run.db", dir);
    pid_t pid = fork();
    if (pid == 0) {
        ni_db db;
        if (ni_db_open(&db, path, false) != NASH_OK ||
            ni_db_exec(&db, "BEGIN; SELECT count(*) FROM setting") != NASH_OK)
            _exit(1);
        if (write(ready[1], "r", 1) == 1)
            usleep((useconds_t)ms * 1000);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void a_reader_in_no_hurry_is_waited_for(void **state)
{
    (void)state;
    nash_store *store = open_store();
    pid_t reader = read_for(700);
    assert_int_equal(nash_store_set(store, "seed", "1"), NASH_OK);
    int wait_status = 1;
    waitpid(reader, &wait_status, WNOHANG);
    nash_history *h = load_history();
    assert_string_equal(nash_history_get(h, "seed"), "1");
    nash_history_free(h);
    nash_store_close(store);
    waitpid(reader, NULL, 0);
}

static void a_reader_that_never_ends_is_blamed(void **state)
{
    (void)state;
    char path[128];
    ni_db db;
    nash_store *store = open_store();
    pid_t reader = read_for(60000);
    assert_int_equal(nash_store_try_set(store, "a", "b"), NASH_EBUSY);
    nash_store_close(store);
    snprintf(path, sizeof path, "%s/run.db", dir);
    assert_int_equal(ni_db_open(&db, path, true), NASH_OK);
    db.patience_ms = 200;
    assert_int_equal(ni_db_exec(&db, "INSERT INTO setting VALUES ('a', 'b')"),
                     NASH_EBUSY);
    assert_non_null(strstr(nash_error_message(), path));
    assert_non_null(strstr(nash_error_message(), "locked by another process"));
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    assert_int_equal(ni_db_exec(&db, "INSERT INTO setting VALUES ('a', 'b')"),
                     NASH_OK);
    ni_db_close(&db);
}

static void a_run_that_was_cut_off_before_it_began_is_named(void **state)
{
    (void)state;
    char path[128];
    nash_history *h = NULL;
    snprintf(path, sizeof path, "%s/run.db", dir);
    fclose(fopen(path, "w"));
    assert_int_equal(nash_history_load(&h, dir), NASH_ENOTFOUND);
    assert_non_null(strstr(nash_error_message(), "was cut off before"));
    nash_store_close(open_store());
}

/* ---- memory ------------------------------------------------------------- */

/* SQLite on our allocator; a block's size stands before it. */
enum { AHEAD = 16 };

static void *give(int bytes)
{
    int *block = ni_alloc((int64_t)bytes + AHEAD, 1);
    if (block)
        *block = bytes;
    return block ? (char *)block + AHEAD : NULL;
}

static int size_of(void *block)
{
    int bytes = 0;
    if (block)
        memcpy(&bytes, (char *)block - AHEAD, sizeof bytes);
    return bytes;
}

static void take_back(void *block)
{
    if (block)
        ni_free((char *)block - AHEAD);
}

static void *resize(void *block, int bytes)
{
    char *fresh = give(bytes);
    int before = size_of(block);
    if (fresh && block) {
        memcpy(fresh, block, (size_t)(before < bytes ? before : bytes));
        take_back(block);
    }
    return fresh;
}

static int round_up(int bytes)
{
    return (bytes + 7) & ~7;
}

static int nothing(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void nothing_either(void *ctx)
{
    (void)ctx;
}

static int share_our_memory(void **state)
{
    (void)state;
    const sqlite3_mem_methods methods = {give,           take_back, resize,
                                         size_of,        round_up,  nothing,
                                         nothing_either, NULL};
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK &&
                   sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK
               ? 0
               : -1;
}

/* In memory where that is possible: thousands of transactions, each of which
 * waits for the disk. */
static int make_quick_dir(void **state)
{
    strcpy(dir, "/dev/shm/nash-store-XXXXXX");
    return mkdtemp(dir) ? 0 : make_dir(state);
}

/* Everything that a search does with its record. */
static nash_status live_through(const tale *t)
{
    nash_status status = NASH_OK;
    nash_store *store = NULL;
    nash_history *h = NULL;
    nash_search_state at;
    const nash_epoch epoch = {.epoch = 0, .lr = 0.5};
    TRY(nash_store_open(&store, dir));
    const nash_observer *o = nash_store_observer(store);
    TRY(nash_store_begin(store));
    TRY(nash_store_set(store, "seed", "7"));
    TRY(nash_store_commit(store));
    TRY(o->proposed(o->ctx, &t->start, 1, t->refused));
    TRY(nash_store_epoch(store, 0, 0, &epoch));
    TRY(o->evaluated(o->ctx, &t->start, 1, &t->first));
    TRY(o->chosen(o->ctx, 0, 0, t->m));
    TRY(nash_store_event(store, "told"));
    TRY(nash_store_state(&at, store));
    TRY(nash_history_load(&h, dir));
done:
    nash_history_free(h);
    nash_store_close(store);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    tale t;
    tale_init(&t);
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    int64_t n = 0;
    for (; status != NASH_OK; n++) {
        ni_memory_fail_after(n);
        status = live_through(&t);
        ni_memory_fail_after(-1);
        assert_int_equal(ni_memory_live_blocks(), blocks);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
    }
    assert_true(n > 500);
    nash_history *h = load_history();
    assert_int_equal(h->n_records, 1);
    nash_history_free(h);
    nash_model_free(t.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_second_coordinator_is_refused),
        STORE_TEST(foreign_and_newer_databases_are_refused),
        STORE_TEST(a_file_that_is_no_database_is_refused),
        STORE_TEST(a_directory_without_a_run_is_named),
        STORE_TEST(a_writer_that_was_killed_leaves_a_readable_run),
        STORE_TEST(a_reader_in_no_hurry_is_waited_for),
        STORE_TEST(a_reader_that_never_ends_is_blamed),
        STORE_TEST(a_run_that_was_cut_off_before_it_began_is_named),
        cmocka_unit_test_setup_teardown(running_out_of_memory_leaks_nothing,
                                        make_quick_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, share_our_memory, NULL);
}
