/* The run store: what is told comes back as it was told. */
#include "store_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    assert_string_equal(child->morphs[0], t->step[0].morphs[0]);
    assert_string_equal(child->morphs[1], t->step[0].morphs[1]);
    assert_int_equal(parent->status, NASH_ECHILD);
    assert_string_equal(parent->message, "ended by signal 9");
    assert_true(isnan(parent->val.loss));
    assert_int_equal(parent->n_epochs, 0);
    assert_int_equal(h->refused[NASH_MORPH_WIDEN], 3);
    assert_int_equal(h->refused[NASH_MORPH_DEEPEN], 0);
    for (int32_t i = 0; i < h->n_records; i++) {
        const nash_record *r = &h->records[i];
        assert_ptr_equal(nash_history_find(h, r->step, r->child), r);
    }
    assert_null(nash_history_find(h, -1, -1));
    assert_null(nash_history_find(h, 1, 2));
    assert_null(nash_history_find(h, 2, 0));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_run_comes_back_as_it_was_told),
        STORE_TEST(being_told_twice_changes_nothing),
        STORE_TEST(the_state_is_the_last_choice),
        STORE_TEST(epochs_of_a_running_candidate_are_seen_and_replaced),
        STORE_TEST(settings_are_kept_sorted_and_replaced),
        STORE_TEST(settings_of_one_change_come_together_or_not_at_all),
        STORE_TEST(a_candidate_needs_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
