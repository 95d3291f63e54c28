#!/usr/bin/env python3
"""Whole training steps in PyTorch, to compare with `nash bench --json`.

    python3 bench/torch_steps.py [--nash build/nash] [--nets start,vgg,resnet9]
        [--precision bf16,f32] [--batch 128] [--threads 2] [--rounds 5]

The same networks on made-up images: forward, cross-entropy, backward, SGD with
momentum and weight decay. PyTorch gets what is fastest for it on CPUs: channels
last, bf16 weights and activations without autocast (float32 master weights are
not even kept), gradients set to None. Both programs take turns, a round each,
so that a change of the machine's mood meets both; medians are printed.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
from torch import nn


def block(inputs, outputs):
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(*block(channels, channels),
                                  *block(channels, channels))

    def forward(self, x):
        return x + self.body(x)


def network(name):
    """The networks of nash_net_start(), nash_net_vgg(), nash_net_resnet9()."""
    pool = nn.MaxPool2d(2)
    if name == "start":
        body = [*block(3, 64), pool, *block(64, 128), pool, *block(128, 256)]
        last = 256
    elif name == "vgg":
        body = [*block(3, 64), *block(64, 64), pool,
                *block(64, 128), *block(128, 128), *block(128, 128), pool,
                *block(128, 256), *block(256, 256), *block(256, 256)]
        last = 256
    else:
        body = [*block(3, 64), *block(64, 128), pool, Residual(128),
                *block(128, 256), pool, *block(256, 512), pool, Residual(512)]
        last = 512
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(last, 10))


class Torch:
    def __init__(self, name, precision, batch):
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        layout = torch.channels_last
        self.net = network(name).to(dtype=kind, memory_format=layout)
        images = torch.randn(batch, 3, 32, 32, dtype=kind)
        self.images = images.to(memory_format=layout)
        self.labels = torch.randint(0, 10, (batch,))
        self.loss = nn.CrossEntropyLoss()
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.0, momentum=0.9,
                                   weight_decay=5e-4)
        for _ in range(2):
            self.step()

    def step(self):
        self.sgd.zero_grad(set_to_none=True)
        self.loss(self.net(self.images).float(), self.labels).backward()
        self.sgd.step()

    def images_per_second(self, seconds):
        times, end = [], time.perf_counter() + seconds
        while len(times) < 5 or time.perf_counter() < end:
            start = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - start)
        return len(self.images) / statistics.median(times)


def nash_images_per_second(args, name, precision):
    run = subprocess.run(
        [args.nash, "bench", "--net", name, "--precision", precision,
         "--batch", str(args.batch), "--threads", str(args.threads),
         "--seconds", str(args.seconds), "--json"],
        check=True, capture_output=True, text=True)
    return json.loads(run.stdout)["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nash", default="build/nash")
    parser.add_argument("--nets", default="start,vgg,resnet9")
    parser.add_argument("--precision", default="bf16,f32")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{'net':8} {'':4} {'nash':>9} {'PyTorch':>9}  images/s, medians of "
          f"{args.rounds} rounds")
    for precision in args.precision.split(","):
        for name in args.nets.split(","):
            rival = Torch(name, precision, args.batch)
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(nash_images_per_second(args, name, precision))
                theirs.append(rival.images_per_second(args.seconds))
            print(f"{name:8} {precision:4} {statistics.median(ours):9.0f} "
                  f"{statistics.median(theirs):9.0f}", flush=True)


if __name__ == "__main__":
    main()
