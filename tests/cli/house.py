"""What the tests of the command share: the program, folders, keys, and echo servers that end with their test."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples"))
from tap import equal  # noqa: E402

program = os.path.abspath(sys.argv[1])
KEY = b"sixteen letters."


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="kith-cli-")
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def files(**contents):
    """A folder with these files, that only their owner can read. Yields a function that makes paths of names."""
    with folder() as path:
        for name, content in contents.items():
            with open(os.open(os.path.join(path, name), os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
        yield lambda name: os.path.join(path, name)


def kith(*arguments, stdin=b""):
    """Runs the command to its end and returns (status, stdout, stderr), as bytes."""
    done = subprocess.run([program, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    return done.returncode, done.stdout, done.stderr


def fails(status, reason, *arguments, stdin=b""):
    """It must print nothing, and say why on stderr, in a line; two when it was used wrongly."""
    seen, out, err = kith(*arguments, stdin=stdin)
    equal((seen, out), (status, b""))
    assert reason in err.decode(), "this is not said: %r\nbut this: %r" % (reason, err)
    equal(err.count(b"\n"), status)


def certify(path, name, *extensions):
    """Makes NAME.pem and NAME.key."""
    added = [word for extension in extensions for word in ("-addext", extension)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "1", "-subj", "/CN=" + name, "-keyout", path(name + ".key"), "-out", path(name + ".pem"),
                    *added], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Running:
    """A running command that listens, for its address is known. @param how  as subprocess.Popen takes it"""

    def __init__(self, *arguments, **how):
        self.name = "kith " + arguments[0]
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        self.address = self.process.stdout.readline().decode().rstrip("\n")
        if not self.address:
            raise AssertionError("%s did not begin: %r" % (self.name, self.process.communicate(timeout=60)[1]))

    def wait(self, status=0):
        """Waits for its end, and returns what it said on stderr. It must end well, and print nothing more."""
        out, err = self.process.communicate(timeout=60)
        equal((self.process.returncode, out), (status, b""))
        return err.decode()

    def stop(self, how=signal.SIGTERM, status=0):
        self.process.send_signal(how)
        return self.wait(status)

    def clean_up(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Echo(Running):
    def __init__(self, *arguments):
        super().__init__("echo", *arguments)


@contextlib.contextmanager
def echo(*arguments, quiet=True):
    """Runs kith echo until the end of the block; then it must end well, having complained about nothing."""
    server = Echo(*arguments)
    try:
        yield server
        if server.process.returncode is None:
            err = server.stop()
            if quiet:
                equal(err, "")
    finally:
        server.clean_up()


def place(address):
    """An address as multiprocessing.connection has it."""
    kind, rest = address.split(":", 1)
    if kind == "unix":
        return rest.replace("@", "\0", 1) if rest.startswith("@") else rest
    host, port = rest.rsplit(":", 1)
    return host, int(port)
