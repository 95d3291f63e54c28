/* A run directory, and the small run that the tests of the store tell. */
#include "store_fixture.h"

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

char dir[64];

int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/nash-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void remove_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
}

int remove_dir(void **state)
{
    (void)state;
    remove_file("run.db");
    remove_file("run.db-journal");
    remove_file("lock");
    return rmdir(dir);
}

nash_store *open_store(void)
{
    nash_store *store = NULL;
    assert_int_equal(nash_store_open(&store, dir), NASH_OK);
    return store;
}

nash_history *load_history(void)
{
    nash_history *h = NULL;
    assert_int_equal(nash_history_load(&h, dir), NASH_OK);
    return h;
}

static nash_model *small_model(void)
{
    nash_net_opts net = nash_net_opts_default();
    nash_model *m = NULL;
    net.input = (nash_shape){1, 8, 8};
    net.classes = 3;
    assert_int_equal(nash_net_start(&m, &net), NASH_OK);
    return m;
}

static const char *const morphs[] = {"deepen:at=relu_3,kernel=5",
                                     "widen:at=conv_2,factor=4,mode=copy"};

nash_epoch an_epoch(int32_t i)
{
    nash_epoch e = {i,       0.05 / (i + 1), 1.5 / (i + 1), 0.3,
                    nan(""), nan(""),        nan(""),       2.25};
    return e;
}

void tale_init(tale *t)
{
    memset(t, 0, sizeof *t);
    t->m = small_model();
    for (int32_t i = 0; i < 3; i++)
        t->epochs[i] = an_epoch(i);
    t->epochs[2].val_loss = 0.75;
    t->epochs[2].val_error = 0.1;
    t->epochs[2].val_balanced_error = 1.0 / 3.0;
    t->start = (nash_job){.kind = NASH_CANDIDATE_START,
                          .parent_step = -1,
                          .parent_child = -1,
                          .model = t->m};
    t->step[0] = (nash_job){.step = 1,
                            .kind = NASH_CANDIDATE_CHILD,
                            .model = t->m,
                            .n_morphs = 2,
                            .morphs = morphs};
    t->step[1] = (nash_job){
        .step = 1, .child = 1, .kind = NASH_CANDIDATE_PARENT, .model = t->m};
    t->first = (nash_outcome){.val = {0.75, 0.1, 1.0 / 3.0, 100},
                              .n_epochs = 3,
                              .epochs = t->epochs,
                              .images = 3000000,
                              .seconds = 6.75};
    t->outcomes[0] = t->first;
    t->outcomes[1] = (nash_outcome){.status = NASH_ECHILD,
                                    .message = "ended by signal 9",
                                    .val = {nan(""), nan(""), nan(""), 0}};
    t->refused[NASH_MORPH_WIDEN] = 3;
}
