"""Networks of other software in nash's verbs: search --init, train, morph, eval,
predict, with --input-mean, --input-std and --new-head.

    init_verbs.py NASH DIR

Ends with 77 (skipped) where the onnx or numpy package is missing.
"""

import json
import os
import shutil
import subprocess
import sys

from onnx_foreign import Net, np

SMALL = ["--batch", "16", "--threads", "1"]
SEARCH = [*SMALL, "--preset", "smoke", "--final-threads", "1", "--jobs", "1"]


def residual(name, classes, size=32, channels=3):
    """Logits of a small residual network without normalisation."""
    net = Net(name, 13, (channels, size, size), classes)
    x = net.op("Conv", "x", net.weights(6, channels, 3, 3), pads=[1] * 4,
               strides=[2, 2])
    short = net.op("Clip", x, net.constant(0.0), net.constant(6.0))
    y = net.op("Conv", short, net.weights(6, 6, 3, 3), pads=[1] * 4)
    x = net.op("Relu", net.op("Add", short, y))
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    net.write(".", net.op("Gemm", x, net.weights(classes, 6), transB=1))
    return name + ".onnx"


def small(name, layer, channels=3, head=10):
    """What layer(net, "x") makes of 8 x 8 images, pooled, as ten logits."""
    net = Net(name, 13, (channels, 8, 8), 1)
    x = net.op("Flatten", net.op("GlobalAveragePool", layer(net, "x")))
    net.write(".", net.op("Gemm", x, net.weights(10, head), transB=1))
    return name + ".onnx"


def cifar(directory):
    """Ten classes in CIFAR-10's format, each of one grey and some noise."""
    os.makedirs(directory, exist_ok=True)
    random = np.random.RandomState(1)
    files = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for file in files:
        with open(os.path.join(directory, file), "wb") as out:
            for label in (*range(10), 0, 1):
                pixels = 20 + 23 * label + random.randint(0, 9, 3072)
                out.write(bytes([label]) + pixels.astype(np.uint8).tobytes())


def folder(directory):
    """Ten classes in folders, of one picture each."""
    for part in ("train", "test"):
        for k in range(10):
            os.makedirs(f"{directory}/{part}/{k}", exist_ok=True)
            shutil.copy("sheet.png", f"{directory}/{part}/{k}/{part}.png")


class Checks:
    def __init__(self, program):
        self.program, self.failed, self.passed = program, 0, 0

    def expect(self, status, words, *args, unsaid=None):
        """nash ARGS ends with that status and says the words."""
        run = subprocess.run([self.program, *args], capture_output=True, text=True)
        said = run.stdout + run.stderr
        good = run.returncode == status and words in said
        if good and not (unsaid and unsaid in said):
            self.passed += 1
        else:
            self.failed += 1
            print(f"nash {' '.join(args)} ended with {run.returncode}, "
                  f"expected {status} and '{words}': {said}")
        return run.stdout


def layers(checks, model):
    shown = json.loads(checks.expect(0, "layers", "show", "--json", model))
    return shown["classes"], [layer["op"] for layer in shown["layers"]]


def check_result(checks, model):
    classes, ops = layers(checks, model)
    checks.passed += 1
    if classes != 10 or ops[1] != "normalize" or ops.count("normalize") != 1:
        checks.failed += 1
        print(f"{model} has {classes} classes and begins with {ops[:3]}")


def check_uses(checks, ten, seven):
    given = ["--input-mean", "0.48,0.47,0.45", "--input-std", "0.25"]
    checks.expect(0, "result", "search", "data", "-o", "a", "--init", ten, *given,
                  *SEARCH)
    check_result(checks, "a/best.onnx")
    checks.expect(0, "result", "search", "data", "-o", "b", "--init", seven, *given,
                  "--new-head", *SEARCH)
    check_result(checks, "b/best.onnx")
    checks.expect(0, "there is nothing to resume", "resume", "b")
    checks.expect(0, "val error", "train", seven, "data", "-o", "t.onnx", *given,
                  "--new-head", "--epochs", "1", *SMALL)
    check_result(checks, "t.onnx")
    checks.expect(0, "no batch normalisation, or it was folded away", "train", seven,
                  "data", "-o", "u.onnx", *given, "--new-head", "--epochs", "0", *SMALL)
    checks.expect(0, "has no normalisation inside", "train", ten, "data", "-o",
                  "raw.onnx", "--epochs", "0", *SMALL)
    checks.expect(0, "24 noise images", "morph", ten, "-o", "m.onnx", "--random",
                  "4", "--images", "24", "--batch", "8", "--input-mean", "120",
                  "--input-std", "60")
    check_result(checks, "m.onnx")
    checks.expect(0, "error", "eval", "a/best.onnx", "data")


