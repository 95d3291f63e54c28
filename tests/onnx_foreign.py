"""Write ONNX files as other software writes them, with images for each.

    onnx_foreign.py DIR

Every file NAME.onnx takes "x" [N,C,H,W] and gives "y" [N,K] without a softmax;
NAME.images holds four images as raw float32, NAME.shape says "C H W". Ends with
77 where the onnx or numpy package is missing.
"""

import os
import sys

try:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError:
    print(f"skipped: {sys.executable} has no onnx or numpy package")
    sys.exit(77)

IMAGES = 4


class Net:
    """A graph being written: op() appends an operator and names its output."""

    def __init__(self, name, opset, shape, seed):
        self.name, self.opset, self.shape = name, opset, shape
        self.random = np.random.RandomState(seed)
        self.nodes, self.initializers, self.count = [], [], 0

    def constant(self, values, dtype=np.float32):
        self.count += 1
        name = f"c{self.count}"
        array = np.asarray(values, dtype)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, *dims, scale=None, dtype=np.float32):
        fan_in = max(1, int(np.prod(dims[1:])))
        scale = scale or fan_in**-0.5
        return self.constant(self.random.normal(size=dims) * scale, dtype)

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(kind, inputs, names, **attributes)
        )
        return names[0]

    def ints(self, *values):
        return self.constant(values, np.int64)

    def write(self, directory, last):
        self.nodes.append(helper.make_node("Identity", [last], ["y"]))
        face = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [face("x", TensorProto.FLOAT, ["N", *self.shape])],
            [face("y", TensorProto.FLOAT, ["N", None])],
            self.initializers,
        )
        opset = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        base = os.path.join(directory, self.name)
        save(model, base + ".onnx")
        images = self.random.normal(size=(IMAGES, *self.shape))
        images.astype(np.float32).tofile(base + ".images")
        with open(base + ".shape", "w", encoding="ascii") as file:
            print(*self.shape, file=file)


def flatten_last(net, x):
    return net.op("Flatten", net.op("GlobalAveragePool", x))


def automatic_padding(net, mode):
    w = net.weights(5, 3, 4, 3)
    x = net.op("Conv", "x", w, auto_pad=mode, strides=[2, 3])
    w = net.weights(4, 5, 2, 3)
    x = net.op("Conv", x, w, auto_pad=mode, kernel_shape=[2, 3])
    x = net.op("MaxPool", x, auto_pad=mode, kernel_shape=[3, 2], strides=[2, 2])
    x = net.op("AveragePool", x, auto_pad=mode, kernel_shape=[2, 2])
    return net.op("Flatten", x)


def pads_in_front(net):
    pads = net.ints(0, 0, 1, 2, 0, 0, 0, 1)
    low = net.constant(-np.inf)
    x = net.op("Conv", net.op("Pad", "x", pads), net.weights(4, 3, 3, 3))
    x = net.op("Pad", net.op("Relu", x), pads)
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 1])
    x = net.op("MaxPool", net.op("Pad", x, pads, low), kernel_shape=[3, 3])
    x = net.op("AveragePool", net.op("Pad", x, pads), kernel_shape=[3, 3])
    return flatten_last(net, x)


def pads_as_attributes(net):
    pads = [0, 0, 2, 1, 0, 0, 1, 0]
    x = net.op("Pad", "x", pads=pads, mode="constant", value=0.0)
    x = net.op("Conv", x, net.weights(4, 3, 3, 3), pads=[0, 1, 0, 1])
    return flatten_last(net, net.op("Clip", x, min=0.0))


def pools(net):
    x = net.op("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2],
               pads=[1, 1, 1, 1], ceil_mode=1)
    x = net.op("AveragePool", x, kernel_shape=[3, 2], strides=[1, 2],
               pads=[1, 0, 1, 1], count_include_pad=1)
    x = net.op("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 1],
               strides=[1, 1])
    x = net.op("AveragePool", x, kernel_shape=[2, 2], pads=[1, 1, 0, 0])
    return net.op("Flatten", net.op("GlobalMaxPool", x))


def means(net):
    x = net.op("Conv", "x", net.weights(6, 3, 3, 3), net.weights(6))
    if net.opset < 18:
        return net.op("ReduceMean", x, axes=[-1, -2], keepdims=0)
    x = net.op("ReduceMean", x, net.ints(2, 3))
    return net.op("Squeeze", x, net.ints(2, 3))


def dense(net):
    x, channels = "x", 3
    for _ in range(3):
        w = net.weights(4, channels, 3, 3)
        y = net.op("Conv", net.op("Relu", x), w, pads=[1, 1, 1, 1])
        x = net.op("Concat", x, y, axis=1)
        channels += 4
    return flatten_last(net, x)


def residual(net):
    x = net.op("Conv", "x", net.weights(6, 3, 3, 3), pads=[1] * 4)
    y = net.op("Conv", net.op("Relu", x), net.weights(6, 6, 1, 1))
    z = net.op("Sum", x, y, x)
    z = net.op("Add", z, y)
    short = net.op("Conv", z, net.weights(8, 6, 1, 1), strides=[2, 2])
    long = net.op("Conv", z, net.weights(8, 6, 3, 3), strides=[2, 2],
                  pads=[1] * 4)
    return flatten_last(net, net.op("Add", short, long))


