#!/usr/bin/env python3
"""The paper's comparisons, every variant for the same number of operations.

    paper.py NASH DATA DIR [--budget 0.5PFLOP] [--seeds 3] [--preset fast]
             [--snapshots 5] [--only NAME,...] [-- options of nash search]

    nash        the search
    random      as many random morphisms at once, no selection
    no-inherit  children without inherited weights
    no-sgdr     a constant learning rate instead of cosines
    snapshots   the ensemble of the last cosines of a search's final training
    ensemble    of the results of all nash searches: costs as much as they all
    scratch     the architecture that nash found, its weights drawn anew
    start       the network that nash began with, trained alone
    resnet9     ResNet-9

The last three are trained by the recipe of the search's final training, for the
epochs that cost the PFLOP of the whole search of the same seed. Budgets are of
PFLOP, so that a busy machine changes nothing but the seconds.

Weights that are drawn anew (no-inherit, scratch) are all drawn anew: what --whiten and
--identity-init gave the starting network is lost with the rest.

Prints a Markdown table with means and standard deviations over the seeds.
DIR/results.json records every run with its command, DIR/*.log what they said. What is
finished is not run again and what was interrupted goes on, for a search from where it
was. A run that fails is left out of the table and tried again the next time.
"""
import argparse
import fcntl
import hashlib
import json
import math
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time

from steps import machine

TITLES = {
    "nash": "NASH",
    "random": "random networks",
    "no-inherit": "children without inherited weights",
    "no-sgdr": "without SGDR",
    "snapshots": "snapshot ensemble",
    "scratch": "found network, retrained from scratch",
    "start": "starting network, for the same PFLOP",
    "resnet9": "ResNet-9, for the same PFLOP",
    "ensemble": "ensemble across the runs of NASH",
}
SEARCHES = {
    "nash": [],
    "random": ["--strategy", "random"],
    "no-inherit": ["--inherit", "no"],
    "no-sgdr": ["--schedule", "constant"],
    "snapshots": [],  # and how many
}
ON_NASH = {"scratch", "start", "resnet9", "ensemble"}
OURS = {"-o", "--output", "--preset", "--budget", "--seed", "--strategy", "--inherit",
        "--schedule", "--snapshots", "--json", "--help"}
# What `nash resume` takes as well: how a search is run, not what comes out.
OF_RUNNING = {"--jobs", "--launcher", "--checkpoint-every", "--candidate-timeout",
              "--allow-mixed"}
RECIPE = ["alternate_flip", "batch", "bias_rate", "clip_norm", "cutout", "decay_all",
          "flip", "focus", "gate_rate", "label_smoothing", "lookahead", "lr_end", "muon",
          "momentum", "nesterov", "pad", "precision", "schedule", "warmup",
          "weight_decay"]


class Failure(Exception):
    """A sentence for the user; final: it would be no better for the other runs."""

    def __init__(self, sentence, final=True):
        super().__init__(sentence)
        self.final = final


# ---- what is asked for ------------------------------------------------------

def take_names(text):
    names = text.split(",")
    for name in names:
        if name not in TITLES:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(TITLES)}")
    return names


def take_budget(text):
    try:
        pflop = float(text.removesuffix("PFLOP"))
    except ValueError:
        pflop = 0.0
    if not text.endswith("PFLOP") or not 0.0 < pflop < math.inf:
        raise argparse.ArgumentTypeError(
            f"'{text}', expected PFLOP, which cost the same on every machine, "
            "like 0.5PFLOP")
    return text


def take_count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number above 0")
    return int(text)


def split_options(options):
    """Those that say how a search is run, and those that say what it does."""
    running, rest = [], []
    options = list(options)
    while options:
        word = options.pop(0)
        name, equals, _ = word.partition("=")
        part = running if name in OF_RUNNING else rest
        part.append(word)
        if part is running and not equals and name != "--allow-mixed" and options:
            part.append(options.pop(0))
    return running, rest


def parse(words):
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="paper.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("nash", "data", "dir"):
        parser.add_argument(name)
    parser.add_argument("--budget", type=take_budget, default="0.5PFLOP")
    parser.add_argument("--seeds", type=take_count, default=3)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--snapshots", type=take_count, default=5)
    parser.add_argument("--only", type=take_names, default=list(TITLES),
                        metavar="NAME,...", help="these rows, and what they are made of")
    ask = parser.parse_args(words[:at])
    for word in words[at + 1:]:
        if word.split("=")[0] in OURS:
            parser.error(f"{word} is not for the options behind '--': the comparison "
                         "sets it itself")
    ask.running, ask.options = split_options(words[at + 1:])
    return ask