def check_units(checks, ten):
    """Of 0..1 and of 0..255 alike."""
    few = ["--random", "1", "--images", "8", "--threads", "1"]
    for name, mean, std in (("u1", "0.5,0.25,1", "0.2"), ("u2", "127.5,63.75,255", "51")):
        checks.expect(0, "written", "morph", ten, "-o", f"{name}.onnx", "--input-mean",
                      mean, "--input-std", std, *few)
    with open("u1.onnx", "rb") as one, open("u2.onnx", "rb") as two:
        checks.failed += one.read() != two.read()


def check_judging(checks, ten):
    """As of a network that has the same normalisation inside."""
    note, given = "has no normalisation inside", [
        "--input-mean", "0.48,0.47,0.45", "--input-std", "0.25"]
    checks.expect(0, "val error", "train", ten, "data", "-o", "n.onnx", *given,
                  "--epochs", "0", *SMALL)
    checks.expect(0, "10 classes", "data", "data", "--sheet", "sheet.png")
    for verb, *of in (("eval", "data"), ("predict", "sheet.png")):
        checks.expect(0, note, verb, ten, *of)
        inside = checks.expect(0, "0.", verb, "--json", "n.onnx", *of, unsaid=note)
        put_in = checks.expect(0, "0.", verb, "--json", ten, *of, *given, unsaid=note)
        if inside != put_in.replace(ten, "n.onnx"):
            checks.failed += 1
            print(f"{verb}: {inside} with it inside, {put_in} with it put in")
        checks.expect(1, "the network has a normalisation already", verb, "n.onnx",
                      *of, *given)
        checks.expect(2, "--input-mean is given without --input-std", verb, ten, *of,
                      "--input-mean", "0")


def check_broken(checks):
    """What cannot be judged is no success."""
    def of_variance(value, scale=1.0):
        def layers_of(net, x):
            x = net.op("Conv", x, net.weights(3, 3, 3, 3, scale=scale))
            ones, var = net.constant([1.0] * 3), net.constant([1.0, 1.0, value])
            return net.op("BatchNormalization", x, ones, ones, ones, var)
        return layers_of

    def of_std(net, x):
        return net.op("Relu", net.op("Div", x, net.constant([[[0.0]]])))

    nan, negative, nothing, vast = (
        small(name, layer, head=3) for name, layer in (
            ("nan", of_variance(np.nan)), ("negative", of_variance(-1.0)),
            ("nothing", of_std), ("vast", of_variance(1.0, 1e37))))
    divided = "variance or standard deviation that nothing can be divided by"
    few = ["--images", "8", "--threads", "1"]
    for name, words in ((nan, "nan.onnx has weights or statistics that are not"),
                        (negative, divided), (nothing, divided),
                        (vast, "vast.onnx gives probabilities that are not finite")):
        checks.expect(1, words, "predict", name, "sheet.png")
        checks.expect(1, words, "eval", name, "small")
    checks.expect(1, "nan.onnx has weights", "train", nan, "small", "-o", "x")
    checks.expect(1, "nan.onnx has weights", "search", "small", "-o", "x", "--init",
                  nan, *SEARCH)
    checks.expect(1, "nan.onnx has weights", "morph", nan, "--random", "1", "-o", "x",
                  *few)
    checks.expect(1, "x is not written", "morph", vast, "--random", "1", "-o", "x",
                  *few)


