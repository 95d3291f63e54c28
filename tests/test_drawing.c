/* Drawings: nothing in them covers anything else, and nothing is missing. */
#include "base/memory.h"
#include "markup.h"
#include "random_graph.h"

#include <nash/report.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct box {
    double left, top, right, bottom;
} box;

static double read_attribute(const char *at, const char *name)
{
    char key[16];
    snprintf(key, sizeof key, " %s=\"", name);
    const char *value = strstr(at, key);
    assert_non_null(value);
    return strtod(value + strlen(key), NULL);
}

/* The boxes of a drawing. @return how many */
static int read_boxes(box *boxes, int most, const char *svg)
{
    int n = 0;
    for (const char *at = svg; (at = strstr(at, "<rect x=")); at++) {
        double x = read_attribute(at, "x"), y = read_attribute(at, "y");
        assert_true(n < most);
        boxes[n++] = (box){x, y, x + read_attribute(at, "width"),
                           y + read_attribute(at, "height")};
    }
    return n;
}

static bool overlap(const box *a, const box *b)
{
    const double touch = 0.2; /* rounding; lines end on borders */
    return a->left < b->right - touch && b->left < a->right - touch &&
           a->top < b->bottom - touch && b->top < a->bottom - touch;
}

static void assert_misses(const box *line, const box *boxes, int n)
{
    for (int i = 0; i < n; i++)
        if (overlap(line, &boxes[i]))
            fail_msg("the line from %g,%g to %g,%g crosses the box at %g,%g",
                     line->left, line->top, line->right, line->bottom,
                     boxes[i].left, boxes[i].top);
}

/* Follow "M1,2L3,4Q5,6 7,8...": the stretch between any two points. */
static void check_path(const char *path, const box *boxes, int n)
{
    double x = 0, y = 0;
    bool first = true;
    while (*path && *path != '"') {
        char *end;
        double next_x = strtod(path + 1, &end), next_y = strtod(end + 1, &end);
        box line = {fmin(x, next_x) - 0.1, fmin(y, next_y) - 0.1,
                    fmax(x, next_x) + 0.1, fmax(y, next_y) + 0.1};
        if (!first)
            assert_misses(&line, boxes, n);
        first = false;
        x = next_x;
        y = next_y;
        path = end;
    }
}

static int count_of(const char *svg, const char *text)
{
    int n = 0;
    for (; (svg = strstr(svg, text)); svg++)
        n++;
    return n;
}

static int count_edges(const nash_graph *g)
{
    int n = 0;
    for (int32_t id = 0; id < nash_graph_size(g); id++)
        n += nash_graph_node(g, id)->n_inputs;
    return n;
}

static void check_drawing(const nash_graph *g)
{
    enum { MOST = 1024 };
    static box boxes[MOST];
    char *svg;
    assert_int_equal(nash_graph_svg(&svg, g), NASH_OK);
    assert_well_formed(svg);
    int n = read_boxes(boxes, MOST, svg);
    box page = {0, 0, read_attribute(svg, "width"),
                read_attribute(svg, "height")};
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            assert_false(overlap(&boxes[i], &boxes[k]));
        assert_true(boxes[i].left >= 0 && boxes[i].right <= page.right);
        assert_true(boxes[i].top >= 0 && boxes[i].bottom <= page.bottom);
    }
    int links = 0;
    for (const char *at = svg; (at = strstr(at, "<path class=\"n-link"));
         at++) {
        check_path(strstr(at, " d=\"") + 4, boxes, n);
        links++;
    }
    /* all edges but those from node to node within a box */
    assert_int_equal(links, count_edges(g) - (nash_graph_size(g) - n));
    assert_int_equal(count_of(svg, "<path class=\"n-tip"), links);
    nash_text_free(svg);
}

static void links_of_drawings_never_cross_boxes(void **state)
{
    (void)state;
    random_graph_opts opts = random_graph_opts_default();
    for (uint64_t seed = 0; seed < 200; seed++) {
        opts.nodes = 4 + (int32_t)(seed % 60);
        opts.exotic = seed % 2 == 0;
        nash_model *m = random_model(seed, &opts);
        check_drawing(nash_model_graph(m));
        nash_model_free(m);
    }
}

/* Whether a name stands there whole: conv_1 is not in conv_12. */
static bool is_named(const char *svg, const char *name)
{
    for (const char *at = svg; (at = strstr(at, name)); at++)
        if (strchr("> ", at[-1]) && strchr(" <", at[strlen(name)]))
            return true;
    return false;
}

