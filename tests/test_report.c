/* Reports: pages that are well formed whatever is in them. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "markup.h"
#include "random_graph.h"
#include "report/text.h"
#include "report_fixture.h"

#include <nash/report.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void foreign_text_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *escaped;
    } cases[] = {
        {"plain \u00d7 \xe2\x82\xac \xf0\x9f\x90\x88",
         "plain \u00d7 \xe2\x82\xac \xf0\x9f\x90\x88"},
        {"<a href=\"x\" b='c'>&amp;",
         "&lt;a href=&quot;x&quot; b=&#39;c&#39;&gt;&amp;amp;"},
        {"\x01\x1f\t\n", "\xef\xbf\xbd\xef\xbf\xbd\t\n"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf5\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ni_text t = {0};
        ni_text_escape(&t, cases[i].text);
        char *text = ni_text_take(&t);
        assert_string_equal(text, cases[i].escaped);
        ni_free(text);
    }
}

static void coordinates_are_rounded_to_tenths(void **state)
{
    (void)state;
    static const double cases[] = {0, 1.25, -0.04, -0.26, 1234.96};
    ni_text t = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ni_text_coordinate(&t, cases[i]);
        ni_text_put(&t, " ");
    }
    char *text = ni_text_take(&t);
    assert_string_equal(text, "0.0 1.3 0.0 -0.3 1235.0 ");
    ni_free(text);
}

static void the_page_is_well_formed_and_needs_nothing_else(void **state)
{
    (void)state;
    nash_model *best = random_model(3, NULL);
    char *page = read_page(&make_run()->history, best);
    assert_well_formed(page);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<link"));
    assert_null(strstr(page, "src="));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "@import"));
    for (const char *at = page; (at = strstr(at, "href=\"")); at++)
        assert_int_equal(at[6], '#');
    ni_free(page);
    nash_model_free(best);
}

static void the_page_says_what_happened(void **state)
{
    (void)state;
    static const char *const said[] = {
        "6.25 %",
        "start: 25.00 %",
        "deepen after relu_4: 5\u00d75 Conv-BN-ReLU",
        "add relu_4 to relu_8 through a gate",
        "&lt;b&gt;&quot;&amp;&#39; \xef\xbf\xbd\xef\xbf\xbd",
        "failed: loss of epoch 2 is not finite &lt;/td&gt;&lt;script&gt;",
        "evil&lt;i&gt;",
        "a&quot;b&#39;&amp;c&lt;!--",
        "&lt;dog&gt;",
        "<td>widen</td><td>II</td>",
        "<td>3</td>",
        "id=\"c-2-1\" class=\"won\"",
        "test 6.25 %",
        "Learning rate at the end of each epoch",
        "<a href=\"#classes\">Class by class</a>",
        "class=\"n-small\">2-2 unmorphed</text>",
        "class=\"n-small\">final</text>",
    };
    char *page = read_page(&make_run()->history, NULL);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(page, said[i]))
            fail_msg("the page does not say '%s'", said[i]);
    ni_free(page);
}

static void only_without_a_budget_of_time_are_equal_runs_promised(void **state)
{
    (void)state;
    static char key_seed[] = NASH_RUN_SEED, key_budget[] = NASH_RUN_BUDGET;
    static char key_unit[] = NASH_RUN_BUDGET_UNIT, zero[] = "0";
    static char *three_keys[] = {key_seed, key_budget, key_unit};
    static char budgets[][2][12] = {{"", ""},
                                    {"1.5PFLOP", "PFLOP"},
                                    {"200 epochs", "epochs"},
                                    {"45min", "seconds"},
                                    {"2 h", "seconds"},
                                    {"2 h"}}; /* of before there was a unit */
    static const int n = sizeof budgets / sizeof *budgets;
    for (int i = 0; i < n; i++) {
        char *three_values[] = {zero, budgets[i][0], budgets[i][1]};
        nash_history h = {.n_settings = i < n - 1 ? 3 : 2,
                          .keys = three_keys,
                          .values = three_values};
        char *page = read_page(&h, NULL);
        assert_int_equal(
            strstr(page, "same seed and settings, same run") != NULL, i < 3);
        assert_int_equal(strstr(page, "the machine&#39;s speed") != NULL,
                         i == 3 || i == 4);
        assert_null(strstr(page, "Class by class"));
        ni_free(page);
    }
}

