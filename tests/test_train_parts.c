/* What training is made of: loss, optimiser, lookahead, scores, batches in
 * order. Golden numbers are PyTorch's (torch.optim.SGD, cross_entropy). */
#include "made_graph.h"
#include "striped.h"

#include "base/memory.h"
#include "train/feed.h"
#include "train/length.h"
#include "train/focus.h"
#include "train/lookahead.h"
#include "train/muon.h"
#include "train/loss.h"
#include "train/options.h"
#include "train/sgd.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- loss -------------------------------------------------------------- */

static const float golden_logits[12] = {1.5F,  -0.25F, 0.75F, 3.0F,  0.0F, 0.5F,
                                        -2.0F, 0.25F,  10.F,  -20.F, 5.F,  9.F};
static const int32_t golden_labels[3] = {3, 0, 1};

static void the_loss_is_pytorchs(void **state)
{
    (void)state;
    static const double d_plain[12] = {
        0.0543966391, 0.00945271849, 0.0256951529,  -0.0895445105,
        -0.251394637, 0.135094072,   0.0110891967,  0.105211369,
        0.242491719,  -0.333333333,  0.00163389635, 0.089207718};
    static const double d_smooth[12] = {
        0.0460633058, 0.00111938515, 0.0173618196,   -0.0645445105,
        -0.226394637, 0.126760738,   0.00275586335,  0.0968780354,
        0.234158386,  -0.308333333,  -0.00669943698, 0.0808743847};
    float d[12];
    ni_loss loss = ni_softmax_loss(d, golden_logits, golden_labels, 3, 4, 0.0);
    assert_close(loss.sum, 32.0341876771, 1e-9);
    assert_int_equal(loss.wrong, 2);
    for (int i = 0; i < 12; i++)
        assert_close((double)d[i], d_plain[i], 2e-8);
    loss = ni_softmax_loss(d, golden_logits, golden_labels, 3, 4, 0.1);
    assert_close(loss.sum, 30.1404376771, 1e-9);
    for (int i = 0; i < 12; i++)
        assert_close((double)d[i], d_smooth[i], 2e-8);
}

static void the_gradient_of_the_loss_is_its_slope(void **state)
{
    (void)state;
    enum { N = 4, K = 7 };
    ni_rng rng = ni_rng_make(11, NI_RNG_TEST, 0, 0);
    float logits[N * K], d[N * K], ignored[N * K];
    int32_t labels[N];
    for (int i = 0; i < N * K; i++)
        logits[i] = (float)(3.0 * ni_rng_normal(&rng));
    for (int i = 0; i < N; i++)
        labels[i] = (int32_t)ni_rng_below(&rng, K);
    ni_softmax_loss(d, logits, labels, N, K, 0.2);
    for (int i = 0; i < N * K; i++) {
        float kept = logits[i], above = kept + 0x1p-9F, below = kept - 0x1p-9F;
        logits[i] = above;
        double high = ni_softmax_loss(ignored, logits, labels, N, K, 0.2).sum;
        logits[i] = below;
        double low = ni_softmax_loss(ignored, logits, labels, N, K, 0.2).sum;
        logits[i] = kept;
        double slope = (high - low) / N / ((double)above - (double)below);
        assert_close((double)d[i], slope, 1e-6);
    }
}

static void the_loss_survives_large_logits_and_shows_nans(void **state)
{
    (void)state;
    const float large[3] = {1e30F, -1e30F, 9e29F};
    const float broken[3] = {0.0F, (float)NAN, 1.0F};
    const int32_t label = 2;
    float d[3];
    ni_loss loss = ni_softmax_loss(d, large, &label, 1, 3, 0.0);
    assert_true(isfinite(loss.sum) && loss.sum > 9e28);
    assert_true(d[0] == 1.0F && d[1] == 0.0F && d[2] == -1.0F);
    loss = ni_softmax_loss(d, broken, &label, 1, 3, 0.0);
    assert_true(!isfinite(loss.sum));
}

/* ---- optimiser --------------------------------------------------------- */

/* input 3x1x1, batch_norm, gate with itself, fc to 2 classes, softmax */
static nash_model *every_role(void)
{
    nash_graph *g;
    nash_model *m;
    nash_attrs input = nash_attrs_default(), fc = nash_attrs_default();
    int32_t id[5];
    input.out_channels = 3;
    input.size[0] = input.size[1] = 1;
    fc.out_channels = 2;
    fc.bias = true;
    assert_int_equal(nash_graph_create(&g), NASH_OK);
    assert_int_equal(
        nash_graph_append(&id[0], g, NASH_OP_INPUT, &input, NULL, 0), 0);
    assert_int_equal(
        nash_graph_append(&id[1], g, NASH_OP_BATCH_NORM, NULL, &id[0], 1), 0);
    const int32_t both[2] = {id[1], id[1]};
    assert_int_equal(nash_graph_append(&id[2], g, NASH_OP_GATE, NULL, both, 2),
                     0);
    assert_int_equal(nash_graph_append(&id[3], g, NASH_OP_FC, &fc, &id[2], 1),
                     0);
    assert_int_equal(
        nash_graph_append(&id[4], g, NASH_OP_SOFTMAX, NULL, &id[3], 1), 0);
    assert_int_equal(nash_model_create(&m, &g), NASH_OK);
    return m;
}

