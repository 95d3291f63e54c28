/* The run whose page the tests read. */
#include "report_fixture.h"

#include "base/file.h"

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

made_run *make_run(void)
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

char *read_page(const nash_history *history, const nash_model *best)
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

int32_t count_of(const char *page, const char *text)
{
    int32_t n = 0;
    for (; (page = strstr(page, text)); page++)
        n++;
    return n;
}
