#ifndef NI_ONNX_PROTO_H
#define NI_ONNX_PROTO_H

/* The door to the generated protobuf-c code, under shorter names. */

#include <onnx.pb-c.h>

typedef Onnx__ModelProto ni_pb_model;
typedef Onnx__GraphProto ni_pb_graph;
typedef Onnx__NodeProto ni_pb_node;
typedef Onnx__AttributeProto ni_pb_attribute;
typedef Onnx__TensorProto ni_pb_tensor;
typedef Onnx__ValueInfoProto ni_pb_value_info;
typedef Onnx__TypeProto ni_pb_type;
typedef Onnx__TensorShapeProto ni_pb_shape;
typedef Onnx__TensorShapeProto__Dimension ni_pb_dim;
typedef Onnx__StringStringEntryProto ni_pb_entry;
typedef Onnx__OperatorSetIdProto ni_pb_opset;
typedef Onnx__AttributeProto__AttributeType ni_pb_attribute_type;

/* AttributeProto.AttributeType */
enum {
    NI_ATTRIBUTE_FLOAT = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT,
    NI_ATTRIBUTE_INT = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT,
    NI_ATTRIBUTE_STRING = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING,
    NI_ATTRIBUTE_TENSOR = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR,
    NI_ATTRIBUTE_FLOATS = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS,
    NI_ATTRIBUTE_INTS = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS,
    NI_ATTRIBUTE_UNDEFINED = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED
};

/* TensorProto.DataType */
enum {
    NI_DATA_FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    NI_DATA_UINT8 = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
    NI_DATA_INT8 = ONNX__TENSOR_PROTO__DATA_TYPE__INT8,
    NI_DATA_INT32 = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
    NI_DATA_INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    NI_DATA_BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
    NI_DATA_FLOAT16 = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
    NI_DATA_DOUBLE = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE,
    NI_DATA_BFLOAT16 = ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16
};

/** The longest file that protobuf allows. */
#define NI_ONNX_MAX_BYTES ((size_t)INT32_MAX)

#endif
