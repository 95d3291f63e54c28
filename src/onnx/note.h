#ifndef NI_ONNX_NOTE_H
#define NI_ONNX_NOTE_H

/* The doc_string of a pool that is written with other attributes than it has:
 * its own. */
#define NI_ONNX_POOL_NOTE "ceil_mode=1 count_include_pad=%d pads=%d,%d,%d,%d"

/* The doc_string of the graph's input: its tag. */
#define NI_ONNX_INPUT_NOTE "input_%d"

/* Who wrote the file; only then names and notes mean what we say they do. */
#define NI_ONNX_PRODUCER "nash"

#endif
