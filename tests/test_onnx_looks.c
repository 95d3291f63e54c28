/* Files of models that average over looks at an image, mirrored or shifted, and
 * files that only seem to. */
#include "onnx_made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What such a file says in its operators; one of it is changed at a time. */
typedef struct file {
    const char *mode, *margin;                /* of the Pad, and its pads */
    const char *down, *before;                /* of a Slice of that */
    const char *up, *beyond, *shift_axes;     /* and of another */
    const char *starts, *ends, *axes, *steps; /* of the mirroring Slices */
    const char *joined;                       /* by the Concat */
    const char *seen;                         /* by the first layer */
    const char *last;                         /* operator behind the logits */
    const char *by_look;                      /* shape, of the Reshape */
    const char *mean;                         /* axes, of the ReduceMean */
    int64_t keep;                             /* its keepdims */
    const char *output;                       /* what the file gives */
} file;

static const file sound = {.mode = "edge",
                           .margin = "0 0 1 1 0 0 1 1",
                           .down = "0 0",
                           .before = "-2 -2",
                           .up = "2 2",
                           .beyond = "9000 9000",
                           .shift_axes = "2 3",
                           .starts = "-1",
                           .ends = "-9000",
                           .axes = "3",
                           .steps = "-1",
                           .joined = "x mirror",
                           .seen = "looks",
                           .last = "Softmax",
                           .by_look = "2 -1 4",
                           .mean = "0",
                           .output = "mean"};

static file sound_shifts(void)
{
    file f = sound;
    f.joined = "x down up mirror mirror_down mirror_up";
    f.by_look = "6 -1 4";
    return f;
}

static made made_of(const file *f)
{
    made m = made_new(13, 3, 5, 6);
    made_ints64(&m, "margin_pads", f->margin);
    made_ints64(&m, "down_starts", f->down);
    made_ints64(&m, "down_ends", f->before);
    made_ints64(&m, "up_starts", f->up);
    made_ints64(&m, "up_ends", f->beyond);
    made_ints64(&m, "shift_axes", f->shift_axes);
    made_ints64(&m, "starts", f->starts);
    made_ints64(&m, "ends", f->ends);
    made_ints64(&m, "axes", f->axes);
    made_ints64(&m, "steps", f->steps);
    made_ints64(&m, "shape", f->by_look);
    made_floats(&m, "w", "4 3", -0.5F, 0.125F);
    made_node(&m, "Pad", "x margin_pads", "margin");
    made_text(&m, "mode", f->mode);
    made_node(&m, "Slice", "margin down_starts down_ends shift_axes", "down");
    made_node(&m, "Slice", "margin up_starts up_ends shift_axes", "up");
    made_node(&m, "Slice", "x starts ends axes steps", "mirror");
    made_node(&m, "Slice", "down starts ends axes steps", "mirror_down");
    made_node(&m, "Slice", "up starts ends axes steps", "mirror_up");
    made_node(&m, "Concat", f->joined, "looks");
    made_int(&m, "axis", 0);
    made_node(&m, "Pad", "looks margin_pads", "margin_again");
    made_text(&m, "mode", "edge");
    made_node(&m, "Slice", "margin_again down_starts down_ends shift_axes",
              "down_again");
    made_node(&m, "Slice", "margin_again up_starts up_ends shift_axes",
              "up_again");
    made_node(&m, "Concat", "looks down_again up_again", "looks_again");
    made_int(&m, "axis", 0);
    made_node(&m, "GlobalAveragePool", f->seen, "pooled");
    made_node(&m, "Flatten", "pooled", "flat");
    made_node(&m, "Gemm", "flat w", "logits");
    made_int(&m, "transB", 1);
    made_node(&m, f->last, "logits", "each");
    made_node(&m, "Reshape", "each shape", "by_look");
    made_node(&m, "ReduceMean", "by_look", "mean");
    made_ints(&m, "axes", f->mean);
    made_int(&m, "keepdims", f->keep);
    made_node(&m, "Reshape", "mean shape", "by_look_again");
    made_node(&m, "ReduceMean", "by_look_again", "mean_again");
    made_ints(&m, "axes", f->mean);
    made_int(&m, "keepdims", f->keep);
    made_node(&m, "Identity", f->output, "y");
    return m;
}