def rows_of(ask):
    names = set(ask.only)
    if names & ON_NASH:
        names.add("nash")
    if ask.seeds < 2:
        if ask.only == ["ensemble"]:
            raise Failure("an ensemble across runs needs --seeds of 2 or more")
        names.discard("ensemble")
    return [name for name in TITLES if name in names]


# ---- the record -------------------------------------------------------------

class Record:
    """DIR/results.json, and who may write there."""

    def __init__(self, ask):
        self.path = os.path.join(ask.dir, "results.json")
        self.lock = open(os.path.join(ask.dir, "lock"), "w", encoding="utf-8")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"{ask.dir} is in use by another paper.py") from None
        self.asked = {"data": ask.data, "preset": ask.preset, "budget": ask.budget,
                      "snapshots": ask.snapshots, "options": shlex.join(ask.options)}
        self.runs = self.load(ask.dir)
        self.save()

    def load(self, directory):
        with os.scandir(directory) as entries:
            inside = {entry.name: entry.is_dir() for entry in entries}
        if not os.path.exists(self.path):
            if set(inside) > {"lock"}:
                raise Failure(f"{directory} is not empty, expected a new directory")
            return {}
        try:
            with open(self.path, encoding="utf-8") as text:
                found = json.load(text)
            before, runs = dict(found["asked"]), dict(found["runs"])
        except (ValueError, KeyError, TypeError):
            raise Failure(f"{self.path} is no record of paper.py") from None
        if runs or any(inside.values()):  # something was made by what was asked
            self.compare(before, directory)
        return runs

    def compare(self, before, directory):
        for key, value in self.asked.items():
            if before.get(key) != value:
                raise Failure(f"{directory} was begun with {key} '{before.get(key)}', "
                              f"not '{value}': name another directory")

    def save(self):
        with open(self.path + ".new", "w", encoding="utf-8") as out:
            json.dump({"asked": self.asked, "runs": self.runs}, out, indent=1)
            out.write("\n")
        os.replace(self.path + ".new", self.path)

    def keep(self, name, run):
        self.runs[name] = run
        self.save()

    def finished(self, name, seed):
        run = self.runs.get(name, {})
        return "test_error" in run and run["seed"] == seed


# ---- nash -------------------------------------------------------------------

class Nash:
    """The program; what it says goes into DIR/NAME.log."""

    def __init__(self, ask):
        self.program = shutil.which(ask.nash)
        self.dir = ask.dir
        if not self.program:
            raise Failure(f"{ask.nash} is no program")
        self.program = os.path.abspath(self.program)
        self.version = self.identify()

    def identify(self):
        """Its version, and which build of it, so that a mixture is seen."""
        run = subprocess.run([self.program, "--version"], capture_output=True, text=True,
                             check=False)
        if run.returncode != 0 or not run.stdout.startswith("nash "):
            raise Failure(f"{self.program} is not nash")
        with open(self.program, "rb") as program:
            build = hashlib.sha256(program.read()).hexdigest()[:12]
        return f"{run.stdout.strip()}, build {build}"

    def path(self, name):
        return os.path.join(self.dir, name)

    def command(self, words):
        return shlex.join([self.program, *words])

    def stop(self, child):
        """At its next chance; at once for who insists."""
        child.terminate()
        try:
            child.communicate()
        except KeyboardInterrupt:
            child.kill()
            child.communicate()

    def call(self, name, words):
        """What it prints, from JSON. It has a session of its own, so that a Ctrl-C
        reaches it once, through us."""
        with open(self.path(name + ".log"), "a+", encoding="utf-8") as log:
            log.seek(0, os.SEEK_END)
            begin = log.tell()
            child = subprocess.Popen([self.program, *words, "--json"], stderr=log,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     text=True, start_new_session=True)
            try:
                out, _ = child.communicate()
            except KeyboardInterrupt:
                self.stop(child)
                raise
            log.seek(begin)
            said = [line[6:].strip() for line in log if line.startswith("nash: ")]
        if child.returncode != 0:
            reason = said[-1] if said else f"ended with {child.returncode}"
            raise Failure(f"nash {words[0]}, {name}: {reason}", child.returncode == 2)
        return json.loads(out)


# ---- one run of each kind ---------------------------------------------------