static nash_plan *training_plan(nash_model *m)
{
    nash_plan *plan;
    nash_plan_opts opts = nash_plan_opts_default();
    opts.engine = NASH_ENGINE_REF;
    opts.mode = NASH_MODE_TRAIN;
    opts.batch = 2;
    assert_int_equal(nash_plan_create(&plan, m, &opts), NASH_OK);
    return plan;
}

static void fill_all_trained(const nash_model *m, const nash_plan *plan,
                             float weight, float gradient)
{
    int32_t nodes = nash_graph_size(nash_model_graph(m));
    for (int32_t i = 0; i < nodes * NASH_SLOT_COUNT; i++) {
        int32_t id = i / NASH_SLOT_COUNT, slot = i % NASH_SLOT_COUNT;
        nash_tensor *t = nash_model_tensor(m, id, slot);
        float *d = nash_plan_gradient(plan, id, slot);
        for (int64_t k = 0; d && k < t->count; k++) {
            t->data[k] = weight;
            d[k] = gradient;
        }
    }
}

static void assert_golden_steps(bool nesterov, const float golden[4][3])
{
    static const float gradient[4][3] = {{0.1F, -0.2F, 0.3F},
                                         {-0.4F, 0.25F, 0.05F},
                                         {0.6F, 0.0F, -0.7F},
                                         {0.2F, 0.2F, 0.2F}};
    static const double lr[4] = {0.1, 0.05, 0.2, 0.01};
    static const float start[3] = {0.5F, -1.25F, 2.0F};
    ni_sgd *sgd;
    nash_train_opts opts = nash_train_opts_default();
    opts.weight_decay = 0.01;
    opts.nesterov = nesterov;
    nash_model *m = every_role();
    nash_plan *plan = training_plan(m);
    fill_all_trained(m, plan, 0.0F, 0.0F);
    float *w = nash_model_tensor(m, 3, NASH_SLOT_WEIGHT)->data;
    memcpy(w, start, sizeof start);
    assert_int_equal(ni_sgd_create(&sgd, m, &opts), NASH_OK);
    for (int step = 0; step < 4; step++) {
        memcpy(nash_plan_gradient(plan, 3, NASH_SLOT_WEIGHT), gradient[step],
               sizeof gradient[step]);
        ni_sgd_step(sgd, plan, lr[step]);
        for (int i = 0; i < 3; i++)
            assert_close((double)w[i], (double)golden[step][i], 2e-7);
    }
    ni_sgd_free(sgd);
    nash_plan_free(plan);
    nash_model_free(m);
}

static void the_optimiser_is_pytorchs(void **state)
{
    (void)state;
    static const float plain[4][3] = {
        {0.489499986F, -1.22874999F, 1.96800005F},
        {0.504530251F, -1.23107314F, 1.95011604F},
        {0.437630087F, -1.23697424F, 2.02183342F},
        {0.432575822F, -1.23911607F, 2.02285862F}};
    static const float nesterov[4][3] = {
        {0.480049998F, -1.20962501F, 1.93920004F},
        {0.513341427F, -1.22361958F, 1.91964781F},
        {0.332104057F, -1.22652769F, 2.12045574F},
        {0.325531483F, -1.23033559F, 2.11916208F}};
    assert_golden_steps(false, plain);
    assert_golden_steps(true, nesterov);
}

/* A step with zero gradients moves what is decayed, and nothing else. */
static void assert_decayed(bool all)
{
    ni_sgd *sgd;
    nash_train_opts opts = nash_train_opts_default();
    opts.weight_decay = 0.5;
    opts.decay_all = all;
    nash_model *m = every_role();
    nash_plan *plan = training_plan(m);
    fill_all_trained(m, plan, 1.0F, 0.0F);
    assert_int_equal(ni_sgd_create(&sgd, m, &opts), NASH_OK);
    ni_sgd_step(sgd, plan, 1.0);
    float rest = all ? 0.5F : 1.0F;
    assert_true(nash_model_tensor(m, 3, NASH_SLOT_WEIGHT)->data[0] == 0.5F);
    assert_true(nash_model_tensor(m, 3, NASH_SLOT_BIAS)->data[0] == rest);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_GAMMA)->data[0] == rest);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_BETA)->data[0] == rest);
    assert_true(nash_model_tensor(m, 2, NASH_SLOT_LAMBDA)->data[0] == 1.0F);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_VAR)->data[0] == 1.0F);
    ni_sgd_free(sgd);
    nash_plan_free(plan);
    nash_model_free(m);
}

static void decay_spares_gates_always_and_the_rest_by_option(void **state)
{
    (void)state;
    assert_decayed(false);
    assert_decayed(true);
}

static void gates_and_biases_move_at_their_own_rates(void **state)
{
    (void)state;
    ni_sgd *sgd;
    nash_train_opts opts = nash_train_opts_default();
    opts.gate_rate = 0.25;
    opts.bias_rate = 4.0;
    nash_model *m = every_role();
    nash_plan *plan = training_plan(m);
    fill_all_trained(m, plan, 1.0F, 1.0F);
    assert_int_equal(ni_sgd_create(&sgd, m, &opts), NASH_OK);
    ni_sgd_step(sgd, plan, 0.5);
    assert_true(nash_model_tensor(m, 2, NASH_SLOT_LAMBDA)->data[0] == 0.875F);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_GAMMA)->data[0] == 0.5F);
    assert_true(nash_model_tensor(m, 1, NASH_SLOT_BETA)->data[0] == -1.0F);
    assert_true(nash_model_tensor(m, 3, NASH_SLOT_BIAS)->data[0] == -1.0F);
    ni_sgd_free(sgd);
    nash_plan_free(plan);
    nash_model_free(m);
}

