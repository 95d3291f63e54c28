/*
 * What follows from images, budget and caps. Only the presets `fast` and `demo`
 * count in epochs, pixels and channels that suit CIFAR-10; what was given on
 * the command line stays.
 */
#include "scale.h"

#include "presets.h"

#include <math.h>
#include <stdlib.h>

void scale_cutout(settings *s, const nash_images *images)
{
    int32_t *cutout = &s->search.final_train.augment.cutout;
    int32_t asked = preset_cutout_side(s->final_cutout, images->shape);
    if (*cutout < asked)
        *cutout = asked;
    s->search.cutout_epochs = s->final_cutout < 0 ? PRESET_CUTOUT_EPOCHS : 0;
}

/* The steps of an epoch of these few images would teach nothing. */
static void scale_epochs(settings *s, const nash_images *images)
{
    /* at most, so that no candidate has more epochs than the result may */
    static const double many = 40000.0, most = 250.0;
    nash_search_opts *o = &s->search;
    double n_train = (1.0 - s->val_share) * images->n;
    int32_t times = (int32_t)fmin(many / n_train + 0.5, most);
    if (times < 2)
        return;
    if (!settings_gave(s, "start-epochs"))
        o->start_epochs *= times;
    if (!settings_gave(s, "final-epochs"))
        o->final_epochs *= times;
    if (settings_gave(s, "epochs") || settings_gave(s, "cycle"))
        return;
    o->epochs *= times;
    o->train.cycle *= times;
    o->start_train.cycle *= times;
    o->final_train.cycle *= times;
}

/* Where there are few images, larger networks are no better (docs/research.md),
 * so there is no reason to take the largest of what is about equal. */
static void scale_tie(settings *s, const nash_images *images)
{
    static const double few = 2000.0; /* to validate by */
    if (!settings_gave(s, "tie") && s->val_share * images->n < few)
        s->search.tie = 0.0;
}

static void scale_pad(settings *s, const nash_images *images)
{
    nash_search_opts *o = &s->search;
    if (settings_gave(s, "pad"))
        return;
    o->train.augment.pad = o->start_train.augment.pad =
        o->final_train.augment.pad =
            preset_pad(s->preset, o->train.augment.pad, images->shape);
}

void scale_to_images(settings *s, const nash_images *images)
{
    if (!preset_is_of_cifar(s->preset))
        return;
    scale_epochs(s, images);
    scale_tie(s, images);
    scale_pad(s, images);
}

/* ---- for other budgets --------------------------------------------------- */

bool scale_can_narrow(const settings *s)
{
    return preset_is_of_cifar(s->preset) && !s->init &&
           !settings_gave(s, "widths");
}

double scale_narrowed(const settings *s)
{
    double usual = strtod(preset_value("widths", s->preset), NULL);
    double by = s->widths[0] / usual; /* of the first layer */
    return scale_can_narrow(s) ? fmin(by * by, 1.0) : 1.0;
}

bool scale_narrow(settings *s, double share)
{
    enum { MULTIPLE = 16 }; /* of channels, for Winograd's algorithm */
    static const double clearly = 0.75;
    if (!(share < clearly))
        return false;
    double by = sqrt(share);
    bool changed = false;
    for (int i = 0; i < NASH_MAX_STAGES && s->widths[i] > 0; i++) {
        int32_t width =
            (int32_t)lround(by * s->widths[i] / MULTIPLE) * MULTIPLE;
        width = width > MULTIPLE ? width : MULTIPLE;
        changed |= width != s->widths[i];
        s->widths[i] = width;
    }
    return changed;
}
