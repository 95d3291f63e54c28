#!/usr/bin/env python3
"""Error against time of a finished search, as an SVG file.

    plot_run.py NASH RUN SVG

A dot is a candidate at the end of its training: its error on the validation images,
filled if it won its step. The line is the final training, its error on the training
images as they are augmented, and the square the result's error on the test images.
Candidates that ran side by side are taken to have shared the time of their step.
"""
import json
import math
import subprocess
import sys

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 110, 16, 44
QUIET, LINE = "#6b7280", "#e3e6ea"
CHILD, PARENT, TRAIN, TEST = "#2563eb", "#d97706", "#6b7280", "#b42318"


def load(nash, run):
    got = subprocess.run([nash, "show", run, "--json"], capture_output=True, text=True)
    if got.returncode != 0:
        sys.exit(f"plot_run.py: {got.stderr.strip()}")
    return json.loads(got.stdout)


def timeline(run):
    """Dots (minute, error, kind, won), the final line, and the minute of the end."""
    jobs = int(run["settings"]["jobs"])
    steps, dots, line, now = {}, [], [], 0.0
    for candidate in run["candidates"]:
        steps.setdefault(candidate["step"], []).append(candidate)
    for _, candidates in sorted(steps.items()):
        if candidates[0]["kind"] == "final":
            for epoch in candidates[0]["epochs"]:
                now += epoch["seconds"] / 60
                line.append((now, epoch["train_error"]))
            continue
        at_once = min(jobs, len(candidates))
        now += sum(c["seconds"] for c in candidates) / at_once / 60
        dots += [(now, c["validation"]["error"], c["kind"], c["chosen"])
                 for c in candidates if c["status"] == "NASH_OK"]
    return dots, line, now


class Scale:
    """Minutes and errors to pixels; errors on a logarithmic axis, from 0.1 % on."""

    LEAST = 0.001

    def __init__(self, minutes, errors):
        self.minutes = minutes * 1.02
        self.low = max(min(errors), self.LEAST) * 0.9
        self.high = max(*errors, self.LEAST) * 1.1

    def x(self, minute):
        return LEFT + (WIDTH - LEFT - RIGHT) * minute / self.minutes

    def y(self, error):
        share = math.log(max(error, self.LEAST) / self.low) / math.log(self.high / self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def text(x, y, words, anchor="middle", fill=QUIET):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'


def axes(scale):
    out = []
    for error in (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7):
        if scale.low <= error <= scale.high:
            y = scale.y(error)
            out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{LINE}"/>')
            out.append(text(LEFT - 8, y + 4, f"{100 * error:g} %", "end"))
    step = next(s for s in (1, 2, 5, 10, 20, 60, 600) if scale.minutes / s <= 10)
    for minute in range(0, int(scale.minutes) + 1, step):
        out.append(text(scale.x(minute), HEIGHT - BOTTOM + 18, str(minute)))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "minutes"))
    return out


def draw(run):
    dots, line, end = timeline(run)
    test = float(run["settings"]["test_error"])
    scale = Scale(end, [d[1] for d in dots] + [p[1] for p in line] + [test])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *axes(scale)]
    if line:
        path = "L".join(f"{scale.x(m):.1f} {scale.y(e):.1f}" for m, e in line)
        out.append(f'<path d="M{path}" fill="none" stroke="{TRAIN}" stroke-width="1.5"/>')
        out.append(text(scale.x(line[-1][0]) + 10, scale.y(line[-1][1]) + 4,
                        f"{100 * line[-1][1]:.2f} % training", "start"))
    for minute, error, kind, won in dots:
        color = PARENT if kind == "parent" else CHILD
        out.append(f'<circle cx="{scale.x(minute):.1f}" cy="{scale.y(error):.1f}" r="4" '
                   f'stroke="{color}" fill="{color if won else "#fff"}"/>')
    x, y = scale.x(end), scale.y(test)
    out.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{TEST}"/>')
    out.append(text(x + 10, y + 4, f"{100 * test:.2f} % test", "start", TEST))
    out.append(text(LEFT + 12, HEIGHT - BOTTOM - 28, "● start and children, ○ not chosen", "start", CHILD))
    out.append(text(LEFT + 12, HEIGHT - BOTTOM - 12, "● unmorphed parents", "start", PARENT))
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    if len(sys.argv) != 4:
        print("usage: plot_run.py NASH RUN SVG", file=sys.stderr)
        sys.exit(2)
    run = load(sys.argv[1], sys.argv[2])
    if "test_error" not in run["settings"]:
        sys.exit(f"plot_run.py: {sys.argv[2]} is not finished")
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write(draw(run))


main()
