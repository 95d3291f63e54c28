#ifndef NASH_REPORT_H
#define NASH_REPORT_H

#include "store.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Reports: one self-contained HTML page of a run, drawings (SVG), and plain
 * words for what a run consists of. All text is UTF-8.
 */

/* Keys of a run's settings and results that pages and verdicts know; there are
 * more, which are listed as they are. Numbers are text that strtod() reads,
 * errors are shares. */
#define NASH_RUN_SEED "seed"
#define NASH_RUN_PRESET "preset"
#define NASH_RUN_BUDGET "budget" /* "45min", "1.5PFLOP"; "": none */
/* "seconds", "PFLOP" or "epochs"; "": there is no budget */
#define NASH_RUN_BUDGET_UNIT "budget_unit"
#define NASH_RUN_DATA "data"       /* directory */
#define NASH_RUN_DATASET "dataset" /* name */
/* "hillclimb", or "random": the baseline that chooses nothing */
#define NASH_RUN_STRATEGY "strategy"
#define NASH_RUN_CRITERION "criterion" /* what the best has least of */
#define NASH_RUN_TIE "tie" /* share of it within which the largest wins */
#define NASH_RUN_SECONDS "seconds"   /* wall clock of the whole run */
#define NASH_RUN_FINISHED "finished" /* "yes", once all is written */
/* of the final training, to end in time */
#define NASH_RUN_GIVEN_UP "given_up_epochs"

/* Scores on the test images: of the starting network, of the result, of the
 * result by one look if it takes several, and of the ensemble of the final
 * training's snapshots, if any. */
#define NASH_RUN_START_TEST_ERROR "start_test_error"
#define NASH_RUN_START_TEST_BALANCED_ERROR "start_test_balanced_error"
#define NASH_RUN_START_TEST_LOSS "start_test_loss"
#define NASH_RUN_TEST_ERROR "test_error"
#define NASH_RUN_TEST_BALANCED_ERROR "test_balanced_error"
#define NASH_RUN_TEST_LOSS "test_loss"
#define NASH_RUN_ONCE_TEST_ERROR "once_test_error"
#define NASH_RUN_ONCE_TEST_BALANCED_ERROR "once_test_balanced_error"
#define NASH_RUN_ONCE_TEST_LOSS "once_test_loss"
#define NASH_RUN_ENSEMBLE_TEST_ERROR "ensemble_test_error"
#define NASH_RUN_ENSEMBLE_TEST_BALANCED_ERROR "ensemble_test_balanced_error"
#define NASH_RUN_ENSEMBLE_TEST_LOSS "ensemble_test_loss"
#define NASH_RUN_ENSEMBLE_MODELS "ensemble_models" /* how many snapshots */
#define NASH_RUN_LOOKS "looks" /* of the result; nash_report_looks() */
#define NASH_RUN_TEST_IMAGES "test_images"
#define NASH_RUN_TEST_REPEATED "test_repeated"    /* equal training images */
#define NASH_RUN_CLASSES "classes"                /* JSON array of names */
#define NASH_RUN_CLASS_ERRORS "test_class_errors" /* JSON array of shares */
#define NASH_RUN_CLASS_IMAGES "test_class_images" /* JSON array of counts */
/* What was taken for what, class numbers from 0. Of few classes: JSON array of
 * rows of counts; row: true, column: predicted. Of more: JSON array of [true,
 * predicted, images], the most frequent ones first, without what is right. */
#define NASH_RUN_CONFUSION "test_confusion"
#define NASH_RUN_CONFUSIONS "test_confusions"

/* Up to how many classes the first is recorded, and the most of the second. */
enum { NASH_RUN_MOST_IN_MATRIX = 100, NASH_RUN_MOST_CONFUSIONS = 10000 };

/** Looks that a run's result takes at each image (nash_looks); 1 before it is
 * judged. */
NASH_API int32_t nash_report_looks(const nash_history *history);

/**
 * Write a run's page, atomically replacing @p path.
 *
 * @param best  the result; NULL while there is none
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM; the old file is intact on failure
 */
NASH_API nash_status nash_report_write(const char *path,
                                       const nash_history *history,
                                       const nash_model *best);

/**
 * A drawing of a graph as SVG: chains of layers as boxes from top to bottom,
 * skips as arcs beside them.
 *
 * @param out  receives the text, yours to free with nash_text_free()
 * @return NASH_OK, NASH_ELIMIT (more than 4096 nodes, 8192
 *         connections or 64 branches side by side) or NASH_ENOMEM
 */
NASH_API nash_status nash_graph_svg(char **out, const nash_graph *g);

/** A drawing of a run's lineage as SVG, a row per step, likewise.
 * @return NASH_OK or NASH_ENOMEM */
NASH_API nash_status nash_lineage_svg(char **out, const nash_history *history);

NASH_API void nash_text_free(char *text);

/** Write what a node does, "Conv 3×3/2", into @p text.
 * @param size_bytes  of @p text; 96 is always enough */
NASH_API void nash_node_describe(char *text, size_t size_bytes,
                                 const nash_graph *g, int32_t id);

/** Write a morphism's text form in plain words, "deepen after relu_3: 5×5
 * Conv-BN-ReLU". @param size_bytes  of @p words; 256 is always enough */
NASH_API void nash_morph_words(char *words, size_t size_bytes,
                               const char *text);

/** Write what a candidate is called, "3-5", "start" or "final"; "?" if its kind
 * is none.
 * @param size_bytes  of @p text; 48 is always enough */
NASH_API void nash_candidate_label(char *text, size_t size_bytes,
                                   const nash_record *record);

#ifdef __cplusplus
}
#endif

#endif
