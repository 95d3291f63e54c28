/* The training loop, on striped images that a handful of
 * channels tell apart. `ref` stands in for the engine where speed and rounding
 * do not matter. */
#include "striped.h"

#include "base/memory.h"

#include <nash/train.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static nash_train_opts quick_opts(nash_engine engine)
{
    nash_train_opts opts = nash_train_opts_default();
    opts.engine = engine;
    opts.precision = NASH_PRECISION_F32;
    opts.epochs = 10;
    opts.batch = 16;
    opts.lr_start = 0.1;
    opts.augment.pad = 1;
    opts.augment.cutout = 2;
    return opts;
}

static nash_score score_of(nash_model *m, const toy *t, nash_engine engine)
{
    float p[MOST * CLASSES];
    nash_score score;
    nash_plan_opts opts = judge_opts(engine);
    assert_int_equal(nash_predict(p, &m, 1, &t->images, NULL, MOST, &opts),
                     NASH_OK);
    nash_score_of(&score, NULL, p, t->labels, MOST, CLASSES);
    return score;
}

/* ---- what a training reports ------------------------------------------- */

typedef struct diary {
    int32_t epochs, snapshots;
    nash_epoch epoch[16];
    int32_t cycle[16];
    uint64_t hash[16];
    int32_t stop_after; /* epochs; 0: never */
    int32_t pause_us;   /* per epoch */
    int64_t most_bytes; /* live, seen at an epoch's end */
} diary;

static nash_status note_epoch(void *ctx, const nash_epoch *epoch)
{
    diary *d = ctx;
    d->epoch[d->epochs++] = *epoch;
    if (ni_memory_live_bytes() > d->most_bytes)
        d->most_bytes = ni_memory_live_bytes();
    if (d->pause_us)
        usleep((useconds_t)d->pause_us);
    return d->epochs == d->stop_after ? NASH_ESTOP : NASH_OK;
}

static nash_status note_snapshot(void *ctx, int32_t i, const nash_model *m)
{
    diary *d = ctx;
    d->cycle[d->snapshots] = i;
    d->hash[d->snapshots++] = nash_model_hash(m);
    return NASH_OK;
}

static nash_train_hooks hooks_of(diary *d)
{
    return (nash_train_hooks){
        .ctx = d, .epoch = note_epoch, .snapshot = note_snapshot};
}

static uint64_t hash_after(const toy *t, int32_t n, const nash_train_opts *opts,
                           diary *d)
{
    nash_model *m = small_net(1);
    nash_train_hooks hooks = hooks_of(d);
    assert_int_equal(nash_train(m, &t->images, t->index, n, NULL, 0, opts,
                                d ? &hooks : NULL),
                     NASH_OK);
    uint64_t hash = nash_model_hash(m);
    nash_model_free(m);
    return hash;
}

/* ---- learning ---------------------------------------------------------- */

static void assert_learns(nash_engine engine)
{
    toy t;
    diary d = {0};
    nash_train_opts opts = quick_opts(engine);
    nash_train_hooks hooks = hooks_of(&d);
    make_toy(&t);
    nash_model *m = small_net(1);
    double before = score_of(m, &t, engine).loss;
    assert_int_equal(
        nash_train(m, &t.images, t.index, MOST, NULL, 0, &opts, &hooks),
        NASH_OK);
    nash_score after = score_of(m, &t, engine);
    assert_true(before > 0.9 && after.loss < 0.25 && after.error < 0.05);
    assert_int_equal(d.epochs, 10);
    assert_true(d.epoch[9].train_loss < d.epoch[0].train_loss);
    assert_true(d.epoch[0].train_error > 0.1 && d.epoch[9].train_error < 0.1);
    assert_true(d.epoch[9].lr == 0.0);
    nash_model_free(m);
}

static void stripes_are_learned_on_ref(void **state)
{
    (void)state;
    assert_learns(NASH_ENGINE_REF);
}

static void stripes_are_learned_on_onednn(void **state)
{
    (void)state;
    assert_learns(NASH_ENGINE_ONEDNN);
}

/* ---- determinism ------------------------------------------------------- */

