#!/usr/bin/env python3
"""Measures pickling: kith against the C pickler of the Python that runs this, on the same values, by turns.

    bench/codec.py PROGRAM [--quick]    PROGRAM is kith-codec, as meson built it

Prints, for each value, how long it takes to write it and to read it, and how many times as long Python takes: medians
of 5, with the least and the most.
"""

import argparse
import os
import pickle
import platform
import subprocess
import timeit

from turns import spread

PROTOCOL = 4  # kith's default, and that of most Pythons
VALUES = {
    "small dict": {"name": "kith", "number": 12345, "ratio": 0.5, "ready": True, "tags": ["a", "b"]},
    "list of 100 ints": list(range(-50, 9950, 100)),
    "str of 1 KiB": "kith" * 256,
    "nested dict": {"user": {"name": "kith", "id": 2**40, "groups": {"admin": True, "staff": False}},
                    "jobs": [{"id": number, "state": "done", "took": number / 7} for number in range(10)]},
    "bytes of 1 MiB": bytes(range(256)) * 4096,
}
PARTS = "write", "read", "both"


class Kith:
    def __init__(self, program, value):
        self.program = program
        self.message = pickle.dumps(value, PROTOCOL)

    def seconds(self, part, count):
        done = subprocess.run([self.program, part, str(count)], input=self.message, stdout=subprocess.PIPE, check=True)
        return float(done.stdout)


class CPython:
    def __init__(self, value):
        self.names = {"pickle": pickle, "value": value, "message": pickle.dumps(value, PROTOCOL)}

    def seconds(self, part, count):
        call = "pickle.dumps(value, %d)" % PROTOCOL if part == "write" else "pickle.loads(message)"
        return timeit.Timer(call, globals=self.names).timeit(count)


def calibrate(subject, part, wanted):
    """How often it can be done in that time."""
    count = 1
    while True:
        seconds = subject.seconds(part, count)
        if seconds > wanted / 4:
            return max(int(count * wanted / seconds), 1)
        count *= 4


def turn(subject, counts):
    """One measurement: the time that each part takes, in seconds."""
    took = {part: subject.seconds(part, count) / count for part, count in counts.items()}
    return {**took, "both": took["write"] + took["read"]}


def measure(program, value, options):
    """The turns of both: [(kith's, CPython's), ...]"""
    subjects = Kith(program, value), CPython(value)
    counts = [{part: calibrate(subject, part, options.seconds) for part in PARTS[:2]} for subject in subjects]
    return [tuple(map(turn, subjects, counts)) for _ in range(options.repetitions)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="kith-codec, as meson built it")
    parser.add_argument("--quick", action="store_true", help="once and short: shows that all works, not how fast it is")
    options = parser.parse_args()
    options.repetitions, options.seconds = (1, 0.005) if options.quick else (5, 0.1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # both on one processor
    row = "%-18s %-6s %-28s %-28s %s"
    print("pickles of protocol %d; microseconds\n" % PROTOCOL)
    print(row % ("", "", "kith", "CPython " + platform.python_version(), "CPython / kith"))
    for name, value in VALUES.items():
        turns = measure(options.program, value, options)
        for part in PARTS:
            kith, python = ([taken[part] * 1e6 for taken in side] for side in zip(*turns))
            ratios = [slow / fast for fast, slow in zip(kith, python)]
            print(row % (name, part, spread(kith, "%.2f"), spread(python, "%.2f"), spread(ratios, "%.1f")), flush=True)


main()