/* All gradients are one vector: it keeps its direction. */
static void long_gradients_are_shortened_to_the_clip_norm(void **state)
{
    (void)state;
    ni_sgd *sgd;
    nash_train_opts opts = nash_train_opts_default();
    opts.weight_decay = 0.0;
    opts.clip_norm = 0.5;
    nash_model *m = every_role();
    nash_plan *plan = training_plan(m);
    fill_all_trained(m, plan, 0.0F, 0.0F);
    nash_plan_gradient(plan, 3, NASH_SLOT_WEIGHT)[0] = 3.0F;
    nash_plan_gradient(plan, 1, NASH_SLOT_BETA)[0] = -4.0F;
    assert_int_equal(ni_sgd_create(&sgd, m, &opts), NASH_OK);
    ni_sgd_step(sgd, plan, 1.0);
    assert_close((double)nash_model_tensor(m, 3, NASH_SLOT_WEIGHT)->data[0],
                 -0.3, 1e-7);
    assert_close((double)nash_model_tensor(m, 1, NASH_SLOT_BETA)->data[0], 0.4,
                 1e-7);
    ni_sgd_free(sgd);
    nash_plan_free(plan);
    nash_model_free(m);
}

/* A plan has no more threads than images, and the oracle's has one: no bank may
 * be left to a thread that is not there. */
static void every_bank_moves_whatever_the_threads(void **state)
{
    (void)state;
    ni_sgd *sgd;
    nash_train_opts opts = nash_train_opts_default();
    int32_t banks = 0;
    opts.muon = 0.1;
    opts.threads = 5;
    nash_model *m = small_net(1);
    nash_plan *plan = training_plan(m);
    const nash_graph *g = nash_model_graph(m);
    nash_model *before = small_net(1);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        float *d = nash_plan_gradient(plan, id, NASH_SLOT_WEIGHT);
        for (int64_t k = 0;
             d && k < nash_model_tensor(m, id, NASH_SLOT_WEIGHT)->count; k++)
            d[k] = (float)(k % 3) - 1.0F;
    }
    assert_int_equal(ni_sgd_create(&sgd, m, &opts), NASH_OK);
    assert_int_equal(ni_sgd_step(sgd, plan, 0.5), NASH_OK);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        if (nash_graph_node(g, id)->op != NASH_OP_CONV)
            continue;
        assert_true(nash_model_tensor(m, id, NASH_SLOT_WEIGHT)->data[0] !=
                    nash_model_tensor(before, id, NASH_SLOT_WEIGHT)->data[0]);
        banks++;
    }
    assert_true(banks > 1);
    ni_sgd_free(sgd);
    nash_plan_free(plan);
    nash_model_free(before);
    nash_model_free(m);
}

/* SqueezeNet ends so: the length of its last filters is how sure it is. */
static void a_convolution_that_tells_classes_apart_is_no_bank(void **state)
{
    (void)state;
    nash_graph *g = made_input(3, 8, 8);
    const int32_t image = made_conv(g, 4, 3, 1, 0);
    const int32_t bank = made_conv(g, 6, 3, 1, image);
    const int32_t last =
        made_conv(g, 5, 1, 1, made_node(g, NASH_OP_RELU, NULL, bank));
    const int32_t pooled = made_node(g, NASH_OP_GLOBAL_POOL, NULL,
                                     made_node(g, NASH_OP_RELU, NULL, last));
    made_node(g, NASH_OP_SOFTMAX, NULL, pooled);
    assert_int_equal(ni_muon_rows(g, image, NASH_SLOT_WEIGHT), 0);
    assert_int_equal(ni_muon_rows(g, bank, NASH_SLOT_WEIGHT), 6);
    assert_int_equal(ni_muon_rows(g, last, NASH_SLOT_WEIGHT), 0);
    nash_graph_free(g);
}

/* The last batch of an epoch has half of the others' images at least, but for a
 * lone image, which is left out. */
static void no_batch_is_much_smaller_than_the_others(void **state)
{
    (void)state;
    for (int32_t most = 1; most <= 130; most += 3)
        for (int32_t n = 1; n < 6000; n += 1 + n / 50) {
            nash_train_opts opts = {.batch = most};
            int32_t batch, rest, again, rest_again;
            ni_train_batches(&batch, &rest, &opts, n);
            assert_in_range(batch, 1, most);
            assert_true(batch == n || 5 * batch >= 2 * most);
            assert_true(rest == 0 || 2 * rest + 1 >= batch);
            assert_in_range(n - n / batch * batch - rest, 0, 1);
            opts.batch = batch;
            ni_train_batches(&again, &rest_again, &opts, n);
            assert_int_equal(again, batch);
            assert_int_equal(rest_again, rest);
        }
}

/* ---- lengths ------------------------------------------------------------ */

