/*
 * The training loop. Everything it needs is made before the first step and
 * nothing is allocated after it; a step is forward, loss, backward, update, on
 * a batch that was prepared while the step before was computed. A partial last
 * batch has a plan of its own size, so that no image is left out and none
 * counts twice. Where a state is kept, it is written between two steps, so that
 * going on from it is going on in the loop. Refuses what options.c and
 * predict.c refuse.
 */
#include "checkpoint.h"
#include "deadline.h"
#include "feed.h"
#include "lookahead.h"
#include "loss.h"
#include "options.h"
#include "predict.h"
#include "schedule.h"
#include "sgd.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct trainer {
    nash_model *model;
    const nash_images *images;
    const nash_train_opts *opts;
    nash_train_hooks hooks;
    int32_t batch, rest;
    int32_t stop;      /* epochs to train */
    int64_t end;       /* steps to train */
    int64_t per_epoch; /* steps */
    bool may_bend;
    ni_deadline deadline;
    ni_progress at;
    uint64_t identity;   /* where a state is kept */
    double began, saved; /* when this process did */
    nash_plan *plan;     /* for full batches */
    nash_plan *rest_plan;
    ni_sgd *sgd;
    ni_lookahead *lookahead; /* NULL: without */
    ni_focus *focus;         /* NULL: without */
    float *losses;           /* [batch], with it */
    ni_feed *feed;
    float *mean; /* [C], of padding */

    ni_views train, val;
    ni_predictor *judge;  /* NULL: nothing to judge on */
    float *probabilities; /* [n_val,K] */
    int32_t *val_labels;  /* [n_val] */

    double reported; /* when progress was told last */
    int64_t trained; /* images since then */
    double rate;     /* images a second, when it was last measured */
} trainer;

static nash_status check_images(const nash_model *m, const nash_images *images,
                                const int32_t *index, int32_t n)
{
    nash_status status = NASH_OK;
    int32_t classes = nash_graph_classes(nash_model_graph(m));
    TRY(nash_graph_check(nash_model_graph(m)));
    TRY(ni_check_input(m, images));
    REQUIRE(classes == images->classes, NASH_ESHAPE,
            "the model tells %d classes apart, the data set has %d", classes,
            images->classes);
    REQUIRE(n >= 1, NASH_EINVAL, "there is no image to train on");
    TRY(ni_check_index(images, index, n));
done:
    return status;
}

static nash_status check_bytes(const nash_model *m, const nash_train_opts *opts,
                               int32_t n)
{
    nash_status status = NASH_OK;
    size_t bytes;
    if (opts->max_bytes == 0)
        return NASH_OK;
    TRY(nash_train_bytes(&bytes, nash_model_graph(m), opts, n));
    REQUIRE(bytes <= opts->max_bytes, NASH_ELIMIT,
            "training this network in batches of %d takes %.1f MiB, more than "
            "the %.1f MiB it may have",
            opts->batch, (double)bytes / 0x1p20,
            (double)opts->max_bytes / 0x1p20);
done:
    return status;
}

/* What augmentation pads with: the mean that the model subtracts, or, where it
 * does not normalise, the images' own. */
static nash_status padding_mean(float **out, const nash_model *m,
                                const nash_images *images, const int32_t *index,
                                int32_t n)
{
    nash_status status = NASH_OK;
    float *mean = NULL, *std = NULL;
    int32_t channels = images->shape.c;
    NEW_ARRAY(mean, channels);
    if (nash_graph_node(nash_model_graph(m), 1)->op == NASH_OP_NORMALIZE) {
        const nash_tensor *center = nash_model_tensor(m, 1, NASH_SLOT_CENTER);
        memcpy(mean, center->data, (size_t)channels * sizeof *mean);
    } else {
        NEW_ARRAY(std, channels);
        nash_images_moments(images, index, n, mean, std);
    }
    *out = mean;
    mean = NULL;
done:
    ni_free(std);
    ni_free(mean);
    return status;
}

