#!/usr/bin/env python3
"""Measures kith and every peer that is installed, and writes what came out.

Every cell (see cells.py) is measured on every transport or lock, one after the other, and all of that is repeated: so
that a noise of the machine hits all alike. How many messages a measurement takes is found out before, for each cell and
subject, so that it lasts the time wanted. One that fails is reported as failed, and the rest goes on.

Out come results.json (every sample, every figure, and the machine), table.txt (also on stdout), and a plot for each
group: throughput.svg, large.svg, latency.svg, locks.svg.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys

import machine
import plot
import summary
import table
from cells import CELLS

BUSY = 0.5  # the load average above which timings are not worth much


class Bench:
    """The program kith-bench, which makes one measurement a call."""

    def __init__(self, program, limit):
        self.program = program
        self.limit = limit

    def about(self):
        return json.loads(subprocess.run([self.program, "about"], check=True, capture_output=True, text=True).stdout)

    def measure(self, cell, subject, count):
        """One measurement with so many messages, rounds or turns: a sample, {"cannot": why}, or {"failed": why}."""
        command = [self.program, cell["kind"], subject, "--limit", str(self.limit), "--count", str(count)]
        for option, value in cell["options"].items():
            command += ["--" + option] if value is True else ["--" + option, str(value)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                output, errors = process.communicate(timeout=self.limit + 5)
            except subprocess.TimeoutExpired:
                return {"failed": stop(process) or "hung: its own watchdog did not end it"}
            except BaseException:
                stop(process)
                raise
        if process.returncode != 0:
            return {"failed": errors.strip() or f"kith-bench ended with status {process.returncode}"}
        return json.loads(output)


def stop(process):
    """Ends a measurement so that it can clean up; the hard way only when it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def no_result(sample):
    return "failed" in sample or "cannot" in sample


def calibrate(bench, cell, subject, seconds):
    """How much takes the time wanted. @return the count, and a sample instead when there can be none."""
    count = cell["first"]
    while True:
        sample = bench.measure(cell, subject, count)
        if no_result(sample):
            return 0, sample
        factor = seconds / sample["seconds"]
        if factor < 6:
            return max(int(count * factor), 1), None
        count = int(count * min(factor / 2, 20))


def measure_one(bench, cell, subject, result, repetition, options):
    """Adds a sample, unless there can't be one, or there is one and it would always be the same."""
    timed = cell["kind"] != "memory"
    if any(no_result(sample) for sample in result["samples"]) or (repetition > 0 and not timed):
        return
    sample = None
    if repetition == 0 and timed and not options.quick:
        result["count"], sample = calibrate(bench, cell, subject, options.seconds)
    result["samples"].append(sample or bench.measure(cell, subject, result["count"]))


def measure_all(bench, cells, names, options, progress):
    """Every cell on every subject, in rounds.
    @param names: {"transports": names, "locks": names} of those that are installed
    @return {(cell, subject): {"count": n, "samples": [...]}}
    """
    results = {(cell["name"], name): {"count": cell["first"], "samples": []}
               for cell in cells for name in names[cell["subjects"]]}
    for repetition in range(options.repetitions):
        for cell in cells:
            subjects = names[cell["subjects"]]
            # Begin with another one each time: the first after a change of the workload may be better or worse off.
            shift = repetition % max(len(subjects), 1)
            for name in subjects[shift:] + subjects[:shift]:
                progress(repetition, cell["name"], name)
                measure_one(bench, cell, name, results[cell["name"], name], repetition, options)
    return results


def print_progress(repetition, cell, subject):
    if sys.stderr.isatty():
        print(f"\r\033[Krepetition {repetition + 1}: {cell}, {subject}", end="", file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="kith-bench, as meson built it")
    parser.add_argument("--out", help="folder for the results (default: bench-results beside the program)")
    parser.add_argument("--quick", action="store_true", help="once and short: shows that all works, not how fast it is")
    parser.add_argument("--repetitions", type=int, help="how often each cell is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.3, help="how long a measurement lasts (default: 0.3)")
    parser.add_argument("--limit", type=int, default=15, help="seconds after which it counts as hung (default: 15)")
    parser.add_argument("--only", help="only these transports and locks, separated by commas (see: kith-bench about)")
    parser.add_argument("--cells", help='only cells whose name has this regular expression: "1P1C", "latency", "place"')
    options = parser.parse_args()
    options.repetitions = options.repetitions or (1 if options.quick else 5)
    options.out = options.out or os.path.join(os.path.dirname(os.path.abspath(options.program)), "bench-results")
    if options.repetitions < 1 or options.seconds <= 0 or options.limit < 1:
        parser.error("repetitions, seconds and limit are positive")
    return parser, options


def choose(parser, options, about):
    """The transports, the locks and the cells that are asked for."""
    chosen = {kind: about[kind] for kind in ("transports", "locks")}
    if options.only:
        wanted = set(options.only.split(","))
        unknown = wanted - {subject["name"] for subjects in chosen.values() for subject in subjects}
        if unknown:
            parser.error(f"no such transport or lock: {', '.join(sorted(unknown))}")
        chosen = {kind: [subject for subject in subjects if subject["name"] in wanted]
                  for kind, subjects in chosen.items()}
    cells = [cell for cell in CELLS if re.search(options.cells or "", cell["name"]) and chosen[cell["subjects"]]]
    if not cells:
        parser.error(f"no cell has '{options.cells or ''}' in its name, or none is for those asked for")
    return chosen, cells


def write(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def without_buckets(value):
    """A copy without the histograms' buckets, which are most of it: what they tell is in the figures."""
    if isinstance(value, dict):
        return {key: without_buckets(inner) for key, inner in value.items() if key != "buckets"}
    return [without_buckets(inner) for inner in value] if isinstance(value, list) else value


def write_report(folder, report):
    """@return the table"""
    text = table.draw(report)
    results = without_buckets({**report, "figures": summary.as_json(report)})
    write(folder, "results.json", json.dumps(results, indent=1) + "\n")
    write(folder, "table.txt", text)
    for group, drawing in plot.draw_all(report).items():
        write(folder, group + ".svg", drawing)
    return text


def main():
    parser, options = parse_arguments()
    bench = Bench(os.path.abspath(options.program), options.limit)
    about = bench.about()
    subjects, cells = choose(parser, options, about)
    here = machine.describe(about)
    if here["load_before"] > BUSY:
        print(f"bench: the load is {here['load_before']:.2f}: others are at work here, and the timings will show it",
              file=sys.stderr)
    installed = {kind: [subject["name"] for subject in found if subject["installed"]]
                 for kind, found in subjects.items()}
    measured = measure_all(bench, cells, installed, options, print_progress)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    here["load_after"] = os.getloadavg()[0]
    report = {
        "machine": here,
        "settings": {"quick": options.quick, "repetitions": options.repetitions, "seconds": options.seconds},
        **subjects,
        "cells": cells,
        "results": [{"cell": cell, "subject": name, **result} for (cell, name), result in measured.items()],
    }
    print(write_report(options.out, report))
    print(f"results.json, table.txt and the plots are in {options.out}")
    return 1 if any("failed" in sample for result in measured.values() for sample in result["samples"]) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nbench: interrupted")