/* Whole numbers, so that every sum is exact, and no multiple of 16 of them. */
static void squares_are_summed_over_every_value(void **state)
{
    (void)state;
    float x[37];
    for (int n = 0; n <= 37; n++) {
        if (n > 0)
            x[n - 1] = (float)(n % 2 ? n : -n);
        assert_true(ni_squares(x, n) == n * (n + 1) * (2 * n + 1) / 6);
    }
}

/* ---- Muon --------------------------------------------------------------- */

/* What three steps of the iteration make of a singular value. */
static double polynomial(double s)
{
    for (int i = 0; i < 3; i++)
        s = 3.4445 * s - 4.7750 * pow(s, 3.0) + 2.0315 * pow(s, 5.0);
    return s;
}

/* Diagonal matrices stay so, and show their singular values. */
static void assert_diagonal_step(int32_t rows, int32_t columns)
{
    enum { VALUES = 6 };
    const double rate = 0.1, norm = sqrt(3.0 * 3.0 + 1.0);
    float w[VALUES] = {0}, v[VALUES] = {0}, g[VALUES] = {0},
          scratch[2 * VALUES + 16];
    int32_t second = columns + 1; /* of the diagonal */
    w[2] = 5.0F;                  /* beside it, so at right angles to u */
    g[0] = 3.0F;
    g[second] = -1.0F;
    assert_true(ni_muon_scratch(rows, columns) == 2 * VALUES + 16);
    assert_int_equal(
        ni_muon_step(w, v, g, rows, columns, 0.5F, (float)rate, 0.5F, scratch),
        NASH_OK);
    double u[2] = {polynomial(3.0 / norm), polynomial(1.0 / norm)};
    double turned = rate / hypot(u[0], u[1]), longer = hypot(1.0, rate);
    assert_close((double)w[0], -5.0 * turned * u[0] / longer, 1e-5);
    assert_close((double)w[second], 5.0 * turned * u[1] / longer, 1e-5);
    assert_close((double)w[2], 5.0 / longer, 1e-5);
    assert_close((double)v[0], 1.5, 0.0);
}

static void muon_turns_a_bank_along_the_orthogonalised_momentum(void **state)
{
    (void)state;
    assert_diagonal_step(2, 3);
}

static void muon_does_so_for_a_tall_bank(void **state)
{
    (void)state;
    assert_diagonal_step(3, 2);
}

/* x = 3.4445 x - 4.7750 (x x^T) x + 2.0315 (x x^T)^2 x, written out. */
static void iterate(double *x, int rows, int columns)
{
    enum { PLACES = 8 };
    double squares[PLACES][PLACES] = {{0}}, both[PLACES][PLACES] = {{0}},
           next[PLACES * PLACES];
    assert_true(rows <= PLACES && columns <= PLACES);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++)
            for (int k = 0; k < columns; k++)
                squares[i][j] += x[i * columns + k] * x[j * columns + k];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            both[i][j] = -4.7750 * squares[i][j];
            for (int k = 0; k < rows; k++)
                both[i][j] += 2.0315 * squares[i][k] * squares[k][j];
        }
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++) {
            next[i * columns + k] = 3.4445 * x[i * columns + k];
            for (int j = 0; j < rows; j++)
                next[i * columns + k] += both[i][j] * x[j * columns + k];
        }
    memcpy(x, next, sizeof(double) * (size_t)(rows * columns));
}

/* A dense bank that begins at zero and so becomes the step itself. */
static void assert_dense_step(int rows, int columns)
{
    enum { VALUES = 64 };
    float w[VALUES] = {0}, v[VALUES] = {0}, g[VALUES],
          scratch[2 * VALUES + 4 * VALUES];
    double x[VALUES], squares = 0.0;
    int n = rows * columns;
    for (int i = 0; i < n; i++) {
        g[i] = (float)sin(1.7 * i + 0.3 * i * i);
        x[i] = (double)g[i];
        squares += x[i] * x[i];
    }
    for (int i = 0; i < n; i++)
        x[i] /= sqrt(squares);
    for (int i = 0; i < 3; i++)
        iterate(x, rows, columns);
    squares = 0.0;
    for (int i = 0; i < n; i++)
        squares += x[i] * x[i];
    assert_int_equal(
        ni_muon_step(w, v, g, rows, columns, 1.0F, 0.1F, 0.9F, scratch),
        NASH_OK);
    for (int i = 0; i < n; i++)
        assert_close((double)w[i], -0.1 * x[i] / sqrt(squares), 1e-6);
}

static void muon_steps_as_the_iteration_written_out(void **state)
{
    (void)state;
    assert_dense_step(5, 8);
    assert_dense_step(8, 5);
    assert_dense_step(6, 6);
}

/* 512 filters, the latter 256 with gradients seven times as long. */
static void muon_takes_filters_in_blocks(void **state)
{
    (void)state;
    enum { BLOCK = 256, COLUMNS = 3, HALF = BLOCK * COLUMNS };
    static float w[2 * HALF], v[2 * HALF], g[2 * HALF],
        scratch[4 * HALF + 4 * COLUMNS * COLUMNS];
    assert_true(ni_muon_scratch(2 * (int64_t)BLOCK, COLUMNS) ==
                (int64_t)(sizeof scratch / sizeof *scratch));
    for (int i = 0; i < HALF; i++) {
        g[i] = (float)sin(1.7 * i + 0.3 * i * i);
        g[HALF + i] = 7.0F * g[i];
    }
    assert_int_equal(ni_muon_step(w, v, g, 2 * (int64_t)BLOCK, COLUMNS, 1.0F,
                                  0.1F, 0.9F, scratch),
                     NASH_OK);
    for (int i = 0; i < HALF; i++)
        assert_close((double)w[HALF + i], (double)w[i], 1e-7);
    assert_true(fabsf(w[0]) + fabsf(w[1]) > 1e-4F);
}

