"""Tests kith's listener and client against the multiprocessing.connection of every Python that is found.

usage: connections.py [--long] ECHO_PEER    ECHO_PEER is the program made of echo_peer.c

Each Python from 3.8 on runs the tests of this file itself: it is the other side. A message of more than 2 GiB is sent
by the newest one only, unless --long is given or KITH_LONG is set. PYTHON connections.py --here ECHO_PEER runs them in
this Python alone.
"""

import contextlib
import datetime
import faulthandler
import mmap
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing import AuthenticationError, reduction
from multiprocessing import connection as mp

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples"))
from addresses import KINDS, for_python, kinds, new_path, plain_socket
from everywhere import run_everywhere
from peers import PythonServer, Server, client, code_of, connect, echo, echo_objects, program
from tap import Skip, equal, run, run_all, test, wait_until

KEY = b"Hello World!"
MIB = 1 << 20
WHOLE_WRITE = 16384  # up to this size, Python sends a message's length together with it
CUT = b"cut the answer short"

long_form = "--long" in sys.argv or bool(os.environ.get("KITH_LONG"))
modern = sys.version_info >= (3, 12)  # speaks more than HMAC-MD5


def message_of(size):
    """No two parts of it are alike, up to a MiB; then it repeats."""
    return (os.urandom(min(size, MIB)) * (size // MIB + 1))[:size]


def echoes(connection, *sizes):
    for size in sizes:
        message = message_of(size)
        connection.send_bytes(message)
        answer = connection.recv_bytes()
        assert answer == message, "of %d bytes, %d others are back" % (size, len(answer))


def raises(function, *arguments):
    """What a call raises."""
    try:
        function(*arguments)
    except Exception as exception:
        return exception
    raise AssertionError("nothing was raised")


# ---- messages ----

SIZES = 0, 1, WHOLE_WRITE, WHOLE_WRITE + 1


@test
def python_client():
    """Client and kith's listener: messages of some sizes, over each kind of address"""
    for make in kinds().values():
        with Server(make(), key=KEY) as server, client(server.address, KEY) as connection:
            echoes(connection, *SIZES)


@test
def kith_client():
    """Listener and kith's client: messages of some sizes, over each kind of address"""
    for make in kinds().values():
        with PythonServer(make(), authkey=KEY) as server:
            lines = connect(server.address, "echo", *SIZES, key=KEY).splitlines()
            equal(lines, ["%d bytes are back" % size for size in SIZES])
            equal(type(server.ending()), EOFError)


@test
def long_messages():
    """64 MiB, by a Unix socket and by TCP, each way"""
    for kind in "unix path", "IPv4":
        with Server(KINDS[kind]()) as server, client(server.address) as connection:
            echoes(connection, 64 * MIB)
        with PythonServer(KINDS[kind]()) as server:
            equal(connect(server.address, "echo", 64 * MIB), "%d bytes are back" % (64 * MIB))


def need_memory(gib):
    with open("/proc/meminfo", encoding="ascii") as file:
        available = int(re.search(r"^MemAvailable: *(\d+) kB$", file.read(), re.MULTILINE).group(1)) * 1024
    if available < gib << 30:
        raise Skip("less than %d GiB of memory are free" % gib)


def receive_in_pieces(connection, size):
    """Receives a message of more than 2 GiB much quicker than Python does."""
    with socket.socket(fileno=os.dup(connection.fileno())) as plain:
        equal(plain.recv(12, socket.MSG_WAITALL), b"\xff\xff\xff\xff" + size.to_bytes(8, "big"))
        piece = bytearray(16 * MIB)
        while size > 0:
            got = plain.recv_into(piece, min(size, len(piece)), socket.MSG_WAITALL)
            yield piece[:got]
            size -= got


@test
def more_than_two_gib():
    """more than 2 GiB, whose length does not fit the usual 4 bytes"""
    if not (long_form or "--newest" in sys.argv):
        raise Skip("by the newest Python, or with --long")
    need_memory(5)
    size = (2 << 30) + 5
    with Server() as server, client(server.address) as connection, mmap.mmap(-1, size) as message:
        marks = [(0, b"begin"), (1 << 30, b"middle"), (size - 3, b"end")]
        for where, mark in marks:
            message[where:where + len(mark)] = mark
        connection.send_bytes(message)
        at = 0
        for piece in receive_in_pieces(connection, size):
            assert piece == message[at:at + len(piece)], "other bytes from %d on" % at
            at += len(piece)


@test
def more_than_two_gib_in_one_piece():
    """more than 2 GiB, by send_bytes and recv_bytes, each way"""
    if not long_form:
        raise Skip("with --long")
    need_memory(12)
    size = (2 << 30) + 5
    with Server() as server, client(server.address) as connection:
        echoes(connection, size)
    with PythonServer() as server:
        equal(connect(server.address, "echo", size), "%d bytes are back" % size)


@test
def too_long():
    """a message beyond the bound that the receiver has set ends the connection"""
    with Server(max=1000) as server, client(server.address) as connection:
        echoes(connection, 1000)
        connection.send_bytes(bytes(1001))
        equal(server.line(), "KITH_ELIMIT")
        assert isinstance(raises(connection.recv_bytes), (EOFError, ConnectionResetError))
    with PythonServer() as server:
        equal(code_of(connect(server.address, "echo", 1000, 1001, max=1000)), "KITH_ELIMIT")

    def receive_at_most(connection):
        connection.recv_bytes(1000)

    with PythonServer(serve=receive_at_most) as server:
        assert code_of(connect(server.address, "echo", 1001)) in ("KITH_EEOF", "ECONNRESET", "EPIPE")
        equal(str(server.ending()), "bad message length")


# ---- values ----

FROM_PYTHON = [
    ["Hello World", 100, "你好".encode()],
    {"name": "你好", "numbers": [-1, 2.5, True, 2**100], 7: None, (1, "two"): frozenset([3])},
    [[[[[("nested", {"deep": [{}]})]]]]],
    datetime.datetime(2022, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone(datetime.timedelta(hours=8))),
    ValueError("an exception", 1),
    {1, 2, 3},
    bytearray(b"bytearray"),
    "a long text " * 10000,
    None,
]


def same(one, other):
    if isinstance(one, Exception):
        return type(one) is type(other) and one.args == other.args
    return type(one) is type(other) and one == other


@test
def values_from_python():
    """what Python sends, kith reads as values and writes again, and Python receives the same"""
    with Server(values=True, key=KEY) as server, client(server.address, KEY) as connection:
        for value in FROM_PYTHON:
            connection.send(value)
            answer = connection.recv()
            assert same(answer, value), "sent %r\nreceived %r" % (value, answer)
        loop = ["holds itself"]
        loop.append(loop)
        connection.send(loop)
        answer = connection.recv()
        equal((answer[0], answer[1] is answer), ("holds itself", True))


FROM_KITH = [
    ["Hello World", 100, "你好".encode()],
    {"name": "你好", "numbers": [-1, 2.5, True], 7: None},
    (-2**63, 2**64 - 1, 2**72),
    {"a": {"b": {"c": ({1, 2},)}}},
    datetime.date(2022, 1, 2),
    bytearray(b"bytearray"),
]


@test
def values_from_kith():
    """what kith sends, Python receives as its own, and kith receives the same"""
    seen = []
    with PythonServer(serve=lambda connection: echo_objects(connection, seen), authkey=KEY) as server:
        printed = connect(server.address, "values", key=KEY)
    equal(seen, [FROM_KITH])
    equal([type(value) for value in seen[0]], [type(value) for value in FROM_KITH])
    equal(printed.split()[0], "equal")


@test
def not_a_pickle():
    """a message that is no pickle is refused as a value, and nothing of a pickle is run"""
    path = new_path()

    class Touch:
        def __reduce__(self):
            return os.system, ("touch " + path,)

    with Server(values=True) as server, client(server.address) as connection:
        connection.send(Touch())
        connection.send_bytes(b"no pickle")
        answer = connection.recv_bytes()  # not loaded here: that would run it
        assert b"system" in answer and path.encode() in answer, answer
        equal(server.line(), "KITH_EMALFORMED")
    equal(os.path.exists(path), False)


# ---- keys ----

KEYS = {"right": KEY, "wrong": b"another key", "empty": b"", "no": None}


def python_meets_kith(address, key):
    """What comes of a Client that connects to an echo server, and asks it."""
    try:
        with client(address, key) as connection:
            connection.send_bytes(b"a message")
            answer = connection.recv_bytes()
            return "served" if answer == b"a message" else answer[:11]
    except Exception as exception:
        return type(exception)


@test
def keys_of_python_clients():
    """keys of Client against kith's listener: the right one only"""
    with Server(key=KEY) as server:
        equal({name: python_meets_kith(server.address, key) for name, key in KEYS.items()},
              {"right": "served", "wrong": AuthenticationError, "empty": AuthenticationError, "no": b"#CHALLENGE#"})
        # The client without a key does not wait for its refusal, and is refused all the same.
        wait_until(lambda: server.stats()["refused"] == 3, "three are refused")
        equal(server.stats()["accepted"], 1)
    with Server(key=b"") as server:
        equal({name: python_meets_kith(server.address, key) for name, key in KEYS.items()},
              {"right": AuthenticationError, "wrong": AuthenticationError, "empty": "served", "no": b"#CHALLENGE#"})
    with Server() as server:
        equal(python_meets_kith(server.address, None), "served")


@test
def impostors():
    """who does not look at kith's proof, and has none himself, is refused by either side"""
    with Server(key=KEY) as server:
        for response in bytes(16), b"{sha256}" + bytes(32):
            with client(server.address) as connection:
                equal(connection.recv_bytes()[:11], b"#CHALLENGE#")
                connection.send_bytes(response)
                equal(connection.recv_bytes(), b"#FAILURE#")
                equal(type(raises(connection.recv_bytes)), EOFError)
        equal((server.stats()["accepted"], server.stats()["refused"]), (0, 2))

    def pretend(connection):
        connection.send_bytes(b"#CHALLENGE#" + bytes(20))
        connection.recv_bytes()
        connection.send_bytes(b"#WELCOME#")
        equal(connection.recv_bytes()[:11], b"#CHALLENGE#")
        connection.send_bytes(bytes(16))
        equal(connection.recv_bytes(), b"#FAILURE#")
        connection.recv_bytes()

    with PythonServer(serve=pretend) as server:
        equal(code_of(connect(server.address, "echo", 5, key=KEY)), "KITH_EAUTH")
        equal(type(server.ending()), EOFError)


@test
def no_key_at_kith():
    """a Client with a key waits for a challenge as long as the listener without one lives, and no longer"""
    server = Server()
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(python_meets_kith(server.address, KEY)))
    thread.start()
    wait_until(lambda: server.stats()["accepted"] == 1, "it is accepted")
    equal(outcome, [])
    server.end()
    thread.join()
    assert outcome[0] in (EOFError, ConnectionResetError), outcome


def kith_meets_python(server, key):
    """What comes of a client of kith's, and of the server's accept where that fails."""
    printed = code_of(connect(server.address, "echo", 5, key=key))
    return printed if printed == "5 bytes are back" else (printed, type(server.ending()))


@test
def keys_of_kith_clients():
    """keys of kith's client against Listener: the right one only"""
    with PythonServer(authkey=KEY) as server:
        equal(kith_meets_python(server, KEY), "5 bytes are back")
        equal(type(server.ending()), EOFError)
        equal(kith_meets_python(server, b"another key"), ("KITH_EAUTH", AuthenticationError))
        equal(kith_meets_python(server, b""), ("KITH_EAUTH", AuthenticationError))
    with PythonServer() as server:
        equal(kith_meets_python(server, None), "5 bytes are back")


@test
def empty_key_at_python():
    """an empty key at Listener is one since 3.13, and was none before"""
    with PythonServer(authkey=b"") as server:
        if sys.version_info >= (3, 13):
            equal(kith_meets_python(server, b""), "5 bytes are back")
            equal(type(server.ending()), EOFError)
            equal(kith_meets_python(server, KEY), ("KITH_EAUTH", AuthenticationError))
        else:
            equal(kith_meets_python(server, None), "5 bytes are back")


@test
def no_key_at_one_side():
    """kith's client with a key at a Listener without one gives up in its time; without one, it is not served"""
    with PythonServer() as server:
        equal(code_of(connect(server.address, "echo", 5, key=KEY, patience=100)), "ETIMEDOUT")
        equal(type(server.ending()), EOFError)
    with PythonServer(authkey=KEY) as server:
        printed = connect(server.address, "echo", 5)  # what comes is the challenge
        assert re.fullmatch(r"of 5 bytes, \d\d others are back", printed), printed
        assert isinstance(server.ending(), (AuthenticationError, BrokenPipeError, ConnectionResetError))


@test
def strict():
    """who refuses HMAC-MD5 refuses Python up to 3.11, on either side"""
    with Server(key=KEY, strict=True) as server:
        equal(python_meets_kith(server.address, KEY), "served" if modern else AuthenticationError)
    with PythonServer(authkey=KEY) as server:
        printed = code_of(connect(server.address, "echo", 5, key=KEY, strict=True))
        equal(printed, "5 bytes are back" if modern else "KITH_EAUTH")
        equal(type(server.ending()), EOFError)


if modern:

    @test
    def digests():
        """kith's client answers a challenge by each digest that Python may ask for"""

        def ask(connection):
            for name in "md5", "sha256", "sha384", "sha3_256", "sha3_384":
                mp.deliver_challenge(connection, KEY, name)

        for name in "md5", "sha256", "sha384", "sha3_256", "sha3_384":

            def accept(connection):
                mp.deliver_challenge(connection, KEY, name)
                mp.answer_challenge(connection, KEY)
                echo(connection)

            with PythonServer(serve=accept) as server:
                equal(connect(server.address, "echo", 5, key=KEY), "5 bytes are back")


# ---- ends ----


def send_a_part(connection, size=100):
    """The beginning of a message of that size."""
    os.write(connection.fileno(), size.to_bytes(4, "big") + b"only so much")


@test
def python_ends_in_the_middle():
    """Python ends in the middle of a message: KITH_ETRUNCATED; between two: KITH_EEOF"""
    for kind in "unix path", "IPv4":
        with Server(KINDS[kind](), key=KEY) as server:
            with client(server.address, KEY) as connection:
                send_a_part(connection)
            equal(server.line(), "KITH_ETRUNCATED")
        with PythonServer(KINDS[kind](), serve=send_a_part, authkey=KEY) as server:
            equal(code_of(connect(server.address, "receive", key=KEY)), "KITH_ETRUNCATED")
        with PythonServer(KINDS[kind](), serve=lambda connection: None, authkey=KEY) as server:
            equal(code_of(connect(server.address, "receive", key=KEY)), "KITH_EEOF")


@test
def kith_comes_back():
    """a client of kith's that is to reconnect tells of the end once, and proves itself to Listener anew"""

    def echo_one(connection):
        connection.send_bytes(connection.recv_bytes())

    for kind in "unix path", "IPv4":
        with PythonServer(KINDS[kind](), serve=echo_one, authkey=KEY) as server:
            equal(connect(server.address, "again", 5, 6, 7, key=KEY, reconnect=True).splitlines(),
                  ["5 bytes are back", "KITH_EEOF", "6 bytes are back", "KITH_EEOF", "7 bytes are back", "KITH_EEOF"])


@test
def kith_ends_in_the_middle():
    """kith ends in the middle of a message: Python's OSError; between two: EOFError"""
    for kind in "unix path", "IPv4":
        with Server(KINDS[kind](), key=KEY) as server, client(server.address, KEY) as connection:
            connection.send_bytes(CUT)
            equal(server.line(), "ETIMEDOUT")
            equal(str(raises(connection.recv_bytes)), "got end of file during message")
    server = Server()
    with client(server.address) as connection:
        echoes(connection, 5)
        server.end()
        equal(type(raises(connection.recv_bytes)), EOFError)


@test
def kith_is_killed():
    """a client of kith's is killed while it sends: Python's OSError"""
    for kind in "unix path", "IPv4":
        received = queue.Queue()

        def wait_then_receive(connection):
            received.put(connection.poll(60))
            dead.wait(60)
            connection.recv_bytes()

        dead = threading.Event()
        with PythonServer(KINDS[kind](), serve=wait_then_receive, authkey=KEY) as server:
            command = [program, "connect", "--key", KEY.decode(), server.address, "flood", str(64 * MIB)]
            with subprocess.Popen(command) as sender:
                equal(received.get(timeout=60), True)
                sender.kill()
            dead.set()
            ending = server.ending()
            assert str(ending) == "got end of file during message" or isinstance(ending, ConnectionResetError), ending


DIE = """
import os, signal, sys
from multiprocessing.connection import Client
connection = Client(%r, authkey=%r)
os.write(connection.fileno(), (1000).to_bytes(4, "big") + b"only so much")
os.kill(os.getpid(), signal.SIGKILL)
"""


@test
def python_is_killed():
    """a Python that is killed in the middle of a message harms no other one"""
    for kind in "unix path", "IPv4":
        with Server(KINDS[kind](), key=KEY) as server, client(server.address, KEY) as connection:
            where, _ = for_python(server.address)
            status, _, _ = run(sys.executable, "-c", DIE % (where, KEY))
            equal(status, -signal.SIGKILL)
            equal(server.line(), "KITH_ETRUNCATED")
            echoes(connection, 5)


# ---- many ----


@test
def one_after_the_other():
    """1,000 connections, one after the other, each way"""
    with Server(key=KEY) as server:
        for _ in range(1000):
            with client(server.address, KEY) as connection:
                echoes(connection, 5)
        equal(server.stats()["accepted"], 1000)
    with PythonServer(authkey=KEY) as server:
        printed = connect(server.address, "many", 1000, key=KEY)
        assert printed.startswith("1000 visits, "), printed
        equal({type(server.ending()) for _ in range(1000)}, {EOFError})


@test
def side_by_side():
    """200 connections at the same time, each way"""
    with Server(key=KEY) as server:
        all_are_connected = threading.Barrier(200)
        done = []

        def visit():
            with client(server.address, KEY) as connection:
                all_are_connected.wait(60)
                echoes(connection, 100, 20000)
                done.append(1)

        threads = [threading.Thread(target=visit) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(len(done), 200)
    for backlog in 1, 200:  # Python's default is 1: who comes then waits before connect
        with PythonServer(authkey=KEY, backlog=backlog) as server:
            lines = connect(server.address, "parallel", 200, key=KEY).splitlines()
            equal({line: lines.count(line) for line in lines},
                  {"%d bytes are back" % size: 200 for size in (100, 1000, 10000, 100000)})


@test
def silent_client():
    """one that says nothing holds up nobody"""
    with Server(key=KEY) as server:
        with plain_socket(server.address) as silent:
            wait_until(lambda: server.stats()["handshakes"] == 1, "it is there")
            equal(python_meets_kith(server.address, KEY), "served")
            equal(connect(server.address, "echo", 5, key=KEY), "5 bytes are back")
            equal(server.stats()["handshakes"], 1)
            silent.sendall(b"\0\0\0\x64some, but not all")
            equal(python_meets_kith(server.address, KEY), "served")
        wait_until(lambda: server.stats()["gone"] == 1, "it is gone")


@test
def wait_for_many():
    """connection.wait tells which of many connections to kith have something"""
    with Server(key=KEY) as server, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(client(server.address, KEY)) for _ in range(10)]
        equal(mp.wait(connections, 0), [])
        connections[3].send_bytes(b"three")
        equal(mp.wait(connections, 60), [connections[3]])
        equal(connections[3].poll(), True)
        equal(connections[3].recv_bytes(), b"three")
        connections[4].send_bytes(CUT)  # ends it
        equal(server.line(), "ETIMEDOUT")
        equal(mp.wait(connections, 60), [connections[4]])


# ---- descriptors ----


@test
def descriptors_from_python():
    """send_handle and recv_handle of Client: a descriptor goes to kith and comes back, among messages"""
    with Server("unix:" + new_path(), key=KEY) as server, client(server.address, KEY) as connection:
        reader, writer = os.pipe()
        connection.send_bytes(b"before")
        reduction.send_handle(connection, writer, None)
        os.close(writer)
        equal(connection.recv_bytes(), b"before")
        fd = reduction.recv_handle(connection)
        echoes(connection, 5)
        os.write(fd, b"through both")
        os.close(fd)
        equal(os.read(reader, 100), b"through both")
        equal(os.read(reader, 100), b"")
        os.close(reader)


@test
def descriptors_from_kith():
    """a descriptor of kith's goes through recv_handle and send_handle of a Listener, and comes back"""

    def echo_handle(connection):
        fd = reduction.recv_handle(connection)
        reduction.send_handle(connection, fd, None)
        os.close(fd)

    with PythonServer("unix:" + new_path(), serve=echo_handle, authkey=KEY) as server:
        equal(connect(server.address, "descriptor", key=KEY), "through both")


# ---- every Python ----


def run_here():
    """The tests above, in this Python."""
    faulthandler.dump_traceback_later(1000 if long_form else 250, exit=True)  # tells where it hangs
    run_all()


if __name__ == "__main__":
    if "--here" in sys.argv:
        run_here()
    sys.exit(run_everywhere([["--long"] if long_form else []], program))
