"""A test a function, and TAP on stdout: what the two test programs of this folder share. Standard library only."""

import subprocess
import sys
import time
import traceback

_tests = []


def test(function):
    """Marks a function as a test; its docstring, or else its name, says what is tested."""
    _tests.append(function)
    return function


class Skip(Exception):
    """Raised by a test that can't be done here, with the reason."""


def run_all():
    """Runs the tests and ends the program: with status 0 when all passed."""
    print("1..%d" % len(_tests), flush=True)
    failures = 0
    for number, function in enumerate(_tests, 1):
        name = (function.__doc__ or function.__name__).strip().splitlines()[0].rstrip(".")
        try:
            function()
            print("ok %d - %s" % (number, name), flush=True)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
        except Exception:
            failures += 1
            print("not ok %d - %s" % (number, name))
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            sys.stdout.flush()
    sys.exit(1 if failures else 0)


def equal(seen, expected):
    if seen != expected:
        raise AssertionError("expected %r\nbut saw %r" % (expected, seen))


def run(*command, **options):
    """Runs a program to its end and returns (status, stdout, stderr), as bytes. The limit is there to end what hangs;
    it says nothing about how long anything should take."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, **options)
    return done.returncode, done.stdout, done.stderr


def wait_until(condition, what):
    """Looks again and again until the condition holds, and returns what it gave. Gives up only on what hangs."""
    give_up = time.monotonic() + 60
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > give_up:
            raise AssertionError("waited in vain until " + what)
        time.sleep(0.002)  # between two looks
