"""Tests that programs in C and in stock Python share a managed queue: a server, a producer, a consumer, and one that
says the end, each of them in either language: all 16 mixes, over a Unix socket and over TCP.

usage: managers.py [--long] ROLES [KITH]    ROLES is the program made of manager_roles.c, KITH the command, whose
                                            `kith serve` is one more server then

A few items are shared, with the newest Python. With --long, or when KITH_LONG is set, 10,000 are shared in each mix,
and with every Python that is found.
"""

import contextlib
import functools
import itertools
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, os.pardir, "examples"))
sys.dont_write_bytecode = True
import pythons
from addresses import KINDS
from manager_servers import KEY, PATIENCE, c_server, kith_serve, python_server
from tap import equal, run_all, test

long_form = "--long" in sys.argv or bool(os.environ.get("KITH_LONG"))
roles, *kith = [argument for argument in sys.argv[1:] if argument != "--long"]
COUNT = 10000 if long_form else 200
CLIENTS = "produce", "consume", "terminate"


def start(language, python, role, address):
    """One of the three clients."""
    program = [roles] if language == "C" else [python, "-B", os.path.join(here, "manager_roles.py")]
    count = [str(COUNT)] if role == "produce" else []
    return subprocess.Popen([*program, role, KEY.hex(), address, *count], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def end(client):
    """What a client has printed when it is at its end, which must be a good one."""
    printed, _ = client.communicate(timeout=PATIENCE)
    equal((client.returncode, printed.decode() if client.returncode else ""), (0, ""))
    return printed.decode()


def share(server, python, languages):
    """Has the three clients work: first the consumer, which finds the queue empty, then the producer, and when that is
    at its end the one that says it."""
    produce, consume, terminate = (functools.partial(start, language, python, role, server.address)
                                   for language, role in zip(languages, CLIENTS))
    with contextlib.ExitStack() as stack:

        def begin(client):
            process = stack.enter_context(client())
            stack.callback(process.kill)
            return process

        consumer = begin(consume)
        equal(end(begin(produce)), "")
        equal(end(begin(terminate)), "")
        equal(end(consumer), "consumed %d\n" % COUNT)


def servers(python):
    """How to start each kind of server, by what it is called."""
    starts = {"C": functools.partial(c_server, roles), "Python": functools.partial(python_server, python)}
    if kith:
        starts["kith serve"] = functools.partial(kith_serve, *kith)
    return starts


def mix_test(version, python, kind, name, serve):
    def mixes():
        with serve(KINDS[kind]()) as server:
            for languages in itertools.product(("C", "Python"), repeat=len(CLIENTS)):
                try:
                    share(server, python, languages)
                except Exception as failure:
                    mix = ", ".join("%s in %s" % pair for pair in zip(CLIENTS, languages))
                    raise AssertionError("%s: %s" % (mix, failure)) from failure

    mixes.__doc__ = "Python %s, %s: %d items through a server in %s, each client in C and in Python" % (
        version, kind, COUNT, name)
    test(mixes)


found = pythons.find()
for version, python in found if long_form else found[-1:]:
    for kind in "unix path", "IPv4":
        for name, serve in servers(python).items():
            mix_test(version, python, kind, name, serve)
run_all()
