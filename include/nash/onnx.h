#ifndef NASH_ONNX_H
#define NASH_ONNX_H

#include "model.h"

/*
 * A model is an ONNX file: opset 17, IR 8, input "image" [N,C,H,W] float32 in
 * 0..255, output "probabilities" [N,K]. Our own files come back without loss:
 * graph, tags, every bit of every tensor, metadata.
 */

/**
 * Write a model, atomically replacing @p path.
 *
 * @return NASH_OK, NASH_EIO or NASH_ENOMEM; the old file is intact on failure
 */
NASH_API nash_status nash_onnx_write(const nash_model *m, const char *path);

/**
 * Read a model.
 *
 * @return NASH_OK, NASH_ENOTFOUND, NASH_EIO, NASH_EFORMAT (not ONNX, or
 *         truncated), NASH_EUNSUPPORTED (valid ONNX; the sentence names the
 *         first node that does not fit), NASH_ELIMIT or NASH_ENOMEM
 */
NASH_API nash_status nash_onnx_read(nash_model **out, const char *path);

/** As nash_onnx_read(), from memory. @param name  for the error sentence */
NASH_API nash_status nash_onnx_parse(nash_model **out, const void *data,
                                     size_t size_bytes, const char *name);

#endif