static nash_status open_judge(trainer *t)
{
    nash_status status = NASH_OK;
    if (t->val.n == 0)
        return NASH_OK;
    int32_t batch = t->batch < t->val.n ? t->batch : t->val.n;
    int32_t classes = nash_graph_classes(nash_model_graph(t->model));
    nash_plan_opts plan = ni_train_plan_opts(t->opts, batch);
    TRY(ni_predictor_open(&t->judge, t->model, &plan));
    NEW_ARRAY(t->probabilities, (int64_t)t->val.n * classes);
    NEW_ARRAY(t->val_labels, t->val.n);
    for (int32_t i = 0; i < t->val.n; i++)
        t->val_labels[i] = t->images->labels[t->val.index[i]];
done:
    return status;
}

static nash_status open_plans(trainer *t)
{
    nash_status status = NASH_OK;
    nash_plan_opts plan = ni_train_plan_opts(t->opts, t->batch);
    TRY(nash_plan_create(&t->plan, t->model, &plan));
    plan.batch = t->rest;
    if (t->rest > 0)
        TRY(nash_plan_create(&t->rest_plan, t->model, &plan));
    TRY(open_judge(t));
done:
    return status;
}

static nash_status open_feed(trainer *t)
{
    nash_status status = NASH_OK;
    const ni_feed_plan plan = {
        .index = t->train.index,
        .n = t->train.n,
        .batch = t->batch,
        .focus = t->focus,
        .first = t->at.epoch * t->per_epoch + t->at.step,
        .end = (t->may_bend ? t->opts->epochs : t->stop) * t->per_epoch};
    TRY(padding_mean(&t->mean, t->model, t->images, plan.index, plan.n));
    TRY(ni_feed_open(&t->feed, t->images, &plan, t->mean, t->opts));
done:
    return status;
}

static void close_trainer(trainer *t)
{
    ni_feed_close(t->feed);
    ni_free(t->losses);
    ni_focus_free(t->focus);
    ni_predictor_close(t->judge);
    ni_lookahead_free(t->lookahead);
    ni_sgd_free(t->sgd);
    nash_plan_free(t->rest_plan);
    nash_plan_free(t->plan);
    ni_free(t->val_labels);
    ni_free(t->probabilities);
    ni_free(t->mean);
    ni_free(t->at.rows);
}

/* ---- the state ---------------------------------------------------------- */

static ni_checkpoint checkpoint_of(trainer *t)
{
    const ni_checkpoint c = {.path = t->hooks.state_path,
                             .identity = t->identity,
                             .model = t->model,
                             .sgd = t->sgd,
                             .lookahead = t->lookahead,
                             .focus = t->focus,
                             .images = t->train.n,
                             .progress = &t->at,
                             .epochs = t->opts->epochs,
                             .stop_epoch = t->stop,
                             .may_bend = t->may_bend,
                             .per_epoch = t->per_epoch};
    return c;
}

/* As the bend says. */
static nash_status set_end(trainer *t)
{
    t->end = t->at.bend.end;
    t->stop = (int32_t)((t->end + t->per_epoch - 1) / t->per_epoch);
    return t->hooks.bent ? t->hooks.bent(t->hooks.ctx,
                                         (double)t->end / (double)t->per_epoch)
                         : NASH_OK;
}

static nash_status go_on(trainer *t)
{
    nash_status status = NASH_OK;
    bool found = false;
    if (!t->hooks.state_path)
        return NASH_OK;
    t->identity = ni_training_identity(t->model, &t->train, &t->val, t->opts);
    const ni_checkpoint c = checkpoint_of(t);
    TRY(ni_checkpoint_load(&found, &c));
    if (!found)
        goto done;
    ni_log(NASH_LOG_INFO, "going on after epoch %d and %lld of %lld steps",
           t->at.epoch, (long long)t->at.step, (long long)t->per_epoch);
    if (t->hooks.resumed)
        TRY(t->hooks.resumed(t->hooks.ctx, t->at.seconds));
    if (t->at.bend.end > 0)
        TRY(set_end(t));
    for (int32_t i = 0; i < t->at.epoch && t->hooks.epoch; i++)
        TRY(t->hooks.epoch(t->hooks.ctx, &t->at.rows[i]));
done:
    return status;
}

