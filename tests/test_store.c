/*
 * The run store: what is told comes back, whatever happens in between.
 */
#include "base/memory.h"
#include "store/db.h"

#include <nash/store.h>

#include <math.h>
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

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/nash-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

/* In memory where that is possible: thousands of transactions, each of which
 * waits for the disk. */
static int make_quick_dir(void **state)
{
    strcpy(dir, "/dev/shm/nash-store-XXXXXX");
    return mkdtemp(dir) ? 0 : make_dir(state);
}

static void remove_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
}

static int remove_dir(void **state)
{
    (void)state;
    remove_file("run.db");
    remove_file("run.db-journal");
    remove_file("lock");
    return rmdir(dir);
}

static nash_store *open_store(void)
{
    nash_store *store = NULL;
    assert_int_equal(nash_store_open(&store, dir), NASH_OK);
    return store;
}

static nash_history *load_history(void)
{
    nash_history *h = NULL;
    assert_int_equal(nash_history_load(&h, dir), NASH_OK);
    return h;
}

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

static nash_model *small_model(void)
{
    nash_net_opts net = nash_net_opts_default();
    nash_model *m = NULL;
    net.input = (nash_shape){1, 8, 8};
    net.classes = 3;
    assert_int_equal(nash_net_start(&m, &net), NASH_OK);
    return m;
}

static const char *const morphs[] = {"deepen:at=relu_3,kernel=5",
                                     "widen:at=conv_2,factor=4,mode=copy"};

static nash_epoch an_epoch(int32_t i)
{
    nash_epoch e = {i,       0.05 / (i + 1), 1.5 / (i + 1), 0.3,
                    nan(""), nan(""),        nan(""),       2.25};
    return e;
}

/* A small run: the start, and a step of one child and the parent. */
typedef struct tale {
    nash_model *m;
    nash_job start, step[2];
    nash_outcome first, outcomes[2];
    nash_epoch epochs[3];
    int64_t refused[NASH_MORPH_COUNT];
} tale;

static void tale_init(tale *t)
{
    memset(t, 0, sizeof *t);
    t->m = small_model();
    for (int32_t i = 0; i < 3; i++)
        t->epochs[i] = an_epoch(i);
    t->epochs[2].val_loss = 0.75;
    t->epochs[2].val_error = 0.1;
    t->epochs[2].val_balanced_error = 1.0 / 3.0;
    t->start = (nash_job){.kind = NASH_CANDIDATE_START,
                          .parent_step = -1,
                          .parent_child = -1,
                          .model = t->m};
    t->step[0] = (nash_job){.step = 1,
                            .kind = NASH_CANDIDATE_CHILD,
                            .model = t->m,
                            .n_morphs = 2,
                            .morphs = morphs};
    t->step[1] = (nash_job){
        .step = 1, .child = 1, .kind = NASH_CANDIDATE_PARENT, .model = t->m};
    t->first = (nash_outcome){.val = {0.75, 0.1, 1.0 / 3.0, 100},
                              .n_epochs = 3,
                              .epochs = t->epochs,
                              .images = 3000000,
                              .seconds = 6.75};
    t->outcomes[0] = t->first;
    t->outcomes[1] = (nash_outcome){.status = NASH_ECHILD,
                                    .message = "ended by signal 9",
                                    .val = {nan(""), nan(""), nan(""), 0}};
    t->refused[NASH_MORPH_WIDEN] = 3;
}

static void tell_start(const tale *t, nash_store *store)
{
    static const int64_t none[NASH_MORPH_COUNT] = {0};
    const nash_observer *o = nash_store_observer(store);
    assert_int_equal(o->proposed(o->ctx, &t->start, 1, none), NASH_OK);
    assert_int_equal(o->evaluated(o->ctx, &t->start, 1, &t->first), NASH_OK);
    assert_int_equal(o->chosen(o->ctx, 0, 0, t->m), NASH_OK);
}

static void tell_step(const tale *t, nash_store *store)
{
    const nash_observer *o = nash_store_observer(store);
    assert_int_equal(o->proposed(o->ctx, t->step, 2, t->refused), NASH_OK);
    assert_int_equal(o->evaluated(o->ctx, t->step, 2, t->outcomes), NASH_OK);
    assert_int_equal(o->chosen(o->ctx, 1, 0, t->m), NASH_OK);
}

static void assert_same(double a, double b)
{
    assert_true(isnan(a) ? isnan(b) : a == b);
}