static void assert_same_bits(nash_engine engine, int32_t threads)
{
    toy t;
    diary slow = {.pause_us = 20000};
    nash_train_opts opts = quick_opts(engine);
    opts.epochs = 3;
    opts.threads = threads;
    make_toy(&t);
    uint64_t hash = hash_after(&t, 90, &opts, NULL);
    assert_true(hash_after(&t, 90, &opts, &slow) == hash);
    opts.step++;
    assert_true(hash_after(&t, 90, &opts, NULL) != hash);
}

static void equal_trainings_give_equal_bits_at_any_pace(void **state)
{
    (void)state;
    assert_same_bits(NASH_ENGINE_REF, 1);
    assert_same_bits(NASH_ENGINE_ONEDNN, 1);
    assert_same_bits(NASH_ENGINE_ONEDNN, 2);
}

/* Plain descent, batch by batch, without any of the training's machinery. */
static void plain_batch(nash_model *m, nash_plan *plan, const toy *t,
                        const int32_t *index, int32_t n,
                        const nash_batch_key *key, double lr)
{
    int32_t labels[MOST];
    float p[MOST * CLASSES], mean = 124.0F;
    nash_augment augment = quick_opts(NASH_ENGINE_REF).augment;
    nash_batch_fill(nash_plan_input(plan), labels, &t->images, index, n,
                    &augment, &mean, key);
    assert_int_equal(nash_plan_forward(plan), NASH_OK);
    nash_softmax(p, nash_plan_logits(plan), n, CLASSES);
    for (int32_t i = 0; i < n * CLASSES; i++)
        nash_plan_d_logits(plan)[i] =
            (p[i] - (float)(labels[i / CLASSES] == i % CLASSES)) / (float)n;
    assert_int_equal(nash_plan_backward(plan), NASH_OK);
    for (int32_t i = 0;
         i < nash_graph_size(nash_model_graph(m)) * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        nash_tensor *w = nash_model_tensor(m, id, slot);
        const float *d = nash_plan_gradient(plan, id, slot);
        for (int64_t k = 0; d && k < w->count; k++)
            w->data[k] -= (float)lr * d[k];
    }
}

static nash_plan *training_plan(nash_model *m, int32_t batch)
{
    nash_plan *plan;
    nash_plan_opts opts = judge_opts(NASH_ENGINE_REF);
    opts.mode = NASH_MODE_TRAIN;
    opts.batch = batch;
    assert_int_equal(nash_plan_create(&plan, m, &opts), NASH_OK);
    return plan;
}

static double largest_difference(const nash_model *a, const nash_model *b)
{
    double most = 0.0;
    int32_t nodes = nash_graph_size(nash_model_graph(a));
    for (int32_t i = 0; i < nodes * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        const nash_tensor *x = nash_model_tensor(a, id, slot);
        const nash_tensor *y = nash_model_tensor(b, id, slot);
        for (int64_t k = 0; x && k < x->count; k++)
            most = fmax(most, fabs((double)(x->data[k] - y->data[k])));
    }
    return most;
}

static void the_loop_is_plain_descent_with_the_partial_batch(void **state)
{
    (void)state;
    enum { N = 26 };
    toy t;
    int32_t order[N];
    nash_batch_key key = {.seed = 8, .step = 2};
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    opts.epochs = 2;
    opts.momentum = opts.weight_decay = 0.0;
    opts.seed = 8;
    opts.step = 2;
    make_toy(&t);
    nash_model *trained = small_net(1), *plain = small_net(1);
    nash_plan *full = training_plan(plain, 16),
              *rest = training_plan(plain, 10);
    assert_int_equal(
        nash_train(trained, &t.images, t.index, N, NULL, 0, &opts, NULL),
        NASH_OK);
    for (; key.epoch < 2; key.epoch++) {
        nash_batch_order(order, t.index, N, &key);
        plain_batch(plain, full, &t, order, 16, &key,
                    nash_learning_rate(&opts, 2 * key.epoch, 2));
        plain_batch(plain, rest, &t, order + 16, 10, &key,
                    nash_learning_rate(&opts, 2 * key.epoch + 1, 2));
    }
    assert_true(largest_difference(trained, plain) < 1e-5);
    nash_plan_free(full);
    nash_plan_free(rest);
    nash_model_free(plain);
    nash_model_free(trained);
}