static void assert_refused(const file *f, const char *words)
{
    made m = made_of(f);
    made_refuse(&m, NASH_EUNSUPPORTED, words);
}

static void the_pattern_is_read_whoever_wrote_it(void **state)
{
    (void)state;
    static const char *const starts[] = {"-1", "5", "700"};
    static const char *const axes[] = {"3", "-1"};
    for (int i = 0; i < 6; i++) {
        file f = sound;
        f.starts = starts[i % 3];
        f.axes = axes[i / 3];
        made m = made_of(&f);
        nash_model *out = made_finish(&m);
        assert_true(nash_model_looks(out).mirrored);
        assert_false(nash_model_looks(out).shifted);
        assert_int_equal(nash_graph_size(nash_model_graph(out)), 4);
        nash_model_free(out);
    }
}

static void other_cuts_are_refused(void **state)
{
    (void)state;
    static const char *const words =
        "it cuts a tensor, expected at most the image's mirroring";
    file f = sound;
    f.starts = "-2";
    assert_refused(&f, words);
    f = sound;
    f.ends = "0";
    assert_refused(&f, words);
    f = sound;
    f.ends = "-6";
    assert_refused(&f, words);
    f = sound;
    f.axes = "2";
    assert_refused(&f, words);
    f = sound;
    f.starts = "0";
    f.ends = "6";
    f.steps = "1";
    assert_refused(&f, words);
    f = sound; /* a crop of the colours beside the mirroring */
    f.starts = "-1 0";
    f.ends = "-9000 2";
    f.axes = "3 1";
    f.steps = "-1 1";
    assert_refused(&f, words);
    f.ends = "-9000 9000"; /* all of them */
    made m = made_of(&f);
    nash_model_free(made_finish(&m));
    f.axes = "3 -1";
    m = made_of(&f);
    made_refuse(&m, NASH_EFORMAT, "it cuts axis 3 twice");
}

static void other_joins_along_the_batch_are_refused(void **state)
{
    (void)state;
    static const char *const words = "it joins along the batch";
    static const char *const joined[] = {
        "x x", "mirror x", "mirror mirror", "x mirror mirror", "x", "x w"};
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++) {
        file f = sound;
        f.joined = joined[i];
        assert_refused(&f, words);
    }
}

static void looks_go_nowhere_else(void **state)
{
    (void)state;
    file f = sound;
    f.seen = "mirror";
    assert_refused(&f, "is the image mirrored or shifted, which only");
    f = sound;
    f.seen = "x"; /* then nothing is split by looks, either */
    assert_refused(&f, "it gives a tensor of 3 dimensions");
    f = sound;
    f.output = "each";
    assert_refused(&f, "it is not the mean over the looks");
    f = sound;
    f.output = "by_look";
    assert_refused(&f, "it is not the mean over the looks");
}

static void other_means_are_refused(void **state)
{
    (void)state;
    static const char *const shapes[] = {"-1 2 4", "2 -1 2", "1 -1 4", "2 2 4",
                                         "2 0 4"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        file f = sound;
        f.by_look = shapes[i];
        assert_refused(&f, "it gives a tensor of 3 dimensions");
    }
    file f = sound;
    f.mean = "1";
    assert_refused(&f, "it takes another mean");
    f = sound;
    f.keep = 1;
    assert_refused(&f, "it takes another mean");
    f = sound;
    f.last = "LogSoftmax";
    assert_refused(&f, "it gives logarithms, expected probabilities");
}