static void check_start(const nash_record *r, const tale *t)
{
    const nash_graph *g = nash_model_graph(t->m);
    assert_int_equal(r->kind, NASH_CANDIDATE_START);
    assert_int_equal(r->parent_step, -1);
    assert_int_equal(r->parent_child, -1);
    assert_true(r->done && r->chosen);
    assert_int_equal(r->status, NASH_OK);
    assert_string_equal(r->message, "");
    assert_int_equal(r->params, nash_graph_params(g));
    assert_int_equal(r->macs, nash_graph_macs(g));
    assert_true(r->graph_hash == nash_graph_hash(g));
    assert_same(r->val.balanced_error, 1.0 / 3.0);
    assert_int_equal(r->val.images, 100);
    assert_same(r->seconds, 6.75);
    assert_true(fabs(r->pflop - 6e-15 * 3e6 * (double)r->macs) < 1e-9);
    assert_int_equal(r->n_epochs, 3);
    assert_int_equal(r->n_morphs, 0);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(r->epochs[i].epoch, i);
        assert_same(r->epochs[i].lr, t->epochs[i].lr);
        assert_same(r->epochs[i].train_loss, t->epochs[i].train_loss);
        assert_same(r->epochs[i].val_loss, t->epochs[i].val_loss);
        assert_same(r->epochs[i].val_balanced_error,
                    t->epochs[i].val_balanced_error);
        assert_same(r->epochs[i].seconds, t->epochs[i].seconds);
    }
}

static void check_tale(const tale *t)
{
    nash_history *h = load_history();
    assert_int_equal(h->n_records, 3);
    check_start(&h->records[0], t);
    const nash_record *child = &h->records[1], *parent = &h->records[2];
    assert_int_equal(child->step, 1);
    assert_int_equal(child->parent_step, 0);
    assert_true(child->chosen && !parent->chosen);
    assert_int_equal(child->n_morphs, 2);
    assert_string_equal(child->morphs[0], morphs[0]);
    assert_string_equal(child->morphs[1], morphs[1]);
    assert_int_equal(parent->status, NASH_ECHILD);
    assert_string_equal(parent->message, "ended by signal 9");
    assert_true(isnan(parent->val.loss));
    assert_int_equal(parent->n_epochs, 0);
    assert_int_equal(h->refused[NASH_MORPH_WIDEN], 3);
    assert_int_equal(h->refused[NASH_MORPH_DEEPEN], 0);
    nash_history_free(h);
}

static void a_run_comes_back_as_it_was_told(void **state)
{
    (void)state;
    tale t;
    tale_init(&t);
    nash_store *store = open_store();
    tell_start(&t, store);
    tell_step(&t, store);
    check_tale(&t);
    nash_store_close(store);
    check_tale(&t);
    nash_model_free(t.m);
}

static void being_told_twice_changes_nothing(void **state)
{
    (void)state;
    tale t;
    tale_init(&t);
    nash_store *store = open_store();
    tell_start(&t, store);
    tell_step(&t, store);
    nash_store_close(store);
    store = open_store();
    tell_step(&t, store);
    tell_step(&t, store);
    nash_store_close(store);
    check_tale(&t);
    nash_model_free(t.m);
}

static void the_state_is_the_last_choice(void **state)
{
    (void)state;
    tale t;
    nash_search_state at;
    tale_init(&t);
    nash_store *store = open_store();
    assert_int_equal(nash_store_state(&at, store), NASH_OK);
    assert_int_equal(at.step, -1);
    tell_start(&t, store);
    tell_step(&t, store);
    assert_int_equal(nash_store_state(&at, store), NASH_OK);
    assert_int_equal(at.step, 1);
    assert_int_equal(at.child, 0);
    nash_store_close(store);
    nash_model_free(t.m);
}

