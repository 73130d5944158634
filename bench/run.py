#!/usr/bin/env python3
"""Measures kith and every peer that is installed, and writes what came out.

Every cell (a size of message, a number of processes) is measured on every transport, one after the other, and all of that
is repeated: so that a noise of the machine hits all alike. How many messages a measurement takes is found out before, for
each cell and transport, so that it lasts the time wanted. One that fails is reported as failed, and the rest goes on.

Out come results.json (every sample, and the machine), table.txt (also on stdout) and plot.svg.
"""

import argparse
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys

import plot
import table

KIBI = 1024
MEBI = 1024 * KIBI
CAPACITY = {64: 1024, 4 * KIBI: 256, MEBI: 16}  # messages that a bounded transport holds
FIRST_MESSAGES = {64: 20000, 4 * KIBI: 5000, MEBI: 60}  # the first guess when calibrating
FIRST_ROUNDS = 1000
BUSY = 0.5  # the load average above which timings are not worth much


def size_name(size):
    return f"{size // MEBI} MiB" if size >= MEBI else f"{size // KIBI} KiB" if size >= KIBI else f"{size} B"


def throughput_cell(size, pairs):
    return {"name": f"{size_name(size)} {pairs}P{pairs}C", "kind": "throughput", "size": size, "putters": pairs,
            "getters": pairs, "capacity": CAPACITY[size], "first": FIRST_MESSAGES[size]}


def round_trip_cell(size):
    return {"name": f"{size_name(size)} round trip", "kind": "round-trip", "size": size, "capacity": CAPACITY[size],
            "first": FIRST_ROUNDS}


CELLS = [throughput_cell(size, pairs) for size in CAPACITY for pairs in (1, 2, 4)] + [round_trip_cell(64)]


class Bench:
    """The program kith-bench, which makes one measurement a call."""

    def __init__(self, program, limit):
        self.program = program
        self.limit = limit

    def about(self):
        return json.loads(subprocess.run([self.program, "about"], check=True, capture_output=True, text=True).stdout)

    def measure(self, cell, transport, count):
        """One measurement with so many messages or rounds: a sample, or {"cannot": why}, or {"failed": why}."""
        command = [self.program, cell["kind"], transport, "--limit", str(self.limit), "--messages", str(count)]
        for option in ("size", "putters", "getters", "capacity"):
            if option in cell:
                command += ["--" + option, str(cell[option])]
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


def calibrate(bench, cell, transport, seconds):
    """How many messages take the time wanted. @return the number, and a sample instead when there can be none."""
    count = cell["first"]
    while True:
        sample = bench.measure(cell, transport, count)
        if no_result(sample):
            return 0, sample
        factor = seconds / sample["seconds"]
        if factor < 6:
            return max(int(count * factor), 1), None
        count = int(count * min(factor / 2, 20))


def measure_all(bench, cells, transports, options, progress):
    """Every cell on every transport, in rounds. @return {(cell, transport): {"count": n, "samples": [...]}}"""
    results = {(cell["name"], name): {"count": cell["first"], "samples": []} for cell in cells for name in transports}
    for repetition in range(options.repetitions):
        for cell in cells:
            # Begin with another one each time: the first after a change of the workload may be better or worse off.
            shift = repetition % len(transports)
            for name in transports[shift:] + transports[:shift]:
                result = results[cell["name"], name]
                if any(no_result(sample) for sample in result["samples"]):
                    continue
                progress(repetition, cell["name"], name)
                sample = None
                if repetition == 0 and not options.quick:
                    result["count"], sample = calibrate(bench, cell, name, options.seconds)
                result["samples"].append(sample or bench.measure(cell, name, result["count"]))
    return results


def print_progress(repetition, cell, transport):
    if sys.stderr.isatty():
        print(f"\r\033[Krepetition {repetition + 1}: {cell}, {transport}", end="", file=sys.stderr, flush=True)


def first_match(path, pattern, otherwise):
    try:
        with open(path, encoding="utf-8") as file:
            match = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return otherwise
    return match.group(1) if match else otherwise


def describe_machine(about):
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_kib": int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)", "0")),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"$', "Linux"),
        "kernel": platform.release(),
        "compiler": about["compiler"],
        "build": about["build"],
        "load_before": os.getloadavg()[0],
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="kith-bench, as meson built it")
    parser.add_argument("--out", help="folder for the results (default: bench-results beside the program)")
    parser.add_argument("--quick", action="store_true", help="once and short: shows that all works, not how fast it is")
    parser.add_argument("--repetitions", type=int, help="how often each cell is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long a measurement lasts (default: 0.4)")
    parser.add_argument("--limit", type=int, default=15, help="seconds after which it counts as hung (default: 15)")
    parser.add_argument("--transports", help="only these, separated by commas (see: kith-bench about)")
    parser.add_argument("--cells", help='only cells whose name has this regular expression: "64 B", "1P1C", "round"')
    options = parser.parse_args()
    options.repetitions = options.repetitions or (1 if options.quick else 5)
    options.out = options.out or os.path.join(os.path.dirname(os.path.abspath(options.program)), "bench-results")
    if options.repetitions < 1 or options.seconds <= 0 or options.limit < 1:
        parser.error("repetitions, seconds and limit are positive")
    return parser, options


def choose(parser, options, known):
    """Which transports and which cells are asked for."""
    transports = known
    if options.transports:
        wanted = options.transports.split(",")
        unknown = set(wanted) - {transport["name"] for transport in known}
        if unknown:
            parser.error(f"no such transport: {', '.join(sorted(unknown))}")
        transports = [transport for transport in known if transport["name"] in wanted]
    cells = [cell for cell in CELLS if re.search(options.cells or "", cell["name"])]
    if not cells:
        parser.error(f"no cell has '{options.cells}' in its name")
    return transports, cells


def write(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser, options = parse_arguments()
    bench = Bench(os.path.abspath(options.program), options.limit)
    about = bench.about()
    transports, cells = choose(parser, options, about["transports"])
    machine = describe_machine(about)
    if machine["load_before"] > BUSY:
        print(f"bench: the load is {machine['load_before']:.2f}: others are at work here, and the timings will show it",
              file=sys.stderr)
    installed = [transport["name"] for transport in transports if transport["installed"]]
    measured = measure_all(bench, cells, installed, options, print_progress)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    machine["load_after"] = os.getloadavg()[0]
    report = {
        "machine": machine,
        "settings": {"quick": options.quick, "repetitions": options.repetitions, "seconds": options.seconds},
        "transports": transports,
        "cells": cells,
        "results": [{"cell": cell, "transport": name, **result} for (cell, name), result in measured.items()],
    }
    write(options.out, "results.json", json.dumps(report, indent=1) + "\n")
    text = table.draw(report)
    write(options.out, "table.txt", text)
    write(options.out, "plot.svg", plot.draw(report))
    print(text)
    print(f"results.json, table.txt and plot.svg are in {options.out}")
    return 1 if any("failed" in sample for result in measured.values() for sample in result["samples"]) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nbench: interrupted")