static nash_status save(trainer *t, double now)
{
    const ni_checkpoint c = checkpoint_of(t);
    const double earlier = t->at.seconds;
    t->at.seconds += now - t->began;
    nash_status status = ni_checkpoint_save(&c);
    t->at.seconds = earlier;
    t->saved = ni_clock_seconds();
    ni_deadline_skip(&t->deadline, t->saved - now);
    return status;
}

/* Save the state if it is time to. @param began  when the epoch would have,
 * had it not been interrupted */
static void save_in_time(trainer *t, double began)
{
    double now = ni_clock_seconds();
    if (!t->hooks.state_path || t->hooks.state_seconds <= 0.0 ||
        now - t->saved < t->hooks.state_seconds)
        return;
    t->at.now.seconds = now - began;
    if (save(t, now) != NASH_OK)
        ni_log(NASH_LOG_WARNING, "no checkpoint: %s", nash_error_message());
}

/* ---- the deadline -------------------------------------------------------- */

/* Bend the schedule if it would not end in time. A process that goes on from a
 * state of before finds that out by itself. */
static nash_status hurry(trainer *t)
{
    nash_status status = NASH_OK;
    int64_t planned = t->opts->epochs * t->per_epoch;
    int64_t at = t->at.epoch * t->per_epoch + t->at.step;
    if (!t->may_bend || t->hooks.seconds == 0.0 || at == t->end)
        return NASH_OK;
    double now = ni_clock_seconds();
    int64_t end = ni_deadline_look(&t->deadline, now, at, t->end, planned);
    if (end == t->end)
        return NASH_OK;
    ni_log(NASH_LOG_INFO, "to end in time, %lld steps more instead of %lld",
           (long long)(end - at), (long long)(t->end - at));
    ni_bend_to(&t->at.bend, at, end, planned);
    TRY(set_end(t));
done:
    return status;
}

/* ---- the loop ----------------------------------------------------------- */

/* A step of the schedule begins. */
static void begin_step(const trainer *t, int64_t number)
{
    ni_cycle cycle = ni_cycle_at(t->opts, t->at.epoch);
    if (t->lookahead && number == cycle.first * t->per_epoch)
        ni_lookahead_restart(t->lookahead);
}

/* It ends: the weights have moved. Slow weights would lose much of a short
 * cosine, of which they leave out what comes after the last pull. */
static void end_step(const trainer *t, const nash_plan *plan, int64_t number)
{
    enum { LEAST_PULLS = 8 };
    int32_t every = t->opts->lookahead;
    ni_cycle cycle = ni_cycle_at(t->opts, t->at.epoch);
    if (!t->lookahead ||
        cycle.epochs * t->per_epoch < (int64_t)LEAST_PULLS * every)
        return;
    int64_t in_cycle = number - cycle.first * t->per_epoch;
    double place = ni_cycle_place(t->opts, &t->at.bend, number, t->per_epoch);
    if ((in_cycle + 1) % every == 0 || place == 1.0)
        ni_lookahead_pull(t->lookahead, plan, every, place);
}

static nash_status step(trainer *t)
{
    nash_status status = NASH_OK;
    const ni_batch *batch = ni_feed_next(t->feed);
    const nash_images *images = t->images;
    nash_epoch *epoch = &t->at.now;
    nash_plan *plan = batch->n == t->batch ? t->plan : t->rest_plan;
    int64_t number = epoch->epoch * t->per_epoch + t->at.step;
    begin_step(t, number);
    size_t values = (size_t)batch->n * (size_t)images->shape.c *
                    (size_t)images->shape.h * (size_t)images->shape.w;
    memcpy(nash_plan_input(plan), batch->pixels, values * sizeof(float));
    TRY(nash_plan_forward(plan));
    ni_loss loss = ni_softmax_loss(
        nash_plan_d_logits(plan), nash_plan_logits(plan), batch->labels,
        batch->n, images->classes, t->opts->label_smoothing);
    epoch->lr = ni_learning_rate(t->opts, &t->at.bend, number, t->per_epoch);
    REQUIRE(isfinite(loss.sum), NASH_EDIVERGED,
            "the loss is not finite in epoch %d of %d, step %lld of %lld, at "
            "learning rate %g",
            epoch->epoch + 1, t->opts->epochs, (long long)t->at.step + 1,
            (long long)t->per_epoch, epoch->lr);
    if (t->focus) {
        ni_entropies(t->losses, nash_plan_logits(plan), batch->labels, batch->n,
                     images->classes);
        ni_focus_saw(t->focus, batch->places, t->losses, batch->n);
    }
    epoch->train_loss += loss.sum;
    epoch->train_error += loss.wrong;
    t->trained += batch->n;
    TRY(nash_plan_backward(plan));
    TRY(ni_sgd_step(t->sgd, plan, epoch->lr));
    end_step(t, plan, number);
    t->at.step++;
done:
    return status;
}

