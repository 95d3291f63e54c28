#ifndef NI_ONNX_NAMES_H
#define NI_ONNX_NAMES_H

#include "proto.h"

#include <nash/graph.h>

/* A name of a file, fit for a sentence. */
typedef struct ni_print {
    char text[80];
} ni_print;

/** Cut to length, control characters replaced; NULL gives "". */
ni_print ni_onnx_print(const char *name);

/** A node as people find it: by its name, or by what it gives. */
ni_print ni_onnx_print_node(const ni_pb_node *node);

/** The tag in a name "<op>_<tag>" of a node of ours; -1 for other names. */
int32_t ni_onnx_tag(const char *name, nash_op op);

/** Read back the numbers of a text that was printed by a format whose only
 * conversions are %d. @return false, also for NULL, if the text is another */
bool ni_onnx_scan(int32_t *values, const char *text, const char *format);

#endif
