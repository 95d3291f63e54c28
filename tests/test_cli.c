/* Option tables, numbers for people: what every verb relies on. */
#include "../cli/args.h"
#include "../cli/cli.h"
#include "../cli/json.h"
#include "../cli/progress.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int32_t epochs;
static int64_t params;
static size_t memory;
static uint64_t seed;
static double rate;
static const char *output;
static bool json, flip, seen;
static int color;
static int32_t widths[3];

static const char *const colors[] = {"red", "green", NULL};

static const arg_option options[] = {
    {"epochs", ARG_INT, &epochs, "epochs", .least = 0, .most = 100,
     .given = &seen},
    {"max-params", ARG_COUNT, &params, "cap"},
    {"max-memory", ARG_BYTES, &memory, "cap"},
    {"seed", ARG_SEED, &seed, "seed"},
    {"lr", ARG_REAL, &rate, "rate", .least = 0.0, .most = 10.0},
    {"output", ARG_TEXT, &output, "file"},
    {"json", ARG_FLAG, &json, "as JSON"},
    {"flip", ARG_YESNO, &flip, "flip"},
    {"color", ARG_CHOICE, &color, "color", .choices = colors},
    {"widths", ARG_INTS, widths, "channels", .most = 3},
    {0},
};

static const arg_spec spec = {"test", "A [B]", "Tests.", options, NULL, 1, 2};

static int parse(int *n, int argc, const char **words)
{
    static char copy[16][64];
    static char *argv[17];
    for (int i = 0; i < argc; i++) {
        strncpy(copy[i], words[i], sizeof copy[i] - 1);
        argv[i] = copy[i];
    }
    argv[argc] = NULL;
    int go = args_parse(n, &spec, argc, argv);
    for (int i = 0; i < argc; i++)
        words[i] = argv[i];
    return go;
}

static void options_and_operands_may_be_mixed(void **state)
{
    (void)state;
    const char *words[] = {
        "test",   "--epochs", "7",      "a",      "--max-params=2.5M",
        "b",      "-o",       "x.onnx", "--json", "--widths",
        "8,16,32"};
    int n;
    seen = false;
    assert_int_equal(parse(&n, 11, words), ARGS_GO);
    assert_int_equal(n, 2);
    assert_string_equal(words[1], "a");
    assert_string_equal(words[2], "b");
    assert_int_equal(epochs, 7);
    assert_true(seen && json);
    assert_int_equal(params, 2500000);
    assert_string_equal(output, "x.onnx");
    assert_int_equal(widths[2], 32);
}

static void sizes_take_suffixes(void **state)
{
    (void)state;
    int n;
    const char *words[] = {"test",    "a",      "--max-memory",
                           "1.5GiB",  "--seed", "18446744073709551615",
                           "--color", "green",  "--flip",
                           "yes",     "--lr",   "1e-3"};
    assert_int_equal(parse(&n, 12, words), ARGS_GO);
    assert_true(memory == (size_t)3 << 29);
    assert_true(seed == UINT64_MAX);
    assert_int_equal(color, 1);
    assert_true(flip && rate > 0.0009 && rate < 0.0011);
}

static void mistakes_are_wrong_usage(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"--epochs", "-1", NULL},
        {"--epochs", "101", NULL},
        {"--epochs", "1.5", NULL},
        {"--epochs", "nan", NULL},
        {"--epochs", "1k", NULL},
        {"--epochs", NULL, NULL},
        {"--lr", "fast", NULL},
        {"--lr", "inf", NULL},
        {"--max-params", "1x", NULL},
        {"--max-params", "1e300", NULL},
        {"--seed", "-3", NULL},
        {"--seed", "18446744073709551616", NULL},
        {"--color", "blue", NULL},
        {"--flip", "perhaps", NULL},
        {"--json=1", NULL, NULL},
        {"--unknown", NULL, NULL},
        {"--epoch", "3", NULL},
        {"-x", NULL, NULL},
        {"--widths", "1,", NULL},
        {"--widths", "1,2,3,4", NULL},
        {"--widths", "0,2,3", NULL},
        {"--widths", "1x", NULL},
        {"b", "c", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *words[4] = {"test", "a", wrong[i][0], wrong[i][1]};
        int n;
        assert_int_equal(parse(&n, wrong[i][1] ? 4 : 3, words), EXIT_USAGE);
    }
}

static void too_few_operands_are_wrong_usage(void **state)
{
    (void)state;
    int n;
    const char *words[] = {"test", "--json"};
    assert_int_equal(parse(&n, 2, words), EXIT_USAGE);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    int n;
    const char *words[] = {"test", "--", "--json"};
    assert_int_equal(parse(&n, 3, words), ARGS_GO);
    assert_string_equal(words[1], "--json");
}

