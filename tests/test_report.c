/* Reports: pages that are well formed whatever is in them, plain words. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "markup.h"
#include "random_graph.h"
#include "report/text.h"

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

/* ---- a made-up run ------------------------------------------------------ */

enum { STEPS = 2, CHILDREN = 3, EPOCHS = 4, RECORDS = 2 + STEPS * CHILDREN };

/* Everything in it is static: nothing of it needs to be freed. */
typedef struct made_run {
    nash_history history;
    nash_record records[RECORDS];
    nash_epoch epochs[RECORDS][EPOCHS];
} made_run;

static char morph_deepen[] = "deepen:at=relu_4,kernel=5";
static char morph_skip[] = "add_skip:at=relu_8,from=relu_4,seed=7";
static char morph_evil[] = "<b>\"&' \xff\x01";
static char *morphs[3] = {morph_deepen, morph_skip, morph_evil};
static char no_message[] = "";
static char failure[] = "loss of epoch 2 is not finite </td><script>";

static char key_classes[] = "classes", value_classes[] = "[\"cat\",\"<dog>\"]";
static char key_evil[] = "evil<i>", value_evil[] = "a\"b'&c<!--";
static char key_start[] = "start_test_error", value_start[] = "0.25";
static char key_classerr[] = "test_class_errors", value_classerr[] = "[0.1,0]";
static char key_confusion[] = "test_confusion";
static char value_confusion[] = "[[90,10],[0,100]]";
static char key_error[] = "test_error", value_error[] = "0.0625";
static char *keys[] = {key_classes,  key_evil,      key_start,
                       key_classerr, key_confusion, key_error};
static char *values[] = {value_classes,  value_evil,      value_start,
                         value_classerr, value_confusion, value_error};

static void make_epochs(made_run *run, nash_record *r, int32_t n)
{
    nash_epoch *epochs = run->epochs[r - run->records];
    for (int32_t e = 0; e < n; e++) {
        bool judged = e == n - 1;
        epochs[e] = (nash_epoch){
            .epoch = e,
            .lr = 0.05 / (e + 1),
            .train_loss = 1.0 / (e + 1 + r->step),
            .train_error = 0.5 / (e + 1 + r->step),
            .val_loss = judged ? 0.9 / (e + 1 + r->step) : nan(""),
            .val_error = judged ? 0.4 / (e + 1 + r->step) : nan("")};
    }
    r->epochs = epochs;
    r->n_epochs = n;
}

static nash_record *add_record(made_run *run, int32_t step, int32_t child,
                               nash_candidate_kind kind, bool chosen)
{
    nash_record *r = &run->records[run->history.n_records++];
    *r = (nash_record){.step = step,
                       .child = child,
                       .parent_step = step - 1,
                       .parent_child = step > 1 ? 1 : 0,
                       .kind = kind,
                       .done = true,
                       .chosen = chosen,
                       .message = no_message,
                       .params = 1000 * (step + 1),
                       .macs = 123456,
                       .val = {0.5, 0.2, 0.21, 100},
                       .seconds = 61,
                       .pflop = 0.01};
    make_epochs(run, r, EPOCHS);
    return r;
}

static made_run *make_run(void)
{
    static made_run run;
    run = (made_run){.history = {.records = run.records,
                                 .n_settings = 6,
                                 .keys = keys,
                                 .values = values}};
    add_record(&run, 0, 0, NASH_CANDIDATE_START, true)->parent_child = -1;
    for (int32_t step = 1; step <= STEPS; step++) {
        nash_record *child =
            add_record(&run, step, 0, NASH_CANDIDATE_CHILD, false);
        child->morphs = morphs;
        child->n_morphs = 3;
        child = add_record(&run, step, 1, NASH_CANDIDATE_CHILD, true);
        child->morphs = morphs;
        child->n_morphs = 1;
        add_record(&run, step, 2, NASH_CANDIDATE_PARENT, false);
    }
    nash_record *failed = &run.records[1];
    failed->status = NASH_EDIVERGED;
    failed->message = failure;
    failed->val = (nash_score){nan(""), nan(""), nan(""), 0};
    nash_record *last =
        add_record(&run, STEPS + 1, 0, NASH_CANDIDATE_FINAL, true);
    last->val = (nash_score){nan(""), nan(""), nan(""), 0};
    run.history.refused[NASH_MORPH_WIDEN] = 3;
    return &run;
}

