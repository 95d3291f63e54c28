/* Morphisms, costs, candidates and operations in plain words. */
#include <nash/report.h>
#include <nash/text.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void morphisms_are_put_in_plain_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"widen:at=conv_2,factor=4,mode=pair",
         "widen conv_2 \u00d74 (fresh twins)"},
        {"concat_skip:at=relu_9,from=relu_4", "concatenate relu_4 to relu_9"},
        {"conv:at=relu_4,kernel=3",
         "insert an identity 3\u00d73 convolution after relu_4"},
        {"fc:at=fc_9", "insert an identity fully connected layer after fc_9"},
        {"batch_norm:at=conv_1", "insert a batch normalisation after conv_1"},
        {"relu:at=relu_4", "insert a ReLU after relu_4"},
        {"gate:at=conv_6,kernel=5,seed=1",
         "gate a fresh 5\u00d75 branch in beside conv_6"},
        {"something:else=1", "something:else=1"},
        {"widen", "widen ? \u00d72 (copies)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[256];
        nash_morph_words(words, sizeof words, cases[i].text);
        assert_string_equal(words, cases[i].words);
    }
}

static void counts_are_said_in_units_of_a_thousand(void **state)
{
    (void)state;
    static const struct {
        double count;
        const char *words;
    } cases[] = {
        {0, "0"},           {950, "950"},           {999.4, "999"},
        {999.5, "1.0 k"},   {5700000, "5.7 M"},     {99.94e6, "99.9 M"},
        {99.96e6, "100 M"}, {999.4e9, "999 G"},     {-1234, "-1.2 k"},
        {9.2e18, "9.2 E"},  {(double)NAN, "\u2013"}};
    char words[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nash_count_words(words, sizeof words, cases[i].count);
        assert_string_equal(words, cases[i].words);
    }
}

static void times_are_said_in_units_that_suit_them(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *words;
    } cases[] = {{0.0, "0.0 s"},       {9.94, "9.9 s"},
                 {9.96, "10 s"},       {59.4, "59 s"},
                 {59.6, "1 min 00 s"}, {723, "12 min 03 s"},
                 {7500, "2 h 05 min"}, {1e12, "277777777 h 46 min"},
                 {1.1e12, "\u2013"},   {-1, "\u2013"},
                 {HUGE_VAL, "\u2013"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[32];
        nash_time_words(words, sizeof words, cases[i].seconds);
        assert_string_equal(words, cases[i].words);
    }
}

static void costs_are_said_in_a_unit_that_suits_them(void **state)
{
    (void)state;
    static const struct {
        double pflop;
        const char *words;
    } cases[] = {{0.0, "0 PFLOP"},        {7.47e-6, "7.47 GFLOP"},
                 {0.00747, "7.47 TFLOP"}, {0.4412, "0.441 PFLOP"},
                 {1234.0, "1234 PFLOP"},  {0.010004, "0.01 PFLOP"},
                 {(double)NAN, "\u2013"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[32];
        nash_cost_words(words, sizeof words, cases[i].pflop);
        assert_string_equal(words, cases[i].words);
    }
}

static void candidates_of_any_kind_are_called_something(void **state)
{
    (void)state;
    static const struct {
        nash_candidate_kind kind;
        const char *label;
    } cases[] = {{NASH_CANDIDATE_START, "start"},
                 {NASH_CANDIDATE_CHILD, "2-5"},
                 {NASH_CANDIDATE_PARENT, "2-5"},
                 {NASH_CANDIDATE_FINAL, "final"},
                 {(nash_candidate_kind)7, "?"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nash_record r = {.step = 2, .child = 5, .kind = cases[i].kind};
        char label[48] = "as before";
        nash_candidate_label(label, sizeof label, &r);
        assert_string_equal(label, cases[i].label);
    }
}

static void operations_are_described(void **state)
{
    (void)state;
    nash_graph *g;
    char text[96];
    nash_attrs attrs = {.out_channels = 4, .size = {9, 9}};
    assert_int_equal(nash_graph_create(&g), NASH_OK);
    nash_graph_append(NULL, g, NASH_OP_INPUT, &attrs, NULL, 0);
    attrs = nash_attrs_window(3, 2);
    attrs.out_channels = 8;
    attrs.kernel[1] = 5;
    attrs.dilation[0] = 2;
    attrs.groups = 4;
    assert_int_equal(
        nash_graph_append(NULL, g, NASH_OP_CONV, &attrs, &(int32_t){0}, 1),
        NASH_OK);
    nash_node_describe(text, sizeof text, g, 1);
    assert_string_equal(text, "Conv 3\u00d75/2 dil 2,1 grp 4");
    nash_node_describe(text, sizeof text, g, 0);
    assert_string_equal(text, "Image");
    nash_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(morphisms_are_put_in_plain_words),
        cmocka_unit_test(counts_are_said_in_units_of_a_thousand),
        cmocka_unit_test(times_are_said_in_units_that_suit_them),
        cmocka_unit_test(costs_are_said_in_a_unit_that_suits_them),
        cmocka_unit_test(candidates_of_any_kind_are_called_something),
        cmocka_unit_test(operations_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
