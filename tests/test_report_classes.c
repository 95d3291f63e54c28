/* Reports: errors by class and confusions, of few classes and of many. */
#include "base/memory.h"
#include "markup.h"
#include "report/text.h"
#include "report_fixture.h"

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

static void results_that_are_not_sound_are_left_out(void **state)
{
    (void)state;
    static char broken[] = "[[1,2],[";
    static char odd[] = "[\"x\",{},[\"y\"]]";
    made_run *run = make_run();
    char *kept = run->history.values[CONFUSION];
    char *kept_errors = run->history.values[CLASS_ERRORS];
    run->history.values[CONFUSION] = broken;
    run->history.values[CLASS_ERRORS] = odd;
    char *page = read_page(&run->history, NULL);
    run->history.values[CONFUSION] = kept;
    run->history.values[CLASS_ERRORS] = kept_errors;
    assert_well_formed(page);
    assert_null(strstr(page, "Confusion</h3>"));
    ni_free(page);
}

static void many_classes_get_a_list_instead_of_a_matrix(void **state)
{
    (void)state;
    made_run *run = make_run();
    char *kept = run->history.values[CONFUSION];
    ni_text t = {0};
    for (int i = 0; i < 30; i++) {
        ni_text_put(&t, i ? ",[" : "[[");
        for (int k = 0; k < 30; k++)
            ni_text_add(&t, "%s%d", k ? "," : "", i * 30 + k);
        ni_text_put(&t, "]");
    }
    ni_text_put(&t, "]");
    run->history.values[CONFUSION] = ni_text_take(&t);
    char *page = read_page(&run->history, NULL);
    ni_free(run->history.values[CONFUSION]);
    run->history.values[CONFUSION] = kept;
    assert_well_formed(page);
    assert_null(strstr(page, "Confusion</h3>"));
    assert_non_null(strstr(page, "<tr><td>class 29</td><td>class 28</td>"
                                 "<td>898</td></tr>\n<tr><td>class 29</td>"
                                 "<td>class 27</td><td>897</td></tr>"));
    ni_free(page);
}

/* ---- hundreds of classes ------------------------------------------------ */

enum { MANY_CLASSES = 300, NO_IMAGES = 10 };

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
    static char key_classes[] = "classes";
    static char key_errors[] = "test_class_errors";
    static char key_images[] = "test_class_images";
    static char key_confusions[] = "test_confusions";
    char *some_keys[] = {key_classes, key_errors, key_images, key_confusions};
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
    assert_non_null(strstr(
        page, "<tbody>\n<tr><th scope=\"row\">owl &amp;200</th><td>75.00 %</td>"
              "<td class=\"quiet\">of 700</td>"));
    const char *second =
        strstr(page, "<th scope=\"row\">owl &amp;100</th><td>75.00 %</td>");
    const char *third =
        strstr(page, "<th scope=\"row\">owl &amp;299</th><td>29.90 %</td>");
    assert_non_null(second);
    assert_non_null(third);
    assert_true(second < third);
    assert_null(strstr(page, "<th scope=\"row\">owl &amp;151</th>"));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_that_are_not_sound_are_left_out),
        cmocka_unit_test(many_classes_get_a_list_instead_of_a_matrix),
        cmocka_unit_test(of_many_classes_the_largest_errors_are_listed),
        cmocka_unit_test(of_many_classes_the_commonest_confusions_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
