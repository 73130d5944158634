#!/usr/bin/env python3
"""The interpreter's own tests of multiprocessing, test._test_multiprocessing, on kith and on the standard library.

    python3 tests/python/suite.py [--python PYTHON]... [--method METHOD]... [--quick] [PATTERN...]

With each interpreter (every one from 3.9 on that is found and has the tests) and each start method (all three), it runs
the tests on the standard library and on kith, and prints what came out. It fails when a test that passes on the
standard library does not pass on kith, unless docs/python-suite.md lists it, with the reason. With --quick, only what
does not pass on kith is run on the standard library, too. PATTERN ("Queue", "*Pool*map") chooses tests by name.

Some of these tests ask for speed that a busy machine does not have. So what fails is run again, alone; and what then
passes is told, and counts as passed. A test that takes minutes is ended, and failed.
"""

import argparse
import concurrent.futures
import faulthandler
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
LIST = os.path.join(ROOT, "docs", "python-suite.md")
METHODS = ("fork", "spawn", "forkserver")
PARTS = 3  # processes side by side: the tests sleep a lot
LIMIT = 150  # seconds a test
PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"


# ---- inside: runs tests in this process, and writes down what comes out ----


class Journal:
    """A file with a line for each test that began, and one for its outcome: it tells what a dead process was doing."""

    def __init__(self, path):
        self.path = path

    def write(self, name, outcome):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps([name, outcome]) + "\n")

    def read(self):
        """{name: its outcome, or None when it has none}"""
        if not os.path.exists(self.path):
            return {}
        with open(self.path, encoding="utf-8") as file:
            return dict(json.loads(line) for line in file)


def name_of(test):
    return test.id().partition(".")[2]  # without the module: "WithProcessesTestQueue.test_put"


def result_class(journal):
    class Result(unittest.TextTestResult):
        def startTest(self, test):
            super().startTest(test)
            self.outcome = PASSED
            journal.write(name_of(test), None)
            faulthandler.dump_traceback_later(LIMIT, exit=True)

        def stopTest(self, test):
            faulthandler.cancel_dump_traceback_later()
            journal.write(name_of(test), self.outcome)
            super().stopTest(test)

        def addError(self, test, error):
            self.outcome = ERROR
            super().addError(test, error)
            if not isinstance(test, unittest.TestCase):  # what belongs to a class or to the module
                journal.write(str(test), ERROR)

        def addFailure(self, test, error):
            self.outcome = FAILED
            super().addFailure(test, error)

        def addSubTest(self, test, subtest, error):
            if error is not None:
                self.outcome = FAILED
            super().addSubTest(test, subtest, error)

        def addSkip(self, test, reason):
            self.outcome = SKIPPED
            super().addSkip(test, reason)

    return Result


def all_tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from all_tests(test)
        else:
            yield test