/* Tell the progress if a second has passed. */
static nash_status tell(trainer *t)
{
    double now = ni_clock_seconds();
    if (!t->hooks.progress || now - t->reported < 1.0)
        return NASH_OK;
    if (t->trained > 0) /* judging is not training */
        t->rate = (double)t->trained / (now - t->reported);
    double all = (double)t->end;
    double done = (double)(t->at.epoch * t->per_epoch + t->at.step);
    t->reported = now;
    t->trained = 0;
    return t->hooks.progress(t->hooks.ctx, done / all, t->rate);
}

static nash_status judge(trainer *t, nash_epoch *epoch)
{
    nash_status status = NASH_OK;
    nash_score score;
    int32_t classes = t->images->classes;
    int32_t portion = ni_predictor_batch(t->judge); /* may be told to stop */
    TRY(ni_predictor_refresh(t->judge));
    memset(t->probabilities, 0,
           (size_t)t->val.n * (size_t)classes * sizeof(float));
    for (int32_t at = 0; at < t->val.n; at += portion) {
        ni_views views = t->val;
        views.index += at;
        views.n = t->val.n - at < portion ? t->val.n - at : portion;
        TRY(ni_predictor_add(t->probabilities + (int64_t)at * classes, t->judge,
                             &views, 1.0F));
        TRY(tell(t));
    }
    nash_score_of(&score, NULL, t->probabilities, t->val_labels, t->val.n,
                  classes);
    epoch->val_loss = score.loss;
    epoch->val_error = score.error;
    epoch->val_balanced_error = score.balanced_error;
done:
    return status;
}

static nash_status end_cycle(trainer *t, nash_epoch *epoch)
{
    nash_status status = NASH_OK;
    bool ends = ni_cycle_ends(t->opts, epoch->epoch);
    int32_t number = ni_cycle_at(t->opts, epoch->epoch).number;
    int32_t last = ni_cycle_at(t->opts, t->opts->epochs - 1).number;
    if (t->judge && (ends || epoch->epoch == t->stop - 1))
        TRY(judge(t, epoch));
    if (t->hooks.snapshot && ends && last - number < t->opts->snapshots)
        TRY(t->hooks.snapshot(t->hooks.ctx, number, t->model));
done:
    return status;
}

static nash_epoch unmeasured(int32_t number)
{
    return (nash_epoch){.epoch = number,
                        .val_loss = (double)NAN,
                        .val_error = (double)NAN,
                        .val_balanced_error = (double)NAN};
}

/* All, but for the last one where a bend cuts it short. */
static int64_t steps_of_epoch(const trainer *t)
{
    int64_t left = t->end - t->at.epoch * t->per_epoch;
    return left < t->per_epoch ? left : t->per_epoch;
}

