"""The two sides of the tests of listener and client: programs made of echo_peer.c, and multiprocessing.connection.
Standard library only."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
from multiprocessing import connection as mp

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples"))
from addresses import for_python, new_name, plain_socket
from tap import equal, run

program = sys.argv[-1]  # made of echo_peer.c


def client(address, key=None):
    """multiprocessing.connection.Client. That takes no address of IPv6; so then this does what it does."""
    where, family = for_python(address)
    if family != "AF_INET6":
        return mp.Client(where, authkey=key)
    connection = mp.Connection(plain_socket(address).detach())
    if key is not None:
        mp.answer_challenge(connection, key)
        mp.deliver_challenge(connection, key)
    return connection


# ---- kith's side ----


def options_of(key=None, **others):
    words = [] if key is None else ["--key", key.decode()]
    for name, value in others.items():
        words += ["--" + name] if value is True else ["--" + name, str(value)]
    return words


class Server:
    """An echo server of kith's; what it prints waits in a queue."""

    def __init__(self, address=None, **options):
        command = [program, "serve", *options_of(**options), address or "unix:@" + new_name()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.address = self.line().split(" ", 1)[1]

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().rstrip())

    def line(self):
        return self.lines.get(timeout=60)

    def stats(self):
        self.process.stdin.write(b"stats\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def end(self):
        self.process.stdin.close()
        equal(self.process.wait(timeout=60), 0)
        self.reader.join()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, exception_type, *_):
        if exception_type:
            self.process.kill()
        self.process.stdin.close()
        status = self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()
        if not exception_type:
            equal((status, list(self.lines.queue)), (0, []))


def connect(address, *action, **options):
    """What a client of kith's prints."""
    status, out, err = run(program, "connect", *options_of(**options), address, *map(str, action))
    equal(err, b"")
    printed = out.decode().rstrip()
    equal(status, 0 if code_of(printed) == printed else 1)
    return printed


def code_of(printed):
    """The code, when a call of kith's client failed, which its last line tells; else all that it printed."""
    found = re.search(r"^\w+: ((?:KITH_)?E[A-Z0-9]+) .*\Z", printed + " ", re.MULTILINE)
    return found.group(1) if found else printed


# ---- Python's side ----


def echo(connection):
    while True:
        connection.send_bytes(connection.recv_bytes())


def echo_objects(connection, seen):
    while True:
        value = connection.recv()
        seen.append(value)
        connection.send(value)


class PythonServer:
    """A Listener with a thread for each connection. How accept and the connections ended waits in a queue: the
    exceptions."""

    def __init__(self, address=None, serve=echo, **options):
        where, family = for_python(address or "unix:@" + new_name())
        self.listener = mp.Listener(where, family, **options)
        self.address = address or "unix:@" + where[1:]
        if family in ("AF_INET", "AF_INET6"):
            self.address = re.sub(r":0$", ":%d" % self.listener.address[1], self.address)
        self.serve = serve
        self.endings = queue.Queue()
        self.closing = False
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        while not self.closing:
            try:
                connection = self.listener.accept()
            except Exception as exception:
                self.endings.put(exception)
                continue
            self.threads.append(threading.Thread(target=self.serve_one, args=(connection,)))
            self.threads[-1].start()

    def serve_one(self, connection):
        with connection:
            try:
                self.serve(connection)
            except Exception as exception:
                self.endings.put(exception)

    def ending(self):
        return self.endings.get(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        plain_socket(self.address).close()  # wakes accept
        for thread in self.threads:
            thread.join()
        self.listener.close()
