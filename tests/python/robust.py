#!/usr/bin/env python3
"""What becomes of programs when something goes wrong around them; TAP.

    python3 tests/python/robust.py [CASE...]          on kith: fails where something else comes out than is promised
    python3 tests/python/robust.py --table [CASE...]  on the standard library, too, and writes docs/python-robust.md

The cases are the programs in robust/, which robust/case.py tells of. Each runs with every start method, in a session of
its own, and a few side by side: where things go wrong they wait. The table has what comes out with fork.
"""

import ast
import collections
import concurrent.futures
import os
import platform
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
TABLE = os.path.join(ROOT, "docs", "python-robust.md")
LIMIT = 60  # seconds
SIDE_BY_SIDE = 3
METHODS = ("fork", "spawn", "forkserver")
FORK_ONLY = ("random_kills",)  # its processes share what children that begin anew would not find

HEAD = """\
# When something goes wrong

What comes out with `multiprocessing`, and with kith: by CPython %s, and the start method fork. Each line is a program
in `tests/python/robust`; `make python-robust` runs them all and writes this table. `make check` runs them with kith,
and fails where something else comes out than is promised.

| what happens | what is promised | multiprocessing | kith | CPython |
| --- | --- | --- | --- | --- |
"""


# Whether it is good, what it is, and what else is to be known when it is not.
Outcome = collections.namedtuple("Outcome", "good what more")


class Case:
    def __init__(self, name):
        self.name = name
        self.path = os.path.join(HERE, "robust", name + ".py")
        with open(self.path, encoding="utf-8") as file:
            parts = ast.get_docstring(ast.parse(file.read())).split("\n\n")
        self.what, self.promise = parts[0], parts[1]
        self.reports = parts[2] if len(parts) > 2 else ""

    def run(self, module, method):
        """Returns the Outcome."""
        environment = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python"))
        process = subprocess.Popen([sys.executable, self.path, module, method], env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   universal_newlines=True, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            output, errors = "bad: it hangs\n", ""
        finally:
            end(process)
        told = re.fullmatch("((?:#.*\n)*)(good|bad): (.*)\n", output)
        if not told:
            return Outcome(False, "it ended with status %d" % process.returncode, output + errors)
        return Outcome(told.group(2) == "good", told.group(3), told.group(1))


def end(process):
    """Ends what is left of a case."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    process.stdout.close()
    process.stderr.close()


def cases(names):
    all_names = sorted(name[:-3] for name in os.listdir(os.path.join(HERE, "robust")) if name.endswith(".py"))
    return [Case(name) for name in names or all_names if name != "case"]


def link(reports):
    """gh-1 and PR 1, as links."""
    reports = re.sub(r"gh-(\d+)", r"[gh-\1](https://github.com/python/cpython/issues/\1)", reports)
    return re.sub(r"PR (\d+)", r"[PR \1](https://github.com/python/cpython/pull/\1)", reports)


def line(case, stock, kith):
    return "| %s |\n" % " | ".join(text.replace("\n", " ") for text in (
        case.what, case.promise, mark(stock), mark(kith), link(case.reports)))


def mark(outcome):
    return outcome.what if outcome.good else "**%s**" % outcome.what


def main():
    names = [name for name in sys.argv[1:] if name != "--table"]
    with_table = "--table" in sys.argv[1:]
    chosen = cases(names)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        kith = {(case, method): threads.submit(case.run, "kith", method) for method in METHODS for case in chosen
                if method == "fork" or case.name not in FORK_ONLY}
        stock = [threads.submit(case.run, "multiprocessing", "fork") for case in chosen if with_table]
        print("1..%d" % len(kith))
        for number, ((case, method), running) in enumerate(kith.items(), 1):
            outcome = running.result()
            print("%s %d - %s, %s: %s" % ("ok" if outcome.good else "not ok", number, case.name, method, outcome.what))
            if not outcome.good:
                print("".join("# %s\n" % text.lstrip("# ") for text in outcome.more.splitlines()), end="")
            sys.stdout.flush()
    lines = [line(case, was.result(), kith[case, "fork"].result()) for case, was in zip(chosen, stock)]
    if with_table and not names:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(HEAD % platform.python_version() + "".join(lines))
    elif with_table:
        print("".join("# " + text for text in lines), end="")
    return int(not all(running.result().good for running in kith.values()))


if __name__ == "__main__":
    sys.exit(main())