static void the_looks_of_a_result_are_said(void **state)
{
    (void)state;
    static char key_looks[] = NASH_RUN_LOOKS;
    static char key_once[] = NASH_RUN_ONCE_TEST_ERROR, value_once[] = "0.0875";
    static struct {
        char looks[8]; /* as recorded; "": not at all */
        bool once;     /* one look is judged, too */
        int32_t expected;
    } runs[] = {{"6", true, 6},   {"3", true, 3}, {"1", false, 1},
                {"", true, 2},    {"", false, 1}, {"many", true, 2},
                {"1e9", false, 1}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        made_run *run = make_run();
        char *own_keys[2], *own_values[2];
        int32_t n = 0;
        if (*runs[i].looks) {
            own_keys[n] = key_looks;
            own_values[n++] = runs[i].looks;
        }
        if (runs[i].once) {
            own_keys[n] = key_once;
            own_values[n++] = value_once;
        }
        run->history.keys = own_keys;
        run->history.values = own_values;
        run->history.n_settings = n;
        assert_int_equal(nash_report_looks(&run->history), runs[i].expected);
        char words[32], *page = read_page(&run->history, NULL);
        snprintf(words, sizeof words, "per look, of %d an image",
                 (int)runs[i].expected);
        assert_int_equal(strstr(page, words) != NULL, runs[i].expected > 1);
        assert_int_equal(strstr(page, "of one look: 8.75 %") != NULL,
                         runs[i].once);
        ni_free(page);
    }
}

static void random_runs_are_not_called_hill_climbing(void **state)
{
    (void)state;
    static char key[] = NASH_RUN_STRATEGY;
    static char hillclimb[] = "hillclimb", random[] = "random";
    char *own_keys[] = {key}, *own_values[] = {hillclimb};
    made_run *run = make_run();
    run->history.keys = own_keys;
    run->history.values = own_values;
    run->history.n_settings = 1;
    char *page = read_page(&run->history, NULL);
    assert_non_null(strstr(page, "hill climbing"));
    assert_non_null(strstr(page, "The one with the least loss of its step"));
    ni_free(page);
    own_values[0] = random;
    page = read_page(&run->history, NULL);
    assert_null(strstr(page, "hill climb"));
    assert_null(strstr(page, "The one with the least"));
    assert_non_null(strstr(page, "random network morphisms"));
    ni_free(page);
}

static void a_run_that_has_just_begun_has_a_page(void **state)
{
    (void)state;
    made_run *run = make_run();
    nash_history empty = {0};
    char *page = read_page(&empty, NULL);
    assert_well_formed(page);
    ni_free(page);
    run->history.n_records = 1;
    run->records[0].done = false;
    run->records[0].chosen = false;
    run->records[0].n_epochs = 0;
    page = read_page(&run->history, NULL);
    assert_well_formed(page);
    assert_non_null(strstr(page, "not finished"));
    assert_non_null(strstr(page, "No epoch has been recorded"));
    ni_free(page);
}

static void every_candidate_has_its_curves(void **state)
{
    (void)state;
    made_run *run = make_run();
    const int32_t won = 2 + STEPS, lost = run->history.n_records - won;
    char *page = read_page(&run->history, NULL);
    /* error and loss, each of training and validation */
    assert_int_equal(count_of(page, "<path class=\"n-train\""), 2 * won);
    assert_int_equal(count_of(page, "<path class=\"n-val\""), 2 * won);
    assert_int_equal(count_of(page, "<path class=\"n-other\""), 2 * lost);
    assert_int_equal(count_of(page, "<path class=\"n-other n-val\""), 2 * lost);
    assert_int_equal(count_of(page, "<path class=\"n-rate\""), won);
    ni_free(page);
}

/* How often the page's curves name a step. */
static int32_t count_names(const char *page)
{
    static const char *const names[] = {"step ", "start<", "final<"};
    int32_t n = 0;
    page = strstr(page, "id=\"curves\"");
    while (page && (page = strstr(page, "<text x=\""))) {
        page = strchr(page, '>') + 1;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            n += strncmp(page, names[i], strlen(names[i])) == 0;
    }
    return n;
}

/* 1000 epochs of the result make those of the steps 4 pixels wide. */
static void names_of_short_steps_do_not_overlap(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static nash_epoch epochs[MANY];
    made_run *run = make_run();
    char *page = read_page(&run->history, NULL);
    /* start, two steps and final, in three charts */
    assert_int_equal(count_names(page), 3 * 4);
    ni_free(page);
    nash_record *last = &run->records[run->history.n_records - 1];
    for (int32_t e = 0; e < MANY; e++) {
        epochs[e] = last->epochs[e < EPOCHS ? e : EPOCHS - 1];
        epochs[e].epoch = e;
    }
    last->epochs = epochs;
    last->n_epochs = MANY;
    page = read_page(&run->history, NULL);
    assert_int_equal(count_names(page), 3);
    ni_free(page);
}

static const char *last_dot(const char *page)
{
    const char *last = NULL;
    while ((page = strstr(page, "<circle class=\"n-dot"))) {
        last = page;
        page++;
    }
    assert_non_null(last);
    return last;
}