static void
muon_starts_a_bank_of_zeros_and_leaves_one_without_gradient(void **state)
{
    (void)state;
    float w[4] = {0}, v[4] = {0}, scratch[24];
    const float none[4] = {0}, g[4] = {1.0F, 0.0F, 0.0F, 1.0F};
    assert_int_equal(ni_muon_step(w, v, g, 2, 2, 1.0F, 0.1F, 0.9F, scratch),
                     NASH_OK);
    assert_close(hypot((double)w[0], (double)w[3]), 0.1, 1e-6);
    float kept[4] = {1.0F, 2.0F, 3.0F, 4.0F};
    memset(v, 0, sizeof v);
    assert_int_equal(
        ni_muon_step(kept, v, none, 2, 2, 1.0F, 0.1F, 0.9F, scratch), NASH_OK);
    for (int i = 0; i < 4; i++)
        assert_close((double)kept[i], i + 1.0, 1e-6);
}

/* ---- lookahead ---------------------------------------------------------- */

static void slow_weights_follow_less_and_less_and_stay(void **state)
{
    (void)state;
    ni_lookahead *l;
    nash_model *m = every_role();
    nash_plan *plan = training_plan(m);
    float *weight = nash_model_tensor(m, 3, NASH_SLOT_WEIGHT)->data;
    float *mean = nash_model_tensor(m, 1, NASH_SLOT_MEAN)->data;
    weight[0] = 2.0F;
    mean[0] = -1.0F;
    assert_int_equal(ni_lookahead_create(&l, m), NASH_OK);
    ni_lookahead_restart(l);
    weight[0] = 3.0F;
    mean[0] = 1.0F;
    ni_lookahead_pull(l, plan, 2, 0.5); /* keeps 0.95^2 / 8 */
    double keep = 0.95 * 0.95 / 8.0;
    assert_close((double)weight[0], 3.0 - keep, 1e-6);
    assert_close((double)mean[0], 1.0 - 2.0 * keep, 1e-6);
    assert_true(ni_lookahead_slow(l, 3, NASH_SLOT_WEIGHT)[0] == weight[0]);
    float before = weight[0];
    weight[0] = 9.0F;
    ni_lookahead_pull(l, plan, 2, 1.0);
    assert_true(weight[0] == before);
    weight[0] = 9.0F;
    ni_lookahead_restart(l);
    assert_true(ni_lookahead_slow(l, 3, NASH_SLOT_WEIGHT)[0] == 9.0F);
    ni_lookahead_free(l);
    nash_plan_free(plan);
    nash_model_free(m);
}

/* ---- scores ------------------------------------------------------------ */

static void scores_are_those_done_by_hand(void **state)
{
    (void)state;
    static const float p[] = {0.5F, 0.25F, 0.25F, /* right */
                              0.5F, 0.25F, 0.25F, /* wrong */
                              0.0F, 1.0F,  0.0F,  /* right */
                              0.9F, 0.1F,  0.0F,  /* right */
                              0.2F, 0.8F,  0.0F}; /* wrong, impossible */
    static const int32_t labels[] = {0, 1, 1, 0, 2};
    nash_score score;
    double by_class[4];
    nash_score_of(&score, by_class, p, labels, 5, 3);
    double loss =
        -(log(0.5) + log(0.25) + log((double)0.9F) + log((double)0x1p-126F)) /
        5;
    assert_close(score.loss, loss, 1e-12);
    assert_close(score.error, 0.4, 1e-15);
    assert_close(score.balanced_error, 0.5, 1e-15);
    assert_int_equal(score.images, 5);
    assert_true(by_class[0] == 0.0 && by_class[1] == 0.5 && by_class[2] == 1.0);
}

static void absent_classes_and_nans_are_told(void **state)
{
    (void)state;
    static const float p[] = {0.9F, 0.1F, (float)NAN, (float)NAN};
    static const int32_t labels[] = {0, 0};
    nash_score score;
    double by_class[2];
    nash_score_of(&score, by_class, p, labels, 2, 2);
    assert_true(isnan(score.loss) && isnan(by_class[1]));
    assert_true(score.error == 0.5 && score.balanced_error == 0.5);
    nash_score_of(&score, by_class, p, labels, 0, 2);
    assert_true(isnan(score.loss) && isnan(score.error) &&
                isnan(score.balanced_error));
    assert_int_equal(score.images, 0);
}

static void entropies_are_losses_without_smoothing(void **state)
{
    (void)state;
    float d[3 * 4], each[3];
    ni_entropies(each, golden_logits, golden_labels, 3, 4);
    for (int32_t i = 0; i < 3; i++) {
        ni_loss loss = ni_softmax_loss(d, golden_logits + 4 * (ptrdiff_t)i,
                                       golden_labels + i, 1, 4, 0.0);
        assert_true(each[i] == (float)loss.sum);
    }
}

/* ---- batches in order -------------------------------------------------- */

enum { IMAGES = 21, EDGE = 6 };

