/* Reports: text that stands out in light and dark (WCAG 2, AA: contrast of 4.5
 * to 1), and what screen readers go by. */
#include "base/memory.h"
#include "report_fixture.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double least = 4.5;

typedef struct colour {
    double part[3]; /* red, green, blue: 0 .. 255 */
} colour;

/* WCAG 2: relative luminance of sRGB. */
static double luminance(colour c)
{
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double v = c.part[i] / 255;
        sum += weight[i] *
               (v <= 0.03928 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static double contrast(colour a, colour b)
{
    double x = luminance(a) + 0.05, y = luminance(b) + 0.05;
    return x > y ? x / y : y / x;
}

/* "#fff" or "#1f2937", from the first '#' on. */
static colour read_colour(const char *at)
{
    at = strchr(at, '#');
    assert_non_null(at);
    size_t n = 0;
    while (isxdigit((unsigned char)at[1 + n]))
        n++;
    assert_true(n == 3 || n == 6);
    unsigned long v = strtoul(at + 1, NULL, 16);
    colour c;
    for (int i = 0; i < 3; i++)
        c.part[i] = n == 6 ? (double)(v >> (16 - 8 * i) & 255)
                           : (double)(v >> (8 - 4 * i) & 15) * 17;
    return c;
}

static const char *after(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    if (!at)
        fail_msg("'%s' is not there", words);
    return at + strlen(words);
}

/* The value of a variable of the page; where dark does not set it, the light
 * one's holds. */
static const char *variable(const char *page, bool dark, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "--%s:", name);
    const char *light = after(page, ":root{");
    const char *own = dark ? after(light, ":root{") : light;
    const char *at = strstr(own, key);
    return at && at < strchr(own, '}') ? at + strlen(key) : after(light, key);
}

static void text_of_pages_stands_out(void **state)
{
    (void)state;
    static const char *const texts[] = {"ink", "quiet", "accent",
                                        "bad", "train", "val-ink"};
    static const char *const grounds[] = {"ground", "raised", "won"};
    char *page = read_page(&make_run()->history, NULL);
    for (int dark = 0; dark < 2; dark++)
        for (int i = 0; i < 6 * 3; i++) {
            const char *text = texts[i / 3], *ground = grounds[i % 3];
            double got = contrast(read_colour(variable(page, dark, text)),
                                  read_colour(variable(page, dark, ground)));
            if (got < least)
                fail_msg("%s on %s: %.2f to 1 (%s)", text, ground, got,
                         dark ? "dark" : "light");
        }
    assert_non_null(strstr(page, ".key .val{color:var(--val-ink)"));
    ni_free(page);
}

/* A cell of the matrix, [share] of 1, laid on the ground. */
static colour tinted(const char *page, bool dark, const char *tint,
                     double share, double deepest)
{
    const char *at = variable(page, dark, tint);
    double deep = fmin(share, deepest);
    colour c = read_colour(variable(page, dark, "ground"));
    for (int i = 0; i < 3; i++) {
        char *end;
        c.part[i] = deep * strtod(at, &end) + (1 - deep) * c.part[i];
        assert_true(end != at);
        at = end;
    }
    return c;
}

static void counts_of_confusions_stand_out(void **state)
{
    (void)state;
    static char certain[] = "[[0,7],[7,0]]";
    made_run *run = make_run();
    char *kept = run->history.values[CONFUSION];
    run->history.values[CONFUSION] = certain;
    char *page = read_page(&run->history, NULL);
    run->history.values[CONFUSION] = kept;
    assert_int_equal(count_of(page, "<td style=\"--shade:90%\">7</td>"), 2);
    assert_int_equal(
        count_of(page, "<td class=\"right\" style=\"--shade:0%\">"), 2);
    for (int dark = 0; dark < 2; dark++) {
        colour ink = read_colour(variable(page, dark, "ink"));
        double deepest = strtod(variable(page, dark, "deepest"), NULL) / 100;
        for (int shade = 0; shade <= 90; shade++) {
            double share = shade / 100.0;
            colour wrong = tinted(page, dark, "wrong", share, deepest);
            colour right = tinted(page, dark, "right", share / 2, 1);
            assert_true(contrast(ink, wrong) >= least);
            assert_true(contrast(ink, right) >= least);
        }
    }
    ni_free(page);
}

/* Of boxes: their small print, and the rest. */
static void text_of_drawings_stands_out(void **state)
{
    (void)state;
    char *svg;
    assert_int_equal(nash_lineage_svg(&svg, &make_run()->history), NASH_OK);
    char *dark = strstr(svg, "@media(prefers-color-scheme:dark)");
    assert_non_null(dark);
    dark[-1] = '\0'; /* between two rules */
    const char *const schemes[] = {svg, dark};
    for (int i = 0; i < 2; i++) {
        colour text = read_colour(after(schemes[i], "svg.n text{"));
        colour small = read_colour(after(schemes[i], "svg.n .n-small{"));
        const char *at = schemes[i];
        int n = 0;
        for (; (at = strstr(at, "rect{fill:")); at++, n++) {
            double got = contrast(small, read_colour(at));
            if (got < least)
                fail_msg("small print on %.17s: %.2f to 1", at + 5, got);
            assert_true(contrast(text, read_colour(at)) >= least);
        }
        assert_true(n > 5);
    }
    nash_text_free(svg);
}

static void headers_and_drawings_say_what_they_are(void **state)
{
    (void)state;
    char *svg, *page = read_page(&make_run()->history, NULL);
    const int32_t headers = count_of(page, "<th") - count_of(page, "<thead");
    assert_true(headers > 20);
    assert_int_equal(count_of(page, "<th scope=\"col\"") +
                         count_of(page, "<th scope=\"row\""),
                     headers);
    /* three charts; the lineage has links in it, which an image could not */
    assert_int_equal(count_of(page, "<svg "), 4);
    assert_int_equal(count_of(page, " role=\"img\""), 3);
    assert_int_equal(count_of(page, " role=\"group\""), 1);
    ni_free(page);
    assert_int_equal(nash_lineage_svg(&svg, &make_run()->history), NASH_OK);
    assert_int_equal(count_of(svg, " role=\"img\""), 1);
    nash_text_free(svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_pages_stands_out),
        cmocka_unit_test(counts_of_confusions_stand_out),
        cmocka_unit_test(text_of_drawings_stands_out),
        cmocka_unit_test(headers_and_drawings_say_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
