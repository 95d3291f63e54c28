/* The reader of our own ONNX files over broken ones, and out of memory. */
#include "onnx_fixture.h"

#include "base/memory.h"
#include "base/rng.h"
#include "onnx/pack.h"
#include "random_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- broken files ------------------------------------------------------- */

/* Whatever comes back must be a complete model, which can be written. */
static void try_bytes(const void *bytes, size_t n)
{
    nash_model *m = NULL;
    void *again = NULL;
    size_t n_again;
    nash_status status = nash_onnx_parse(&m, bytes, n, "broken.onnx");
    if (status != NASH_OK) {
        assert_null(m);
        assert_true(status == NASH_EFORMAT || status == NASH_EUNSUPPORTED ||
                    status == NASH_ELIMIT);
        assert_says("broken.onnx");
        return;
    }
    assert_ok(nash_graph_check(nash_model_graph(m)));
    assert_ok(ni_onnx_pack(&again, &n_again, m));
    ni_free(again);
    nash_model_free(m);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    nash_model *m = make_small();
    char *bytes = NULL;
    size_t n;
    assert_ok(ni_onnx_pack((void **)&bytes, &n, m));
    for (size_t cut = 0; cut < n; cut++) {
        nash_model *back = NULL;
        char *exact = ni_alloc((int64_t)cut, 1);
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        nash_status status = nash_onnx_parse(&back, exact, cut, "cut.onnx");
        assert_int_not_equal(status, NASH_OK);
        assert_null(back);
        ni_free(exact);
    }
    ni_free(bytes);
    nash_model_free(m);
}

static void flipped_bits_never_crash_the_reader(void **state)
{
    (void)state;
    int64_t blocks = ni_memory_live_blocks();
    nash_model *m = random_model(11, NULL);
    nash_model_set_looks(m, (nash_looks){.mirrored = true, .shifted = true});
    char *bytes = NULL;
    size_t n;
    assert_ok(ni_onnx_pack((void **)&bytes, &n, m));
    for (uint32_t draw = 0; draw < 6000; draw++) {
        ni_rng rng = ni_rng_make(2, NI_RNG_TEST, draw, 0);
        size_t at[3];
        char bit[3];
        for (int i = 0; i < 3; i++) {
            at[i] = ni_rng_below(&rng, (uint32_t)n);
            bit[i] = (char)(1 << ni_rng_below(&rng, 8));
            bytes[at[i]] ^= bit[i];
        }
        try_bytes(bytes, n);
        for (int i = 0; i < 3; i++)
            bytes[at[i]] ^= bit[i];
    }
    ni_free(bytes);
    nash_model_free(m);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

static void anything_but_onnx_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "hello", "\177ELF\2\1\1", "{}",
                                        "PK\3\4"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nash_model *m = NULL;
        assert_int_equal(
            nash_onnx_parse(&m, texts[i], strlen(texts[i]), "text"),
            NASH_EFORMAT);
        assert_says("text");
    }
}

/* "graph" (field 7) within "graph" (of an attribute of a node) and so on, as
 * deep as a message of such a size can be. */
static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 30000, ROOM = DEPTH * 18 };
    uint8_t *bytes = ni_alloc(ROOM, 1), *at;
    assert_non_null(bytes);
    at = bytes + ROOM;
    static const uint8_t keys[3] = {0x0A, 0x2A, 0x32}; /* node, attribute, g */
    for (int i = 0; i < DEPTH; i++) {
        size_t inner = (size_t)(bytes + ROOM - at);
        uint8_t head[6] = {i == DEPTH - 1 ? 0x3A : keys[(DEPTH - 2 - i) % 3]};
        size_t n = 1;
        for (; inner >= 0x80; inner >>= 7)
            head[n++] = (uint8_t)(inner | 0x80);
        head[n++] = (uint8_t)inner;
        at -= n;
        memcpy(at, head, n);
    }
    nash_model *m = NULL;
    assert_int_equal(
        nash_onnx_parse(&m, at, (size_t)(bytes + ROOM - at), "deep.onnx"),
        NASH_ELIMIT);
    assert_says("deep.onnx nests messages deeper than");
    ni_free(bytes);
}

static void a_graph_that_stands_twice_is_refused(void **state)
{
    (void)state;
    static const char bytes[] = {0x3A, 2, 0x12, 0, 0x3A, 2, 0x12, 0};
    nash_model *m = NULL;
    assert_int_equal(nash_onnx_parse(&m, bytes, sizeof bytes, "twice.onnx"),
                     NASH_EFORMAT);
    assert_says("\"graph\" stands twice");
}

static void
a_file_of_empty_fields_is_refused_before_it_takes_memory(void **state)
{
    (void)state;
    enum { FIELDS = 5 << 20 };
    uint8_t *bytes = ni_alloc(2 * FIELDS, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < FIELDS; i++)
        bytes[2 * i] = 0x72; /* metadata_props, empty */
    nash_model *m = NULL;
    ni_memory_fail_after(0);
    nash_status status = nash_onnx_parse(&m, bytes, 2 * FIELDS, "empty.onnx");
    ni_memory_fail_after(-1);
    assert_int_equal(status, NASH_ELIMIT);
    ni_free(bytes);
}

/* ---- memory ------------------------------------------------------------- */

static nash_status write_and_read(const nash_model *m)
{
    nash_status status = NASH_OK;
    void *bytes = NULL;
    size_t n;
    nash_model *back = NULL;
    TRY(ni_onnx_pack(&bytes, &n, m));
    TRY(nash_onnx_parse(&back, bytes, n, "memory.onnx"));
done:
    nash_model_free(back);
    ni_free(bytes);
    return status;
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    nash_model *m = random_model(9, NULL);
    assert_ok(nash_model_set_meta(m, "key", "value"));
    nash_model_set_looks(m, (nash_looks){.mirrored = true, .shifted = true});
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = NASH_ENOMEM;
    int64_t allowed = 0;
    for (; status != NASH_OK; allowed++) {
        ni_memory_fail_after(allowed);
        status = write_and_read(m);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_int_equal(ni_memory_live_blocks(), blocks);
    }
    assert_true(allowed > 500);
    nash_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(flipped_bits_never_crash_the_reader),
        cmocka_unit_test(anything_but_onnx_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_graph_that_stands_twice_is_refused),
        cmocka_unit_test(
            a_file_of_empty_fields_is_refused_before_it_takes_memory),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
