#!/usr/bin/env python3
"""Whole training steps beside PyTorch and beside the machine's peak.

    make bench                      all of docs/performance.md's table
    python3 bench/steps.py [--nets start,vgg,resnet9] [--precision bf16,f32]
        [--batch 128,512] [--threads 1,2] [--rounds 5] [--seconds 1]

A step is forward, cross-entropy, backward, and SGD with momentum and weight
decay, on a batch of made-up images that stays the same. Everything takes turns,
a round each, so that a change of the machine's mood meets all: the peak, nash,
PyTorch at its best and PyTorch as it comes. Medians are printed; percentages
and ratios are medians of those within a round.

Best is channels last, a malloc that keeps its pages, and in bf16 the faster of
autocast and of a network that is bf16 throughout, which keeps no float32
weights. As it comes is float32, its own layout and malloc.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

PAGES_KEPT = {"MALLOC_TRIM_THRESHOLD_": str(1 << 40),
              "MALLOC_MMAP_THRESHOLD_": str(1 << 40),
              "MALLOC_TOP_PAD_": str(1 << 28)}


# ---- PyTorch, in a process of its own -------------------------------------

def network(name):
    """The networks of nash_net_start(), nash_net_vgg(), nash_net_resnet9()."""
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


def torch_rate(ask):
    """Images per second of one way to train."""
    import torch
    kind = torch.bfloat16 if ask["way"] == "pure" else torch.float32
    layout = torch.channels_last if ask["last"] else torch.contiguous_format
    torch.set_num_threads(ask["threads"])
    net = network(ask["net"]).to(dtype=kind, memory_format=layout)
    images = torch.randn(ask["batch"], 3, 32, 32, dtype=kind)
    images = images.to(memory_format=layout)
    labels = torch.randint(0, 10, (ask["batch"],))
    loss = torch.nn.CrossEntropyLoss()
    sgd = torch.optim.SGD(net.parameters(), lr=0.0, momentum=0.9,
                          weight_decay=5e-4)

    def step():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, ask["way"] == "autocast"):
            logits = net(images)
        loss(logits.float(), labels).backward()
        sgd.step()

    for _ in range(2):
        step()
    times, end = [], time.perf_counter() + ask["seconds"]
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return ask["batch"] / statistics.median(times)


def serve():
    for line in sys.stdin:
        print(json.dumps(torch_rate(json.loads(line))), flush=True)


class Torch:
    def __init__(self, extra):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--serve"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, **extra})

    def rate(self, **ask):
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


# ---- ours -----------------------------------------------------------------

def run_json(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def nash(args, net, precision, batch, threads, seconds):
    return run_json([args.nash, "bench", "--net", net, "--precision",
                     precision, "--batch", str(batch), "--threads",
                     str(threads), "--seconds", str(seconds), "--json"])


def faults_per_step(args):
    """Page faults that a longer run has beyond a shorter one, per step."""
    seen = []
    for seconds in (0.5, 2.5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
        steps = nash(args, "start", args.precision.split(",")[0], 128, 1,
                     seconds)["steps"]
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
        seen.append((steps, after - before))
    (few, first), (many, second) = seen
    return max(second - first, 0) / max(many - few, 1)


# ---- the table ------------------------------------------------------------

def machine():
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    return f"{model}, {len(os.sched_getaffinity(0))} processors, Linux " \
           f"{platform.release()}"


def row(args, rivals, net, precision, batch, threads):
    best_ways = ["autocast", "pure"] if precision == "bf16" else ["f32"]
    rounds = []
    for number in range(args.rounds):
        ask = dict(net=net, batch=batch, threads=threads, seconds=args.seconds)
        peak = run_json([args.peak, str(threads), "0.3"])
        ours = nash(args, net, precision, batch, threads, args.seconds)
        if number == 1 and len(best_ways) > 1:  # the first round chose
            best_ways = [max(best_ways, key=lambda way: rounds[0]["ways"][way])]
        ways = {way: rivals[0].rate(way=way, last=True, **ask)
                for way in best_ways}
        default = rivals[1].rate(way="f32", last=False, **ask)
        best = max(ways.values())
        rate = ours["images_per_second"]
        rounds.append({"ways": ways, "peak": peak[precision] or 0.0,
                       "rate": rate, "gflops": ours["gflops"], "best": best,
                       "default": default, "faster": rate / best,
                       "faster_default": rate / default,
                       "share": ours["gflops"] / (peak[precision] or 1e9)})

    def median(key):
        return statistics.median(r[key] for r in rounds)

    print(f"| {net} | {precision} | {batch} | {threads} | {median('rate'):.0f}"
          f" | {median('gflops'):.0f} | {100 * median('share'):.0f} % of "
          f"{median('peak'):.0f} | {median('best'):.0f} ({best_ways[0]}) | "
          f"{median('faster'):.2f}x | {median('default'):.0f} | "
          f"{median('faster_default'):.2f}x |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nash", default="build/nash")
    parser.add_argument("--peak", default="build/bench/peak")
    parser.add_argument("--nets", default="start,vgg,resnet9")
    parser.add_argument("--precision", default="bf16,f32")
    parser.add_argument("--batch", default="128,512")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    import torch
    first = nash(args, "start", "auto", 16, 1, 0.0)
    print(f"{machine()}; {first['engine']}; PyTorch {torch.__version__}; "
          f"medians of {args.rounds} rounds of {args.seconds:g} s")
    print(f"page faults per step: {faults_per_step(args):.2f}\n")
    print("| net | precision | batch | threads | images/s | GFLOP/s | of the "
          "peak | PyTorch, best | | as it comes | |")
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    rivals = [Torch(PAGES_KEPT), Torch({})]
    for precision in args.precision.split(","):
        for net in args.nets.split(","):
            for batch in args.batch.split(","):
                for threads in args.threads.split(","):
                    row(args, rivals, net, precision, int(batch), int(threads))


if __name__ == "__main__":
    main()
