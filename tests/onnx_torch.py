"""Read networks that PyTorch exports, and compare the oracle's logits with
PyTorch's own.

    onnx_torch.py ONNX_PEER DIR

PyTorch 1.13 writes opsets up to 17; a file of 18 to 20 is one of 17 with what
changed since rewritten by hand. Leaves NAME.onnx, NAME.images, NAME.shape in DIR
for onnx_exports.js. Ends with 77 (skipped) where PyTorch is missing.
"""

import os
import re
import subprocess
import sys
import warnings

try:
    import numpy as np
    import onnx
    from onnx import numpy_helper
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print(f"skipped: {sys.executable} has no torch, onnx or numpy package")
    sys.exit(77)

BOUND = 1e-5
LAST_OPSET = 17
# Batch normalisations are folded into convolutions where training is EVAL, and
# constants are where folding is on.
EXPORTS = [
    (opset, training, folding)
    for opset in range(9, 21)
    for training in ("EVAL", "PRESERVE")
    for folding in ((False, True) if opset in (9, 13, 17) else (opset % 2 == 0,))
]


def conv(n, out, kernel=3, stride=1, groups=1, act=nn.ReLU):
    """Convolution, batch normalisation, activation."""
    layers = [
        nn.Conv2d(n, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            conv(3, 8), conv(8, 8), nn.MaxPool2d(2),
            conv(8, 12), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        )
        self.classifier = nn.Sequential(
            nn.Linear(12 * 9 * 8, 20), nn.ReLU(), nn.Dropout(), nn.Linear(20, 10)
        )

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


class Block(nn.Module):
    def __init__(self, n, out, stride):
        super().__init__()
        self.body = nn.Sequential(conv(n, out, 3, stride), conv(out, out, act=None))
        self.short = nn.Identity()
        if stride != 1 or n != out:
            self.short = conv(n, out, 1, stride, act=None)

    def forward(self, x):
        return torch.relu(self.body(x) + self.short(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        stages = [(8, 8, 1), (8, 16, 2), (16, 32, 2), (32, 32, 1)]
        self.body = nn.Sequential(
            conv(3, 8, 7, 2), nn.MaxPool2d(3, 2, 1), *(Block(*s) for s in stages)
        )
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.body(x), 1), 1))


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(8 + 6 * i), nn.ReLU(),
                nn.Conv2d(8 + 6 * i, 6, 3, 1, 1, bias=False),
            )
            for i in range(4)
        )
        self.down = nn.Sequential(
            nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 1),
            nn.AvgPool2d(3, 2, 1),
        )
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.fc(self.down(x).mean([2, 3]))


class MobileNet(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.body = nn.Sequential(
            conv(3, 8, 3, 2, act=act),
            conv(8, 24, 1, act=act), conv(24, 24, 3, 2, 24, act=act),
            conv(24, 12, 1, act=None),
        )
        self.fc = nn.Linear(12, 10)

    def forward(self, x):
        x = self.body(F.pad(x, (0, 1, 2, 1)))
        return self.fc(self.tail(x).squeeze(3).squeeze(2))

    @staticmethod
    def tail(x):
        return F.adaptive_avg_pool2d(x, 1)


class Clipped(nn.Module):
    """An activation that exports as Clip without an upper limit."""

    def forward(self, x):
        return torch.clamp(x, min=0)


class Normalized(nn.Module):
    """Raw pixels in, log-probabilities out."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor([0.49, 0.48, 0.45]).view(shape))
        self.register_buffer("std", torch.tensor([0.25, 0.24, 0.26]).view(shape))

    def forward(self, x):
        return self.body((x / 255 - self.mean) / self.std)


def randomise(model):
    """Statistics and scales as training leaves them, not as it finds them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)


def raise_opset(path, opset):
    """From 17 to 18 .. 20: of what is used here only ReduceMean changed."""
    file = onnx.load(path)
    for node in file.graph.node:
        axes = [a for a in node.attribute if a.name == "axes"]
        if node.op_type == "ReduceMean" and axes:
            name = f"{node.output[0]}.axes"
            values = np.asarray(axes[0].ints, np.int64)
            tensor = numpy_helper.from_array(values, name)
            file.graph.initializer.append(tensor)
            node.input.append(name)
            node.attribute.remove(axes[0])
    file.opset_import[0].version = opset
    file.ir_version = 8
    onnx.save(file, path)


