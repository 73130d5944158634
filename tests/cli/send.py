"""Tests kith send, and kith itself; the listeners are kith echo, and Python's.

usage: send.py KITH    KITH is the command
"""

import contextlib
import datetime
import os
import pickle
import shutil
import subprocess
import threading

from house import KEY, certify, echo, fails, files, folder, kith, place, program
from multiprocessing.connection import Listener
from tap import Skip, equal, run_all, test

ANY = "tcp:127.0.0.1:0"


def prints(expected, *arguments, stdin=b""):
    equal(kith("send", *arguments, stdin=stdin), (0, expected, b""))


@contextlib.contextmanager
def answering(answer, authkey=None):
    """A Python listener that gives each message to a function, which may send on its connection."""
    with Listener(("127.0.0.1", 0), authkey=authkey) as listener:

        def serve():
            with contextlib.suppress(EOFError, OSError), listener.accept() as connection:
                while True:
                    answer(connection, connection.recv_bytes())

        thread = threading.Thread(target=serve)
        thread.start()
        yield "tcp:127.0.0.1:%d" % listener.address[1]
        thread.join(60)
        assert not thread.is_alive()


@test
def texts():
    """Each message is a text; the answers are printed as Python shows them."""
    with echo("unix:@kith-send-%d" % os.getpid(), "--values") as server:
        prints(b"'hello'\n", server.address, "hello")
        prints("'ü'\n''\n\"it's\"\n".encode(), server.address, "ü", "", "it's")
        prints(b"'-5'\n", server.address, "--", "-5")


@test
def stdin():
    """Without a message, or for '-', it is what comes from stdin, without the newline at its end."""
    with echo(ANY) as server:
        prints(b"'line'\n", server.address, stdin=b"line\n")
        prints(b"''\n", server.address)
        prints(b"'a'\n'two\\nlines'\n'b'\n", server.address, "a", "-", "b", stdin=b"two\nlines\n")
        prints(b"'%s'\n" % (b"x" * 200000), server.address, stdin=b"x" * 200000)


@test
def python_understands():
    """Python's recv gets a str, and what its send answers is printed."""
    seen = []

    def answer(connection, message):
        seen.append(pickle.loads(message))
        connection.send({"when": datetime.date(2024, 2, 29), "n": [None, 1 << 70]})

    with answering(answer) as address:
        prints(b"{'when': datetime.date(b'\\x07\\xe8\\x02\\x1d'), 'n': [None, 1180591620717411303424]}\n", address,
               "question")
    equal(seen, ["question"])


@test
def json():
    """--json sends what JSON means, and prints JSON."""
    with echo(ANY, "--values") as server:
        text = '{"a": [1, 2.5, null, true, "ü"]}'
        prints(text.encode() + b"\n", server.address, "--json", text)
        prints(b'"x"\n[]\n', "--json", server.address, '"x"', "-", stdin=b"[]\n")
        fails(1, "no JSON: line", "send", server.address, "--json", "{")
        fails(1, "", "send", server.address, "--json", "")
    with answering(lambda connection, message: connection.send({1, 2})) as address:
        fails(1, "set", "send", "--json", address, "1")


@test
def raw():
    """--bytes sends and prints bytes as they are."""
    message = bytes(range(256)) * 1000
    with echo(ANY) as server:
        prints(message, server.address, "--bytes", stdin=message)
        prints(b"", server.address, "--bytes", "")
        prints(b"onetwo", server.address, "--bytes", "one", "two")
        prints(b"line\n", server.address, "--bytes", "-", stdin=b"line\n")
        prints(b"#CHALLENGE#", server.address, "--bytes", "#CHALLENGE#")


@test
def no_text():
    """A message that is no UTF-8 is no text; an answer that is no pickle is no value."""
    with echo(ANY) as server:
        fails(1, "UTF-8", "send", server.address, stdin=b"\xff")
    with answering(lambda connection, message: connection.send_bytes(b"no pickle")) as address:
        fails(1, "no pickle", "send", address, "x")


@test
def authkey():
    """Both sides prove the authkey, kith's and Python's."""
    with files(key=b"secret\n", other=b"other") as path:
        mine, other = ["--authkey-file", path("key")], ["--authkey-file", path("other")]
        with echo(ANY, *mine, quiet=False) as server:
            prints(b"'x'\n", server.address, *mine, "x")
            fails(1, "key", "send", server.address, *other, "x")
            for form in "--text", "--json", "--bytes":
                fails(1, "wants an authkey", "send", server.address, form, "1")
        with answering(lambda connection, message: connection.send("pleased"), b"secret") as address:
            prints(b"'pleased'\n", address, *mine, "x")
        os.chmod(path("key"), 0o604)
        with echo(ANY) as server:
            status, _, err = kith("send", server.address, *mine, "--timeout", "0.1", "x")
            equal(status, 1)
            assert b"others can read" in err, err


@test
def tls_by_key():
    """--tls makes a key of the authkey, on both sides."""
    with files(key=KEY, other=KEY[::-1]) as path, \
            echo(ANY, "--tls", "--authkey-file", path("key"), quiet=False) as server:
        prints(b"'x'\n", server.address, "--tls", "--authkey-file", path("key"), "x")
        fails(1, "TLS", "send", server.address, "--tls", "--authkey-file", path("other"), "x")
        fails(1, "time", "send", server.address, "--timeout", "0.1", "--authkey-file", path("key"), "x")
        with echo(ANY, "--authkey-file", path("key"), quiet=False) as plain:
            fails(1, "what came is no TLS", "send", plain.address, "--tls", "--authkey-file", path("key"), "x")


