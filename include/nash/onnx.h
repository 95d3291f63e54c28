#ifndef NASH_ONNX_H
#define NASH_ONNX_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A model is an ONNX file: opset 17, IR 8, input "image" [N,C,H,W] float32 in
 * 0..255, output "probabilities" [N,K]. Our own files come back without loss:
 * graph, tags, every bit of every tensor, metadata. Equal models give equal
 * files. Looks (nash_model_set_looks()) are in the file, too: Pad and Slices of
 * the image and a Concat along the batch in front, a Reshape and a ReduceMean
 * behind; this pattern alone is read again.
 *
 * Other software's files are read as far as our operations reach: opset 7 to
 * 20, one image in, one score per class out. Convolutions (grouped, dilated),
 * batch normalisation, ReLU, Clip
 * around 0, pools, fully connected layers, concatenation and
 * addition in the forms that exporters write; padding in front of a layer,
 * reshapes that flatten, and constants computed in the graph are followed.
 * Arithmetic with one constant per channel becomes the normalisation of the
 * image, a bias, or a depthwise convolution; lambda f + (1 - lambda) h a gate.
 * A missing softmax is appended, a log-softmax read as a softmax. No
 * normalisation is added where there is none. Pools in ceil mode have the size
 * that PyTorch gives them. Tensors may lie in files of the same folder
 * (external data; "net.onnx.data" and the like). Metadata without a key, or of
 * other bytes than UTF-8, are left out.
 */

/**
 * Write a model, atomically replacing @p path.
 *
 * @return NASH_OK, NASH_EINVAL (the graph is not complete), NASH_EUNSUPPORTED
 *         (an average pool with dilation, which opset 17 does not have),
 *         NASH_ELIMIT (2 GiB or more), NASH_EIO or NASH_ENOMEM; the old file
 *         is intact on failure
 */
NASH_API nash_status nash_onnx_write(const nash_model *m, const char *path);

/**
 * Read a model. Files that it names for its tensors are opened only if they are
 * in its own folder; symbolic links there are followed.
 *
 * @return NASH_OK, NASH_ENOTFOUND, NASH_EIO (this file, or one with tensors),
 *         NASH_EFORMAT (not ONNX, or truncated, or at odds with itself),
 *         NASH_EUNSUPPORTED (valid ONNX; the sentence names the first node that
 *         does not fit), NASH_ELIMIT (tensors out of all proportion to the
 *         file, or no tag left for a node without one) or NASH_ENOMEM
 */
NASH_API nash_status nash_onnx_read(nash_model **out, const char *path);

/** As nash_onnx_read(), from memory; tensors in files of their own are refused.
 * @param name  for the error sentence */
NASH_API nash_status nash_onnx_parse(nash_model **out, const void *data,
                                     size_t size_bytes, const char *name);

#ifdef __cplusplus
}
#endif

#endif
