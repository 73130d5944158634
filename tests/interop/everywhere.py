"""Runs a test program in every Python that is found. Standard library only."""

import os
import re
import subprocess
import sys

import pythons


def newest(found):
    return found[-1:]


def oldest_and_newest(found):
    return found[:1] + found[1:][-1:]


class Run:
    """One TAP of what many programs print."""

    def __init__(self):
        self.count = self.failures = 0

    def add(self, version, command):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tests:
            planned = done = 0
            for line in tests.stdout:
                line = line.decode()
                plan = re.match(r"1\.\.(\d+)", line)
                result = re.match(r"((?:not )?ok) \d+ - (.*)", line)
                if plan:
                    planned = int(plan.group(1))
                elif result:
                    self.count += 1
                    done += 1
                    print("%s %d - Python %s: %s" % (result.group(1), self.count, version, result.group(2)), flush=True)
                else:
                    print(line, end="", flush=True)
        if tests.returncode != 0 or done != planned or done == 0:
            self.failures += 1
        if done != planned or done == 0:
            self.count += 1
            print("not ok %d - Python %s: ended after %d of %d tests, status %d"
                  % (self.count, version, done, planned, tests.returncode), flush=True)


def run_everywhere(ways, *arguments, choose=list, module="sys"):
    """Has each Python that has the module, or those that are chosen of them, run this program with --here, once for
    each list of options in ways; the newest one with --newest as well. Makes one TAP of what they print. Returns the
    exit status."""
    found = pythons.find(module)
    if not found:
        print("1..0 # SKIP no Python from 3.8 on is here that has the module %s" % module)
        return 0
    run = Run()
    for version, python in choose(found):
        last = ["--newest"] if version == found[-1][0] else []
        for options in ways:
            run.add(version, [python, os.path.abspath(sys.argv[0]), "--here", *options, *last, *arguments])
    print("1..%d" % run.count)
    return int(run.failures > 0)
