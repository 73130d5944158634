"""Tests kith's client of managers against the managers of every Python that is found, and against kith's own server.

usage: c_clients.py PROGRAM    PROGRAM is made of c_client_program.c

Each Python from 3.8 on runs the tests of this file itself: it has the server. PYTHON c_clients.py --here PROGRAM runs
them in this Python alone. What a call gives is for the program to check, which prints nothing when all is well.
"""

import contextlib
import decimal
import faulthandler
import inspect
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
from multiprocessing.managers import AutoProxy, SyncManager

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples"))
from addresses import KINDS, for_kith, for_python
from everywhere import run_everywhere
from tap import Skip, equal, run, run_all, test

KEY = b"a key"
program = sys.argv[-1]
multiprocessing.current_process().authkey = KEY  # proxies that come through a queue connect with this one


# ---- servers ----


class Counter:
    """What only Python knows."""

    def __init__(self, count):
        self.count = count

    def add(self, step=1):
        self.count += step
        return self.count

    def fail(self, exception):
        raise {"decimal.InvalidOperation": decimal.InvalidOperation}.get(exception) or eval(exception)("on purpose")

    def unpicklable(self):
        return lambda: None

    def echo(self, value):
        return value


shared = queue.Queue()


def get_shared():
    return shared


class Manager(SyncManager):
    pass


Manager.register("Counter", Counter)
Manager.register("shared", get_shared)


def started(kind="unix path"):
    manager = Manager(for_python(KINDS[kind]())[0], KEY)
    manager.start()
    return manager


def client(address, what, key=KEY, **environment):
    status, out, err = run(program, address, key.decode(), *what.split(), env={**os.environ, **environment})
    equal((status, out.decode(), err.decode()), (0, "", ""))


@contextlib.contextmanager
def running(address, what):
    """A client in the middle of something; at the end it must have found nothing wrong."""
    with subprocess.Popen([program, address, KEY.decode(), what], stdout=subprocess.PIPE) as child:
        try:
            yield child
            out, _ = child.communicate(timeout=60)
        except BaseException:
            child.kill()
            raise
    equal((child.returncode, out), (0, b""))


FAMILIES = "queue", "many", "list", "dict", "values", "locks", "signals"
OTHERS = "refusals", "nested", "timeout", "interrupted", "threads", "fork", "names", "references", "wrong_key", "handle"


# ---- a stock server ----


def add(what, kind):
    def function():
        with started(kind) as manager:
            client(for_kith(manager.address), what)

    function.__doc__ = "%s, over %s" % (what, kind)
    test(function)


for family in FAMILIES + OTHERS + ("pool", "own_type"):
    add(family, "unix path")
add(" ".join(FAMILIES), "unix abstract")
add(" ".join(FAMILIES), "IPv4")
add("nested fork", "IPv4")


@test
def set_of_python():
    """set, which Python has since 3.14"""
    if not hasattr(SyncManager, "set"):
        raise Skip("this Python's managers have no set")
    with started() as manager:
        client(for_kith(manager.address), "set")


@test
def passing():
    """proxies go from Python to C, and from C to Python, by a queue"""
    if "manager_owned" not in inspect.signature(AutoProxy).parameters:
        raise Skip("an AutoProxy can't be in this Python's managers: bpo-30256")
    with started() as manager:
        letters = manager.shared()
        inner, space = manager.list([1]), manager.Namespace()
        letters.put(inner)
        letters.put(space)
        with running(for_kith(manager.address), "passing"):
            letters.join()
            equal((list(inner), space.name), ([1, "from C"], "from C"))
            mine, counter, again = letters.get(), letters.get(), letters.get()
            equal((counter.add(2), list(again)), (7, [1, "from C"]))
            mine.put("from Python")


@test
def killed():
    """the server is killed while a call waits: KITH_ECLOSED at once, and from then on"""
    for kind in "unix path", "IPv4":
        manager = started(kind)
        with running(for_kith(manager.address), "killed") as child:
            equal(child.stdout.readline(), b"waiting\n")
            os.kill(manager._process.pid, signal.SIGKILL)
        manager._process.join()


@test
def shutdown():
    """a client ends the server"""
    manager = started()
    client(for_kith(manager.address), "shutdown")
    manager._process.join(60)
    equal(manager._process.exitcode, 0)


# ---- a kith server ----


class KithServer:
    def __init__(self, address):
        self.process = subprocess.Popen([program, address, KEY.decode(), "serve"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.address = self.process.stdout.readline().decode().rstrip()

    def __enter__(self):
        return self

    def __exit__(self, exception_type, *_):
        self.process.stdin.close()
        out = self.process.stdout.read()
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        if not exception_type:
            equal((status, out), (0, b""))


def add_kith(what, address):
    def function():
        if "--newest" not in sys.argv:
            raise Skip("with the newest Python")
        with KithServer(address()) as server:
            client(server.address, what, KITH_SERVER="1")

    function.__doc__ = "kith's server: %s, over %s" % (what, address().split(":", 1)[0])
    test(function)


for what in FAMILIES + OTHERS + ("set", "shutdown"):
    add_kith(what, KINDS["unix path"])
add_kith(" ".join(FAMILIES + OTHERS + ("set",)), KINDS["IPv4"])


@test
def kith_killed():
    """kith's server is killed while a call waits: KITH_ECLOSED at once, and from then on"""
    server = KithServer(KINDS["unix path"]())
    with running(server.address, "killed") as child:
        equal(child.stdout.readline(), b"waiting\n")
        server.process.kill()
    server.process.stdin.close()
    server.process.stdout.close()
    server.process.wait()


if __name__ == "__main__":
    if "--here" in sys.argv:
        faulthandler.dump_traceback_later(250, exit=True)  # tells where it hangs
        run_all()
    sys.exit(run_everywhere([[]], program))
