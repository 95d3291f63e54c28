"""What new channels of each kind do to a child's learning curve.

    widen_modes.py NASH DATA DIR [--seeds 3] [--parent-epochs 3] [--epochs 4]
                   [--widths 16,32,64] [--threads 1]

For each seed a starting network is trained and its convolutions are widened in
every mode; parent and children then go on for as many epochs, a cosine each, on the same
batches in the same order. Judged on validation images, a tenth of the training images,
that no training has seen; the test images are not touched. Prints the mean over
the seeds, with its standard error, after every epoch, and each child's difference
from the copy's (paired by seed).
"""

import argparse
import json
import os
import statistics
import subprocess

MODES = ["parent", "copy", "fresh", "pair", "noise"]
RECIPE = ["--batch", "128", "--lr-start", "0.1", "--warmup", "0.1", "--nesterov", "yes"]


def parse():
    parser = argparse.ArgumentParser()
    for name in ("nash", "data", "dir"):
        parser.add_argument(name)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parent-epochs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--widths", default="16,32,64")
    parser.add_argument("--threads", default="1")
    return parser.parse_args()


def train(ask, model, out, epochs, seed, *more):
    command = [ask.nash, "train", model, ask.data, "-o", out, "--epochs", str(epochs),
               "--seed", str(seed), "--threads", ask.threads, "--json", *RECIPE, *more]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)["epochs"]


def convolutions(ask, model):
    shown = subprocess.run([ask.nash, "show", "--json", model], check=True,
                           capture_output=True, text=True)
    return [layer["name"] for layer in json.loads(shown.stdout)["layers"]
            if layer["op"] == "conv"]


def make_child(ask, parent, child, mode, seed):
    texts = [f"widen:at={name},factor=2,mode={mode}"
             + (f",seed={seed}" if mode != "copy" else "")
             for name in convolutions(ask, parent)]
    subprocess.run([ask.nash, "morph", parent, *texts, "-o", child, "--data", ask.data,
                    "--threads", ask.threads], check=True, stdout=subprocess.DEVNULL)


def curves(ask, seed):
    """Mode -> validation losses and errors by epoch."""
    def path(name):
        return os.path.join(ask.dir, f"{seed}-{name}.onnx")

    train(ask, "start", path("parent"), ask.parent_epochs, seed, "--widths", ask.widths)
    found = {}
    for mode in MODES:
        if mode != "parent":
            make_child(ask, path("parent"), path(mode), mode, seed)
        rows = train(ask, path(mode), path(mode + "-trained"), ask.epochs, seed,
                     "--cycle", "1")
        found[mode] = [(row["val_loss"], row["val_error"]) for row in rows]
        print(f"seed {seed} {mode}: " + " ".join(f"{e:.4f}" for _, e in found[mode]),
              flush=True)
    return found


def cell(values):
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0
    return f"{statistics.mean(values):8.4f} +-{error:.4f}"


def table(runs, title, which, epochs, base=None):
    print(f"\n{title}\n{'epoch':8}" + "".join(f"{mode:>18}" for mode in MODES))
    for epoch in range(epochs):
        cells = []
        for mode in MODES:
            values = [run[mode][epoch][which] for run in runs]
            if base:
                values = [v - run[base][epoch][which] for v, run in zip(values, runs)]
            cells.append(f"{cell(values):>18}")
        print(f"{epoch + 1:<8}" + "".join(cells))


def main():
    ask = parse()
    os.makedirs(ask.dir, exist_ok=True)
    runs = [curves(ask, seed) for seed in range(ask.seeds)]
    table(runs, "validation loss", 0, ask.epochs)
    table(runs, "validation error", 1, ask.epochs)
    table(runs, "validation loss, less the copy's", 0, ask.epochs, "copy")


if __name__ == "__main__":
    main()