static void every_node_is_in_the_drawing(void **state)
{
    (void)state;
    nash_net_opts opts = nash_net_opts_default();
    nash_model *m;
    char *svg, name[32];
    assert_int_equal(nash_net_resnet9(&m, &opts), NASH_OK);
    const nash_graph *g = nash_model_graph(m);
    assert_int_equal(nash_graph_svg(&svg, g), NASH_OK);
    for (int32_t id = 0; id < nash_graph_size(g); id++) {
        nash_node_name(name, sizeof name, g, id);
        if (!is_named(svg, name))
            fail_msg("%s is not in the drawing", name);
    }
    assert_non_null(strstr(svg, "512 \u00d7 4 \u00d7 4"));
    nash_text_free(svg);
    nash_model_free(m);
}

static nash_graph *make_chain(int32_t nodes, nash_op op, int32_t inputs)
{
    nash_graph *g;
    nash_attrs input = {.out_channels = 1, .size = {1, 1}};
    int32_t sources[64] = {0};
    assert_int_equal(nash_graph_create(&g), NASH_OK);
    assert_int_equal(nash_graph_append(NULL, g, NASH_OP_INPUT, &input, NULL, 0),
                     NASH_OK);
    for (int32_t id = 1; id < nodes; id++) {
        for (int32_t k = 0; k < inputs; k++)
            sources[k] = id > k ? id - 1 - k : 0;
        assert_int_equal(nash_graph_append(NULL, g, op, NULL, sources, inputs),
                         NASH_OK);
    }
    return g;
}

static void the_densest_graphs_are_drawn_or_refused_in_time(void **state)
{
    (void)state;
    char *svg;
    nash_graph *g = make_chain(4096, NASH_OP_RELU, 1);
    assert_int_equal(nash_graph_svg(&svg, g), NASH_OK);
    nash_text_free(svg);
    nash_graph_free(g);
    g = make_chain(128, NASH_OP_ADD, 64);
    assert_int_equal(nash_graph_svg(&svg, g), NASH_OK);
    nash_text_free(svg);
    nash_graph_free(g);
    g = make_chain(4097, NASH_OP_RELU, 1);
    assert_int_equal(nash_graph_svg(&svg, g), NASH_ELIMIT);
    assert_null(svg);
    nash_graph_free(g);
    g = make_chain(200, NASH_OP_ADD, 64);
    assert_int_equal(nash_graph_svg(&svg, g), NASH_ELIMIT);
    nash_graph_free(g);
}

static void lineages_of_any_width_are_drawn(void **state)
{
    (void)state;
    static nash_record records[100];
    enum { MOST = 200 };
    static box boxes[MOST];
    nash_history history = {.records = records};
    for (int32_t step = 0; step < 4; step++)
        for (int32_t child = 0; child < 1 + 9 * step; child++)
            records[history.n_records++] = (nash_record){
                .step = step,
                .child = child,
                .parent_step = step - 1,
                .parent_child = step > 1 ? step % 2 : step - 1,
                .kind = step ? NASH_CANDIDATE_CHILD : NASH_CANDIDATE_START,
                .done = true,
                .chosen = child == 0,
                .val = {1, 0.5, 0.5, 10}};
    char *svg;
    assert_int_equal(nash_lineage_svg(&svg, &history), NASH_OK);
    assert_well_formed(svg);
    int n = read_boxes(boxes, MOST, svg);
    assert_int_equal(n, history.n_records);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            assert_false(overlap(&boxes[i], &boxes[k]));
    /* each is tied to its parent, but for the first, which has none */
    assert_int_equal(count_of(svg, "<path class=\"n-branch"), n - 1);
    assert_int_equal(count_of(svg, "<path class=\"n-branch n-won\""), 3);
    assert_int_equal(count_of(svg, "<g class=\"n-won\""), 4);
    nash_text_free(svg);
}

static void a_lineage_of_nobody_has_a_size(void **state)
{
    (void)state;
    const nash_history history = {0};
    char *svg;
    assert_int_equal(nash_lineage_svg(&svg, &history), NASH_OK);
    assert_well_formed(svg);
    assert_true(read_attribute(svg, "width") > 0);
    assert_true(read_attribute(svg, "height") > 0);
    nash_text_free(svg);
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    random_graph_opts opts = random_graph_opts_default();
    opts.nodes = 40;
    nash_model *best = random_model(5, &opts);
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    int64_t allowed = 0;
    for (; status != NASH_OK; allowed++) {
        char *svg;
        ni_memory_fail_after(allowed);
        status = nash_graph_svg(&svg, nash_model_graph(best));
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_int_equal(!svg, status != NASH_OK);
        nash_text_free(svg);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_true(allowed > 12);
    nash_model_free(best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_of_drawings_never_cross_boxes),
        cmocka_unit_test(every_node_is_in_the_drawing),
        cmocka_unit_test(the_densest_graphs_are_drawn_or_refused_in_time),
        cmocka_unit_test(lineages_of_any_width_are_drawn),
        cmocka_unit_test(a_lineage_of_nobody_has_a_size),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