static void every_image_of_the_epoch_counts_once(void **state)
{
    (void)state;
    toy t;
    diary d = {0};
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    opts.epochs = 1;
    opts.lr_start = opts.lr_end = 0.0;
    make_toy(&t);
    hash_after(&t, 22, &opts, &d);
    double wrong = d.epoch[0].train_error * 22;
    assert_true(wrong > 0.0 && wrong <= 22.0);
    assert_close(wrong, round(wrong), 1e-9);
    hash_after(&t, 17, &opts, &d); /* nine and eight */
    wrong = d.epoch[1].train_error * 17;
    assert_close(wrong, round(wrong), 1e-9);
    opts.batch = 2;
    hash_after(&t, 5, &opts, &d); /* a lone image sits out */
    wrong = d.epoch[2].train_error * 4;
    assert_close(wrong, round(wrong), 1e-9);
}

/* ---- judging and hooks ------------------------------------------------- */

static void cycle_ends_are_judged_and_kept(void **state)
{
    (void)state;
    toy t;
    diary d = {0};
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    nash_train_hooks hooks = hooks_of(&d);
    opts.epochs = 7;
    opts.cycle = 1;
    opts.cycle_growth = 2;
    opts.snapshots = 2;
    make_toy(&t);
    nash_model *m = small_net(1);
    assert_int_equal(nash_train(m, &t.images, t.index, 40, t.index + 40,
                                MOST - 40, &opts, &hooks),
                     NASH_OK);
    for (int32_t i = 0; i < 7; i++) {
        bool judged = i == 0 || i == 2 || i == 6;
        assert_int_equal(!isnan(d.epoch[i].val_loss), judged);
        assert_int_equal(!isnan(d.epoch[i].val_balanced_error), judged);
        assert_int_equal(d.epoch[i].epoch, i);
    }
    float p[MOST * CLASSES];
    nash_score score;
    nash_plan_opts judge = judge_opts(NASH_ENGINE_REF);
    assert_int_equal(
        nash_predict(p, &m, 1, &t.images, t.index + 40, MOST - 40, &judge), 0);
    nash_score_of(&score, NULL, p, t.labels + 40, MOST - 40, CLASSES);
    assert_true(score.loss == d.epoch[6].val_loss);
    assert_true(score.error == d.epoch[6].val_error);
    assert_int_equal(d.snapshots, 2);
    assert_int_equal(d.cycle[0], 1);
    assert_int_equal(d.cycle[1], 2);
    assert_true(d.hash[0] != d.hash[1] && d.hash[1] == nash_model_hash(m));
    nash_model_free(m);
}

static void judging_does_not_change_the_training(void **state)
{
    (void)state;
    toy t;
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    opts.epochs = 3;
    opts.cycle = 1;
    make_toy(&t);
    nash_model *m = small_net(1);
    assert_int_equal(
        nash_train(m, &t.images, t.index, 40, t.index + 40, 20, &opts, NULL),
        NASH_OK);
    assert_true(nash_model_hash(m) == hash_after(&t, 40, &opts, NULL));
    nash_model_free(m);
}

