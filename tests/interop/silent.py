"""Tests that clients that say nothing hold up nobody: 1,000 of them at a listener of kith's.

usage: silent.py ECHO_PEER    ECHO_PEER is the program made of echo_peer.c
"""

import contextlib
import resource
import sys
import time

from addresses import KINDS, plain_socket
from peers import Server, client, connect
from tap import equal, run_all, test, wait_until

KEY = b"Hello World!"
SILENT = 1000
GOOD = 50

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
needed = SILENT + 200  # descriptors of this process, and of the server, which inherits the limit
if hard not in (resource.RLIM_INFINITY, -1) and hard < needed:
    print("1..0 # SKIP a process may have %d descriptors only" % hard)
    sys.exit(0)
if soft < needed:
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def silent_ones(server):
    """So many connections that never say anything, all of them accepted."""
    with contextlib.ExitStack() as stack:
        before = dropped(server.stats())
        sockets = [stack.enter_context(plain_socket(server.address)) for _ in range(SILENT)]
        wait_until(lambda: server.stats()["handshakes"] + dropped(server.stats()) - before == SILENT, "all are there")
        yield sockets


def dropped(stats):
    return stats["timed_out"] + stats["evicted"]


def visit(server):
    """A good client of Python's. Returns how many milliseconds it took."""
    start = time.monotonic()
    with client(server.address, KEY) as connection:
        connection.send_bytes(b"a message")
        equal(connection.recv_bytes(), b"a message")
    return (time.monotonic() - start) * 1e3


def good_ones(server):
    """Good clients of Python's and of kith's. What their visits took is printed, and judged by no test: the machine may
    have other things to do."""
    print("# %d visits of Python's, the slowest took %.1f ms" % (GOOD, max(visit(server) for _ in range(GOOD))))
    printed = connect(server.address, "many", GOOD, key=KEY)
    assert printed.startswith("%d visits, " % GOOD), printed
    print("# of kith's: " + printed)


@test
def all_stay():
    """good clients are served while 1,000 silent ones have 10 s for their handshakes"""
    for kind in "unix path", "IPv4":
        with Server(KINDS[kind](), key=KEY, handshakes=2 * SILENT) as server, silent_ones(server):
            good_ones(server)
            stats = server.stats()
            equal((stats["accepted"], stats["handshakes"], dropped(stats)), (2 * GOOD, SILENT, 0))


@test
def some_are_evicted():
    """where there is room for 256, the oldest silent ones make it for newer ones, and good clients are served"""
    with Server(KINDS["unix path"](), key=KEY) as server, silent_ones(server):
        equal(server.stats()["handshakes"], 256)
        good_ones(server)
        stats = server.stats()
        equal(stats["accepted"], 2 * GOOD)
        equal(stats["handshakes"] + stats["evicted"], SILENT)


@test
def all_are_dropped():
    """when their time is over, all are dropped; one that sends a byte now and then, too"""
    with Server(KINDS["unix path"](), key=KEY, handshakes=2 * SILENT, patience=300) as server:
        with silent_ones(server) as sockets, plain_socket(server.address) as slow:
            answer = iter(b"\0\0\0\xff" + bytes(200))  # not all of it

            def drip():
                with contextlib.suppress(StopIteration, BrokenPipeError, ConnectionResetError):
                    slow.sendall(bytes([next(answer)]))
                return server.stats()["timed_out"] == SILENT + 1

            wait_until(drip, "all are dropped")
            for each in sockets:
                while each.recv(1000):
                    pass
        equal(server.stats()["handshakes"], 0)
        good_ones(server)


run_all()
