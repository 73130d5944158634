#!/usr/bin/env python3
"""Measures the Python package beside the standard library's multiprocessing and its other rivals, by turns.

    bench/python.py [--quick] [--repetitions N] [--only REGEX] [--modules LIST] [--out FOLDER]

Each row (python_rows.py) is measured by each module that can be imported, one after the other, in an interpreter of its
own, N times over. Prints a table: medians, with the least and the most; how many times multiprocessing that is, the
median of the ratios of each turn; and whether that is what was aimed at. --out writes it, each sample, and a plot.
"""

import argparse
import compileall
import importlib.util
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys

import machine
import plot

HERE = os.path.dirname(os.path.abspath(__file__))
STOCK, KITH = "multiprocessing", "kith"
MODULES = STOCK, KITH, "billiard", "multiprocess", "faster_fifo", "loky"
LIMIT = 150  # seconds after which a measurement has hung

RATE, TIME = "per s", "us"  # more is better, less is better
ROWS = [  # name, title, unit, how many times multiprocessing is aimed at
    ("queue-int", "Queue, ints", RATE, 20),
    ("queue-bytes", "Queue, 100 bytes", RATE, 20),
    ("queue-str", "Queue, strs", RATE, 20),
    ("queue-dict", "Queue, small dicts", RATE, 8),
    ("queue-1MiB", "Queue, 1 MiB", RATE, 8),
    ("queue-numpy", "Queue, numpy arrays of 8 MiB", RATE, 10),
    ("queue-4P4C", "Queue, 4 putters, 4 getters", RATE, 10),
    ("queue-round-trip", "Queue, round trip", TIME, 10),
    ("pipe-int", "Pipe, ints", RATE, 5),
    ("pipe-dict", "Pipe, small dicts", RATE, 5),
    ("pipe-1MiB", "Pipe, 1 MiB", RATE, 5),
    ("pipe-round-trip", "Pipe, round trip", TIME, 1),
    ("manager-queue", "manager's queue", RATE, 8),
    ("manager-queue-tcp", "manager's queue, TCP", RATE, 1),
    ("manager-dict", "manager's dict", RATE, 1),
    ("pool-map", "Pool.map, chunksize 1", RATE, 8),
    ("pool-imap-unordered", "Pool.imap_unordered", RATE, 1),
    ("pool-apply-async", "Pool.apply_async", RATE, 1),
    ("executor-map", "ProcessPoolExecutor.map", RATE, 1),
    ("pool-start", "Pool(4), start", TIME, 1),
    ("lock", "Lock", RATE, 1),
    ("lock-contended", "Lock, 4 contend", RATE, 3),
    ("value", "Value += 1, locked", RATE, 1),
    ("event-round-trip", "Event, round trip", TIME, 5),
]
SPREAD = 0.95  # what is aimed at as "not slower" is reached with this ratio: turns differ by more
ALONE = {"faster_fifo": r"queue", "loky": r"executor"}  # all else these modules have not


def can_measure(module, row):
    return re.match(ALONE.get(module, ""), row) is not None


class Figure:
    """What a module has shown in a row."""

    def __init__(self):
        self.seconds = []  # for one, of each turn; None where it failed
        self.tails = []
        self.failed = ""

    def add(self, figures, failed):
        self.seconds.append(figures and figures["seconds"])
        if figures and "p99" in figures:
            self.tails.append(figures["p99"])
        self.failed = self.failed or failed

    def values(self, unit):
        return [1 / seconds if unit == RATE else seconds * 1e6 for seconds in self.seconds if seconds]

    def ratios(self, base):
        """How many times as fast as that one, of each turn."""
        return [theirs / ours for ours, theirs in zip(self.seconds, base.seconds) if ours and theirs]


