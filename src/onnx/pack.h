#ifndef NI_ONNX_PACK_H
#define NI_ONNX_PACK_H

#include <nash/onnx.h>

/**
 * The bytes of a model's ONNX file.
 *
 * @param data  receives the bytes; yours to free with ni_free()
 * @return NASH_OK, NASH_EINVAL (incomplete graph), NASH_EUNSUPPORTED,
 *         NASH_ELIMIT (2 GiB or more) or NASH_ENOMEM
 */
nash_status ni_onnx_pack(void **data, size_t *size_bytes, const nash_model *m);

#endif