static void a_hook_can_end_the_training(void **state)
{
    (void)state;
    toy t;
    diary d = {.stop_after = 2};
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    nash_train_hooks hooks = hooks_of(&d);
    make_toy(&t);
    int64_t blocks = ni_memory_live_blocks();
    nash_model *m = small_net(1);
    assert_int_equal(
        nash_train(m, &t.images, t.index, 40, NULL, 0, &opts, &hooks),
        NASH_ESTOP);
    assert_int_equal(d.epochs, 2);
    nash_model_free(m);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

static void no_epochs_leave_the_model_alone(void **state)
{
    (void)state;
    toy t;
    diary d = {0};
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    opts.epochs = 0;
    make_toy(&t);
    nash_model *m = small_net(1);
    assert_true(hash_after(&t, 40, &opts, &d) == nash_model_hash(m));
    assert_int_equal(d.epochs, 0);
    nash_model_free(m);
}

/* ---- failures ---------------------------------------------------------- */

static void a_loss_that_is_not_finite_is_a_result(void **state)
{
    (void)state;
    toy t;
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    make_toy(&t);
    opts.lr_start = 1e38;
    nash_model *m = small_net(1);
    assert_int_equal(
        nash_train(m, &t.images, t.index, 40, NULL, 0, &opts, NULL),
        NASH_EDIVERGED);
    assert_non_null(strstr(nash_error_message(), "not finite"));
    assert_non_null(strstr(nash_error_message(), "epoch 1 of 10"));
    nash_model_free(m);
}

static void assert_refused(const toy *t, const nash_train_opts *opts,
                           const char *word)
{
    nash_model *m = small_net(1);
    assert_int_equal(
        nash_train(m, &t->images, t->index, 40, NULL, 0, opts, NULL),
        NASH_EINVAL);
    assert_non_null(strstr(nash_error_message(), word));
    nash_model_free(m);
}

static void options_out_of_range_are_named(void **state)
{
    (void)state;
    toy t;
    const nash_train_opts good = quick_opts(NASH_ENGINE_REF);
    make_toy(&t);
#define REFUSED(field, value)                                                  \
    do {                                                                       \
        nash_train_opts opts = good;                                           \
        opts.field = (value);                                                  \
        assert_refused(&t, &opts, #field);                                     \
    } while (0)
    REFUSED(epochs, -1);
    REFUSED(batch, 0);
    REFUSED(lr_start, -0.1);
    REFUSED(lr_end, (double)NAN);
    REFUSED(lr_start, (double)INFINITY);
    REFUSED(cycle, -1);
    REFUSED(cycle_growth, 0);
    REFUSED(warmup, 1.0);
    REFUSED(momentum, 1.0);
    REFUSED(weight_decay, -1e-4);
    REFUSED(label_smoothing, 1.0);
    REFUSED(bias_rate, -1.0);
    REFUSED(gate_rate, (double)NAN);
    REFUSED(clip_norm, -1.0);
    REFUSED(muon, -0.1);
    REFUSED(lookahead, -1);
    REFUSED(focus, 0.0);
    REFUSED(focus, 1.01);
    REFUSED(augment.pad, -1);
    REFUSED(augment.cutout, NASH_MAX_DIM + 1);
    REFUSED(threads, 0);
    REFUSED(snapshots, -1);
    REFUSED(stop_epoch, -1);
    REFUSED(stop_epoch, 11);
#undef REFUSED
}

static void images_that_do_not_fit_the_model_are_refused(void **state)
{
    (void)state;
    toy t;
    float p[MOST * CLASSES];
    const int32_t outside[2] = {0, MOST};
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    make_toy(&t);
    nash_model *m = small_net(1);
    nash_images wider = t.images, richer = t.images;
    wider.shape.w = 4;
    richer.classes = 4;
    assert_int_equal(nash_train(m, &wider, t.index, 9, NULL, 0, &opts, NULL),
                     NASH_ESHAPE);
    assert_non_null(strstr(nash_error_message(), "8 x 4"));
    assert_int_equal(nash_train(m, &richer, t.index, 9, NULL, 0, &opts, NULL),
                     NASH_ESHAPE);
    assert_non_null(strstr(nash_error_message(), "has 4"));
    assert_int_equal(nash_train(m, &t.images, outside, 2, NULL, 0, &opts, NULL),
                     NASH_EINVAL);
    assert_int_equal(
        nash_train(m, &t.images, t.index, 9, outside, 2, &opts, NULL),
        NASH_EINVAL);
    assert_int_equal(nash_train(m, &t.images, t.index, 0, NULL, 0, &opts, NULL),
                     NASH_EINVAL);
    assert_int_equal(nash_predict(p, &m, 1, &wider, NULL, 3, NULL),
                     NASH_ESHAPE);
    assert_int_equal(nash_predict(p, &m, 0, &t.images, NULL, 3, NULL),
                     NASH_EINVAL);
    assert_int_equal(nash_predict(p, &m, 1, &t.images, outside, 2, NULL),
                     NASH_EINVAL);
    nash_model_free(m);
}

static void the_bytes_are_known_before_and_capped(void **state)
{
    (void)state;
    toy t;
    diary d = {0};
    size_t bytes;
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    nash_train_hooks hooks = hooks_of(&d);
    opts.epochs = 1;
    make_toy(&t);
    nash_model *m = small_net(1);
    assert_int_equal(nash_train_bytes(&bytes, nash_model_graph(m), &opts, 40),
                     NASH_OK);
    opts.max_bytes = bytes - 1;
    assert_int_equal(
        nash_train(m, &t.images, t.index, 40, NULL, 0, &opts, NULL),
        NASH_ELIMIT);
    opts.max_bytes = bytes;
    int64_t before = ni_memory_live_bytes();
    assert_int_equal(
        nash_train(m, &t.images, t.index, 40, t.index, MOST, &opts, &hooks),
        NASH_OK);
    int64_t held = d.most_bytes - before;
    assert_true(held < (int64_t)bytes + 16384 && held > (int64_t)bytes / 2);
    nash_model_free(m);
}

static void training_survives_running_out_of_memory(void **state)
{
    (void)state;
    toy t;
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    opts.epochs = 1;
    make_toy(&t);
    int64_t blocks = ni_memory_live_blocks(), allowed = 0;
    nash_status status;
    do {
        nash_model *m = small_net(1);
        ni_memory_fail_after(allowed++);
        status = nash_train(m, &t.images, t.index, 18, t.index, 5, &opts, NULL);
        ni_memory_fail_after(-1);
        nash_model_free(m);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    } while (status == NASH_ENOMEM && allowed < 1000);
    assert_int_equal(status, NASH_OK);
    assert_true(allowed > 20);
}

/* ---- lookahead ---------------------------------------------------------- */

static nash_train_opts slow_opts(void)
{
    nash_train_opts opts = quick_opts(NASH_ENGINE_REF);
    opts.epochs = 1;
    opts.batch = 1;
    opts.lr_end = 0.01;
    opts.lookahead = 2;
    opts.augment = (nash_augment){0};
    return opts;
}

/* How many of the first n images, each seen once, leave no trace. */
static int unseen(int32_t n)
{
    nash_train_opts opts = slow_opts();
    toy t;
    make_toy(&t);
    int count = 0;
    uint64_t hash = hash_after(&t, n, &opts, NULL);
    for (int32_t i = 0; i < n; i++) {
        uint8_t *image = t.pixels + (ptrdiff_t)i * PIXELS;
        for (int k = 0; k < PIXELS; k++)
            image[k] ^= 255;
        count += hash_after(&t, n, &opts, NULL) == hash;
        for (int k = 0; k < PIXELS; k++)
            image[k] ^= 255;
    }
    return count;
}

static void a_training_ends_at_its_slow_weights(void **state)
{
    (void)state;
    assert_int_equal(unseen(16), 2); /* what comes after the last pull but */
    assert_int_equal(unseen(17), 1); /* that at the end */
}

static void a_short_cosine_has_no_slow_weights(void **state)
{
    (void)state;
    toy t;
    nash_train_opts opts = slow_opts(), none = opts;
    none.lookahead = 0;
    make_toy(&t);
    assert_true(hash_after(&t, 15, &opts, NULL) ==
                hash_after(&t, 15, &none, NULL));
    assert_true(hash_after(&t, 16, &opts, NULL) !=
                hash_after(&t, 16, &none, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_ends_at_its_slow_weights),
        cmocka_unit_test(a_short_cosine_has_no_slow_weights),
        cmocka_unit_test(stripes_are_learned_on_ref),
        cmocka_unit_test(stripes_are_learned_on_onednn),
        cmocka_unit_test(equal_trainings_give_equal_bits_at_any_pace),
        cmocka_unit_test(the_loop_is_plain_descent_with_the_partial_batch),
        cmocka_unit_test(every_image_of_the_epoch_counts_once),
        cmocka_unit_test(cycle_ends_are_judged_and_kept),
        cmocka_unit_test(judging_does_not_change_the_training),
        cmocka_unit_test(a_hook_can_end_the_training),
        cmocka_unit_test(no_epochs_leave_the_model_alone),
        cmocka_unit_test(a_loss_that_is_not_finite_is_a_result),
        cmocka_unit_test(options_out_of_range_are_named),
        cmocka_unit_test(images_that_do_not_fit_the_model_are_refused),
        cmocka_unit_test(the_bytes_are_known_before_and_capped),
        cmocka_unit_test(training_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