static void numbers_are_written_for_people(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(cli_count(text, 950), "950");
    assert_string_equal(cli_count(text, 5700000), "5.7 M");
    assert_string_equal(cli_bytes(text, 1.5 * 1073741824.0), "1.5 GiB");
    assert_string_equal(cli_time(text, 0.25), "0.2 s");
    assert_string_equal(cli_time(text, 75), "1 min 15 s");
    assert_string_equal(cli_time(text, 7500), "2 h 05 min");
    assert_string_equal(cli_time(text, -1), "\u2013");
}

/* Standard output goes to a file. @return what brings it back */
static int divert(FILE *file)
{
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    return out;
}

static void bring_back(int out)
{
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
}

static int32_t longest_line(FILE *file)
{
    char line[512];
    int32_t longest = 0;
    rewind(file);
    while (fgets(line, sizeof line, file))
        if ((int32_t)strcspn(line, "\n") > longest)
            longest = (int32_t)strcspn(line, "\n");
    return longest;
}

static void help_is_no_wider_than_a_terminal(void **state)
{
    (void)state;
    static const arg_option wordy[] = {
        {"flip", ARG_YESNO, &flip,
         "a text that is as long as that of some options, so that it does not "
         "fit into one line of a terminal, nor into two of them, since there "
         "is much to say about it",
         .fallback = "as the network that it is for does, or does not"},
        {0}};
    const arg_spec long_spec = {
        "test",
        "A",
        "Tests whether what is said of a verb is broken as well, "
        "which takes more than one line.",
        wordy,
        NULL,
        1,
        1};
    FILE *file = tmpfile();
    char help[] = "--help", verb[] = "test", *argv[] = {verb, help, NULL};
    int n, out = divert(file);
    int go = args_parse(&n, &long_spec, 2, argv);
    bring_back(out);
    assert_int_equal(go, EXIT_OK);
    int32_t longest = longest_line(file);
    assert_true(longest > 70 && longest <= 80);
    fclose(file);
}

static void json_is_utf8_whatever_a_text_is(void **state)
{
    (void)state;
    static const char said[] =
        "[\n  \"\\\"a\\\\\\u000a\\u007fna\u00efve \u4e2d\",\n"
        "  \"caf\\ufffd noir, \\ufffd\\ufffd\",\n  null\n]\n";
    char text[256];
    FILE *file = tmpfile();
    int out = divert(file);
    json_array(NULL);
    json_text(NULL, "\"a\\\n\x7fna\u00efve \u4e2d");
    json_text(NULL, "caf\xe9 noir, \xc0\x80");
    json_text(NULL, NULL);
    json_end();
    bring_back(out);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_string_equal(text, said);
    fclose(file);
}

/* What standard error shows on a terminal of so many columns. */
static void show_on(char *text, size_t size_bytes, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    int ours, theirs, err = dup(STDERR_FILENO);
    assert_int_equal(openpty(&ours, &theirs, NULL, NULL, &size), 0);
    setenv("TERM", "xterm", 1);
    dup2(theirs, STDERR_FILENO);
    progress_show("step 2, 4 candidates", 0.0, "1234 images/s");
    usleep(150000);
    progress_show("step 2, 4 candidates", 1.0, "1234 images/s");
    dup2(err, STDERR_FILENO);
    close(err);
    ssize_t n = read(ours, text, size_bytes - 1);
    assert_true(n > 0);
    text[n] = '\0';
    close(theirs);
    close(ours);
}

static void the_time_left_is_shown_on_narrow_terminals(void **state)
{
    (void)state;
    static const struct {
        unsigned short columns;
        bool bar, rate;
    } cases[] = {{80, true, true},
                 {58, true, true},
                 {45, true, false},
                 {41, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        show_on(text, sizeof text, cases[i].columns);
        assert_non_null(strstr(text, "step 2, 4 candidates, 0.0 s left"));
        assert_int_equal(strstr(text, "\u2501") != NULL, cases[i].bar);
        assert_int_equal(strstr(text, "images/s") != NULL, cases[i].rate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_may_be_mixed),
        cmocka_unit_test(sizes_take_suffixes),
        cmocka_unit_test(mistakes_are_wrong_usage),
        cmocka_unit_test(too_few_operands_are_wrong_usage),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(numbers_are_written_for_people),
        cmocka_unit_test(help_is_no_wider_than_a_terminal),
        cmocka_unit_test(json_is_utf8_whatever_a_text_is),
        cmocka_unit_test(the_time_left_is_shown_on_narrow_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
