"""What the cases have in common. Each is a program of its own, run with the module that it is about and a start method:

    python3 tests/python/robust/CASE.py multiprocessing|kith [fork|spawn|forkserver]

Its last line says whether what came out is good, and what that is; lines before, if any, begin with "#". Its docstring
says in the first paragraph what happens, and in the second one what is promised; the third names CPython's reports.
"""

import importlib
import os
import signal
import sys
import time

PATIENCE = 5  # seconds that a case waits for what may never come

module = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "kith")
context = module.get_context(sys.argv[2] if len(sys.argv) > 2 else "fork")

# A group of its own, so that all it starts can be ended together. (Children that begin anew come by here, too.)
if module.parent_process() is None and os.getpgrp() != os.getpid():
    os.setpgid(0, 0)


def submodule(name):
    return importlib.import_module("%s.%s" % (module.__name__, name))


def tell(good, outcome):
    """Prints the outcome, and ends, with all it has started: what is broken by now may not end by itself."""
    print("%s: %s" % ("good" if good else "bad", outcome), flush=True)
    os.killpg(0, signal.SIGKILL)


def start(function, *arguments):
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def kill(process):
    process.kill()
    process.join()


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def state_of(pid):
    """How ps shows it: R, S, Z ...; "" when it has gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def lives(pid):
    return state_of(pid) not in ("", "Z", "X")


def eventually(condition, patience=PATIENCE):
    """Waits until it holds. Returns whether it does."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def wait_until_asleep(pid):
    """Waits until a process sleeps, and not just for a moment."""
    seen = 0
    while seen < 5:
        seen = seen + 1 if state_of(pid) == "S" else 0
        time.sleep(0.01)
