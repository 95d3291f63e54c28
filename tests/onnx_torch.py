"""Read networks that PyTorch exports, and compare the oracle's logits with
PyTorch's own.

    onnx_torch.py ONNX_PEER DIR

Ends with 77 (skipped) where PyTorch is missing.
"""

import os
import subprocess
import sys

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print(f"skipped: {sys.executable} has no torch or numpy package")
    sys.exit(77)

BOUND = 1e-4
# (opset, whether batch normalisations are kept rather than folded)
EXPORTS = [(9, False), (10, False), (11, True), (13, False), (17, True)]


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


def export(model, images, path, opset, keep_batch_norm):
    mode = torch.onnx.TrainingMode
    torch.onnx.export(
        model, images, path, opset_version=opset,
        input_names=["pixels"], output_names=["scores"],
        dynamic_axes={"pixels": {0: "n"}, "scores": {0: "n"}},
        training=mode.PRESERVE if keep_batch_norm else mode.EVAL,
        do_constant_folding=not keep_batch_norm,
    )


def compare(peer, model, base, opset, keep_batch_norm):
    torch.manual_seed(len(base))
    randomise(model)
    model.eval()
    images = torch.randint(0, 256, (4, 3, 33, 29)).float()
    if not isinstance(model, Normalized):
        images = images / 255
    with torch.no_grad():
        expected = model(images).numpy()
    export(model, images, base + ".onnx", opset, keep_batch_norm)
    images.numpy().tofile(base + ".images")
    subprocess.run(
        [peer, "logits", base + ".onnx", base + ".images", base + ".logits"],
        check=True,
    )
    ours = np.fromfile(base + ".logits", np.float32).reshape(expected.shape)
    return np.abs(ours - expected).max() / np.abs(expected).max()


def refusal(peer, model, base):
    """What is said of a network that cannot be read."""
    images = torch.zeros(1, 3, 33, 29)
    export(model.eval(), images, base + ".onnx", 13, False)
    images.numpy().tofile(base + ".images")
    run = subprocess.run(
        [peer, "logits", base + ".onnx", base + ".images", base + ".logits"],
        capture_output=True, text=True,
    )
    return run.returncode, run.stderr


def main():
    peer, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    torch.set_num_threads(1)
    nets = {
        "vgg": Vgg, "resnet": ResNet, "densenet": DenseNet,
        "mobilenet": lambda: MobileNet(nn.ReLU),
        "relu6": lambda: MobileNet(nn.ReLU6),
        "clipped": lambda: MobileNet(Clipped),
        "normalized": lambda: Normalized(ResNet()),
    }
    failed = passed = 0
    for name, make in nets.items():
        for opset, keep in EXPORTS[name == "vgg" :]:  # ceil_mode since 10
            base = os.path.join(directory, f"{name}_{opset}")
            torch.manual_seed(1)
            difference = compare(peer, make(), base, opset, keep)
            if difference <= BOUND:
                passed += 1
            else:
                failed += 1
                print(f"{base}: differs by {difference}, at most {BOUND} expected")
    base = os.path.join(directory, "leaky")
    code, said = refusal(peer, MobileNet(nn.LeakyReLU), base)
    if code == 1 and "(LeakyRelu): no operation of ours" in said:
        passed += 1
    else:
        failed += 1
        print(f"a LeakyReLU gave {code}: {said}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
