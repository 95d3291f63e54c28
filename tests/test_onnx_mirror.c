/* Files of models that average over an image and its mirror image, and files
 * that only look like it. */
#include "onnx_made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What such a file says in its operators; one of it is changed at a time. */
typedef struct file {
    const char *starts, *ends, *axes, *steps; /* of the Slice */
    const char *joined;                       /* by the Concat */
    const char *seen;                         /* by the first layer */
    const char *last;                         /* operator behind the logits */
    const char *pairs;                        /* shape, of the Reshape */
    const char *mean;                         /* axes, of the ReduceMean */
    int64_t keep;                             /* its keepdims */
    const char *output;                       /* what the file gives */
} file;

static const file sound = {.starts = "-1",
                           .ends = "-9000",
                           .axes = "3",
                           .steps = "-1",
                           .joined = "x mirror",
                           .seen = "views",
                           .last = "Softmax",
                           .pairs = "2 -1 4",
                           .mean = "0",
                           .output = "mean"};

static made made_of(const file *f)
{
    made m = made_new(13, 3, 5, 6);
    made_ints64(&m, "starts", f->starts);
    made_ints64(&m, "ends", f->ends);
    made_ints64(&m, "axes", f->axes);
    made_ints64(&m, "steps", f->steps);
    made_ints64(&m, "shape", f->pairs);
    made_floats(&m, "w", "4 3", -0.5F, 0.125F);
    made_node(&m, "Slice", "x starts ends axes steps", "mirror");
    made_node(&m, "Concat", f->joined, "views");
    made_int(&m, "axis", 0);
    made_node(&m, "GlobalAveragePool", f->seen, "pooled");
    made_node(&m, "Flatten", "pooled", "flat");
    made_node(&m, "Gemm", "flat w", "logits");
    made_int(&m, "transB", 1);
    made_node(&m, f->last, "logits", "each");
    made_node(&m, "Reshape", "each shape", "pairs");
    made_node(&m, "ReduceMean", "pairs", "mean");
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
        assert_true(nash_model_is_mirrored(out));
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
    f = sound;
    f.starts = f.ends = f.axes = f.steps = "-1 -1";
    assert_refused(&f, words);
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

static void views_go_nowhere_else(void **state)
{
    (void)state;
    file f = sound;
    f.seen = "mirror";
    assert_refused(&f, "is mirrored, which only the averaging");
    f = sound;
    f.seen = "x"; /* then nothing is paired, either */
    assert_refused(&f, "it gives a tensor of 3 dimensions");
    f = sound;
    f.output = "each";
    assert_refused(&f, "it is not the mean over images and their mirror");
    f = sound;
    f.output = "pairs";
    assert_refused(&f, "it is not the mean over images and their mirror");
}

static void other_means_are_refused(void **state)
{
    (void)state;
    static const char *const pairs[] = {"-1 2 4", "2 -1 2", "1 -1 4", "2 2 4",
                                        "2 0 4"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        file f = sound;
        f.pairs = pairs[i];
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
    made_refuse(&m, NASH_EUNSUPPORTED, "it computes with a mirror image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pattern_is_read_whoever_wrote_it),
        cmocka_unit_test(other_cuts_are_refused),
        cmocka_unit_test(other_joins_along_the_batch_are_refused),
        cmocka_unit_test(views_go_nowhere_else),
        cmocka_unit_test(other_means_are_refused),
        cmocka_unit_test(a_mirror_image_is_not_computed_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
