/* ONNX files whose tensors lie in files beside them: read as if they were one
 * file, and nothing outside of the folder is touched. */
#include "base/file.h"
#include "base/memory.h"
#include "onnx_made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* conv [2,3,2,2] with bias [2], at 64 and 0 of the other file */
enum { WEIGHT = 24, BIAS = 2, PLACE = 64, BYTES = PLACE + 4 * WEIGHT };

static char folder[] = "/tmp/nash-external-XXXXXX";
static char path[64], other[64], outside[64];

static int open_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    snprintf(other, sizeof other, "%s/net.onnx.data", folder);
    snprintf(outside, sizeof outside, "%s/in", folder);
    return mkdir(outside, 0777);
}

static int close_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(outside) == 0 ? rmdir(folder) : -1;
}

static void write_bytes(const char *to, const void *data, size_t bytes)
{
    assert_int_equal(ni_file_write_atomic(to, data, bytes), NASH_OK);
}

/* An entry of a tensor's external_data; one without a value takes none. */
static void put(ni_pb_tensor *t, const char *key, const char *value)
{
    static ni_pb_entry entries[64];
    static ni_pb_entry *lists[64][3];
    static size_t n;
    ni_pb_entry *entry = &entries[n % 64];
    if (!value)
        return;
    onnx__string_string_entry_proto__init(entry);
    entry->key = (char *)(uintptr_t)key;
    entry->value = (char *)(uintptr_t)value;
    if (!t->external_data)
        t->external_data = lists[n % 64];
    t->external_data[t->n_external_data++] = entry;
    n++;
}

static void move_out(ni_pb_tensor *t, const char *location, const char *offset,
                     const char *length)
{
    t->has_raw_data = 0;
    t->raw_data.len = 0;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    put(t, "location", location);
    put(t, "offset", offset);
    put(t, "length", length);
}

/* The two files; the weight's tensor to change before save(). */
static made begin(ni_pb_tensor **weight)
{
    made m = made_new(13, 3, 6, 6);
    char data[BYTES] = "";
    *weight = made_floats(&m, "w", "2 3 2 2", 1, 1);
    ni_pb_tensor *bias = made_floats(&m, "b", "2", 5, 1);
    memcpy(data, bias->raw_data.data, 4 * BIAS);
    memcpy(data + PLACE, (*weight)->raw_data.data, 4 * WEIGHT);
    write_bytes(other, data, sizeof data);
    move_out(bias, "net.onnx.data", NULL, "8");
    made_node(&m, "Conv", "x w b", "c");
    made_end(&m, "c");
    return m;
}

/* Let the last node come before all others. */
static void put_first(made *m)
{
    size_t last = m->graph->n_node - 1;
    memmove(&m->graph->node[1], m->graph->node, last * sizeof(ni_pb_node *));
    m->graph->node[0] = m->node;
}

static void save(made *m)
{
    size_t size_bytes = onnx__model_proto__get_packed_size(&m->file);
    uint8_t *bytes = ni_alloc((int64_t)size_bytes, 1);
    assert_non_null(bytes);
    onnx__model_proto__pack(&m->file, bytes);
    write_bytes(path, bytes, size_bytes);
    ni_free(bytes);
    made_free(m);
}

static void assert_read(void)
{
    nash_model *m = NULL;
    if (nash_onnx_read(&m, path) != NASH_OK)
        fail_msg("%s", nash_error_message());
    assert_ops(m, MADE_HEAD "conv" MADE_TAIL);
    assert_values(m, 1, NASH_SLOT_WEIGHT, WEIGHT, 1, 1);
    assert_values(m, 1, NASH_SLOT_BIAS, BIAS, 5, 1);
    nash_model_free(m);
}

/* In a sentence that begins with the file. */
static void assert_refused(nash_status expected, const char *words)
{
    nash_model *m = NULL;
    int64_t blocks = ni_memory_live_blocks();
    nash_status status = nash_onnx_read(&m, path);
    const char *said = nash_error_message();
    assert_null(m);
    assert_int_equal(ni_memory_live_blocks(), blocks);
    if (status != expected || strncmp(said, path, strlen(path)) != 0 ||
        !strstr(said, words))
        fail_msg("status %d: %s; expected %d: ...%s...", (int)status, said,
                 (int)expected, words);
}

