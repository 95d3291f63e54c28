#ifndef NI_ONNX_EXTERNAL_H
#define NI_ONNX_EXTERNAL_H

#include "proto.h"

#include "base/error.h"

#include <stdint.h>

/**
 * Fetch the tensors of a graph, initializers and attributes of nodes, whose
 * data lie in other files, which must be regular ones (or links to such) in the
 * folder of @p path. They become raw data of the tensors, as if they had stood
 * in the file. Tensors of types that are not read stay as they are.
 *
 * @param fetched  receives how many bytes; at most 4 times the other files'
 * @param g        its blocks are released with ni_free()
 * @return NASH_OK, NASH_EIO (a file is missing or cannot be read),
 *         NASH_EFORMAT, NASH_EUNSUPPORTED (a tensor), NASH_ELIMIT or
 *         NASH_ENOMEM
 */
nash_status ni_external_fetch(int64_t *fetched, ni_pb_graph *g,
                              const char *path);

#endif