def measure(module, row, seconds):
    """One measurement. Returns its figures, or None and why."""
    environment = dict(os.environ, PYTHONPATH=os.path.join(HERE, os.pardir, "python"))
    try:
        done = subprocess.run([sys.executable, os.path.join(HERE, "python_rows.py"), module, row, str(seconds)],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None, "hung"
    try:
        return json.loads(done.stdout.splitlines()[-1]), ""
    except (IndexError, ValueError):
        return None, (done.stderr.strip().splitlines() or ["ended with status %d" % done.returncode])[-1]


def measure_all(options):
    found = {}
    for row, title, _, _ in options.rows:
        subjects = [module for module in options.modules if can_measure(module, row)]
        figures = found[row] = {module: Figure() for module in subjects}
        for turn in range(options.repetitions):
            for i in range(len(subjects)):  # who follows whom makes a difference
                module = subjects[(turn + i) % len(subjects)]
                figures[module].add(*measure(module, row, options.seconds))
        print("measured: " + title, file=sys.stderr, flush=True)
    return found


# ---- the table ----


def number(value):
    for limit, divisor, suffix in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= limit:
            return "%.3g%s" % (value / divisor, suffix)
    return "%.3g" % value


def spread(values, form=number):
    return "%s (%s to %s)" % (form(statistics.median(values)), form(min(values)), form(max(values))) if values else "-"


def times(value):
    return "%.2gx" % value if value < 10 else "%.0fx" % value


def judge(ratios, aim):
    if not ratios:
        return "no figure"
    reached = statistics.median(ratios) >= (aim if aim > 1 else SPREAD)
    return ("yes" if reached else "NO") + (", %dx" % aim if aim > 1 else ", not slower")


def draw_table(options, found):
    others = [module for module in options.modules if module not in (STOCK, KITH)]
    form = "%-30s %-6s %-28s %-28s %-20s %-16s" + " %-14s" * len(others)
    lines = [form % ("", "", STOCK, KITH, "kith is", "aimed at", *others)]
    notes = []
    for row, title, unit, aim in options.rows:
        figures = found[row]
        ratios = figures[KITH].ratios(figures[STOCK]) if STOCK in figures and KITH in figures else []
        cells = [spread(figures[module].values(unit)) if module in figures else "-" for module in (STOCK, KITH)]
        peers = [number(statistics.median(figures[module].values(unit)))
                 if module in figures and figures[module].values(unit) else "-" for module in others]
        lines.append((form % (title, unit, *cells, spread(ratios, times), judge(ratios, aim), *peers)).rstrip())
        notes += ["  %s, %s: %s" % (title, module, figure.failed)
                  for module, figure in figures.items() if figure.failed]
        tails = ["%s %s" % (module, number(1e6 * statistics.median(figure.tails)))
                 for module, figure in figures.items() if figure.tails and "round" in row]
        if tails:
            notes.append("  %s, p99 in us: %s" % (title, ", ".join(tails)))
    return "\n".join(lines + [""] + notes)


def header(options):
    about = {"compiler": platform.python_compiler(), "build": "CPython " + platform.python_version()}
    here = machine.describe(about)
    quick = "; quick: these timings mean nothing" if options.quick else ""
    return [machine.place(here), "%s; all processes are forked" % about["build"],
            "%s; %d turns; load average %.2f before%s" % (here["date"], options.repetitions, here["load_before"], quick)]


# ---- the plot ----

TOP, LEFT, LABELS = 110, 250, 120
COLOURS = {KITH: "#c2410c", "billiard": "#0f766e", "multiprocess": "#7c3aed", "faster_fifo": "#0369a1",
           "loky": "#a16207"}


def draw_plot(options, found):
    """How many times multiprocessing each module is: a row for each row, a dot for each module."""
    rows = [(title, {module: figure.ratios(found[row][STOCK]) for module, figure in found[row].items()
                     if module != STOCK}, aim) for row, title, _, aim in options.rows]
    values = [ratio for _, modules, _ in rows for ratios in modules.values() for ratio in ratios]
    scale = plot.Scale([*values, 0.9, 20], 0, plot.WIDTH - LEFT - LABELS)
    bottom = TOP + plot.ROW * len(rows)
    parts = [plot.text(16, 30, "The Python package and others, in times of multiprocessing", "title")]
    parts += [plot.text(16, 50 + 15 * i, words, "quiet") for i, words in enumerate(header(options))]
    parts += plot.draw_axis(scale, LEFT, TOP, bottom)
    parts.append(plot.line(scale.at(1, LEFT), TOP, scale.at(1, LEFT), bottom, plot.QUIET, 1, "4 3"))
    for i, module in enumerate(module for module in options.modules if module != STOCK):
        parts += [plot.dot(LEFT + 130 * i, TOP - 12, COLOURS[module]),
                  plot.text(LEFT + 10 + 130 * i, TOP - 8, module, "kith" if module == KITH else "")]
    parts.append(plot.text(plot.WIDTH - LABELS, TOP - 8, "| what is aimed at", "quiet"))
    for i, (title, modules, aim) in enumerate(rows):
        y = TOP + plot.ROW * (i + 0.5)
        parts.append(plot.text(LEFT - 10, y + 4, title, "", "end"))
        parts.append(plot.line(scale.at(aim, LEFT), y - 7, scale.at(aim, LEFT), y + 7, plot.QUIET, 2))
        shown = {module: ratios for module, ratios in modules.items() if ratios}
        for module in sorted(shown, key=lambda module: module == KITH):  # kith's lies above the others
            parts += draw_mark(scale, y, shown[module], COLOURS[module])
        if KITH in shown:
            end = scale.at(max(aim, *itertools.chain(*shown.values())), LEFT)
            parts.append(plot.text(end + 9, y + 4, times(statistics.median(shown[KITH])), "kith"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {plot.WIDTH} {bottom + plot.AXIS}" width="{plot.WIDTH}" '
        f'height="{bottom + plot.AXIS}">', f"<style>{plot.STYLE}</style>",
        f'<rect width="{plot.WIDTH}" height="{bottom + plot.AXIS}" fill="white"/>', *parts, "</svg>", ""])


def draw_mark(scale, y, ratios, colour):
    least, middle, most = (scale.at(value, LEFT) for value in (min(ratios), statistics.median(ratios), max(ratios)))
    return [plot.line(least, y, most, y, colour, 2), plot.dot(middle, y, colour)]


def write_out(options, found, table):
    os.makedirs(options.out, exist_ok=True)
    samples = {row: {module: figure.seconds for module, figure in figures.items()} for row, figures in found.items()}
    texts = {"table.txt": table, "python.svg": draw_plot(options, found),
             "samples.json": json.dumps({"about": header(options), "seconds": samples}, indent=1) + "\n"}
    for name, text in texts.items():
        with open(os.path.join(options.out, name), "w", encoding="utf-8") as file:
            file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shows that all works, not how fast it is")
    parser.add_argument("--repetitions", type=int, default=0, help="turns; 7, or 1 with --quick")
    parser.add_argument("--seconds", type=float, default=0, help="of each measurement")
    parser.add_argument("--only", default="", help="a regular expression of the rows' names")
    parser.add_argument("--modules", default=",".join(MODULES), help="those of them that can be imported")
    parser.add_argument("--out", help="a folder for the table, the plot and the samples")
    options = parser.parse_args()
    options.repetitions = options.repetitions or (1 if options.quick else 7)
    options.seconds = options.seconds or (0.02 if options.quick else 0.5)
    sys.path.insert(0, os.path.join(HERE, os.pardir, "python"))
    # as an installed package is: else each interpreter compiled it anew, and forked with the memory that this took
    compileall.compile_dir(os.path.join(HERE, os.pardir, "python", "kith"), quiet=1)
    options.modules = [module for module in options.modules.split(",") if importlib.util.find_spec(module)]
    numpy = importlib.util.find_spec("numpy")
    options.rows = [row for row in ROWS if re.search(options.only, row[0]) and (numpy or "numpy" not in row[0])]
    found = measure_all(options)
    table = "\n".join([*header(options), "", draw_table(options, found), ""])
    if options.out:
        write_out(options, found, table)
    print(table)
    failed = [module for figures in found.values() for module, figure in figures.items() if figure.failed]
    return 1 if STOCK in failed or KITH in failed else 0


if __name__ == "__main__":
    sys.exit(main())