static void a_mirror_image_is_not_computed_with(void **state)
{
    (void)state;
    made m = made_new(13, 3, 5, 6);
    made_ints64(&m, "minus", "-1");
    made_ints64(&m, "end", "-9000");
    made_floats(&m, "half", "", 0.5F, 0);
    made_node(&m, "Slice", "x minus end minus minus", "mirror");
    made_node(&m, "Mul", "mirror half", "z");
    made_end(&m, "z");
    made_refuse(&m, NASH_EUNSUPPORTED, "it computes with a look at the image");
}

/* ---- shifts -------------------------------------------------------------- */

static void assert_shifts(const file *f, bool mirrored)
{
    made m = made_of(f);
    nash_model *out = made_finish(&m);
    assert_true(nash_model_looks(out).shifted);
    assert_int_equal(nash_model_looks(out).mirrored, mirrored);
    nash_model_free(out);
}

static void shifts_are_read_whoever_wrote_them(void **state)
{
    (void)state;
    file f = sound_shifts();
    assert_shifts(&f, true);
    f.beyond = "7 8"; /* the margin's own size */
    f.before = "5 6"; /* the image's */
    f.shift_axes = "-2 -1";
    assert_shifts(&f, true);
    f.joined = "x down up";
    f.by_look = "3 -1 4";
    assert_shifts(&f, false);
}

static void other_margins_and_shifts_are_refused(void **state)
{
    (void)state;
    static const char *const cuts = "it cuts a tensor";
    file f = sound_shifts();
    f.mode = "reflect";
    assert_refused(&f, "its mode is another one than constant");
    f = sound_shifts();
    f.margin = "0 0 2 2 0 0 2 2";
    assert_refused(&f, "its mode is another one than constant");
    f = sound_shifts();
    f.up = "1 1";
    assert_refused(&f, cuts);
    f = sound_shifts();
    f.up = "2 0";
    assert_refused(&f, cuts);
    f = sound_shifts();
    f.beyond = "6 7";
    assert_refused(&f, cuts);
    f = sound_shifts();
    f.down = "1 1";
    assert_refused(&f, cuts);
    f = sound_shifts();
    f.before = "-1 -1";
    assert_refused(&f, cuts);
    f = sound_shifts(); /* down, and to the left */
    f.down = "0 2";
    f.before = "-2 9000";
    assert_refused(&f, cuts);
    f = sound_shifts();
    f.shift_axes = "1 2";
    assert_refused(&f, cuts);
}

static void looks_are_joined_in_one_order(void **state)
{
    (void)state;
    static const char *const words = "it joins along the batch";
    static const char *const joined[] = {
        "x up down mirror mirror_up mirror_down",
        "x down up mirror mirror_up mirror_down",
        "mirror mirror_down mirror_up x down up",
        "x down up mirror mirror_down",
        "x down up up mirror_down mirror_up",
        "x down",
        "x down up mirror"};
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++) {
        file f = sound_shifts();
        f.joined = joined[i];
        assert_refused(&f, words);
    }
    file f = sound_shifts();
    f.seen = "margin";
    assert_refused(&f, "is the image with a repeated border");
    f = sound_shifts();
    f.by_look = "2 -1 4";
    assert_refused(&f, "it gives a tensor of 3 dimensions");
    f = sound; /* looks at looks */
    f.seen = "looks_again";
    f.by_look = "3 -1 4";
    assert_refused(&f, words);
    f = sound; /* and means of means */
    f.output = "mean_again";
    assert_refused(&f, "it gives a tensor of 3 dimensions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pattern_is_read_whoever_wrote_it),
        cmocka_unit_test(other_cuts_are_refused),
        cmocka_unit_test(other_joins_along_the_batch_are_refused),
        cmocka_unit_test(looks_go_nowhere_else),
        cmocka_unit_test(other_means_are_refused),
        cmocka_unit_test(a_mirror_image_is_not_computed_with),
        cmocka_unit_test(shifts_are_read_whoever_wrote_them),
        cmocka_unit_test(other_margins_and_shifts_are_refused),
        cmocka_unit_test(looks_are_joined_in_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
