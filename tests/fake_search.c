/* The fake world of a search. */
#include "fake_search.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static double by_size(const nash_job *job)
{
    return 1e6 / (double)nash_graph_params(nash_model_graph(job->model));
}

/* "Training" moves one weight, by an amount that names the job. */
static nash_status train(fake *f, const nash_job *job, nash_outcome *outcome)
{
    nash_status status = NASH_OK;
    nash_model *m = NULL;
    const nash_epoch none = {0};
    double loss = f->score(job);
    outcome->status = f->failing[job->child];
    outcome->val = (nash_score){loss, loss / 10.0, loss / 5.0, 100};
    outcome->images = 1000;
    outcome->seconds = 0.5;
    if (outcome->status != NASH_OK)
        strcpy(outcome->message, "made to fail");
    TRY(nash_outcome_add_epoch(outcome, &none));
    TRY(nash_model_dup(&m, job->model));
    for (int32_t id = 0; id < nash_graph_size(nash_model_graph(m)); id++)
        if (nash_graph_node(nash_model_graph(m), id)->op == NASH_OP_FC)
            nash_model_tensor(m, id, NASH_SLOT_BIAS)->data[0] +=
                (float)(10 * job->step + job->child + 1);
    f->jobs[job->step][job->child] = *job;
    f->before[job->step][job->child] = nash_model_hash(job->model);
    f->val[job->step][job->child] = outcome->val;
    nash_model_free(f->trained[job->step][job->child]);
    f->trained[job->step][job->child] = m;
done:
    return status;
}

nash_status fake_evaluate(void *ctx, const nash_job *jobs, int32_t n,
                          nash_outcome *outcomes)
{
    fake *f = ctx;
    nash_status status = NASH_OK;
    f->n[jobs[0].step] = n;
    for (int32_t i = 0; i < n; i++) {
        int32_t k = f->backwards ? n - 1 - i : i;
        TRY(train(f, &jobs[k], &outcomes[k]));
        REQUIRE(jobs[k].step != f->stop_at, NASH_ESTOP, "stopped");
    }
done:
    return status;
}

nash_status fake_load(void *ctx, nash_model **out, int32_t step, int32_t child)
{
    fake *f = ctx;
    return nash_model_dup(out, f->trained[step][child]);
}

static nash_status fake_proposed(void *ctx, const nash_job *jobs, int32_t n,
                                 const int64_t *refused)
{
    fake *f = ctx;
    for (int32_t i = 0; i < n; i++)
        f->jobs[jobs[i].step][i] = jobs[i];
    for (int k = 0; k < NASH_MORPH_COUNT; k++)
        f->refused += refused[k];
    return NASH_OK;
}

nash_status fake_chosen(void *ctx, int32_t step, int32_t child,
                        const nash_model *m)
{
    fake *f = ctx;
    assert_int_equal(nash_model_hash(m),
                     nash_model_hash(f->trained[step][child]));
    f->state = (nash_search_state){step, child};
    f->winners[step] = child;
    return NASH_OK;
}

static nash_status fake_moments(void *ctx, const nash_model *m, int32_t id,
                                double *mean, double *var)
{
    (void)ctx;
    int32_t n = nash_graph_node(nash_model_graph(m), id)->shape.c;
    for (int32_t c = 0; c < n; c++) {
        mean[c] = 0.25 * c;
        var[c] = 1.0 + c;
    }
    return NASH_OK;
}

const nash_probe fake_probe = {.moments = fake_moments};

fake fake_new(void)
{
    fake f = {.score = by_size, .stop_at = -1, .state = {-1, -1}};
    return f;
}

void fake_deinit(fake *f)
{
    for (int s = 0; s < MOST_STEPS; s++)
        for (int c = 0; c < MOST_CHILDREN; c++)
            nash_model_free(f->trained[s][c]);
}

nash_model *small_start(void)
{
    nash_net_opts net = nash_net_opts_default();
    nash_model *m = NULL;
    net.input = (nash_shape){1, 8, 8};
    net.classes = 3;
    net.widths[0] = 4;
    net.widths[1] = 6;
    net.widths[2] = 8;
    assert_int_equal(nash_net_start(&m, &net), NASH_OK);
    return m;
}

nash_status run(nash_model **out, fake *f, const nash_model *start,
                const nash_search_opts *opts, bool resume)
{
    const nash_evaluator evaluator = {f, fake_evaluate, fake_load};
    const nash_observer observer = {f, fake_proposed, NULL, fake_chosen};
    return nash_search(out, start, opts, &fake_probe, &evaluator, &observer,
                       resume ? &f->state : NULL);
}

nash_search_opts small_search(void)
{
    nash_search_opts opts = nash_search_opts_default();
    opts.steps = 3;
    opts.neighbours = 4;
    opts.morphs = 2;
    opts.start_epochs = 2;
    opts.epochs = 3;
    opts.final_epochs = 5;
    opts.seed = 7;
    return opts;
}

uint64_t hash_of_run(fake *f, const nash_search_opts *opts)
{
    nash_model *start = small_start(), *result = NULL;
    assert_int_equal(run(&result, f, start, opts, false), NASH_OK);
    uint64_t hash = nash_model_hash(result);
    nash_model_free(result);
    nash_model_free(start);
    return hash;
}