static nash_status train_epoch(trainer *t)
{
    nash_status status = NASH_OK;
    nash_epoch *epoch = &t->at.now;
    double began = ni_clock_seconds() - epoch->seconds;
    while (t->at.step < steps_of_epoch(t)) {
        TRY(step(t));
        TRY(tell(t));
        save_in_time(t, began);
        t->at.now.seconds = ni_clock_seconds() - began;
        TRY(hurry(t));
    }
    REQUIRE(nash_model_is_finite(t->model), NASH_EDIVERGED,
            "a weight is not finite after epoch %d of %d, at learning rate %g",
            epoch->epoch + 1, t->opts->epochs, epoch->lr);
    TRY(end_cycle(t, epoch)); /* or is stopped, and begins again here */
    int64_t images = t->at.step * t->batch;
    if (t->rest > 0 && t->at.step == t->per_epoch)
        images += t->rest - t->batch;
    epoch->train_loss /= (double)images;
    epoch->train_error /= (double)images;
    epoch->seconds = ni_clock_seconds() - began;
    const nash_epoch finished = t->at.rows[t->at.epoch++] = *epoch;
    t->at.step = 0;
    t->at.now = unmeasured(t->at.epoch);
    if (t->hooks.epoch)
        TRY(t->hooks.epoch(t->hooks.ctx, &finished));
done:
    return status;
}

/* A hook ends the training, between two steps: nothing of it is lost. What the
 * hook said stays said. */
static void save_at_stop(trainer *t)
{
    char said[512];
    if (!t->hooks.state_path || t->hooks.state_seconds <= 0.0)
        return;
    snprintf(said, sizeof said, "%s", nash_error_message());
    if (save(t, ni_clock_seconds()) != NASH_OK)
        ni_log(NASH_LOG_WARNING, "no checkpoint: %s", nash_error_message());
    ni_fail(NASH_ESTOP, "%s", said);
}

static nash_status train_epochs(trainer *t)
{
    nash_status status = NASH_OK;
    while (t->at.epoch < t->stop && status == NASH_OK)
        status = train_epoch(t);
    if (status == NASH_ESTOP)
        save_at_stop(t);
    TRY(status);
    if (t->hooks.state_path && t->stop < t->opts->epochs && t->at.bend.end == 0)
        TRY(save(t, ni_clock_seconds()));
done:
    return status;
}

nash_status nash_train(nash_model *m, const nash_images *images,
                       const int32_t *index, int32_t n, const int32_t *val,
                       int32_t n_val, const nash_train_opts *opts,
                       const nash_train_hooks *hooks)
{
    nash_status status = NASH_OK;
    trainer t = {.model = m,
                 .images = images,
                 .opts = opts,
                 .stop = opts->stop_epoch ? opts->stop_epoch : opts->epochs,
                 .at = {.now = unmeasured(0)},
                 .train = {.images = images, .index = index, .n = n},
                 .val = {.images = images, .index = val, .n = val ? n_val : 0}};
    if (hooks)
        t.hooks = *hooks;
    t.began = t.saved = t.reported = ni_clock_seconds();
    TRY(ni_train_opts_check(opts));
    TRY(check_images(m, images, index, n));
    TRY(ni_check_index(images, val, t.val.n));
    TRY(check_bytes(m, opts, n));
    ni_train_batches(&t.batch, &t.rest, opts, n);
    t.per_epoch = nash_steps_per_epoch(n, opts->batch);
    t.end = t.stop * t.per_epoch;
    t.may_bend =
        opts->cycle == 0 && opts->snapshots == 0 && t.stop == opts->epochs;
    t.deadline.end = t.began + t.hooks.seconds;
    t.deadline.after = t.hooks.epochs_after * (double)t.per_epoch;
    NEW_ARRAY(t.at.rows, opts->epochs);
    TRY(ni_sgd_create(&t.sgd, m, opts));
    if (opts->lookahead > 0)
        TRY(ni_lookahead_create(&t.lookahead, m));
    if (opts->focus < 1.0) {
        TRY(ni_focus_create(&t.focus, images, index, n, opts->focus));
        NEW_ARRAY(t.losses, t.batch);
    }
    TRY(go_on(&t));
    TRY(open_plans(&t));
    TRY(open_feed(&t));
    ni_deadline_begin(&t.deadline, ni_clock_seconds(),
                      t.at.epoch * t.per_epoch + t.at.step);
    TRY(train_epochs(&t));
done:
    close_trainer(&t);
    return status;
}