static void assert_bad(const char *location, const char *offset,
                       const char *length, nash_status expected,
                       const char *words)
{
    ni_pb_tensor *weight;
    made m = begin(&weight);
    move_out(weight, location, offset, length);
    save(&m);
    assert_refused(expected, words);
}

/* ---- what is read ------------------------------------------------------- */

static void tensors_of_other_files_are_read(void **state)
{
    (void)state;
    static const char *const lengths[] = {"96", NULL};
    for (int i = 0; i < 2; i++) {
        ni_pb_tensor *weight;
        made m = begin(&weight);
        move_out(weight, "net.onnx.data", "64", lengths[i]);
        save(&m);
        assert_read();
    }
}

/* A Constant's tensor is an attribute, and mostly without a name. */
static void tensors_of_constants_are_read(void **state)
{
    (void)state;
    ni_pb_tensor *weight;
    made m = begin(&weight);
    m.graph->n_initializer = 1; /* the bias follows as an attribute */
    move_out(weight, "net.onnx.data", "64", "96");
    made_node(&m, "Constant", "", "b");
    ni_pb_tensor *bias = made_dims(&m, NI_DATA_FLOAT, "2");
    move_out(bias, "net.onnx.data", NULL, "8");
    made_tensor(&m, "value", bias);
    put_first(&m);
    save(&m);
    assert_read();
}

static void a_tensor_of_a_constant_is_blamed_by_its_node(void **state)
{
    (void)state;
    ni_pb_tensor *weight;
    made m = begin(&weight);
    m.graph->n_initializer = 1;
    move_out(weight, "net.onnx.data", "64", "96");
    made_node(&m, "Constant", "", "b");
    ni_pb_tensor *bias = made_dims(&m, NI_DATA_FLOAT, "2");
    move_out(bias, "net.onnx.data", "156", NULL);
    made_tensor(&m, "value", bias);
    put_first(&m);
    save(&m);
    assert_refused(NASH_EFORMAT, "the tensor \"b\": net.onnx.data has 160");
}

/* As caches of downloads have them. */
static void links_are_followed(void **state)
{
    (void)state;
    char target[96];
    snprintf(target, sizeof target, "%s/blob", outside);
    ni_pb_tensor *weight;
    made m = begin(&weight);
    move_out(weight, "net.onnx.data", "64", "96");
    save(&m);
    assert_int_equal(rename(other, target), 0);
    assert_int_equal(symlink(target, other), 0);
    assert_read();
    unlink(target);
    unlink(other);
}

static void types_that_are_not_read_stay_where_they_are(void **state)
{
    (void)state;
    ni_pb_tensor *weight;
    made m = begin(&weight);
    move_out(weight, "net.onnx.data", "64", "96");
    ni_pb_tensor *text = made_floats(&m, "unused", "1", 0, 0);
    text->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
    move_out(text, "nowhere", NULL, NULL);
    save(&m);
    assert_read();
}

/* ---- what is not -------------------------------------------------------- */

static void no_file_outside_of_the_folder_is_opened(void **state)
{
    (void)state;
    static const char *const locations[] = {"/etc/passwd", "../net.onnx.data",
                                            "in/net.onnx.data",
                                            "./net.onnx.data"};
    for (size_t i = 0; i < 4; i++)
        assert_bad(locations[i], "64", "96", NASH_EUNSUPPORTED,
                   "expected a file in the same folder");
    assert_bad("..", NULL, NULL, NASH_EIO, ".. is not a regular file");
    assert_bad("in", NULL, NULL, NASH_EIO, "in is not a regular file");
    assert_bad("gone", NULL, NULL, NASH_EIO,
               "the tensor \"w\": its data lie in gone beside the file, which "
               "cannot be opened");
    assert_bad("", NULL, NULL, NASH_EFORMAT, "without a name");
    assert_bad(NULL, NULL, NULL, NASH_EFORMAT, "without a name");
    assert_bad("a\033[1m", NULL, NULL, NASH_EIO, "lie in a?[1m beside");
}