/* Of short epochs of a training that is not finished some are not recorded. */
static void epochs_are_drawn_where_they_belong(void **state)
{
    (void)state;
    made_run *run = make_run();
    char *page = read_page(&run->history, NULL);
    nash_record *last = &run->records[run->history.n_records - 1];
    assert_true(last->n_epochs > 1);
    last->epochs++; /* without the first */
    last->n_epochs--;
    char *other = read_page(&run->history, NULL);
    assert_int_equal(strncmp(last_dot(page), last_dot(other), 80), 0);
    ni_free(page);
    ni_free(other);
}

static void values_next_to_nothing_have_a_chart(void **state)
{
    (void)state;
    static const double tiny[] = {5e-324, 1e-310, 1e-300, 2e-300};
    for (size_t i = 0; i < sizeof tiny / sizeof *tiny; i++) {
        made_run *run = make_run();
        for (int32_t k = 0; k < RECORDS; k++)
            for (int32_t e = 0; e < EPOCHS; e++)
                run->epochs[k][e] = (nash_epoch){.epoch = e,
                                                 .lr = tiny[i],
                                                 .train_loss = tiny[i],
                                                 .train_error = tiny[i],
                                                 .val_loss = tiny[i],
                                                 .val_error = tiny[i]};
        alarm(20);
        char *page = read_page(&run->history, NULL);
        alarm(0);
        assert_well_formed(page);
        ni_free(page);
    }
}

/* ---- out of memory ------------------------------------------------------ */

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    random_graph_opts opts = random_graph_opts_default();
    opts.nodes = 40;
    nash_model *best = random_model(5, &opts);
    const nash_history *history = &make_run()->history;
    char path[64];
    snprintf(path, sizeof path, "/tmp/nash_test_oom.%d.html", (int)getpid());
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    int64_t allowed = 0;
    for (; status != NASH_OK; allowed++) {
        ni_memory_fail_after(allowed);
        status = nash_report_write(path, history, best);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_int_equal(access(path, F_OK), status == NASH_OK ? 0 : -1);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    unlink(path);
    assert_true(allowed > 15);
    nash_model_free(best);
}

static int64_t most_bytes;

static void *give(size_t bytes)
{
    int64_t after = ni_memory_live_bytes() + (int64_t)bytes;
    return after <= most_bytes ? ni_alloc((int64_t)bytes, 1) : NULL;
}

/* Recorded results are JSON, whose reader has memory of its own: with too
 * little for it there is no page, rather than one without them. */
static void a_page_that_memory_is_too_small_for_is_not_written(void **state)
{
    (void)state;
    const nash_history *history = &make_run()->history;
    cJSON_Hooks hooks = {give, ni_free};
    char path[64];
    snprintf(path, sizeof path, "/tmp/nash_test_json.%d.html", (int)getpid());
    int64_t blocks = ni_memory_live_blocks(), refused = 0;
    nash_status status = NASH_ENOMEM;
    cJSON_InitHooks(&hooks);
    for (int64_t bytes = 0; status != NASH_OK; bytes += 256) {
        most_bytes = ni_memory_live_bytes() + bytes;
        status = nash_report_write(path, history, NULL);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_int_equal(ni_memory_live_blocks(), blocks);
        refused += status != NASH_OK;
    }
    cJSON_InitHooks(NULL);
    char *page;
    size_t size;
    assert_int_equal(ni_file_read(&page, &size, path, 1 << 24), NASH_OK);
    assert_non_null(strstr(page, "Confusion</h3>"));
    assert_non_null(strstr(page, "<a href=\"#classes\">"));
    assert_true(refused > 0);
    ni_free(page);
    unlink(path);
}

static void a_page_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(
        nash_report_write("/nowhere/report.html", &make_run()->history, NULL),
        NASH_EIO);
    assert_non_null(strstr(nash_error_message(), "/nowhere/report.html"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_text_is_escaped),
        cmocka_unit_test(coordinates_are_rounded_to_tenths),
        cmocka_unit_test(the_page_is_well_formed_and_needs_nothing_else),
        cmocka_unit_test(the_page_says_what_happened),
        cmocka_unit_test(only_without_a_budget_of_time_are_equal_runs_promised),
        cmocka_unit_test(the_looks_of_a_result_are_said),
        cmocka_unit_test(random_runs_are_not_called_hill_climbing),
        cmocka_unit_test(a_run_that_has_just_begun_has_a_page),
        cmocka_unit_test(every_candidate_has_its_curves),
        cmocka_unit_test(names_of_short_steps_do_not_overlap),
        cmocka_unit_test(epochs_are_drawn_where_they_belong),
        cmocka_unit_test(values_next_to_nothing_have_a_chart),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
        cmocka_unit_test(a_page_that_memory_is_too_small_for_is_not_written),
        cmocka_unit_test(a_page_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
