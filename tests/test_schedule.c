/* Schedules: cosines, warm-up, cycles, bends, and what they refuse. */
#include "striped.h"

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
    assert_cycles(14, 10, 1, (const int32_t[]){14, 0});
    assert_cycles(10, 1, 2, (const int32_t[]){1, 2, 7, 0});
    assert_cycles(5, 17, 2, (const int32_t[]){5, 0});
    assert_cycles(1, 1, 1, (const int32_t[]){1, 0});
    nash_train_opts equal = {.epochs = 11, .cycle_growth = 2, .snapshots = 3};
    assert_int_equal(ni_cycle_at(&equal, 10).number, 3);
    assert_int_equal(nash_cycle_end(&equal, 0), 3);
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
        assert_true(nash_learning_rate(&opts, last, per_epoch) == 0.0003);
        for (int64_t step = 0; step < last; step++) {
            double lr = nash_learning_rate(&opts, step, per_epoch);
            assert_true(lr > 0.0 && lr <= opts.lr_start);
        }
    }
}

static void a_bent_schedule_ends_sooner_at_lr_end(void **state)
{
    (void)state;
    enum { STEPS = 10, AT = 6, REST = 2 };
    nash_train_opts opts = nash_train_opts_default(), bent;
    opts.epochs = 10;
    opts.warmup = 0.2;
    bent = opts;
    bent.bend_epoch = AT;
    bent.bend_rest = REST;
    assert_int_equal(ni_train_opts_check(&bent), NASH_OK);
    assert_int_equal(nash_total_epochs(&bent), AT + REST);
    for (int64_t step = 0; step <= AT * STEPS; step++)
        assert_true(nash_learning_rate(&bent, step, STEPS) ==
                    nash_learning_rate(&opts, step, STEPS));
    int64_t last = (AT + REST) * STEPS - 1;
    for (int64_t step = AT * STEPS; step < last; step++)
        assert_true(nash_learning_rate(&bent, step + 1, STEPS) <
                    nash_learning_rate(&bent, step, STEPS));
    assert_true(nash_learning_rate(&bent, last, STEPS) == opts.lr_end);
    bent.bend_rest = 5;
    assert_int_equal(ni_train_opts_check(&bent), NASH_EINVAL);
    bent.bend_rest = REST;
    bent.cycle = 3;
    assert_int_equal(ni_train_opts_check(&bent), NASH_EINVAL);
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

static void a_lone_image_is_no_step_but_a_pair_is(void **state)
{
    (void)state;
    assert_int_equal(nash_steps_per_epoch(40000, 128), 313);
    assert_int_equal(nash_steps_per_epoch(256, 128), 2);
    assert_int_equal(nash_steps_per_epoch(257, 128), 2);
    assert_int_equal(nash_steps_per_epoch(258, 128), 3);
    assert_int_equal(nash_steps_per_epoch(5, 128), 1);
    assert_int_equal(nash_steps_per_epoch(1, 128), 1);
    assert_int_equal(nash_steps_per_epoch(3, 1), 3);
}

/* A place in the cosine: of several, and bent. */
static void the_place_in_a_cosine_ends_at_one(void **state)
{
    (void)state;
    nash_train_opts opts = nash_train_opts_default();
    opts.epochs = 6;
    opts.cycle = 2;
    opts.cycle_growth = 2;
    assert_close(ni_cycle_place(&opts, 0, 10), 0.05, 1e-12);
    assert_true(ni_cycle_place(&opts, 19, 10) == 1.0);
    assert_close(ni_cycle_place(&opts, 20, 10), 0.025, 1e-12);
    assert_true(ni_cycle_place(&opts, 59, 10) == 1.0);
    opts.cycle = 0;
    opts.bend_epoch = 4;
    opts.bend_rest = 1;
    double last = 0.0;
    for (int64_t step = 0; step < 50; step++) {
        double place = ni_cycle_place(&opts, step, 10);
        assert_true(place > last && (place < 1.0 || step == 49));
        last = place;
    }
    assert_true(last == 1.0);
    assert_close(ni_cycle_place(&opts, 39, 10), 40.0 / 60.0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cosine_falls_from_start_to_exactly_end),
        cmocka_unit_test(cycles_grow_and_leftover_epochs_find_a_place),
        cmocka_unit_test(whatever_the_options_training_ends_at_lr_end),
        cmocka_unit_test(a_bent_schedule_ends_sooner_at_lr_end),
        cmocka_unit_test(the_warm_up_rises_evenly_and_only_once),
        cmocka_unit_test(the_constant_rate_is_constant),
        cmocka_unit_test(a_lone_image_is_no_step_but_a_pair_is),
        cmocka_unit_test(the_place_in_a_cosine_ends_at_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
