"""bench/paper.py in small: what it runs, what it does not run again, its table.

    paper_table.py SCRIPT NASH DIR
"""

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from xml.etree import ElementTree

SMALL = ["--preset", "smoke", "--snapshots", "2"]
SEARCH = ["--", "--widths", "4,4,6", "--steps", "1", "--neighbours", "2", "--batch", "16",
          "--final-threads", "1", "--jobs", "1"]
FEW, MANY = ["--budget", "0.0000004PFLOP"], ["--budget", "0.000001PFLOP"]
ROWS = ["nash", "random", "no-inherit", "no-sgdr", "snapshots", "scratch", "start",
        "resnet9"]


def images(name, count):
    """Grey images of 8 x 8 in three classes, as IDX."""
    labels = [i % 3 for i in range(count)]
    with open(f"data/{name}-images-idx3-ubyte", "wb") as out:
        out.write(struct.pack(">4B3I", 0, 0, 8, 3, count, 8, 8))
        out.writelines(bytes([40 + 70 * k + i % 7]) * 64 for i, k in enumerate(labels))
    with open(f"data/{name}-labels-idx1-ubyte", "wb") as out:
        out.write(struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(labels))


class Test:
    def __init__(self, script, nash):
        self.begin = [sys.executable, script, nash]

    def expect(self, status, words, *args):
        """It ends with that status and says the words; what it says."""
        run = subprocess.run([*self.begin, *args], capture_output=True, text=True,
                             check=False)
        said = run.stdout + run.stderr
        assert run.returncode == status and words in said, \
            f"{args} ended with {run.returncode}, expected {status} and '{words}': {said}"
        return run.stdout, run.stderr

    def rows(self):
        """Every kind of run, once; the second time there is nothing to do."""
        command = ["data", "a", "--seeds", "1", *SMALL, *FEW, *SEARCH]
        table, said = self.expect(0, "| NASH |", *command)
        assert said.count("\n") == len(ROWS), said
        assert table.count(" | 1 |\n") == len(ROWS), table
        assert self.expect(0, "| NASH |", *command) == (table, "")
        with open("a/results.json", encoding="utf-8") as text:
            runs = json.load(text)["runs"]
        assert list(runs) == [row + "-0" for row in ROWS], runs
        for run in runs.values():
            assert run["nash"].startswith("nash ") and run["machine"], run
            assert run["params"] > 0 and 0.0 <= run["test_error"] <= 1.0, run
        for name in ("scratch-0", "start-0"):
            assert abs(runs[name]["pflop"] / runs["nash-0"]["pflop"] - 1.0) < 0.1, runs
        assert runs["snapshots-0"]["params"] == 2 * runs["nash-0"]["params"], runs
        assert runs["scratch-0"]["macs"] == runs["nash-0"]["macs"], runs
        for name in ("nash-0/best", "scratch-0", "start-0", "resnet9-0"):
            shown = subprocess.run([self.begin[2], "show", "--json", f"a/{name}.onnx"],
                                   capture_output=True, check=True)
            network = json.loads(shown.stdout)
            assert network["mirrored"] and network["shifted"], (name, network)

    def plot(self):
        """bench/plot_run.py draws every candidate of the search, and its result."""
        script = os.path.join(os.path.dirname(self.begin[1]), "plot_run.py")
        draw = [sys.executable, script, self.begin[2]]
        subprocess.run([*draw, "a/nash-0", "nash.svg"], check=True)
        with sqlite3.connect("a/nash-0/run.db") as record:
            judged, = record.execute("SELECT count(*) FROM outcome NATURAL JOIN candidate"
                                     " WHERE kind != 'final'").fetchone()
        marks = [mark.tag.split("}")[1] for mark in ElementTree.parse("nash.svg").iter()]
        assert marks.count("circle") == judged > 1, marks
        assert marks.count("rect") == 2, marks  # the ground, and the test error
        lost = subprocess.run([*draw, "none", "none.svg"], capture_output=True,
                              text=True, check=False)
        assert lost.returncode == 1 and "none" in lost.stderr, lost

    def seeds(self):
        """Another seed adds to what is there; a run that fails is left out."""
        os.mkdir("a/random-1")
        with open("a/random-1/in-the-way", "w", encoding="utf-8"):
            pass
        table, said = self.expect(
            1, "random-1 failed", "data", "a", "--seeds", "2", "--only",
            "nash,random,ensemble", *SMALL, *FEW, *SEARCH)
        assert "nash-0" not in said and "5 of 5: ensemble" in said, said
        assert "a/random-1 is not empty" in said, said
        lines = [line for line in table.splitlines() if line.startswith("| ")]
        assert len(lines) == 4 and " ± " in lines[1] and " ± " not in lines[3], table
        assert lines[1].endswith(" 2 |") and lines[2].endswith(" 1 |"), table

    def interrupted(self):
        """A search that was stopped goes on from where it was."""
        command = ["data", "b", "--seeds", "1", "--only", "nash", *SMALL, *MANY, *SEARCH]
        with subprocess.Popen([*self.begin, *command], stderr=subprocess.PIPE,
                              text=True) as run:
            while not os.path.exists("b/nash-0/candidates/0001-00"):
                assert run.poll() is None, run.communicate()
                time.sleep(0.02)
            run.send_signal(signal.SIGTERM)
            said = run.communicate()[1]
        assert run.returncode == 1 and "the same command goes on" in said, said
        with open("b/lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.expect(1, "b is in use by another paper.py", *command)
        self.expect(0, "| NASH |", *command)
        with sqlite3.connect("b/nash-0/run.db") as record:
            events = [text for text, in record.execute("SELECT text FROM event")]
        assert events == ["begun", "stopped", "resumed", "finished"], events

    def refusals(self):
        small = ["data", "x", *SMALL]
        self.expect(1, "none is no directory", "none", "x")
        self.expect(2, "expected PFLOP", *small, "--budget", "20min")
        self.expect(2, "'best' is none of nash, random", *small, "--only", "best")
        self.expect(2, "--seed is not for the options", *small, "--", "--seed", "4")
        self.expect(1, "--seeds of 2 or more", *small, "--seeds", "1", "--only",
                    "ensemble")
        self.expect(1, "'nash search' has no option --best", *small, "--", "--best", "1")
        self.expect(1, "data is not empty", "data", "data")
        self.expect(1, "a was begun with budget '0.0000004PFLOP', not '1PFLOP'", "data",
                    "a", *SMALL, "--budget", "1PFLOP", *SEARCH)


def main():
    script, nash, directory = (os.path.abspath(path) for path in sys.argv[1:])
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(os.path.join(directory, "data"))
    os.chdir(directory)
    images("train", 90)
    images("t10k", 30)
    test = Test(script, nash)
    test.rows()
    test.plot()
    test.seeds()
    test.interrupted()
    test.refusals()


if __name__ == "__main__":
    main()
