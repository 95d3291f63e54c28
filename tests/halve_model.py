"""models/halve.py stores large weights in float16, and nash reads the result.

    halve_model.py NASH HALVE DIR

Ends with 77 (skipped) where the onnx package is missing.
"""

import os
import subprocess
import sys

try:
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    print("halve_model: no onnx package here")
    sys.exit(77)


def network(path, largest):
    rng = numpy.random.default_rng(1)
    filters = rng.standard_normal((64, 3, 3, 3)).astype(numpy.float32)
    filters[0, 0, 0, 0] = largest
    classes = rng.standard_normal((10, 64)).astype(numpy.float32)
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["a"], name="conv"),
        helper.make_node("GlobalAveragePool", ["a"], ["b"], name="pool"),
        helper.make_node("Flatten", ["b"], ["c"], name="flatten"),
        helper.make_node("Gemm", ["c", "classes"], ["d"], name="fc", transB=1),
        helper.make_node("Softmax", ["d"], ["probabilities"], name="softmax"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        [
            numpy_helper.from_array(filters, "filters"),
            numpy_helper.from_array(classes, "classes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return filters


def main(nash, halve, folder):
    os.makedirs(folder, exist_ok=True)
    whole, half = (os.path.join(folder, n) for n in ("whole.onnx", "half.onnx"))
    filters = network(whole, 1.5)
    command = [sys.executable, halve, whole, "-o", half]
    subprocess.run(command, check=True)
    stored = {t.name: t for t in onnx.load(half).graph.initializer}
    assert sorted(stored) == ["classes", "filters_half"], sorted(stored)
    assert stored["classes"].data_type == TensorProto.FLOAT
    assert stored["filters_half"].data_type == TensorProto.FLOAT16
    values = numpy_helper.to_array(stored["filters_half"])
    assert numpy.array_equal(values, filters.astype(numpy.float16))
    shown = subprocess.run([nash, "show", half], check=True, capture_output=True)
    assert b"64 x 6 x 6" in shown.stdout, shown.stdout

    network(whole, 1e6)
    refused = subprocess.run(command, capture_output=True)
    assert refused.returncode == 1, refused
    assert b"filters has values that float16 cannot hold" in refused.stderr


main(*sys.argv[1:])
