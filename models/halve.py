#!/usr/bin/env python3
"""Store a network's weights in float16: halve.py MODEL.onnx -o SMALLER.onnx

Every large float32 initialiser becomes a float16 one and a Cast to float32, so
that everything is still computed in float32. Small ones (biases, statistics)
stay as they are. Needs python3-onnx.
"""

import argparse
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGE = 1024  # elements
MOST = 65504.0  # what float16 can hold


def halve(graph):
    casts = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < LARGE:
            continue
        if not numpy.all(numpy.abs(values) <= MOST):
            sys.exit(f"{tensor.name} has values that float16 cannot hold")
        name = tensor.name
        half = numpy_helper.from_array(values.astype(numpy.float16),
                                       name + "_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        casts.append(helper.make_node("Cast", [half.name], [name],
                                      name=name + "_cast",
                                      to=TensorProto.FLOAT))
    for i, cast in enumerate(casts):
        graph.node.insert(i, cast)
    return len(casts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("-o", "--output", required=True)
    ask = parser.parse_args()
    model = onnx.load(ask.model)
    n = halve(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, ask.output)
    print(f"{ask.output} written, {n} tensors in float16")


if __name__ == "__main__":
    main()
