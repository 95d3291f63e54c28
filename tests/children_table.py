"""bench/children.py in small: that every row but the surgery's, which takes half a
GiB, can be measured; not what it says.

    children_table.py SCRIPT NASH PROGRAMS DIR
"""

import os
import shutil
import subprocess
import sys

from paper_table import images

ROWS = ["a child trains", "statistics", "10,000 images", "two children",
        "and against one child", "a plan's bytes", "its training's peak", "a step's peak"]


def main():
    script, nash, programs, directory = (os.path.abspath(path) for path in sys.argv[1:])
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(os.path.join(directory, "data"))
    os.chdir(directory)
    images("train", 90)
    images("t10k", 30)
    run = subprocess.run(
        [sys.executable, script, "--nash", nash, "--programs", programs, "--data", "data",
         "--nets", "start", "--threads", "1", "--batch", "16", "--rounds", "1",
         "--seconds", "0.01", "--children", "2", "--before", "env", "--only",
         "start,eval,scaling,memory"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    rows = run.stdout[run.stdout.index("|---|---|\n"):].splitlines()[1:]
    assert len(rows) == len(ROWS), run.stdout
    for said, expected in zip(rows, ROWS):
        assert said.startswith("| " + expected), f"{said}, expected {expected}"
    held, bytes_ = rows[5].split(" | ")[1].split(" of ")
    assert held + " MiB |" == bytes_, rows[5]


if __name__ == "__main__":
    main()
