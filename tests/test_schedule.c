/* Schedules: cosines, warm-up, cycles, bends, and what they refuse. */
#include "striped.h"

#include "base/rng.h"
#include "train/deadline.h"
#include "train/options.h"
#include "train/schedule.h"

#include <math.h>
#include <string.h>

static void the_cosine_falls_from_start_to_exactly_end(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    opts.epochs = 4;
    opts.lr_end = 0.001;
    double before = HUGE_VAL;
    assert_true(nash_learning_rate(&opts, 0, 10) == 0.05);
    for (int64_t step = 0; step < 40; step++) {
        double lr = nash_learning_rate(&opts, step, 10);
        assert_true(lr < before);
        before = lr;
    }
    assert_true(before == 0.001);
    assert_close(nash_learning_rate(&opts, 13, 10), 0.03775, 1e-15);
}

static void assert_cycles(int32_t epochs, int32_t cycle, int32_t growth,
                          const int32_t *lengths)
{
    nash_train_opts opts = nash_train_opts_default();
    opts.epochs = epochs;
    opts.cycle = cycle;
    opts.cycle_growth = growth;
    int32_t first = 0;
    for (int32_t number = 0; first < epochs; number++) {
        assert_true(lengths[number] > 0);
        for (int32_t i = 0; i < lengths[number]; i++) {
            ni_cycle at = ni_cycle_at(&opts, first + i);
            assert_int_equal(at.number, number);
            assert_int_equal(at.first, first);
            assert_int_equal(at.epochs, lengths[number]);
            assert_int_equal(ni_cycle_ends(&opts, first + i),
                             i == lengths[number] - 1);
        }
        first += lengths[number];
    }
    assert_int_equal(first, epochs);
}

static void cycles_grow_and_leftover_epochs_find_a_place(void **state)
{
    (void)state;
    assert_cycles(17, 0, 1, (const int32_t[]){17, 0});
    assert_cycles(15, 1, 2, (const int32_t[]){1, 2, 4, 8, 0});
    assert_cycles(20, 10, 1, (const int32_t[]){10, 10, 0});
    assert_cycles(17, 10, 1, (const int32_t[]){10, 7, 0});
    assert_cycles(15, 10, 1, (const int32_t[]){10, 5, 0});
    assert_cycles(14, 10, 1, (const int32_t[]){14, 0});
    assert_cycles(10, 1, 2, (const int32_t[]){1, 2, 7, 0});
    assert_cycles(5, 17, 2, (const int32_t[]){5, 0});
    assert_cycles(1, 1, 1, (const int32_t[]){1, 0});
    nash_train_opts equal = {.epochs = 11, .cycle_growth = 2, .snapshots = 3};
    assert_int_equal(ni_cycle_at(&equal, 10).number, 2);
    assert_int_equal(nash_cycle_end(&equal, 0), 3);
    assert_int_equal(nash_cycle_end(&equal, 3), 7);
    assert_int_equal(nash_cycle_end(&equal, 7), 11);
    equal.snapshots = 20; /* more than there are epochs */
    assert_int_equal(ni_cycle_at(&equal, 10).number, 10);
    nash_train_opts endless = {
        .epochs = INT32_MAX, .cycle = INT32_MAX - 1, .cycle_growth = INT32_MAX};
    assert_int_equal(ni_cycle_at(&endless, 9).epochs, INT32_MAX);
}

static void whatever_the_options_training_ends_at_lr_end(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    opts.lr_end = 0.0003;
    for (int32_t i = 0; i < 4000; i++) {
        opts.epochs = 1 + i % 23;
        opts.cycle = i / 23 % 9;
        opts.cycle_growth = 1 + i / 207 % 3;
        opts.warmup = i % 2 * 0.3;
        int64_t per_epoch = 1 + i % 5, last = opts.epochs * per_epoch - 1;
        double end = ni_cycle_at(&opts, opts.epochs - 1).epochs * per_epoch == 1
                         ? 0.5 * (opts.lr_start + opts.lr_end)
                         : opts.lr_end; /* of a cycle of one step */
        assert_true(nash_learning_rate(&opts, last, per_epoch) == end);
        for (int64_t step = 0; step < last; step++) {
            double lr = nash_learning_rate(&opts, step, per_epoch);
            assert_true(lr > 0.0 && lr <= opts.lr_start);
        }
    }
}

static void a_bent_schedule_ends_sooner_at_lr_end(void **state)
{
    (void)state;
    enum { STEPS = 10, PLANNED = 10 * STEPS, AT = 63, END = 81 };
    nash_train_opts opts = nash_train_opts_default();
    ni_bend bend = {0};
    opts.epochs = PLANNED / STEPS;
    opts.warmup = 0.2;
    ni_bend_to(&bend, AT, END, PLANNED);
    for (int64_t step = 0; step <= AT; step++)
        assert_true(ni_learning_rate(&opts, &bend, step, STEPS) ==
                    nash_learning_rate(&opts, step, STEPS));
    for (int64_t step = AT; step < END - 1; step++)
        assert_true(ni_learning_rate(&opts, &bend, step + 1, STEPS) <
                    ni_learning_rate(&opts, &bend, step, STEPS));
    assert_true(ni_learning_rate(&opts, &bend, END - 1, STEPS) == opts.lr_end);
}

