/*
 * The state of a training: going on from it gives the bits of a training that
 * was never interrupted, wherever that was; and states that are torn, damaged
 * or another training's are named and not used.
 */
#include "striped.h"

#include "train/checkpoint.h"

#include "base/file.h"
#include "base/memory.h"

#include <nash/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EPOCHS = 6, N = 41, N_VAL = 20 };

static char work[64], state_path[96], old_path[104];
static char logged[4096];

static void note_log(void *ctx, nash_log_level level, const char *line)
{
    (void)ctx;
    size_t used = strlen(logged);
    if (level != NASH_LOG_DEBUG)
        snprintf(logged + used, sizeof logged - used, "%s\n", line);
}

static int make_work(void **state)
{
    (void)state;
    strcpy(work, "/tmp/nash-state-XXXXXX");
    if (!mkdtemp(work))
        return -1;
    snprintf(state_path, sizeof state_path, "%s/state.safetensors", work);
    snprintf(old_path, sizeof old_path, "%s.old", state_path);
    logged[0] = '\0';
    nash_log_set_hook(note_log, NULL);
    return 0;
}

static int remove_work(void **state)
{
    (void)state;
    char command[96];
    nash_log_set_hook(NULL, NULL);
    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

/* ---- time --------------------------------------------------------------- */

static bool hasty; /* each look at the clock is two seconds later */

double __real_ni_clock_seconds(void);
double __wrap_ni_clock_seconds(void);

double __wrap_ni_clock_seconds(void)
{
    static double skipped;
    skipped += hasty ? 2.0 : 0.0;
    return __real_ni_clock_seconds() + skipped;
}

/* ---- a training and what it told ---------------------------------------- */

typedef struct diary {
    int32_t epochs;
    nash_epoch epoch[EPOCHS + 1];
    int32_t snapshots;
    uint64_t snapshot[EPOCHS];
    int32_t stop_after; /* epochs of this process; 0: never */
    bool asked;         /* to stop; else it crashes */
    int32_t patience;   /* calls of progress until it is to stop; 0: never */
    int32_t resumed;
    double time; /* seconds that it may take; 0: what it takes */
    double bent; /* epochs that a bend left */
} diary;

static nash_status note_epoch(void *ctx, const nash_epoch *epoch)
{
    diary *d = ctx;
    assert_int_equal(epoch->epoch, d->epochs);
    assert_true(epoch->seconds > 0.0);
    d->epoch[d->epochs++] = *epoch;
    return d->epochs != d->stop_after ? NASH_OK
           : d->asked                 ? NASH_ESTOP
                                      : NASH_EIO;
}

static nash_status note_progress(void *ctx, double share, double rate)
{
    diary *d = ctx;
    assert_true(share >= 0.0 && share <= 1.0 && rate >= 0.0);
    return d->patience > 0 && --d->patience == 0 ? NASH_ESTOP : NASH_OK;
}

static nash_status note_snapshot(void *ctx, int32_t i, const nash_model *m)
{
    diary *d = ctx;
    d->snapshot[i] = nash_model_hash(m);
    d->snapshots++;
    return NASH_OK;
}

static nash_status note_resumed(void *ctx, double seconds)
{
    diary *d = ctx;
    assert_true(seconds > 0.0 && d->epochs == 0);
    d->resumed++;
    return NASH_OK;
}

static nash_status note_bent(void *ctx, double epochs)
{
    ((diary *)ctx)->bent = epochs;
    return NASH_OK;
}

static nash_train_opts some_opts(nash_engine engine)
{
    nash_train_opts opts = nash_train_opts_default();
    opts.engine = engine;
    opts.precision = NASH_PRECISION_F32;
    opts.epochs = EPOCHS;
    opts.batch = 16;
    opts.cycle = 3;
    opts.warmup = 0.3;
    opts.nesterov = true;
    opts.clip_norm = 1.0;
    opts.lookahead = 1;
    opts.muon = 0.2;
    opts.focus = 0.3; /* a pass of one step: every epoch ends one */
    opts.snapshots = 2;
    opts.augment.pad = 1;
    opts.seed = 77;
    return opts;
}

/* Train; @return the hash of the model, 0 unless NASH_OK */
static uint64_t train(nash_status *status, diary *d,
                      const nash_train_opts *opts, const char *path,
                      double seconds)
{
    toy t;
    nash_train_hooks hooks = {.ctx = d,
                              .epoch = note_epoch,
                              .progress = note_progress,
                              .snapshot = note_snapshot,
                              .resumed = note_resumed,
                              .bent = note_bent,
                              .seconds = d->time,
                              .state_path = path,
                              .state_seconds = seconds};
    make_toy(&t);
    nash_model *m = small_net(1);
    *status =
        nash_train(m, &t.images, t.index, N, t.index + N, N_VAL, opts, &hooks);
    uint64_t hash = *status == NASH_OK ? nash_model_hash(m) : 0;
    nash_model_free(m);
    return hash;
}

static uint64_t train_to(diary *d, const nash_train_opts *opts, int32_t stop)
{
    nash_status status;
    nash_train_opts cut = *opts;
    cut.stop_epoch = stop;
    *d = (diary){0};
    uint64_t hash = train(&status, d, &cut, state_path, 0.0);
    assert_int_equal(status, NASH_OK);
    return hash;
}

/* Train until the end of an epoch, where the process "crashes"; the last state
 * is from before the epoch was finished. */
static void crash_after(int32_t epochs, const nash_train_opts *opts)
{
    nash_status status;
    diary d = {.stop_after = epochs};
    train(&status, &d, opts, state_path, 1e-9);
    assert_int_equal(status, NASH_EIO);
    assert_int_equal(access(state_path, F_OK), 0);
    assert_int_equal(access(old_path, F_OK), 0);
}

static uint64_t whole(diary *d, const nash_train_opts *opts)
{
    nash_status status;
    *d = (diary){0};
    uint64_t hash = train(&status, d, opts, NULL, 0.0);
    assert_int_equal(status, NASH_OK);
    return hash;
}

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* @param judged  epoch that was judged because training was cut there; -1 */
static void assert_same_story(const diary *a, const diary *b, int32_t judged)
{
    assert_int_equal(a->epochs, b->epochs);
    for (int32_t i = 0; i < a->epochs; i++) {
        const nash_epoch *x = &a->epoch[i], *y = &b->epoch[i];
        assert_true(x->lr == y->lr && x->train_loss == y->train_loss &&
                    x->train_error == y->train_error);
        assert_true(i == judged || (same_value(x->val_loss, y->val_loss) &&
                                    same_value(x->val_error, y->val_error)));
    }
}

/* ---- going on ----------------------------------------------------------- */

static void check_cuts(nash_engine engine, nash_precision precision)
{
    diary all, cut;
    nash_train_opts opts = some_opts(engine);
    opts.precision = precision;
    uint64_t expected = whole(&all, &opts);
    for (int32_t stop = 1; stop < EPOCHS; stop++) {
        uint64_t part = train_to(&cut, &opts, stop);
        assert_int_equal(cut.epochs, stop);
        assert_true(isfinite(cut.epoch[stop - 1].val_loss));
        assert_true(part != expected);
        assert_int_equal(train_to(&cut, &opts, stop), part);
        assert_int_equal(cut.resumed, 1);
        uint64_t rest = train_to(&cut, &opts, 0);
        assert_int_equal(rest, expected);
        assert_int_equal(cut.resumed, 1);
        assert_same_story(&all, &cut, stop - 1);
        assert_int_equal(cut.snapshot[1], all.snapshot[1]);
        remove(state_path);
        remove(old_path);
    }
}

static void a_cut_training_goes_on_bit_by_bit_on_ref(void **state)
{
    (void)state;
    check_cuts(NASH_ENGINE_REF, NASH_PRECISION_F32);
}

static void a_cut_training_goes_on_bit_by_bit_on_onednn(void **state)
{
    (void)state;
    check_cuts(NASH_ENGINE_ONEDNN, NASH_PRECISION_F32);
    check_cuts(NASH_ENGINE_ONEDNN, NASH_PRECISION_AUTO);
}

static void rungs_follow_one_another_at_the_whole_schedule(void **state)
{
    (void)state;
    diary all, cut;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    uint64_t expected = whole(&all, &opts);
    train_to(&cut, &opts, 1);
    train_to(&cut, &opts, 2);
    train_to(&cut, &opts, 4);
    assert_int_equal(cut.epochs, 4);
    assert_true(cut.epoch[3].lr == all.epoch[3].lr);
    assert_int_equal(train_to(&cut, &opts, EPOCHS), expected);
    assert_true(isfinite(cut.epoch[0].val_loss) &&
                isfinite(cut.epoch[1].val_loss));
}

/* Out of time after the first step, whatever the machine: one more is made. */
static void a_training_without_time_ends_with_the_next_step(void **state)
{
    (void)state;
    diary late = {.time = 1e-9}, after = {0};
    nash_status status;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    train(&status, &late, &opts, NULL, 0.0);
    assert_int_equal(status, NASH_OK);
    assert_int_equal(late.epochs, EPOCHS); /* no single cosine */
    opts.cycle = 0;
    opts.snapshots = 0;
    late = (diary){.time = 1e-9};
    uint64_t expected = train(&status, &late, &opts, NULL, 0.0);
    assert_int_equal(status, NASH_OK);
    assert_int_equal(late.epochs, 1);
    assert_true(late.bent == 2.0 / 3.0);
    assert_true(late.epoch[0].lr == opts.lr_end);
    assert_true(late.epoch[0].train_error <= 1.0);
    assert_true(isfinite(late.epoch[0].val_loss));

    late = (diary){.time = 1e-9, .stop_after = 1};
    train(&status, &late, &opts, state_path, 1e-9);
    assert_int_equal(status, NASH_EIO);
    assert_int_equal(train(&status, &after, &opts, state_path, 0.0), expected);
    assert_int_equal(after.resumed, 1);
    assert_true(after.bent == 2.0 / 3.0);
    assert_true(after.epoch[0].train_loss == late.epoch[0].train_loss);
    remove(state_path);
    remove(old_path);
}

static void a_crash_anywhere_costs_no_bit(void **state)
{
    (void)state;
    diary all, after;
    nash_train_opts opts = some_opts(NASH_ENGINE_ONEDNN);
    uint64_t expected = whole(&all, &opts);
    for (int32_t epochs = 1; epochs <= EPOCHS; epochs++) {
        crash_after(epochs, &opts);
        uint64_t hash = train_to(&after, &opts, 0);
        assert_int_equal(hash, expected);
        assert_int_equal(after.resumed, 1);
        assert_same_story(&all, &after, -1);
        assert_int_equal(after.snapshots, epochs <= 3 ? 2 : 1);
        remove(state_path);
        remove(old_path);
    }
}

/* What was stopped ends like what was not. */
static void assert_goes_on(const diary *all, uint64_t expected,
                           const nash_train_opts *opts)
{
    nash_status status;
    diary after = {0};
    assert_int_equal(train(&status, &after, opts, state_path, 0.0), expected);
    assert_int_equal(status, NASH_OK);
    assert_int_equal(after.resumed, 1);
    assert_same_story(all, &after, -1);
    remove(state_path);
    remove(old_path);
}

/* Its next state would be due in thirty years. */
static void a_stop_loses_nothing(void **state)
{
    (void)state;
    nash_train_opts opts = some_opts(NASH_ENGINE_ONEDNN);
    diary all;
    uint64_t expected = whole(&all, &opts);
    for (int32_t epochs = 1; epochs <= EPOCHS; epochs++) {
        nash_status status;
        diary cut = {.stop_after = epochs, .asked = true};
        train(&status, &cut, &opts, state_path, 1e9);
        assert_int_equal(status, NASH_ESTOP);
        assert_goes_on(&all, expected, &opts);
    }
}

/* Between any two steps, and while it is judged; and again as soon as it goes
 * on. */
static void a_stop_anywhere_loses_nothing(void **state)
{
    (void)state;
    nash_train_opts opts = some_opts(NASH_ENGINE_ONEDNN);
    diary all;
    uint64_t expected = whole(&all, &opts);
    int32_t patience = 0, judged = EPOCHS / opts.cycle;
    nash_status status;
    hasty = true; /* progress is told after each step and each batch judged */
    do {
        diary cut = {.patience = ++patience}, again = {.patience = 1};
        train(&status, &cut, &opts, state_path, 1e9);
        if (status == NASH_OK)
            break;
        assert_int_equal(status, NASH_ESTOP);
        train(&status, &again, &opts, state_path, 1e9);
        assert_int_equal(status, NASH_ESTOP);
        assert_goes_on(&all, expected, &opts);
    } while (true);
    hasty = false;
    assert_true(patience > EPOCHS * (N / opts.batch) + judged);
}

/* ---- states that are not usable ----------------------------------------- */

static char *read_state(size_t *size)
{
    char *bytes = NULL;
    assert_int_equal(ni_file_read(&bytes, size, state_path, 1 << 24), NASH_OK);
    return bytes;
}

static void write_state(const char *bytes, size_t size)
{
    assert_int_equal(ni_file_write_atomic(state_path, bytes, size), NASH_OK);
}

/* With the newest state as given, the one before it is used, and nothing is
 * lost but what lies between. */
static void assert_older_is_used(const char *bytes, size_t size,
                                 const nash_train_opts *opts, uint64_t expected,
                                 const char *sentence)
{
    diary d;
    logged[0] = '\0';
    write_state(bytes, size);
    assert_int_equal(train_to(&d, opts, 0), expected);
    assert_int_equal(d.resumed, 1);
    assert_non_null(strstr(logged, state_path));
    assert_non_null(strstr(logged, sentence));
    assert_non_null(strstr(logged, "going on after epoch 1 and 2 of 3 steps"));
    assert_int_not_equal(access(state_path, F_OK), 0);
}

static void a_torn_state_is_named_and_the_one_before_it_used(void **state)
{
    (void)state;
    diary all;
    size_t size;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    uint64_t expected = whole(&all, &opts);
    crash_after(2, &opts);
    char *bytes = read_state(&size);
    const size_t cuts[] = {0, 1, 8, 9, 200, size / 2, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        assert_older_is_used(bytes, cuts[i], &opts, expected, "is torn");
    ni_free(bytes);
}

static void any_damaged_byte_is_noticed(void **state)
{
    (void)state;
    diary all;
    size_t size;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    uint64_t expected = whole(&all, &opts);
    crash_after(2, &opts);
    char *bytes = read_state(&size);
    for (size_t at = 0; at < size; at += 1 + size / 60) {
        bytes[at] ^= 0x10;
        assert_older_is_used(bytes, size, &opts, expected, "is torn");
        bytes[at] ^= 0x10;
    }
    ni_free(bytes);
}

static void with_both_states_gone_training_starts_anew(void **state)
{
    (void)state;
    diary all, d;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    uint64_t expected = whole(&all, &opts);
    crash_after(2, &opts);
    assert_int_equal(truncate(state_path, 100), 0);
    assert_int_equal(truncate(old_path, 5000), 0);
    assert_int_equal(train_to(&d, &opts, 0), expected);
    assert_int_equal(d.resumed, 0);
    assert_non_null(strstr(logged, old_path));
}

static void another_trainings_state_is_not_used(void **state)
{
    (void)state;
    diary d;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF), other = opts;
    train_to(&d, &opts, 3);
    other.weight_decay = 0.25;
    uint64_t expected = whole(&d, &other);
    assert_int_equal(train_to(&d, &other, 0), expected);
    assert_int_equal(d.resumed, 0);
    assert_non_null(strstr(logged, "is the state of another training"));
}

/* Whatever is added to the options of a training has to name it: each of their
 * bytes is changed by a bit, and means nothing in stop_epoch, max_bytes and
 * between members. */
static void every_option_names_the_training(void **state)
{
    (void)state;
    enum { NOTHING = 4 + 8 + 2 * 7 + 3 * 4 + 2 };
    const nash_train_opts opts = nash_train_opts_default();
    const size_t engine = offsetof(nash_train_opts, engine);
    toy t;
    make_toy(&t);
    nash_model *m = small_net(1);
    const ni_views views = {&t.images, t.index, N};
    uint64_t name = ni_training_identity(m, &views, &views, &opts);
    int nothing = 0;
    for (size_t at = 0; at < sizeof opts; at++) {
        nash_train_opts other = opts;
        if (at > engine && at < engine + sizeof opts.engine)
            continue; /* there are few */
        ((uint8_t *)&other)[at] ^= 1;
        nothing += ni_training_identity(m, &views, &views, &other) == name;
    }
    assert_int_equal(nothing, NOTHING);
    nash_model_free(m);
}

static void a_state_past_the_stop_is_not_used(void **state)
{
    (void)state;
    diary d;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    uint64_t expected = train_to(&d, &opts, 2);
    train_to(&d, &opts, 4);
    remove(old_path);
    assert_int_equal(train_to(&d, &opts, 2), expected);
    assert_int_equal(d.resumed, 0);
    assert_non_null(strstr(logged, "is past the end of epoch 2"));
}

/* ---- where it cannot be written ----------------------------------------- */

static void only_the_state_of_a_cut_must_be_written(void **state)
{
    (void)state;
    diary all, d = {0};
    nash_status status;
    nash_train_opts opts = some_opts(NASH_ENGINE_REF), cut = opts;
    const char *nowhere = "/nonexistent/state.safetensors";
    uint64_t expected = whole(&all, &opts);
    assert_int_equal(train(&status, &d, &opts, nowhere, 1e-9), expected);
    assert_non_null(strstr(logged, "no checkpoint: /nonexistent/state"));
    cut.stop_epoch = 2;
    d = (diary){0};
    train(&status, &d, &cut, nowhere, 0.0);
    assert_int_equal(status, NASH_EIO);
    assert_non_null(strstr(nash_error_message(), nowhere));
}

/* Train on a few images with so many allocations allowed. */
static nash_status train_within(uint64_t *hash, int64_t allowed, int32_t stop,
                                const char *path)
{
    toy t;
    nash_train_hooks hooks = {.state_path = path};
    nash_train_opts opts = some_opts(NASH_ENGINE_REF);
    opts.epochs = 2;
    opts.stop_epoch = stop;
    make_toy(&t);
    nash_model *m = small_net(1);
    ni_memory_fail_after(allowed);
    nash_status status =
        nash_train(m, &t.images, t.index, 18, NULL, 0, &opts, &hooks);
    ni_memory_fail_after(-1);
    *hash = nash_model_hash(m);
    nash_model_free(m);
    return status;
}

static void states_survive_running_out_of_memory(void **state)
{
    (void)state;
    uint64_t expected, hash = 0;
    assert_int_equal(train_within(&expected, -1, 0, NULL), NASH_OK);
    int64_t blocks = ni_memory_live_blocks();
    for (int32_t stop = 1; stop <= 2; stop++) {
        nash_status status = NASH_ENOMEM;
        for (int64_t allowed = 0; status == NASH_ENOMEM; allowed++) {
            status = train_within(&hash, allowed, stop, state_path);
            assert_int_equal(ni_memory_live_blocks(), blocks);
            assert_true(allowed < 2000);
        }
        assert_int_equal(status, NASH_OK);
    }
    assert_int_equal(hash, expected);
}

#define STATE_TEST(test)                                                       \
    cmocka_unit_test_setup_teardown(test, make_work, remove_work)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(a_cut_training_goes_on_bit_by_bit_on_ref),
        STATE_TEST(a_cut_training_goes_on_bit_by_bit_on_onednn),
        STATE_TEST(rungs_follow_one_another_at_the_whole_schedule),
        STATE_TEST(a_training_without_time_ends_with_the_next_step),
        STATE_TEST(a_crash_anywhere_costs_no_bit),
        STATE_TEST(a_stop_loses_nothing),
        STATE_TEST(a_stop_anywhere_loses_nothing),
        STATE_TEST(a_torn_state_is_named_and_the_one_before_it_used),
        STATE_TEST(any_damaged_byte_is_noticed),
        STATE_TEST(with_both_states_gone_training_starts_anew),
        STATE_TEST(another_trainings_state_is_not_used),
        STATE_TEST(every_option_names_the_training),
        STATE_TEST(a_state_past_the_stop_is_not_used),
        STATE_TEST(only_the_state_of_a_cut_must_be_written),
        STATE_TEST(states_survive_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
