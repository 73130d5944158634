"""Tests kith echo; the clients are Python's.

usage: echo.py KITH    KITH is the command
"""

import contextlib
import datetime
import os
import signal
import socket
import subprocess

from house import KEY, Echo, echo, fails, files, folder, kith, place, program
from multiprocessing.connection import AuthenticationError, Client
from tap import equal, run_all, test, wait_until

ANY = "tcp:127.0.0.1:0"


def turn(client, message):
    client.send_bytes(message)
    equal(client.recv_bytes(), message)


@test
def bytes_come_back():
    """Bytes come back, whatever they are, through every kind of address."""
    with folder() as path:
        for address in "unix:" + path + "/echo", "unix:@kith-cli-%d" % os.getpid(), ANY, "tcp:[::1]:0":
            if address.startswith("tcp:[") and not os.path.exists("/proc/net/if_inet6"):
                continue
            with echo(address) as server, contextlib.ExitStack() as stack:
                if address.startswith("unix:"):
                    equal(server.address, address)
                if address.startswith("tcp:["):  # which Python's listeners and clients do not know
                    equal(kith("send", server.address, "through IPv6"), (0, b"'through IPv6'\n", b""))
                    continue
                client = stack.enter_context(Client(place(server.address)))
                for message in b"", b"x", bytes(range(256)), b"\x80\x04]\x94.", bytes(1 << 20):
                    turn(client, message)


@test
def values_are_made_anew():
    """--values reads and writes each value, and Python's equal it."""
    values = [None, True, -(1 << 100), 2.5, "ü", b"\0", [1, (2,)], {"a": {3}}, frozenset([4]), bytearray(b"5"),
              datetime.date(2024, 2, 29)]
    with echo(ANY, "--values") as server, Client(place(server.address)) as client:
        for value in values:
            client.send(value)
            seen = client.recv()
            equal((type(seen), seen), (type(value), value))


@test
def no_pickle():
    """--values drops a client whose message is no pickle, says why, and goes on with the others."""
    with echo(ANY, "--values") as server:
        with Client(place(server.address)) as other, Client(place(server.address)) as client:
            client.send_bytes(b"no pickle")
            with contextlib.suppress(ConnectionResetError):
                equal(client.poll(60), True)
                try:
                    raise AssertionError("it was answered: %r" % client.recv_bytes())
                except EOFError:
                    pass
            other.send("still served")
            equal(other.recv(), "still served")
        err = server.stop()
    assert "warning: client tcp:127.0.0.1:" in err and " was dropped: at byte " in err, err


@test
def side_by_side():
    """256 clients are served side by side, and one more when one goes."""
    with echo(ANY) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(place(server.address))) for _ in range(256)]
        for client in clients:
            turn(client, b"hello")
        late = stack.enter_context(Client(place(server.address)))
        late.send_bytes(b"late")
        for client in clients:
            turn(client, b"hello again")
        equal(late.poll(), False)
        clients[0].close()
        equal(late.recv_bytes(), b"late")


@test
def signals_end_it():
    """SIGTERM and SIGINT end it with status 0; its socket is gone, and its clients get the end."""
    for how in signal.SIGTERM, signal.SIGINT:
        with folder() as path:
            with echo("unix:" + path + "/echo") as server, Client(place(server.address)) as client:
                turn(client, b"hello")
                equal(server.stop(how), "")
                equal(os.listdir(path), [])
                try:
                    raise AssertionError("it was answered: %r" % client.recv_bytes())
                except EOFError:
                    pass


@test
def stubborn_clients():
    """A client in the middle of a message, and one that takes no answers, do not keep it from ending."""
    with echo(ANY, quiet=False) as server:
        half = socket.create_connection(place(server.address))
        deaf = socket.create_connection(place(server.address))
        with half, deaf:
            half.sendall(b"\0\0\0\x09half")
            deaf.setblocking(False)
            frame = (1 << 20).to_bytes(4, "big") + bytes(1 << 20)
            with contextlib.suppress(BlockingIOError):
                while True:  # until neither it nor the kernel takes any more
                    deaf.send(frame)
            server.stop()


@test
def count():
    """--count ends it when so many clients have come and gone; --once is one."""
    with echo(ANY, "--count", "2") as server:
        with Client(place(server.address)) as first:
            turn(first, b"first")
        with Client(place(server.address)) as second:
            turn(second, b"second")
            equal(server.process.poll(), None)
        equal(server.wait(), "")
    with echo(ANY, "--once") as server:
        with Client(place(server.address)) as only:
            turn(only, b"only")
        equal(server.wait(), "")


@test
def authkey():
    """--authkey-file lets in who has the key; a newline at the file's end is not part of it."""
    with files(key=b"secret\n") as path, echo(ANY, "--authkey-file", path("key")) as server:
        with Client(place(server.address), authkey=b"secret") as client:
            turn(client, b"hello")
        try:
            Client(place(server.address), authkey=b"secret\n").close()
            raise AssertionError("it got in with another key")
        except AuthenticationError:
            pass
        with Client(place(server.address), authkey=b"secret") as client:
            turn(client, b"hello again")
        assert "was refused" in server.stop()


@test
def warnings():
    """It warns of a key that others can read, and of TCP that others can listen to."""
    with files(key=KEY) as path:
        os.chmod(path("key"), 0o640)
        server = Echo("tcp::0", "--authkey-file", path("key"))
        err = server.stop()
    assert "others can read" in err, err
    assert "TLS" in err, err


@test
def wrong_use():
    """What makes no sense gives status 2 and a hint."""
    for reason, *arguments in (
            ["at which address"], ["one address", ANY, ANY], ["unrecognized", "--colour", ANY],
            ["requires an argument", ANY, "--count"], ["not '0'", "--count", "0", ANY],
            ["not 'two'", "--count", "two", ANY], ["not '-1'", "--count", "-1", ANY],
            ["not '99999999999999999999'", "--count", "99999999999999999999", ANY],
            ["--authkey-file", "--tls", ANY], ["without certificates", "--tls", "--tls-key", "k", ANY]):
        fails(2, reason, "echo", *arguments)


@test
def failures():
    """What fails gives status 1 and a sentence."""
    with files(key=KEY, short=b"short", empty=b"\n", long=bytes(65537)) as path, echo("unix:" + path("echo")) as server:
        for reason, *arguments in (
                ["address", "nowhere"], ["listens", server.address],
                ["no socket", "unix:" + path("key")], ["folder", "unix:" + path("no/folder")],
                ["No such file", ANY, "--authkey-file", path("nothing")],
                ["Is a directory", ANY, "--authkey-file", path("")],
                ["nothing in it", ANY, "--authkey-file", path("empty")],
                ["more than 65536", ANY, "--authkey-file", path("long")],
                ["too short", ANY, "--tls", "--authkey-file", path("short")],
                ["TLS is for TCP", "unix:" + path("other"), "--tls", "--authkey-file", path("key")],
                ["certificate", ANY, "--tls-authorities", path("key")],
                ["can't be read", ANY, "--tls-certificate", path("nothing")]):
            fails(1, reason, "echo", *arguments)


@test
def full():
    """An address that can't be printed ends it: nobody would know it."""
    with open("/dev/full", "wb") as out:
        done = subprocess.run([program, "echo", ANY], stdout=out, stderr=subprocess.PIPE, timeout=60)
    equal(done.returncode, 1)
    assert b"stdout" in done.stderr, done.stderr


run_all()
