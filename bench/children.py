#!/usr/bin/env python3
"""What a search's children cost besides their training, against the goals.

    make bench-children             docs/performance.md's section "Children"
    python3 bench/children.py [--data data/cifar10] [--nets start,resnet9]
        [--batch 128] [--threads 1,2] [--rounds 3] [--seconds 1] [--children 6]
        [--before "chrt -r 1"] [--only surgery,start,eval,scaling,memory]

Surgery, statistics and starts are timed by bench/children.c. Rates of training
are those of `nash bench`. Whatever is compared takes turns, a round each, and
medians of the rounds' ratios are printed. Memory is that of every net, the rest
that of the first. --before is put before every command that is timed: `chrt -r 1`
keeps others off the processors.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from steps import machine, run_json, torch_rate

median = statistics.median


def resident(name):
    """VmRSS or VmHWM of this process, in MiB."""
    with open("/proc/self/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines
                    if line.startswith(name + ":"))


def torch_memory(ask):
    """MiB of PyTorch's step: before, and at its peak."""
    import torch  # noqa: F401, loaded before it counts
    before = resident("VmRSS")
    torch_rate(ask)
    return {"before": before, "peak": resident("VmHWM")}


class Bench:
    def __init__(self, args, scratch):
        self.args = args
        self.before = args.before.split()
        self.scratch = scratch
        self.data = os.path.abspath(args.data)
        self.nash = os.path.abspath(args.nash)

    def own(self, program, *words):
        """Run one of this directory's programs."""
        return run_json([*self.before, f"{self.args.programs}/{program}",
                         *map(str, words)])

    def together(self, *commands):
        """What they say, started at once."""
        running = [subprocess.Popen([*self.before, *map(str, c)], text=True,
                                    stdout=subprocess.PIPE) for c in commands]
        said = [process.communicate()[0] for process in running]
        assert not any(process.returncode for process in running), commands
        return [json.loads(text) for text in said]

    def speed(self, net, threads):
        return [self.nash, "bench", "--net", net, "--threads", threads,
                "--batch", self.args.batch, "--seconds", self.args.seconds,
                "--json"]

    # ---- a group of rows each ---------------------------------------------

    def surgery(self):
        times = self.own("children", "morphs")
        parameters = times.pop("parameters") / 1e6
        worst = ", ".join(f"{kind} {max(took):.2f}" if took else f"{kind} -"
                          for kind, took in times.items())
        row(f"surgery, {parameters:.1f} M parameters: < 0.5 s",
            f"{worst} s (slowest of 5 draws)")

    def start(self):
        run = os.path.join(self.scratch, "run")
        os.mkdir(run)
        made = self.own("children", "made", self.args.children, self.data, run,
                        self.nash)
        starts = [child["start"] for child in made]
        shares = [100 * c["statistics"] / c["training"] for c in made]
        row("a child trains after: <= 1 s",
            f"{median(starts):.2f} s, at most {max(starts):.2f}; its three "
            f"morphisms {median(c['surgery'] for c in made):.3f}")
        row("statistics, of three epochs: <= 1 %",
            f"{median(shares):.2f} %, at most {max(shares):.2f} "
            f"({max(c['statistics'] for c in made):.1f} s)")

    def eval(self):
        net = self.args.nets.split(",", maxsplit=1)[0]
        file = os.path.join(self.scratch, net + ".onnx")
        subprocess.run([self.nash, "train", net, self.data, "--epochs", "0",
                        "--val-share", "0", "-o", file], check=True,
                       capture_output=True)
        for threads in self.args.threads.split(","):
            self.eval_row(net, file, threads)

    def eval_row(self, net, file, threads):
        shares, took = [], []
        for _ in range(self.args.rounds):
            [trained] = self.together(self.speed(net, threads))
            epoch = 50000 / trained["images_per_second"]
            began = time.perf_counter()
            [judged] = self.together([
                self.nash, "eval", "--precision", "auto", "--batch",
                self.args.batch, "--threads", threads, "--json", file,
                self.data])
            took.append((time.perf_counter() - began) * 10000
                        / judged["images"])
            shares.append(took[-1] / epoch)
        row(f"10,000 images judged, of an epoch of 50,000, {net}, {threads} "
            "threads: < 0.1", f"{median(shares):.3f} ({median(took):.1f} s)")

    def scaling(self):
        net = self.args.nets.split(",", maxsplit=1)[0]
        peak = [f"{self.args.programs}/peak", 1, self.args.seconds]
        rounds = []
        for _ in range(self.args.rounds):
            peaks = flops(self.together(peak, peak)) / flops(
                self.together(peak))
            one = rate(self.together(self.speed(net, 1)))
            two = rate(self.together(self.speed(net, 1), self.speed(net, 1)))
            threads = rate(self.together(self.speed(net, 2)))
            rounds.append((peaks, two / one, two / one / peaks, two / threads))
        peaks, steps, ratio, gain = (median(r) for r in zip(*rounds))
        row(f"two children, {net}, against two peaks: >= 0.95",
            f"{ratio:.3f} ({steps:.2f} and {peaks:.2f} times one)")
        row("and against one child on two threads: > 1", f"{gain:.3f}")

    def memory(self):
        batch = self.args.batch
        for net in self.args.nets.split(","):
            step = self.own("children", "step", net, batch)
            row(f"a plan's bytes as estimated, {net}, batch {batch}",
                f"{step['held']:.1f} of {step['predicted']:.1f} MiB")
            for threads in self.args.threads.split(","):
                self.training_row(net, threads)
            row("a step's peak: below PyTorch's", self.against_torch(net, step))

    def training_row(self, net, threads):
        train = self.own("children", "train", net, self.args.batch, threads,
                         self.data)
        expected = train["before"] + train["predicted"]
        row(f"its training's peak, {threads} threads: within max(2 %, 16 MiB)",
            f"{train['peak']:.0f} MiB, {train['peak'] - expected:+.1f} of "
            f"{train['before']:.0f} + {train['predicted']:.0f}")

    def against_torch(self, net, step):
        ask = dict(net=net, batch=self.args.batch, threads=1, way="f32",
                   seconds=0)
        peaks = []
        for last in (False, True):
            run = subprocess.run(
                [sys.executable, os.path.abspath(__file__), "--torch",
                 json.dumps({**ask, "last": last})], text=True, check=False,
                capture_output=True)
            if run.returncode:
                return f"{step['peak']:.0f} MiB; no PyTorch"
            peaks.append(json.loads(run.stdout))
        least = min(peaks, key=lambda torch: torch["peak"])
        return (f"{step['peak']:.0f} MiB, PyTorch {least['peak']:.0f}; without "
                f"the program {step['peak'] - step['before']:.0f}, "
                f"{least['peak'] - least['before']:.0f}")


def rate(said):
    return sum(bench["images_per_second"] for bench in said)


def flops(said):
    return sum(peak["bf16"] or peak["f32"] for peak in said)


def row(goal, measured):
    print(f"| {goal} | {measured} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nash", default="build/nash")
    parser.add_argument("--programs", default="build/bench")
    parser.add_argument("--data", default="data/cifar10")
    parser.add_argument("--nets", default="start,resnet9")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--children", type=int, default=6)
    parser.add_argument("--before", default="")
    parser.add_argument("--only", default="surgery,start,eval,scaling,memory")
    parser.add_argument("--torch", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        print(json.dumps(torch_memory(json.loads(args.torch))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(args, scratch)
        [first] = bench.together(bench.speed("start", 1))
        print(f"{machine()}; {first['engine']}, {first['precision']}; medians "
              f"of {args.rounds} rounds\n\n| goal | measured |\n|---|---|",
              flush=True)
        for group in args.only.split(","):
            getattr(bench, group)()


if __name__ == "__main__":
    main()