static void epochs_of_a_running_candidate_are_seen_and_replaced(void **state)
{
    (void)state;
    static const int64_t none[NASH_MORPH_COUNT] = {0};
    tale t;
    tale_init(&t);
    nash_store *store = open_store();
    const nash_observer *o = nash_store_observer(store);
    assert_int_equal(o->proposed(o->ctx, &t.start, 1, none), NASH_OK);
    for (int32_t i = 0; i < 5; i++) {
        nash_epoch e = an_epoch(i);
        assert_int_equal(nash_store_epoch(store, 0, 0, &e), NASH_OK);
    }
    nash_history *h = load_history();
    assert_false(h->records[0].done);
    assert_false(h->records[0].chosen);
    assert_true(isnan(h->records[0].val.loss));
    assert_int_equal(h->records[0].n_epochs, 5);
    nash_history_free(h);
    /* interrupted: it is proposed again and starts at its first epoch */
    assert_int_equal(o->proposed(o->ctx, &t.start, 1, none), NASH_OK);
    h = load_history();
    assert_int_equal(h->records[0].n_epochs, 0);
    nash_history_free(h);
    assert_int_equal(o->evaluated(o->ctx, &t.start, 1, &t.first), NASH_OK);
    h = load_history();
    assert_int_equal(h->records[0].n_epochs, 3);
    nash_history_free(h);
    nash_store_close(store);
    nash_model_free(t.m);
}

static void settings_are_kept_sorted_and_replaced(void **state)
{
    (void)state;
    nash_store *store = open_store();
    assert_int_equal(nash_store_set(store, "seed", "1"), NASH_OK);
    assert_int_equal(nash_store_set(store, "data", "it's \xc3\xa9"), NASH_OK);
    assert_int_equal(nash_store_set(store, "seed", "2"), NASH_OK);
    assert_int_equal(nash_store_event(store, "begun"), NASH_OK);
    nash_history *h = load_history();
    assert_int_equal(h->n_settings, 2);
    assert_string_equal(h->keys[0], "data");
    assert_string_equal(nash_history_get(h, "data"), "it's \xc3\xa9");
    assert_string_equal(nash_history_get(h, "seed"), "2");
    assert_null(nash_history_get(h, "absent"));
    nash_history_free(h);
    nash_store_close(store);
}

static void settings_of_one_change_come_together_or_not_at_all(void **state)
{
    (void)state;
    nash_store *store = open_store();
    assert_int_equal(nash_store_begin(store), NASH_OK);
    assert_int_equal(nash_store_set(store, "seed", "1"), NASH_OK);
    nash_store_close(store);
    store = open_store();
    nash_history *h = load_history();
    assert_int_equal(h->n_settings, 0);
    nash_history_free(h);
    assert_int_equal(nash_store_begin(store), NASH_OK);
    assert_int_equal(nash_store_set(store, "seed", "1"), NASH_OK);
    assert_int_equal(nash_store_set(store, "data", "2"), NASH_OK);
    assert_int_equal(nash_store_commit(store), NASH_OK);
    h = load_history();
    assert_int_equal(h->n_settings, 2);
    nash_history_free(h);
    nash_store_close(store);
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
    nash_store_close(open_store());
    pid_t reader = read_for(60000);
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

static void a_candidate_needs_its_parent(void **state)
{
    (void)state;
    tale t;
    tale_init(&t);
    nash_store *store = open_store();
    const nash_observer *o = nash_store_observer(store);
    assert_int_equal(o->proposed(o->ctx, t.step, 2, t.refused), NASH_EIO);
    nash_history *h = load_history();
    assert_int_equal(h->n_records, 0); /* all of it was undone */
    nash_history_free(h);
    tell_start(&t, store);
    tell_step(&t, store);
    check_tale(&t);
    nash_store_close(store);
    nash_model_free(t.m);
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

#define STORE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_run_comes_back_as_it_was_told),
        STORE_TEST(being_told_twice_changes_nothing),
        STORE_TEST(the_state_is_the_last_choice),
        STORE_TEST(epochs_of_a_running_candidate_are_seen_and_replaced),
        STORE_TEST(settings_are_kept_sorted_and_replaced),
        STORE_TEST(settings_of_one_change_come_together_or_not_at_all),
        STORE_TEST(a_second_coordinator_is_refused),
        STORE_TEST(foreign_and_newer_databases_are_refused),
        STORE_TEST(a_file_that_is_no_database_is_refused),
        STORE_TEST(a_directory_without_a_run_is_named),
        STORE_TEST(a_writer_that_was_killed_leaves_a_readable_run),
        STORE_TEST(a_reader_in_no_hurry_is_waited_for),
        STORE_TEST(a_reader_that_never_ends_is_blamed),
        STORE_TEST(a_run_that_was_cut_off_before_it_began_is_named),
        STORE_TEST(a_candidate_needs_its_parent),
        cmocka_unit_test_setup_teardown(running_out_of_memory_leaks_nothing,
                                        make_quick_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, share_our_memory, NULL);
}