static uint8_t pixels[IMAGES * EDGE * EDGE];
static int32_t labels_of_images[IMAGES], everything[IMAGES];

static nash_images some_images(void)
{
    ni_rng rng = ni_rng_make(5, NI_RNG_TEST, 0, 0);
    for (int i = 0; i < IMAGES * EDGE * EDGE; i++)
        pixels[i] = (uint8_t)ni_rng_below(&rng, 256);
    for (int i = 0; i < IMAGES; i++) {
        labels_of_images[i] = i % 3;
        everything[i] = i;
    }
    return (nash_images){.shape = {1, EDGE, EDGE},
                         .n = IMAGES,
                         .classes = 3,
                         .pixels = pixels,
                         .labels = labels_of_images};
}

static void check_feed(int32_t first)
{
    enum { BATCH = 8 };
    nash_images images = some_images();
    nash_train_opts opts = nash_train_opts_default();
    float mean = 120.0F, expected[BATCH * EDGE * EDGE];
    int32_t order[IMAGES], labels[BATCH];
    ni_feed *feed;
    opts.epochs = 3;
    opts.step = 4;
    const ni_feed_plan plan = {everything, IMAGES, BATCH, first, 9};
    assert_int_equal(ni_feed_open(&feed, &images, &plan, &mean, &opts),
                     NASH_OK);
    for (int32_t i = first; i < 9; i++) {
        nash_batch_key key = {.step = 4, .epoch = (uint32_t)(i / 3)};
        int32_t n = i % 3 < 2 ? BATCH : 5;
        nash_batch_order(order, everything, IMAGES, &key);
        nash_batch_fill(expected, labels, &images, order + i % 3 * BATCH, n,
                        &opts.augment, &mean, &key);
        if (i % 2)
            usleep(3000); /* let the feed run ahead */
        const ni_batch *batch = ni_feed_next(feed);
        assert_int_equal(batch->n, n);
        assert_memory_equal(batch->labels, labels, (size_t)n * sizeof *labels);
        assert_memory_equal(batch->pixels, expected,
                            (size_t)n * EDGE * EDGE * sizeof *expected);
    }
    ni_feed_close(feed);
}

static void the_feed_gives_the_named_batches_at_any_pace(void **state)
{
    (void)state;
    check_feed(0);
}

static void a_feed_can_begin_anywhere(void **state)
{
    (void)state;
    for (int32_t first = 1; first <= 9; first++)
        check_feed(first);
}

/* Losses that an image has after its visits so far: all are learned. */
static float loss_of(int32_t place, int32_t visits)
{
    return 0.01F * (float)((place * 7 + visits * 5) % IMAGES);
}

static void note_visits(ni_focus *f, const ni_batch *batch, int32_t *visits)
{
    float losses[IMAGES];
    for (int32_t i = 0; i < batch->n; i++)
        losses[i] = loss_of(batch->places[i], visits[batch->places[i]]++);
    ni_focus_saw(f, batch->places, losses, batch->n);
}

typedef struct focused {
    int32_t n, batch;
    double share;
    int32_t per_epoch, per_pass, last; /* images of an epoch's last batch */
} focused;

enum { EPOCHS = 4 };

/* What is in a batch, by its places. */
static void check_batch(const ni_batch *got, const nash_images *images,
                        const int32_t *index, uint32_t epoch)
{
    nash_train_opts opts = nash_train_opts_default();
    const nash_batch_key key = {.epoch = epoch};
    float expected[IMAGES * EDGE * EDGE], mean = 0.0F;
    int32_t labels[IMAGES], numbers[IMAGES];
    for (int32_t i = 0; i < got->n; i++)
        numbers[i] = index[got->places[i]];
    nash_batch_fill(expected, labels, images, numbers, got->n, &opts.augment,
                    &mean, &key);
    assert_memory_equal(got->labels, labels, (size_t)got->n * sizeof *labels);
    assert_memory_equal(got->pixels, expected,
                        (size_t)got->n * EDGE * EDGE * sizeof *expected);
}

/* A feed from the beginning, and one that begins at a batch with the losses,
 * ages and order of the other give the same from there on. */