/* ---- pages ----------------------------------------------------------------
 */

static char *read_page(const nash_history *history, const nash_model *best)
{
    char path[64], *text;
    size_t size;
    snprintf(path, sizeof path, "/tmp/nash_test_report.%d.html", (int)getpid());
    assert_int_equal(nash_report_write(path, history, best), NASH_OK);
    assert_int_equal(ni_file_read(&text, &size, path, 1 << 24), NASH_OK);
    assert_int_equal(strlen(text), size);
    unlink(path);
    return text;
}

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

static void results_that_are_not_sound_are_left_out(void **state)
{
    (void)state;
    static char broken[] = "[[1,2],[";
    static char odd[] = "[\"x\",{},[\"y\"]]";
    made_run *run = make_run();
    char *kept = values[4], *kept_errors = values[3];
    values[4] = broken;
    values[3] = odd;
    char *page = read_page(&run->history, NULL);
    values[4] = kept;
    values[3] = kept_errors;
    assert_well_formed(page);
    assert_null(strstr(page, "Confusion</h3>"));
    ni_free(page);
}

static void many_classes_get_a_list_instead_of_a_matrix(void **state)
{
    (void)state;
    made_run *run = make_run();
    char *kept = values[4];
    ni_text t = {0};
    for (int i = 0; i < 30; i++) {
        ni_text_put(&t, i ? ",[" : "[[");
        for (int k = 0; k < 30; k++)
            ni_text_add(&t, "%s%d", k ? "," : "", i * 30 + k);
        ni_text_put(&t, "]");
    }
    ni_text_put(&t, "]");
    values[4] = ni_text_take(&t);
    char *page = read_page(&run->history, NULL);
    ni_free(values[4]);
    values[4] = kept;
    assert_well_formed(page);
    assert_null(strstr(page, "Confusion</h3>"));
    assert_non_null(strstr(page, "<tr><td>class 29</td><td>class 28</td>"
                                 "<td>898</td></tr>\n<tr><td>class 29</td>"
                                 "<td>class 27</td><td>897</td></tr>"));
    ni_free(page);
}

/* ---- hundreds of classes ------------------------------------------------ */

enum { MANY_CLASSES = 300, NO_IMAGES = 10 };

static int32_t count_of(const char *page, const char *text)
{
    int32_t n = 0;
    for (; (page = strstr(page, text)); page++)
        n++;
    return n;
}

/* A JSON array, item k as its writer has it; yours to free. */
static char *make_array(void (*write)(ni_text *t, int k))
{
    ni_text t = {0};
    for (int k = 0; k < MANY_CLASSES; k++) {
        ni_text_put(&t, k ? "," : "[");
        write(&t, k);
    }
    ni_text_put(&t, "]");
    return ni_text_take(&t);
}

static void write_name(ni_text *t, int k)
{
    ni_text_add(t, "\"owl &%d\"", k);
}

/* Every third class without an error; 100 and 200 with the largest. */
static void write_error(ni_text *t, int k)
{
    if (k < NO_IMAGES)
        ni_text_put(t, "null");
    else if (k % 100 == 0)
        ni_text_put(t, "0.75");
    else
        ni_text_add(t, "%g", k % 3 ? k / 1000.0 : 0.0);
}

static void write_images(ni_text *t, int k)
{
    ni_text_add(t, "%d", k < NO_IMAGES ? 0 : 500 + k);
}

