/* Data and starting network of a run, new or resumed. */
#include "input.h"

#include "cli.h"
#include "folder.h"
#include "open.h"
#include "pace.h"
#include "progress.h"
#include "scale.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int input_images(run *r)
{
    if (nash_dataset_images(&r->images, r->data, NASH_PART_TRAIN) != NASH_OK)
        return cli_fail(NULL);
    return EXIT_OK;
}

void input_describe(const run *r)
{
    const nash_images *images = r->images;
    progress_line("%d training images of %d classes, %d pixels high, %d wide, "
                  "%s%s",
                  images->n, images->classes, images->shape.h, images->shape.w,
                  images->shape.c == 1 ? "grey" : "in colour",
                  nash_dataset_is_holdout(r->data)
                      ? "; others are held out to test the result"
                      : "");
}

/* How weights are drawn. */
static nash_net_opts net_opts(const settings *s, uint64_t seed)
{
    nash_net_opts net = nash_net_opts_default();
    net.seed = seed;
    net.bn_momentum = (float)s->bn_momentum;
    net.identity = s->identity_init;
    net.whiten = s->whiten;
    memcpy(net.widths, s->widths, sizeof net.widths);
    return net;
}

nash_status input_redraw(void *ctx, nash_model *m, uint64_t seed)
{
    const run *r = ctx;
    nash_net_opts net = net_opts(r->s, seed);
    return nash_net_redraw(m, r->data, &net);
}

static int draw_start(run *r)
{
    nash_net_opts net = net_opts(r->s, r->s->search.seed);
    nash_status status = nash_net_for_data(&r->start, "start", r->data, &net);
    return status == NASH_OK ? EXIT_OK : cli_fail(NULL);
}

/* Test images are read at the end, as the others were in so many seconds. */
static void note_reading(run *r, double seconds)
{
    if (!r->data)
        return;
    double test = nash_dataset_count(r->data, NASH_PART_TEST);
    double train = nash_dataset_count(r->data, NASH_PART_TRAIN);
    r->test_seconds = seconds * test / train;
}

int input_make_start(run *r)
{
    const settings *s = r->s;
    nash_dataset_opts data = nash_dataset_opts_default();
    int result = settings_size(&data.height, &data.width, s, "search");
    if (result != EXIT_OK)
        return result;
    double began = cli_seconds();
    result = open_dataset(&r->data, r->data_dir, &data);
    note_reading(r, cli_seconds() - began);
    return result == EXIT_OK ? draw_start(r) : result;
}

/* How much of the starting network the caps on children leave, so that these
 * can be twice as large; 1 or more: all of it. */
static double share_by_caps(const run *r)
{
    static const double part = 0.5;
    const nash_morph_opts *caps = &r->s->search.morph;
    const nash_graph *g = nash_model_graph(r->start);
    double share = 1.0;
    if (caps->max_macs > 0)
        share = fmin(share, part * (double)caps->max_macs /
                                (double)nash_graph_macs(g));
    if (caps->max_params > 0)
        share = fmin(share, part * (double)caps->max_params /
                                (double)nash_graph_params(g));
    return share;
}

/* And how much of it suits the budget, but for a ninth at least. */
static int share_by_budget(double *share, const run *r)
{
    static const double least = 1.0 / 9.0;
    const nash_graph *g = nash_model_graph(r->start);
    double pflop;
    *share = 1.0;
    if (!r->s->budget.text || r->s->budget.unit == BUDGET_EPOCHS)
        return EXIT_OK;
    int result = pace_pflop(&pflop, r);
    if (result == EXIT_OK)
        *share = fmax(least, (double)nash_budget_macs(pflop) /
                                 (double)nash_graph_macs(g));
    return result;
}

