/* Probabilities of models, ensembles and mirror images, and what a model says
 * about the data it is for. */
#include "striped.h"

#include <math.h>
#include <string.h>

/* ---- prediction -------------------------------------------------------- */

static void predictions_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    toy t;
    float by_one[20 * CLASSES], by_eight[20 * CLASSES];
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    make_toy(&t);
    nash_model *m = small_net(2);
    opts.batch = 1;
    assert_int_equal(nash_predict(by_one, &m, 1, &t.images, NULL, 20, &opts),
                     NASH_OK);
    opts.batch = 8;
    assert_int_equal(
        nash_predict(by_eight, &m, 1, &t.images, t.index, 20, &opts), NASH_OK);
    for (int32_t i = 0; i < 20 * CLASSES; i++)
        assert_float_equal(by_one[i], by_eight[i], 1e-6);
    nash_model_free(m);
}

static void an_ensemble_is_the_mean_of_its_members(void **state)
{
    (void)state;
    enum { N = 5 };
    toy t;
    float p[N * CLASSES], q[N * CLASSES], both[N * CLASSES];
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    make_toy(&t);
    nash_model *pair[2] = {small_net(2), small_net(3)};
    assert_int_equal(nash_predict(p, pair, 1, &t.images, NULL, N, &opts), 0);
    assert_int_equal(nash_predict(q, pair + 1, 1, &t.images, NULL, N, &opts),
                     0);
    assert_int_equal(nash_predict(both, pair, 2, &t.images, NULL, N, &opts), 0);
    for (int32_t i = 0; i < N * CLASSES; i++)
        assert_float_equal(both[i], (p[i] + q[i]) / 2.0F, 1e-6);
    nash_model_free(pair[0]);
    nash_model_free(pair[1]);
}

static void mirrored_predictions_are_the_same_for_the_mirror_image(void **state)
{
    (void)state;
    enum { N = 5 };
    toy t, turned;
    float p[N * CLASSES], q[N * CLASSES], once[N * CLASSES];
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    opts.batch = 2;
    make_toy(&t);
    make_toy(&turned);
    for (int32_t i = 0; i < MOST * PIXELS; i++)
        turned.pixels[i] = t.pixels[i / SIDE * SIDE + SIDE - 1 - i % SIDE];
    nash_model *m = small_net(2);
    assert_int_equal(nash_predict(once, &m, 1, &t.images, NULL, N, &opts), 0);
    assert_int_equal(nash_predict_mirrored(p, &m, 1, &t.images, NULL, N, &opts),
                     0);
    assert_int_equal(
        nash_predict_mirrored(q, &m, 1, &turned.images, NULL, N, &opts), 0);
    double apart = 0.0;
    for (int32_t i = 0; i < N * CLASSES; i++) {
        assert_float_equal(p[i], q[i], 1e-6);
        apart = fmax(apart, fabs((double)(p[i] - once[i])));
    }
    assert_true(apart > 1e-4);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_do_not_depend_on_the_batch),
        cmocka_unit_test(an_ensemble_is_the_mean_of_its_members),
        cmocka_unit_test(
            mirrored_predictions_are_the_same_for_the_mirror_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