static void a_pipe_is_not_waited_for(void **state)
{
    (void)state;
    char pipe[96];
    snprintf(pipe, sizeof pipe, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_bad("pipe", NULL, NULL, NASH_EIO, "pipe is not a regular file");
    unlink(pipe);
}

static void places_beyond_the_file_are_refused(void **state)
{
    (void)state;
    static const char *const beyond[] = {"65", "160", "161",
                                         "9223372036854775807"};
    static const char *const numbers[] = {
        "-1", "", "64 ", "0x40", "9223372036854775808", "6.4e1"};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        assert_bad("net.onnx.data", beyond[i], NULL, NASH_EFORMAT,
                   "net.onnx.data has 160 bytes, expected 96 from");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_bad("net.onnx.data", numbers[i], NULL, NASH_EFORMAT,
                   "its offset is \"");
        assert_bad("net.onnx.data", NULL, numbers[i], NASH_EFORMAT,
                   "its length is \"");
    }
    assert_bad("net.onnx.data", NULL, "92", NASH_EFORMAT,
               "its length is 92 bytes, its dimensions say 96");
    assert_bad("net.onnx.data", NULL, "9223372036854775807", NASH_EFORMAT,
               "its dimensions say 96");
}

static void dimensions_are_checked_before_memory_is_taken(void **state)
{
    (void)state;
    static const int64_t huge[] = {INT64_MAX, INT64_MAX / 2, 1LL << 40, -2};
    static const char *const words[] = {
        "overflow", "overflow", "has 160 bytes, expected", "a dimension of -2"};
    for (size_t i = 0; i < 4; i++) {
        ni_pb_tensor *weight;
        made m = begin(&weight);
        weight->dims[0] = huge[i];
        weight->n_dims = 1;
        move_out(weight, "net.onnx.data", NULL, NULL);
        save(&m);
        assert_refused(NASH_EFORMAT, words[i]);
    }
}

/* A file of a kilobyte may not be read a thousand times. */
static void sharing_bytes_has_an_end(void **state)
{
    (void)state;
    for (int n = 5; n <= 7; n++) {
        ni_pb_tensor *weight;
        made m = begin(&weight);
        move_out(weight, "net.onnx.data", "64", "96");
        for (int i = 0; i < n; i++) {
            char name[16];
            snprintf(name, sizeof name, "more%d", i);
            move_out(made_floats(&m, name, "24", 0, 0), "net.onnx.data", "64",
                     NULL);
        }
        save(&m);
        if (n < 6) /* 8 + 6 * 96 bytes of 160 */
            assert_read();
        else
            assert_refused(NASH_ELIMIT, "many times larger");
    }
}

static void from_memory_they_are_refused(void **state)
{
    (void)state;
    ni_pb_tensor *weight;
    made m = begin(&weight);
    move_out(weight, "net.onnx.data", "64", "96");
    made_refuse(&m, NASH_EUNSUPPORTED, "the tensor's data lie in another file");
}

static void running_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    ni_pb_tensor *weight;
    nash_model *out = NULL;
    nash_status status = NASH_ENOMEM;
    int64_t blocks = ni_memory_live_blocks();
    made m = begin(&weight);
    move_out(weight, "net.onnx.data", "64", "96");
    save(&m);
    for (int64_t n = 0; status != NASH_OK; n++) {
        ni_memory_fail_after(n);
        status = nash_onnx_read(&out, path);
        ni_memory_fail_after(-1);
        assert_true(status == NASH_OK || status == NASH_ENOMEM);
        assert_true((out != NULL) == (status == NASH_OK));
    }
    nash_model_free(out);
    assert_int_equal(ni_memory_live_blocks(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_other_files_are_read),
        cmocka_unit_test(tensors_of_constants_are_read),
        cmocka_unit_test(a_tensor_of_a_constant_is_blamed_by_its_node),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(types_that_are_not_read_stay_where_they_are),
        cmocka_unit_test(no_file_outside_of_the_folder_is_opened),
        cmocka_unit_test(a_pipe_is_not_waited_for),
        cmocka_unit_test(places_beyond_the_file_are_refused),
        cmocka_unit_test(dimensions_are_checked_before_memory_is_taken),
        cmocka_unit_test(sharing_bytes_has_an_end),
        cmocka_unit_test(from_memory_they_are_refused),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