def inside(method, journal, words, part, parts):
    """Runs those of the tests that nobody has begun before, and that the words choose."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
    name = "suite_with_" + method
    module = importlib.import_module(name)
    journal = Journal(journal)
    begun = journal.read()
    loader = unittest.TestLoader()
    loader.testNamePatterns = ["*%s*" % word for word in words] or None
    classes = sorted((kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == name),
                     key=lambda kind: kind.__name__)
    suite = unittest.TestSuite(test for kind in classes[part::parts] for test in loader.loadTestsFromTestCase(kind)
                               if name_of(test) not in begun)
    if suite.countTestCases():
        unittest.TextTestRunner(verbosity=2, resultclass=result_class(journal)).run(suite)


# ---- outside: starts such processes, and compares ----


class Run:
    """The tests with one interpreter, one start method, and either kith or the standard library."""

    def __init__(self, python, method, kith, words, folder):
        self.python, self.method, self.kith, self.words, self.folder = python, method, kith, words, folder
        self.output = []

    def process(self, journal, words, part, parts):
        """Runs a part; returns whether it came to its end."""
        path = [self.folder] + ([os.path.join(ROOT, "python")] if self.kith else [])
        command = [self.python] + (["-m", "kith"] if self.kith else [])
        command += [os.path.abspath(__file__), "--inside", journal, "--method", self.method]
        process = subprocess.Popen(command + ["--part", str(part), "--parts", str(parts), "--"] + words,
                                   env=dict(os.environ, PYTHONPATH=os.pathsep.join(path)), cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   universal_newlines=True, errors="replace", start_new_session=True)
        output, _ = process.communicate()
        self.output.append(output)
        try:
            os.killpg(process.pid, signal.SIGKILL)  # who hung has left children
        except ProcessLookupError:
            pass
        return process.returncode == 0

    def part(self, words, part, parts):
        """Runs a part to its end, past each test that ends the process. Returns {name: outcome}."""
        handle, path = tempfile.mkstemp(dir=self.folder)
        os.close(handle)
        journal = Journal(path)
        while not self.process(path, words, part, parts):
            dead = [name for name, outcome in journal.read().items() if outcome is None]
            if not dead:
                raise RuntimeError("the tests can't be run:\n" + self.output[-1])
            for name in dead:
                journal.write(name, ERROR)
        return journal.read()

    def all(self):
        """Runs all parts side by side. Returns {name: outcome}."""
        with concurrent.futures.ThreadPoolExecutor(PARTS) as threads:
            runs = [threads.submit(self.part, self.words, part, PARTS) for part in range(PARTS)]
            return {name: outcome for run in runs for name, outcome in run.result().items()}

    def again(self, outcomes):
        """Runs what failed again, alone. Returns the names of what passes now, and changes the outcomes."""
        failed = sorted(name for name, outcome in outcomes.items() if outcome in (FAILED, ERROR))
        if not failed:
            return []
        second = self.part(failed, 0, 1)
        passed = [name for name in failed if second.get(name) == PASSED]
        outcomes.update((name, PASSED) for name in passed)
        return passed

    def name(self):
        return "kith" if self.kith else "stock"


def version_of(python):
    return subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


def summary(run, version, outcomes):
    counts = [sum(outcome == kind for outcome in outcomes.values()) for kind in (FAILED, ERROR, SKIPPED)]
    return "%s %s %s: ran %d, failed %d, errors %d, skipped %d" % (
        run.name(), version, run.method, len(outcomes), *counts)


def listed():
    """The tests that docs/python-suite.md lists: each a line of a table, "| `NAME` | reason |"; NAME may have a *."""
    with open(LIST, encoding="utf-8") as file:
        names = re.findall(r"^\| `([\w.*]+)` \|", file.read(), re.MULTILINE)
    return [re.compile(re.escape(name).replace(r"\*", ".*") + "$") for name in names]


def failures_of(run):
    """What the tests printed about what failed: from the first line of "=" of each output."""
    parts = [output.partition("\n" + 70 * "=" + "\n")[2] or output[-3000:] for output in run.output]
    return "\n".join(part for part in parts if "FAIL" in part or "ERROR" in part or "Timeout" in part)


def compare(python, method, words, quick):
    """Runs both, and prints. Returns whether kith passes what the standard library does."""
    version = version_of(python)
    with tempfile.TemporaryDirectory(prefix="kith-suite-") as folder:
        with open(os.path.join(folder, "suite_with_%s.py" % method), "w", encoding="utf-8") as file:
            file.write("from test import _test_multiprocessing as tests\n"
                       "tests.install_tests_in_module_dict(globals(), %r)\n" % method)
        kith = Run(python, method, True, words, folder)
        outcomes = kith.all()
        late = kith.again(outcomes)
        print(summary(kith, version, outcomes), flush=True)
        doubtful = sorted(name for name, outcome in outcomes.items() if outcome != PASSED)
        stock = Run(python, method, False, doubtful if quick else words, folder)
        expected = {} if quick and not doubtful else stock.part(doubtful, 0, 1) if quick else stock.all()
        if not quick:
            stock.again(expected)
            print(summary(stock, version, expected), flush=True)
    allowed = listed()
    missing = [name for name, outcome in expected.items() if outcome == PASSED and outcomes.get(name) != PASSED]
    wrong = sorted(name for name in missing if not any(pattern.match(name) for pattern in allowed))
    for what, names in (("passed when run again", late), ("listed", set(missing) - set(wrong)), ("not on kith", wrong)):
        print("".join("#   %s: %s\n" % (what, name) for name in sorted(names)), end="")
    if wrong:
        print(failures_of(kith))
    if not outcomes:
        print("#   no test was run")
    return not wrong and bool(outcomes)


def interpreters(named):
    sys.path.insert(0, os.path.join(HERE, os.pardir, "interop"))
    import pythons
    if named:
        return named
    return [path for version, path in pythons.find("test._test_multiprocessing") if int(version.split(".")[1]) >= 9]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append")
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--build", action="store_true", help="build the extension for each interpreter before")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--parts", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", metavar="PATTERN")
    options = parser.parse_args()
    if options.inside:
        return inside(options.method[0], options.inside, options.words, options.part, options.parts)
    pythons = interpreters(options.python)
    if not pythons:
        sys.exit("suite.py: no interpreter here has test._test_multiprocessing (Debian: libpython3.11-testsuite)")
    for python in pythons if options.build else []:
        subprocess.run([os.path.join(ROOT, "tools", "python"), python], check=True, stdout=subprocess.DEVNULL)
    good = [compare(python, method, options.words, options.quick)
            for python in pythons for method in options.method or METHODS]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