static void check_focused(const focused *c, int32_t from)
{
    nash_images images = some_images();
    nash_train_opts opts = nash_train_opts_default();
    float mean = 0.0F, ages[IMAGES];
    int32_t index[IMAGES], visits[IMAGES] = {0}, again[IMAGES];
    int32_t steps = EPOCHS * c->per_epoch;
    ni_focus *f, *g;
    ni_feed *one, *two;
    for (int32_t i = 0; i < c->n; i++) /* backwards, and one of them twice */
        index[i] = IMAGES - 1 - (i > 0 ? i : 1);
    assert_int_equal(ni_focus_create(&f, &images, index, c->n, c->share),
                     NASH_OK);
    assert_int_equal(ni_focus_create(&g, &images, index, c->n, c->share),
                     NASH_OK);
    const ni_feed_plan whole = {index, c->n, c->batch, 0, steps, f};
    const ni_feed_plan rest = {index, c->n, c->batch, from, steps, g};
    assert_int_equal(ni_feed_open(&one, &images, &whole, &mean, &opts), 0);
    for (int32_t i = 0; i < from; i++)
        note_visits(f, ni_feed_next(one), visits);
    usleep(500); /* let the feed do what it may */
    size_t bytes = (size_t)c->n * sizeof(float);
    memcpy(again, visits, sizeof again);
    memcpy(ages, ni_focus_ages(f), bytes);
    memcpy(ni_focus_losses(g), ni_focus_losses(f), bytes);
    memcpy(ni_focus_ages(g), ages, bytes);
    memcpy(ni_focus_order(g), ni_focus_order(f), bytes);
    assert_int_equal(ni_feed_open(&two, &images, &rest, &mean, &opts), 0);
    usleep(500);
    assert_memory_equal(ni_focus_ages(g), ages, bytes);
    for (int32_t i = from; i < steps; i++) {
        const ni_batch *a = ni_feed_next(one), *b = ni_feed_next(two);
        bool last = i % c->per_epoch == c->per_epoch - 1;
        assert_int_equal(a->n, last ? c->last : c->batch);
        assert_int_equal(b->n, a->n);
        assert_memory_equal(a->places, b->places,
                            (size_t)a->n * sizeof *a->places);
        uint32_t epoch =
            ni_focus_epoch(i / c->per_pass, c->per_pass, c->per_epoch);
        check_batch(a, &images, index, epoch);
        check_batch(b, &images, index, epoch);
        note_visits(f, a, visits);
        note_visits(g, b, again);
    }
    for (int32_t k = 0; k < c->n; k++) /* a lone image may sit an epoch out */
        assert_true(visits[k] >= 1);
    ni_feed_close(one);
    ni_feed_close(two);
    ni_focus_free(f);
    ni_focus_free(g);
}

/* Passes that end within an epoch and beyond one, of all images, of one batch;
 * epochs that leave one image out, and of one batch. */
static void a_focused_feed_goes_by_what_was_seen_before_the_pass(void **state)
{
    static const focused cases[] = {
        {21, 8, 0.6, 3, 2, 5}, {21, 8, 0.95, 3, 3, 5}, {21, 8, 0.001, 3, 1, 5},
        {21, 4, 0.5, 5, 3, 4}, {17, 8, 0.5, 2, 1, 8},  {3, 2, 0.5, 1, 1, 2},
        {2, 2, 0.5, 1, 1, 2},  {1, 1, 0.5, 1, 1, 1},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int32_t from = 0; from < EPOCHS * cases[k].per_epoch; from++)
            check_focused(&cases[k], from);
}

/* A focus on n images by themselves. @param rare  of them, the first, are of
 * class 1, the others of class 0 */
static ni_focus *focus_on(int32_t n, int32_t rare)
{
    static int32_t labels[1000], index[1000];
    const nash_images images = {.n = n, .classes = 3, .labels = labels};
    ni_focus *f;
    for (int32_t i = 0; i < n; i++) {
        labels[i] = i < rare;
        index[i] = i;
    }
    assert_int_equal(ni_focus_create(&f, &images, index, n, 0.5), NASH_OK);
    return f;
}

/* Of 1,000 images a pass visits half. As long as more than a tenth are not
 * learned, all take turns; then the 333 of the largest losses are visited in
 * every pass, and of the others 167. */
static void passes_turn_to_what_is_not_learned_when_that_is_little(void **state)
{
    (void)state;
    enum { ALL = 1000, VISITS = 500, HARD = 333, BEFORE = 10, AFTER = 20 };
    float losses[ALL];
    int32_t visits[ALL] = {0};
    ni_focus *f = focus_on(ALL, 0);
    for (uint32_t pass = 0; pass < BEFORE + AFTER; pass++) {
        const nash_batch_key key = {.seed = 3, .epoch = pass};
        int32_t wrong = pass < BEFORE - 1 ? 101 : 100;
        bool there[ALL] = {false};
        ni_focus_choose(f, VISITS, &key);
        const int32_t *order = ni_focus_order(f);
        for (int32_t i = 0; i < VISITS; i++) {
            int32_t rank = order[i] * 7 % ALL;
            assert_false(there[order[i]]);
            there[order[i]] = true;
            losses[i] = rank >= ALL - wrong ? 0.7F + (float)rank
                                            : 0.0006F * (float)rank;
            visits[order[i]]++;
        }
        ni_focus_saw(f, order, losses, VISITS);
        for (int32_t k = 0; pass == BEFORE - 1 && k < ALL; k++) {
            assert_int_equal(visits[k], BEFORE * VISITS / ALL);
            visits[k] = 0;
        }
        /* to be told of all that is learned takes three passes */
        for (int32_t k = 0; pass >= BEFORE + 3 && k < ALL; k++)
            assert_true(there[k] || k * 7 % ALL < ALL - HARD);
    }
    for (int32_t k = 0; k < ALL; k++)
        assert_in_range(visits[k], 3, AFTER);
    ni_focus_free(f);
}

/* A network that says nothing but class 0 is right for 92 of 100 images, and
 * has learned nothing: they take turns. It learns half of class 1, then four
 * fifths, by which class 1 has to be weighed, too. */