/* The most frequent first, after what is not sound. */
static void write_pair(ni_text *t, int k)
{
    static const char *const odd[NO_IMAGES] = {
        "[11,2]",       "[-1,2,9]", "{}",           "7",        "[1e30,2,9]",
        "[11,\"x\",9]", "[]",       "[11,12,null]", "\"text\"", "[[1],2,3]"};
    if (k < NO_IMAGES)
        ni_text_put(t, odd[k]);
    else
        ni_text_add(t, "[%d,%d,%d]", k, MANY_CLASSES - k, 400 - k);
}

static char *read_page_of_many(void)
{
    static char key_images[] = "test_class_images";
    static char key_confusions[] = "test_confusions";
    char *some_keys[] = {key_classes, key_classerr, key_images, key_confusions};
    char *some_values[] = {make_array(write_name), make_array(write_error),
                           make_array(write_images), make_array(write_pair)};
    nash_history history = {
        .n_settings = 4, .keys = some_keys, .values = some_values};
    char *page = read_page(&history, NULL);
    for (int i = 0; i < 4; i++)
        ni_free(some_values[i]);
    assert_well_formed(page);
    return page;
}

/* 194 of the 290 classes with images have errors. */
static void of_many_classes_the_largest_errors_are_listed(void **state)
{
    (void)state;
    char *page = read_page_of_many();
    assert_non_null(strstr(page, "<p>194 of 300 classes have errors; the 100 "
                                 "largest are listed, the others are 15.10 % "
                                 "at most; 10 have no test image.</p>"));
    assert_int_equal(count_of(page, "<td class=\"bar\">"), 100);
    assert_non_null(strstr(page,
                           "<tbody>\n<tr><th>owl &amp;200</th><td>75.00 %</td>"
                           "<td class=\"quiet\">of 700</td>"));
    const char *second = strstr(page, "<th>owl &amp;100</th><td>75.00 %</td>");
    const char *third = strstr(page, "<th>owl &amp;299</th><td>29.90 %</td>");
    assert_non_null(second);
    assert_non_null(third);
    assert_true(second < third);
    assert_null(strstr(page, "<th>owl &amp;151</th>"));
    ni_free(page);
}

static void of_many_classes_the_commonest_confusions_are_listed(void **state)
{
    (void)state;
    char *page = read_page_of_many();
    const char *list = strstr(page, "Commonest confusions</h3>");
    assert_non_null(list);
    assert_null(strstr(page, "Confusion</h3>"));
    assert_non_null(
        strstr(list, "<tbody>\n<tr><td>owl &amp;10</td><td>owl &amp;290</td>"
                     "<td>390 of 510</td></tr>\n<tr><td>owl &amp;11</td>"));
    assert_int_equal(count_of(list, "</td><td>owl"), 50);
    /* what has a section of its own is not listed among the settings */
    assert_null(strstr(page, "<b>test_c"));
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

/* ---- words -------------------------------------------------------------- */

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
        cmocka_unit_test(results_that_are_not_sound_are_left_out),
        cmocka_unit_test(many_classes_get_a_list_instead_of_a_matrix),
        cmocka_unit_test(of_many_classes_the_largest_errors_are_listed),
        cmocka_unit_test(of_many_classes_the_commonest_confusions_are_listed),
        cmocka_unit_test(every_candidate_has_its_curves),
        cmocka_unit_test(names_of_short_steps_do_not_overlap),
        cmocka_unit_test(epochs_are_drawn_where_they_belong),
        cmocka_unit_test(values_next_to_nothing_have_a_chart),
        cmocka_unit_test(morphisms_are_put_in_plain_words),
        cmocka_unit_test(costs_are_said_in_a_unit_that_suits_them),
        cmocka_unit_test(candidates_of_any_kind_are_called_something),
        cmocka_unit_test(operations_are_described),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
        cmocka_unit_test(a_page_that_memory_is_too_small_for_is_not_written),
        cmocka_unit_test(a_page_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