def export(model, images, path, opset, training, folding):
    torch.onnx.export(
        model, images, path, opset_version=min(opset, LAST_OPSET),
        input_names=["pixels"], output_names=["scores"],
        dynamic_axes={"pixels": {0: "n"}, "scores": {0: "n"}},
        training=getattr(torch.onnx.TrainingMode, training),
        do_constant_folding=folding,
    )
    if opset > LAST_OPSET:
        raise_opset(path, opset)


def compare(peer, model, base, *how):
    torch.manual_seed(1)
    randomise(model)
    model.eval()
    images = torch.randint(0, 256, (4, 3, 33, 29)).float()
    if not isinstance(model, Normalized):
        images = images / 255
    with torch.no_grad():
        expected = model(images).numpy()
    export(model, images, base + ".onnx", *how)
    with open(base + ".shape", "w", encoding="ascii") as file:
        print(*images.shape[1:], file=file)
    images.numpy().tofile(base + ".images")
    subprocess.run(
        [peer, "logits", base + ".onnx", base + ".images", base + ".logits"],
        check=True,
    )
    ours = np.fromfile(base + ".logits", np.float32).reshape(expected.shape)
    return np.abs(ours - expected).max() / np.abs(expected).max()


class Net(nn.Module):
    """A convolution, something else, and a head."""

    def __init__(self, middle, head=None):
        super().__init__()
        self.conv, self.middle = nn.Conv2d(3, 8, 3, padding=1), middle
        self.head = head or nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        )

    def forward(self, x):
        return self.head(self.middle(self.conv(x)))


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


# What no operation of ours corresponds to, and the node it is found at.
REFUSED = {
    "leaky": (lambda: Net(nn.LeakyReLU()), "LeakyRelu", "no operation of ours"),
    "sigmoid": (lambda: Net(nn.Sigmoid()), "Sigmoid", "no operation of ours"),
    "hardswish": (lambda: Net(nn.Hardswish()), "HardSigmoid", "no operation"),
    "attention": (
        lambda: Net(Lambda(lambda x: x * x.mean([2, 3], keepdim=True))),
        "Mul", "it combines two tensors",
    ),
    "transposed": (
        lambda: Net(nn.ConvTranspose2d(8, 8, 2)), "ConvTranspose", "no operation",
    ),
    "reflection": (lambda: Net(nn.ReflectionPad2d(1)), "Pad", "its mode"),
    "upsampled": (lambda: Net(nn.Upsample(scale_factor=2)), "Resize", "no oper"),
}


def refusal(peer, name, directory):
    """None, or what is wrong with how a network that we lack is refused."""
    make, operator, why = REFUSED[name]
    base = os.path.join(directory, "refused_" + name)
    images = torch.zeros(1, 3, 33, 29)
    export(make().eval(), images, base + ".bad", 13, "EVAL", True)
    images.numpy().tofile(base + ".pixels")
    run = subprocess.run(
        [peer, "logits", base + ".bad", base + ".pixels", base + ".logits"],
        capture_output=True, text=True,
    )
    found = re.search(rf'node "[^"]*{operator}" \({operator}\): {why}', run.stderr)
    if run.returncode == 1 and found:
        return None
    return f"{name} gave {run.returncode}: {run.stderr}"


def main():
    peer, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    nets = {
        "vgg": Vgg, "resnet": ResNet, "densenet": DenseNet,
        "mobilenet": lambda: MobileNet(nn.ReLU),
        "relu6": lambda: MobileNet(nn.ReLU6),
        "clipped": lambda: MobileNet(Clipped),
        "normalized": lambda: Normalized(ResNet()),
    }
    failures, passed = [], 0
    for name, make in nets.items():
        for how in EXPORTS[4 * (name == "vgg") :]:  # ceil_mode since 10
            opset, training, folding = how
            base = os.path.join(
                directory, f"{name}_{opset}_{training.lower()}_{int(folding)}"
            )
            torch.manual_seed(1)
            difference = compare(peer, make(), base, *how)
            if difference <= BOUND:
                passed += 1
            else:
                failures.append(f"{base}: differs by {difference}")
    for name in REFUSED:
        complaint = refusal(peer, name, directory)
        if complaint:
            failures.append(complaint)
        else:
            passed += 1
    for failure in failures:
        print(failure)
    print(f"{passed} passed, {len(failures)} failed")
    return len(failures) > 0


if __name__ == "__main__":
    sys.exit(main())