def groups(net):
    x = net.op("Conv", "x", net.weights(6, 1, 3, 3), group=3)
    x = net.op("Conv", x, net.weights(4, 3, 2, 2), net.weights(4), group=2,
               dilations=[2, 1])
    return flatten_last(net, x)


def gemms(net):
    x = net.op("Flatten", "x")
    n = int(np.prod(net.shape))
    x = net.op("Gemm", x, net.weights(n, 9, scale=0.1), net.weights(1, 9),
               alpha=0.5, beta=2.0)
    x = net.op("Gemm", net.op("Relu", x), net.weights(7, 9), net.constant(0.3),
               transB=1, beta=0.25)
    x = net.op("Add", net.op("MatMul", x, net.weights(7, 8)), net.weights(8))
    turned = net.op("Transpose", net.weights(5, 8), perm=[1, 0])
    x = net.op("Add", net.weights(1, 5), net.op("MatMul", x, turned))
    return net.op("Gemm", x, net.weights(5, 6))


def views(net):
    zero, axes, open_ = net.constant(0, np.int64), net.ints(0), net.ints(-1)
    shape = net.op("Shape", "x")
    batch = net.op("Unsqueeze", net.op("Gather", shape, zero), axes)
    x = net.op("Reshape", "x", net.op("Concat", batch, open_, axis=0))
    n = int(np.prod(net.shape))
    x = net.op("Gemm", x, net.weights(4, n, scale=0.1), transB=1)
    x = net.op("Unsqueeze", x, net.ints(2, 3))
    x = net.op("Conv", x, net.weights(6, 4, 1, 1))
    return net.op("Reshape", x, net.ints(0, -1))


def arithmetic(net):
    x = net.op("Div", "x", net.constant(2.5))
    x = net.op("Sub", x, net.weights(3, 1, 1, scale=1))
    x = net.op("Mul", x, net.weights(1, 3, 1, 1, scale=1))
    x = net.op("Conv", x, net.weights(4, 3, 3, 3))
    x = net.op("Add", x, net.weights(4, 1, 1, scale=1))
    y = net.op("Sub", net.constant([1.5]), net.op("Mul", x, net.constant(2.0)))
    x = net.op("Add", net.op("Relu", y), x)
    x = net.op("Mul", net.weights(4, 1, 1, scale=1), x)
    x = flatten_last(net, x)
    return net.op("Add", net.op("Mul", x, net.weights(4)), net.weights(4))


def gates(net):
    one, k = net.constant([1.0]), net.constant([0.3])
    f = net.op("Conv", "x", net.weights(3, 3, 3, 3), pads=[1] * 4)
    left, right = net.op("Mul", k, f), net.op("Mul", net.op("Sub", one, k), "x")
    x = net.op("Add", right, left)
    a, b = net.op("Mul", x, net.constant(0.25)), net.op("Mul", f, net.constant(0.75))
    x = net.op("Add", a, b)
    c, d = net.op("Mul", x, net.constant(0.5)), net.op("Mul", f, net.constant(2.0))
    return flatten_last(net, net.op("Add", c, d))


def normalisations(net):
    def batch_norm(x, n, **attributes):
        var = net.constant(net.random.uniform(0.5, 2, n))
        return net.op("BatchNormalization", x, net.weights(n), net.weights(n),
                      net.weights(n), var, **attributes)

    x = batch_norm("x", 3, epsilon=1e-2, momentum=0.5)
    x = flatten_last(net, net.op("Relu", x))
    return batch_norm(x, 3)


def precisions(net):
    half = net.op("Cast", net.weights(4, 3, 3, 3, dtype=np.float16), to=1)
    double = net.op("Cast", net.weights(4, dtype=np.float64), to=1)
    x = net.op("Conv", "x", half, double)
    x = net.op("Cast", net.op("Cast", x, to=11), to=1)
    ratio = net.constant(0.5)
    return flatten_last(net, net.op("Dropout", x, ratio))


CASES = [
    ("same_upper", 13, (3, 11, 13), lambda n: automatic_padding(n, "SAME_UPPER")),
    ("same_lower", 13, (3, 12, 10), lambda n: automatic_padding(n, "SAME_LOWER")),
    ("valid", 11, (3, 17, 19), lambda n: automatic_padding(n, "VALID")),
    ("pads_in_front", 13, (3, 12, 11), pads_in_front),
    ("pads_as_attributes", 7, (3, 9, 8), pads_as_attributes),
    ("pools", 12, (3, 15, 14), pools),
    ("means", 11, (3, 7, 8), means),
    ("means_18", 18, (3, 7, 8), means),
    ("dense", 9, (3, 8, 7), dense),
    ("residual", 13, (3, 9, 8), residual),
    ("groups", 13, (3, 9, 8), groups),
    ("gemms", 13, (3, 4, 5), gemms),
    ("views", 13, (3, 4, 5), views),
    ("arithmetic", 13, (3, 6, 5), arithmetic),
    ("gates", 13, (3, 6, 5), gates),
    ("normalisations", 15, (3, 6, 5), normalisations),
    ("precisions", 13, (3, 6, 5), precisions),
]


def main():
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    for seed, (name, opset, shape, build) in enumerate(CASES):
        net = Net(name, opset, shape, seed)
        net.write(directory, build(net))


if __name__ == "__main__":
    main()