class Paper:
    def __init__(self, ask):
        self.ask = ask
        self.nash = Nash(ask)
        self.record = Record(ask)
        self.machine = machine()

    def entry(self, row, seed, words, network, **more):
        return {"row": row, "seed": seed, "command": self.nash.command(words),
                "nash": self.nash.version, "machine": self.machine,
                "params": network["params"],
                "macs": network["macs"] // network.get("looks", 1), **more}

    def settings(self, name):
        return self.nash.call(name, ["show", self.nash.path(name)])["settings"]

    def search(self, row, seed):
        name = f"{row}-{seed}"
        run = self.nash.path(name)
        own = ["--snapshots", str(self.ask.snapshots)] if row == "snapshots" else []
        words = ["search", self.ask.data, "-o", run, "--preset", self.ask.preset,
                 "--budget", self.ask.budget, "--seed", str(seed), *SEARCHES[row], *own,
                 *self.ask.options, *self.ask.running]
        found = self.resume(name, run) or self.nash.call(name, words)
        network, members = found["result"], 1
        if row == "snapshots":
            members = int(self.settings(name)["ensemble_models"])
            network = {key: members * found["result"][key] for key in ("params", "macs")}
            network["looks"] = found["result"]["looks"]
        judged = found["ensemble"] if row == "snapshots" else found["result"]
        self.record.keep(name, self.entry(
            row, seed, words, network, members=members, pflop=found["pflop"],
            seconds=found["seconds"], test_error=judged["error"]))

    def resume(self, name, run):
        """The result of a search that was begun before, None if there is none."""
        if not os.path.exists(os.path.join(run, "run.db")):
            return None
        try:
            return self.nash.call(name, ["resume", run, *self.ask.running])
        except Failure as failure:
            if "was cut off before it began" in str(failure):
                return None
            raise

    def recipe(self, settings, side, epochs, params):
        """Of a search's final training, for `nash train`; side: of the images."""
        final_cutout = int(settings["final_cutout"])
        if final_cutout < 0:  # as in src/search/generation.c
            final_cutout = side // 4 if epochs * (params / 1.5e6) ** 0.5 >= 32 else 0
        keys = {key: settings[key] for key in RECIPE}
        keys["flip"] = settings.get("flip_decided", keys["flip"])
        keys["threads"] = settings["final_threads"]
        keys["lr_start"] = settings["final_lr_start"]
        if float(keys["lr_start"]) == 0.0:
            keys["lr_start"] = settings["lr_start"]
        keys["cutout"] = str(max(int(settings["cutout"]), final_cutout))
        keys["cycle"] = "0" if settings["halve"] == "yes" else settings["cycle"]
        keys["cycle_growth"] = settings["cycle_growth"]
        keys["epochs"] = str(epochs)
        return keys

    def train_words(self, row, seed, model, epochs, params):
        searched = f"nash-{seed}"
        settings = self.settings(searched)
        at = self.nash.path(searched)
        start = self.nash.call("show", ["show", os.path.join(at, "start.onnx")])
        found = self.nash.call("show", ["show", os.path.join(at, "best.onnx")])
        keys = self.recipe(settings, min(start["input"][1:]), epochs, params)
        for option, look in (("mirror", "mirrored"), ("shift", "shifted")):
            keys[option] = "yes" if found[look] else "no"
        network = {"scratch": [os.path.join(at, "best.onnx"), "--reinit"],
                   "start": [os.path.join(at, "start.onnx")],  # not trained yet
                   "resnet9": ["resnet9"]}[row]
        if row != "start":  # their weights are drawn anew
            keys |= {key: settings[key] for key in ("identity_init", "whiten")}
        if row == "resnet9":
            keys |= {"size": settings["size"]} if settings["size"] else {}
        words = ["train", network[0], self.ask.data, "-o", model, *network[1:],
                 "--val-share", "0", "--seed", str(seed)]
        for key, value in sorted(keys.items()):
            words += ["--" + key.replace("_", "-"), value]
        return words

    def train(self, row, seed):
        name = f"{row}-{seed}"
        model = self.nash.path(name + ".onnx")
        if name not in self.record.runs or not os.path.exists(model):
            sizes = self.nash.call(name, self.train_words(row, seed, model, 0, 0))
            epoch = 6e-15 * sizes["macs"] * sizes["images"]
            pflop = self.record.runs[f"nash-{seed}"]["pflop"]
            epochs = max(1, round(pflop / epoch))
            words = self.train_words(row, seed, model, epochs, sizes["params"])
            began = time.monotonic()
            self.nash.call(name, words)
            self.record.keep(name, self.entry(
                row, seed, words, sizes, epochs=epochs, pflop=epochs * epoch,
                seconds=time.monotonic() - began))
        judged = self.nash.call(name, ["eval", model, self.ask.data])
        self.record.keep(name, {**self.record.runs[name], "test_error": judged["error"]})

    def ensemble(self, seeds):
        names = [f"nash-{seed}" for seed in seeds]
        words = ["eval", *(os.path.join(self.nash.path(name), "best.onnx")
                           for name in names), self.ask.data]
        judged = self.nash.call("ensemble", words)
        total = {key: sum(self.record.runs[name][key] for name in names)
                 for key in ("params", "macs", "pflop", "seconds")}
        self.record.keep("ensemble", self.entry(
            "ensemble", seeds, words, total, members=len(names),
            pflop=total["pflop"], seconds=total["seconds"], test_error=judged["error"]))

    def one(self, row, seed):
        if row in ON_NASH:
            for needed in seed if row == "ensemble" else [seed]:
                if not self.record.finished(f"nash-{needed}", needed):
                    raise Failure(f"{row} needs nash-{needed}, which failed", False)
        if row == "ensemble":
            self.ensemble(seed)
        elif row in SEARCHES:
            self.search(row, seed)
        else:
            self.train(row, seed)

    def all(self, rows):
        """Seed by seed, so that an early end leaves whole comparisons."""
        seeds = list(range(self.ask.seeds))
        todo = [(row, seed) for seed in seeds for row in rows if row != "ensemble"]
        todo += [("ensemble", seeds)] * ("ensemble" in rows)
        failed = []
        for number, (row, seed) in enumerate(todo, 1):
            name = row if row == "ensemble" else f"{row}-{seed}"
            if self.record.finished(name, seed):
                continue
            print(f"{number} of {len(todo)}: {name}", file=sys.stderr, flush=True)
            try:
                self.one(row, seed)
            except Failure as failure:
                if failure.final or not self.record.runs:
                    raise
                print(f"paper.py: {failure}", file=sys.stderr, flush=True)
                failed.append(name)
        return failed


# ---- the table --------------------------------------------------------------

def cell(values, decimals=None, divisor=1.0, unit=""):
    """Mean and standard deviation; three digits of the mean where not told."""
    values = [value / divisor for value in values]
    mean = statistics.mean(values)
    if decimals is None:
        decimals = max(0, 2 - math.floor(math.log10(mean))) if mean > 0.0 else 0
    text = f"{mean:.{decimals}f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.{decimals}f}"
    return text + unit


def count_cell(values):
    mean = statistics.mean(values)
    for divisor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if mean >= divisor:
            return cell(values, None, divisor, unit)
    return cell(values, 0)


def table(rows, runs, seeds):
    print("| | test error, % | parameters | MACs | PFLOP | seconds | runs |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        names = [row] if row == "ensemble" else [f"{row}-{seed}" for seed in range(seeds)]
        found = [runs[name] for name in names if "test_error" in runs.get(name, {})]
        values = {key: [run[key] for run in found]
                  for key in ("test_error", "params", "macs", "pflop", "seconds")}
        cells = ["-"] * 5 if not found else [
            cell(values["test_error"], 2, 0.01), count_cell(values["params"]),
            count_cell(values["macs"]), cell(values["pflop"]), cell(values["seconds"], 0)]
        print(f"| {TITLES[row]} | " + " | ".join(cells) + f" | {len(found)} |")


def off_budget(rows, runs, budget):
    """Those that took a tenth more or less than they should have."""
    total = float(budget.removesuffix("PFLOP"))
    return [f"{name} {run['pflop'] / total:.2f}" for name, run in runs.items()
            if run["row"] in rows and run["row"] != "ensemble"
            and abs(run["pflop"] / total - 1.0) > 0.1]


def report(paper, rows):
    ask, runs = paper.ask, paper.record.runs
    shown = [run for run in runs.values() if run["row"] in rows]
    options = f", {shlex.join(ask.options)}" if ask.options else ""
    print(f"{os.path.basename(ask.data)}, preset {ask.preset}, budget {ask.budget}"
          f"{options}; ± is the standard deviation over the seeds.")
    for line in sorted({f"{run['nash']}; {run['machine']}" for run in shown}):
        print(line)
    print()
    table(rows, runs, ask.seeds)
    off = off_budget(rows, runs, ask.budget)
    if off:
        print("\nMore than a tenth off the budget, in shares of it: " + ", ".join(off))


# ---- the whole --------------------------------------------------------------

def be_stopped(*_):
    raise KeyboardInterrupt


def compare(ask):
    rows = rows_of(ask)
    if not os.path.isdir(ask.data):
        raise Failure(f"{ask.data} is no directory")
    ask.data = os.path.abspath(ask.data)
    try:
        os.makedirs(ask.dir, exist_ok=True)
        paper = Paper(ask)
        failed = paper.all(rows)
    except OSError as error:
        raise Failure(f"{error.filename or ask.dir}: {error.strerror}") from None
    report(paper, rows)
    if failed:
        raise Failure(f"{', '.join(failed)} failed; the same command tries again")


def main():
    ask = parse(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, be_stopped)
    try:
        compare(ask)
    except Failure as failure:
        sys.exit(f"paper.py: {failure}")
    except KeyboardInterrupt:
        sys.exit("paper.py: stopped; the same command goes on")


if __name__ == "__main__":
    main()