/* No morphism makes a network smaller. */
static int check_caps(const run *r)
{
    const nash_morph_opts *caps = &r->s->search.morph;
    const nash_graph *g = nash_model_graph(r->start);
    const char *help = r->s->init ? "" : ": --widths and --size decide that";
    char has[32], may[32];
    if (r->s->search.steps == 0)
        return EXIT_OK;
    if (caps->max_macs > 0 && nash_graph_macs(g) > caps->max_macs)
        return cli_error("the starting network takes %s multiply-accumulates "
                         "an image, more than the %s of --max-macs%s",
                         cli_count(has, (double)nash_graph_macs(g)),
                         cli_count(may, (double)caps->max_macs), help);
    if (caps->max_params > 0 && nash_graph_params(g) > caps->max_params)
        return cli_error("the starting network has %s parameters, more than "
                         "the %s of --max-params%s",
                         cli_count(has, (double)nash_graph_params(g)),
                         cli_count(may, (double)caps->max_params), help);
    return EXIT_OK;
}

int input_narrow_start(run *r)
{
    static const double least_room = 0.6; /* 1.2 times what it takes */
    char widths[128];
    double by_caps = share_by_caps(r), by_budget;
    if (!scale_can_narrow(r->s))
        return check_caps(r);
    int result = share_by_budget(&by_budget, r);
    if (result != EXIT_OK)
        return result;
    bool narrowed = false,
         goes_on = scale_narrow(r->s, fmin(by_caps, by_budget));
    while (result == EXIT_OK && goes_on) {
        nash_model_free(r->start);
        r->start = NULL;
        narrowed = true;
        result = draw_start(r);
        if (result == EXIT_OK) /* widths are rounded: it may be little less */
            goes_on = share_by_caps(r) < least_room &&
                      scale_narrow(r->s, share_by_caps(r));
    }
    settings_format_widths(widths, sizeof widths, r->s);
    if (narrowed)
        progress_line("%s a narrower starting network: --widths %s",
                      by_caps < by_budget
                          ? "to leave room below --max-macs or --max-params,"
                          : "the budget suits",
                      widths);
    return result == EXIT_OK ? check_caps(r) : result;
}

int input_adopt_start(run *r, const char *path)
{
    const adoption *adopt = &r->s->adopt;
    int result = adopt_read(&r->start, path, adopt, NULL);
    /* candidates look once; the result does as --mirror and --shift say */
    if (result == EXIT_OK)
        nash_model_set_looks(r->start, (nash_looks){0});
    double began = cli_seconds();
    if (result == EXIT_OK)
        result = adopt_data(&r->data, r->data_dir, r->start, path, adopt,
                            r->s->val_share, r->s->search.seed);
    note_reading(r, cli_seconds() - began);
    return result;
}

int input_read_start(run *r, const char *path)
{
    if (nash_onnx_read(&r->start, path) != NASH_OK)
        return cli_fail(NULL);
    double began = cli_seconds();
    int result = open_for_model(&r->data, r->data_dir, r->start, path, NULL);
    note_reading(r, cli_seconds() - began);
    return result;
}

int input_data(run *r, const char *data_dir)
{
    r->data_dir = realpath(data_dir, NULL);
    if (!r->data_dir)
        return cli_error("data directory %s: %s", data_dir, strerror(errno));
    return EXIT_OK;
}

int input_for_candidates(run *r, nash_dataset_opts *opts)
{
    const nash_shape shape = r->images->shape;
    *opts = nash_dataset_opts_default();
    opts->channels = shape.c;
    opts->height = shape.h;
    opts->width = shape.w;
    opts->max_bytes = INT64_MAX; /* they have been read here */
    if (strcmp(nash_dataset_format(r->data), "folder") != 0)
        return EXIT_OK;
    r->decoded = run_path(r, "images");
    if (!r->decoded)
        return EXIT_FAILED;
    folder_remove(r->decoded); /* what an earlier command or a crash left */
    if (nash_dataset_save(r->data, r->decoded) != NASH_OK)
        return cli_fail(NULL);
    opts->channels = opts->height = opts->width = 0;
    opts->holdout = 0.0;
    return EXIT_OK;
}