static void a_rare_class_has_to_be_learned_as_well(void **state)
{
    (void)state;
    static const struct {
        int32_t learned; /* of the rare ones */
        bool chooses;
    } cases[] = {{0, false}, {40, false}, {63, false}, {64, true}, {80, true}};
    enum { ALL = 1000, RARE = 80, VISITS = 500 };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ni_focus *f = focus_on(ALL, RARE);
        nash_batch_key key = {.seed = 3};
        int32_t again = 0;
        for (int32_t i = 0; i < ALL; i++) {
            bool hard = i < RARE && i >= cases[c].learned;
            ni_focus_saw(f, &i, &(float){hard ? 3.0F : 0.1F}, 1);
        }
        ni_focus_choose(f, VISITS, &key);
        key.epoch++;
        ni_focus_choose(f, VISITS, &key);
        for (int32_t i = 0; i < VISITS; i++)
            again += ni_focus_ages(f)[ni_focus_order(f)[i + VISITS]] == -1.0F;
        /* who was not visited now was before, if all take turns */
        assert_int_equal(again == VISITS, !cases[c].chooses);
        ni_focus_free(f);
    }
}

/* Siblings of a search see the same batches, whatever their losses are, as long
 * as these choose nothing. */
static void those_that_still_learn_see_the_same_images(void **state)
{
    (void)state;
    enum { ALL = 1000, VISITS = 500, PASSES = 6 };
    float losses[ALL];
    ni_focus *f[2];
    for (int k = 0; k < 2; k++)
        f[k] = focus_on(ALL, 0);
    for (uint32_t pass = 0; pass < PASSES; pass++) {
        const nash_batch_key key = {.seed = 3, .epoch = pass};
        for (int k = 0; k < 2; k++) {
            ni_focus_choose(f[k], VISITS, &key);
            for (int32_t i = 0; i < VISITS; i++)
                losses[i] = (float)(1 + i * (k ? 7 : 3) % 11);
            ni_focus_saw(f[k], ni_focus_order(f[k]), losses, VISITS);
        }
        assert_memory_equal(ni_focus_order(f[0]), ni_focus_order(f[1]),
                            VISITS * sizeof(int32_t));
    }
    for (int k = 0; k < 2; k++)
        ni_focus_free(f[k]);
}

/* Passes of all, half, a third and a quarter of an epoch's steps. */
static void an_image_is_flipped_every_other_time(void **state)
{
    (void)state;
    for (int64_t turn = 1; turn <= 4; turn++)
        for (int64_t pass = 0; pass < 100; pass++) {
            uint32_t epoch = ni_focus_epoch(pass, 5, 5 * turn);
            assert_true(epoch < ni_focus_epoch(pass + 1, 5, 5 * turn));
            assert_int_equal(
                (epoch + ni_focus_epoch(pass + turn, 5, 5 * turn)) % 2, 1);
        }
}

static void a_feed_can_be_closed_at_any_moment(void **state)
{
    (void)state;
    nash_images images = some_images();
    nash_train_opts opts = nash_train_opts_default();
    float mean = 0.0F;
    int64_t blocks = ni_memory_live_blocks();
    for (int taken = 0; taken < 5; taken++) {
        ni_feed *feed;
        const ni_feed_plan plan = {everything, IMAGES, 4, 0, 1000};
        assert_int_equal(ni_feed_open(&feed, &images, &plan, &mean, &opts),
                         NASH_OK);
        for (int i = 0; i < taken; i++)
            assert_int_equal(ni_feed_next(feed)->n, 4);
        ni_feed_close(feed);
    }
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_pytorchs),
        cmocka_unit_test(the_gradient_of_the_loss_is_its_slope),
        cmocka_unit_test(the_loss_survives_large_logits_and_shows_nans),
        cmocka_unit_test(the_optimiser_is_pytorchs),
        cmocka_unit_test(decay_spares_gates_always_and_the_rest_by_option),
        cmocka_unit_test(gates_and_biases_move_at_their_own_rates),
        cmocka_unit_test(long_gradients_are_shortened_to_the_clip_norm),
        cmocka_unit_test(every_bank_moves_whatever_the_threads),
        cmocka_unit_test(squares_are_summed_over_every_value),
        cmocka_unit_test(muon_turns_a_bank_along_the_orthogonalised_momentum),
        cmocka_unit_test(muon_does_so_for_a_tall_bank),
        cmocka_unit_test(muon_steps_as_the_iteration_written_out),
        cmocka_unit_test(muon_takes_filters_in_blocks),
        cmocka_unit_test(
            muon_starts_a_bank_of_zeros_and_leaves_one_without_gradient),
        cmocka_unit_test(slow_weights_follow_less_and_less_and_stay),
        cmocka_unit_test(scores_are_those_done_by_hand),
        cmocka_unit_test(absent_classes_and_nans_are_told),
        cmocka_unit_test(the_feed_gives_the_named_batches_at_any_pace),
        cmocka_unit_test(a_feed_can_begin_anywhere),
        cmocka_unit_test(entropies_are_losses_without_smoothing),
        cmocka_unit_test(no_batch_is_much_smaller_than_the_others),
        cmocka_unit_test(a_rare_class_has_to_be_learned_as_well),
        cmocka_unit_test(those_that_still_learn_see_the_same_images),
        cmocka_unit_test(a_convolution_that_tells_classes_apart_is_no_bank),
        cmocka_unit_test(a_focused_feed_goes_by_what_was_seen_before_the_pass),
        cmocka_unit_test(
            passes_turn_to_what_is_not_learned_when_that_is_little),
        cmocka_unit_test(an_image_is_flipped_every_other_time),
        cmocka_unit_test(a_feed_can_be_closed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
