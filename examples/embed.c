/*
 * libnash in a program of your own: grow a network by two morphisms, without
 * data or files, and see that it still computes the same.
 *
 *     cc embed.c $(pkg-config --cflags --libs nash) -o embed && ./embed
 */
#include <nash/nash.h>

#include <stdio.h>

enum { IMAGES = 4, VALUES = 3 * 32 * 32 };

static int run(nash_model *parent, nash_model *child)
{
    static float pixels[IMAGES * VALUES];
    for (int i = 0; i < IMAGES * VALUES; i++)
        pixels[i] = (float)(i * 37 % 256);

    nash_probe probe;
    nash_deviation deviation;
    nash_plan_opts opts = nash_plan_opts_default();
    opts.batch = IMAGES;
    opts.precision = NASH_PRECISION_F32;
    nash_shape shape = nash_graph_input_shape(nash_model_graph(parent));
    if (nash_probe_open(&probe, pixels, IMAGES, shape, &opts) != NASH_OK)
        return 1;

    const char *const texts[] = {"deepen:at=relu_4", "widen:at=conv_6"};
    int failed = 0;
    for (int i = 0; i < 2 && !failed; i++) {
        nash_morph morph;
        failed = nash_morph_parse(&morph, texts[i], child) != NASH_OK ||
                 nash_morph_apply(child, &morph, &probe) != NASH_OK;
    }
    if (!failed)
        failed = nash_morph_deviation(&deviation, parent, child, &probe);
    if (!failed)
        printf("%lld -> %lld parameters, largest deviation %.1g of the "
               "largest logit\n",
               (long long)nash_graph_params(nash_model_graph(parent)),
               (long long)nash_graph_params(nash_model_graph(child)),
               deviation.infer_relative);
    nash_probe_close(&probe);
    return failed;
}

int main(void)
{
    nash_model *parent = NULL, *child = NULL;
    nash_net_opts opts = nash_net_opts_default();
    int failed = nash_net_start(&parent, &opts) != NASH_OK ||
                 nash_model_dup(&child, parent) != NASH_OK ||
                 run(parent, child) != 0;
    if (failed)
        fprintf(stderr, "embed: %s\n", nash_error_message());
    nash_model_free(child);
    nash_model_free(parent);
    return failed;
}