def check_pictures(checks):
    """Networks for images that no picture gives."""
    for channels in (2, 4, 5):
        name = small(f"ch{channels}", lambda net, x: x, channels, channels)
        words = f"{name} takes images with {channels} channels, pictures have 1 or 3"
        checks.expect(1, words, "eval", name, "small")
        checks.expect(1, words, "predict", name, "sheet.png")
        for more in ([], ["--new-head"]):
            checks.expect(1, words, "train", name, "small", "-o", "x", *more)
            checks.expect(1, words, "search", "small", "-o", "x", "--init", name,
                          *SEARCH, *more)


def check_shown(checks):
    """Whatever a layer does can be read in JSON."""
    def layers_of(net, x):
        x = net.op("Conv", x, net.weights(3, 3, 3, 3), net.weights(3))
        three = [net.constant([1.0] * 3) for _ in range(4)]
        x = net.op("BatchNormalization", x, *three, epsilon=0.25, momentum=0.5)
        x = net.op("Clip", x, net.constant(-0.5), net.constant(6.0))
        x = net.op("MaxPool", x, kernel_shape=[2, 2], ceil_mode=1)
        return net.op("AveragePool", x, kernel_shape=[2, 2], count_include_pad=1)

    shown = json.loads(checks.expect(0, "layers", "show", "--json",
                                     small("shown", layers_of, head=3)))
    keys = ("bias", "eps", "momentum", "low", "high", "ceil_mode",
            "count_include_pad")
    found = [{k: layer[k] for k in keys if k in layer} for layer in shown["layers"]]
    expected = [{}, {"bias": True}, {"eps": 0.25, "momentum": 0.5},
                {"low": -0.5, "high": 6}, {"ceil_mode": True},
                {"ceil_mode": False, "count_include_pad": True}, {}, {}, {}]
    expected[-2] = {"bias": False}
    if found != expected:
        checks.failed += 1
        print(f"show --json gives {found}, expected {expected}")


def check_refusals(checks, ten, seven):
    mean = ["--input-mean", "0.5", "--input-std", "0.25"]
    grey = residual("grey", 10, channels=1)
    large = residual("large", 10, size=40)

    def search(status, words, *args):
        checks.expect(status, words, "search", "data", "-o", "x", *SEARCH, *args)

    search(1, f"{seven} tells 7 classes apart, ", "--init", seven, *mean)
    search(1, f"{large} takes images of 40 x 40 pixels", "--init", large, *mean)
    search(1, f"{grey} takes images of 32 x 32 pixels with 1 channels", "--init",
           grey, *mean)
    search(1, f"--input-mean has 3 values, but {grey} takes images with 1 channels",
           "--init", grey, "--input-mean", ".5,.5,.5", "--input-std", "1")
    search(1, "--input-mean is of no use for a/best.onnx: the network has a "
           "normalisation already", "--init", "a/best.onnx", *mean)
    search(2, "--input-mean is given without --input-std", "--init", ten,
           "--input-mean", "0.5")
    search(2, "--input-std is given without --input-mean", "--init", ten,
           "--input-std", "0.5")
    search(2, "--input-std is '0.1,0', expected up to 4 numbers above 0", "--init",
           ten, "--input-mean", "0", "--input-std", "0.1,0")
    search(2, "--input-mean is '1;2', expected up to 4 numbers", "--init", ten,
           "--input-mean", "1;2", "--input-std", "1")
    search(2, "--input-mean is for a network that is read from a file", *mean)
    search(2, "--new-head is for a network that is read from a file", "--new-head")
    search(2, "--size is for new networks only", "--init", ten, "--size", "16x16")
    search(1, "none.onnx", "--init", "none.onnx")
    checks.expect(2, "--input-mean is for a network", "train", "start", "data", "-o",
                  "x", *mean)
    checks.expect(2, "--input-mean is given without", "morph", ten, "relu:at=relu_2",
                  "-o", "x", "--input-mean", "1")
    checks.failed += os.path.exists("x")


def main():
    program, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    subprocess.run(["rm", "-rf", "a", "b"], check=True)
    cifar("data")
    checks = Checks(program)
    ten, seven = residual("ten", 10), residual("seven", 7)
    check_uses(checks, ten, seven)
    check_units(checks, ten)
    check_judging(checks, ten)
    folder("small")
    check_broken(checks)
    check_pictures(checks)
    check_shown(checks)
    check_refusals(checks, ten, seven)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main())