/* Bent again and again, to fewer steps and to more, its place never jumps, and
 * it ends where it should. */
static void a_schedule_may_be_bent_many_times(void **state)
{
    (void)state;
    enum { PLANNED = 1000 };
    for (uint32_t seed = 0; seed < 200; seed++) {
        ni_rng rng = ni_rng_make(seed, NI_RNG_PROBE, 0, 0);
        ni_bend bend = {0};
        int64_t end = PLANNED;
        double before = -1.0;
        for (int64_t step = 0; step < end; step++) {
            if (step < end - 1 && ni_rng_below(&rng, 50) == 0) {
                double here = ni_bend_place(&bend, step, PLANNED);
                end = step + 1 + ni_rng_below(&rng, (uint32_t)(PLANNED - step));
                ni_bend_to(&bend, step, end, PLANNED);
                if (end > step + 1)
                    assert_close(ni_bend_place(&bend, step, PLANNED), here,
                                 1e-9);
            }
            double place = ni_bend_place(&bend, step, PLANNED);
            assert_true(place > before && place <= PLANNED - 1);
            before = place;
        }
        assert_true(before == PLANNED - 1);
    }
}

/* A machine whose speed changes at a moment. */
typedef struct machine {
    double a_step, change_at, factor;
} machine;

/* Train there, and do what comes after; @return the seconds after @p time */
static double seconds_late(const machine *m, int64_t planned, double time,
                           double after, int64_t *steps)
{
    ni_deadline d = {.end = time, .after = after};
    double now = 0.0;
    int64_t end = planned, step = 0;
    ni_deadline_begin(&d, now, 0);
    while (step < end) {
        now += m->a_step * (now < m->change_at ? 1.0 : m->factor);
        if (++step < end)
            end = ni_deadline_look(&d, now, step, end, planned);
    }
    *steps = step;
    return now + after * m->a_step * (now < m->change_at ? 1.0 : m->factor) -
           time;
}

static void a_machine_that_gets_slow_is_noticed_in_time(void **state)
{
    (void)state;
    static const double factors[] = {1.0, 1.3, 2.0, 3.0, 10.0};
    const machine slow = {5.0, 0.0, 1.5}, fast = {1.0, 0.0, 0.5};
    int64_t steps;
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        for (double at = 0.0; at < 600.0; at += 7.0) {
            const machine m = {0.05, at, factors[i]};
            double late = seconds_late(&m, 12000, 600.0, 0.0, &steps);
            assert_true(late < 2.0 + 0.05 * m.factor);
            assert_true(m.factor > 1.0 || steps == 12000);
            if (at < 300.0 && m.factor <= 3.0)
                assert_true(seconds_late(&m, 12000, 600.0, 600.0, &steps) <
                            6.0);
        }
    assert_true(seconds_late(&slow, 100, 500.0, 0.0, &steps) <= 7.5);
    assert_in_range(steps, 60, 67);
    seconds_late(&fast, 100, 100.0, 0.0, &steps);
    assert_int_equal(steps, 100); /* never more than planned */
}

/* A step that stalls right after a look that was late gives up what it took. */
static void a_stall_is_no_pace(void **state)
{
    (void)state;
    static const double fast = 0.01, slow = 0.011, stall = 2.0, time = 20.0;
    for (double at = 5.0; at < 14.0; at += 0.5) {
        ni_deadline d = {.end = time};
        double now = 0.0;
        int64_t end = 1950, step = 0;
        bool stalled = false;
        ni_deadline_begin(&d, now, 0);
        while (step < end) {
            now += now < at ? fast : slow;
            if (!stalled && d.late) {
                now += stall;
                stalled = true;
            }
            if (++step < end)
                end = ni_deadline_look(&d, now, step, end, 1950);
        }
        assert_true(stalled && now < time + 0.1);
        assert_true((double)step > at / fast + (time - at - stall) / slow - 5);
    }
}

static void what_is_skipped_is_no_pace(void **state)
{
    (void)state;
    ni_deadline d = {.end = 100.0, .late = true};
    ni_deadline_begin(&d, 0.0, 0);
    ni_deadline_skip(&d, 50.0);
    assert_int_equal(ni_deadline_look(&d, 51.0, 10, 400, 400), 400);
    assert_int_equal(ni_deadline_look(&d, 60.0, 100, 400, 400), 400);
    assert_true(d.then == 60.0); /* that was a look */
    assert_int_equal(ni_deadline_look(&d, 65.0, 110, 400, 400), 255);
}

static void the_warm_up_rises_evenly_and_only_once(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    opts.epochs = 4;
    opts.cycle = 2;
    opts.warmup = 0.4;
    for (int64_t step = 0; step < 4; step++)
        assert_close(nash_learning_rate(&opts, step, 5),
                     0.01 * (double)(step + 1), 1e-15);
    assert_true(nash_learning_rate(&opts, 4, 5) == 0.05);
    assert_true(nash_learning_rate(&opts, 10, 5) == 0.05);
}

