#!/usr/bin/env python3
"""Measures the start and the end of processes that do nothing: kith's ways against the system's bare ones, by turns.

    bench/starts.py FOLDER [--quick]    FOLDER has kith-starts and kith-counts, as meson built them

Prints, for parents of several sizes, how long a start and a join take, how many times the bare fork that is, and how
many times as fast: medians of 5, with the least and the most. Then what is left of 10,000 starts and of 100 pools.
"""

import argparse
import os
import subprocess
import sys

import machine
import turns

SIZES = 0, 64, 1024  # MiB that the parent has resident, besides its own
BASE = "fork, _exit, waitpid"
WAYS = {
    BASE: "bare-fork",
    "kith, fork": "fork",
    "kith, fork, entry point": "entry",
    "kith, spawn": "spawn",
    "kith, forkserver": "forkserver",
    "posix_spawn of true, waitpid": "bare-exec",
}
WITHOUT = "fork in a program without kith"
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cpython.py")
PYTHON = {"CPython, fork": "start-fork", "CPython, spawn": "start-spawn", "CPython, forkserver": "start-forkserver"}


def commands(folder, size):
    """All of one table: pairs of a title and a command."""
    program = os.path.join(folder, "kith-starts")
    ways = [(title, [program, way, str(size)]) for title, way in WAYS.items()]
    ways.append((WITHOUT, [os.path.join(folder, "bare-starts"), str(size)]))
    if size == 0:
        ways += [(title, [sys.executable, PEER, way]) for title, way in PYTHON.items()]
    return ways


def draw(found):
    row = "  %-30s %-28s %-30s %s"
    lines = [row % ("", "microseconds", "of the bare fork", "times as fast")]
    base = found[BASE]
    for title, subject in found.items():
        if subject.failed:
            lines.append("  %-30s failed: %s" % (title, subject.failed))
            continue
        times = [seconds * 1e6 for seconds in subject.samples]
        lines.append(row % (title, turns.spread(times, "%.0f"), turns.spread(turns.ratios(subject, base), "%.3g"),
                            turns.spread(turns.ratios(base, subject), "%.3g")))
    return "\n".join(lines)


def enough_memory(size):
    """All parents of one table live at the same time."""
    return int(machine.first_match("/proc/meminfo", r"^MemAvailable:\s*(\d+)", "0")) >> 10 > size * (len(WAYS) + 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where meson built kith-starts and kith-counts")
    parser.add_argument("--sizes", help="MiB of the parents, separated by commas (default: 0,64,1024; quick: 0,16)")
    turns.add_options(parser)
    options = turns.settle(parser.parse_args())
    sizes = [int(size) for size in options.sizes.split(",")] if options.sizes else (0, 16) if options.quick else SIZES
    print(turns.header())
    bad = False
    for size in sizes:
        print(f"\nstart and join, from a parent with {f'{size} MiB more' if size else 'no more memory than it needs'}")
        if not enough_memory(size):
            print("  left out: not enough memory")
            continue
        found = turns.measure(commands(options.folder, size), options)
        print(draw(found), flush=True)
        bad = bad or any(subject.failed for subject in found.values())
    print(flush=True)
    counts = ["100", "3"] if options.quick else ["10000", "100"]
    bad = subprocess.run([os.path.join(options.folder, "kith-counts"), *counts]).returncode != 0 or bad
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
