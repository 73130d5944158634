"""Programs that are measured by turns: each is started once, then asked again and again for a little of its work.

Such a program reads counts from stdin, a line each, does its work so often and prints the seconds that took; it ends
when stdin does. See turns.h; cpython.py is one in Python.
"""

import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile

import machine

SLICES = 5  # a turn is put together from so many, between which the others have theirs
TRIES = 3  # the quickest of so many tells how much can be done
LIMIT = 60  # seconds after which a slice counts as hung


class Subject:
    def __init__(self, title, command):
        self.title = title
        self.failed = ""  # why there are no figures
        self.count = 1  # of each slice
        self.samples = []  # seconds for one, of each turn
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)

    def seconds(self, count):
        """How long it takes to do it so often; none when it fails, then and ever after."""
        try:
            os.write(self.process.stdin.fileno(), b"%d\n" % count)
        except BrokenPipeError:
            pass  # then there is no answer either
        answer = b""
        while not answer.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], LIMIT)[0]:
                return self.fail("hung")
            more = os.read(self.process.stdout.fileno(), 100)
            if not more:
                return self.fail("")
            answer += more
        return float(answer)

    def fail(self, why):
        """@param why: empty when it has ended by itself, and says so on stderr"""
        if self.failed:
            return
        if why:
            self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        self.failed = why or self.errors.read().strip() or f"ended with status {self.process.returncode}"

    def calibrate(self, wanted):
        """Finds out how often it can be done in that time, which also warms it up."""
        while not self.failed:
            took = [self.seconds(self.count) for _ in range(TRIES)]
            if not self.failed and min(took) > wanted / 4:
                self.count = max(int(self.count * wanted / min(took)), 1)
                return
            self.count *= 4

    def close(self):
        self.process.stdin.close()
        try:
            if self.process.wait(LIMIT) != 0:
                self.fail("")
        except subprocess.TimeoutExpired:
            self.fail("did not end")
        self.process.stdout.close()
        self.errors.close()


def take_turn(subjects, number):
    took = dict.fromkeys(subjects, 0.0)
    for slice_number in range(SLICES):
        shift = (number + slice_number) % len(subjects)  # who follows whom makes a difference
        for subject in subjects[shift:] + subjects[:shift]:
            if not subject.failed:
                took[subject] += subject.seconds(subject.count) or 0
    for subject in subjects:
        if not subject.failed:
            subject.samples.append(took[subject] / subject.count / SLICES)


def measure(wanted, options):
    """@param wanted: pairs of a title and a command @return the subjects, by title, with their samples"""
    subjects = [Subject(title, command) for title, command in wanted]
    try:
        for subject in subjects:
            subject.seconds(1)  # until all have begun, the machine is busy with that
        for subject in subjects:
            subject.calibrate(options.seconds / SLICES)
        for number in range(options.repetitions):
            take_turn(subjects, number)
    finally:
        for subject in subjects:
            subject.close()
    return {subject.title: subject for subject in subjects}


def spread(values, form):
    """The median, the least and the most."""
    return "%s (%s to %s)" % tuple(form % value for value in (statistics.median(values), min(values), max(values)))


def ratios(these, those):
    """Of the samples of two subjects, turn by turn."""
    return [this / that for this, that in zip(these.samples, those.samples)]


def add_options(parser):
    parser.add_argument("--quick", action="store_true", help="once and short: shows that all works, not how fast it is")
    parser.add_argument("--repetitions", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.3, help="how long a turn lasts (default: 0.3)")


def settle(options):
    if options.quick:
        options.repetitions, options.seconds = 1, 0.005
    return options


def header():
    here = machine.describe({"compiler": "", "build": ""})
    return f"{machine.place(here)}; CPython {platform.python_version()}; load average {here['load_before']:.2f} before"