static void the_constant_rate_is_constant(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    opts.schedule = NASH_SCHEDULE_CONSTANT;
    opts.epochs = 3;
    opts.cycle = 1;
    for (int64_t step = 0; step < 12; step++)
        assert_true(nash_learning_rate(&opts, step, 4) == 0.05);
}

/* The feed cuts once more what is cut. */
static void few_images_are_cut_into_equal_batches(void **state)
{
    (void)state;
    for (int32_t wanted = 1; wanted <= 40; wanted++)
        for (int32_t n = 1; n <= 600; n++) {
            nash_train_opts opts = {.batch = wanted};
            int32_t batch, rest, batch_again, rest_again;
            ni_train_batches(&batch, &rest, &opts, n);
            assert_true(batch <= wanted && batch <= n && rest < batch);
            assert_true(n - n / batch * batch - rest <= 1);
            if (n / wanted + 1 <= wanted / 4)
                assert_true(rest == 0 || rest >= batch / 2);
            opts.batch = batch;
            ni_train_batches(&batch_again, &rest_again, &opts, n);
            assert_int_equal(batch_again, batch);
            assert_int_equal(rest_again, rest);
        }
}

static void a_lone_image_is_no_step_but_a_pair_is(void **state)
{
    (void)state;
    assert_int_equal(nash_steps_per_epoch(40000, 128), 313);
    assert_int_equal(nash_steps_per_epoch(256, 128), 2);
    assert_int_equal(nash_steps_per_epoch(257, 128), 3); /* of 86 and 85 */
    assert_int_equal(nash_steps_per_epoch(258, 128), 3);
    assert_int_equal(nash_steps_per_epoch(5, 2), 2);
    assert_int_equal(nash_steps_per_epoch(128 * 32 + 1, 128), 32);
    assert_int_equal(nash_steps_per_epoch(5, 128), 1);
    assert_int_equal(nash_steps_per_epoch(1, 128), 1);
    assert_int_equal(nash_steps_per_epoch(3, 1), 3);
}

/* A place in the cosine: of several, and bent. */
static void without_images_or_steps_there_is_nothing(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    assert_int_equal(nash_steps_per_epoch(0, 128), 0);
    assert_int_equal(nash_steps_per_epoch(100, 0), 0);
    assert_int_equal(nash_steps_per_epoch(-1, -1), 0);
    assert_true(nash_learning_rate(&opts, 0, 0) == 0.0);
    assert_true(nash_learning_rate(&opts, -2, 10) == 0.0);
    opts.lr_end = 0.01;
    assert_true(nash_learning_rate(&opts, 169, 10) == 0.01);
    assert_true(nash_learning_rate(&opts, 170, 10) == 0.0);
}

static void the_place_in_a_cosine_ends_at_one(void **state)
{
    (void)state;
    ni_bend bend = {0};
    nash_train_opts opts = nash_train_opts_default();
    opts.epochs = 6;
    opts.cycle = 2;
    opts.cycle_growth = 2;
    assert_close(ni_cycle_place(&opts, &bend, 0, 10), 0.05, 1e-12);
    assert_true(ni_cycle_place(&opts, &bend, 19, 10) == 1.0);
    assert_close(ni_cycle_place(&opts, &bend, 20, 10), 0.025, 1e-12);
    assert_true(ni_cycle_place(&opts, &bend, 59, 10) == 1.0);
    opts.cycle = 0;
    ni_bend_to(&bend, 40, 50, 60);
    double last = 0.0;
    for (int64_t step = 0; step < 50; step++) {
        double place = ni_cycle_place(&opts, &bend, step, 10);
        assert_true(place > last && (place < 1.0 || step == 49));
        last = place;
    }
    assert_true(last == 1.0);
    assert_close(ni_cycle_place(&opts, &bend, 39, 10), 40.0 / 60.0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cosine_falls_from_start_to_exactly_end),
        cmocka_unit_test(cycles_grow_and_leftover_epochs_find_a_place),
        cmocka_unit_test(whatever_the_options_training_ends_at_lr_end),
        cmocka_unit_test(a_bent_schedule_ends_sooner_at_lr_end),
        cmocka_unit_test(a_schedule_may_be_bent_many_times),
        cmocka_unit_test(a_machine_that_gets_slow_is_noticed_in_time),
        cmocka_unit_test(a_stall_is_no_pace),
        cmocka_unit_test(what_is_skipped_is_no_pace),
        cmocka_unit_test(the_warm_up_rises_evenly_and_only_once),
        cmocka_unit_test(the_constant_rate_is_constant),
        cmocka_unit_test(few_images_are_cut_into_equal_batches),
        cmocka_unit_test(a_lone_image_is_no_step_but_a_pair_is),
        cmocka_unit_test(without_images_or_steps_there_is_nothing),
        cmocka_unit_test(the_place_in_a_cosine_ends_at_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