@test
def tls_by_certificates():
    """--tls-certificate and the others: whom a client believes, and whom a server demands."""
    if not shutil.which("openssl"):
        raise Skip("there is no openssl here, to make certificates")
    with files() as path:
        certify(path, "server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        certify(path, "client")
        own = ["--tls-certificate", path("server.pem"), "--tls-key", path("server.key")]
        with echo(ANY, *own, quiet=False) as server:
            prints(b"'x'\n", server.address, "--tls-authorities", path("server.pem"), "x")
            prints(b"'x'\n", server.address, "--tls-authorities", path("server.pem"), "--tls-host", "localhost", "x")
            fails(1, "hostname mismatch", "send", server.address, "--tls-authorities", path("server.pem"),
                  "--tls-host", "elsewhere.example", "x")
            fails(1, "authorities", "send", server.address, "--tls-authorities", path("client.pem"), "x")
            fails(1, "self-signed", "send", server.address, "--tls-host", "localhost", "x")
        with echo(ANY, *own, "--tls-authorities", path("client.pem"), quiet=False) as server:
            prints(b"'x'\n", server.address, "--tls-authorities", path("server.pem"), "--tls-certificate",
                   path("client.pem"), "--tls-key", path("client.key"), "x")
            fails(1, "certificate required", "send", server.address, "--tls-authorities", path("server.pem"), "x")


@test
def retry():
    """--retry waits for a listener that is not there yet."""
    with folder() as path:
        address = "unix:" + path + "/echo"
        with subprocess.Popen([program, "send", address, "--retry", "x"], stdout=subprocess.PIPE) as client:
            try:
                with echo(address):
                    equal(client.communicate(timeout=60)[0], b"'x'\n")
                equal(client.returncode, 0)
            finally:
                client.kill()
        fails(1, "no socket", "send", address, "x")


@test
def no_answer():
    """An answer that does not come in time, or never will, is a failure."""
    with answering(lambda connection, message: None) as address:
        fails(1, "--timeout", "send", "--timeout", "0.1", address, "x")
    with answering(lambda connection, message: connection.close()) as address:
        fails(1, "closed", "send", address, "x")
    with answering(lambda connection, message: connection.send("first") or connection.close()) as address:
        status, out, err = kith("send", address, "x", "y")
        equal((status, out), (1, b"'first'\n"))


@test
def wrong_use():
    """What makes no sense gives status 2 and a hint."""
    for reason, *arguments in (
            ["which address"], ["unrecognized", "--colour", ANY], ["--authkey-file", "--tls", ANY],
            ["without certificates", "--tls", "--tls-host", "h", ANY],
            *(["not '%s'" % wrong, ANY, "--timeout", wrong] for wrong in ("0", "-1", "x", "1s", "", "nan", "inf"))):
        fails(2, reason, "send", *arguments)


@test
def failures():
    """What fails gives status 1 and a sentence."""
    with files(key=KEY) as path:
        for reason, *arguments in (
                ["address", "nowhere"], ["nobody listens", "tcp:127.0.0.1:1"],
                ["No such file", ANY, "--authkey-file", path("x")],
                ["TLS is for TCP", "unix:" + path("x"), "--tls", "--authkey-file", path("key")]):
            fails(1, reason, "send", *arguments, "x")


@test
def closed_streams():
    """Where stdin or stdout is closed, no connection is taken for it."""
    with echo(ANY) as server:
        for stream, reason in (0, b"stdin"), (1, b"stdout"):
            done = subprocess.run([program, "send", server.address, "-" if stream == 0 else "x"], input=b"",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                  preexec_fn=lambda stream=stream: os.close(stream))
            equal((done.returncode, done.stdout), (1, b""))
            assert reason in done.stderr, done.stderr


@test
def full():
    """An answer that can't be printed is a failure."""
    with echo(ANY) as server, open("/dev/full", "wb") as out:
        done = subprocess.run([program, "send", server.address, "x"], stdout=out, stderr=subprocess.PIPE, timeout=60)
    equal(done.returncode, 1)
    assert b"stdout" in done.stderr, done.stderr


@test
def help_and_version():
    """kith tells its version, its subcommands, and all about each."""
    status, out, err = kith("--version")
    equal((status, err, out.split()[0]), (0, b"", b"kith"))
    for arguments in ["--help"], ["-h"], ["help"]:
        status, out, err = kith(*arguments)
        equal((status, err), (0, b""))
        assert b"kith echo" in out and b"kith send" in out, out
    for name in "echo", "send":
        status, out, err = kith("help", name)
        equal((status, err), (0, b""))
        equal(kith(name, "--help"), (0, out, b""))
        assert max(map(len, out.splitlines())) <= 84, "a line is too long for a terminal"
    for arguments in [], ["sing"], ["help", "sing"]:
        status, out, err = kith(*arguments)
        equal((status, out), (2, b""))
        assert b"usage: kith" in err, err


run_all()
