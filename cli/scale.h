#ifndef CLI_SCALE_H
#define CLI_SCALE_H

#include "settings.h"

/*
 * Settings for images, budgets and caps that a preset was not made for.
 */

/** Derive the cutout of the final training. */
void scale_cutout(settings *s, const nash_images *images);

/** The presets `fast` and `demo` count epochs and pixels of CIFAR-10's images:
 * where there are fewer, or of another size, make as many more of them what was
 * not given, before the settings are recorded. */
void scale_to_images(settings *s, const nash_images *images);

/** Whether the widths of the starting network may follow the budget and the
 * caps: in the presets `fast` and `demo`, without --widths and --init. */
bool scale_can_narrow(const settings *s);

/** Make the widths such that the network takes about so much of its
 * multiply-accumulates, if that is clearly less; no layer gets less than 16
 * channels. @return whether they have changed */
bool scale_narrow(settings *s, double share);

/** About the share that was made of the preset's network so; 1: all of it. */
double scale_narrowed(const settings *s);

#endif
